//! Configuration: defaults < file (TOML) < `TENON_*` < flags. Every value knows where it came from; unknown keys are refused.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tenon_base::ByteSize;
use tenon_core::rate::Rate;
use tenon_receiver::RateLimits;

/// One key: its name, its default, and what it does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) default: &'static str,
    pub(crate) doc: &'static str,
}

const fn key(name: &'static str, default: &'static str, doc: &'static str) -> Key {
    Key { name, default, doc }
}

/// All keys. The environment name is `TENON_` and the key in capitals, dots as underscores.
pub(crate) const KEYS: &[Key] = &[
    key("listen", "127.0.0.1:7700", "address of clients; plain text is served on loopback only"),
    key("admin_listen", "", "address of /metrics, /healthz, /readyz; empty = none"),
    key(
        "admin_token_file",
        "",
        "file with the bearer token of /metrics; empty = loopback only, no token",
    ),
    key("public_url", "", "URL that clients use, if it is not that of `listen`"),
    key("behind_proxy", "false", "a proxy in front ends TLS: plain text is taken from any address"),
    key(
        "proxies",
        "",
        "proxies whose X-Forwarded-For is believed, separated by commas; loopback always is",
    ),
    key(
        "origins",
        "",
        "web origins that may open a WebSocket, separated by commas; empty = same host",
    ),
    key("tls.cert", "", "certificate chain, PEM"),
    key("tls.key", "", "private key, PEM"),
    key("tls.self_made", "false", "serve TLS with a certificate made here; for development"),
    key(
        "partitions",
        "0",
        "partitions of each kind at the first start; 0 = one per core, at least 2",
    ),
    key("log.segment", "64 MiB", "size of a log segment at the first start"),
    key("log.queue", "16 MiB", "bytes that may wait for the log; above it senders wait"),
    key("log.tail", "64 MiB", "newest records kept in memory"),
    key("log.reserve", "2 GiB", "space that the log leaves free on the disk"),
    key("store.memtable", "64 MiB", "unflushed values that start a flush"),
    key("store.memtable_age", "600 s", "age of an unflushed value that starts a flush"),
    key("store.cache", "64 MiB", "decoded blocks kept in memory"),
    key("store.engine_cache", "128 MiB", "the ordered store's own cache"),
    key("memory.conversations", "256 MiB", "conversations kept in memory per partition"),
    key("memory.users", "256 MiB", "users kept in memory per partition"),
    key("memory.recent", "32 MiB", "recent events kept in memory per partition"),
    key("group.queue_mode_max", "500", "members above which a group is read by pull"),
    key("group.pull_mode_min", "400", "members at which it returns to queues"),
    key(
        "limits.device",
        "20/s 60",
        "sends of a device: sustained rate and burst; 0/s 0 = no limit",
    ),
    key("limits.user", "30/s 90", "sends of a user over all devices"),
    key("limits.conversation", "50/s 150", "sends into one conversation"),
    key("limits.sign_in_account", "10", "sign-ins to one account per minute"),
    key("limits.sign_in_network", "100", "sign-ins from one /24 or /64 per minute"),
    key("limits.connections", "100000", "connections at once"),
    key(
        "trace",
        "info,lsm_tree=warn,fjall=warn",
        "what is logged: error, warn, info, debug, or a filter like `tenon_sync=debug`",
    ),
    key("trace_form", "text", "form of the log: text or json"),
];

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    File(PathBuf),
    Environment(String),
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(name) => f.write_str(name),
            Self::Flag(name) => write!(f, "--{name}"),
        }
    }
}

/// One mistake: which key, from where, what, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake {
    pub(crate) key: String,
    pub(crate) origin: Origin,
    pub(crate) what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.origin, self.key, self.what)
    }
}

