//! A bad network on the command line.
//!
//! # Takes and gives
//! Two addresses, a seed and the name of a profile in. The first line of output is `{"listen": "ADDRESS"}`; on Ctrl-C the
//! last one is what was done to the connections.
//!
//! # Invariants
//! - The same seed and profile do the same to the connection with the same number.
//!
//! # Not here
//! What a network does: the library beside.
#![allow(clippy::print_stdout, reason = "a command line tool")]

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use serde_json::json;
use tenon_chaos::{Profile, Proxy};
use tokio::sync::watch;

/// Carries TCP connections over a bad network.
#[derive(Parser)]
struct Cli {
    /// Where to listen; port 0 takes a free one.
    #[arg(long)]
    listen: SocketAddr,
    /// Where connections are carried to.
    #[arg(long)]
    to: SocketAddr,
    /// Another seed is another network of the same kind.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Which network: clean, edge, flapping, half-open, mean, refusing, train, trickle, weak.
    #[arg(long, value_parser = profile)]
    profile: Profile,
}

fn profile(name: &str) -> Result<Profile, String> {
    let names = || Profile::NAMED.map(|(name, _)| name).join(", ");
    Profile::named(name).ok_or_else(|| format!("one of {}", names()))
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{}", json!({ "error": error.to_string() }));
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> std::io::Result<()> {
    let proxy = Proxy::listen(cli.listen, cli.to, cli.seed, cli.profile).await?;
    let dial = proxy.dial();
    println!("{}", json!({ "listen": proxy.address()?.to_string() }));
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(proxy.run(stopped));
    tokio::signal::ctrl_c().await?;
    stop.send_replace(true);
    // The task gives nothing; that it is over is all there is to know.
    drop(running.await);
    let counts = dial.counts();
    println!(
        "{}",
        json!({
            "connections": counts.connections, "refused": counts.refused, "reset": counts.reset,
            "silenced": counts.silenced, "bytes": counts.bytes,
        })
    );
    Ok(())
}
