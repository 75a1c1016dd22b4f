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
