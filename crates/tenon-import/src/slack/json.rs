//! Shapes in the export's JSON. Every field may be missing, null or of another type than it should be.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A text, borrowed from the file where it has no escapes. Numbers become texts; null, lists and objects become `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Text<'a>(pub(super) Option<Cow<'a, str>>);

impl<'a> Text<'a> {
    /// The text; empty if there is none.
    pub(super) fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    /// The text, unless it is missing or empty.
    pub(super) fn filled(self) -> Option<Cow<'a, str>> {
        self.0.filter(|text| !text.is_empty())
    }

    pub(super) fn into_string(self) -> String {
        self.0.map(Cow::into_owned).unwrap_or_default()
    }
}

struct TextVisitor<'a>(PhantomData<&'a ()>);

impl<'de: 'a, 'a> Visitor<'de> for TextVisitor<'a> {
    type Value = Text<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }
    fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Borrowed(v))))
    }
    fn visit_str<E>(self, v: &str) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Owned(v.to_owned()))))
    }
    fn visit_string<E>(self, v: String) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Owned(v))))
    }
    fn visit_u64<E>(self, v: u64) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Owned(v.to_string()))))
    }
    fn visit_i64<E>(self, v: i64) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Owned(v.to_string()))))
    }
    fn visit_f64<E>(self, v: f64) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Owned(format!("{v:.6}")))))
    }
    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Text(None))
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Text(None))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Text(None))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Text(None))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor(PhantomData))
    }
}

/// A truth; anything but `true` is false.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Flag(pub(super) bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw: &RawValue = Deserialize::deserialize(deserializer)?;
        Ok(Self(raw.get() == "true"))
    }
}

/// A part that is read later, or not at all; `null` is none.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Later<'a>(Option<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Later<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw: &'de RawValue = Deserialize::deserialize(deserializer)?;
        Ok(Self((raw.get() != "null").then_some(raw)))
    }
}

impl<'a> Later<'a> {
    /// The part as an object of this shape; the empty shape if it has another.
    pub(super) fn read<T: Deserialize<'a> + Default>(self) -> T {
        self.0.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
    }

    /// Calls `each` for every element of a list, until one is no JSON of its own; nothing if the part is no list.
    pub(super) fn each(self, mut each: impl FnMut(Self)) {
        if let Some(raw) = self.0 {
            let all = |element: &'a RawValue| {
                each(Self(Some(element)));
                true
            };
            // A part that is no list has no elements: that is all there is to know.
            drop(each_element(raw.get(), all));
        }
    }

    /// The part's JSON.
    pub(super) fn json(self) -> &'a str {
        self.0.map(RawValue::get).unwrap_or_default()
    }

    pub(super) const fn is_some(self) -> bool {
        self.0.is_some()
    }
}

/// A line of a day.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct RawLine<'a> {
    pub(super) r#type: Text<'a>,
    pub(super) subtype: Text<'a>,
    pub(super) user: Text<'a>,
    pub(super) bot_id: Text<'a>,
    pub(super) username: Text<'a>,
    pub(super) text: Text<'a>,
    pub(super) ts: Text<'a>,
    pub(super) thread_ts: Text<'a>,
    pub(super) parent_user_id: Text<'a>,
    pub(super) edited: Later<'a>,
    pub(super) user_profile: Later<'a>,
    pub(super) bot_profile: Later<'a>,
    pub(super) comment: Later<'a>,
    pub(super) file: Later<'a>,
    pub(super) files: Later<'a>,
    pub(super) attachments: Later<'a>,
    pub(super) blocks: Later<'a>,
    pub(super) reactions: Later<'a>,
    pub(super) pinned_to: Later<'a>,
}

/// `edited`, and `comment` of an old file comment.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct RawStamp<'a> {
    pub(super) user: Text<'a>,
    pub(super) ts: Text<'a>,
}

/// A file of a message.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct RawFile<'a> {
    pub(super) name: Text<'a>,
    pub(super) title: Text<'a>,
    pub(super) mimetype: Text<'a>,
    pub(super) mode: Text<'a>,
    pub(super) size: Text<'a>,
    pub(super) permalink: Text<'a>,
    pub(super) url_private: Text<'a>,
}

/// An attachment of a message: a card of the old kind.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct RawAttachment<'a> {
    pub(super) pretext: Text<'a>,
    pub(super) title: Text<'a>,
    pub(super) title_link: Text<'a>,
    pub(super) text: Text<'a>,
    pub(super) fallback: Text<'a>,
    pub(super) from_url: Text<'a>,
    pub(super) image_url: Text<'a>,
}

/// A user, `user_profile` and `bot_profile` included.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct RawUser<'a> {
    pub(super) id: Text<'a>,
    pub(super) name: Text<'a>,
    pub(super) real_name: Text<'a>,
    pub(super) display_name: Text<'a>,
    pub(super) deleted: Flag,
    pub(super) is_bot: Flag,
    pub(super) profile: Later<'a>,
}

/// `profile` of a user.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct RawProfile<'a> {
    pub(super) real_name: Text<'a>,
    pub(super) display_name: Text<'a>,
    pub(super) email: Text<'a>,
    pub(super) title: Text<'a>,
    pub(super) bot_id: Text<'a>,
}

/// A conversation.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct RawChannel<'a> {
    pub(super) id: Text<'a>,
    pub(super) name: Text<'a>,
    pub(super) created: Text<'a>,
    pub(super) creator: Text<'a>,
    pub(super) is_archived: Flag,
    pub(super) is_general: Flag,
    pub(super) members: Later<'a>,
    pub(super) topic: Later<'a>,
    pub(super) purpose: Later<'a>,
}

/// `topic` and `purpose`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct RawValueText<'a> {
    pub(super) value: Text<'a>,
}

/// Walks a JSON list without building it; stops early, without an error, if `each` answers false.
///
/// # Errors
/// The text is no JSON list. The elements before the fault were given.
pub(super) fn each_element<'a>(
    json: &'a str,
    each: impl FnMut(&'a RawValue) -> bool,
) -> Result<(), serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let mut is_stopped = false;
    let walk = Walk { each, is_stopped: &mut is_stopped };
    let result = deserializer.deserialize_seq(walk).and_then(|()| deserializer.end());
    if is_stopped { Ok(()) } else { result }
}

struct Walk<'s, F> {
    each: F,
    is_stopped: &'s mut bool,
}

impl<'de, F: FnMut(&'de RawValue) -> bool> Visitor<'de> for Walk<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        while let Some(element) = seq.next_element::<&'de RawValue>()? {
            if !(self.each)(element) {
                *self.is_stopped = true;
                return Err(A::Error::custom("stopped"));
            }
        }
        Ok(())
    }
}
