//! What administrators see and do: by role, within their organisation, with an entry for each act.

use tenon_core::Mode;
use tenon_core::accounts::{Accounts as _, Caller};
use tenon_core::identity::{Actor, AuditAction, OrgRole};
use tenon_core::supervision::{Act, Look, Page, Seen, Supervision as _, UserLine};

use super::*;

const ABSENT: u32 = 6001;
const ROLE_REQUIRED: u32 = 6006;

impl House {
    async fn see(&self, by: &Caller, look: Look) -> Result<Seen, u32> {
        let (reply, answer) = reply();
        self.receiver.look(by.clone(), look, reply);
        get(answer).await.map_err(|refusal| refusal.code)
    }

    async fn act(&self, by: &Caller, act: Act) -> Result<(), u32> {
        let (reply, answer) = reply();
        self.receiver.act(by.clone(), act, reply);
        get(answer).await.map_err(|refusal| refusal.code)
    }

    async fn sign_in_as(&self, name: &str) -> (Caller, Author) {
        let credential = self.admin.mint(name, "desk").await.unwrap();
        let author = self.hello(fresh(&credential)).await.unwrap().author;
        (self.receiver.caller(&Bytes::from(credential)).unwrap(), author)
    }

    async fn users_page(
        &self,
        by: &Caller,
        query: &str,
        after: &str,
        limit: usize,
    ) -> Page<UserLine> {
        let look = Look::Users { query: query.into(), after: after.into(), limit };
        match self.see(by, look).await {
            Ok(Seen::Users(page)) => page,
            other => panic!("{other:?}"),
        }
    }

    async fn groups(&self, by: &Caller, query: &str) -> Vec<String> {
        let (mut after, mut titles) = (ConversationId(0), Vec::new());
        loop {
            let look = Look::Groups { query: query.into(), after, limit: 2 };
            let Ok(Seen::Groups(page)) = self.see(by, look).await else { panic!("groups") };
            titles.extend(page.rows.into_iter().map(|row| row.title));
            let Some(next) = page.next else { break };
            after = ConversationId(next.parse().unwrap());
        }
        titles.sort();
        titles
    }

    async fn member_names(&self, by: &Caller, conv: ConversationId, limit: usize) -> Vec<String> {
        let (mut after, mut names) = (UserId(0), Vec::new());
        loop {
            let look = Look::Members { conv, after, limit };
            let Ok(Seen::Members(page)) = self.see(by, look).await else { panic!("members") };
            assert!(page.rows.len() <= limit);
            names.extend(page.rows.into_iter().map(|row| row.name));
            let Some(next) = page.next else { break };
            after = UserId(next.parse().unwrap());
        }
        names.sort();
        names
    }
}

