//! What waits to be sent.
//!
//! Owns: the bytes of all frames in one buffer, and how many frames they are. Does not own: the limits on them, nor the
//! socket.
//! Follows: Envoy's `max_outbound_frames` and `max_outbound_control_frames`.

use std::collections::VecDeque;

use super::frame;

/// How many bytes are counted together: a frame counts as sent once these are.
const GROUP: usize = 4 * 1024;
/// Where in a frame its flags are.
const FLAGS_AT: usize = 4;
/// How much memory is kept when nothing waits.
const KEPT_CAPACITY: usize = 32 * 1024;

/// The frames of one connection that wait.
#[derive(Debug, Default)]
pub(crate) struct Outbound {
    bytes: Vec<u8>,
    /// How many of the bytes have gone out.
    sent: usize,
    frames: u32,
    control_frames: u32,
    groups: VecDeque<Group>,
    /// Where the last frame begins, if that has data, and whose they are.
    last_data: Option<(usize, u32)>,
}

/// Frames that lie side by side.
#[derive(Clone, Copy, Debug)]
struct Group {
    /// Where the first begins in the bytes.
    start: usize,
    frames: u32,
    control_frames: u32,
}

impl Outbound {
    /// The bytes that wait.
    #[inline]
    pub(crate) fn pending(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// How many frames wait, about.
    #[inline]
    pub(crate) fn frames(&self) -> u32 {
        self.frames
    }

    /// How many of them are control frames.
    #[inline]
    pub(crate) fn control_frames(&self) -> u32 {
        self.control_frames
    }

    /// Room for a frame, counted as one.
    #[inline]
    pub(crate) fn frame(&mut self) -> &mut Vec<u8> {
        self.begin(0)
    }

    /// Room for a control frame, counted as one.
    #[inline]
    pub(crate) fn control_frame(&mut self) -> &mut Vec<u8> {
        self.begin(1)
    }

    /// Room for a frame with data of this stream, counted as one.
    #[inline]
    pub(crate) fn data_frame(&mut self, stream: u32) -> &mut Vec<u8> {
        let start = self.bytes.len();
        self.begin(0);
        self.last_data = Some((start, stream));
        &mut self.bytes
    }

    /// Ends a stream with its data, where these are the last that was queued and wait as a whole. Answers whether it did.
    pub(crate) fn end_with_last_data(&mut self, stream: u32) -> bool {
        let Some((start, _)) = self.last_data.filter(|&(start, of)| of == stream && start >= self.sent)
        else {
            return false;
        };
        let Some(flags) = self.bytes.get_mut(start + FLAGS_AT) else { return false };
        *flags |= frame::END_STREAM;
        self.last_data = None;
        true
    }

    #[inline]
    fn begin(&mut self, control_frames: u32) -> &mut Vec<u8> {
        self.frames += 1;
        self.control_frames += control_frames;
        self.last_data = None;
        let start = self.bytes.len();
        match self.groups.back_mut() {
            Some(group) if start - group.start < GROUP => {
                group.frames += 1;
                group.control_frames += control_frames;
            }
            _ => self.groups.push_back(Group { start, frames: 1, control_frames }),
        }
        &mut self.bytes
    }

    /// Takes account of bytes that have gone out.
    pub(crate) fn mark_sent(&mut self, count: usize) {
        self.sent += count.min(self.len());
        if self.sent == self.bytes.len() {
            self.bytes.clear();
            self.bytes.shrink_to(KEPT_CAPACITY);
            self.groups.clear();
            self.last_data = None;
            (self.sent, self.frames, self.control_frames) = (0, 0, 0);
            return;
        }
        while self.groups.get(1).is_some_and(|next| next.start <= self.sent) {
            let Some(group) = self.groups.pop_front() else { break };
            self.frames -= group.frames;
            self.control_frames -= group.control_frames;
        }
        // What has gone out is dropped once it outweighs what waits.
        if self.sent > self.len() {
            self.bytes.drain(..self.sent);
            self.last_data =
                self.last_data.and_then(|(start, stream)| Some((start.checked_sub(self.sent)?, stream)));
            for group in &mut self.groups {
                group.start = group.start.saturating_sub(self.sent);
            }
            self.sent = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(out: &mut Outbound, stream: u32) {
        out.data_frame(stream).extend_from_slice(&[0, 0, 1, 0, 0, 0, 0, 0, 7, 7]);
    }

    #[test]
    fn data_that_waits_can_still_end_its_stream() {
        let mut out = Outbound::default();
        data(&mut out, 7);
        assert!(!out.end_with_last_data(9));
        assert!(out.end_with_last_data(7));
        assert_eq!(out.pending(), [0, 0, 1, 0, 1, 0, 0, 0, 7, 7]);
        assert!(!out.end_with_last_data(7), "it has ended");
        data(&mut out, 7);
        out.control_frame().extend_from_slice(&[2; 13]);
        assert!(!out.end_with_last_data(7), "something was queued behind it");
        data(&mut out, 7);
        out.mark_sent(34);
        assert!(!out.end_with_last_data(7), "some of it has gone out");
        data(&mut out, 7);
        out.mark_sent(9);
        assert!(out.end_with_last_data(7));
        assert_eq!(out.pending(), [0, 0, 1, 0, 1, 0, 0, 0, 7, 7]);
        out.mark_sent(10);
        assert!(!out.end_with_last_data(7), "all has gone out");
    }

    #[test]
    fn frames_are_counted_until_they_are_sent() {
        let mut out = Outbound::default();
        for _ in 0..1000 {
            out.control_frame().extend_from_slice(&[1; 17]);
        }
        out.frame().extend_from_slice(&[2; 20_000]);
        assert_eq!((out.frames(), out.control_frames(), out.len()), (1001, 1000, 37_000));
        out.mark_sent(1000);
        assert_eq!((out.frames(), out.len()), (1001, 36_000));
        out.mark_sent(17_000);
        assert!(out.frames() < 250 && out.control_frames() < 250, "{}", out.frames());
        assert!(out.pending().iter().all(|&byte| byte == 2));
        out.mark_sent(10_000);
        assert_eq!((out.frames(), out.len()), (out.control_frames() + 1, 9_000));
        out.mark_sent(usize::MAX);
        assert_eq!((out.frames(), out.control_frames(), out.len()), (0, 0, 0));
    }
}
