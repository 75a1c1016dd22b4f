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

/// Notes that a rare place was reached, so that a run can tell which it never met; compiled out unless `--cfg bugs`.
#[macro_export]
macro_rules! sometimes {
    ($name:literal) => {{
        #[cfg(bugs)]
        {
            $crate::always::bugs::meet($name);
        }
    }};
}

/// The switchboard of planted bugs and the list of rare places; exists in simulation builds only.
#[cfg(bugs)]
pub mod bugs {
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Mutex, PoisonError, RwLock};

    static ON: RwLock<Option<String>> = RwLock::new(None);
    static MET: Mutex<BTreeMap<&'static str, u64>> = Mutex::new(BTreeMap::new());
    static COUNT: AtomicU64 = AtomicU64::new(0);

    /// Counts a visit of a rare place.
    pub fn meet(name: &'static str) {
        *MET.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default() += 1;
    }

    /// Rare places that were reached in this process so far, and how often, by name.
    pub fn met() -> BTreeMap<&'static str, u64> {
        MET.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A number that no log knows, for planted bugs that decide by something outside of it: 1, 2, 3, ...
    pub fn outside() -> u64 {
        COUNT.fetch_add(1, Ordering::Relaxed)
    }

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
