//! One input through one target, and whether a law broke.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use tenon_base::Clock;

use crate::meter::Meter;
use crate::target::Target;

/// An input that takes longer has hung a server that serves others.
pub const TIME_MAX: Duration = Duration::from_secs(1);

/// Which law broke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// A panic, with its words.
    Panic(String),
    /// Longer than [`TIME_MAX`].
    Time(Duration),
    /// More bytes alive at once than allowed.
    Memory {
        /// Alive.
        bytes: usize,
        /// Allowed.
        max: usize,
    },
}

impl Failure {
    /// True if both broke the same law: while an input is made smaller, its measure may change.
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Panic(a), Self::Panic(b)) => place(a) == place(b),
            (Self::Time(_), Self::Time(_)) | (Self::Memory { .. }, Self::Memory { .. }) => true,
            _ => false,
        }
    }
}

/// A panic's words without the numbers in them.
fn place(words: &str) -> String {
    words.chars().filter(|c| !c.is_ascii_digit()).take(120).collect()
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panic(words) => write!(f, "panic: {words}"),
            Self::Time(took) => write!(f, "took {took:?}, {TIME_MAX:?} allowed"),
            Self::Memory { bytes, max } => write!(f, "{bytes} bytes alive, {max} allowed"),
        }
    }
}

/// What one input cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The law that broke, if one did.
    pub failure: Option<Failure>,
    /// Most bytes alive at once; zero unless [`Meter`] is the allocator.
    pub peak_bytes: usize,
    /// How long it took.
    pub took: Duration,
}

/// Runs one input.
pub fn try_input(target: &Target, input: &[u8], clock: &dyn Clock) -> Attempt {
    let begun = clock.monotonic();
    Meter::start();
    let result = IS_TRYING.with(|is_trying| {
        is_trying.set(true);
        let result = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
        is_trying.set(false);
        result
    });
    let peak_bytes = Meter::peak();
    let took = clock.monotonic().since(begun);
    let max = input.len().saturating_mul(target.memory_factor) + target.memory_slack;
    let failure = match result {
        Err(cause) => Some(Failure::Panic(words_of(cause.as_ref()))),
        Ok(()) if peak_bytes > max => Some(Failure::Memory { bytes: peak_bytes, max }),
        Ok(()) if took > TIME_MAX => Some(Failure::Time(took)),
        Ok(()) => None,
    };
    Attempt { failure, peak_bytes, took }
}

thread_local! {
    static IS_TRYING: Cell<bool> = const { Cell::new(false) };
}

/// Makes panics inside [`try_input`] say nothing of their own; all others are told as before. Call it once.
pub fn quiet_panics() {
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !IS_TRYING.with(Cell::get) {
            told(info);
        }
    }));
}

fn words_of(cause: &(dyn Any + Send)) -> String {
    let text = cause.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| cause.downcast_ref::<&str>().copied());
    text.unwrap_or("without words").to_owned()
}
