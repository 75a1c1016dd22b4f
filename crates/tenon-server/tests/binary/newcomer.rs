//! What a newcomer does, and the mistakes he makes, with the real binary.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::harness::{Place, Ran, binary};

#[test]
fn from_an_empty_directory_to_a_conversation() {
    let place = Place::new();
    let server = place.serve_with(&["--admin-listen", "127.0.0.1:0"]);
    assert_eq!(server.ready["pid"], server.child.id());
    let mode = std::fs::metadata(place.dir.join("ready.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mode = std::fs::metadata(&place.data).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "messages and keys are the owner's alone");

    place.tenon(&["user", "add", "ada", "bob", "eve"]).ok();
    let again = place.tenon(&["user", "add", "ADA"]).ok();
    assert!(again.out.contains("was there"), "{}", again.out);
    let (ada, bob, eve) =
        (place.mint("ada", "desk"), place.mint("bob", "desk"), place.mint("eve", "desk"));
    let sent = server.device("send", &ada, &["--to", "bob", "hello bob", "--json"]).ok();
    let sent = &sent.rows()[0];
    assert_eq!((sent["kind"].as_str(), sent["seq"].as_u64()), (Some("message"), Some(1)));
    let conv = sent["conversation"].as_str().unwrap();

    let got = server.device("history", &bob, &["--to", "ada", "--json"]).ok();
    let row = &got.rows()[0];
    assert_eq!(
        (row["text"].as_str(), row["conversation"].as_str()),
        (Some("hello bob"), Some(conv))
    );
    assert_eq!(row["message_id"], sent["message_id"]);
    let list = server.device("list", &bob, &["--json"]).ok();
    assert_eq!(list.rows()[0]["unread"], 1);

    // Somebody else learns nothing, not even that it is there.
    let foreign = server.device("history", &eve, &["--conversation", conv]);
    let nothing = server.device("history", &eve, &["--conversation", "12345"]);
    assert_ne!(foreign.code, 0);
    assert_eq!((foreign.code, &foreign.err), (nothing.code, &nothing.err));
    server.device("send", &eve, &["--conversation", conv, "psst"]).fails(2, "absent");

    place.tenon(&["group", "create", "ops", "--member", "ada", "--member", "bob"]).ok();
    place.tenon(&["group", "create", "ops"]).fails(2, "taken");
    server.device("send", &ada, &["--group", "ops", "to all"]).ok();
    server.device("send", &eve, &["--group", "ops", "me too"]).fails(2, "no group");
    place.tenon(&["group", "add", "ops", "eve"]).ok();
    server.device("send", &eve, &["--group", "ops", "me too"]).ok();
    place.tenon(&["group", "remove", "ops", "eve"]).ok();
    server.device("send", &eve, &["--group", "ops", "still"]).fails(2, "no group");
    let members = place.tenon(&["group", "members", "ops", "--json"]).ok();
    let inside = members.rows().iter().filter(|m| m["in"] == true).count();
    assert_eq!((inside, members.rows().len()), (2, 3));

    let page = get(&server.url, "/");
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("Tenon"), "{page}");
    assert!(page.contains("content-security-policy"), "{page}");
    assert!(get(&server.url, "/nothing").starts_with("HTTP/1.1 404"));
    let admin = server.ready["admin_url"].as_str().unwrap().to_owned();
    let metrics = get(&admin, "/metrics");
    assert!(metrics.contains("tenon_processor_outcomes_total"), "{metrics}");
    assert!(!metrics.contains("hello bob") && !place.log().contains("hello bob"));
    assert!(!place.log().contains(&ada[10..]), "no secret in the log");
    assert!(get(&admin, "/readyz").ends_with("ready"));
    assert_eq!(server.stop(), 0);
    place.tenon(&["verify"]).ok();
}

fn get(url: &str, path: &str) -> String {
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_tail_goes_on_where_it_stopped() {
    let place = Place::new();
    let server = place.serve();
    place.tenon(&["user", "add", "ada", "bob"]).ok();
    let (ada, bob) = (place.mint("ada", "desk"), place.mint("bob", "desk"));
    let folder = place.dir.join("device");
    let folder = folder.to_str().unwrap();
    // The first run fetches the list; from then on every event comes, once.
    server.device("send", &ada, &["--to", "bob", "before"]).ok();
    let mut texts = Vec::new();
    for round in 0..3 {
        let mut tail = binary();
        tail.args(["tail", "--json", "--server", &server.address, "--token", &bob]);
        tail.args(["--device-dir", folder, "--count", "3"]).stdout(Stdio::piped());
        if round > 0 {
            // Missed while away.
            for n in 0..3 {
                let text = format!("away {round} {n}");
                server.device("send", &ada, &["--to", "bob", &text]).ok();
            }
        }
        let mut tail = tail.spawn().unwrap();
        let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
        if round == 0 {
            let first = lines.next().unwrap().unwrap();
            assert!(first.contains("rebased"), "{first}");
            for n in 0..3 {
                server.device("send", &ada, &["--to", "bob", &format!("live {n}")]).ok();
            }
        }
        for line in lines {
            let row: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
            if row["kind"] == "message" {
                texts.push(row["text"].as_str().unwrap().to_owned());
            }
        }
        assert!(tail.wait().unwrap().success());
    }
    let expected: Vec<String> = (0..3)
        .map(|n| format!("live {n}"))
        .chain((1..3).flat_map(|r| (0..3).map(move |n| format!("away {r} {n}"))))
        .collect();
    assert_eq!(texts, expected, "without loss or repeats");
}

/// Away for more than the queue hands on: the list is fetched, and the tail prints what was skipped.
#[test]
fn a_tail_that_was_away_for_long_misses_nothing() {
    let place = Place::new();
    let config =
        place.config("[limits]\ndevice = \"0/s 0\"\nuser = \"0/s 0\"\nconversation = \"0/s 0\"\n");
    let server = place.serve_with(&["--config", config.to_str().unwrap()]);
    place.tenon(&["user", "add", "ada", "bob"]).ok();
    let (ada, bob) = (place.mint("ada", "desk"), place.mint("bob", "desk"));
    let folder = place.dir.join("device");
    let run = |count: u64| {
        let mut tail = binary();
        tail.args(["tail", "--json", "--server", &server.address, "--token", &bob]);
        tail.arg("--device-dir").arg(&folder).args(["--count", &count.to_string()]);
        tail.stdout(Stdio::piped()).spawn().unwrap()
    };
    server.device("send", &ada, &["--to", "bob", "0"]).ok();
    let mut first = run(1);
    let mut lines = BufReader::new(first.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("rebased"));
    server.device("send", &ada, &["--to", "bob", "1"]).ok();
    assert!(lines.next().unwrap().unwrap().contains("\"text\":\"1\""));
    assert!(first.wait().unwrap().success());

    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(flood(&server.address, &ada, 1_200));
    let second = run(1_200).wait_with_output().unwrap();
    assert!(second.status.success());
    let rows: Vec<serde_json::Value> = String::from_utf8(second.stdout)
        .unwrap()
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(rows[0]["kind"], "rebased", "more than the stream hands on");
    let texts: Vec<String> =
        rows[1..].iter().map(|row| row["text"].as_str().unwrap().to_owned()).collect();
    let expected: Vec<String> = (2..1_202).map(|n| n.to_string()).collect();
    assert_eq!(texts, expected);
}

/// Sends the numbers from 2 on, one after the other, to the only conversation of the device.
async fn flood(address: &str, token: &str, count: u64) {
    use tenon_client::driver::{Client, ClientOptions};
    let auth = tenon_client::engine::Auth::Credential(token.to_owned().into());
    let options = ClientOptions::new(format!("tcp://{address}").parse().unwrap(), auth);
    let (client, mut events) = Client::connect(options).await.unwrap();
    tokio::spawn(async move { while events.next().await.is_some() {} });
    let conv = tenon_base::ConversationId(client.list().await.unwrap()[0].conv);
    for n in 0..count {
        client.send_text(conv, (n + 2).to_string()).await.unwrap();
    }
    client.close().await.unwrap();
}

#[test]
fn a_revoked_device_is_out_within_a_second() {
    let place = Place::new();
    let server = place.serve();
    place.tenon(&["user", "add", "ada"]).ok();
    let ada = place.mint("ada", "desk");
    let mut tail = binary();
    tail.args(["tail", "--server", &server.address, "--token", &ada]);
    let mut tail = tail.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(tail.stdout.as_mut().unwrap()).read_line(&mut first).unwrap();
    assert!(first.contains("rebased"), "{first}");
    place.tenon(&["user", "disable", "ada"]).ok();
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = tail.try_wait().unwrap() {
            break status;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "still connected");
        std::thread::sleep(Duration::from_millis(10));
    };
    assert!(!status.success());
    let mut said = String::new();
    tail.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("400"), "{said}");
    let refused = server.device("list", &ada, &[]);
    refused.fails(2, "account_disabled");
    place.tenon(&["token", "mint", "ada"]).fails(2, "disabled");
}

