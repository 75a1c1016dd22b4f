//! Set-up and invitations: who gets in by a link, how often, until when.

use std::net::IpAddr;

use tenon_core::accounts::{Accounts, Caller, Deed, Given, InvitationLook, Newcomer};
use tenon_core::admission::Credential;
use tenon_core::identity::{AuditAction, OrgRole};

use super::*;

type Entered = oneshot::Receiver<Option<Result<Credential, Refusal>>>;

fn person(token: &str, name: &str) -> Newcomer {
    Newcomer {
        token: token.into(),
        name: name.into(),
        display: String::new(),
        password: "correct horse".into(),
        label: "browser".into(),
        device_kind: 4,
        address: None,
    }
}

async fn entered(answer: Entered) -> Result<Credential, u32> {
    get(answer).await.map_err(|refusal| refusal.code)
}

impl House {
    fn set_up(&self, person: Newcomer) -> Entered {
        let (reply, answer) = reply();
        self.receiver.set_up("Acme".into(), person, reply);
        answer
    }

    fn accept(&self, person: Newcomer) -> Entered {
        let (reply, answer) = reply();
        self.receiver.accept_invitation(person, reply);
        answer
    }

    fn look(&self, token: &str) -> Result<InvitationLook, u32> {
        self.receiver.look_at_invitation(token, None).map_err(|refusal| refusal.code)
    }

    async fn setup_token(&self) -> String {
        self.admin.setup_link().await.unwrap().unwrap().0
    }

    async fn deed(&self, by: &Caller, deed: Deed) -> Result<Given, u32> {
        let (reply, answer) = reply();
        self.receiver.administer(by.clone(), deed, reply);
        get(answer).await.map_err(|refusal| refusal.code)
    }

    /// A house that was set up by `ada`.
    async fn of_ada() -> (Self, Caller) {
        let house = house().await;
        let token = house.setup_token().await;
        let ada = entered(house.set_up(person(&token, "ada"))).await.unwrap();
        let caller = house.receiver.caller(&Bytes::from(ada.secret)).unwrap();
        (house, caller)
    }
}

