//! The signals that are the proxy's while it runs.
//!
//! Owns: which they are, and that the program has its own handlers back afterwards. Does not own: what they mean
//! (`control`).
//! Follows Envoy's page "Command line options" (SIGTERM, SIGUSR1) and sigaction(2).

use std::io;
use std::sync::{Mutex, PoisonError};

use libc::c_int;
use tokio::signal::unix::{Signal, SignalKind, signal};

const ALL: [c_int; 4] = [libc::SIGTERM, libc::SIGINT, libc::SIGUSR1, libc::SIGHUP];

/// The signals that it takes. A signal that nobody takes stays what it was.
pub(super) struct Signals {
    pub(super) terminate: Signal,
    pub(super) interrupt: Signal,
    pub(super) reopen: Signal,
    pub(super) hang_up: Signal,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            reopen: signal(SignalKind::user_defined1())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }
}

/// tokio's handlers, while no proxy runs: it installs them once a process and never takes them away.
static HANDLERS_OF_TOKIO: Mutex<Vec<(c_int, libc::sigaction)>> = Mutex::new(Vec::new());

/// The program's own handlers, to be made before the proxy's are; dropping it puts them back.
pub(crate) struct FormerHandlers(Vec<(c_int, libc::sigaction)>);

impl FormerHandlers {
    /// Remembers them, and puts those of a proxy that has run before in their place.
    pub(crate) fn remember() -> Self {
        let former = ALL.into_iter().filter_map(|signal| Some((signal, exchange(signal, None)?)));
        let this = FormerHandlers(former.collect());
        for (signal, handler) in kept().drain(..) {
            exchange(signal, Some(&handler));
        }
        this
    }
}

impl Drop for FormerHandlers {
    fn drop(&mut self) {
        let replaced = self.0.iter().filter_map(|(signal, handler)| {
            let of_tokio = exchange(*signal, Some(handler))?;
            // Where tokio has none yet, the same handler came back.
            (of_tokio.sa_sigaction != handler.sa_sigaction).then_some((*signal, of_tokio))
        });
        kept().extend(replaced);
    }
}

impl std::fmt::Debug for FormerHandlers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FormerHandlers")
    }
}

fn kept() -> std::sync::MutexGuard<'static, Vec<(c_int, libc::sigaction)>> {
    HANDLERS_OF_TOKIO.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Installs a handler, if one is given. Answers the one that was there.
fn exchange(signal: c_int, handler: Option<&libc::sigaction>) -> Option<libc::sigaction> {
    let mut former = std::mem::MaybeUninit::uninit();
    let handler = handler.map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: both pointers are to what the call asks for or null; what is installed was a handler of this process before.
    let answer = unsafe { libc::sigaction(signal, handler, former.as_mut_ptr()) };
    // SAFETY: a call that answers 0 has written it.
    (answer == 0).then(|| unsafe { former.assume_init() })
}
