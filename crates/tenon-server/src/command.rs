//! One function per command.

use std::process::ExitCode;

use crate::cli::{Cli, Command};
use crate::error::ServerError;
use crate::{demo, serve};

mod account;
mod bench;
mod check;
pub(crate) mod configuration;
mod local;
mod tail;
mod talk;
mod top;

/// Exit code of a command that did its work but left something out.
const LEFT_OUT: u8 = 3;

/// Runs the command.
pub(crate) async fn run(cli: Cli) -> Result<ExitCode, ServerError> {
    let is_json = cli.json;
    match cli.command {
        Command::Serve(args) => serve::serve(args).await,
        Command::Admin(admin) => account::admin(admin, is_json).await,
        Command::Demo(args) => demo::run(args).await,
        Command::Top(args) => top::top(args, is_json).await,
        Command::User(user) => local::user(user, is_json).await,
        Command::Token(token) => local::token(token, is_json).await,
        Command::App(app) => local::app(app, is_json).await,
        Command::Group(group) => local::group(group, is_json).await,
        Command::Import(import) => local::import(import, is_json).await,
        Command::Verify(data) => local::verify(data, is_json).await,
        Command::Send(args) => talk::send(args, is_json).await,
        Command::Tail(args) => tail::tail(args, is_json).await,
        Command::List(args) => talk::list(args, is_json).await,
        Command::History(args) => talk::history(args, is_json).await,
        Command::Check(args) => check::run(&args, is_json),
        Command::Bench(args) => bench::run(args, is_json).await,
        Command::Config(command) => configuration::run(command, is_json),
    }
}
