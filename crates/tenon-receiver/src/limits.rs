//! Rate limits at admission: per device, per user, per conversation, per address of a sign-in.

use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use tenon_base::{AppId, ConversationId, Deadline, DeviceId, Map, UserId};
use tenon_core::rate::{Meter, Rate};

use crate::code;

/// How often one may do what. A rate of 0 per second switches a limit off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    /// Sends and ops of one device.
    pub device: Rate,
    /// Sends and ops of one user, over all devices.
    pub user: Rate,
    /// Sends into one conversation.
    pub conversation: Rate,
    /// Sign-ins to one account, per minute.
    pub account_per_minute: u32,
    /// Sign-ins from one /24 or /64, per minute.
    pub network_per_minute: u32,
}

impl RateLimits {
    /// Start values of the assurance page.
    pub const START: Self = Self {
        device: Rate { per_second: 20, burst: 60 },
        user: Rate { per_second: 30, burst: 90 },
        conversation: Rate { per_second: 50, burst: 150 },
        account_per_minute: 10,
        network_per_minute: 100,
    };

    /// No limit but those of sign-in.
    pub const OPEN: Self = Self {
        device: Rate { per_second: 0, burst: 0 },
        user: Rate { per_second: 0, burst: 0 },
        conversation: Rate { per_second: 0, burst: 0 },
        ..Self::START
    };
}

/// Keys are chosen by callers, so the table is bounded: above it idle meters leave, then all of them.
const METERS_MAX: usize = 100_000;
/// Credentials that one app may ask for.
const MINTS: Rate = Rate { per_second: 20, burst: 200 };
/// Wrong links from one /24 or /64, per minute. With 256 bits none is guessed; who tries is kept from making work.
const WRONG_LINKS: Rate = Rate { per_second: 10, burst: 30 };
/// The meters count a minute as a second of a clock that runs this much slower.
const SECONDS_PER_MINUTE: u64 = 60;

#[derive(Debug)]
struct Meters<K>(Mutex<Map<K, Meter>>);

impl<K: Eq + Hash> Meters<K> {
    fn new() -> Self {
        Self(Mutex::new(Map::default()))
    }

    fn take(&self, key: K, rate: Rate, now: Deadline) -> Result<(), u32> {
        if rate.per_second == 0 {
            return Ok(());
        }
        let mut meters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if meters.len() >= METERS_MAX && !meters.contains_key(&key) {
            meters.retain(|_, meter| !meter.is_idle(now));
            if meters.len() >= METERS_MAX {
                // Message limits fail open: forgetting is milder than refusing everybody.
                meters.clear();
            }
        }
        meters.entry(key).or_default().take(rate, now)
    }

    /// What [`Self::take`] would say, without taking.
    fn look(&self, key: &K, rate: Rate, now: Deadline) -> Result<(), u32> {
        let meters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        meters.get(key).copied().unwrap_or_default().take(rate, now)
    }
}

/// Which limit refused, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limited {
    pub(crate) code: u32,
    pub(crate) after_ms: u32,
}

#[derive(Debug)]
pub(crate) struct Limits {
    rates: RateLimits,
    devices: Meters<DeviceId>,
    users: Meters<UserId>,
    conversations: Meters<ConversationId>,
    accounts: Meters<String>,
    networks: Meters<IpAddr>,
    apps: Meters<AppId>,
    wrong_links: Meters<IpAddr>,
}

impl Limits {
    pub(crate) fn new(rates: RateLimits) -> Self {
        Self {
            rates,
            devices: Meters::new(),
            users: Meters::new(),
            conversations: Meters::new(),
            accounts: Meters::new(),
            networks: Meters::new(),
            apps: Meters::new(),
            wrong_links: Meters::new(),
        }
    }

    /// A throttle never consumes the cid, so it comes before the append.
    pub(crate) fn send(
        &self,
        device: DeviceId,
        user: UserId,
        conv: Option<ConversationId>,
        now: Deadline,
    ) -> Result<(), Limited> {
        let limited = |code| move |after_ms| Limited { code, after_ms };
        self.devices.take(device, self.rates.device, now).map_err(limited(code::DEVICE_RATE))?;
        self.users.take(user, self.rates.user, now).map_err(limited(code::USER_RATE))?;
        let Some(conv) = conv else { return Ok(()) };
        let rate = self.rates.conversation;
        self.conversations.take(conv, rate, now).map_err(limited(code::CONVERSATION_RATE))
    }

    /// Each mint is a durable write, so an app has its own rate.
    pub(crate) fn mint(&self, app: AppId, now: Deadline) -> Result<(), Limited> {
        let limited = |after_ms| Limited { code: code::APP_RATE, after_ms };
        self.apps.take(app, MINTS, now).map_err(limited)
    }

