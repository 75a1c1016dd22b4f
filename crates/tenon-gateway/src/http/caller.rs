//! Who calls a route: the device credential of the `Authorization` header, looked up at every call.
//!
//! A route names [`Signed`] or [`Administrator`] among its arguments, before the body; whoever it lets through is whom it says.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use tenon_core::accounts::Caller;
use tenon_core::identity::OrgRole;
use tenon_wire::ErrorCode;

use super::account::bearer;
use super::{Desk, Refused};

/// Somebody with an account.
#[derive(Debug, Clone)]
pub(crate) struct Signed(pub(crate) Caller);

/// Somebody who may administer his organisation.
#[derive(Debug, Clone)]
pub(crate) struct Administrator(pub(crate) Caller);

impl FromRequestParts<Desk> for Signed {
    type Rejection = Refused;

    /// `ticket_invalid` without a good credential, `account_disabled` for a closed account.
    async fn from_request_parts(parts: &mut Parts, desk: &Desk) -> Result<Self, Refused> {
        let credential = bearer(&parts.headers).ok_or_else(|| {
            Refused::of(ErrorCode::TicketInvalid, "Authorization: Bearer is missing")
        })?;
        Ok(Self(desk.house.doors.accounts.caller(&credential)?))
    }
}

impl FromRequestParts<Desk> for Administrator {
    type Rejection = Refused;

    /// The same, and `role_required` for a member.
    async fn from_request_parts(parts: &mut Parts, desk: &Desk) -> Result<Self, Refused> {
        let Signed(caller) = Signed::from_request_parts(parts, desk).await?;
        match caller.role {
            OrgRole::Admin => Ok(Self(caller)),
            OrgRole::Member => {
                Err(Refused::of(ErrorCode::RoleRequired, "administrators of the organisation only"))
            }
        }
    }
}
