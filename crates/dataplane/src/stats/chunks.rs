//! The body of a page, given away piece by piece.
//!
//! Owns the buffer and its size, so that a page of a hundred megabytes needs the memory of two pieces. Whoever reads
//! may stop at any time.

/// The reader is gone; there is no use in going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped;

/// Bytes in a piece, about.
const PIECE: usize = 64 * 1024;

type Send<'a> = Box<dyn FnMut(Vec<u8>) -> Result<(), Stopped> + 'a>;

/// Takes a page and gives it to a function in pieces.
pub struct Chunks<'a> {
    /// What was written and not yet given away.
    pub buffer: Vec<u8>,
    send: Send<'a>,
}

impl<'a> Chunks<'a> {
    /// `send` takes a piece, waits while the reader is slow, and says when it is gone.
    pub fn new(send: impl FnMut(Vec<u8>) -> Result<(), Stopped> + 'a) -> Self {
        Self { buffer: Vec::with_capacity(PIECE + PIECE / 8), send: Box::new(send) }
    }

    /// Says that the page may be cut here.
    ///
    /// # Errors
    /// The reader is gone.
    #[inline]
    pub fn cut(&mut self) -> Result<(), Stopped> {
        if self.buffer.len() < PIECE { Ok(()) } else { self.give() }
    }

    fn give(&mut self) -> Result<(), Stopped> {
        let piece = std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE + PIECE / 8));
        (self.send)(piece)
    }

    /// Gives away the rest.
    ///
    /// # Errors
    /// The reader is gone.
    pub fn finish(mut self) -> Result<(), Stopped> {
        if self.buffer.is_empty() { Ok(()) } else { self.give() }
    }
}
