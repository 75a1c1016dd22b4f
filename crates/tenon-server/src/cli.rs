//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use tenon_bench::Scenario;

/// A chat server for organisations: one binary, nothing else to install.
#[derive(Debug, Parser)]
#[command(name = "tenon", version, about, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Print one JSON object a line.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

impl Cli {
    /// Errors are printed in the form of the output.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server.
    Serve(Serve),
    /// The first administrator.
    #[command(subcommand)]
    Admin(Admin),
    /// Run a server with a made-up organisation in which people talk, to look around.
    Demo(Demo),
    /// Show what a running server does, every second.
    Top(Top),
    /// Accounts.
    #[command(subcommand)]
    User(User),
    /// Device credentials.
    #[command(subcommand)]
    Token(Token),
    /// Apps: other systems that may mint device credentials for users.
    #[command(subcommand)]
    App(App),
    /// Groups.
    #[command(subcommand)]
    Group(Group),
    /// Send a message and print where it stands.
    Send(Send),
    /// Print every event of this device as it arrives.
    Tail(Tail),
    /// Print the conversation list.
    List(Client),
    /// Print the messages of a conversation.
    History(History),
    /// Take the archive of another system.
    #[command(subcommand)]
    Import(Import),
    /// Check a data directory: numbers, checksums, blocks, log against tables.
    Verify(Data),
    /// Judge recorded histories: lost, repeated, out of order, shown to the wrong people.
    Check(Check),
    /// Measure this machine with a server of its own, and check meanwhile that nothing is lost, repeated or reordered.
    Bench(Bench),
    /// Configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Files in the form of docs/formats/history.md, judged as one history.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Give up above this many different messages (150 bytes of memory each).
    #[arg(long, value_name = "N", default_value_t = tenon_check::Options::default().messages_max)]
    pub(crate) messages_max: u64,
}

