//! A socket whose reads network filters see before the filter that ends the chain does.
//!
//! Owns: showing each read to the filters, and holding or ending the connection as they say. Does not own: what they say
//! (`filters::network::read_filters`). Chains without such filters have plain sockets.

use std::fmt::Debug;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::ReadBuf;
use tokio::time::Sleep;

use super::TransportSocket;

/// What is done with a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadVerdict {
    /// It goes on.
    Continue,
    /// The connection is closed.
    Close,
    /// The connection is closed when this time has passed; nothing is read meanwhile.
    CloseAfter(Duration),
}

/// Who sees the reads.
pub trait OnData: Debug {
    /// Bytes have come, or with none the client's end.
    fn on_data(&self, count: usize) -> ReadVerdict;
}

/// A socket with those who see its reads.
#[derive(Debug)]
pub struct FilteredSocket {
    /// The socket.
    pub inner: TransportSocket,
    filters: Rc<dyn OnData>,
    closing: Option<Pin<Box<Sleep>>>,
}

impl FilteredSocket {
    /// From the next read on, `filters` see what comes.
    #[must_use]
    pub fn new(inner: TransportSocket, filters: Rc<dyn OnData>) -> Self {
        FilteredSocket { inner, filters, closing: None }
    }

    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.closing.is_none() {
            let before = into.filled().len();
            ready!(self.inner.poll_read(cx, into))?;
            match self.filters.on_data(into.filled().len().saturating_sub(before)) {
                ReadVerdict::Continue => return Poll::Ready(Ok(())),
                ReadVerdict::Close => {
                    into.set_filled(before);
                    return Poll::Ready(Err(closed()));
                }
                ReadVerdict::CloseAfter(delay) => {
                    into.set_filled(before);
                    self.closing = Some(Box::pin(tokio::time::sleep(delay)));
                }
            }
        }
        if let Some(closing) = &mut self.closing {
            ready!(closing.as_mut().poll(cx));
        }
        Poll::Ready(Err(closed()))
    }
}

/// Told apart from all errors of sockets.
fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, "closed by a network filter")
}