/// The values in force, as text, with their origins.
#[derive(Debug, Clone)]
pub(crate) struct Values(BTreeMap<&'static str, (String, Origin)>);

/// What the server runs with.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) admin_listen: Option<SocketAddr>,
    pub(crate) admin_token_file: Option<PathBuf>,
    pub(crate) public_url: Option<String>,
    pub(crate) behind_proxy: bool,
    pub(crate) proxies: Vec<IpAddr>,
    pub(crate) origins: Vec<String>,
    pub(crate) tls: Tls,
    pub(crate) partitions: u16,
    pub(crate) log_segment: ByteSize,
    pub(crate) log_queue: ByteSize,
    pub(crate) log_tail: ByteSize,
    pub(crate) log_reserve: ByteSize,
    pub(crate) memtable: ByteSize,
    pub(crate) memtable_age: Duration,
    pub(crate) block_cache: ByteSize,
    pub(crate) engine_cache: ByteSize,
    pub(crate) hot_conversations: ByteSize,
    pub(crate) hot_users: ByteSize,
    pub(crate) recent: ByteSize,
    pub(crate) queue_mode_max: u32,
    pub(crate) pull_mode_min: u32,
    pub(crate) rates: RateLimits,
    pub(crate) connections: usize,
    pub(crate) trace: String,
    pub(crate) trace_json: bool,
}

/// How clients are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tls {
    /// On loopback only.
    Plain,
    /// Certificate chain and key.
    Files(PathBuf, PathBuf),
    /// A certificate made here.
    SelfMade,
}

impl Values {
    /// Layers file, environment and flags over the defaults. All mistakes at once.
    pub(crate) fn gather(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
        flags: &[(&'static str, String)],
    ) -> Result<Self, Vec<Mistake>> {
        let mut values = BTreeMap::new();
        for key in KEYS {
            values.insert(key.name, (key.default.to_owned(), Origin::Default));
        }
        let mut mistakes = Vec::new();
        if let Some(path) = file {
            read_file(path, &mut values, &mut mistakes);
        }
        for (name, value) in environment {
            read_variable(&name, value, &mut values, &mut mistakes);
        }
        for (flag, value) in flags {
            let name = flag.replace("tls-", "tls.").replace('-', "_");
            if let Some(slot) = KEYS.iter().find(|k| k.name == name) {
                values.insert(slot.name, (value.clone(), Origin::Flag(flag)));
            }
        }
        if mistakes.is_empty() { Ok(Self(values)) } else { Err(mistakes) }
    }

    /// The same for the text of a file alone.
    #[cfg(test)]
    pub(crate) fn of_text(text: &str) -> Result<Self, Vec<Mistake>> {
        let mut values: BTreeMap<_, _> =
            KEYS.iter().map(|k| (k.name, (k.default.to_owned(), Origin::Default))).collect();
        let mut mistakes = Vec::new();
        read_text(text, &Origin::File("test".into()), &mut values, &mut mistakes);
        if mistakes.is_empty() { Ok(Self(values)) } else { Err(mistakes) }
    }

    /// Key, value, origin.
    pub(crate) fn each(&self) -> impl Iterator<Item = (&Key, &str, &Origin)> {
        KEYS.iter().filter_map(|key| {
            self.0.get(key.name).map(|(value, origin)| (key, value.as_str(), origin))
        })
    }

    fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |(value, _)| value.as_str())
    }