/// Where the data lies.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Data {
    /// Data directory.
    #[arg(long, env = "TENON_DATA", value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Configuration file (TOML).
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// A demonstration.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Demo {
    #[command(subcommand)]
    pub(crate) what: Option<DemoCommand>,
    /// Data directory of the demonstration; a new one, or one of an earlier demonstration.
    #[arg(long, value_name = "DIR", default_value = "tenon-demo")]
    pub(crate) data: PathBuf,
    /// Configuration file (TOML).
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Address of clients [default: 127.0.0.1:7700].
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    /// Play this Slack export (ZIP) instead of the enclosed excerpt.
    #[arg(long, value_name = "ZIP")]
    pub(crate) archive: Option<PathBuf>,
    /// Messages a second.
    #[arg(long, value_name = "N", default_value_t = 4.0)]
    pub(crate) pace: f64,
    /// Write {pid, version, public_url, admin_url, setup_url} here when serving.
    #[arg(long, value_name = "FILE")]
    pub(crate) ready_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DemoCommand {
    /// Delete a demonstration that is not running.
    Reset {
        /// Its data directory.
        #[arg(long, value_name = "DIR", default_value = "tenon-demo")]
        data: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Top {
    #[command(flatten)]
    pub(crate) data: Data,
    /// End after this many looks.
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,
}

#[derive(Debug, Default, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) data: Data,
    /// Address of clients [default: 127.0.0.1:7700].
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    /// Address of metrics and health.
    #[arg(long, value_name = "ADDR")]
    pub(crate) admin_listen: Option<String>,
    /// Certificate chain, PEM.
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Private key, PEM.
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Serve TLS with a certificate made here; for development.
    #[arg(long)]
    pub(crate) tls_self_made: bool,
    /// Write {pid, version, public_url, admin_url, setup_url} here when serving.
    #[arg(long, value_name = "FILE")]
    pub(crate) ready_file: Option<PathBuf>,
    /// Serve the web client from this folder instead of the one in the binary; for development.
    #[arg(long, value_name = "DIR")]
    pub(crate) web_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Admin {
    /// Make a new set-up link; the one before ends.
    Link {
        #[command(flatten)]
        data: Data,
    },
    /// Make an administrator, or make one of an account; the password is read from standard input.
    Create {
        #[command(flatten)]
        data: Data,
        /// Login name.
        name: String,
        /// Name to show.
        #[arg(long)]
        display: Option<String>,
        /// Name of the organisation.
        #[arg(long, value_name = "NAME")]
        organisation: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// Make a link by which people join, and print it with a QR code.
    Invite {
        #[command(flatten)]
        data: Data,
        /// Role of those who join: member or admin.
        #[arg(long, default_value = "member")]
        role: String,
        /// How many people may use it, up to 1000.
        #[arg(long, default_value_t = 1, value_name = "N")]
        uses: u32,
        /// For how many hours, up to 720.
        #[arg(long, default_value_t = 72, value_name = "H")]
        hours: u64,
        /// A link for this account instead: its person sets a new password.
        #[arg(long, value_name = "NAME", conflicts_with_all = ["role", "uses", "hours"])]
        user: Option<String>,
        /// Leave the QR code out.
        #[arg(long)]
        no_qr: bool,
    },
    /// Add accounts; those that exist stay as they are.
    Add {
        #[command(flatten)]
        data: Data,
        /// Login names, unique in the organisation.
        #[arg(required = true)]
        names: Vec<String>,
        /// Name to show, for a single account.
        #[arg(long)]
        display: Option<String>,
    },
    /// List accounts.
    List {
        #[command(flatten)]
        data: Data,
    },
    /// Close accounts; their connections end.
    Disable {
        #[command(flatten)]
        data: Data,
        /// Login names.
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Open accounts again.
    Enable {
        #[command(flatten)]
        data: Data,
        /// Login names.
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Set a password, read from standard input; sessions of the account end.
    Password {
        #[command(flatten)]
        data: Data,
        /// Login name.
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Make a device credential, printed alone on the last line. The same label again replaces it.
    Mint {
        #[command(flatten)]
        data: Data,
        /// Login name.
        name: String,
        /// Name of the device; one credential for each running process.
        #[arg(long, default_value = "cli")]
        device: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum App {
    /// Make an app; its credential is printed alone on the last line. The same name again replaces it.
    Add {
        #[command(flatten)]
        data: Data,
        /// Name, unique in the organisation.
        name: String,
    },
    /// Take an app's right away; devices it made stay.
    Remove {
        #[command(flatten)]
        data: Data,
        /// Name.
        name: String,
    },
    /// List apps.
    List {
        #[command(flatten)]
        data: Data,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Group {
    /// Make a group; the first member owns it.
    Create {
        #[command(flatten)]
        data: Data,
        /// Name, unique in the organisation.
        name: String,
        /// Login name of a member.
        #[arg(long = "member", value_name = "USER")]
        members: Vec<String>,
    },
    /// Add members.
    Add {
        #[command(flatten)]
        data: Data,
        /// Name of the group.
        group: String,
        /// Login names.
        #[arg(required = true)]
        users: Vec<String>,
    },
    /// Remove members.
    Remove {
        #[command(flatten)]
        data: Data,
        /// Name of the group.
        group: String,
        /// Login names.
        #[arg(required = true)]
        users: Vec<String>,
    },
    /// Members, now and once, with the times they were in.
    Members {
        #[command(flatten)]
        data: Data,
        /// Name of the group.
        group: String,
    },
    /// Groups with a name.
    List {
        #[command(flatten)]
        data: Data,
    },
}

/// How a device reaches the server.
#[derive(Debug, Clone, Args)]
pub(crate) struct Client {
    /// Server: HOST:PORT, or a URL (tcp://, tls://, ws://, wss://, http://, https://).
    #[arg(long, env = "TENON_SERVER", value_name = "ADDR")]
    pub(crate) server: String,
    /// Device credential of `tenon token mint`.
    #[arg(long, env = "TENON_TOKEN", hide_env_values = true, value_name = "T")]
    pub(crate) token: String,
    /// Directory that keeps this device's outbox and cursor.
    #[arg(long, value_name = "D")]
    pub(crate) device_dir: Option<PathBuf>,
    /// Certificate of the server, PEM, if no public authority signed it.
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_ca: Option<PathBuf>,
}

/// Which conversation.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Target {
    /// Login name of the other person.
    #[arg(long, value_name = "NAME")]
    pub(crate) to: Option<String>,
    /// Name of a group.
    #[arg(long, value_name = "NAME")]
    pub(crate) group: Option<String>,
    /// Id of a conversation.
    #[arg(long, value_name = "ID")]
    pub(crate) conversation: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct Send {
    #[command(flatten)]
    pub(crate) client: Client,
    #[command(flatten)]
    pub(crate) target: Target,
    /// Append what this device asks, is answered and is told to a file, for `tenon check`.
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// What to say.
    pub(crate) text: String,
}

#[derive(Debug, Args)]
pub(crate) struct Tail {
    #[command(flatten)]
    pub(crate) client: Client,
    /// Append what this device asks, is answered and is told to a file, for `tenon check`.
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// End after this many events.
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct History {
    #[command(flatten)]
    pub(crate) client: Client,
    #[command(flatten)]
    pub(crate) target: Target,
    /// Append what this device asks, is answered and is told to a file, for `tenon check`.
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Everything, oldest first, instead of the newest page.
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Import {
    /// A Slack export. Can be interrupted and run again.
    Slack {
        #[command(flatten)]
        data: Data,
        /// The ZIP file of the export.
        zip: PathBuf,
        /// Read everything, write nothing.
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say all mistakes at once.
    Check {
        /// Configuration file (TOML).
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Print the values in force.
    Show {
        /// Configuration file (TOML).
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// And where each came from.
        #[arg(long)]
        origin: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// direct, group, connections, rebase, storm or log.
    pub(crate) scenario: Scenario,
    /// How long each phase is measured.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) seconds: Option<u64>,
    /// Folder on the disk that is measured [default: that of temporary files].
    #[arg(long, value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
    /// direct: pairs of devices.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(crate) pairs: Option<u64>,
    /// direct, rebase: messages of one device under way at full speed.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=32))]
    pub(crate) in_flight: Option<u64>,
    /// direct, group, storm: messages a second, a phase for each; 0 = as fast as acks come back (direct).
    #[arg(long, value_name = "N,N", value_delimiter = ',')]
    pub(crate) rates: Vec<u64>,
    /// connections, storm: devices.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=100_000))]
    pub(crate) devices: Option<u64>,
    /// group: members.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub(crate) members: Option<u64>,
    /// group: members that are online.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub(crate) online: Option<u64>,
    /// rebase: events that the device missed; above 1,000, or it is streamed.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1_200..))]
    pub(crate) events: Option<u64>,
    /// log: callers.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=65_536))]
    pub(crate) callers: Option<u64>,
    /// log: bytes of a record.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=262_144))]
    pub(crate) record_bytes: Option<u64>,
    /// direct: write what every device sent and was told, for `tenon check`; it takes time from the generator.
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
}
