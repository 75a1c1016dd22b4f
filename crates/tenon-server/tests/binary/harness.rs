//! The real binary on a directory of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take on a loaded machine before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

pub(crate) struct Place {
    _dir: TempDir,
    pub(crate) data: PathBuf,
    pub(crate) dir: PathBuf,
}

impl Place {
    pub(crate) fn new() -> Self {
        let held = tempfile::tempdir().unwrap();
        let dir = held.path().to_owned();
        Self { _dir: held, data: dir.join("data"), dir }
    }

    /// A configuration file with this text.
    pub(crate) fn config(&self, text: &str) -> PathBuf {
        let path = self.dir.join("tenon.toml");
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Runs a command on the data directory.
    pub(crate) fn tenon(&self, args: &[&str]) -> Ran {
        let mut command = binary();
        command.args(args).arg("--data").arg(&self.data);
        Ran::of(command.output().unwrap())
    }

    pub(crate) fn mint(&self, user: &str, device: &str) -> String {
        let ran = self.tenon(&["token", "mint", user, "--device", device]).ok();
        ran.out.lines().last().unwrap().to_owned()
    }

    pub(crate) fn serve(&self) -> Server {
        self.serve_with(&[])
    }

    pub(crate) fn serve_with(&self, args: &[&str]) -> Server {
        match self.start(args, &[]) {
            Ok(server) => server,
            Err(status) => panic!("the server ended with {status}: {}", self.log()),
        }
    }

    /// Serves a demonstration.
    pub(crate) fn demo(&self, args: &[&str]) -> Server {
        match self.start_as("demo", args, &[]) {
            Ok(server) => server,
            Err(status) => panic!("the demonstration ended with {status}: {}", self.log()),
        }
    }

    /// Starts the server with this added to its environment; the status with which it ended before it served.
    pub(crate) fn start(
        &self,
        args: &[&str],
        environment: &[(String, String)],
    ) -> Result<Server, ExitStatus> {
        self.start_as("serve", args, environment)
    }

    fn start_as(
        &self,
        what: &str,
        args: &[&str],
        environment: &[(String, String)],
    ) -> Result<Server, ExitStatus> {
        let ready = self.dir.join("ready.json");
        let mut child = self.launch_as(what, args, environment);
        let begun = Instant::now();
        let ready = loop {
            if let Ok(text) = std::fs::read(&ready) {
                break serde_json::from_slice::<Value>(&text).unwrap();
            }
            if let Some(status) = child.try_wait().unwrap() {
                return Err(status);
            }
            assert!(begun.elapsed() < PATIENCE, "no ready file: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        };
        let url = ready["public_url"].as_str().unwrap().to_owned();
        let address = url.split("//").nth(1).unwrap().to_owned();
        Ok(Server { child, ready, address, url })
    }

    /// Starts the server and does not wait for it.
    pub(crate) fn launch(&self, args: &[&str], environment: &[(String, String)]) -> Child {
        self.launch_as("serve", args, environment)
    }

    fn launch_as(&self, what: &str, args: &[&str], environment: &[(String, String)]) -> Child {
        let ready = self.dir.join("ready.json");
        if ready.exists() {
            std::fs::remove_file(&ready).unwrap();
        }
        let mut command = binary();
        command.arg(what).arg("--data").arg(&self.data);
        if !args.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command.arg("--ready-file").arg(&ready).args(args);
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        let errors = std::fs::File::create(self.dir.join("server.log")).unwrap();
        let printed = std::fs::File::create(self.dir.join("server.out")).unwrap();
        command.stdout(printed).stderr(errors).spawn().unwrap()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("server.log")).unwrap_or_default()
    }
}

/// The binary; `CRASH_BINARY` names another one, for the long suites.
pub(crate) fn binary() -> Command {
    let other = std::env::var_os("CRASH_BINARY");
    let mut command = Command::new(other.unwrap_or_else(|| env!("CARGO_BIN_EXE_tenon").into()));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TENON_")) {
        command.env_remove(name);
    }
    command
}

pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) ready: Value,
    pub(crate) address: String,
    pub(crate) url: String,
}

impl Server {
    /// kill -9.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// A planned stop; gives the exit code.
    pub(crate) fn stop(mut self) -> i32 {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(begun.elapsed() < PATIENCE, "the server does not stop");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Runs a command of a device.
    pub(crate) fn device(&self, command: &str, token: &str, args: &[&str]) -> Ran {
        let mut binary = binary();
        binary.arg(command).args(["--server", &self.address, "--token", token]).args(args);
        Ran::of(binary.output().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.kill();
        }
    }
}

#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// It did its work.
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    /// It ended with this code and says this.
    pub(crate) fn fails(&self, code: i32, says: &str) {
        assert_eq!(self.code, code, "{self:?}");
        assert!(self.err.contains(says), "{self:?} does not say {says:?}");
    }

    /// Its lines as JSON.
    pub(crate) fn rows(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// The archive beside the repository, if it is there.
pub(crate) fn sample() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2)?;
    let folder = root.parent()?.join("shared/data");
    let files = std::fs::read_dir(folder).ok()?;
    files
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.to_string_lossy().ends_with(".slack-export.zip"))
}
