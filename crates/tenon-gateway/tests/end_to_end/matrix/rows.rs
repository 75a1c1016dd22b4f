//! What a row of the table does.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tenon_base::{Random as _, SeededRandom};
use tenon_wire::v1::Status;
use tenon_wire::{ErrorCode, Frame, Message as _, encode, kind, method, op_type, role, v1};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::people::{CANARY, Group, INSIDE, PASSWORD, Person, Wire, World, credential_hello};
use super::table::constants;
use crate::peer::PATIENCE;

/// How long a caller that should hear nothing listens, and how often one that should hear something looks.
const PUSH: Duration = Duration::from_millis(40);
/// A conversation that never was.
const NOWHERE: u64 = 0x5151_5151_5151_5151;

/// One row about a link.
pub(crate) struct Row {
    /// `group.NAME` or `group.NAME/variant`.
    pub(crate) name: String,
    group: String,
    base: String,
    variant: String,
    number: u32,
}

impl Row {
    pub(crate) fn parse(name: &str) -> Self {
        let (group, rest) = name.split_once('.').unwrap();
        let (base, variant) = rest.split_once('/').unwrap_or((rest, ""));
        let module = match group {
            "frame" => "kind",
            "request" => "method",
            _ => "op_type",
        };
        let number = constants(module).into_iter().find(|(known, _)| known == base);
        let number = number.unwrap_or_else(|| panic!("{name} names nothing")).1;
        let (group, base, variant) = (group.to_owned(), base.to_owned(), variant.to_owned());
        Self { name: name.to_owned(), group, base, variant, number }
    }

