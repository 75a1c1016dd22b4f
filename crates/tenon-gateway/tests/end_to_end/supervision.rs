//! The pages of an administrator over HTTP: shapes, gate, mistakes.

use serde_json::{Value, json};

use crate::fake::secret;
use crate::node;
use crate::websocket::{JSON, call};

fn bearer(user: u64) -> String {
    let secret = String::from_utf8(secret(user, 10).to_vec()).unwrap();
    format!("Authorization: Bearer {secret}\r\n")
}

const READS: [&str; 5] = [
    "/v1/admin/overview",
    "/v1/admin/users",
    "/v1/admin/groups",
    "/v1/admin/groups/members?conversation=5",
    "/v1/admin/devices?user=3",
];
const WRITES: [(&str, &str); 3] = [
    ("/v1/admin/groups/add", r#"{"conversation":"5","user":"3"}"#),
    ("/v1/admin/groups/remove", r#"{"conversation":"5","user":"3"}"#),
    ("/v1/admin/devices/revoke", r#"{"user":"3","device":"30"}"#),
];

#[tokio::test]
async fn members_and_strangers_meet_the_gate_on_every_page() {
    let node = node().await;
    for (head, expect) in
        [(String::new(), (401, "ticket_invalid")), (bearer(3), (403, "role_required"))]
    {
        for path in READS {
            let (status, body) = call(&node, "GET", path, &head, "").await;
            assert_eq!((status, body["code"].as_str().unwrap()), expect, "{path}");
        }
        for (path, body) in WRITES {
            let (status, body) = call(&node, "POST", path, &format!("{JSON}{head}"), body).await;
            assert_eq!((status, body["code"].as_str().unwrap()), expect, "{path}");
        }
    }
}

#[tokio::test]
async fn pages_have_the_shapes_of_the_protocol() {
    let node = node().await;
    let read = async |path: &str| {
        let (status, body) = call(&node, "GET", path, &bearer(4), "").await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    };
    let zeros = json!({
        "uptime_s": 0, "users": 0, "devices": 0, "groups": 0, "connections": 0, "messages_total": 0,
        "deliveries_total": 0, "messages_per_s": 0, "deliveries_per_s": 0, "ack_p50_us": null,
        "ack_p99_us": null, "data_bytes": 0, "disk_free_bytes": 0, "hot": [], "series": [],
    });
    assert_eq!(read(READS[0]).await, zeros);
    let user = json!({
        "user": "0", "name": "//50", "display_name": "//50", "role": "member", "state": "imported",
        "devices": 0, "created_ms": 0,
    });
    assert_eq!(read(READS[1]).await, json!({ "users": [user], "next": "bob" }));
    let body = read("/v1/admin/users?query=a%20b&after=al&limit=7").await;
    assert_eq!(body["users"][0]["name"], "a b/al/7");
    let group = json!({
        "conversation": "0", "title": "x/12/50", "members": 0, "mode": "queue", "created_ms": 0,
        "last_message_ms": 0,
    });
    let body = read("/v1/admin/groups?query=x&after=12").await;
    assert_eq!(body, json!({ "groups": [group], "next": Value::Null }));
    let body = read("/v1/admin/groups/members?conversation=5&after=9&limit=2").await;
    let member = json!({ "user": "0", "name": "5/9/2", "role": "member" });
    assert_eq!(body, json!({ "members": [member], "next": Value::Null }));
    let device = json!({
        "device": "0", "user": "3", "name": "", "label": "", "device_kind": 0, "created_ms": 0,
        "is_connected": true,
    });
    assert_eq!(read(READS[4]).await, json!({ "devices": [device] }));
}

#[tokio::test]
async fn acts_are_answered_and_mistakes_are_named() {
    let node = node().await;
    let head = format!("{JSON}{}", bearer(4));
    for (path, body) in WRITES {
        let (status, _) = call(&node, "POST", path, &head, body).await;
        assert_eq!(status, 204, "{path}");
        for (bad, expect) in [
            (body.replace("\"3\"", "\"4\""), (404, "absent")),
            (body.replace("\"3\"", "\"three\""), (400, "bad_message")),
            (body.replace("\"3\"", "3"), (400, "bad_message")),
            (body.replace('{', "{\"more\":1,"), (400, "bad_message")),
        ] {
            let (status, answer) = call(&node, "POST", path, &head, &bad).await;
            assert_eq!((status, answer["code"].as_str().unwrap()), expect, "{path} {bad}");
        }
    }
    for (path, expect) in [
        ("/v1/admin/groups/members?conversation=8", (404, "absent")),
        ("/v1/admin/groups/members", (400, "bad_message")),
        ("/v1/admin/groups?after=twelve", (400, "bad_message")),
        ("/v1/admin/users?limit=-1", (400, "bad_message")),
        ("/v1/admin/devices?user=3&colour=red", (400, "bad_message")),
    ] {
        let (status, answer) = call(&node, "GET", path, &head, "").await;
        assert_eq!((status, answer["code"].as_str().unwrap()), expect, "{path}");
    }
}
