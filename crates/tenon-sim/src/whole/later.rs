//! What a peer does not know survives it (I19): fields of a message that only others read, and events of kinds that a device
//! cannot apply yet.

use tenon_client::store::StoreOp;
use tenon_wire::{Message as _, event_type, v1};

use super::Whole;
use super::phone::Phone;
use super::spy::{Age, UNKNOWN_FIELD};

impl Phone {
    /// Queue epoch and pts to which a transaction moves the cursor. A Rebase jumps over what was not applied.
    fn cursor_of(&mut self, ops: &[StoreOp]) -> Option<(u32, u64)> {
        let row = ops.iter().rev().find_map(|op| match op {
            StoreOp::Stream(row) => Some(row),
            _ => None,
        })?;
        if self.generation != row.generation {
            self.generation = row.generation;
            self.unknown.clear();
        }
        Some((row.queue_epoch, row.pts))
    }
}

impl Whole {
    /// How a device compares with the server, the same over the whole run.
    pub(super) fn age(&self, index: usize) -> Age {
        match (self.plan.seed as usize + index) % 3 {
            0 => Age::Older,
            1 => Age::Newer,
            _ => Age::Same,
        }
    }

    /// A content as the build of this device writes it, and the note that it was written.
    pub(super) fn content(&mut self, index: usize, text: String) -> Vec<u8> {
        let what = Some(v1::content::What::Text(v1::Text { text: text.clone() }));
        let mut body = v1::Content { what, ..v1::Content::default() }.encode_to_vec();
        if self.age(index) == Age::Newer {
            body.extend_from_slice(UNKNOWN_FIELD);
        }
        self.bodies.insert(text, body.clone());
        body
    }

    /// A message that a device is shown has every byte that its sender gave it.
    pub(super) fn shows_body(&mut self, index: usize, body: &[u8]) {
        let Ok(content) = v1::Content::decode(body) else { return };
        let Some(v1::content::What::Text(text)) = content.what else { return };
        if self.bodies.get(&text.text).is_some_and(|sent| sent != body) {
            let words = text.text.chars().take(20).collect::<String>();
            let actor = self.phones[index].actor();
            self.violated("I19", format!("{actor} is shown {words:?} without all its fields"));
        }
    }

    pub(super) fn shows_event(&mut self, index: usize, event: &v1::SyncEvent) {
        if event.r#type == event_type::MESSAGE {
            self.shows_body(index, &event.body);
        }
    }

    /// The cursor has passed events of unknown kinds: the store keeps them as they came.
    pub(super) fn keeps_unknown(&mut self, index: usize, ops: &[StoreOp]) {
        let phone = &mut self.phones[index];
        let Some(cursor) = phone.cursor_of(ops) else { return };
        let rest = phone.unknown.split_off(&(cursor.0, cursor.1 + 1));
        let passed = std::mem::replace(&mut phone.unknown, rest);
        let lost =
            passed.iter().filter(|((epoch, _), _)| *epoch == cursor.0).find(|((_, pts), event)| {
                !phone
                    .store
                    .opaque()
                    .any(|row| row.pts == *pts && row.event.as_ref() == Some(*event))
            });
        let count = passed.len() as u64;
        if let Some(((_, pts), event)) = lost {
            let text = format!("{} lost event {pts} of kind {}", phone.actor(), event.r#type);
            self.violated("I19", text);
        }
        self.figures.unknown_events += count;
    }

    /// Events of unknown kinds do not hold the cursor of a device that came to rest.
    pub(super) fn passed_unknown(&mut self, index: usize) {
        let phone = &self.phones[index];
        let cursors = phone.engine.as_ref().map(|engine| engine.cursors()).unwrap_or_default();
        let epoch = cursors.values().map(|cursor| cursor.queue_epoch).max().unwrap_or(0);
        let held = phone.unknown.keys().find(|(of, _)| *of == epoch);
        if let Some((_, pts)) = held {
            let text = format!("{} does not get past event {pts}", phone.actor());
            self.violated("I19", text);
        }
    }
}