    /// What an outsider's frame is: the first one of a link, or one behind a Hello.
    pub(crate) fn shape(&self) -> &'static str {
        if self.name == "frame.HELLO" { "hello" } else { "link" }
    }

    fn kind(&self) -> u8 {
        match self.group.as_str() {
            "frame" => self.number as u8,
            "request" => kind::REQUEST,
            _ => kind::OP,
        }
    }

    /// True for a row that is about one conversation.
    pub(crate) fn names_a_conversation(&self) -> bool {
        match self.group.as_str() {
            "frame" => matches!(self.base.as_str(), "SEND" | "OP" | "READ_MARKS"),
            "op" => self.number < op_type::SET_SUMMARY || self.base == "SET_SUMMARY",
            _ => !matches!(
                self.base.as_str(),
                "GET_CONV_LIST"
                    | "GET_LIST_DIGEST"
                    | "GET_ENTITIES"
                    | "GET_COLLECTION"
                    | "RESOLVE_NAMES"
            ),
        }
    }

    /// Payload of the frame, said by `caller` about `conv`.
    fn payload(&self, world: &mut World, caller: &str, conv: u64) -> Vec<u8> {
        match self.group.as_str() {
            "frame" => self.frame_payload(world, caller, conv),
            "request" => {
                let body = self.request_body(world, caller, conv);
                v1::ReadRequest { method: self.number, body, fence: None }.encode_to_vec()
            }
            _ => {
                let body = self.op_body(world, caller, conv);
                let person = world.person(caller);
                if self.number >= op_type::SET_SUMMARY {
                    let n = person.next_op();
                    person.op_frame(0, n, self.number, body)
                } else {
                    // The owner has used three cids of his own group.
                    let n = if caller == "owner" && conv != NOWHERE { 4 } else { 1 };
                    person.op_frame(conv, n, self.number, body)
                }
            }
        }
    }

    fn frame_payload(&self, world: &mut World, caller: &str, conv: u64) -> Vec<u8> {
        let n = if caller == "owner" && conv != NOWHERE { 4 } else { 1 };
        let person = world.person(caller);
        match u8::try_from(self.number).unwrap() {
            kind::HELLO => credential_hello(&person.credential, 1_000).encode_to_vec(),
            kind::SEND => person.send_frame(conv, n, "may I?"),
            // A type that nobody knows.
            kind::OP => person.op_frame(conv, n, 63, Bytes::new()),
            kind::READ_MARKS => {
                let mark = v1::ReadMark { conv, up_to_seq: 1, ..v1::ReadMark::default() };
                v1::ReadMarks { marks: vec![mark] }.encode_to_vec()
            }
            kind::WATCH => v1::Watch { open: vec![conv], ..v1::Watch::default() }.encode_to_vec(),
            kind::EPHEMERAL => {
                v1::Ephemeral { conv, r#type: 1, ..v1::Ephemeral::default() }.encode_to_vec()
            }
            // A method that nobody knows.
            kind::REQUEST => {
                v1::ReadRequest { method: 999, ..v1::ReadRequest::default() }.encode_to_vec()
            }
            _ => Vec::new(),
        }
    }

    fn request_body(&self, world: &World, caller: &str, conv: u64) -> Bytes {
        let since = v1::GetConvDiff { conv, ..v1::GetConvDiff::default() };
        match self.number {
            method::GET_CONV_DIFF => encode(&since),
            method::GET_CONV_DIFFS => encode(&v1::GetConvDiffs { wants: vec![since] }),
            method::GET_CONV_ITEMS => {
                encode(&v1::GetConvItems { convs: vec![conv], tips_only: false })
            }
            method::GET_HISTORY => encode(&v1::GetHistory { conv, ..v1::GetHistory::default() }),
            method::GET_MESSAGES => {
                encode(&v1::GetMessages { conv, seqs: vec![1], ..v1::GetMessages::default() })
            }
            method::SEQ_AT_TIME => encode(&v1::SeqAtTime { conv, ts: 1 }),
            method::GET_DIGEST => {
                let ranges = vec![v1::SeqRange { lo: 1, hi: 9 }];
                encode(&v1::GetDigest { conv, ranges, min_rev: 0 })
            }
            method::LOOKUP_SEND => {
                let device_epoch = world.people[caller].epoch;
                encode(&v1::LookupSend { conv, device_epoch, n: 1 })
            }
            method::GET_ROSTER => encode(&v1::GetRoster { conv, ..v1::GetRoster::default() }),
            method::SEARCH_ROSTER => {
                encode(&v1::SearchRoster { conv, prefix: "own".into(), limit: 9 })
            }
            method::GET_ENTITIES => {
                let id = match self.variant.as_str() {
                    "foreign" => world.foreign_user,
                    _ => world.user("owner"),
                };
                let kind = v1::EntityKind::User.into();
                encode(&v1::GetEntities { wanted: vec![v1::EntityHint { kind, id, ver: 0 }] })
            }
            method::GET_COLLECTION => {
                let collection = v1::Collection::Devices.into();
                encode(&v1::GetCollection { collection, ..v1::GetCollection::default() })
            }
            method::RESOLVE_NAMES => {
                let groups = vec![format!("{CANARY}-named")];
                encode(&v1::ResolveNames { groups, ..v1::ResolveNames::default() })
            }
            _ => Bytes::new(),
        }
    }

    fn op_body(&self, world: &World, caller: &str, conv: u64) -> Bytes {
        let variant = self.variant.as_str();
        match self.number {
            op_type::SET_CONVERSATION => {
                let meta = v1::ConvMeta { title: "mine".into(), ..v1::ConvMeta::default() };
                encode(&v1::SetConversation { meta: Some(meta), mask: 1, join_policy: 0 })
            }
            op_type::ADD_MEMBERS => {
                let user = match variant {
                    "self" => world.user(caller),
                    "foreign" => world.foreign_user,
                    _ => world.user("stranger"),
                };
                encode(&v1::AddMembers { users: vec![user], ..v1::AddMembers::default() })
            }
            op_type::REMOVE_MEMBERS => {
                let user = world.user(if variant.is_empty() { "member" } else { variant });
                encode(&v1::RemoveMembers { users: vec![user], block: false })
            }
            op_type::SET_ROLE => {
                let user =
                    if variant == "self" { world.user(caller) } else { world.user("member") };
                encode(&v1::SetRole { user, role: role::ADMIN })
            }
            op_type::TRANSFER_OWNER => {
                let user =
                    if variant == "self" { world.user(caller) } else { world.user("member") };
                encode(&v1::TransferOwner { user })
            }
            op_type::SET_SUMMARY => {
                let summary = v1::Summary { conv, pinned: true, ..v1::Summary::default() };
                encode(&v1::SetSummary { summary: Some(summary), mask: 1 })
            }
            op_type::CREATE_CONVERSATION => {
                let user =
                    if variant == "foreign" { world.foreign_user } else { world.user("member") };
                encode(&v1::CreateConversation {
                    members: vec![user],
                    ..v1::CreateConversation::default()
                })
            }
            op_type::OPEN_DIRECT => {
                let user =
                    if variant == "foreign" { world.foreign_user } else { world.user("former") };
                let user = if user == world.user(caller) { world.user("owner") } else { user };
                encode(&v1::OpenDirect { user })
            }
            op_type::REMOVE_DEVICE => {
                let of = if variant == "other" {
                    if caller == "member" { "admin" } else { "member" }
                } else {
                    caller
                };
                encode(&v1::RemoveDevice { device: world.spare[of] })
            }
            _ => Bytes::new(),
        }
    }

    /// True for a frame that nothing answers: what its caller hears afterwards is what matters.
    fn is_silent(&self) -> bool {
        let answered = ["SEND", "OP", "READ_MARKS", "REQUEST"];
        self.group == "frame" && !answered.contains(&self.base.as_str())
    }
}

