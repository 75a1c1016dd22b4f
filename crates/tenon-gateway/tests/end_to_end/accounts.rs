//! Who a caller is, and what he may ask for.

use serde_json::{Value, json};

use crate::fake::secret;
use crate::node;
use crate::websocket::{JSON, call};

fn bearer(user: u64) -> String {
    let secret = String::from_utf8(secret(user, 10).to_vec()).unwrap();
    format!("Authorization: Bearer {secret}\r\n")
}

#[tokio::test]
async fn everybody_may_ask_what_this_server_is() {
    let node = node().await;
    let (status, body) = call(&node, "GET", "/v1/server", "", "").await;
    let version = env!("CARGO_PKG_VERSION");
    let expect = json!({
        "name": "tenon", "version": version, "organisation": "Acme", "is_demo": false,
        "needs_setup": false,
    });
    assert_eq!((status, body), (200, expect));
}

#[tokio::test]
async fn a_credential_says_who_calls() {
    let node = node().await;
    let (status, body) = call(&node, "GET", "/v1/me", &bearer(3), "").await;
    let expect = json!({
        "user": "3", "org": "7", "name": "ann", "display_name": "ann", "role": "member",
        "organisation": "Acme", "is_demo": false,
    });
    assert_eq!((status, body), (200, expect));
    let (_, body) = call(&node, "GET", "/v1/me", &bearer(4), "").await;
    assert_eq!(body["role"], "admin");
}

/// The same answer for no credential, a wrong one and another kind of secret; only the role makes another.
#[tokio::test]
async fn the_gate_of_administrators_lets_nobody_else_in() {
    let node = node().await;
    let wrong = "Authorization: Bearer tna_0000000000000001_x\r\n";
    let basic = "Authorization: Basic YTpi\r\n";
    for head in ["", wrong, basic] {
        for path in ["/v1/me", "/v1/admin/audit"] {
            let (status, body) = call(&node, "GET", path, head, "").await;
            assert_eq!((status, &body["code"]), (401, &json!("ticket_invalid")), "{path} {head}");
        }
    }
    let (status, body) = call(&node, "GET", "/v1/admin/audit", &bearer(3), "").await;
    assert_eq!((status, &body["code"]), (403, &json!("role_required")));
    let (status, body) = call(&node, "GET", "/v1/admin/audit", &bearer(4), "").await;
    assert_eq!((status, body), (200, json!({ "entries": [], "next": Value::Null })));
    let (status, body) = call(&node, "GET", "/v1/admin/audit?colour=red", &bearer(4), "").await;
    assert_eq!((status, &body["code"]), (400, &json!("bad_message")));
    let (status, body) = call(&node, "GET", "/v1/admin/nothing", &bearer(4), "").await;
    assert_eq!((status, &body["code"]), (404, &json!("absent")));
}

#[tokio::test]
async fn a_password_is_changed_by_its_owner() {
    let node = node().await;
    let body = |old: &str| json!({ "old": old, "new": "correct horse" }).to_string();
    let head = format!("{JSON}{}", bearer(3));
    let (status, _) = call(&node, "POST", "/v1/me/password", &head, &body("right")).await;
    assert_eq!(status, 204);
    for (head, body, expect) in [
        (&head, body("wrong"), (401, "ticket_invalid")),
        (&head, "{}".into(), (400, "bad_message")),
        (&JSON.to_owned(), body("right"), (401, "ticket_invalid")),
    ] {
        let (status, answer) = call(&node, "POST", "/v1/me/password", head, &body).await;
        assert_eq!((status, answer["code"].as_str().unwrap()), expect);
    }
}

fn person(token: &str, more: &Value) -> String {
    let mut body = json!({
        "token": token, "name": "zoe", "display_name": "Zoe", "password": "correct horse",
        "label": "laptop", "device_kind": 4,
    });
    if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
        body.extend(more.clone());
    }
    body.to_string()
}

#[tokio::test]
async fn links_are_presented_in_bodies() {
    let node = node().await;
    let good = json!({ "token": "good" }).to_string();
    let (status, body) = call(&node, "POST", "/v1/invitations/look", JSON, &good).await;
    assert_eq!(
        (status, &body["organisation"], &body["role"]),
        (200, &json!("Acme"), &json!("member"))
    );
    assert_eq!(body["name"], Value::Null);
    let accept = person("good", &json!({}));
    let (status, body) = call(&node, "POST", "/v1/invitations/accept", JSON, &accept).await;
    assert_eq!((status, &body["name"], &body["user"]), (200, &json!("zoe"), &json!("3")));
    assert!(body["credential"].is_string() && body["ticket"].is_string());
    let cases = [
        ("/v1/invitations/look", json!({ "token": "bad" }).to_string(), 410, "link_expired"),
        ("/v1/invitations/look", "{}".into(), 400, "bad_message"),
        ("/v1/setup", person("good", &json!({ "organisation": "Acme" })), 410, "link_used"),
        ("/v1/setup", person("good", &json!({})), 400, "bad_message"),
        (
            "/v1/invitations/accept",
            person("good", &json!({ "device_kind": 9 })),
            400,
            "bad_message",
        ),
        ("/v1/invitations/accept", person("good", &json!({ "role": "admin" })), 400, "bad_message"),
    ];
    for (path, body, expect, code) in cases {
        let (status, answer) = call(&node, "POST", path, JSON, &body).await;
        assert_eq!((status, answer["code"].as_str()), (expect, Some(code)), "{path} {body}");
    }
}

/// Every route of administration that writes is closed to members and strangers, and refuses what it does not know.
#[tokio::test]
async fn deeds_are_for_administrators() {
    let node = node().await;
    let deeds = [
        ("users", json!({ "name": "zoe", "display_name": "", "role": "member" }), 200),
        ("users/state", json!({ "user": "3", "state": "disabled" }), 409),
        ("users/role", json!({ "user": "3", "role": "admin" }), 204),
        ("users/link", json!({ "user": "3" }), 200),
        ("invitations", json!({ "role": "member", "uses": 5, "valid_for_s": 3600 }), 200),
        ("invitations/revoke", json!({ "invitation": "5" }), 204),
    ];
    for (path, body, expect) in deeds {
        let path = format!("/v1/admin/{path}");
        let heads = [(JSON.to_owned(), 401), (format!("{JSON}{}", bearer(3)), 403)];
        for (head, refused) in heads {
            let (status, _) = call(&node, "POST", &path, &head, &body.to_string()).await;
            assert_eq!(status, refused, "{path}");
        }
        let head = format!("{JSON}{}", bearer(4));
        let (status, answer) = call(&node, "POST", &path, &head, &body.to_string()).await;
        assert_eq!(status, expect, "{path} {answer}");
        if expect == 200 {
            assert_eq!(answer["link"], "http://x/join#secret", "the host that was called");
            assert_eq!(answer["expires_ms"], 77);
        }
        let more = json!({ "colour": "red" }).to_string();
        let (status, answer) = call(&node, "POST", &path, &head, &more).await;
        assert_eq!((status, answer["code"].as_str()), (400, Some("bad_message")), "{path}");
    }
    let head = bearer(4);
    let (status, body) = call(&node, "GET", "/v1/admin/invitations", &head, "").await;
    assert_eq!((status, body), (200, json!({ "invitations": [] })));
    for body in [json!({ "user": "0" }), json!({ "user": "x" }), json!({ "user": "-1" })] {
        let head = format!("{JSON}{}", bearer(4));
        let (status, _) =
            call(&node, "POST", "/v1/admin/users/link", &head, &body.to_string()).await;
        assert_eq!(status, 400, "{body}");
    }
}
