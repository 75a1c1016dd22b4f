//! The server's administrative socket: one JSON object up, lines of events down.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use crate::BenchError;

/// The way to the socket of a data directory.
#[derive(Debug, Clone)]
pub(crate) struct Admin(PathBuf);

impl Admin {
    pub(crate) fn new(data: &Path) -> Self {
        Self(data.join("admin.sock"))
    }

    /// Adds accounts; their ids in the order of the names.
    pub(crate) async fn add_users(&self, names: &[String]) -> Result<Vec<u64>, BenchError> {
        let request = json!({ "call": "user_add", "names": names, "display": null });
        let (rows, _) = self.call(&request).await?;
        let id = |row: &Value| row.get("id")?.as_str()?.parse().ok();
        let ids: Vec<u64> = rows.iter().filter_map(id).collect();
        if ids.len() == names.len() { Ok(ids) } else { Err(BenchError::refused("user_add")) }
    }

    /// A device credential.
    pub(crate) async fn mint(&self, name: &str, label: &str) -> Result<String, BenchError> {
        let request = json!({ "call": "token_mint", "name": name, "label": label });
        let (_, result) = self.call(&request).await?;
        let token = result.get("token").and_then(Value::as_str);
        token.map(str::to_owned).ok_or_else(|| BenchError::refused("token_mint"))
    }

    /// A group of accounts; its conversation.
    pub(crate) async fn create_group(
        &self,
        name: &str,
        members: &[String],
    ) -> Result<u64, BenchError> {
        let request = json!({ "call": "group_create", "name": name, "members": members });
        let (_, result) = self.call(&request).await?;
        let conv = result.get("conversation").and_then(Value::as_str);
        conv.and_then(|c| c.parse().ok()).ok_or_else(|| BenchError::refused("group_create"))
    }

    /// Writes everything to the store; values, state rows and bytes that were written.
    pub(crate) async fn flush(&self) -> Result<Flushed, BenchError> {
        let (_, result) = self.call(&json!({ "call": "flush" })).await?;
        let number = |name: &str| result.get(name).and_then(Value::as_f64);
        let flushed = || {
            Some(Flushed {
                values: number("values")?,
                state_rows: number("state_rows")?,
                bytes: number("bytes")?,
            })
        };
        flushed().ok_or_else(|| BenchError::refused(format!("flush answered {result}")))
    }

    async fn call(&self, request: &Value) -> Result<(Vec<Value>, Value), BenchError> {
        let failed = |source| BenchError::io("the administrative socket", source);
        let stream = UnixStream::connect(&self.0).await.map_err(failed)?;
        let (read, mut write) = stream.into_split();
        let mut line = request.to_string();
        line.push('\n');
        write.write_all(line.as_bytes()).await.map_err(failed)?;
        let mut lines = BufReader::new(read).lines();
        let mut rows = Vec::new();
        while let Some(line) = lines.next_line().await.map_err(failed)? {
            let mut event: Value = serde_json::from_str(&line).map_err(BenchError::refused)?;
            match event.get("event").and_then(Value::as_str) {
                Some("row") => rows.push(event["row"].take()),
                Some("done") => return Ok((rows, event["result"].take())),
                Some("error") => return Err(BenchError::refused(&event["message"])),
                _ => {}
            }
        }
        Err(BenchError::refused("the administrative socket closed without an answer"))
    }
}

/// What one flush wrote to the store.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Flushed {
    /// Messages, events and queue entries.
    pub(crate) values: f64,
    /// Rows of state.
    pub(crate) state_rows: f64,
    /// Bytes, keys included.
    pub(crate) bytes: f64,
}
