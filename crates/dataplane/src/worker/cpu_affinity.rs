//! Keeping each worker on a CPU of its own.
//!
//! Owns: which worker gets which CPU. Does not own: how many workers there are. Follows: Envoy's
//! `bootstrap.enable_worker_cpu_affinity`. With more workers than CPUs none is kept anywhere.

use crate::application_log::{self, Component, Level};

/// Keeps this thread, which is the worker of this index, on one of the CPUs that the process may use.
pub(super) fn pin(index: usize, workers: usize) {
    let allowed = allowed();
    if workers > allowed.len() {
        return;
    }
    let Some(cpu) = allowed.get(index) else { return };
    if !set(*cpu) {
        let text = format!("worker {index} cannot be kept on CPU {cpu}");
        application_log::write(Component::Main, Level::Warning, text);
    }
}

/// The CPUs that this thread may run on.
fn allowed() -> Vec<usize> {
    // SAFETY: a set of bits; all zeroes is the empty one.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is writable for the size that is passed; 0 is this thread.
    let failed = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) } != 0;
    let highest = usize::try_from(libc::CPU_SETSIZE).unwrap_or_default();
    // SAFETY: the index is below the size of the set.
    (0..highest).filter(|cpu| !failed && unsafe { libc::CPU_ISSET(*cpu, &set) }).collect()
}

fn set(cpu: usize) -> bool {
    // SAFETY: a set of bits; all zeroes is the empty one.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the index is one that the system has named, so below the size of the set.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: the set is readable for the size that is passed; 0 is this thread.
    unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_stays_where_it_was_put() {
        std::thread::spawn(|| {
            let before = allowed();
            pin(0, before.len() + 1);
            assert_eq!(allowed(), before, "with more workers than CPUs");
            pin(before.len() - 1, before.len());
            assert_eq!(allowed(), before[before.len() - 1..]);
        })
        .join()
        .expect("a thread that ends");
    }
}
