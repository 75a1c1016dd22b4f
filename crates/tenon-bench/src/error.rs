//! Why a measurement did not happen.

use std::io;

/// A scenario could not be run to its end. A run that ended and found a loss is a [`crate::Report`], not an error.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// Files, sockets, processes.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The server ended, or never came up; with the end of what it said.
    #[error("the server {what}\n{said}")]
    Server {
        /// What it did.
        what: String,
        /// Its last lines.
        said: String,
    },
    /// The server refused something that the scenario needs.
    #[error("refused: {0}")]
    Refused(String),
    /// Something did not come in time.
    #[error("gave up waiting for {0}")]
    Late(String),
    /// The log refused.
    #[error("log: {0}")]
    Log(#[from] tenon_ports::LogError),
}

impl BenchError {
    pub(crate) fn io(what: impl Into<String>, source: io::Error) -> Self {
        Self::Io { what: what.into(), source }
    }

    pub(crate) fn refused(what: impl std::fmt::Display) -> Self {
        Self::Refused(what.to_string())
    }
}
