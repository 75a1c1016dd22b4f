//! The server under measurement, as a process of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::admin::Admin;
use crate::process::Usage;
use crate::{BenchError, Options};

/// How long a start may take, a recovery included.
const START_WAIT: Duration = Duration::from_secs(120);
/// How often the ready file is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Lines of the server's log in an error.
const LINES_SAID: usize = 20;
/// Limits on rates would measure the limits; the rest is as a server comes.
const SETTINGS: &str = "\
trace = \"warn\"

[limits]
device = \"0/s 0\"
user = \"0/s 0\"
conversation = \"0/s 0\"
connections = 200000
";

/// A temporary folder on the disk that is to be measured.
pub(crate) fn folder(parent: Option<&Path>) -> Result<TempDir, BenchError> {
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix("tenon-bench-");
    let made = match parent {
        Some(parent) => builder.tempdir_in(parent),
        None => builder.tempdir(),
    };
    made.map_err(|source| BenchError::io("a temporary folder", source))
}

/// A running server and its folder. Dropped, it is killed and its data are removed.
pub(crate) struct Server {
    folder: TempDir,
    exe: PathBuf,
    is_tls: bool,
    child: Child,
    address: SocketAddr,
    /// From the start of the process to the ready file.
    pub(crate) start_s: f64,
}

impl Server {
    /// Starts on an empty folder.
    pub(crate) async fn start(options: &Options, is_tls: bool) -> Result<Self, BenchError> {
        let folder = folder(options.folder.as_deref())?;
        let exe = options.server_exe.clone();
        std::fs::write(folder.path().join("tenon.toml"), SETTINGS)
            .map_err(|source| BenchError::io("the configuration", source))?;
        let (child, address, start_s) = start(&exe, folder.path(), is_tls).await?;
        Ok(Self { folder, exe, is_tls, child, address, start_s })
    }

    /// Kills the process as a power cut would end it, though what the kernel holds stays.
    pub(crate) async fn kill(&mut self) -> Result<(), BenchError> {
        self.child.kill().await.map_err(|source| BenchError::io("kill", source))
    }

    /// Starts again on the same folder, on another port.
    pub(crate) async fn restart(&mut self) -> Result<(), BenchError> {
        let started = start(&self.exe, self.folder.path(), self.is_tls).await?;
        (self.child, self.address, self.start_s) = started;
        Ok(())
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn admin(&self) -> Admin {
        Admin::new(&self.data())
    }

    pub(crate) fn usage(&self) -> Result<Usage, BenchError> {
        Usage::of(self.child.id().unwrap_or_default())
    }
}

async fn start(
    exe: &Path,
    folder: &Path,
    is_tls: bool,
) -> Result<(Child, SocketAddr, f64), BenchError> {
    let ready = folder.join("ready.json");
    match std::fs::remove_file(&ready) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(BenchError::io("the ready file", error));
        }
        _ => {}
    }
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(folder.join("server.log"))
        .map_err(|source| BenchError::io("the server's log", source))?;
    let mut command = Command::new(exe);
    command.arg("serve").arg("--data").arg(folder.join("data"));
    command.args(["--listen", "127.0.0.1:0", "--ready-file"]).arg(&ready);
    command.arg("--config").arg(folder.join("tenon.toml"));
    if is_tls {
        command.arg("--tls-self-made");
    }
    // Settings of the environment would go before those of the file.
    command.env_clear();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
    let begin = Instant::now();
    let mut child =
        command.spawn().map_err(|source| BenchError::io(exe.display().to_string(), source))?;
    loop {
        if let Some(address) = address_in(&ready) {
            return Ok((child, address, begin.elapsed().as_secs_f64()));
        }
        if let Some(status) = child.try_wait().map_err(|e| BenchError::io("the server", e))? {
            return Err(BenchError::Server {
                what: format!("ended, {status}"),
                said: said(folder),
            });
        }
        if begin.elapsed() > START_WAIT {
            let what = format!("was not ready in {} s", START_WAIT.as_secs());
            return Err(BenchError::Server { what, said: said(folder) });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The address in a ready file that is there and whole.
fn address_in(ready: &Path) -> Option<SocketAddr> {
    let ready: Value = serde_json::from_slice(&std::fs::read(ready).ok()?).ok()?;
    ready.get("public_url")?.as_str()?.split_once("://")?.1.trim_end_matches('/').parse().ok()
}

fn said(folder: &Path) -> String {
    let log = std::fs::read_to_string(folder.join("server.log")).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(LINES_SAID)..].join("\n")
}