    /// Typed values. All mistakes at once.
    pub(crate) fn config(&self) -> Result<Config, Vec<Mistake>> {
        let mut r = Typed { values: self, mistakes: Vec::new() };
        let config = Config {
            listen: r.parse("listen", "an address like 127.0.0.1:7700", |t| t.parse().ok()),
            admin_listen: r.parse("admin_listen", "an address, or nothing", |t| {
                if t.is_empty() { Some(None) } else { t.parse().ok().map(Some) }
            }),
            admin_token_file: path(self.text("admin_token_file")),
            public_url: Some(self.text("public_url").to_owned()).filter(|t| !t.is_empty()),
            behind_proxy: r.parse("behind_proxy", "true or false", |t| t.parse().ok()),
            proxies: r.parse("proxies", "addresses, separated by commas", |t| {
                list(t).iter().map(|a| a.parse().ok()).collect()
            }),
            origins: list(self.text("origins")),
            tls: r.tls(),
            partitions: r.parse("partitions", "a number from 0 to 255", |t| {
                t.parse().ok().filter(|n| *n <= 255)
            }),
            log_segment: r.parse(
                "log.segment",
                "a size from 64 KiB to 1 GiB in steps of 4 KiB",
                |t| t.parse().ok().filter(|size: &ByteSize| is_segment(size.0)),
            ),
            log_queue: r.size("log.queue"),
            log_tail: r.size("log.tail"),
            log_reserve: r.size("log.reserve"),
            memtable: r.size("store.memtable"),
            memtable_age: r.parse("store.memtable_age", "a time like 600 s", seconds),
            block_cache: r.size("store.cache"),
            engine_cache: r.size("store.engine_cache"),
            hot_conversations: r.size("memory.conversations"),
            hot_users: r.size("memory.users"),
            recent: r.size("memory.recent"),
            queue_mode_max: r.number("group.queue_mode_max"),
            pull_mode_min: r.number("group.pull_mode_min"),
            rates: RateLimits {
                device: r.rate("limits.device"),
                user: r.rate("limits.user"),
                conversation: r.rate("limits.conversation"),
                account_per_minute: r.number("limits.sign_in_account"),
                network_per_minute: r.number("limits.sign_in_network"),
            },
            connections: r.parse("limits.connections", "a number", |t| t.parse().ok()),
            trace: self.text("trace").to_owned(),
            trace_json: r.parse("trace_form", "text or json", |t| match t {
                "text" => Some(false),
                "json" => Some(true),
                _ => None,
            }),
        };
        r.check(&config);
        if r.mistakes.is_empty() { Ok(config) } else { Err(r.mistakes) }
    }
}

struct Typed<'a> {
    values: &'a Values,
    mistakes: Vec<Mistake>,
}

impl Typed<'_> {
    fn mistake(&mut self, name: &'static str, what: String) {
        let origin = self.values.0.get(name).map_or(Origin::Default, |(_, o)| o.clone());
        self.mistakes.push(Mistake { key: name.to_owned(), origin, what });
    }

    /// A mistake takes the default's value, so that the rest is still checked.
    fn parse<T>(&mut self, name: &'static str, wanted: &str, parse: impl Fn(&str) -> Option<T>) -> T
    where
        T: FromDefault,
    {
        let text = self.values.text(name);
        if let Some(value) = parse(text) {
            return value;
        }
        let what = format!("{text:?} is not {wanted}");
        self.mistake(name, what);
        let default = KEYS.iter().find(|k| k.name == name).map_or("", |k| k.default);
        parse(default).unwrap_or_else(T::fallback)
    }

    fn size(&mut self, name: &'static str) -> ByteSize {
        self.parse(name, "a size like 64 MiB", |t| t.parse().ok())
    }

    fn number(&mut self, name: &'static str) -> u32 {
        self.parse(name, "a number", |t| t.parse().ok())
    }

    fn rate(&mut self, name: &'static str) -> Rate {
        self.parse(name, "a rate and a burst like `20/s 60`", rate)
    }

    fn tls(&mut self) -> Tls {
        let (cert, key) = (path(self.values.text("tls.cert")), path(self.values.text("tls.key")));
        let self_made: bool = self.parse("tls.self_made", "true or false", |t| t.parse().ok());
        match (cert, key) {
            (Some(cert), Some(key)) if !self_made => Tls::Files(cert, key),
            (None, None) if self_made => Tls::SelfMade,
            (None, None) => Tls::Plain,
            (Some(_), Some(_)) => {
                self.mistake("tls.self_made", "stands beside tls.cert; take one".into());
                Tls::Plain
            }
            (Some(_), None) => {
                self.mistake("tls.key", "is missing beside tls.cert".into());
                Tls::Plain
            }
            (None, Some(_)) => {
                self.mistake("tls.cert", "is missing beside tls.key".into());
                Tls::Plain
            }
        }
    }

    /// What holds between keys.
    fn check(&mut self, config: &Config) {
        let is_open = !config.listen.ip().is_loopback() && !config.behind_proxy;
        if config.tls == Tls::Plain && is_open {
            let what = format!(
                "{} is not loopback, and plain text is refused elsewhere; set tls.cert and tls.key, \
                 tls.self_made for a trial, or behind_proxy",
                config.listen
            );
            self.mistake("listen", what);
        }
        if let Some(admin) = config.admin_listen
            && !admin.ip().is_loopback()
            && config.admin_token_file.is_none()
        {
            let what = format!("{admin} is not loopback; set admin_token_file");
            self.mistake("admin_listen", what);
        }
        if config.pull_mode_min > config.queue_mode_max {
            self.mistake("group.pull_mode_min", "is above group.queue_mode_max".into());
        }
        if config.trace.parse::<tracing_subscriber::EnvFilter>().is_err() {
            self.mistake("trace", format!("{:?} is not a filter", config.trace));
        }
    }
}

