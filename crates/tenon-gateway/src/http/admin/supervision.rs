//! What administrators see and do about users, groups and devices: the JSON of the door [`tenon_core::supervision`].

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tenon_base::{ConversationId, DeviceId, UserId};
use tenon_core::accounts::Caller;
use tenon_core::supervision::{
    Act, DeviceOf, GroupLine, HotConversation, Look, MemberName, Overview, Page, Sample, Seen,
    UserLine,
};
use tenon_core::{Kind, Mode, Role};
use tenon_wire::ErrorCode;

use super::id_of;
use crate::http::account::{answered, asked, bad_body, private};
use crate::http::caller::Administrator;
use crate::http::{Desk, Refused};

/// Rows of a page that names no limit.
const LIMIT_START: usize = 50;

/// The routes below `/v1/admin`.
pub(super) fn routes() -> Router<Desk> {
    Router::new()
        .route("/overview", get(overview))
        .route("/users", get(users))
        .route("/groups", get(groups))
        .route("/groups/members", get(members))
        .route("/groups/add", post(add_member))
        .route("/groups/remove", post(remove_member))
        .route("/devices", get(devices))
        .route("/devices/revoke", post(revoke_device))
}

/// A page by words.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Words {
    #[serde(default)]
    query: String,
    #[serde(default)]
    after: String,
    limit: Option<usize>,
}

/// A page of members.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Members {
    conversation: u64,
    #[serde(default)]
    after: String,
    limit: Option<usize>,
}

/// Whose devices.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Devices {
    user: u64,
}

/// A user and a group; ids are decimal text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Membership {
    conversation: String,
    user: String,
}

/// A user and one of his devices.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OneDevice {
    user: String,
    device: String,
}

type Asked<T> = Result<Query<T>, QueryRejection>;
type Told<T> = Result<Json<T>, JsonRejection>;

/// `GET /v1/admin/overview`.
async fn overview(
    State(desk): State<Desk>,
    Administrator(by): Administrator,
) -> Result<Response, Refused> {
    answer(&desk, by, Look::Overview).await
}

/// `GET /v1/admin/users?query=&after=&limit=`.
async fn users(
    State(desk): State<Desk>,
    Administrator(by): Administrator,
    page: Asked<Words>,
) -> Result<Response, Refused> {
    let Query(Words { query, after, limit }) = page.map_err(bad_query)?;
    let limit = limit.unwrap_or(LIMIT_START);
    answer(&desk, by, Look::Users { query, after, limit }).await
}

/// `GET /v1/admin/groups?query=&after=&limit=`.
async fn groups(
    State(desk): State<Desk>,
    Administrator(by): Administrator,
    page: Asked<Words>,
) -> Result<Response, Refused> {
    let Query(page) = page.map_err(bad_query)?;
    let after = ConversationId(place(&page.after)?);
    let limit = page.limit.unwrap_or(LIMIT_START);
    answer(&desk, by, Look::Groups { query: page.query, after, limit }).await
}

/// `GET /v1/admin/groups/members?conversation=&after=&limit=`.
async fn members(
    State(desk): State<Desk>,
    Administrator(by): Administrator,
    page: Asked<Members>,
) -> Result<Response, Refused> {
    let Query(page) = page.map_err(bad_query)?;
    let (conv, after) = (ConversationId(page.conversation), UserId(place(&page.after)?));
    let limit = page.limit.unwrap_or(LIMIT_START);
    answer(&desk, by, Look::Members { conv, after, limit }).await
}

/// `GET /v1/admin/devices?user=`.
async fn devices(
    State(desk): State<Desk>,
    Administrator(by): Administrator,
    page: Asked<Devices>,
) -> Result<Response, Refused> {
    let Query(page) = page.map_err(bad_query)?;
    answer(&desk, by, Look::Devices { user: UserId(page.user) }).await
}

/// `POST /v1/admin/groups/add`.
async fn add_member(
    State(desk): State<Desk>,
    Administrator(by): Administrator,
    body: Told<Membership>,
) -> Result<StatusCode, Refused> {
    let (conv, user) = membership(body)?;
    act(&desk, by, Act::AddMember(conv, user)).await
}

/// `POST /v1/admin/groups/remove`.
async fn remove_member(
    State(desk): State<Desk>,
    Administrator(by): Administrator,
    body: Told<Membership>,
) -> Result<StatusCode, Refused> {
    let (conv, user) = membership(body)?;
    act(&desk, by, Act::RemoveMember(conv, user)).await
}

fn membership(body: Told<Membership>) -> Result<(ConversationId, UserId), Refused> {
    let Json(body) = body.map_err(bad_body)?;
    Ok((ConversationId(id_of(&body.conversation)?), UserId(id_of(&body.user)?)))
}

