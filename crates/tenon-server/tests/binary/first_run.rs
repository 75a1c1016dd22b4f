//! From an empty directory to an organisation with people in it: set-up link, invitations, administrators.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{PATIENCE, Place, Ran, Server, binary};

fn call(server: &Server, method: &str, path: &str, bearer: &str, body: &Value) -> (u16, Value) {
    let mut stream = std::net::TcpStream::connect(&server.address).unwrap();
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nauthorization: Bearer {bearer}\r\n\r\n{body}",
        server.address,
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

fn post(server: &Server, path: &str, body: &Value) -> (u16, Value) {
    call(server, "POST", path, "", body)
}

fn person(token: &str, name: &str) -> Value {
    json!({
        "token": token, "name": name, "display_name": "", "password": "correct horse",
        "label": "browser", "device_kind": 4,
    })
}

fn founder(token: &str, name: &str) -> Value {
    let mut body = person(token, name);
    body["organisation"] = "Acme".into();
    body
}

/// The secret behind the `#` of a link of this server.
fn token_of(server: &Server, link: &str, page: &str) -> String {
    let (base, token) = link.split_once('#').unwrap();
    assert_eq!(base, format!("{}/{page}", server.url));
    token.to_owned()
}

fn setup_token(server: &Server) -> String {
    token_of(server, server.ready["setup_url"].as_str().unwrap(), "setup")
}

/// All at once; the statuses with their codes, sorted.
fn race(server: &Server, path: &str, bodies: &[Value]) -> Vec<(u16, Value)> {
    let mut answers: Vec<(u16, Value)> = std::thread::scope(|scope| {
        let calls: Vec<_> =
            bodies.iter().map(|body| scope.spawn(move || post(server, path, body))).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    answers.sort_by_key(|(status, _)| *status);
    answers
}

fn with_input(place: &Place, args: &[&str], input: &str) -> Ran {
    let mut command = binary();
    command.args(args).arg("--data").arg(&place.data);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    Ran::of(child.wait_with_output().unwrap())
}

#[test]
fn the_set_up_link_works_once_even_when_two_use_it() {
    let place = Place::new();
    let server = place.serve();
    let (_, facts) = call(&server, "GET", "/v1/server", "", &Value::Null);
    assert_eq!((&facts["needs_setup"], &facts["organisation"]), (&json!(true), &Value::Null));
    let token = setup_token(&server);
    let file = place.data.join("setup-link");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(std::fs::read_to_string(&file).unwrap().contains(&token));

    let (status, answer) = post(&server, "/v1/setup", &founder("tns_nonsense", "ada"));
    assert_eq!((status, &answer["code"]), (410, &json!("link_expired")));
    let mut weak = founder(&token, "ada");
    weak["password"] = "123456789".into();
    let (status, answer) = post(&server, "/v1/setup", &weak);
    assert_eq!((status, &answer["code"]), (422, &json!("password_weak")));

    let bodies: Vec<Value> = (0..4).map(|n| founder(&token, &format!("admin-{n}"))).collect();
    let answers = race(&server, "/v1/setup", &bodies);
    let statuses: Vec<u16> = answers.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses, [200, 410, 410, 410]);
    assert!(answers[1..].iter().all(|(_, body)| body["code"] == "link_used"), "{answers:?}");
    let winner = &answers[0].1;
    assert_eq!(winner["role"], "admin");
    let credential = winner["credential"].as_str().unwrap();
    let (status, me) = call(&server, "GET", "/v1/me", credential, &Value::Null);
    assert_eq!((status, &me["organisation"], &me["role"]), (200, &json!("Acme"), &json!("admin")));
    let begun = Instant::now();
    while file.exists() {
        assert!(begun.elapsed() < PATIENCE, "the file of the used link stays");
        std::thread::sleep(Duration::from_millis(20));
    }
    let (status, audit) = call(&server, "GET", "/v1/admin/audit", credential, &Value::Null);
    let actions: Vec<&str> = audit["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["action"].as_str().unwrap())
        .collect();
    assert_eq!((status, actions), (200, vec!["setup", "setup.link"]));
    place.tenon(&["admin", "link"]).fails(2, "set up already");
    let secret = token.split_at(10).1;
    assert!(!place.log().contains(secret) && !place.log().contains("correct horse"));
    assert_eq!(server.stop(), 0);

    let server = place.serve();
    assert_eq!(server.ready["setup_url"], Value::Null);
    let (status, answer) = post(&server, "/v1/setup", &founder(&token, "eve"));
    assert_eq!((status, &answer["code"]), (410, &json!("link_used")));
}

#[test]
fn a_new_set_up_link_ends_the_one_before() {
    let place = Place::new();
    let mut server = place.serve();
    let first = setup_token(&server);
    let printed = place.tenon(&["admin", "link"]).ok();
    let second = token_of(&server, printed.out.lines().last().unwrap(), "setup");
    server.kill();
    let server = place.serve();
    let third = setup_token(&server);
    for token in [&first, &second] {
        let (status, answer) = post(&server, "/v1/setup", &founder(token, "ada"));
        assert_eq!((status, &answer["code"]), (410, &json!("link_expired")));
    }
    let (status, _) = post(&server, "/v1/setup", &founder(&third, "ada"));
    assert_eq!(status, 200);
}

#[test]
fn who_guesses_links_must_wait() {
    let place = Place::new();
    let server = place.serve();
    let guess = founder("tns_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "eve");
    let mut codes = Vec::new();
    for _ in 0..40 {
        let (_, answer) = post(&server, "/v1/setup", &guess);
        codes.push(answer["code"].as_str().unwrap().to_owned());
    }
    assert_eq!((codes[0].as_str(), codes[39].as_str()), ("link_expired", "method_rate"));
}

#[test]
fn people_join_by_invitation_and_no_more_than_it_says() {
    let place = Place::new();
    let server = place.serve();
    let (_, ada) = post(&server, "/v1/setup", &founder(&setup_token(&server), "ada"));
    let ada = ada["credential"].as_str().unwrap();
    let wish = json!({ "role": "member", "uses": 2, "valid_for_s": 3_600 });
    let (status, made) = call(&server, "POST", "/v1/admin/invitations", ada, &wish);
    assert_eq!(status, 200, "{made}");
    let token = token_of(&server, made["link"].as_str().unwrap(), "join");
    let (status, look) = post(&server, "/v1/invitations/look", &json!({ "token": token }));
    assert_eq!(
        (status, &look["organisation"], &look["invited_by"]),
        (200, &json!("Acme"), &json!("ada"))
    );
    let bodies: Vec<Value> = (0..5).map(|n| person(&token, &format!("guest-{n}"))).collect();
    let answers = race(&server, "/v1/invitations/accept", &bodies);
    let statuses: Vec<u16> = answers.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses, [200, 200, 410, 410, 410]);
    assert!(answers[2..].iter().all(|(_, body)| body["code"] == "link_used"));
    let guest = answers[0].1["credential"].as_str().unwrap();
    let (status, answer) = call(&server, "POST", "/v1/admin/invitations", guest, &wish);
    assert_eq!((status, &answer["code"]), (403, &json!("role_required")));
    let sent = server.device("send", guest, &["--to", "ada", "hello"]).ok();
    assert!(!sent.out.is_empty());

    // Another server's administrator is nobody here.
    let elsewhere = Place::new();
    let other = elsewhere.serve();
    let (_, eve) = post(&other, "/v1/setup", &founder(&setup_token(&other), "eve"));
    let eve = eve["credential"].as_str().unwrap();
    let (status, answer) = call(&server, "POST", "/v1/admin/invitations", eve, &wish);
    assert_eq!((status, &answer["code"]), (401, &json!("ticket_invalid")));
    let (status, answer) = post(&other, "/v1/invitations/look", &json!({ "token": token }));
    assert_eq!((status, &answer["code"]), (410, &json!("link_expired")));
}

#[test]
fn the_operator_makes_administrators_and_invitations() {
    let place = Place::new();
    let weak = with_input(&place, &["admin", "create", "ops"], "short\n");
    weak.fails(2, "10 characters");
    let create = ["admin", "create", "ops", "--organisation", "Acme"];
    with_input(&place, &create, "correct horse\n").ok();
    let server = place.serve();
    assert_eq!(server.ready["setup_url"], Value::Null, "somebody administers");
    let login =
        json!({ "name": "ops", "password": "correct horse", "label": "x", "device_kind": 4 });
    let (status, ops) = post(&server, "/v1/login", &login);
    assert_eq!(status, 200);
    let ops = ops["credential"].as_str().unwrap();
    let (_, me) = call(&server, "GET", "/v1/me", ops, &Value::Null);
    assert_eq!((&me["role"], &me["organisation"]), (&json!("admin"), &json!("Acme")));

    let shown = place.tenon(&["user", "invite", "--uses", "3"]).ok();
    assert!(shown.out.contains('\u{2588}'), "a code for cameras: {}", shown.out);
    let token = token_of(&server, shown.out.lines().last().unwrap(), "join");
    let (status, _) = post(&server, "/v1/invitations/accept", &person(&token, "bob"));
    assert_eq!(status, 200);
    place.tenon(&["user", "invite", "--uses", "2000"]).fails(2, "1000 uses");
    place.tenon(&["user", "invite", "--role", "king"]).fails(2, "not a role");
    place.tenon(&["user", "invite", "--user", "nobody"]).fails(2, "no user");
    place.tenon(&["user", "disable", "ops"]).fails(2, "last active administrator");

    // Access to an account that has none: the link is bound to it.
    place.tenon(&["user", "add", "eve"]).ok();
    let link = place.tenon(&["user", "invite", "--user", "eve", "--no-qr"]).ok();
    assert_eq!(link.out.lines().count(), 1);
    let token = token_of(&server, link.out.trim(), "join");
    let (status, eve) = post(&server, "/v1/invitations/accept", &person(&token, ""));
    assert_eq!((status, &eve["name"]), (200, &json!("eve")));
    let (status, _) = post(&server, "/v1/invitations/accept", &person(&token, ""));
    assert_eq!(status, 410);
}

/// What a newcomer reads, and the two mistakes of starting twice.
#[test]
fn serve_says_where_to_go_and_who_is_in_the_way() {
    let place = Place::new();
    let server = place.serve();
    let begun = Instant::now();
    let printed = loop {
        let printed = std::fs::read_to_string(place.dir.join("server.out")).unwrap();
        if printed.contains("tenon admin link") {
            break printed;
        }
        assert!(begun.elapsed() < PATIENCE, "{printed}");
        std::thread::sleep(Duration::from_millis(20));
    };
    let setup = server.ready["setup_url"].as_str().unwrap();
    let at =
        |text: &str| printed.find(text).unwrap_or_else(|| panic!("{text:?} is not in {printed}"));
    let data = place.data.display().to_string();
    assert!(at(env!("CARGO_PKG_VERSION")) < at(&data), "{printed}");
    assert!(at(&format!("tenon ready {}\n", server.url)) < at(setup), "{printed}");

    let mut second = binary();
    second.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&place.data);
    let second = Ran::of(second.output().unwrap());
    second.fails(1, &format!("in use by process {}", server.child.id()));
    let mut taken = binary();
    taken.args(["serve", "--listen", &server.address, "--data"]).arg(place.dir.join("other"));
    let taken = Ran::of(taken.output().unwrap());
    taken.fails(1, &format!("the address {} is taken", server.address));
    taken.fails(1, "--listen");
}
