//! The listening end.

use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};

use super::operate::{Operator, operate};
use super::{Event, Request, socket_path};
use crate::error::ServerError;

/// Longest request line.
const REQUEST_BYTES_MAX: u64 = 1024 * 1024;
/// Events that may wait for a slow reader; then the work waits too.
const EVENTS_MAX: usize = 64;
/// A socket address holds 108 bytes; longer paths go through the directory's descriptor.
const PATH_BYTES_MAX: usize = 100;

/// The path to bind or connect, and what must stay open meanwhile.
pub(crate) fn reachable(data: &Path) -> io::Result<(PathBuf, Option<std::fs::File>)> {
    let path = socket_path(data);
    if path.as_os_str().len() <= PATH_BYTES_MAX {
        return Ok((path, None));
    }
    let directory = std::fs::File::open(data)?;
    let path = format!("/proc/self/fd/{}/admin.sock", directory.as_raw_fd());
    Ok((path.into(), Some(directory)))
}

/// Binds the socket; only this system user can reach it, since the directory has mode 0700.
pub(crate) fn bind(data: &Path) -> Result<UnixListener, ServerError> {
    let failed = |source| ServerError::Io { path: socket_path(data), source };
    match std::fs::remove_file(socket_path(data)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let (path, _held) = reachable(data).map_err(failed)?;
    UnixListener::bind(path).map_err(failed)
}

/// Serves until stop.
pub(crate) async fn serve(
    listener: UnixListener,
    operator: Arc<Operator>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let operator = Arc::clone(&operator);
                tokio::spawn(async move {
                    if let Err(error) = answer(stream, operator).await {
                        tracing::debug!(%error, "an administrative connection ended");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the administrative socket refused a connection");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

async fn answer(stream: UnixStream, operator: Arc<Operator>) -> io::Result<()> {
    let peer = stream.peer_cred()?;
    let me = rustix::process::geteuid().as_raw();
    if peer.uid() != me && peer.uid() != 0 {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "another system user"));
    }
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    BufReader::new(read.take(REQUEST_BYTES_MAX)).read_line(&mut line).await?;
    let request: Request = match serde_json::from_str(&line) {
        Ok(request) => request,
        Err(error) => {
            let message = format!("the request does not parse: {error}");
            let mend = Some("use the `tenon` of the same version as the server".to_owned());
            return send(&mut write, &Event::Error { message, mend, exit: 2 }).await;
        }
    };
    let (events, mut waiting) = mpsc::channel(EVENTS_MAX);
    let work = tokio::spawn(async move { operate(&operator, request, &events).await });
    while let Some(event) = waiting.recv().await {
        if let Err(error) = send(&mut write, &event).await {
            // The caller went: work that reports stops at its next report.
            drop(waiting);
            return Err(error);
        }
    }
    let last = match work.await {
        Ok(Ok(result)) => Event::Done { result },
        Ok(Err(error)) => Event::error(&error),
        Err(_) => Event::error(&ServerError::Panicked),
    };
    send(&mut write, &last).await
}

async fn send(write: &mut (impl AsyncWriteExt + Unpin), event: &Event) -> io::Result<()> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    write.write_all(&line).await
}
