//! What each request does.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tenon_base::OrgId;
use tenon_core::Layout;
use tenon_core::identity::OrgRole;
use tenon_embedded::EmbeddedLog;
use tenon_receiver::Admin;
use tenon_receiver::admin::NewUser;
use tenon_store::Store;
use tokio::sync::mpsc;

use super::{Event, Request, Secret, story};
use crate::error::ServerError;
use crate::house::House;
use crate::{importing, links, verifying};

/// Accounts in one step of a list.
const LIST_STEP: usize = 1_000;

/// The parts of a house that administration works on.
pub(crate) struct Operator {
    pub(crate) admin: Admin,
    pub(crate) store: Store,
    pub(crate) log: Arc<EmbeddedLog>,
    pub(crate) layout: Layout,
    data: PathBuf,
    org: OrgId,
    /// What the links that people get begin with.
    public: String,
}

impl Operator {
    pub(crate) fn of(house: &House, public: &str) -> Self {
        let ground = house.ground();
        Self {
            admin: house.admin(),
            store: ground.store.clone(),
            log: Arc::clone(&ground.log),
            layout: ground.node.layout,
            data: ground.data.path().to_owned(),
            org: ground.node.org,
            public: public.to_owned(),
        }
    }

    /// Seed of the ids that an import makes.
    pub(crate) fn id_key(&self) -> [u8; 32] {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&self.org.0.to_le_bytes());
        key
    }
}

/// Where rows and progress go. An error means that nobody listens any more.
pub(crate) type Events = mpsc::Sender<Event>;

/// Tells a row.
pub(crate) async fn row(events: &Events, row: Value) -> Result<(), ServerError> {
    tell(events, Event::Row { row }).await
}

/// Tells an event; work stops when the caller is gone.
pub(crate) async fn tell(events: &Events, event: Event) -> Result<(), ServerError> {
    events.send(event).await.map_err(|_| ServerError::Told {
        message: "the caller went away; what was done is kept".into(),
        mend: Some("repeat the command".into()),
    })
}

/// Does what was asked.
pub(crate) async fn operate(
    operator: &Operator,
    request: Request,
    events: &Events,
) -> Result<Value, ServerError> {
    let admin = &operator.admin;
    match request {
        Request::UserAdd { names, display } => user_add(admin, names, display, events).await,
        Request::UserList {} => user_list(admin, events).await,
        Request::UserDisable { names, disabled } => {
            for name in &names {
                admin.user(name)?;
            }
            for name in &names {
                admin.set_disabled(name, disabled).await?;
            }
            Ok(json!({ "users": names.len(), "disabled": disabled }))
        }
        Request::UserPassword { name, password } => {
            admin.set_password(&name, password.0.into()).await?;
            Ok(json!({ "user": name }))
        }
        Request::UserInvite { role, uses, valid_for_s, user } => {
            user_invite(operator, &role, (uses, valid_for_s), user).await
        }
        Request::AdminLink {} => admin_link(operator).await,
        Request::AdminCreate { name, display, organisation, password } => {
            let new = NewUser { name, display: display.unwrap_or_default() };
            admin_create(admin, new, organisation, password).await
        }
        Request::TokenMint { name, label } => {
            let token = admin.mint(&name, &label).await?;
            Ok(json!({ "user": name, "device": label, "token": token }))
        }
        Request::AppAdd { name } => {
            let credential = admin.put_app(&name).await?;
            Ok(json!({ "app": name, "credential": credential }))
        }
        Request::AppRemove { name } => {
            admin.remove_app(&name).await?;
            Ok(json!({ "app": name }))
        }
        Request::AppList {} => app_list(admin, events).await,
        Request::GroupCreate { name, members } => {
            let conv = admin.create_group(&name, &members).await?;
            Ok(json!({ "group": name, "conversation": conv.to_string() }))
        }
        Request::GroupAdd { group, users } => {
            admin.add_members(&group, &users).await?;
            Ok(json!({ "group": group, "added": users.len() }))
        }
        Request::GroupRemove { group, users } => {
            admin.remove_members(&group, &users).await?;
            Ok(json!({ "group": group, "removed": users.len() }))
        }
        Request::GroupMembers { group } => story::members(admin, &group, events).await,
        Request::GroupList {} => group_list(admin, events).await,
        Request::ImportSlack { path } => importing::slack(operator, &path, events).await,
        Request::Verify {} => verifying::verify(operator, events).await,
        Request::Flush {} => flush(operator).await,
        Request::Figures {} => Ok(tenon_gateway::overview_body(&admin.overview().await?)),
        Request::Status {} => Ok(json!({
            "pid": std::process::id(),
            "version": env!("CARGO_PKG_VERSION"),
            "data": operator.data,
        })),
    }
}