    /// Refuses an address that tried too many wrong links; a right one costs nothing. The rate is per minute.
    pub(crate) fn link(&self, address: Option<IpAddr>, now: Deadline) -> Result<(), Limited> {
        let Some(address) = address else { return Ok(()) };
        let slow = Deadline(now.0 / SECONDS_PER_MINUTE);
        self.wrong_links.look(&network(address), WRONG_LINKS, slow).map_err(slowly)
    }

    /// Counts a wrong link.
    pub(crate) fn wrong_link(&self, address: Option<IpAddr>, now: Deadline) {
        let Some(address) = address else { return };
        let slow = Deadline(now.0 / SECONDS_PER_MINUTE);
        // What is over the rate was refused by `link` before, but for some that came at the same time.
        if self.wrong_links.take(network(address), WRONG_LINKS, slow).is_err() {
            tracing::debug!("more wrong links than may be tried came at once");
        }
    }

    /// Guessing is slow for an account and for a network. Both are asked, so that one cannot hide behind the other.
    pub(crate) fn sign_in(
        &self,
        name: &str,
        address: Option<IpAddr>,
        now: Deadline,
    ) -> Result<(), Limited> {
        let slow = Deadline(now.0 / SECONDS_PER_MINUTE);
        if let Some(address) = address {
            let per = self.rates.network_per_minute.max(1);
            let rate = Rate { per_second: per, burst: per };
            self.networks.take(network(address), rate, slow).map_err(slowly)?;
        }
        let per = self.rates.account_per_minute.max(1);
        let rate = Rate { per_second: per, burst: per };
        self.accounts.take(name.to_lowercase(), rate, slow).map_err(slowly)
    }
}

/// The wait of a rate that is per minute.
const fn slowly(after_ms: u32) -> Limited {
    Limited { code: code::METHOD_RATE, after_ms: after_ms.saturating_mul(60) }
}

/// The /24 of an IPv4 address, the /64 of an IPv6 one.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            IpAddr::from([a, b, c, 0])
        }
        IpAddr::V6(v6) => {
            let mut segments = v6.segments();
            segments[4..].fill(0);
            IpAddr::from(segments)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_throttled_before_its_user() {
        let limits = Limits::new(RateLimits::START);
        let now = Deadline(1_000_000);
        let (user, conv) = (UserId(1), Some(ConversationId(1)));
        let refused =
            (0..61).filter_map(|_| limits.send(DeviceId(1), user, conv, now).err()).next();
        assert_eq!(refused.map(|l| l.code), Some(code::DEVICE_RATE));
        let other = (0..60).filter_map(|_| limits.send(DeviceId(2), user, conv, now).err()).next();
        assert_eq!(other.map(|l| l.code), Some(code::USER_RATE));
        let open = Limits::new(RateLimits::OPEN);
        assert!((0..10_000).all(|_| open.send(DeviceId(1), user, conv, now).is_ok()));
    }

    #[test]
    fn wrong_links_are_counted_and_right_ones_are_not() {
        let limits = Limits::new(RateLimits::START);
        let now = Deadline(1_000_000);
        let (address, other) =
            (Some(IpAddr::from([10, 0, 0, 1])), Some(IpAddr::from([10, 0, 1, 1])));
        assert!((0..1_000).all(|_| limits.link(address, now).is_ok()));
        (0..30).for_each(|_| limits.wrong_link(address, now));
        let wait = limits.link(address, now).err().map(|l| (l.code, l.after_ms));
        assert!(wait.is_some_and(|(code, ms)| code == code::METHOD_RATE && ms > 1_000), "{wait:?}");
        assert!(limits.link(other, now).is_ok() && limits.link(None, now).is_ok());
        assert!(limits.link(address, Deadline(now.0 + 60_000_000)).is_ok(), "a minute later");
    }

    #[test]
    fn guessing_a_password_is_slow() {
        let limits = Limits::new(RateLimits::START);
        let now = Deadline(1_000_000);
        assert!((0..10).all(|_| limits.sign_in("ada", None, now).is_ok()));
        let wait = limits.sign_in("ADA", None, now).err().map(|l| l.after_ms);
        assert!(wait.is_some_and(|ms| (5_000..=6_060).contains(&ms)), "{wait:?}");
        let address = Some(IpAddr::from([10, 0, 0, 1]));
        let neighbour = Some(IpAddr::from([10, 0, 0, 200]));
        assert!((0..100).all(|n| limits.sign_in(&format!("u{n}"), address, now).is_ok()));
        assert!(limits.sign_in("somebody", neighbour, now).is_err());
    }
}
