//! One file per table: key, value, hand-numbered tag. Keys are org | tag | ids, big-endian.

use bytes::{BufMut, Bytes, BytesMut};
use tenon_base::OrgId;

pub mod audit;
pub mod device;
pub mod event;
pub mod fan_out_source;
pub mod header;
pub mod identity;
pub mod import_key;
pub mod line;
pub mod link;
pub mod member;
pub mod message;
pub mod queue;
pub mod sender;
pub mod user_header;

/// Tags of the state tables; 0x10-0x1f are the series.
pub(crate) mod tag {
    pub(crate) const HEADER: u8 = 0x20;
    pub(crate) const MEMBER: u8 = 0x21;
    pub(crate) const SENDER: u8 = 0x22;
    pub(crate) const IMPORT_KEY: u8 = 0x23;
    pub(crate) const USER_HEADER: u8 = 0x30;
    pub(crate) const DEVICE: u8 = 0x31;
    pub(crate) const LINE: u8 = 0x32;
    pub(crate) const FAN_OUT_SOURCE: u8 = 0x40;
    pub(crate) const ORG: u8 = 0x50;
    pub(crate) const USER: u8 = 0x51;
    pub(crate) const USER_DEVICE: u8 = 0x52;
    pub(crate) const APP: u8 = 0x53;
    pub(crate) const GROUP: u8 = 0x54;
    pub(crate) const AUDIT: u8 = 0x55;
    pub(crate) const SETUP_LINK: u8 = 0x56;
    pub(crate) const INVITATION: u8 = 0x57;
}

pub(crate) fn key(org: OrgId, tag: u8, ids: &[u64]) -> Bytes {
    let mut key = BytesMut::with_capacity(9 + ids.len() * 8);
    key.put_u64(org.0);
    key.put_u8(tag);
    for id in ids {
        key.put_u64(*id);
    }
    key.freeze()
}