/// What a signed-in caller meets in a conversation of its own.
///
/// A word that is expected to be heard is waited for; one that is not, for [`PUSH`].
pub(crate) async fn inside(
    world: &mut World,
    row: &Row,
    caller: &'static str,
    expected: &str,
) -> String {
    let mut group = world.group().await;
    if row.base == "REMOVE_DEVICE" && row.variant.is_empty() {
        let device = world.fresh_device(caller, "spare").await;
        world.spare.insert(caller, device);
    }
    let payload = row.payload(world, caller, group.conv);
    if row.is_silent() {
        return said(world, (row, caller, expected), &mut group, &payload).await;
    }
    let is_outside = ["stranger", "former"].contains(&caller);
    let before = if is_outside { Some(world.state_of(&group).await) } else { None };
    let frame = world.person(caller).ask(row.kind(), &payload).await;
    if let Some(before) = before {
        let after = world.state_of(&group).await;
        assert_eq!(after, before, "{} as {caller} changed the conversation", row.name);
    }
    word(&frame)
}

/// Says a frame that nothing answers, lets the owner speak, and tells what the caller heard.
async fn said(
    world: &mut World,
    (row, caller, expected): (&Row, &'static str, &str),
    group: &mut Group,
    payload: &[u8],
) -> String {
    let person = world.person(caller);
    let (_, is_open) = person.hear().await;
    assert!(is_open);
    let id = person.id();
    person.wire.put(row.kind(), id, payload).await;
    let (before, is_open) = person.hear().await;
    if !is_open {
        let address = world.address;
        world.person(caller).connect(address).await;
        let close = before.iter().find(|frame| frame.kind == kind::CLOSE);
        return close.map_or_else(|| "ends".to_owned(), word);
    }
    let cid = group.owner_cid;
    group.owner_cid += 1;
    let owner = world.person("owner");
    let ack = owner.ask(kind::SEND, &owner.send_frame(group.conv, cid, CANARY)).await;
    assert_eq!(word(&ack), "ok");
    let begun = tokio::time::Instant::now();
    let mut heard = Vec::new();
    loop {
        tokio::time::sleep(PUSH).await;
        let (more, is_open) = world.person(caller).hear().await;
        assert!(is_open);
        heard.extend(more);
        let word = heard_word(&heard, group);
        if word == expected || expected == "hears nothing" || begun.elapsed() > PATIENCE {
            return word.to_owned();
        }
    }
}

fn heard_word(heard: &[Frame], group: &Group) -> &'static str {
    let hears = |wanted: &[u8]| heard.iter().any(|frame| holds(&frame.payload, wanted));
    if hears(CANARY.as_bytes()) {
        "hears the words"
    } else if hears(&group.conv.to_le_bytes()) {
        "hears of it"
    } else {
        "hears nothing"
    }
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// An answer in the words of the table.
fn word(frame: &Frame) -> String {
    let code = |code: u32| {
        ErrorCode::from_number(code).map_or_else(|| code.to_string(), |code| code.to_string())
    };
    let payload = frame.payload.clone();
    let of_status = |status: Status, number: u32| match status {
        Status::Ok => "ok".to_owned(),
        Status::Accepted => "accepted".to_owned(),
        _ if number != 0 => code(number),
        other => format!("{other:?}").to_lowercase(),
    };
    match frame.kind {
        kind::ERROR => code(v1::ErrorInfo::decode(payload).unwrap().code),
        kind::CLOSE => format!("ends {}", code(v1::Close::decode(payload).unwrap().code)),
        kind::SEND_ACK => {
            let ack = v1::SendAck::decode(payload).unwrap();
            of_status(ack.status(), ack.code)
        }
        kind::OP_ACK => {
            let ack = v1::OpAck::decode(payload).unwrap();
            of_status(ack.status(), ack.code)
        }
        kind::READ_MARKS_ACK => {
            let ack = v1::ReadMarksAck::decode(payload).unwrap();
            if ack.done.is_empty() { "nothing" } else { "done" }.to_owned()
        }
        kind::RESPONSE => {
            let body = v1::ReadResponse::decode(payload).unwrap().body;
            let named = v1::ResolvedNames::decode(body.clone()).ok();
            let is_named = named.is_some_and(|n| n.groups.iter().any(|g| g.name.contains(CANARY)));
            // A resolved name repeats the asked one; what it shows is the id beside it.
            let shown = if is_named {
                body.len() > CANARY.len() + 14
            } else {
                holds(&body, CANARY.as_bytes())
            };
            if shown { "shows" } else { "answers" }.to_owned()
        }
        other => format!("kind {other}"),
    }
}

/// The stranger's answers about a conversation that is there and one that never was, with the ids taken out.
pub(crate) async fn there_and_nowhere(world: &mut World, row: &Row) -> (String, String) {
    let group = world.group().await;
    let mut answers = Vec::new();
    for conv in [group.conv, NOWHERE] {
        let payload = row.payload(world, "stranger", conv);
        let frame = world.person("stranger").ask(row.kind(), &payload).await;
        let mut bytes = frame.payload.to_vec();
        let id = conv.to_le_bytes();
        while let Some(at) = bytes.windows(8).position(|window| window == id) {
            bytes.splice(at..at + 8, *b"THE CONV");
        }
        // The op_seq of the user chain grows with every try; it is the caller's own.
        if row.group == "op" && row.number >= op_type::SET_SUMMARY {
            let ack = v1::OpAck { n: 0, ..v1::OpAck::decode(&bytes[..]).unwrap() };
            bytes = ack.encode_to_vec();
        }
        answers.push(format!("{} {bytes:?}", frame.kind));
    }
    let nowhere = answers.pop().unwrap();
    (answers.pop().unwrap(), nowhere)
}

/// An outsider's link: a Hello that must be refused, and the row's frame right behind it in the same write.
pub(crate) async fn outside(
    world: &mut World,
    group: &Group,
    row: &Row,
    caller: &'static str,
) -> String {
    let payload = row.payload(world, "member", group.conv);
    let mut wire = Wire::open(world.address).await;
    let behind = (row.kind(), 7, payload);
    let frames = match world.auth(caller) {
        Some(auth) => {
            let hello = v1::Hello { auth: Some(auth), ..credential_hello("", 1) };
            vec![(kind::HELLO, 1, hello.encode_to_vec()), behind]
        }
        None if row.name == "frame.HELLO" => {
            vec![(
                kind::HELLO,
                1,
                v1::Hello { auth: None, ..credential_hello("", 1) }.encode_to_vec(),
            )]
        }
        None => vec![behind],
    };
    wire.put_all(&frames).await;
    let mut words = Vec::new();
    while let Some(frame) = wire.next().await {
        words.push(word(&frame));
    }
    words.join(", ")
}

/// One HTTP call: status and body.
pub(crate) async fn http(
    address: SocketAddr,
    method: &str,
    path: &str,
    head: &str,
    body: &[u8],
) -> (u16, Vec<u8>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n{head}\r\n",
        body.len()
    );
    stream.write_all(&[request.as_bytes(), body].concat()).await.unwrap();
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
    let at = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..at].to_vec()).unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), answer[at + 4..].to_vec())
}

