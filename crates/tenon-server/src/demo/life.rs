//! Plays the scripts: made-up people send real messages through the receiver, at an adjustable pace, until the server stops.
//!
//! [`Playing`] says who says what next and keeps the roots of threads; it knows no clock and sends nothing. [`Player`] sends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tenon_base::{Cid, ConnCtr, ConversationId, DeviceEpoch, DeviceId, Random, Seq, UserId};
use tenon_core::admission::{Admission, Auth, Credential, HelloRequest, Refusal, Submit};
use tenon_core::conversation::Outcome;
use tenon_core::handover::Reply;
use tenon_core::{Author, SendMessage};
use tenon_import::Body;
use tenon_receiver::{Admin, ReceiverHandle};
use tokio::sync::{oneshot, watch};

use super::cast::SPEAKERS;
use super::fill::{Group, Stage, words};
use crate::error::ServerError;

/// Label of the devices that talk.
const LABEL: &str = "Demonstration";
/// Of so many messages one goes to a visitor directly.
const DIRECT_OF: u64 = 50;
/// Tries of one message that is told to wait; then it is left out.
const TRIES: u32 = 5;

/// What comes next in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Turn {
    /// Place in [`SPEAKERS`].
    speaker: usize,
    /// Whom it names: place in [`SPEAKERS`].
    to: Option<usize>,
    text: String,
    reply_seq: Seq,
    talk: usize,
}

/// One group on its way through its script, over and over.
#[derive(Debug)]
struct Playing {
    group: Group,
    /// First message of each conversation of this round.
    roots: BTreeMap<usize, Seq>,
}

impl Playing {
    fn turn(&mut self) -> Option<Turn> {
        if self.group.next >= self.group.lines.len() {
            self.group.next = 0;
            self.roots.clear();
        }
        let line = self.group.lines.get(self.group.next)?;
        self.group.next += 1;
        let place = |voice: usize| self.group.speakers.get(voice).copied();
        let root = self.roots.get(&line.talk).copied().filter(|_| line.is_threaded);
        Some(Turn {
            speaker: place(line.voice)?,
            to: line.to.and_then(place),
            text: line.text.clone(),
            reply_seq: root.unwrap_or_default(),
            talk: line.talk,
        })
    }

    /// The message of a turn stands at `seq`.
    fn stands(&mut self, talk: usize, seq: Seq) {
        self.roots.entry(talk).or_insert(seq);
    }
}

/// One of the speakers at his device.
struct Speaker {
    user: UserId,
    author: Author,
    credential: Bytes,
    /// Next key of each conversation.
    cids: BTreeMap<ConversationId, Cid>,
}

/// Sends what is played.
pub(super) struct Player {
    receiver: ReceiverHandle,
    random: Arc<dyn Random>,
    speakers: Vec<Speaker>,
    playing: Vec<Playing>,
    directs: Vec<(usize, ConversationId)>,
    /// Between two messages, on the average.
    gap: Duration,
}

impl Player {
    /// Signs the speakers in. `pace` is in messages a second, above 0.
    pub(super) async fn new(
        (admin, receiver): (&Admin, ReceiverHandle),
        random: Arc<dyn Random>,
        stage: Stage,
        pace: f64,
    ) -> Result<Self, ServerError> {
        let mut speakers = Vec::new();
        for (person, user) in SPEAKERS.iter().zip(stage.speakers) {
            let credential = Bytes::from(admin.mint(person.name, LABEL).await?);
            let author = sign_in(&receiver, credential.clone()).await?;
            speakers.push(Speaker { user, author, credential, cids: BTreeMap::new() });
        }
        let playing = stage.groups.into_iter().filter(|group| !group.lines.is_empty());
        let playing = playing.map(|group| Playing { group, roots: BTreeMap::new() }).collect();
        let gap = Duration::from_secs_f64(1.0 / pace);
        Ok(Self { receiver, random, speakers, playing, directs: stage.directs, gap })
    }

