//! Who may do what: every route, frame, method and op, tried by every caller, against `security/expect.toml`.
//!
//! The expected words are written by hand. What exists is read from the sources, so a method, op, frame or route without a
//! row fails, and so does a row for something that is gone. Every row of a caller has a conversation of its own.

mod people;
mod rows;
mod source;
mod table;

use people::{INSIDE, OUTSIDE, ROUTE, World};
use rows::Row;
use table::Table;

/// What a caller met, in the words of the table.
struct Met {
    row: String,
    caller: &'static str,
    word: String,
}

fn judge(table: &Table, met: &[Met]) {
    let wrong: Vec<String> = met
        .iter()
        .filter_map(|met| {
            let expected = table.word(&met.row, met.caller);
            (expected != met.word)
                .then(|| format!("{} as {}: {:?}, not {expected:?}", met.row, met.caller, met.word))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), met.len(), wrong.join("\n"));
}

#[test]
fn everything_that_exists_has_a_row() {
    Table::read().check_complete();
}

/// Signed-in callers of the organisation: from a stranger to the owner.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_do_what_their_role_allows() {
    let table = Table::read();
    let mut world = World::new().await;
    let mut met = Vec::new();
    for row in table.link_rows().map(|name| Row::parse(&name)) {
        for caller in INSIDE {
            let expected = table.word(&row.name, caller);
            let word = rows::inside(&mut world, &row, caller, &expected).await;
            met.push(Met { row: row.name.clone(), caller, word });
        }
    }
    judge(&table, &met);
}

/// What a stranger may not see answers exactly like what does not exist.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forbidden_is_like_absent() {
    let table = Table::read();
    let mut world = World::new().await;
    for row in table.link_rows().map(|name| Row::parse(&name)).filter(Row::names_a_conversation) {
        let (there, nowhere) = rows::there_and_nowhere(&mut world, &row).await;
        assert_eq!(there, nowhere, "{}", row.name);
    }
}

/// Callers without a right to a link: whatever they say behind their Hello, they get the end and nothing happens.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gets_in_without_a_ticket() {
    let table = Table::read();
    let mut world = World::new().await;
    let group = world.group().await;
    let before = world.state_of(&group).await;
    let mut met = Vec::new();
    for row in table.link_rows().map(|name| Row::parse(&name)) {
        for caller in OUTSIDE {
            let word = rows::outside(&mut world, &group, &row, caller).await;
            met.push(Met { row: format!("outside.{}", row.shape()), caller, word });
        }
    }
    judge(&table, &met);
    assert_eq!(world.state_of(&group).await, before, "nothing happened");
}

/// The routes of the gateway.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn routes_ask_for_a_credential() {
    let table = Table::read();
    let mut world = World::new().await;
    let group = world.group().await;
    let mut met = Vec::new();
    for route in table.routes() {
        for caller in ROUTE {
            // A chief behind a Hello is a stranger to the conversation; that is a row of the link.
            if caller == "chief" && route.ends_with("/v1/exchange") {
                continue;
            }
            let word = rows::route(&mut world, &group, &route, caller).await;
            met.push(Met { row: format!("http.{route}"), caller, word });
        }
    }
    judge(&table, &met);
}

/// Whatever a body holds, the answer is a refusal or an act, never a fault of the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_body_is_refused() {
    let table = Table::read();
    let mut world = World::new().await;
    let group = world.group().await;
    let random = tenon_base::SeededRandom::new(17);
    let posts = table.routes().into_iter().filter(|route| route.starts_with("POST"));
    let mut refused = 0;
    for route in posts.filter(|route| !route.ends_with("/v1/exchange")) {
        for round in 0..60 {
            let caller = ["nobody", "member", "chief"][round % 3];
            let (status, body) = rows::damaged(&mut world, &group, &route, (caller, &random)).await;
            assert!((200..500).contains(&status), "{status} of {route} for {body}");
            refused += usize::from(status >= 400);
        }
    }
    assert!(refused > 100, "{refused} were refused");
    let (status, _) = rows::http(world.address, "GET", "/health", "", &[]).await;
    assert_eq!(status, 200);
}