async fn flush(operator: &Operator) -> Result<Value, ServerError> {
    let flushed = operator.store.flush_once().await?;
    Ok(json!({
        "values": flushed.values,
        "state_rows": flushed.state_rows,
        "bytes": flushed.bytes,
    }))
}

async fn admin_link(operator: &Operator) -> Result<Value, ServerError> {
    let made = links::make(&operator.admin, &operator.data, &operator.public).await?;
    let link = made.ok_or_else(links::administered)?;
    Ok(json!({ "link": link.url, "expires_ms": link.expires.0 }))
}

async fn admin_create(
    admin: &Admin,
    new: NewUser,
    organisation: Option<String>,
    password: Secret,
) -> Result<Value, ServerError> {
    let name = new.name.clone();
    admin.create_admin(new, password.0.into()).await?;
    if let Some(organisation) = organisation {
        admin.name_organisation(&organisation).await?;
    }
    Ok(json!({ "user": name, "role": "admin" }))
}

async fn user_invite(
    operator: &Operator,
    role: &str,
    (uses, valid_for_s): (u32, u64),
    user: Option<String>,
) -> Result<Value, ServerError> {
    let admin = &operator.admin;
    let given = match user {
        Some(name) => admin.link(&name).await?,
        None => admin.invite(role_of(role)?, uses, Duration::from_secs(valid_for_s)).await?,
    };
    let link = links::join(&operator.public, &given.token);
    let invitation = given.invitation.to_string();
    Ok(json!({ "invitation": invitation, "link": link, "expires_ms": given.expires.0 }))
}

fn role_of(text: &str) -> Result<OrgRole, ServerError> {
    OrgRole::from_text(text).ok_or_else(|| ServerError::Told {
        message: format!("{text:?} is not a role"),
        mend: Some("a role is member or admin".into()),
    })
}

async fn user_add(
    admin: &Admin,
    names: Vec<String>,
    display: Option<String>,
    events: &Events,
) -> Result<Value, ServerError> {
    let new: Vec<NewUser> = names
        .iter()
        .map(|name| NewUser { name: name.clone(), display: display.clone().unwrap_or_default() })
        .collect();
    let added = admin.add_users(&new).await?;
    let mut count = 0;
    for (name, (user, is_new)) in names.iter().zip(added) {
        count += u64::from(is_new);
        let state = if is_new { "added" } else { "was there" };
        row(events, json!({ "user": name, "id": user.to_string(), "state": state })).await?;
    }
    Ok(json!({ "added": count }))
}

async fn group_list(admin: &Admin, events: &Events) -> Result<Value, ServerError> {
    for (name, conv) in admin.groups() {
        row(events, json!({ "group": name, "conversation": conv.to_string() })).await?;
    }
    Ok(Value::Null)
}

async fn app_list(admin: &Admin, events: &Events) -> Result<Value, ServerError> {
    for name in admin.apps() {
        row(events, json!({ "app": name })).await?;
    }
    Ok(Value::Null)
}

async fn user_list(admin: &Admin, events: &Events) -> Result<Value, ServerError> {
    let mut after = String::new();
    loop {
        let users = admin.users(&after, LIST_STEP);
        let Some(last) = users.last() else { return Ok(Value::Null) };
        after.clone_from(&last.name);
        for user in users {
            let line = json!({
                "user": user.name,
                "id": user.user.to_string(),
                "display": user.display,
                "disabled": user.is_disabled,
                "devices": user.devices,
            });
            row(events, line).await?;
        }
    }
}