const INVITE: Deed =
    Deed::Invite { role: OrgRole::Member, uses: 3, valid_for: Duration::from_secs(3600) };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_set_up_at_once_one_does() {
    let house = house().await;
    let mut has_admin = house.admin.has_admin();
    let first = house.setup_token().await;
    let token = house.setup_token().await;
    assert!(token.starts_with("tns_") && token != first);
    let old = entered(house.set_up(person(&first, "ada"))).await;
    assert_eq!(old.err(), Some(6023), "a new link ends the one before");
    let weak = Newcomer { password: "password".into(), ..person(&token, "ada") };
    assert_eq!(entered(house.set_up(weak)).await.err(), Some(6020));
    assert_eq!(entered(house.set_up(person(&token, " ada"))).await.err(), Some(7004));
    let racing: Vec<Entered> =
        (0..6).map(|n| house.set_up(person(&token, &format!("admin {n}")))).collect();
    let mut codes = Vec::new();
    let mut winner = None;
    for answer in racing {
        match entered(answer).await {
            Ok(given) => assert!(winner.replace(given).is_none(), "two set the server up"),
            Err(code) => codes.push(code),
        }
    }
    assert_eq!(codes, [6024; 5]);
    has_admin.wait_for(|has| *has).await.unwrap();
    let facts = house.receiver.server();
    assert_eq!((facts.organisation.as_deref(), facts.needs_setup), (Some("Acme"), false));
    let caller = house.receiver.caller(&Bytes::from(winner.unwrap().secret)).unwrap();
    assert_eq!(caller.role, OrgRole::Admin);
    assert_eq!(house.admin.setup_link().await, Ok(None));
    assert_eq!(house.admin.users("", 10).len(), 1, "who lost left no account");
    assert_eq!(entered(house.set_up(person(&token, "eve"))).await.err(), Some(6024));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_up_link_ends_after_half_an_hour_and_survives_a_restart() {
    let (log, kv) = (Arc::new(MemoryLog::new()), Arc::new(MemoryKv::new()));
    let keys = keys();
    let house = House::open(&log, &kv, &keys, 1).await;
    let token = house.setup_token().await;
    house.clock.advance(Duration::from_secs(1_800));
    assert_eq!(entered(house.set_up(person(&token, "ada"))).await.err(), Some(6023));
    let token = house.setup_token().await;
    house.close().await;
    let house = House::open(&log, &kv, &keys, 2).await;
    for wrong in ["", "tns_", "tns_x", &token[..token.len() - 1], &token.to_uppercase()] {
        assert_eq!(entered(house.set_up(person(wrong, "ada"))).await.err(), Some(6023), "{wrong}");
    }
    // The clock of this test begins anew with the house: the link is still young.
    assert!(entered(house.set_up(person(&token, "ada"))).await.is_ok());
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_never_lets_in_more_than_it_says() {
    let (house, ada) = House::of_ada().await;
    let made = house.deed(&ada, INVITE).await.unwrap();
    assert!(made.token.starts_with("tni_") && !format!("{made:?}").contains(&made.token));
    let look = house.look(&made.token).unwrap();
    assert_eq!((look.organisation.as_str(), look.invited_by.as_str()), ("Acme", "ada"));
    assert_eq!((look.role, look.uses_left, look.account), (OrgRole::Member, 3, None));
    assert_eq!(entered(house.accept(person(&made.token, "ADA"))).await.err(), Some(6021));
    let racing: Vec<Entered> =
        (0..8).map(|n| house.accept(person(&made.token, &format!("guest {n}")))).collect();
    let (mut inside, mut codes) = (0, Vec::new());
    for answer in racing {
        match entered(answer).await {
            Ok(given) => {
                let caller = house.receiver.caller(&Bytes::from(given.secret)).unwrap();
                assert_eq!(caller.role, OrgRole::Member);
                inside += 1;
            }
            Err(code) => codes.push(code),
        }
    }
    assert_eq!((inside, codes), (3, vec![6024; 5]));
    assert_eq!(house.admin.users("", 20).len(), 4);
    assert_eq!(house.look(&made.token), Err(6024));
    let lines = house.receiver.invitations(&ada);
    assert_eq!((lines.len(), lines[0].state.text(), lines[0].uses_left), (1, "used", 0));
    let entries = house.audit(&ada, 0, 100).await;
    let accepted =
        entries.iter().filter(|l| l.entry.audit.action == AuditAction::InvitationAccept).count();
    assert_eq!(accepted, 3);
    let token = &made.token[21..];
    assert!(entries.iter().all(|line| !format!("{line:?}").contains(token)), "no secret");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_ends_with_its_time_or_when_it_is_taken_back() {
    let (house, ada) = House::of_ada().await;
    let late = house.deed(&ada, INVITE).await.unwrap();
    house.clock.advance(Duration::from_secs(3_599));
    assert!(entered(house.accept(person(&late.token, "bob"))).await.is_ok());
    house.clock.advance(Duration::from_secs(1));
    assert_eq!(house.look(&late.token), Err(6023));
    assert_eq!(entered(house.accept(person(&late.token, "eve"))).await.err(), Some(6023));

    let back = house.deed(&ada, INVITE).await.unwrap();
    house.deed(&ada, Deed::Revoke(back.invitation)).await.unwrap();
    house.deed(&ada, Deed::Revoke(back.invitation)).await.unwrap();
    assert_eq!(house.look(&back.token), Err(6023));
    assert_eq!(entered(house.accept(person(&back.token, "eve"))).await.err(), Some(6023));
    let states: Vec<_> =
        house.receiver.invitations(&ada).iter().map(|line| line.state.text()).collect();
    assert_eq!(states, ["revoked", "expired"], "newest first");
    let forged = back.token.replacen(
        &format!("{:016x}", back.invitation.0),
        &format!("{:016x}", late.invitation.0),
        1,
    );
    assert_eq!(house.look(&forged), Err(6023), "the secret of one does not open another");
    for wrong in [Deed::Revoke(tenon_base::InvitationId(5)), Deed::Link { user: UserId(5) }] {
        assert_eq!(house.deed(&ada, wrong).await, Err(6001));
    }
    for (uses, seconds) in [(0, 3_600), (1_001, 3_600), (1, 59), (1, 30 * 86_400 + 1)] {
        let valid_for = Duration::from_secs(seconds);
        let deed = Deed::Invite { role: OrgRole::Member, uses, valid_for };
        assert_eq!(house.deed(&ada, deed).await, Err(7004), "{uses} {seconds}");
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_for_an_account_gives_it_a_password() {
    let (house, ada) = House::of_ada().await;
    let add = |name: &str| Deed::AddUser {
        name: name.into(),
        display: "Bob B".into(),
        role: OrgRole::Member,
    };
    let first = house.deed(&ada, add("bob")).await.unwrap();
    assert_eq!(house.deed(&ada, add("BOB")).await, Err(6021));
    assert_eq!(house.deed(&ada, add(" x")).await, Err(7004));
    let second = house.deed(&ada, Deed::Link { user: first.user }).await.unwrap();
    assert_eq!(house.look(&first.token), Err(6023), "a new link ends the one before");
    let look = house.look(&second.token).unwrap();
    assert_eq!((look.uses_left, look.account), (1, Some(("bob".into(), "Bob B".into()))));
    // Whatever name is sent, it is this account.
    let bob = entered(house.accept(person(&second.token, "mallory"))).await.unwrap();
    assert_eq!((bob.author.user, bob.name.as_str()), (first.user, "bob"));
    assert_eq!(entered(house.accept(person(&second.token, ""))).await.err(), Some(6024));
    let login = Login {
        name: "bob".into(),
        password: "correct horse".into(),
        label: "phone".into(),
        device_kind: 1,
        address: None,
    };
    let (reply, answer) = reply();
    house.receiver.login(login, reply);
    assert!(get(answer).await.is_ok(), "the password of the link");

    let close = |is_disabled| Deed::SetDisabled { user: first.user, is_disabled };
    house.deed(&ada, close(true)).await.unwrap();
    let closed = house.deed(&ada, Deed::Link { user: first.user }).await.unwrap();
    assert_eq!(entered(house.accept(person(&closed.token, ""))).await.err(), Some(4007));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_administrator_stays() {
    let (house, ada) = House::of_ada().await;
    let me = ada.author.user;
    let demote = |user| Deed::SetRole { user, role: OrgRole::Member };
    let close = |user| Deed::SetDisabled { user, is_disabled: true };
    assert_eq!(house.deed(&ada, demote(me)).await, Err(6022));
    assert_eq!(house.deed(&ada, close(me)).await, Err(6022));
    assert_eq!(
        house.admin.set_disabled("ada", true).await,
        Err(AdminError::LastAdmin("ada".into()))
    );
    let new = NewUser { name: "ops".into(), display: String::new() };
    let secret = || "correct horse".to_owned().into();
    house.admin.create_admin(new.clone(), secret()).await.unwrap();
    house.admin.create_admin(new, secret()).await.unwrap();
    house.deed(&ada, demote(me)).await.unwrap();
    let ops = house.admin.user("ops").unwrap();
    assert_eq!(house.deed(&ada, close(ops)).await, Err(6022));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_tries_wrong_links_must_wait_and_others_need_not() {
    let (house, ada) = House::of_ada().await;
    let made = house.deed(&ada, INVITE).await.unwrap();
    let from = |text: &str| Some(text.parse::<IpAddr>().unwrap());
    let look = |token: &str, address| {
        self::Accounts::look_at_invitation(&house.receiver, token, address).map_err(|r| r.code)
    };
    for _ in 0..100 {
        assert!(look(&made.token, from("192.0.2.1")).is_ok(), "a good link costs nothing");
    }
    let codes: Vec<u32> =
        (0..40).filter_map(|_| look("tni_guess", from("192.0.2.7")).err()).collect();
    assert_eq!((codes[0], codes[39]), (6023, 2007), "{codes:?}");
    assert_eq!(look(&made.token, from("192.0.2.1")).err(), Some(2007), "the same network");
    assert!(look(&made.token, from("198.51.100.1")).is_ok());
    let flooding = Newcomer { address: from("192.0.2.9"), ..person(&made.token, "eve") };
    assert_eq!(entered(house.accept(flooding)).await.err(), Some(2007));
    house.clock.advance(Duration::from_secs(120));
    assert!(look(&made.token, from("192.0.2.7")).is_ok());
    house.close().await;
}
