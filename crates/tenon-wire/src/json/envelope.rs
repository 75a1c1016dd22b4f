//! Frames as envelopes and back.

use bytes::BytesMut;

use super::JsonError;
use crate::bounds::Bounded;
use crate::frame::{Comp, Frame, FrameError, FrameHeader, encode_message};
use crate::kind;
use crate::v1::Envelope;
use crate::v1::envelope::Frame as Arm;

macro_rules! arms {
    ($($number:ident $arm:ident)*) => {
        /// The envelope of a plain frame; lists are judged as in the binary form.
        ///
        /// # Errors
        /// [`JsonError::Decode`] if the payload is no message of its kind, [`JsonError::Frame`] if it is compressed.
        pub fn envelope_of(frame: &Frame) -> Result<Envelope, JsonError> {
            if frame.comp != Comp::None {
                return Err(JsonError::Frame(FrameError::BadCompression));
            }
            let payload = frame.payload.clone();
            let arm = match frame.kind {
                $(kind::$number => Arm::$arm(Bounded::decode_bounded(payload)?),)*
                other => return Err(JsonError::Frame(FrameError::UnknownKind(other))),
            };
            Ok(Envelope { id: frame.id, last: frame.last, frame: Some(arm) })
        }

        /// Appends the envelope as a frame. Only a response may be a piece; of others `last` is not asked.
        ///
        /// # Errors
        /// [`JsonError::Empty`] if no arm is set or known, [`JsonError::Frame`] if the message is too large.
        pub fn put_envelope(out: &mut BytesMut, envelope: &Envelope) -> Result<(), JsonError> {
            let id = envelope.id;
            match &envelope.frame {
                $(Some(Arm::$arm(message)) => {
                    let mut header = FrameHeader::new(kind::$number, id);
                    header.last = kind::$number != kind::RESPONSE || envelope.last;
                    Ok(encode_message(out, header, message)?)
                })*
                None => Err(JsonError::Empty),
            }
        }
    };
}

arms! {
    HELLO Hello HELLO_ACK HelloAck GO_AWAY GoAway PING Ping PONG Pong CLOSE Close NET_HINT NetHint WATCH Watch
    SEND Send SEND_ACK SendAck OP Op OP_ACK OpAck READ_MARKS ReadMarks READ_MARKS_ACK ReadMarksAck
    EVENT_BATCH EventBatch ACK Ack REBASE Rebase SUBSCRIBE Subscribe UNIT_STATE UnitState CONV_TIPS ConvTips
    CONV_PUSH ConvPush EPHEMERAL Ephemeral DEVICE_BATCH DeviceBatch
    REQUEST Request RESPONSE Response CANCEL Cancel ERROR Error
}
