//! What a network filter tells of a connection whose bytes it saw, and how it has ended it.
//!
//! Owns the notes that the filter leaves and the connection finds. Does not decide anything
//! (`filters::network::read_filters`).

use std::cell::RefCell;

use super::DynamicMetadata;

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

/// Where the filter leaves its notes.
#[derive(Debug, Default)]
pub struct FilterCloseNote {
    close: RefCell<Option<FilterClose>>,
    metadata: RefCell<DynamicMetadata>,
}

impl FilterCloseNote {
    /// Leaves the note.
    pub fn leave(&self, close: FilterClose) {
        self.close.replace(Some(close));
    }

    /// Takes the note, if there is one.
    pub fn take(&self) -> Option<FilterClose> {
        self.close.take()
    }

    /// Lets a filter say something of the connection.
    pub fn tell<R>(&self, tell: impl FnOnce(&mut DynamicMetadata) -> R) -> R {
        tell(&mut self.metadata.borrow_mut())
    }

    /// Takes what filters have said since.
    pub fn take_metadata(&self) -> DynamicMetadata {
        self.metadata.take()
    }
}
