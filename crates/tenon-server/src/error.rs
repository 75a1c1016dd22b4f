//! What stops a command: the cause and the mend, one line each, and the exit code.

use std::io;
use std::path::PathBuf;

use tenon_embedded::DataDirError;
use tenon_ports::{KvError, LogError};
use tenon_store::StoreError;

use crate::config::Mistake;

/// Why a command ended without doing its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    #[error("{0}")]
    DataDir(#[from] DataDirError),
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{}: damaged: {what}", path.display())]
    Damaged { path: PathBuf, what: String },
    #[error("log: {}", chain(.0))]
    Log(#[from] LogError),
    #[error("store: {}", chain(.0))]
    Kv(#[from] KvError),
    #[error("store: {}", chain(.0))]
    Store(#[from] StoreError),
    #[error("{}", chain(.0))]
    Receiver(#[from] tenon_receiver::ReceiverError),
    #[error("conversation partition: {}", chain(.0))]
    Processor(#[from] tenon_processor::ProcessorError),
    #[error("user partition: {}", chain(.0))]
    Sync(#[from] tenon_sync::SyncError),
    #[error("the address {0} is taken by another program")]
    Port(std::net::SocketAddr),
    #[error("gateway: {0}")]
    Gateway(String),
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    #[error("a thread cannot be started: {0}")]
    Thread(io::Error),
    #[error("a loop of the server ended unexpectedly")]
    Panicked,
    #[error("configuration:\n{}", .0.iter().map(|m| format!("  {m}")).collect::<Vec<_>>().join("\n"))]
    Config(Vec<Mistake>),
    #[error("{0}")]
    Admin(#[from] tenon_receiver::admin::AdminError),
    #[error("{message}")]
    Told { message: String, mend: Option<String> },
    /// As the running server told it, with the exit code that it would have had here.
    #[error("{message}")]
    Remote { message: String, mend: Option<String>, exit: u8 },
    #[error("{0}")]
    Import(#[from] tenon_import::ImportError),
    #[error("{0}")]
    Bench(#[from] tenon_bench::BenchError),
    #[error("{problems} problems found")]
    Unclean { problems: u64 },
}

/// An error with what is behind it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

impl ServerError {
    /// What to do about it, where the message does not say.
    pub(crate) fn mend(&self) -> Option<String> {
        let text = match self {
            Self::DataDir(DataDirError::InUse { .. }) => {
                "stop the other server, or take another --data directory"
            }
            Self::DataDir(DataDirError::Newer { .. }) => {
                "use the version that wrote it, or a newer one; nothing was changed"
            }
            Self::DataDir(DataDirError::Io { .. }) | Self::Io { .. } => {
                "check that the path exists, is writable by this user, and that the disk has space"
            }
            Self::Port(_) => {
                "stop that program, or take another address with --listen (key `listen`)"
            }
            Self::Damaged { .. } => "restore this file from a backup of the data directory",
            Self::Log(LogError::DiskFull) => {
                "free space on the disk of the data directory; see docs/errors/disk_full.md"
            }
            Self::Log(LogError::Damaged(_) | LogError::Unreadable(_)) => {
                "see docs/errors/log_damaged.md"
            }
            Self::Log(LogError::Poisoned | LogError::Interrupted(_)) => {
                "check the disk (dmesg), then start again: everything acked is in the log"
            }
            Self::Store(StoreError::OutOfStep { .. }) => {
                "acknowledged records are missing from the log; see docs/errors/log_damaged.md"
            }
            Self::Config(_) => "run `tenon config show` for all keys and their values",
            Self::Unclean { .. } => "see docs/errors/log_damaged.md",
            Self::Told { mend, .. } | Self::Remote { mend, .. } => return mend.clone(),
            _ => return None,
        };
        Some(text.to_owned())
    }

    /// 2 for what the caller can mend by another call, 1 for everything else.
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Remote { exit, .. } => *exit,
            Self::Config(_) | Self::Admin(_) | Self::Import(_) | Self::Told { .. } => 2,
            _ => 1,
        }
    }
}