/// `POST /v1/admin/devices/revoke`.
async fn revoke_device(
    State(desk): State<Desk>,
    Administrator(by): Administrator,
    body: Told<OneDevice>,
) -> Result<StatusCode, Refused> {
    let Json(body) = body.map_err(bad_body)?;
    let (user, device) = (UserId(id_of(&body.user)?), DeviceId(id_of(&body.device)?));
    act(&desk, by, Act::RevokeDevice(user, device)).await
}

async fn answer(desk: &Desk, by: Caller, look: Look) -> Result<Response, Refused> {
    let (reply, answer) = asked();
    desk.house.doors.supervision.look(by, look, reply);
    let body = match answered(answer).await? {
        Seen::Overview(overview) => overview_body(&overview),
        Seen::Users(page) => page_body("users", &page, user_row),
        Seen::Groups(page) => page_body("groups", &page, group_row),
        Seen::Members(page) => page_body("members", &page, member_row),
        Seen::Devices(devices) => {
            json!({ "devices": devices.iter().map(device_row).collect::<Vec<_>>() })
        }
    };
    Ok(private(Json(body).into_response()))
}

async fn act(desk: &Desk, by: Caller, act: Act) -> Result<StatusCode, Refused> {
    let (reply, answer) = asked();
    desk.house.doors.supervision.act(by, act, reply);
    answered(answer).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn bad_query(rejection: QueryRejection) -> Refused {
    Refused::of(ErrorCode::BadMessage, rejection.body_text())
}

/// An id as decimal text.
/// Where a page begins; nothing = from the start.
fn place(text: &str) -> Result<u64, Refused> {
    if text.is_empty() { Ok(0) } else { id_of(text) }
}

fn page_body<T>(name: &str, page: &Page<T>, row: fn(&T) -> Value) -> Value {
    json!({ name: page.rows.iter().map(row).collect::<Vec<_>>(), "next": page.next })
}

fn user_row(user: &UserLine) -> Value {
    let state = match (user.is_disabled, user.is_imported) {
        (true, _) => "disabled",
        (false, true) => "imported",
        (false, false) => "active",
    };
    let display = if user.display.is_empty() { &user.name } else { &user.display };
    json!({
        "user": user.user.to_string(),
        "name": user.name,
        "display_name": display,
        "role": user.role.text(),
        "state": state,
        "devices": user.devices,
        "created_ms": user.created.0,
    })
}

fn group_row(group: &GroupLine) -> Value {
    let mode = match group.mode {
        Mode::Queue => "queue",
        Mode::Pull => "pull",
    };
    json!({
        "conversation": group.conv.to_string(),
        "title": group.title,
        "members": group.members,
        "mode": mode,
        "created_ms": group.created.0,
        "last_message_ms": group.last.0,
    })
}

fn member_row(member: &MemberName) -> Value {
    let role = match member.role {
        Role::Owner => "owner",
        Role::Admin => "admin",
        Role::Member => "member",
        Role::Guest => "guest",
    };
    json!({ "user": member.user.to_string(), "name": member.name, "role": role })
}

fn device_row(device: &DeviceOf) -> Value {
    json!({
        "device": device.device.to_string(),
        "user": device.user.to_string(),
        "name": device.name,
        "label": device.label,
        "device_kind": device.kind,
        "created_ms": device.created.0,
        "is_connected": device.is_connected,
    })
}

/// The overview as JSON: of the route, and of the command line.
pub fn overview_body(overview: &Overview) -> Value {
    let now = &overview.now;
    json!({
        "uptime_s": now.uptime_s,
        "users": overview.users,
        "devices": overview.devices,
        "groups": overview.groups,
        "connections": now.connections,
        "messages_total": now.messages_total,
        "deliveries_total": now.deliveries_total,
        "messages_per_s": now.messages_per_s,
        "deliveries_per_s": now.deliveries_per_s,
        "ack_p50_us": now.ack_p50_us,
        "ack_p99_us": now.ack_p99_us,
        "data_bytes": now.data_bytes,
        "disk_free_bytes": now.disk_free_bytes,
        "hot": overview.hot.iter().map(hot).collect::<Vec<_>>(),
        "series": now.series.iter().map(point).collect::<Vec<_>>(),
    })
}

fn hot(hot: &HotConversation) -> Value {
    let kind = match hot.kind {
        Kind::Direct => "direct",
        Kind::Group => "group",
    };
    json!({
        "conversation": hot.conv.to_string(),
        "title": hot.title,
        "kind": kind,
        "messages_per_min": hot.messages_per_min,
    })
}

fn point(sample: &Sample) -> Value {
    json!({
        "at_ms": sample.at.0,
        "messages_per_s": sample.messages_per_s,
        "deliveries_per_s": sample.deliveries_per_s,
        "ack_p99_us": sample.ack_p99_us,
        "connections": sample.connections,
    })
}
