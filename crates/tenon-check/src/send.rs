//! Sends: a call begins, and ends with a place, a refusal, or nothing certain.

use crate::checker::{Checker, Said};
use crate::line::{Line, Malformed};
use crate::rule::Rule;
use crate::state::{Index, Message, OpenCall};

impl Checker {
    pub(crate) fn send(&mut self, actor: Index, line: &Line<'_>) -> Result<(), Malformed> {
        let call = line.need(line.call, "call")?;
        if line.kind()? == "invoke" {
            return self.begin(actor, call, line);
        }
        let open = self.device(actor)?.calls.remove(&call);
        let open = match open {
            Some(open) => open,
            None => self.begun_before(call, line)?,
        };
        match line.kind()? {
            "ok" => self.acked(actor, open, line),
            "fail" => {
                self.report.refused += 1;
                self.in_time(&open, line);
                if self.header.unique_bodies && open.body != 0 {
                    self.refused.insert(open.body, self.here);
                }
                Ok(())
            }
            _ => {
                self.report.unknown += 1;
                Ok(())
            }
        }
    }

    /// A call that began before the recording did: its end names the conversation.
    fn begun_before(&mut self, call: u64, line: &Line<'_>) -> Result<OpenCall, Malformed> {
        if line.conversation.is_none() {
            return Err(Malformed::Call { actor: line.actor.0.to_string(), call });
        }
        let (conversation, place) = (self.conversation_of(line)?, self.here);
        Ok(OpenCall { conversation, body: 0, begun_us: 0, behind: 0, place })
    }

    fn begin(&mut self, actor: Index, call: u64, line: &Line<'_>) -> Result<(), Malformed> {
        let conversation = self.conversation_of(line)?;
        let (place, unique, max) =
            (self.here, self.header.unique_bodies, self.options.messages_max);
        let device = self.device(actor)?;
        let open = OpenCall {
            conversation,
            body: line.body.as_ref().map_or(0, |body| body.digest()),
            begun_us: line.at_us,
            behind: device.held(conversation).acked_max,
            place,
        };
        device.is_at_rest = false;
        if device.calls.len() as u64 >= max {
            return Err(Malformed::TooMany(max));
        }
        if device.calls.insert(call, open).is_some() {
            return Err(Malformed::Call { actor: line.actor.0.to_string(), call });
        }
        self.report.sends += 1;
        if self.begun.len() as u64 >= max {
            return Err(Malformed::TooMany(max));
        }
        if unique && open.body != 0 {
            self.begun.entry(open.body).or_insert((line.at_us, place));
        }
        Ok(())
    }

    fn acked(&mut self, actor: Index, open: OpenCall, line: &Line<'_>) -> Result<(), Malformed> {
        self.report.acked += 1;
        self.in_time(&open, line);
        let (seq, here) = (line.seq.unwrap_or(0), self.here);
        let who = self.actors.name(actor);
        let places = [open.place, here];
        self.findings.decide(Rule::AckWithoutOrder, seq > 0, &places, || {
            format!("a send of {who} is answered without a place")
        });
        if seq == 0 {
            return Ok(());
        }
        self.findings.decide(Rule::SenderOrder, seq > open.behind, &places, || {
            let behind = open.behind;
            format!(
                "a send of {who} stands at seq {seq}, but one before it was answered with {behind}"
            )
        });
        let device = self.device(actor)?;
        let user = device.user;
        let held = device.held(open.conversation);
        held.own.add(seq, seq);
        held.acked_max = held.acked_max.max(seq);
        self.say(Said {
            conversation: open.conversation,
            seq,
            message: Message {
                id: line.message.as_ref().map_or(0, |id| id.id()),
                body: open.body,
                sender: Some(user),
                rev: line.rev.unwrap_or(0),
                at_ms: line.at_ms.unwrap_or(0),
                sent_us: open.begun_us,
                is_acked: true,
                ..Message::default()
            },
        })
    }

    fn in_time(&mut self, open: &OpenCall, line: &Line<'_>) {
        if open.begun_us == 0 {
            return;
        }
        let took_us = line.at_us.saturating_sub(open.begun_us);
        self.report.slowest_us = self.report.slowest_us.max(took_us);
        let Some(max_ms) = self.header.send_ms else { return };
        let places = [open.place, self.here];
        self.findings.decide(
            Rule::Unresolved,
            took_us <= max_ms.saturating_mul(1000),
            &places,
            || {
                format!(
                    "a send of {} was answered after {} ms, allowed are {max_ms}",
                    line.actor.0,
                    took_us / 1000
                )
            },
        );
    }
}
