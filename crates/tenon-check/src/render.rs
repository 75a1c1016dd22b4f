//! Pages of a timeline, as shown.

use crate::checker::{Checker, Said};
use crate::line::{Line, Malformed};
use crate::rule::Rule;
use crate::state::{Index, Message};

impl Checker {
    pub(crate) fn render(&mut self, actor: Index, line: &Line<'_>) -> Result<(), Malformed> {
        let conversation = self.conversation_of(line)?;
        let (lo, hi) = (line.need(line.lo, "lo")?, line.need(line.hi, "hi")?);
        let here = self.here;
        self.device(actor)?;
        let who = self.name(actor).to_owned();
        let name = self.names.name(conversation);
        let is_ordered = line.rows.is_sorted_by(|a, b| a.0 < b.0)
            && line.rows.iter().all(|row| row.0 >= lo && row.0 <= hi);
        self.findings.decide(Rule::OutOfOrder, is_ordered, &[here], || {
            format!("{who} shows a page of conversation {name} that is not in the order of seq")
        });
        if line.hidden.unwrap_or(0) == 0 && is_ordered {
            self.cover(actor, conversation, line, (lo, hi))?;
        }
        for row in &line.rows {
            let (seq, is_gone) = (row.0, row.2.is_none());
            let held = self.device(actor)?.held(conversation);
            held.got.add(seq, seq);
            let came_back = !is_gone && held.gone.has(seq);
            if is_gone {
                held.gone.add(seq, seq);
            }
            let at = self.at(conversation, seq);
            self.findings.decide(Rule::GoneCameBack, !came_back, &[here], || {
                format!("{who} shows {at} with content, after it was told that this is gone")
            });
            let body = row.2.as_ref().map_or(0, |body| body.digest());
            let (id, told_us) = (row.1.id(), line.at_us);
            let message =
                Message { id, body, told_us, is_changed: is_gone || row.3, ..Message::default() };
            self.say(Said { conversation, seq, message })?;
        }
        Ok(())
    }

    /// Every seq of the page that has no row is missing on this device, from now on until it is shown.
    fn cover(
        &mut self,
        actor: Index,
        conversation: Index,
        line: &Line<'_>,
        (lo, hi): (u64, u64),
    ) -> Result<(), Malformed> {
        let held = self.device(actor)?.held(conversation);
        held.missing.add(lo, hi);
        for row in &line.rows {
            held.missing.remove(row.0, row.0);
        }
        let mut from = lo;
        let mut lacks = None;
        while let Some(seq) = held.own.first_in(from, hi) {
            if held.missing.has(seq) {
                lacks = Some(seq);
                break;
            }
            from = seq + 1;
        }
        let has_own = held.own.first_in(lo, hi).is_some();
        let (who, here) = (self.name(actor).to_owned(), self.here);
        let at = self.at(conversation, lacks.unwrap_or(0));
        if has_own {
            self.findings.decide(Rule::OwnWriteMissing, lacks.is_none(), &[here], || {
                format!("{who} had been answered {at}, and shows a page without it")
            });
        }
        Ok(())
    }
}