/// A route as a caller meets it: the status, and the code if there is one. An exchange tries to send.
pub(crate) async fn route(world: &mut World, group: &Group, route: &str, caller: &str) -> String {
    let (status, answer, _) = call(world, group, route, caller, |_| {}).await;
    if route.ends_with("/v1/exchange") {
        return format!("{status} {}", words_of(&answer));
    }
    let json: serde_json::Value = serde_json::from_slice(&answer).unwrap_or_default();
    match json["code"].as_str() {
        Some(code) => format!("{status} {code}"),
        None => status.to_string(),
    }
}

/// Calls a route (`METHOD path` or `METHOD path#variant`) with its body, changed by `change`: status, answer, what was asked.
async fn call(
    world: &mut World,
    group: &Group,
    route: &str,
    caller: &str,
    change: impl FnOnce(&mut Vec<u8>),
) -> (u16, Vec<u8>, Vec<u8>) {
    let (method, path) = route.split_once(' ').unwrap();
    let (path, variant) = path.split_once('#').unwrap_or((path, ""));
    let about = About { caller, variant };
    let (media, mut body) = route_body(world, group, path, &about);
    change(&mut body);
    let mut head = format!("Content-Type: {media}\r\n");
    // An exchange says who it is in its Hello.
    if path != "/v1/exchange"
        && let Some(bearer) = world.bearer(caller).await
    {
        head.push_str(&format!("Authorization: Bearer {bearer}\r\n"));
    }
    let target = format!("{path}{}", route_query(world, group, path, &about));
    let (status, answer) = http(world.address, method, &target, &head, &body).await;
    (status, answer, body)
}

