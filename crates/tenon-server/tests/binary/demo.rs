//! The demonstration with the real binary: people exist, they talk, a visitor gets in by one click, and nothing foreign is touched.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{PATIENCE, Place, Ran, Server, binary};

/// A call; gives the status line with headers, and the body.
fn call(address: &str, start: &str, headers: &[&str], body: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let extra: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let host = if extra.to_lowercase().contains("host:") {
        String::new()
    } else {
        format!("host: {address}\r\n")
    };
    let length = body.len();
    write!(
        stream,
        "{start} HTTP/1.1\r\n{host}{extra}connection: close\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

fn sign_in(server: &Server, who: &str) -> Value {
    let body = format!("{{\"who\":\"{who}\"}}");
    let (head, body) = call(&server.address, "POST /v1/demo/sign-in", &[], &body);
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("no-store"), "{head} {body}");
    serde_json::from_str(&body).unwrap()
}

fn figures(place: &Place) -> Value {
    place.tenon(&["top", "--count", "1", "--json"]).ok().rows().remove(0)
}

#[test]
fn a_visitor_sees_life_and_nothing_foreign_is_touched() {
    let place = Place::new();
    let server = place.demo(&["--pace", "50"]);

    let (_, facts) = call(&server.address, "GET /v1/server", &[], "");
    assert!(facts.contains("\"is_demo\":true") && facts.contains("Harbour Works"), "{facts}");
    let (head, body) = call(&server.address, "GET /v1/demo", &[], "");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(body.contains("Ada Lindqvist") && body.contains("CC BY 4.0"), "{body}");
    let (ada, ben) = (sign_in(&server, "admin"), sign_in(&server, "member"));
    assert_eq!((&ada["name"], &ben["name"]), (&Value::from("ada"), &Value::from("ben")));
    for (given, role) in [(&ada, "admin"), (&ben, "member")] {
        let bearer = format!("authorization: Bearer {}", given["credential"].as_str().unwrap());
        let (_, me) = call(&server.address, "GET /v1/me", &[&bearer], "");
        assert!(me.contains(role) && me.contains("\"is_demo\":true"), "{me}");
        let (head, page) = call(&server.address, "GET /v1/admin/overview", &[&bearer], "");
        assert_eq!(head.starts_with("HTTP/1.1 200"), role == "admin", "{head} {page}");
    }
    let again = sign_in(&server, "member");
    assert_ne!(again["device"], ben["device"], "a second window is a device of its own");

    // A page of another site, a bent name, a proxy: nobody gets in.
    let who = "{\"who\":\"admin\"}";
    for header in
        ["host: evil.example", "origin: http://evil.example", "x-forwarded-for: 192.0.2.1"]
    {
        let (head, _) = call(&server.address, "POST /v1/demo/sign-in", &[header], who);
        assert!(head.starts_with("HTTP/1.1 404"), "{header}: {head}");
    }
    let (head, _) = call(&server.address, "POST /v1/demo/sign-in", &[], "{\"who\":\"chiara\"}");
    assert!(head.starts_with("HTTP/1.1 400"), "only the two visitors: {head}");

    let token = ben["credential"].as_str().unwrap();
    let list = server.device("list", token, &["--json"]).ok().rows();
    let titles: Vec<&str> = list.iter().filter_map(|row| row["title"].as_str()).collect();
    assert!(titles.contains(&"Everyone · 10,000 members"), "{titles:?}");
    assert!(titles.iter().any(|title| title.starts_with("Support · ")), "{titles:?}");
    assert!(list.len() >= 9, "six groups and three direct conversations: {titles:?}");
    let group = titles.iter().find(|title| title.starts_with("Engineering")).unwrap();
    let past = server.device("history", token, &["--group", group, "--json"]).ok().rows();
    assert!(past.len() > 20, "history stands before anybody speaks");
    let tail = server.device("tail", token, &["--count", "5", "--json"]).ok();
    assert!(tail.rows().len() >= 5, "news arrive: {}", tail.out);

    let begun = Instant::now();
    let seen = loop {
        let seen = figures(&place);
        let hot = seen["hot"].as_array().unwrap();
        if seen["messages_total"].as_u64() > Some(40)
            && hot.len() >= 4
            && seen["ack_p99_us"].is_u64()
        {
            break seen;
        }
        assert!(begun.elapsed() < PATIENCE, "{seen}");
        std::thread::sleep(Duration::from_millis(200));
    };
    assert_eq!((seen["users"].as_u64(), seen["groups"].as_u64()), (Some(10_014), Some(6)));
    assert_eq!(seen["hot"][0]["title"], "Everyone · 10,000 members", "the busiest one");
    assert!(
        seen["data_bytes"].as_u64() > Some(1_000_000) && seen["disk_free_bytes"].as_u64() > Some(0)
    );
    assert!(seen["series"].as_array().unwrap().len() <= 120);

    // It is in use: neither a second one nor a reset touches it.
    place.tenon(&["demo", "reset"]).fails(1, "in use");
    assert_eq!(server.stop(), 0);

    // Found again as it was.
    let server = place.demo(&["--pace", "1"]);
    assert_eq!(figures(&place)["users"], 10_014);
    server.device("list", token, &["--json"]).ok();
    assert_eq!(server.stop(), 0);
    place.tenon(&["verify"]).ok();
    let removed = place.tenon(&["demo", "reset"]).ok();
    assert!(removed.out.contains("is removed") && !place.data.exists(), "{}", removed.out);
    assert!(place.tenon(&["demo", "reset"]).ok().out.contains("holds nothing"));
}

#[test]
fn somebodys_data_is_neither_filled_nor_deleted() {
    let place = Place::new();
    place.tenon(&["user", "add", "ada"]).ok();
    let files = |place: &Place| {
        let mut names: Vec<_> = std::fs::read_dir(&place.data)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names
    };
    let before = files(&place);
    let refused = Ran::of(binary().args(["demo", "--data"]).arg(&place.data).output().unwrap());
    refused.fails(2, "is not a demonstration");
    place.tenon(&["demo", "reset"]).fails(2, "is not a demonstration");
    assert_eq!(files(&place), before);
    assert_eq!(place.tenon(&["user", "list", "--json"]).ok().rows().len(), 1);
    place.tenon(&["top", "--count", "1"]).fails(2, "no server runs");

    let server = place.serve();
    let (_, facts) = call(&server.address, "GET /v1/server", &[], "");
    assert!(facts.contains("\"is_demo\":false"), "{facts}");
    let (head, _) = call(&server.address, "POST /v1/demo/sign-in", &[], "{\"who\":\"admin\"}");
    assert!(!head.starts_with("HTTP/1.1 2"), "a server is no demonstration: {head}");
    let (head, _) = call(&server.address, "GET /v1/demo", &["accept: application/json"], "");
    assert!(head.starts_with("HTTP/1.1 404"), "{head}");
    let seen = figures(&place);
    assert_eq!((&seen["users"], &seen["messages_total"]), (&Value::from(1), &Value::from(0)));
}

/// What fails after the rooms run is told like everything else.
#[test]
fn a_ready_file_without_a_folder_is_told_and_a_bare_name_lies_here() {
    let place = Place::new();
    let serve = |ready: &str| {
        let mut command = binary();
        command.current_dir(&place.dir).args(["serve", "--listen", "127.0.0.1:0", "--data"]);
        command.arg(&place.data).args(["--ready-file", ready]);
        command
    };
    Ran::of(serve("absent/ready.json").output().unwrap()).fails(1, "absent/ready.json");
    let mut child = serve("bare.json").spawn().unwrap();
    let begun = Instant::now();
    while !place.dir.join("bare.json").exists() {
        assert!(child.try_wait().unwrap().is_none() && begun.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
