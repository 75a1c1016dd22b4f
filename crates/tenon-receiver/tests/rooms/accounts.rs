//! Who may do what in the organisation, and what is written down of it.

use tenon_core::accounts::{Accounts, AuditLine, Caller, NewPassword};
use tenon_core::identity::{Actor, AuditAction, OrgRole};

use super::*;

impl House {
    async fn caller(&self, name: &str) -> (String, Caller) {
        let credential = self.admin.mint(name, "desk").await.unwrap();
        let caller = self.receiver.caller(&Bytes::from(credential.clone())).unwrap();
        (credential, caller)
    }

    pub(super) async fn audit(&self, caller: &Caller, before: u64, limit: usize) -> Vec<AuditLine> {
        let (reply, answer) = reply();
        self.receiver.audit(caller.clone(), before, limit, reply);
        get(answer).await.unwrap()
    }

    async fn change_password(&self, caller: &Caller, old: &str, new: &str) -> Result<(), u32> {
        let (reply, answer) = reply();
        let password = NewPassword { old: old.into(), new: new.into(), address: None };
        assert!(!format!("{password:?}").contains(new), "no secret in a log");
        self.receiver.change_password(caller.clone(), password, reply);
        get(answer).await.map_err(|refusal| refusal.code)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_is_looked_up_at_every_call() {
    let house = house().await;
    house.users(&["ada"]).await;
    assert!(house.receiver.server().needs_setup);
    assert_eq!(house.receiver.server().organisation, None);
    let (credential, caller) = house.caller("ada").await;
    assert_eq!((caller.name.as_str(), caller.role), ("ada", OrgRole::Member));
    let of = |text: &str| house.receiver.caller(&Bytes::copy_from_slice(text.as_bytes()));
    for wrong in
        ["", "tnd_", &credential[..credential.len() - 1], &credential.replace("tnd", "tna")]
    {
        assert_eq!(of(wrong).err().map(|r| r.code), Some(4002), "{wrong}");
    }
    house.admin.set_disabled("ada", true).await.unwrap();
    assert_eq!(of(&credential).err().map(|r| r.code), Some(4007));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_is_changed_by_who_knows_it() {
    let house = house().await;
    house.users(&["ada"]).await;
    let (credential, caller) = house.caller("ada").await;
    assert_eq!(house.change_password(&caller, "", "correct horse").await, Err(4002), "none yet");
    house.admin.set_password("ada", "correct horse".to_owned().into()).await.unwrap();
    assert_eq!(house.change_password(&caller, "wrong horse", "battery staple").await, Err(4002));
    assert_eq!(house.change_password(&caller, "correct horse", "too short").await, Err(6020));
    assert_eq!(house.change_password(&caller, "correct horse", "battery staple").await, Ok(()));
    assert_eq!(house.change_password(&caller, "correct horse", "battery staple").await, Err(4002));
    assert!(house.hello(fresh(&credential)).await.is_ok(), "devices stay");
    let mut codes = Vec::new();
    for _ in 0..12 {
        codes.extend(house.change_password(&caller, "guess", "battery staple").await.err());
    }
    assert!(codes.contains(&2007), "guessing is throttled here too: {codes:?}");
    house.close().await;
}

/// What took effect is there, newest first, page by page, and after a restart the numbers go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_survives_a_restart_and_is_paged() {
    let (log, kv) = (Arc::new(MemoryLog::new()), Arc::new(MemoryKv::new()));
    let keys = keys();
    let house = House::open(&log, &kv, &keys, 1).await;
    house.users(&["ada", "bob"]).await;
    house.admin.set_password("ada", "correct horse".to_owned().into()).await.unwrap();
    house.admin.set_disabled("bob", true).await.unwrap();
    house.admin.set_disabled("bob", true).await.unwrap();
    let (_, caller) = house.caller("ada").await;
    assert_eq!(house.change_password(&caller, "correct horse", "battery staple").await, Ok(()));
    let expect = [
        (4, Actor::User(caller.author.user), "ada", AuditAction::UserPassword, "ada"),
        (3, Actor::Operator, "", AuditAction::UserDisable, "bob"),
        (2, Actor::Operator, "", AuditAction::UserPassword, "ada"),
        (1, Actor::Operator, "", AuditAction::UserAdd, "ada, bob"),
    ];
    let check = |lines: &[AuditLine], expect: &[(u64, Actor, &str, AuditAction, &str)]| {
        assert_eq!(lines.len(), expect.len(), "{lines:?}");
        for (line, (entry, actor, name, action, target)) in lines.iter().zip(expect) {
            let audit = &line.entry.audit;
            assert_eq!(
                (line.entry.entry, audit.actor, line.actor.as_str()),
                (*entry, *actor, *name)
            );
            assert_eq!((audit.action, audit.target.as_str()), (*action, *target));
            assert_eq!((audit.at, audit.org), (Timestamp(1_800_000_000_000), ORG));
            assert!(!format!("{line:?}").contains("horse"), "no secret in the audit");
        }
    };
    check(&house.audit(&caller, 0, 10).await, &expect);
    check(&house.audit(&caller, 0, 2).await, &expect[..2]);
    check(&house.audit(&caller, 3, 2).await, &expect[2..]);
    check(&house.audit(&caller, 1, 2).await, &[]);
    house.close().await;

    let house = House::open(&log, &kv, &keys, 2).await;
    check(&house.audit(&caller, 0, 10).await, &expect);
    house.admin.set_disabled("bob", false).await.unwrap();
    assert_eq!(house.audit(&caller, 0, 1).await[0].entry.entry, 5);
    house.close().await;
}
