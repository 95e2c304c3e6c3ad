//! Cuts received bytes into lines that end in CR LF.
//!
//! Owns: how far the bytes have been searched, so that a head that drips in is searched once.
//! Does not own: what a line says.
//! Follows: RFC 9112 section 2.2, without its leave to accept LF alone.

use crate::error::ErrorKind;

/// A position in the bytes of one head. All calls for one head get the bytes from its first on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lines {
    line_start: usize,
    searched: usize,
}

impl Lines {
    /// The next whole line with its CR LF, or none when more bytes are needed.
    #[inline]
    pub(crate) fn next<'a>(&mut self, input: &'a [u8], limit: usize) -> Result<Option<&'a [u8]>, ErrorKind> {
        let unsearched = input.get(self.searched..).unwrap_or_default();
        let Some(at) = memchr::memchr(b'\n', unsearched) else {
            self.searched = input.len().max(self.searched);
            return if self.searched > limit { Err(ErrorKind::HeadersTooLarge) } else { Ok(None) };
        };
        let end = self.searched + at + 1;
        if end > limit {
            return Err(ErrorKind::HeadersTooLarge);
        }
        let line = input.get(self.line_start..end).unwrap_or_default();
        self.line_start = end;
        self.searched = end;
        match line {
            [.., b'\r', b'\n'] => Ok(Some(line)),
            _ => Err(ErrorKind::BareLf),
        }
    }

    /// The bytes from the next line on, unless some of them have been searched in vain.
    #[inline]
    pub(crate) fn unsearched<'a>(&self, input: &'a [u8]) -> &'a [u8] {
        if self.searched > self.line_start { &[] } else { input.get(self.line_start..).unwrap_or_default() }
    }

    /// Passes over a line that the caller has found to be whole; answers whether it is within the limit.
    #[inline]
    pub(crate) fn pass(&mut self, length: usize, limit: usize) -> bool {
        let end = self.line_start + length;
        if end > limit {
            return false;
        }
        self.line_start = end;
        self.searched = end;
        true
    }

    /// The same place for a caller that drops the lines so far and passes the rest next time.
    pub(crate) fn rebased(&self) -> Lines {
        Lines { line_start: 0, searched: self.searched - self.line_start }
    }

    /// The number of bytes in the lines so far.
    pub(crate) fn consumed(&self) -> usize {
        self.line_start
    }
}
