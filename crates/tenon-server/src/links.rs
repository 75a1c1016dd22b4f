//! Links that the operator hands out: set-up and invitations, as text, as a file, as a picture of blocks.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tenon_base::Timestamp;
use tenon_receiver::Admin;
use tokio::sync::watch;

use crate::config::{Config, Tls};
use crate::error::ServerError;
use crate::house::node;

/// A set-up link.
pub(crate) struct SetUpLink {
    pub(crate) url: String,
    pub(crate) expires: Timestamp,
}

/// The URL that people use: what the configuration says, or where the server listens.
pub(crate) fn public_url(config: &Config, address: SocketAddr) -> String {
    if let Some(url) = &config.public_url {
        return url.trim_end_matches('/').to_owned();
    }
    let scheme = if config.tls == Tls::Plain { "http" } else { "https" };
    format!("{scheme}://{address}")
}

/// The link of an invitation. Browsers do not send what is behind `#`, so the secret stands in no log on the way.
pub(crate) fn join(public: &str, token: &str) -> String {
    format!("{public}/join#{token}")
}

/// Where the set-up link lies until it is used, mode 0600.
fn file(data: &Path) -> PathBuf {
    data.join("setup-link")
}

/// The set-up link of a server that nobody administers yet; its file leaves with its use.
pub(crate) async fn open(
    admin: &Admin,
    data: &Path,
    public: &str,
    stop: watch::Receiver<bool>,
) -> Result<Option<String>, ServerError> {
    tokio::spawn(forget_when_used(admin.has_admin(), data.to_owned(), stop));
    if *admin.has_admin().borrow() {
        return Ok(None);
    }
    match make(admin, data, public).await {
        Ok(made) => Ok(made.map(|link| link.url)),
        // A full disk is no reason not to serve what can be read.
        Err(ServerError::Admin(error)) => {
            tracing::warn!(%error, "no set-up link could be made; `tenon admin link` makes one later");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Makes a set-up link in place of the one before and keeps it in its file; `None` once somebody administers.
pub(crate) async fn make(
    admin: &Admin,
    data: &Path,
    public: &str,
) -> Result<Option<SetUpLink>, ServerError> {
    let Some((token, expires)) = admin.setup_link().await? else { return Ok(None) };
    let url = format!("{public}/setup#{token}");
    let path = file(data);
    node::write_private(&path, format!("{url}\n").as_bytes())
        .map_err(|source| ServerError::Io { path, source })?;
    Ok(Some(SetUpLink { url, expires }))
}

/// What is said to who wants a set-up link where somebody administers.
pub(crate) fn administered() -> ServerError {
    ServerError::Told {
        message: "this server is set up already".into(),
        mend: Some(
            "`tenon admin create NAME` makes an administrator, `tenon user invite --user NAME` a link for an account"
                .into(),
        ),
    }
}

/// Removes the file as soon as somebody administers; one that a crash left is removed at the next start.
async fn forget_when_used(
    mut has_admin: watch::Receiver<bool>,
    data: PathBuf,
    mut stop: watch::Receiver<bool>,
) {
    tokio::select! {
        _ = stop.wait_for(|stop| *stop) => return,
        has = has_admin.wait_for(|has| *has) => if has.is_err() { return },
    }
    match std::fs::remove_file(file(&data)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(%error, "the file of the used set-up link stays");
        }
        _ => {}
    }
}

/// The text as a QR code of half blocks, dark on light as cameras want it; `None` if it is too long for one.
pub(crate) fn picture(text: &str) -> Option<String> {
    let code = qrcode::QrCode::new(text.as_bytes()).ok()?;
    // Terminals write light on dark more often than not, so the colours are turned.
    let image = code
        .render::<qrcode::render::unicode::Dense1x2>()
        .dark_color(qrcode::render::unicode::Dense1x2::Light)
        .light_color(qrcode::render::unicode::Dense1x2::Dark)
        .build();
    Some(image)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_link_becomes_a_square_of_blocks() {
        let image = picture(&join("https://chat.example.org", "tni_0123")).unwrap();
        let rows: Vec<&str> = image.lines().collect();
        let width = rows[0].chars().count();
        assert!(rows.iter().all(|row| row.chars().count() == width), "{image}");
        // Half blocks: two modules a row of text.
        assert_eq!(rows.len(), width.div_ceil(2));
        assert!(image.chars().all(|c| " \u{2580}\u{2584}\u{2588}\n".contains(c)), "{image}");
        assert_eq!(picture(&"x".repeat(5_000)), None);
    }
}
