//! Assertions that stay in release builds.

/// Checks a condition that must hold in every build.
///
/// A false condition panics; the partition that ran it stops and restarts from its log, the process goes on.
#[macro_export]
macro_rules! always {
    ($condition:expr $(,)?) => { assert!($condition) };
    ($condition:expr, $($message:tt)+) => { assert!($condition, $($message)+) };
}

/// True when the planted bug of this name is switched on; compiled out unless `--cfg bugs`.
#[macro_export]
macro_rules! planted {
    ($name:literal) => {{
        #[cfg(bugs)]
        {
            $crate::always::bugs::is_on($name)
        }
        #[cfg(not(bugs))]
        {
            false
        }
    }};
}

/// The switchboard of planted bugs; exists in simulation builds only.
#[cfg(bugs)]
pub mod bugs {
    use std::sync::RwLock;

    static ON: RwLock<Option<String>> = RwLock::new(None);

    /// Turns one planted bug on, or several (`a+b`: a bug, and the check that would hide it), or all off.
    pub fn plant(name: Option<&str>) {
        *ON.write().unwrap_or_else(std::sync::PoisonError::into_inner) = name.map(str::to_owned);
    }

    /// True when `name` is the planted bug.
    pub fn is_on(name: &str) -> bool {
        let on = ON.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        on.as_deref().is_some_and(|on| on.split('+').any(|on| on == name))
    }
}