/// Who calls, and about whom.
struct About<'a> {
    caller: &'a str,
    variant: &'a str,
}

impl About<'_> {
    /// The user that an administrator's call is about: the stranger, or somebody of another organisation.
    fn user(&self, world: &World) -> u64 {
        if self.variant == "foreign" { world.foreign_user } else { world.user("stranger") }
    }
}

/// What a route is asked in its query.
fn route_query(world: &World, group: &Group, path: &str, about: &About<'_>) -> String {
    match path {
        "/v1/admin/groups/members" => format!("?conversation={}", group.conv),
        "/v1/admin/devices" => format!("?user={}", about.user(world)),
        _ => String::new(),
    }
}

/// What a route is asked: the media type and the body.
fn route_body(
    world: &mut World,
    group: &Group,
    path: &str,
    about: &About<'_>,
) -> (&'static str, Vec<u8>) {
    let user = about.user(world).to_string();
    let conversation = group.conv.to_string();
    let body = match path {
        "/v1/exchange" => {
            return ("application/x-tenon-frames", exchange(world, group, about.caller));
        }
        "/v1/login" => {
            // Nobody knows a password; whose name it is makes no difference.
            let name = if INSIDE.contains(&about.caller) { about.caller } else { "no such name" };
            json!({ "name": name, "password": "wrong", "label": "x", "device_kind": 3 })
        }
        "/v1/me/password" => json!({ "old": PASSWORD, "new": "another horse, another staple" }),
        "/v1/mint" => json!({ "name": "stranger", "label": "minted", "device_kind": 5 }),
        // Links that nobody was given.
        "/v1/setup" => json!({
            "token": "A".repeat(43), "organisation": "Mine", "name": "x", "password": PASSWORD, "label": "x",
            "device_kind": 3,
        }),
        "/v1/invitations/look" => json!({ "token": "A".repeat(43) }),
        "/v1/invitations/accept" => json!({
            "token": "A".repeat(43), "name": "x", "password": PASSWORD, "label": "x", "device_kind": 3,
        }),
        "/v1/admin/users" => {
            json!({ "name": format!("by {}", about.caller), "display_name": "", "role": "member" })
        }
        "/v1/admin/users/state" => json!({ "user": user, "state": "active" }),
        "/v1/admin/users/role" => json!({ "user": user, "role": "member" }),
        "/v1/admin/users/link" => json!({ "user": user }),
        "/v1/admin/invitations" => json!({ "role": "member", "uses": 1, "valid_for_s": 3_600 }),
        "/v1/admin/invitations/revoke" => json!({ "invitation": "1" }),
        "/v1/admin/groups/add" | "/v1/admin/groups/remove" => {
            json!({ "conversation": conversation, "user": user })
        }
        "/v1/admin/devices/revoke" => {
            json!({ "user": user, "device": world.spare["stranger"].to_string() })
        }
        _ => return ("application/json", Vec::new()),
    };
    ("application/json", body.to_string().into_bytes())
}

