//! Keys of this deployment, and the credentials and hashes made with them. The server keeps them in a file of mode 0600.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use tenon_base::{AppId, DeviceId, InvitationId, Random, Timestamp};
use zeroize::Zeroize;

/// Ticket keys that are accepted: the current one and the one before.
const TICKET_KEYS: usize = 2;
/// Age at which a ticket key is replaced.
pub const TICKET_KEY_LIFE: std::time::Duration = std::time::Duration::from_secs(24 * 3600);
/// How a device credential begins, so that a leaked one is found by a search.
pub const CREDENTIAL_PREFIX: &str = "tnd_";
/// How an app credential begins.
pub const APP_PREFIX: &str = "tna_";
/// How the secret of a set-up link begins.
pub const SETUP_PREFIX: &str = "tns_";
/// How the secret of an invitation begins.
pub const INVITATION_PREFIX: &str = "tni_";
const SECRET_CHARS: usize = 43;

/// One sealing key.
#[derive(Clone, PartialEq, Eq)]
pub struct TicketKey {
    /// Names the key in a ticket.
    pub id: u32,
    /// AES-256.
    pub key: [u8; 32],
    /// When it was made.
    pub made: Timestamp,
}

/// Keys of this deployment. They are wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    /// Hashes credentials, so that a stolen table opens nothing.
    pub credential_hash: [u8; 32],
    /// Newest first, at most two.
    pub tickets: Vec<TicketKey>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("tickets", &self.tickets.len()).finish_non_exhaustive()
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.credential_hash.zeroize();
        for ticket in &mut self.tickets {
            ticket.key.zeroize();
        }
    }
}

impl Keys {
    /// New keys.
    pub fn generate(random: &dyn Random, now: Timestamp) -> Self {
        let mut keys = Self { credential_hash: super::secret(random), tickets: Vec::new() };
        keys.rotate(random, now);
        keys
    }

    /// Puts a new ticket key in front; the last but one stays, so that no ticket under way ends early.
    pub fn rotate(&mut self, random: &dyn Random, now: Timestamp) {
        let id = self.tickets.first().map_or(1, |k| k.id.wrapping_add(1));
        self.tickets.insert(0, TicketKey { id, key: super::secret(random), made: now });
        self.tickets.truncate(TICKET_KEYS);
    }

    /// True when the newest ticket key is older than [`TICKET_KEY_LIFE`].
    pub fn is_rotation_due(&self, now: Timestamp) -> bool {
        self.tickets.first().is_none_or(|k| now.since(k.made) >= TICKET_KEY_LIFE)
    }

    /// The keyed hash that is stored.
    pub(crate) fn hash(&self, secret: &[u8]) -> [u8; 32] {
        *blake3::keyed_hash(&self.credential_hash, secret).as_bytes()
    }

    /// Compares in constant time.
    pub(crate) fn is_secret(&self, stored: &[u8; 32], secret: &[u8]) -> bool {
        verify_slices_are_equal(stored, &self.hash(secret)).is_ok()
    }
}

/// The text of a credential: prefix, device in hex, secret in base64url.
pub(crate) fn credential(device: DeviceId, secret: &[u8; 32]) -> String {
    format!("{CREDENTIAL_PREFIX}{:016x}_{}", device.0, base64url(secret))
}

/// The same for an app.
pub(crate) fn app_credential(app: AppId, secret: &[u8; 32]) -> String {
    format!("{APP_PREFIX}{:016x}_{}", app.0, base64url(secret))
}

/// The text of a set-up link's secret: prefix and 256 bits in base64url.
pub(crate) fn setup_token(secret: &[u8; 32]) -> String {
    format!("{SETUP_PREFIX}{}", base64url(secret))
}

/// The secret text of a set-up link; `None` if it has another form.
pub(crate) fn parse_setup_token(text: &[u8]) -> Option<&[u8]> {
    text.strip_prefix(SETUP_PREFIX.as_bytes()).filter(|secret| secret.len() == SECRET_CHARS)
}

