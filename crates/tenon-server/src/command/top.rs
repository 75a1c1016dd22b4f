//! `tenon top`: the live figures of a running server, every second.

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;

use crate::admin::Request;
use crate::admin::remote::call_running;
use crate::cli;
use crate::error::ServerError;
use crate::output::{self, Screen, text};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// Takes the cursor home and clears what is below.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

pub(super) async fn top(args: cli::Top, is_json: bool) -> Result<ExitCode, ServerError> {
    let is_screen = std::io::stdout().is_terminal() && !is_json;
    let mut looks = 0_u64;
    loop {
        let mut screen = Screen::new(is_json, Value::to_string);
        let figures = call_running(&args.data.data, &Request::Figures {}, &mut screen).await?;
        if is_json {
            output::line(&figures.to_string());
        } else {
            let page = page(&figures);
            output::line(&if is_screen { format!("{CLEAR}{page}") } else { page });
        }
        looks += 1;
        if args.count.is_some_and(|count| looks >= count) {
            return Ok(ExitCode::SUCCESS);
        }
        tokio::time::sleep(EVERY).await;
    }
}

fn page(figures: &Value) -> String {
    let of = |name| text(figures, name);
    let bytes = |name| figures.get(name).and_then(Value::as_u64).map_or("-".into(), size);
    let time = |name| match figures.get(name).and_then(Value::as_u64) {
        Some(us) => format!("{}.{:03} ms", us / 1_000, us % 1_000),
        None => "-".into(),
    };
    let mut lines = vec![
        format!(
            "up {} s   {} connections   {} users   {} devices   {} groups",
            of("uptime_s"),
            of("connections"),
            of("users"),
            of("devices"),
            of("groups")
        ),
        format!(
            "{} messages/s   {} deliveries/s   {} messages   {} deliveries",
            of("messages_per_s"),
            of("deliveries_per_s"),
            of("messages_total"),
            of("deliveries_total")
        ),
        format!("ack p50 {}   p99 {} (last 10 s)", time("ack_p50_us"), time("ack_p99_us")),
        format!("data {}   free {}", bytes("data_bytes"), bytes("disk_free_bytes")),
    ];
    for hot in figures.get("hot").and_then(Value::as_array).into_iter().flatten() {
        lines.push(format!("{:>8}/min  {}", text(hot, "messages_per_min"), text(hot, "title")));
    }
    lines.join("\n")
}

fn size(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut left = bytes;
    let mut unit = 0;
    while left >= 10_240 && unit + 1 < units.len() {
        left /= 1_024;
        unit += 1;
    }
    format!("{left} {}", units.get(unit).copied().unwrap_or_default())
}

#[test]
fn a_page_names_what_is_known_and_what_is_not() {
    let figures = serde_json::json!({
        "uptime_s": 5, "connections": 2, "users": 3, "devices": 4, "groups": 1,
        "messages_per_s": 7, "deliveries_per_s": 21, "messages_total": 70, "deliveries_total": 210,
        "ack_p50_us": 1_042, "ack_p99_us": null, "data_bytes": 300_000_000_u64,
        "disk_free_bytes": 5_000, "hot": [{ "title": "ops", "messages_per_min": 42 }],
    });
    let page = page(&figures);
    for part in ["7 messages/s", "p50 1.042 ms", "p99 -", "286 MiB", "5000 B", "42/min  ops"] {
        assert!(page.contains(part), "{part} is not in\n{page}");
    }
}
