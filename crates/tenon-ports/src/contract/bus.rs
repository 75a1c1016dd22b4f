//! Laws of the `Bus` door.

use std::sync::Arc;

use bytes::Bytes;
use tenon_base::Retry;

use super::{block_on, poll_once};
use crate::bus::MESSAGE_BYTES_MAX;
use crate::{Bus, BusError};

/// How the suite opens a bus. Each law gets a fresh one.
pub trait BusHarness {
    /// Opens it.
    fn open(&mut self) -> Arc<dyn Bus>;
}

const fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

/// B1, B4: each listener hears each message once, in order; one that is slow loses its own and holds up nobody.
pub fn messages_arrive_at_most_once(harness: &mut dyn BusHarness) {
    let bus = harness.open();
    bus.publish("tips/1", bytes("to nobody")).unwrap();
    let mut quick = Arc::clone(&bus).subscribe("tips/1", 8).unwrap();
    let mut slow = Arc::clone(&bus).subscribe("tips/1", 1).unwrap();
    let mut other = Arc::clone(&bus).subscribe("tips/2", 8).unwrap();
    for text in ["a", "b", "c"] {
        bus.publish("tips/1", bytes(text)).unwrap();
    }
    for text in ["a", "b", "c"] {
        assert_eq!(block_on(quick.next()).unwrap(), text);
    }
    assert!(!poll_once(quick.next()));
    assert_eq!(block_on(slow.next()).unwrap(), "a");
    assert!(!poll_once(slow.next()), "what did not fit is lost");
    assert!(!poll_once(other.next()));
}

/// B2, B5: a request to nobody is refused at once; a subject has one server, and is free when it goes.
pub fn one_serves_a_subject(harness: &mut dyn BusHarness) {
    let bus = harness.open();
    let nobody = block_on(bus.request("room/1", bytes("?"))).unwrap_err();
    assert_eq!((nobody.clone(), nobody.retry()), (BusError::Nobody, Retry::Safe));
    let first = Arc::clone(&bus).serve("room/1", 1).unwrap();
    assert_eq!(Arc::clone(&bus).serve("room/1", 1).err(), Some(BusError::Taken));
    drop(first);
    assert_eq!(block_on(bus.request("room/1", bytes("?"))), Err(BusError::Nobody));
    let mut second = Arc::clone(&bus).serve("room/1", 1).unwrap();
    let asked = std::thread::spawn({
        let bus = Arc::clone(&bus);
        move || block_on(bus.request("room/1", bytes("question")))
    });
    let request = block_on(second.next()).unwrap();
    assert_eq!(request.payload(), "question");
    request.answer(bytes("answer"));
    assert_eq!(asked.join().unwrap(), Ok(bytes("answer")));
}

/// B3: whoever waits for a server that goes away is told; a full server refuses.
pub fn a_server_that_goes_is_told(harness: &mut dyn BusHarness) {
    let bus = harness.open();
    let mut server = Arc::clone(&bus).serve("room/1", 1).unwrap();
    let asked = std::thread::spawn({
        let bus = Arc::clone(&bus);
        move || block_on(bus.request("room/1", bytes("first")))
    });
    let request = block_on(server.next()).unwrap();
    assert!(!poll_once(bus.request("room/1", bytes("second"))), "it waits in the queue");
    let busy = block_on(bus.request("room/1", bytes("third"))).unwrap_err();
    assert_eq!((busy.clone(), busy.retry()), (BusError::Busy, Retry::Safe));
    drop((request, server));
    let gone = asked.join().unwrap().unwrap_err();
    assert_eq!((gone.clone(), gone.retry()), (BusError::Unanswered, Retry::Unknown));
}

/// What is too large or has no subject is refused.
pub fn bad_messages_are_refused(harness: &mut dyn BusHarness) {
    let bus = harness.open();
    let large = Bytes::from(vec![0; MESSAGE_BYTES_MAX + 1]);
    assert_eq!(bus.publish("x", large.clone()), Err(BusError::Bad));
    assert_eq!(block_on(bus.request("x", large)), Err(BusError::Bad));
    assert_eq!(bus.publish("", bytes("x")), Err(BusError::Bad));
    assert_eq!(Arc::clone(&bus).serve("", 1).err(), Some(BusError::Bad));
    assert_eq!(Arc::clone(&bus).subscribe("", 1).err(), Some(BusError::Bad));
}

/// Runs the suite: `bus_contract!(name, harness)`.
#[macro_export]
macro_rules! bus_contract {
    ($name:ident, $harness:expr) => {
        mod $name {
            use super::*;
            use $crate::contract::bus as law;

            #[test]
            fn messages_arrive_at_most_once() {
                law::messages_arrive_at_most_once(&mut $harness);
            }
            #[test]
            fn one_serves_a_subject() {
                law::one_serves_a_subject(&mut $harness);
            }
            #[test]
            fn a_server_that_goes_is_told() {
                law::a_server_that_goes_is_told(&mut $harness);
            }
            #[test]
            fn bad_messages_are_refused() {
                law::bad_messages_are_refused(&mut $harness);
            }
        }
    };
}
