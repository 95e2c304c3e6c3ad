//! How a network filter has ended a connection whose bytes it saw.
//!
//! Owns the note that the filter leaves and the connection finds. Does not decide anything
//! (`filters::network::read_filters`).

use std::cell::RefCell;

/// What is to be told of the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterClose {
    /// `%CONNECTION_TERMINATION_DETAILS%`
    pub termination_details: String,
    /// `%DOWNSTREAM_LOCAL_CLOSE_REASON%`
    pub reason: &'static str,
    /// Bytes of the read that the filter did not let pass.
    pub bytes: u64,
}

/// Where the filter leaves the note.
#[derive(Debug, Default)]
pub struct FilterCloseNote(RefCell<Option<FilterClose>>);

impl FilterCloseNote {
    /// Leaves the note.
    pub fn leave(&self, close: FilterClose) {
        self.0.replace(Some(close));
    }

    /// Takes the note, if there is one.
    pub fn take(&self) -> Option<FilterClose> {
        self.0.take()
    }
}
