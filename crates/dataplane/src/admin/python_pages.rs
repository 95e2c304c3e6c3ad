//! The pages that Python answers, and the way there and back.
//!
//! Owns the list of such pages, the bound on how many requests wait at once, and the deadline. Does not own the queue
//! on which Python waits (the proxy's `next_event`): that is behind the `submit` function.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;

/// How long Python has for a page.
pub const DEADLINE: Duration = Duration::from_secs(5);
/// How long it has to begin with a page that can be answered without it.
pub const PATIENCE: Duration = Duration::from_millis(500);
/// How many requests may wait for Python at once.
pub const MAX_WAITING: usize = 16;

/// A page of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonPage {
    /// The path, with its slash.
    pub path: String,
    /// Whether it must be asked for with POST.
    pub post: bool,
    /// What `/help` says: the first line describes the page; each further one is a parameter, `name: description`.
    pub help: String,
}

/// What Python answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonReply {
    /// The HTTP status.
    pub status: u16,
    /// The `content-type`.
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
}

/// A request on its way to Python.
#[derive(Debug)]
pub struct PythonRequest {
    /// The method.
    pub method: String,
    /// The path without the query.
    pub path: String,
    /// The query without its question mark; percent-encoded.
    pub query: String,
    /// The body.
    pub body: Vec<u8>,
    reply: oneshot::Sender<PythonReply>,
    begun: Arc<AtomicBool>,
    _waiting: Waiting,
}

impl PythonRequest {
    /// Tells that Python has it and is at work.
    pub fn begin(&self) {
        self.begun.store(true, Ordering::Relaxed);
    }

    /// Answers. An answer that comes after the deadline goes nowhere.
    pub fn reply(self, reply: PythonReply) {
        // The client got its 504 and is gone.
        drop(self.reply.send(reply));
    }
}

/// Holds one of the places in the queue.
#[derive(Debug)]
struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Why there is no answer of Python's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoReply {
    /// `MAX_WAITING` requests wait already.
    Busy,
    /// The deadline passed, or Python had not begun when it should have.
    Late,
    /// Python ended, or dropped the request.
    Gone,
}

type Submit = Box<dyn Fn(PythonRequest) + Send + Sync>;

/// The pages, and how a request gets to Python.
pub struct PythonPages {
    pages: Vec<PythonPage>,
    waiting: Arc<AtomicUsize>,
    submit: Submit,
}

impl std::fmt::Debug for PythonPages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PythonPages").field("pages", &self.pages).finish_non_exhaustive()
    }
}

impl PythonPages {
    /// `submit` hands a request to the thread that Python waits on; it must not block. To drop it is to answer 503.
    pub fn new(pages: Vec<PythonPage>, submit: impl Fn(PythonRequest) + Send + Sync + 'static) -> Self {
        Self { pages, waiting: Arc::default(), submit: Box::new(submit) }
    }

    /// The pages, in no particular order.
    pub fn pages(&self) -> &[PythonPage] {
        &self.pages
    }

    /// Asks Python, which must have begun after `patience` and have answered at the deadline.
    ///
    /// # Errors
    /// Why it did not answer.
    pub async fn ask(
        &self,
        method: &str,
        path: &str,
        query: &str,
        body: Vec<u8>,
        patience: Duration,
    ) -> Result<PythonReply, NoReply> {
        // Requests that Python has not taken yet count even when their client got its 504.
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= MAX_WAITING {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(NoReply::Busy);
        }
        let (reply, mut answer) = oneshot::channel();
        let begun = Arc::new(AtomicBool::new(false));
        (self.submit)(PythonRequest {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            body,
            reply,
            begun: Arc::clone(&begun),
            _waiting: Waiting(Arc::clone(&self.waiting)),
        });
        let mut answered = tokio::time::timeout(patience, &mut answer).await;
        if answered.is_err() && begun.load(Ordering::Relaxed) {
            answered = tokio::time::timeout(DEADLINE.saturating_sub(patience), answer).await;
        }
        match answered {
            Err(_) => Err(NoReply::Late),
            Ok(Err(_)) => Err(NoReply::Gone),
            Ok(Ok(reply)) => Ok(reply),
        }
    }
}