#[test]
fn wrong_calls_name_the_cause_and_the_mend() {
    let place = Place::new();
    let server = place.serve();
    place.tenon(&["user", "add", "ada"]).ok();
    let ada = place.mint("ada", "desk");
    let pid = server.child.id().to_string();
    let second = {
        let mut command = binary();
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&place.data);
        Ran::of(command.output().unwrap())
    };
    second.fails(1, &pid);
    second.fails(1, "stop the other server");
    server.device("list", "tnd_nonsense", &[]).fails(2, "ticket_invalid");
    let mut wrong = ada.clone();
    wrong.replace_range(30..31, if &ada[30..31] == "A" { "B" } else { "A" });
    server.device("list", &wrong, &[]).fails(2, "ticket_invalid");
    server.device("send", &ada, &["--to", "nobody", "x"]).fails(2, "absent");
    place.tenon(&["token", "mint", "nobody"]).fails(2, "tenon user add");
    place.tenon(&["user", "add", " x"]).fails(2, "is not a name");
    place.tenon(&["group", "members", "none"]).fails(2, "no group");
    place.tenon(&["import", "slack", "/nonexistent.zip"]).fails(2, "nonexistent.zip");

    let mut taken = binary();
    let other = place.dir.join("other");
    taken.args(["serve", "--listen", &server.address, "--data"]).arg(&other);
    Ran::of(taken.output().unwrap()).fails(1, &server.address);
    drop(server);

    let config = place.config("lisen = \"127.0.0.1:1\"\n");
    let mut check = binary();
    check.args(["config", "check", "--config"]).arg(&config);
    Ran::of(check.output().unwrap()).fails(2, "did you mean `listen`");
    let mut open = binary();
    open.args(["serve", "--listen", "0.0.0.0:0", "--data"]).arg(&other);
    Ran::of(open.output().unwrap()).fails(2, "not loopback");
}