    /// Plays until stop.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            // Between half and one and a half of the gap: nobody talks like a clock.
            let jitter = (self.random.next_u64() % 1_000) as f64 / 1_000.0 + 0.5;
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(self.gap.mul_f64(jitter)) => {}
            }
            self.step().await;
        }
    }

    async fn step(&mut self) {
        let Some(at) = self.chosen() else { return };
        let Some(playing) = self.playing.get_mut(at) else { return };
        let Some(mut turn) = playing.turn() else { return };
        let mut conv = playing.group.conv;
        let is_direct = self.random.next_u64().is_multiple_of(DIRECT_OF);
        if is_direct && !self.directs.is_empty() {
            let count = self.directs.len() as u64;
            let one = usize::try_from(self.random.next_u64() % count).unwrap_or_default();
            let Some((speaker, direct)) = self.directs.get(one).copied() else { return };
            turn = Turn { speaker, to: None, reply_seq: Seq(0), ..turn };
            conv = direct;
        }
        let stands = self.say(conv, &turn).await;
        if let (Some(seq), false, Some(playing)) = (stands, is_direct, self.playing.get_mut(at)) {
            playing.stands(turn.talk, seq);
        }
    }

    /// A group, by weight.
    fn chosen(&self) -> Option<usize> {
        let sum: u64 = self.playing.iter().map(|p| u64::from(p.group.weight)).sum();
        let mut left = self.random.next_u64().checked_rem(sum)?;
        self.playing.iter().position(|playing| {
            let weight = u64::from(playing.group.weight);
            let is_here = left < weight;
            left = left.saturating_sub(weight);
            is_here
        })
    }

    /// Sends one message; where it stands. Somebody who was taken out, closed or signed out by a visitor says nothing.
    async fn say(&mut self, conv: ConversationId, turn: &Turn) -> Option<Seq> {
        let to = turn
            .to
            .and_then(|place| Some((self.speakers.get(place)?.user, SPEAKERS.get(place)?.display)));
        let Body { kind, bytes } = words(&turn.text, to);
        let speaker = self.speakers.get_mut(turn.speaker)?;
        refreshed(&self.receiver, speaker.credential.clone()).await.ok()?;
        let mentions = to.map(|(user, _)| user).into_iter().collect();
        let message = SendMessage {
            kind,
            body: bytes,
            reply_seq: turn.reply_seq,
            mentions,
            ..SendMessage::default()
        };
        for _ in 0..TRIES {
            let cid = *speaker.cids.entry(conv).or_insert(Cid(1));
            let author = speaker.author;
            let submit = Submit {
                author,
                conv,
                cid,
                is_void: false,
                is_bad: false,
                message: message.clone(),
            };
            let (reply, outcome) = asked();
            self.receiver.submit(submit, reply);
            match outcome.await.ok().flatten()? {
                Outcome::Ok(accepted) => {
                    speaker.cids.insert(conv, cid.next());
                    return Some(accepted.seq);
                }
                Outcome::Gap { expect } => {
                    speaker.cids.insert(conv, expect);
                }
                Outcome::Retry { after_ms, .. } => {
                    tokio::time::sleep(Duration::from_millis(u64::from(after_ms.max(100)))).await;
                }
                Outcome::Absent => return None,
                _ => {
                    speaker.cids.insert(conv, cid.next());
                    return None;
                }
            }
        }
        None
    }
}

fn asked<T: Send + 'static>() -> (Reply<T>, oneshot::Receiver<Option<T>>) {
    let (sender, receiver) = oneshot::channel();
    // An asker that is gone needs no answer.
    (Reply::new(move |value| drop(sender.send(value))), receiver)
}

/// A device with a fresh epoch, so that its keys start at 1.
async fn sign_in(receiver: &ReceiverHandle, credential: Bytes) -> Result<Author, ServerError> {
    let hello = HelloRequest {
        auth: Auth::Credential(credential),
        device: DeviceId(0),
        device_epoch: DeviceEpoch(0),
        conn_ctr: ConnCtr(0),
        exchange: 0,
        renew_device_epoch: true,
        proof: Bytes::new(),
        binding: [0; 32],
    };
    let (reply, answer) = asked();
    receiver.hello(hello, reply);
    match answer.await.ok().flatten() {
        Some(Ok(admitted)) => Ok(admitted.author),
        other => Err(ServerError::Told {
            message: format!("a speaker of the demonstration cannot sign in: {other:?}"),
            mend: Some("run `tenon demo reset` and start it again".into()),
        }),
    }
}

/// A fresh ticket; fails for a closed account and for a device that was removed.
pub(super) async fn refreshed(
    receiver: &ReceiverHandle,
    credential: Bytes,
) -> Result<Credential, Refusal> {
    let (reply, answer) = asked();
    receiver.refresh(credential, reply);
    answer
        .await
        .ok()
        .flatten()
        .unwrap_or(Err(Refusal::of(tenon_wire::ErrorCode::NoLeader.number())))
}

#[cfg(test)]
mod tests {
    use super::super::script::Line;
    use super::*;

    fn line(n: u8, talk: usize, is_threaded: bool) -> Line {
        let text = format!("line {n}");
        Line { key: [n; 16], talk, is_threaded, voice: usize::from(n) % 2, to: Some(1), text }
    }

    #[test]
    fn a_script_is_played_in_order_with_its_threads_and_then_again() {
        let lines = vec![line(0, 0, false), line(1, 0, true), line(2, 1, false), line(3, 1, false)];
        let group =
            Group { conv: ConversationId(1), speakers: vec![5, 9], lines, next: 0, weight: 1 };
        let mut playing = Playing { group, roots: BTreeMap::new() };
        for round in 0..2 {
            let mut seen = Vec::new();
            for n in 0..4_u64 {
                let turn = playing.turn().unwrap_or_else(|| unreachable!("lines are left"));
                assert_eq!(turn.text, format!("line {n}"));
                assert_eq!((turn.speaker, turn.to), ([5, 9][n as usize % 2], Some(9)));
                seen.push(turn.reply_seq);
                playing.stands(turn.talk, Seq(round * 100 + n + 1));
            }
            let root = Seq(round * 100 + 1);
            assert_eq!(seen, [Seq(0), root, Seq(0), Seq(0)], "the thread of this round");
        }
    }
}