/// All questions and acts, about things that are there.
fn everything(conv: ConversationId, user: UserId, device: DeviceId) -> (Vec<Look>, Vec<Act>) {
    let (after, limit, query) = (String::new(), 10, String::new());
    let looks = vec![
        Look::Overview,
        Look::Users { query: query.clone(), after, limit },
        Look::Groups { query, after: ConversationId(0), limit },
        Look::Members { conv, after: UserId(0), limit },
        Look::Devices { user },
    ];
    let acts = vec![
        Act::AddMember(conv, user),
        Act::RemoveMember(conv, user),
        Act::RevokeDevice(user, device),
    ];
    (looks, acts)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_an_administrator_of_this_organisation_sees_anything() {
    let house = house().await;
    let users = house.users(&["ada", "bob"]).await;
    let conv = house.admin.create_group("ops", &["ada".into()]).await.unwrap();
    let (member, _) = house.sign_in_as("bob").await;
    house.admin.set_role("ada", OrgRole::Admin).await.unwrap();
    let (admin, author) = house.sign_in_as("ada").await;
    let (looks, acts) = everything(conv, users[1], member.author.device);

    // A role that was taken after the credential was looked up, and one that a caller only claims.
    let claimed = Caller { role: OrgRole::Admin, ..member.clone() };
    // An administrator of another organisation under the same ids.
    let foreign_author = Author { org: OrgId(2), ..author };
    let foreign = Caller { author: foreign_author, ..admin.clone() };
    for by in [&member, &claimed, &foreign] {
        for look in looks.clone() {
            assert_eq!(house.see(by, look.clone()).await, Err(ROLE_REQUIRED), "{look:?}");
        }
        for act in &acts {
            assert_eq!(house.act(by, *act).await, Err(ROLE_REQUIRED), "{act:?}");
        }
    }
    for look in looks {
        assert!(house.see(&admin, look.clone()).await.is_ok(), "{look:?}");
    }
    let names = house.member_names(&admin, conv, 10).await;
    assert_eq!(names, ["ada"], "refused acts are without effect");
    house.close().await;
}

/// What is not there and what is not of this organisation look the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_of_nobody_are_absent() {
    let house = house().await;
    let users = house.users(&["ada", "bob"]).await;
    house.admin.set_role("ada", OrgRole::Admin).await.unwrap();
    let (admin, author) = house.sign_in_as("ada").await;
    let conv = house.admin.create_group("ops", &["ada".into()]).await.unwrap();
    let UserOutcome::Ok { id } = house.user_op(author, 1, Op::OpenDirect(users[1])).await else {
        panic!("a direct conversation")
    };
    let direct = ConversationId(id);
    let (nobody, nowhere) = (UserId(404), ConversationId(404));
    for look in [
        Look::Members { conv: nowhere, after: UserId(0), limit: 5 },
        Look::Members { conv: direct, after: UserId(0), limit: 5 },
        Look::Devices { user: nobody },
    ] {
        assert_eq!(house.see(&admin, look.clone()).await, Err(ABSENT), "{look:?}");
    }
    for act in [
        Act::AddMember(nowhere, users[1]),
        Act::AddMember(conv, nobody),
        Act::AddMember(direct, users[1]),
        Act::RemoveMember(direct, users[1]),
        Act::RemoveMember(nowhere, users[1]),
        Act::RevokeDevice(users[1], author.device),
        Act::RevokeDevice(nobody, author.device),
        Act::RevokeDevice(users[0], DeviceId(404)),
    ] {
        assert_eq!(house.act(&admin, act).await, Err(ABSENT), "{act:?}");
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_are_found_by_the_beginnings_of_their_names() {
    let house = house().await;
    house.users(&["ada", "bob"]).await;
    let named = |name: &str, display: &str| NewUser { name: name.into(), display: display.into() };
    let more = [named("carol", "Carol Adams"), named("dave", "Dave Bright"), named("Eve", "")];
    house.admin.add_users(&more).await.unwrap();
    house.admin.set_role("ada", OrgRole::Admin).await.unwrap();
    house.admin.set_disabled("dave", true).await.unwrap();
    let (admin, _) = house.sign_in_as("ada").await;
    let names = |page: &Page<UserLine>| -> Vec<String> {
        page.rows.iter().map(|row| row.name.clone()).collect()
    };
    let all = house.users_page(&admin, "", "", 50).await;
    assert_eq!((names(&all).join(" "), &all.next), ("ada bob carol dave Eve".into(), &None));
    let (ada, dave) = (&all.rows[0], &all.rows[3]);
    assert_eq!((ada.role, ada.devices, ada.is_disabled), (OrgRole::Admin, 1, false));
    assert_eq!((dave.role, dave.devices, dave.is_disabled), (OrgRole::Member, 0, true));
    for (query, expect) in
        [("AD", "ada carol"), ("b", "bob dave"), ("carol ad", "carol"), ("eve", "Eve"), ("ob", "")]
    {
        let page = house.users_page(&admin, query, "", 50).await;
        assert_eq!(names(&page).join(" "), expect, "{query}");
    }
    let (mut after, mut seen) = (String::new(), Vec::new());
    loop {
        let page = house.users_page(&admin, "", &after, 2).await;
        assert!(page.rows.len() <= 2);
        seen.extend(names(&page));
        let Some(next) = page.next else { break };
        after = next;
    }
    assert_eq!(seen.join(" "), "ada bob carol dave Eve", "in pages");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_are_listed_from_the_moment_they_are_made() {
    let house = house().await;
    let users = house.users(&["ada", "bob", "carol"]).await;
    house.admin.set_role("ada", OrgRole::Admin).await.unwrap();
    let (admin, author) = house.sign_in_as("ada").await;
    for name in ["ops", "sales", "Ops night", "lunch"] {
        house.admin.create_group(name, &["ada".into(), "bob".into()]).await.unwrap();
    }
    let made = Op::CreateGroup {
        title: "made by a member".into(),
        members: vec![users[2]],
        history_visible: true,
    };
    let UserOutcome::Ok { id } = house.user_op(author, 1, made).await else { panic!("a group") };
    house.user_op(author, 2, Op::OpenDirect(users[1])).await;
    assert_eq!(
        house.groups(&admin, "").await,
        ["Ops night", "lunch", "made by a member", "ops", "sales"]
    );
    assert_eq!(house.groups(&admin, "OPS").await, ["Ops night", "ops"]);
    let conv = ConversationId(id);
    house.op(author, conv, 1, Op::Rename { title: "night shift".into() }).await;
    assert_eq!(house.groups(&admin, "night").await, ["Ops night", "night shift"]);
    house.clock.advance(Duration::from_secs(60));
    assert!(matches!(house.send(author, conv, 2, "hello").await, Outcome::Ok(_)));
    let look = Look::Groups { query: "shift".into(), after: ConversationId(0), limit: 10 };
    let Ok(Seen::Groups(page)) = house.see(&admin, look).await else { panic!("groups") };
    let row = &page.rows[0];
    assert_eq!((row.members, row.mode), (2, Mode::Queue));
    assert!(row.last.since(row.created) >= Duration::from_secs(60), "{row:?}");

    // The message shows in the overview: counted, and its conversation among the busiest.
    let Ok(Seen::Overview(seen)) = house.see(&admin, Look::Overview).await else { panic!() };
    assert_eq!((seen.users, seen.devices, seen.groups), (3, 1, 5));
    assert_eq!(seen.now.messages_total, 1);
    assert_eq!((seen.hot[0].conv, seen.hot[0].title.as_str()), (conv, "night shift"));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_administrator_does_is_done_and_written_down() {
    let house = house().await;
    let users = house.users(&["ada", "bob", "carol"]).await;
    house.admin.set_role("ada", OrgRole::Admin).await.unwrap();
    let (admin, _) = house.sign_in_as("ada").await;
    let (bob, bob_author) = house.sign_in_as("bob").await;
    let conv = house.admin.create_group("ops", &["carol".into()]).await.unwrap();
    assert_eq!(house.act(&admin, Act::AddMember(conv, users[1])).await, Ok(()));
    assert_eq!(house.act(&admin, Act::AddMember(conv, users[1])).await, Ok(()), "he is in");
    assert_eq!(house.member_names(&admin, conv, 1).await, ["bob", "carol"]);
    assert!(matches!(house.send(bob_author, conv, 1, "thanks").await, Outcome::Ok(_)));
    assert_eq!(house.act(&admin, Act::RemoveMember(conv, users[1])).await, Ok(()));
    assert_eq!(house.act(&admin, Act::RemoveMember(conv, users[1])).await, Ok(()), "he is out");
    assert_eq!(house.member_names(&admin, conv, 10).await, ["carol"]);

    let device = bob.author.device;
    let Ok(Seen::Devices(devices)) = house.see(&admin, Look::Devices { user: users[1] }).await
    else {
        panic!("devices")
    };
    assert_eq!((devices.len(), devices[0].device, devices[0].label.as_str()), (1, device, "desk"));
    assert_eq!(house.act(&admin, Act::RevokeDevice(users[1], device)).await, Ok(()));
    assert_eq!(house.act(&admin, Act::RevokeDevice(users[1], device)).await, Err(ABSENT));
    assert_eq!(
        house.see(&admin, Look::Devices { user: users[1] }).await,
        Ok(Seen::Devices(vec![]))
    );

    let (reply, answer) = reply();
    house.receiver.audit(admin.clone(), 0, 3, reply);
    let lines: Vec<_> = get(answer)
        .await
        .unwrap()
        .into_iter()
        .map(|line| line.entry.audit)
        .map(|audit| (audit.actor, audit.action, audit.target, audit.detail))
        .collect();
    let entry = |action, target: &str, detail: &str| {
        (Actor::User(users[0]), action, target.to_owned(), detail.to_owned())
    };
    assert_eq!(
        lines,
        [
            entry(AuditAction::DeviceRevoke, "bob", "desk"),
            entry(AuditAction::GroupRemove, "ops", "bob"),
            entry(AuditAction::GroupAdd, "ops", "bob"),
        ]
    );
    house.close().await;
}