/// The text of an invitation's secret.
pub(crate) fn invitation_token(invitation: InvitationId, secret: &[u8; 32]) -> String {
    format!("{INVITATION_PREFIX}{:016x}_{}", invitation.0, base64url(secret))
}

/// Invitation and secret text of a link; `None` if it has another form.
pub(crate) fn parse_invitation_token(text: &[u8]) -> Option<(InvitationId, &[u8])> {
    let (id, secret) = parse(INVITATION_PREFIX, text)?;
    Some((InvitationId(id), secret))
}

/// Device and secret text of a credential; `None` if it has another form.
pub(crate) fn parse_credential(text: &[u8]) -> Option<(DeviceId, &[u8])> {
    let (id, secret) = parse(CREDENTIAL_PREFIX, text)?;
    Some((DeviceId(id), secret))
}

/// App and secret text of an app credential.
pub(crate) fn parse_app_credential(text: &[u8]) -> Option<(AppId, &[u8])> {
    let (id, secret) = parse(APP_PREFIX, text)?;
    Some((AppId(id), secret))
}

fn parse<'a>(prefix: &str, text: &'a [u8]) -> Option<(u64, &'a [u8])> {
    let rest = text.strip_prefix(prefix.as_bytes())?;
    let (id, secret) = (rest.get(..16)?, rest.get(17..)?);
    // The parser of numbers would take a sign as well.
    let is_hex = id.iter().all(u8::is_ascii_hexdigit);
    if !is_hex || rest.get(16) != Some(&b'_') || secret.len() != SECRET_CHARS {
        return None;
    }
    let id = u64::from_str_radix(std::str::from_utf8(id).ok()?, 16).ok()?;
    Some((id, secret))
}

/// The secret part as it is hashed: its text.
pub(crate) fn secret_text(secret: &[u8; 32]) -> String {
    base64url(secret)
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Base64 of RFC 4648 section 5 without padding. Only ever encoded here, so a decoder is not needed.
fn base64url(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut group = 0u32;
        for index in 0..3 {
            group = (group << 8) | u32::from(chunk.get(index).copied().unwrap_or(0));
        }
        for index in 0..=chunk.len() {
            let sextet = (group >> (18 - 6 * index)) & 63;
            out.push(char::from(ALPHABET[sextet as usize]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenon_base::SeededRandom;

    #[test]
    fn base64url_matches_the_rfc() {
        for (bytes, text) in
            [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg")]
        {
            assert_eq!(base64url(bytes.as_bytes()), text);
        }
        assert_eq!(base64url(&[0xfb, 0xff]), "-_8");
    }

    #[test]
    fn a_credential_parses_and_nothing_else_does() {
        let secret = super::super::secret(&SeededRandom::new(3));
        let text = credential(DeviceId(0xabc), &secret);
        let (device, part) = parse_credential(text.as_bytes()).unwrap_or_default();
        assert_eq!((device, part), (DeviceId(0xabc), secret_text(&secret).as_bytes()));
        for bad in ["", "tnd_", "tnd_0000000000000abc", &text[1..], &text[..text.len() - 1]] {
            assert_eq!(parse_credential(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(parse_credential(text.replace("_", "-").as_bytes()), None);
        assert_eq!(parse_credential(text.replacen('0', "+", 1).as_bytes()), None, "a sign");
    }

    #[test]
    fn rotation_keeps_the_key_before() {
        let random = SeededRandom::new(1);
        let mut keys = Keys::generate(&random, Timestamp(0));
        let first = keys.tickets[0].clone();
        assert!(!keys.is_rotation_due(Timestamp(1000)));
        assert!(keys.is_rotation_due(Timestamp(25 * 3_600_000)));
        keys.rotate(&random, Timestamp(1));
        assert!(keys.tickets.contains(&first) && keys.tickets.len() == 2);
        keys.rotate(&random, Timestamp(2));
        assert!(!keys.tickets.contains(&first) && keys.tickets.len() == 2);
        assert!(!format!("{keys:?}").contains(&format!("{:?}", first.key)));
    }
}