/// A value to go on with after a mistake in a default, which a test excludes.
trait FromDefault {
    fn fallback() -> Self;
}

macro_rules! from_default {
    ($($type:ty => $value:expr),* $(,)?) => {
        $(impl FromDefault for $type { fn fallback() -> Self { $value } })*
    };
}

from_default! {
    SocketAddr => SocketAddr::from(([127, 0, 0, 1], 0)),
    Option<SocketAddr> => None,
    Vec<IpAddr> => Vec::new(),
    u16 => 0,
    u32 => 0,
    usize => 0,
    bool => false,
    ByteSize => ByteSize(0),
    Duration => Duration::ZERO,
    Rate => Rate { per_second: 0, burst: 0 },
}

/// What the log can be made of: whole blocks of the disk, room for header and footer, and not above the log's own bound.
const fn is_segment(bytes: u64) -> bool {
    bytes >= 64 << 10 && bytes <= 1 << 30 && bytes.is_multiple_of(4 << 10)
}

fn path(text: &str) -> Option<PathBuf> {
    (!text.is_empty()).then(|| PathBuf::from(text))
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect()
}

fn seconds(text: &str) -> Option<Duration> {
    let number = text.strip_suffix('s').unwrap_or(text).trim();
    number.parse().ok().filter(|n| *n > 0).map(Duration::from_secs)
}

fn rate(text: &str) -> Option<Rate> {
    let (per_second, burst) = text.trim().split_once("/s")?;
    Some(Rate { per_second: per_second.trim().parse().ok()?, burst: burst.trim().parse().ok()? })
}

fn read_file(
    path: &Path,
    values: &mut BTreeMap<&'static str, (String, Origin)>,
    mistakes: &mut Vec<Mistake>,
) {
    let origin = Origin::File(path.to_owned());
    let failed = |what: String| Mistake { key: "file".into(), origin: origin.clone(), what };
    match std::fs::read_to_string(path) {
        Ok(text) => read_text(&text, &origin, values, mistakes),
        Err(error) => mistakes.push(failed(error.to_string())),
    }
}

/// The text of a file.
fn read_text(
    text: &str,
    origin: &Origin,
    values: &mut BTreeMap<&'static str, (String, Origin)>,
    mistakes: &mut Vec<Mistake>,
) {
    let table: toml::Table = match text.parse() {
        Ok(table) => table,
        Err(error) => {
            let what = format!("{error}");
            return mistakes.push(Mistake { key: "file".into(), origin: origin.clone(), what });
        }
    };
    let mut flat = Vec::new();
    flatten(String::new(), &table, &mut flat);
    for (name, value) in flat {
        match KEYS.iter().find(|k| k.name == name) {
            Some(key) => {
                values.insert(key.name, (value, origin.clone()));
            }
            None => {
                mistakes.push(Mistake { what: unknown(&name), key: name, origin: origin.clone() })
            }
        }
    }
}

fn flatten(prefix: String, table: &toml::Table, out: &mut Vec<(String, String)>) {
    for (name, value) in table {
        let name = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            toml::Value::Table(table) => flatten(name, table, out),
            toml::Value::String(text) => out.push((name, text.clone())),
            toml::Value::Array(items) => {
                let items: Vec<String> = items
                    .iter()
                    .map(|i| i.as_str().map_or_else(|| i.to_string(), str::to_owned))
                    .collect();
                out.push((name, items.join(",")));
            }
            other => out.push((name, other.to_string())),
        }
    }
}

/// `TENON_` variables of other tools (the clients' token and URL) are not keys.
const NOT_KEYS: &[&str] =
    &["TENON_TOKEN", "TENON_SERVER", "TENON_URL", "TENON_TOKENS", "TENON_DATA"];

fn variable(key: &str) -> String {
    format!("TENON_{}", key.replace('.', "_").to_uppercase())
}

