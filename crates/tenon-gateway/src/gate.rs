//! Who may connect: bounds in total, per address, and before login. Refusing costs nothing but a closed socket.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tenon_base::{Deadline, Map};
use tenon_core::rate::Meter;

use crate::options::GateOptions;

/// Addresses whose sign-in rate is remembered; idle ones are forgotten first.
const METERS_MAX: usize = 65_536;

/// Counts of one address.
#[derive(Debug, Default, Clone, Copy)]
struct Count {
    open: usize,
    before_login: usize,
}

#[derive(Debug, Default)]
struct State {
    total: Count,
    by_address: Map<IpAddr, Count>,
    logins: usize,
    login_meters: Map<IpAddr, Meter>,
}

/// The bounds and what counts against them.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    options: GateOptions,
    /// Speak for many, so they are not counted themselves.
    proxies: Arc<[IpAddr]>,
    state: Arc<Mutex<State>>,
}

/// A place taken by one connection; given back when dropped.
#[derive(Debug)]
pub(crate) struct Pass {
    gate: Gate,
    address: Option<IpAddr>,
    is_known: bool,
}

/// A place taken by one sign-in.
#[derive(Debug)]
pub(crate) struct LoginPass(Gate);

impl Gate {
    pub(crate) fn new(options: GateOptions, proxies: &[IpAddr]) -> Self {
        Self { options, proxies: proxies.into(), state: Arc::default() }
    }

    /// True for an address whose word about the caller's address is believed.
    pub(crate) fn is_proxy(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_loopback() || self.proxies.contains(&address)
    }

    /// The address that is counted: none for a proxy, the /64 of an IPv6 address, since one line has a whole one.
    fn counted(&self, address: IpAddr) -> Option<IpAddr> {
        if self.is_proxy(address) {
            return None;
        }
        Some(match address.to_canonical() {
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            v4 => v4,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection from `address`.
    ///
    /// # Errors
    /// The label of the bound that is reached.
    pub(crate) fn admit(&self, address: IpAddr) -> Result<Pass, &'static str> {
        let address = self.counted(address);
        let mut guard = self.state();
        let state = &mut *guard;
        if state.total.open >= self.options.connections_max {
            return Err("total");
        }
        if state.total.before_login >= self.options.before_login_max {
            return Err("before_login");
        }
        if let Some(address) = address {
            let count = state.by_address.entry(address).or_default();
            if count.open >= self.options.per_address_max {
                return Err("address");
            }
            if count.before_login >= self.options.before_login_per_address_max {
                return Err("address_before_login");
            }
            count.open += 1;
            count.before_login += 1;
        }
        state.total.open += 1;
        state.total.before_login += 1;
        drop(guard);
        Ok(Pass { gate: self.clone(), address, is_known: false })
    }

    /// A place for a sign-in by password.
    ///
    /// # Errors
    /// How long to wait, milliseconds.
    pub(crate) fn admit_login(&self, address: IpAddr, now: Deadline) -> Result<LoginPass, u32> {
        let mut state = self.state();
        if state.logins >= self.options.logins_max {
            return Err(1_000);
        }
        if let Some(address) = self.counted(address) {
            if state.login_meters.len() >= METERS_MAX {
                state.login_meters.retain(|_, meter| !meter.is_idle(now));
            }
            if state.login_meters.len() >= METERS_MAX {
                return Err(1_000);
            }
            state.login_meters.entry(address).or_default().take(self.options.login_rate, now)?;
        }
        state.logins += 1;
        drop(state);
        Ok(LoginPass(self.clone()))
    }
}

impl Drop for LoginPass {
    fn drop(&mut self) {
        self.0.state().logins -= 1;
    }
}

impl Pass {
    /// The caller said who it is: it counts in total only.
    pub(crate) fn know(&mut self) {
        if std::mem::replace(&mut self.is_known, true) {
            return;
        }
        let mut state = self.gate.state();
        state.total.before_login -= 1;
        if let Some(count) = self.address.and_then(|a| state.by_address.get_mut(&a)) {
            count.before_login -= 1;
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.know();
        let mut state = self.gate.state();
        state.total.open -= 1;
        let Some(address) = self.address else { return };
        let Some(count) = state.by_address.get_mut(&address) else { return };
        count.open -= 1;
        if count.open == 0 {
            state.by_address.remove(&address);
        }
    }
}

#[cfg(test)]
mod tests {
    use tenon_core::rate::Rate;

    use super::*;

    fn gate() -> Gate {
        Gate::new(
            GateOptions {
                connections_max: 4,
                per_address_max: 3,
                before_login_max: 3,
                before_login_per_address_max: 2,
                logins_max: 2,
                login_rate: Rate { per_second: 1, burst: 2 },
            },
            &[address("198.51.100.7")],
        )
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn unknown_callers_of_one_address_are_few() {
        let gate = gate();
        let one = address("192.0.2.1");
        let mut first = gate.admit(one).unwrap();
        let _second = gate.admit(one).unwrap();
        assert_eq!(gate.admit(one).unwrap_err(), "address_before_login");
        first.know();
        let _third = gate.admit(one).unwrap();
        assert_eq!(gate.admit(one).unwrap_err(), "address");
        drop(first);
        assert_eq!(gate.admit(one).unwrap_err(), "address_before_login");
        let _other = gate.admit(address("192.0.2.2")).unwrap();
        assert_eq!(gate.admit(address("192.0.2.3")).unwrap_err(), "before_login");
    }

    #[test]
    fn places_come_back() {
        let gate = gate();
        for _ in 0..100 {
            let pass = gate.admit(address("2001:db8::1")).unwrap();
            let same_line = gate.admit(address("2001:db8::2")).unwrap();
            assert!(gate.admit(address("2001:db8::3")).is_err());
            drop((pass, same_line));
        }
        assert!(gate.state().by_address.is_empty());
        assert_eq!(gate.state().total.open, 0);
    }

    #[test]
    fn loopback_and_proxies_count_in_total_only() {
        let gate = gate();
        let passes: Vec<_> = (0..3).map(|_| gate.admit(address("::ffff:127.0.0.1"))).collect();
        assert!(passes.iter().all(Result::is_ok));
        assert_eq!(gate.admit(address("198.51.100.7")).unwrap_err(), "before_login");
    }

    #[test]
    fn sign_ins_are_rated_per_address() {
        let gate = gate();
        let now = Deadline(1_000_000);
        for _ in 0..2 {
            drop(gate.admit_login(address("192.0.2.1"), now).unwrap());
        }
        assert_eq!(gate.admit_login(address("192.0.2.1"), now).unwrap_err(), 1_000);
        let _a = gate.admit_login(address("192.0.2.2"), now).unwrap();
        let _b = gate.admit_login(address("127.0.0.1"), now).unwrap();
        assert!(gate.admit_login(address("192.0.2.3"), now).is_err(), "two run");
    }
}
