//! The admin listener, the pages and the administrative socket, by every caller, against `security/expect.toml`.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;

use serde_json::json;

use crate::harness::Place;

const EXPECT: &str = include_str!("../../../../security/expect.toml");
const LINES: &str = include_str!("../../src/admin.rs");
const TOKEN: &str = "an-operator-token";

fn status(url: &str, method: &str, path: &str, bearer: Option<&str>) -> String {
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let head = bearer.map(|b| format!("authorization: Bearer {b}\r\n")).unwrap_or_default();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n{head}\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text.split(' ').nth(1).unwrap().to_owned()
}

/// `METHOD path` of the binary's own routes: those of the admin listener, or the others, which are public.
fn routes(is_admin: bool) -> Vec<String> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let all = crate::source::routes_below(&folder).into_iter();
    all.filter(|(_, file)| file.ends_with("serve/observe.rs") == is_admin)
        .map(|(route, _)| route)
        .collect()
}

/// Calls of the administrative socket, from the source of its requests: `user_add`.
fn lines_of(source: &str) -> Vec<String> {
    let (_, rest) = source.split_once("enum Request {\n").unwrap();
    let (body, _) = rest.split_once("\n}").unwrap();
    let names = body.lines().filter_map(|line| line.strip_prefix("    ")?.split_once(" {"));
    let snake = names.filter(|(name, _)| !name.contains(['/', ' '])).map(|(name, _)| {
        let mut out = String::new();
        for letter in name.chars() {
            if letter.is_uppercase() && !out.is_empty() {
                out.push('_');
            }
            out.extend(letter.to_lowercase());
        }
        out
    });
    sorted(snake.collect())
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

/// The rows of a group; they are what exists, neither more nor less.
fn rows(group: &str, exist: &[String]) -> toml::Table {
    let mut table: toml::Table = EXPECT.parse().unwrap();
    let rows = table.remove(group).unwrap();
    let names = sorted(rows.as_table().unwrap().keys().cloned().collect());
    assert_eq!(names, exist, "rows of {group} and what exists");
    table.insert("rows".to_owned(), rows);
    table
}

/// The expected word: the row's own, or its rule's.
fn word(table: &toml::Table, name: &str, caller: &str) -> String {
    let row = &table["rows"][name];
    let rule = row.as_str().or_else(|| row["rule"].as_str()).unwrap();
    let word = row.get(caller).unwrap_or_else(|| &table["rule"][rule][caller]);
    word.as_str().unwrap().to_owned()
}

/// Metrics and the planned stop are the operator's; a member's credential is worth nothing there.
#[test]
fn the_admin_listener_asks_for_its_token() {
    let exist = routes(true);
    let table = rows("admin", &exist);
    let place = Place::new();
    let file = place.dir.join("token");
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let config = place.config(&format!("admin_token_file = {file:?}\n"));
    let args = ["--admin-listen", "127.0.0.1:0", "--config", config.to_str().unwrap()];
    let server = place.serve_with(&args);
    place.tenon(&["user", "add", "ada"]).ok();
    let device = place.mint("ada", "desk");
    let admin = server.ready["admin_url"].as_str().unwrap().to_owned();
    // The stop comes last: nothing answers after it.
    let (stops, rest): (Vec<_>, Vec<_>) = exist.iter().partition(|name| name.starts_with("POST"));
    for name in rest.into_iter().chain(stops) {
        let (method, path) = name.split_once(' ').unwrap();
        let callers = [
            ("nobody", None),
            ("garbage", Some("x")),
            ("device", Some(&*device)),
            ("operator", Some(TOKEN)),
        ];
        for (caller, bearer) in callers {
            let expected = word(&table, name, caller);
            assert_eq!(status(&admin, method, path, bearer), expected, "{name} as {caller}");
        }
    }
}

/// The pages of the client are for everybody; what belongs to a demonstration is not there without one.
#[test]
fn pages_are_open() {
    let exist = routes(false);
    let table = rows("page", &exist);
    let place = Place::new();
    let server = place.serve();
    for name in &exist {
        let (method, path) = name.split_once(' ').unwrap();
        let path = path.replace("{*path}", "index.html");
        for (caller, bearer) in [("nobody", None), ("garbage", Some("x"))] {
            let expected = word(&table, name, caller);
            assert_eq!(status(&server.url, method, &path, bearer), expected, "{name} as {caller}");
        }
    }
}

/// What each call needs to be understood.
fn line(name: &str) -> serde_json::Value {
    let mut line = match name {
        "user_add" => json!({ "names": ["ada", "bob"], "display": null }),
        "user_disable" => json!({ "names": ["bob"], "disabled": true }),
        "user_password" => json!({ "name": "ada", "password": "correct horse battery staple" }),
        "admin_create" => json!({
            "name": "ops", "display": null, "organisation": null, "password": "correct horse battery",
        }),
        "user_invite" => json!({ "role": "member", "uses": 1, "valid_for_s": 60, "user": null }),
        "token_mint" => json!({ "name": "ada", "label": "desk" }),
        "app_add" | "app_remove" => json!({ "name": "robot" }),
        "group_create" => json!({ "name": "pair", "members": ["ada"] }),
        "group_add" | "group_remove" => json!({ "group": "pair", "users": ["ada"] }),
        "group_members" => json!({ "group": "pair" }),
        "import_slack" => json!({ "path": "/nowhere.zip" }),
        "user_list" | "app_list" | "admin_link" | "group_list" | "verify" | "flush" | "status"
        | "figures" => {
            json!({})
        }
        other => panic!("say here what the line {other:?} needs"),
    };
    line["call"] = name.into();
    line
}

/// Every line of the socket is understood from the server's own user, and the socket is out of reach for any other.
#[test]
fn the_socket_is_the_operators() {
    let exist = lines_of(LINES);
    assert!(exist.len() > 10, "the calls are read: {exist:?}");
    let table = rows("line", &exist);
    let place = Place::new();
    let _server = place.serve();
    let mode = std::fs::metadata(&place.data).unwrap().permissions().mode();
    let other = if mode & 0o077 == 0 { "no way in" } else { "answers" };
    for name in &exist {
        let answer = ask(&place, format!("{}\n", line(name)).as_bytes());
        let understood = !answer.is_empty() && !answer.contains("does not parse");
        let same = if understood { "answers" } else { "no answer" };
        assert_eq!(same, word(&table, name, "same_user"), "{name}: {answer}");
        assert_eq!(other, word(&table, name, "other_user"), "{name}: mode {mode:o}");
    }
}

fn ask(place: &Place, line: &[u8]) -> String {
    let mut stream = UnixStream::connect(place.data.join("admin.sock")).unwrap();
    // A server that has read enough may close before all of it is written.
    drop(stream.write_all(line));
    drop(stream.shutdown(std::net::Shutdown::Write));
    let mut answer = String::new();
    drop(stream.read_to_string(&mut answer));
    answer
}

/// Lines that are no request are answered with an error and change nothing; a line without end is not waited for in memory.
#[test]
fn the_socket_refuses_what_is_no_request() {
    let place = Place::new();
    let _server = place.serve();
    let long = [b"{\"call\":\"user_add\",\"names\":[\"".to_vec(), vec![b'a'; 2 << 20]].concat();
    let lines: [&[u8]; 6] = [
        b"\n",
        b"{}\n",
        b"{\"call\":\"user_list\",\"more\":1}\n",
        b"{\"call\":\"no_such_call\"}\n",
        b"{\"call\":\"group_create\",\"name\":7,\"members\":[]}\n",
        &long,
    ];
    for line in lines {
        let answer = ask(&place, line);
        assert!(answer.is_empty() || answer.contains("\"event\":\"error\""), "{answer}");
    }
    assert_eq!(place.tenon(&["user", "list", "--json"]).ok().rows().len(), 0, "nothing was added");
}
