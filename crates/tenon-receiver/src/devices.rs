//! Devices and the secrets that open them: minted, signed in, asked for by an app.

use tenon_base::{AppId, DeviceId, UserId};
use tenon_core::admission::{Credential, Login, Mint, Refusal};
use tenon_core::identity::{DeviceRecord, IdentityCommand, IdentityOutcome};
use zeroize::Zeroizing;

use crate::ask::{reply, value};
use crate::code;
use crate::identity::{LoginJob, keys, secret};
use crate::service::Shared;

impl Shared {
    /// Makes a device, or gives it a new secret; the text of the credential, or why not.
    pub(crate) async fn put_device(
        &self,
        user: UserId,
        device: DeviceId,
        (kind, label, app): (u32, &str, AppId),
    ) -> Result<Result<String, IdentityOutcome>, Refusal> {
        let secret = secret(self.doors.random.as_ref());
        let record = DeviceRecord {
            org: self.options.org,
            user,
            device,
            kind,
            label: label.to_owned(),
            secret: self.identity.keys().hash(keys::secret_text(&secret).as_bytes()),
            app,
            created: self.doors.clock.now(),
        };
        Ok(match self.change(IdentityCommand::PutDevice(record)).await? {
            IdentityOutcome::Done => Ok(keys::credential(device, &secret)),
            other => Err(other),
        })
    }

    /// The app of a credential. Unknown and wrong ones are the same to the caller.
    pub(crate) fn by_app_credential(&self, text: &[u8]) -> Result<AppId, Refusal> {
        let invalid = Refusal::of(code::TICKET_INVALID);
        let (app, secret) = keys::parse_app_credential(text).ok_or(invalid)?;
        let keys = self.identity.keys();
        self.identity.read(|directory| {
            let row = directory.app(self.options.org, app).ok_or(invalid)?;
            keys.is_secret(&row.secret, secret).then_some(app).ok_or(invalid)
        })
    }

    /// A device of a user for an app: only devices that this app made get a new secret.
    pub(crate) async fn mint_for(&self, app: AppId, mint: Mint) -> Result<Credential, Refusal> {
        let org = self.options.org;
        let found = self.identity.read(|directory| {
            let user = directory.user_named(org, &mint.name).filter(|u| !u.is_disabled)?;
            let mut devices = directory.devices_of(org, user.user);
            let known = devices.find(|d| d.app == app && d.label == mint.label);
            Some((user.user, known.map(|d| d.device)))
        });
        let (user, known) = found.ok_or(Refusal::of(code::ABSENT))?;
        let device = known.unwrap_or_else(|| DeviceId(self.doors.random.next_id()));
        let label: String = mint.label.chars().take(64).collect();
        match self.put_device(user, device, (mint.device_kind, &label, app)).await? {
            Ok(secret) => {
                let ticket = self.by_credential(secret.as_bytes())?;
                self.credential(&ticket, secret)
            }
            Err(IdentityOutcome::TooMany) => Err(Refusal::of(code::TOO_MANY)),
            Err(_) => Err(Refusal::of(code::ABSENT)),
        }
    }

    pub(crate) async fn hash_password(
        &self,
        password: Zeroizing<String>,
    ) -> Result<String, Refusal> {
        let busy = Refusal { code: code::BUSY, after_ms: 1_000 };
        let (reply, hash) = reply();
        self.identity.logins.try_send(LoginJob::Hash { password, reply }).map_err(|_| busy)?;
        value(hash).await?.ok_or(busy)
    }

    /// Name and password -> a new device with its credential. Every failure looks the same.
    pub(crate) async fn sign_in(&self, login: Login) -> Result<Credential, Refusal> {
        let org = self.options.org;
        let found = self.identity.read(|directory| {
            directory
                .user_named(org, &login.name)
                .filter(|u| !u.is_disabled)
                .map(|u| (u.user, u.password.clone()))
        });
        let (user, stored) = found.unwrap_or_default();
        let busy = Refusal { code: code::BUSY, after_ms: 1_000 };
        let (reply, matches) = reply();
        let password = Zeroizing::new(login.password);
        let job = LoginJob::Verify { stored, password, reply };
        self.identity.logins.try_send(job).map_err(|_| busy)?;
        if !value(matches).await? {
            return Err(Refusal::of(code::TICKET_INVALID));
        }
        let device = DeviceId(self.doors.random.next_id());
        let label: String = login.label.chars().take(64).collect();
        match self.put_device(user, device, (login.device_kind, &label, AppId(0))).await? {
            Ok(secret) => {
                let ticket = self.by_credential(secret.as_bytes())?;
                self.credential(&ticket, secret)
            }
            Err(IdentityOutcome::TooMany) => Err(Refusal::of(code::TOO_MANY)),
            Err(_) => Err(Refusal::of(code::ACCOUNT_DISABLED)),
        }
    }
}