/// A route with a damaged body: the status. The exchange has a fuzz target for its frames.
pub(crate) async fn damaged(
    world: &mut World,
    group: &Group,
    route: &str,
    (caller, random): (&str, &SeededRandom),
) -> (u16, String) {
    let change = |body: &mut Vec<u8>| damage(random, body);
    let (status, _, body) = call(world, group, route, caller, change).await;
    (status, String::from_utf8_lossy(&body).into_owned())
}

fn damage(random: &SeededRandom, body: &mut Vec<u8>) {
    const WORDS: [&str; 14] = [
        "{",
        "}",
        "[",
        "\"",
        ":",
        ",",
        "null",
        "-1",
        "1e999",
        "18446744073709551616",
        "\\ud800",
        "\0",
        "[[[[[[[[",
        "\"name\":\"x\",",
    ];
    let below = |n: usize| usize::try_from(random.next_u64() % (n.max(1) as u64)).unwrap();
    for _ in 0..=random.next_u64().trailing_ones() {
        let at = below(body.len() + 1);
        let to = (at + below(16)).min(body.len());
        match below(5) {
            0 => drop(body.drain(at..to)),
            1 => drop(body.splice(at..to, WORDS[below(WORDS.len())].bytes())),
            2 => body.extend_from_within(at..to),
            3 => drop(body.splice(at..at, std::iter::repeat_n(b'[', below(20_000)))),
            _ => {
                if let Some(byte) = body.get_mut(at) {
                    *byte ^= 1 << below(8);
                }
            }
        }
    }
}

fn exchange(world: &mut World, group: &Group, caller: &str) -> Vec<u8> {
    let auth = match caller {
        "member" => {
            let credential = world.people["member"].credential.clone();
            Some(tenon_wire::v1::hello::Auth::Credential(credential.into()))
        }
        _ => world.auth(caller),
    };
    let hello =
        v1::Hello { auth, exchange: 1, renew_device_epoch: false, ..credential_hello("", 2_000) };
    let person: &mut Person = world.person("member");
    let hello = v1::Hello { device_epoch: person.epoch, ..hello };
    let send = person.send_frame(group.conv, 1, "by exchange");
    let mut out = bytes::BytesMut::new();
    for (kind, id, payload) in [(kind::HELLO, 1, hello.encode_to_vec()), (kind::SEND, 2, send)] {
        let header = tenon_wire::FrameHeader::new(kind, id);
        tenon_wire::frame::encode_frame(&mut out, header, &payload).unwrap();
    }
    out.to_vec()
}

/// The answers in a body of frames, but for the greeting and the queue.
fn words_of(bytes: &[u8]) -> String {
    let mut reader = tenon_wire::FrameReader::new(tenon_wire::FrameLimits::DOWN);
    reader.push(bytes);
    let mut words = Vec::new();
    while let Some(frame) = reader.next().unwrap() {
        if matches!(frame.kind, kind::SEND_ACK | kind::ERROR | kind::CLOSE) {
            words.push(word(&frame));
        }
    }
    words.join(", ")
}
