//! `tenon demo`: a server with a made-up organisation in which people talk, on a data directory that is marked as such.
//!
//! People, groups and history are made by local administration; what is said goes through the receiver like everybody's
//! messages. The words come from an archive: the enclosed excerpt of public chat logs, or any Slack export.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use axum::Router;
use tenon_base::{Clock as _, Random as _};
use tenon_embedded::DataDir;
use tenon_import::Limits;
use tenon_import::slack::Archive;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::cli;
use crate::error::ServerError;
use crate::house::House;
use crate::{output, serve};

mod cast;
mod door;
mod fill;
mod life;
mod mark;
mod script;

pub(crate) use mark::is_demo;

use mark::Mark;
use script::Script;

/// The enclosed archive; `assets/README.md` says where it comes from.
pub(crate) const LIFE: &[u8] = include_bytes!("../assets/demo-life.slack-export.zip");
/// Source and licence of [`LIFE`], told wherever it is shown.
pub(crate) const SOURCE: &str = "Messages cut from the #ubuntu logs of 2004-2009 in the irc-disentanglement corpus \
    (J. K. Kummerfeld et al., \"A Large-Scale Corpus for Conversation Disentanglement\", ACL 2019), CC BY 4.0; speakers \
    renamed, times moved";
/// Messages a second that can be asked for.
const PACE: std::ops::RangeInclusive<f64> = 0.01..=200.0;

/// A demonstration that is about to be served.
pub(crate) struct Demo {
    data: PathBuf,
    scripts: Vec<Script>,
    is_filled: bool,
    pace: f64,
    source: String,
}

/// A demonstration under way.
pub(crate) struct Playing {
    routes: Router,
    task: JoinHandle<()>,
    source: String,
}

/// Serves a demonstration, or removes one.
pub(crate) async fn run(args: cli::Demo) -> Result<ExitCode, ServerError> {
    if let Some(cli::DemoCommand::Reset { data }) = args.what {
        return reset(data).await;
    }
    if !PACE.contains(&args.pace) {
        return Err(ServerError::Told {
            message: format!("--pace {} is not a pace", args.pace),
            mend: Some("messages a second, 0.01 to 200".into()),
        });
    }
    let data = args.data.clone();
    let is_filled = match mark::look(&data)? {
        Mark::Demo { is_filled } => is_filled,
        Mark::Nothing => false,
        Mark::Foreign => return Err(mark::refusal(&data, "it holds other data")),
    };
    let (archive, source) = match args.archive.clone() {
        Some(path) => (Some(path.clone()), format!("Messages from {}", path.display())),
        None => (None, SOURCE.to_owned()),
    };
    let read = tokio::task::spawn_blocking(move || read(archive.as_deref()));
    let scripts = read.await.map_err(|_| ServerError::Panicked)??;
    // Marked before anything is in it: a start that is cut off leaves a demonstration, not somebody's data.
    mark::set(&data, is_filled)?;
    let demo = Demo { data: data.clone(), scripts, is_filled, pace: args.pace, source };
    let serve = cli::Serve {
        data: cli::Data { data, config: args.config },
        listen: args.listen,
        ready_file: args.ready_file,
        ..cli::Serve::default()
    };
    serve::run(serve, Some(demo)).await
}

fn read(path: Option<&Path>) -> Result<Vec<Script>, ServerError> {
    let archive = match path {
        Some(path) => Archive::open(path)?,
        None => Archive::read(Cursor::new(LIFE), Limits::default())?,
    };
    let scripts = script::scripts(&archive, fill::VOICES)?;
    if scripts.is_empty() {
        return Err(ServerError::Told {
            message: "the archive holds no messages".into(),
            mend: Some("give a Slack export with messages, or leave --archive out".into()),
        });
    }
    Ok(scripts)
}

/// Deletes a demonstration that nobody serves.
async fn reset(data: PathBuf) -> Result<ExitCode, ServerError> {
    match mark::look(&data)? {
        Mark::Demo { .. } => {}
        Mark::Nothing => {
            output::line(&format!("{} holds nothing", data.display()));
            return Ok(ExitCode::SUCCESS);
        }
        Mark::Foreign => return Err(mark::refusal(&data, "the mark is missing")),
    }
    let path = data.clone();
    let work = tokio::task::spawn_blocking(move || {
        let held = DataDir::open(&path)?;
        mark::delete(held.path())
    });
    work.await.map_err(|_| ServerError::Panicked)??;
    output::line(&format!("{} is removed", data.display()));
    Ok(ExitCode::SUCCESS)
}

impl Demo {
    /// Fills what is empty and begins to play, if there is one; ends with `stop`.
    pub(crate) async fn start(
        this: Option<Self>,
        house: &House,
        stop: watch::Receiver<bool>,
    ) -> Result<Option<Playing>, ServerError> {
        let Some(this) = this else { return Ok(None) };
        let (admin, ground) = (house.admin(), house.ground());
        if !this.is_filled {
            tracing::info!("filling the demonstration");
        }
        let stage = fill::fill(&admin, &this.scripts, ground.clock.now(), this.is_filled).await?;
        mark::set(&this.data, true)?;
        let random = std::sync::Arc::clone(&ground.random);
        let first = random.next_u64();
        let people = (&admin, house.receiver.clone());
        let player = life::Player::new(people, random as _, stage, this.pace).await?;
        let task = tokio::spawn(player.run(stop));
        let routes = door::routes(house.admin(), house.receiver.clone(), first);
        Ok(Some(Playing { routes, task, source: this.source }))
    }
}

impl Playing {
    /// The one-click way in.
    pub(crate) fn routes(&self) -> Router {
        self.routes.clone()
    }

    /// Says what it is and how to get in; `is_local` where the one-click way is open.
    pub(crate) fn tell(&self, public: &str, is_local: bool) {
        output::line("This is a demonstration: its people are made up.");
        output::line(&self.source);
        if is_local {
            // A browser keeps one session for each name of a server: under two names both people can be open at once.
            let other = public.replacen("127.0.0.1", "localhost", 1);
            let line = |url: &str, who, person: cast::Person, role| {
                output::line(&format!("  {url}/demo#{who}  {}, {role}", person.display));
            };
            output::line("Open one of these, or both side by side; no password is needed:");
            line(public, "admin", cast::ADMIN, "administrator");
            line(&other, "member", cast::MEMBER, "member");
        } else {
            output::line(
                "Sign-in without password is off: the server is reachable from other machines.",
            );
        }
    }

    /// Waits until nothing more is sent.
    pub(crate) async fn ended(self) {
        if self.task.await.is_err() {
            tracing::error!("the demonstration panicked");
        }
    }
}
