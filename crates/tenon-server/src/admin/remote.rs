//! The calling end: through the running server, or, where none runs, with the same rooms in this process.

use std::io;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use super::operate::{Operator, operate};
use super::{Event, Request, socket};
use crate::config::Config;
use crate::error::ServerError;
use crate::house::{Ground, NoMulticast, Raised};
use crate::links;

/// Takes rows and progress as they come.
pub(crate) trait Watcher {
    /// One line of a list.
    fn row(&mut self, row: &Value);
    /// How far long work is.
    fn progress(&mut self, done: u64, total: u64, what: &str);
}

/// Runs one request and gives its result.
pub(crate) async fn call(
    data: &Path,
    config: &Config,
    request: Request,
    watcher: &mut dyn Watcher,
) -> Result<Value, ServerError> {
    match connect(data).await {
        Ok(stream) => through_server(stream, &request, watcher).await,
        Err(error) if is_nobody(&error) => in_process(data, config, request, watcher).await,
        Err(source) => Err(ServerError::Io { path: super::socket_path(data), source }),
    }
}

/// The same for what only a running server can answer.
pub(crate) async fn call_running(
    data: &Path,
    request: &Request,
    watcher: &mut dyn Watcher,
) -> Result<Value, ServerError> {
    match connect(data).await {
        Ok(stream) => through_server(stream, request, watcher).await,
        Err(error) if is_nobody(&error) => Err(ServerError::Told {
            message: format!("no server runs on {}", data.display()),
            mend: Some("start it with `tenon serve`".into()),
        }),
        Err(source) => Err(ServerError::Io { path: super::socket_path(data), source }),
    }
}

async fn connect(data: &Path) -> io::Result<UnixStream> {
    let (path, _held) = socket::reachable(data)?;
    UnixStream::connect(path).await
}

/// No socket, or one that a crash left behind.
fn is_nobody(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

async fn through_server(
    stream: UnixStream,
    request: &Request,
    watcher: &mut dyn Watcher,
) -> Result<Value, ServerError> {
    let gone = |error: io::Error| ServerError::Told {
        message: format!("the server ended while it worked: {error}"),
        mend: Some("start it again and repeat the command; what was done is kept".into()),
    };
    let (read, mut write) = stream.into_split();
    let mut line = serde_json::to_vec(request).map_err(|e| gone(e.into()))?;
    line.push(b'\n');
    write.write_all(&line).await.map_err(gone)?;
    let mut lines = BufReader::new(read).lines();
    while let Some(line) = lines.next_line().await.map_err(gone)? {
        let event = serde_json::from_str(&line).map_err(|e| gone(e.into()))?;
        if let Some(end) = take(event, watcher) {
            return end;
        }
    }
    Err(gone(io::ErrorKind::UnexpectedEof.into()))
}

fn take(event: Event, watcher: &mut dyn Watcher) -> Option<Result<Value, ServerError>> {
    match event {
        Event::Row { row } => watcher.row(&row),
        Event::Progress { done, total, what } => watcher.progress(done, total, &what),
        Event::Done { result } => return Some(Ok(result)),
        Event::Error { message, mend, exit } => {
            return Some(Err(ServerError::Remote { message, mend, exit }));
        }
    }
    None
}

async fn in_process(
    data: &Path,
    config: &Config,
    request: Request,
    watcher: &mut dyn Watcher,
) -> Result<Value, ServerError> {
    let (path, settings) = (data.to_owned(), config.clone());
    let ground = tokio::task::spawn_blocking(move || Ground::open(&path, &settings))
        .await
        .map_err(|_| ServerError::Panicked)??;
    let house = Raised::raise(ground, config).await?.run(Arc::new(NoMulticast)).await?;
    let operator = Operator::of(&house, &links::public_url(config, config.listen));
    let (events, mut waiting) = mpsc::channel(64);
    let work = tokio::spawn(async move { operate(&operator, request, &events).await });
    while let Some(event) = waiting.recv().await {
        // Rows and progress only: the end is the task's value.
        take(event, watcher);
    }
    let result = work.await.map_err(|_| ServerError::Panicked)?;
    house.close().await?;
    result
}
