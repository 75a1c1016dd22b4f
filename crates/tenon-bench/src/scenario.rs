//! The scenarios.

pub(crate) mod connections;
pub(crate) mod direct;
pub(crate) mod group;
pub(crate) mod log;
pub(crate) mod rebase;
pub(crate) mod storm;

use std::fmt;
use std::str::FromStr;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// Pairs send 1:1 messages, as fast as they can and at fixed rates.
    Direct,
    /// One large group, half of it online with the group on the screen.
    Group,
    /// Idle WebSocket devices, without and with TLS.
    Connections,
    /// A device comes back after a long absence, and one after a short one.
    Rebase,
    /// The server is killed and all devices come back at once.
    Storm,
    /// The embedded log alone.
    Log,
}

/// No scenario has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no scenario {0:?}; take one of direct, group, connections, rebase, storm, log")]
pub struct ScenarioError(String);

impl Scenario {
    /// All, in the order of the documentation.
    pub const ALL: [Self; 6] =
        [Self::Direct, Self::Group, Self::Connections, Self::Rebase, Self::Storm, Self::Log];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Group => "group",
            Self::Connections => "connections",
            Self::Rebase => "rebase",
            Self::Storm => "storm",
            Self::Log => "log",
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Scenario {
    type Err = ScenarioError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|scenario| scenario.name() == text);
        found.ok_or_else(|| ScenarioError(text.to_owned()))
    }
}
