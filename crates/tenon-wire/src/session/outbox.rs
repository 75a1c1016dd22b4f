//! Frames that wait for the socket, by priority.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use prost::Message;

use crate::frame::{FrameError, FrameHeader, encode_frame, encode_message};

/// Above this, lossy frames are dropped and the link should stop reading from sync.
pub const WRITER_BYTES_MAX: usize = 64 * 1024;

/// One queue per priority; within one, frames leave in the order they came.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    lanes: [Lane; 4],
    queued: usize,
}

#[derive(Debug, Default)]
struct Lane {
    bytes: BytesMut,
    frames: VecDeque<usize>,
}

impl Outbox {
    pub(super) const fn queued(&self) -> usize {
        self.queued
    }

    pub(super) fn push<M: Message>(
        &mut self,
        header: FrameHeader,
        message: &M,
    ) -> Result<(), FrameError> {
        self.push_with(header, |bytes| encode_message(bytes, header, message))
    }

    pub(super) fn push_payload(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
    ) -> Result<(), FrameError> {
        self.push_with(header, |bytes| encode_frame(bytes, header, payload))
    }

    fn push_with(
        &mut self,
        header: FrameHeader,
        encode: impl FnOnce(&mut BytesMut) -> Result<(), FrameError>,
    ) -> Result<(), FrameError> {
        let lane = &mut self.lanes[header.prio as usize];
        let before = lane.bytes.len();
        encode(&mut lane.bytes)?;
        let len = lane.bytes.len() - before;
        lane.frames.push_back(len);
        self.queued += len;
        Ok(())
    }

    /// Whole frames of the lowest waiting priority: one, and more while they fit `bytes_max` together.
    pub(super) fn pop(&mut self, bytes_max: usize) -> Option<Bytes> {
        let lane = self.lanes.iter_mut().find(|lane| !lane.frames.is_empty())?;
        let mut len = lane.frames.pop_front()?;
        while let Some(&next) = lane.frames.front() {
            if len + next > bytes_max {
                break;
            }
            len += next;
            lane.frames.pop_front();
        }
        self.queued -= len;
        let bytes = lane.bytes.split_to(len).freeze();
        if lane.frames.is_empty() {
            lane.bytes = BytesMut::new();
        }
        Some(bytes)
    }

    /// Forgets everything but control frames: what a closing link still says.
    pub(super) fn keep_control(&mut self) {
        for lane in &mut self.lanes[1..] {
            *lane = Lane::default();
        }
        self.queued = self.lanes[0].bytes.len();
    }
}