fn read_variable(
    name: &str,
    value: String,
    values: &mut BTreeMap<&'static str, (String, Origin)>,
    mistakes: &mut Vec<Mistake>,
) {
    if !name.starts_with("TENON_") || NOT_KEYS.contains(&name) {
        return;
    }
    let origin = Origin::Environment(name.to_owned());
    match KEYS.iter().find(|k| variable(k.name) == name) {
        Some(key) => {
            values.insert(key.name, (value, origin));
        }
        None => mistakes.push(Mistake { key: name.to_owned(), origin, what: unknown(name) }),
    }
}

/// Names the nearest key.
fn unknown(name: &str) -> String {
    let folded = name.trim_start_matches("TENON_").to_lowercase().replace('.', "_");
    let nearest = KEYS
        .iter()
        .map(|k| (distance(&folded, &k.name.replace('.', "_")), k.name))
        .min()
        .filter(|(distance, _)| *distance <= 3);
    match nearest {
        Some((_, key)) => format!("is not a key; did you mean `{key}`?"),
        None => "is not a key; `tenon config show` lists them".to_owned(),
    }
}

/// Edits between two words.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let replaced = before + usize::from(ca != *cb);
            before = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(before + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn none() -> std::iter::Empty<(String, String)> {
        std::iter::empty()
    }

    #[test]
    fn the_defaults_are_a_configuration() {
        let config = Values::gather(None, none(), &[]).unwrap().config().unwrap();
        assert_eq!(config.listen.port(), 7700);
        assert_eq!(config.memtable, ByteSize::mib(64));
        assert_eq!(config.rates, RateLimits::START);
    }

    #[test]
    fn the_nearer_layer_wins_and_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("tenon.toml");
        std::fs::write(&file, "listen = \"127.0.0.1:1\"\n[store]\nmemtable = \"1 MiB\"\n").unwrap();
        let environment = [("TENON_STORE_MEMTABLE".to_owned(), "2 MiB".to_owned())];
        let flags = [("listen", "127.0.0.1:3".to_owned())];
        let values = Values::gather(Some(&file), environment.into_iter(), &flags).unwrap();
        let config = values.config().unwrap();
        assert_eq!((config.listen.port(), config.memtable), (3, ByteSize::mib(2)));
        let origins: Vec<String> = values
            .each()
            .filter(|(_, _, origin)| **origin != Origin::Default)
            .map(|(key, _, origin)| format!("{} {origin}", key.name))
            .collect();
        assert_eq!(origins, ["listen --listen", "store.memtable TENON_STORE_MEMTABLE"]);
    }

    /// A log that cannot be is a mistake of the configuration, not a damaged log.
    #[test]
    fn a_segment_has_bounds() {
        for (size, is_legal) in [
            ("0", false),
            ("63 KiB", false),
            ("64 KiB", true),
            ("1 GiB", true),
            ("2 GiB", false),
            ("65537", false),
        ] {
            let values = Values::of_text(&format!("[log]\nsegment = {size:?}\n")).unwrap();
            assert_eq!(values.config().is_ok(), is_legal, "{size}");
        }
    }

    #[test]
    fn all_mistakes_are_named_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("tenon.toml");
        std::fs::write(&file, "lisen = \"x\"\n[log]\ncolour = 3\n").unwrap();
        let environment = [("TENON_PARTITION".to_owned(), "1".to_owned())];
        let mistakes = Values::gather(Some(&file), environment.into_iter(), &[]).unwrap_err();
        let text: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        assert_eq!(mistakes.len(), 3, "{text:?}");
        assert!(text.iter().any(|t| t.contains("did you mean `listen`")), "{text:?}");

        let flags = [("listen", "0.0.0.0:80".to_owned()), ("tls-cert", "a.pem".to_owned())];
        let environment = [("TENON_LIMITS_DEVICE".to_owned(), "many".to_owned())];
        let values = Values::gather(None, environment.into_iter(), &flags).unwrap();
        let mistakes = values.config().unwrap_err();
        let keys: Vec<&str> = mistakes.iter().map(|m| m.key.as_str()).collect();
        assert_eq!(keys, ["tls.key", "limits.device", "listen"]);
    }
}