#[test]
fn a_newer_format_is_refused_untouched() {
    let place = Place::new();
    place.tenon(&["user", "add", "ada"]).ok();
    let format = place.data.join("format");
    std::fs::write(&format, "99\n").unwrap();
    place.tenon(&["user", "list"]).fails(1, "has format 99");
    assert_eq!(std::fs::read_to_string(&format).unwrap(), "99\n");
    std::fs::write(&format, "1\n").unwrap();
    assert!(place.tenon(&["user", "list"]).ok().out.contains("ada"));
}

#[test]
fn tls_with_a_self_made_certificate() {
    let place = Place::new();
    let server = place.serve_with(&["--tls-self-made"]);
    assert!(server.url.starts_with("https://"));
    assert!(server.ready["certificate_sha256"].as_str().is_some_and(|f| f.len() >= 64));
    place.tenon(&["user", "add", "ada"]).ok();
    let ada = place.mint("ada", "desk");
    let certificate = place.data.join("tls-certificate.pem");
    let certificate = certificate.to_str().unwrap();
    for scheme in ["tls", "https"] {
        let mut list = binary();
        let url = format!("{scheme}://{}", server.address);
        list.args(["list", "--server", &url, "--token", &ada, "--tls-ca", certificate]);
        Ran::of(list.output().unwrap()).ok();
    }
    let mut untrusted = binary();
    let url = format!("tls://{}", server.address);
    untrusted.args(["list", "--server", &url, "--token", &ada]);
    assert_ne!(Ran::of(untrusted.output().unwrap()).code, 0, "not a known authority");
}

#[test]
fn an_app_mints_credentials_until_it_is_removed() {
    let place = Place::new();
    let server = place.serve();
    place.tenon(&["user", "add", "ada"]).ok();
    let made = place.tenon(&["app", "add", "approval"]).ok();
    let app = made.out.lines().last().unwrap().to_owned();
    assert!(app.starts_with("tna_"), "{app}");
    let ask = |credential: &str, name: &str| {
        let body = format!("{{\"name\":\"{name}\",\"label\":\"bot\",\"device_kind\":5}}");
        let mut stream = std::net::TcpStream::connect(&server.address).unwrap();
        write!(
            stream,
            "POST /v1/mint HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {credential}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    };
    let minted = ask(&app, "ada");
    assert!(minted.starts_with("HTTP/1.1 200"), "{minted}");
    let body: serde_json::Value =
        serde_json::from_str(minted.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    let token = body["credential"].as_str().unwrap();
    server.device("list", token, &[]).ok();
    assert!(ask(&app, "nobody").starts_with("HTTP/1.1 404"));
    assert!(ask(token, "ada").starts_with("HTTP/1.1 401"), "a device is no app");
    assert!(ask("tna_0000000000000001_x", "ada").starts_with("HTTP/1.1 401"));
    server.device("list", &app, &[]).fails(2, "ticket_invalid");
    assert!(place.tenon(&["app", "list"]).ok().out.contains("approval"));
    place.tenon(&["app", "remove", "approval"]).ok();
    assert!(ask(&app, "ada").starts_with("HTTP/1.1 401"));
    place.tenon(&["app", "remove", "approval"]).fails(2, "no app");
    server.device("list", token, &[]).ok();
}
