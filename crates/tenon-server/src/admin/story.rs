//! Members of a group with the times they were in.

use serde_json::{Value, json};
use tenon_base::UserId;
use tenon_receiver::Admin;

use super::operate::{Events, row};
use crate::error::ServerError;

/// One row per person who is or was in.
pub(super) async fn members(
    admin: &Admin,
    group: &str,
    events: &Events,
) -> Result<Value, ServerError> {
    let stories = admin.members(group).await?;
    let users: Vec<UserId> = stories.iter().map(|s| s.line.user).collect();
    let names = admin.names(&users);
    let (mut inside, mut joins, mut leaves) = (0u64, 0u64, 0u64);
    for (story, name) in stories.iter().zip(names) {
        inside += u64::from(!story.line.gone);
        let intervals: Vec<Value> = story
            .intervals
            .iter()
            .map(|interval| {
                let left = (interval.left.0 > 0).then_some(interval.left.0);
                joins += 1;
                leaves += u64::from(left.is_some());
                json!({ "joined_ms": interval.joined.0, "left_ms": left })
            })
            .collect();
        let line = json!({
            "user": name,
            "id": story.line.user.to_string(),
            "role": format!("{:?}", story.line.role).to_lowercase(),
            "in": !story.line.gone,
            "intervals": intervals,
        });
        row(events, line).await?;
    }
    Ok(json!({ "group": group, "members": inside, "joins": joins, "leaves": leaves }))
}
