//! Notices that files and symbolic links were replaced.
//!
//! Owns: the system's notices of names that are moved into a folder (inotify). Does not own: what is done then
//! (`runtime`, `transport_sockets/tls/reload.rs`, `format/file_content.rs`).
//! As Envoy, it takes notice of what is renamed over its predecessor: what is changed in place could be read half-way.
//! A folder or a file may be watched for that too, and is then noticed when whoever wrote a file closes it.

use std::collections::BTreeSet;
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use tokio::io::unix::AsyncFd;

/// The bytes of an event before its name: watch, mask, cookie, length of the name.
const EVENT_BYTES: usize = 16;

/// What is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Watched<'a> {
    /// The name itself; it needs not be there, but the folder that it is in.
    Link(&'a Path),
    /// The file itself, when it is written in place.
    File(&'a Path),
    /// All names in a folder; `modified`: also what is written in place.
    Folder { path: &'a Path, modified: bool },
}

/// A watch of the system's, what of it counts, and the name; none: any.
type Entry = (i32, u32, Option<OsString>);

/// All that is watched together.
#[derive(Debug)]
pub(crate) struct Watch {
    notices: OwnedFd,
    entries: Vec<Entry>,
}

impl Watch {
    /// Watches these.
    ///
    /// # Errors
    /// One line: which cannot be watched, and why.
    pub(crate) fn new<'p>(watched: impl Iterator<Item = Watched<'p>>) -> Result<Self, String> {
        // SAFETY: it takes no pointer.
        let descriptor = unsafe { libc::inotify_init1(libc::IN_NONBLOCK | libc::IN_CLOEXEC) };
        if descriptor < 0 {
            return Err(format!("cannot watch files: {}", io::Error::last_os_error()));
        }
        // SAFETY: the descriptor was just made and has no other owner.
        let notices = unsafe { OwnedFd::from_raw_fd(descriptor) };
        let entries = watched.map(|one| watch(&notices, one)).collect::<Result<_, _>>()?;
        Ok(Watch { notices, entries })
    }

    /// Calls `changed` with the numbers of those that were replaced, for as long as it is polled.
    pub(crate) async fn run(self, mut changed: impl FnMut(&BTreeSet<usize>)) -> io::Result<()> {
        // SAFETY: the descriptor is owned, so that it stays open and the same for as long as it is registered.
        let notices = unsafe { AsyncFd::register(self.notices) }?;
        let mut bytes = [0_u8; 4096];
        loop {
            let mut ready = notices.readable().await?;
            let read = ready.try_io(|notices| read(notices.get_ref(), &mut bytes));
            let Ok(length) = read else { continue };
            let events = events(bytes.get(..length?).unwrap_or_default());
            let fits = |(of, mask, name): &Entry| {
                events.iter().any(|event| {
                    let is_it = name.as_deref().is_none_or(|name| name == event.name);
                    event.watch == *of && event.mask & mask != 0 && is_it
                })
            };
            let numbers = self.entries.iter().enumerate().filter(|(_, entry)| fits(entry));
            let numbers: BTreeSet<usize> = numbers.map(|(number, _)| number).collect();
            if !numbers.is_empty() {
                changed(&numbers);
            }
        }
    }
}

fn watch(notices: &OwnedFd, watched: Watched<'_>) -> Result<Entry, String> {
    let (Watched::Link(path) | Watched::File(path) | Watched::Folder { path, .. }) = watched;
    let failed = |why: &dyn std::fmt::Display| format!("cannot watch {}: {why}", path.display());
    let (folder, mask, name) = match watched {
        Watched::Link(path) | Watched::File(path) => {
            let name = path.file_name().ok_or_else(|| failed(&"it is no path of a file"))?;
            let is_link = matches!(watched, Watched::Link(_));
            let mask = if is_link { libc::IN_MOVED_TO } else { libc::IN_CLOSE_WRITE };
            (path.parent().unwrap_or(Path::new("")), mask, Some(name.to_owned()))
        }
        Watched::Folder { path, modified: false } => (path, libc::IN_MOVED_TO, None),
        Watched::Folder { path, modified: true } => (path, libc::IN_MOVED_TO | libc::IN_CLOSE_WRITE, None),
    };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let folder = CString::new(folder.as_os_str().as_bytes()).map_err(|error| failed(&error))?;
    // A folder that is watched already stays watched for what it was.
    let added = mask | libc::IN_MASK_ADD | libc::IN_ONLYDIR;
    // SAFETY: the path is a string that ends with a zero and lives until the call returns.
    let watch = unsafe { libc::inotify_add_watch(notices.as_raw_fd(), folder.as_ptr(), added) };
    if watch < 0 { Err(failed(&io::Error::last_os_error())) } else { Ok((watch, mask, name)) }
}

fn read(notices: &OwnedFd, bytes: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the pointer and the length are those of one slice.
    let length = unsafe { libc::read(notices.as_raw_fd(), bytes.as_mut_ptr().cast(), bytes.len()) };
    usize::try_from(length).map_err(|_| io::Error::last_os_error())
}

struct Event<'b> {
    watch: i32,
    mask: u32,
    name: &'b OsStr,
}

fn events(mut bytes: &[u8]) -> Vec<Event<'_>> {
    let word = |bytes: &[u8], at: usize| {
        bytes.get(at..at + 4).and_then(|word| word.try_into().ok()).map(u32::from_ne_bytes)
    };
    let mut found = Vec::new();
    while let (Some(watch), Some(mask), Some(length)) = (word(bytes, 0), word(bytes, 4), word(bytes, 12)) {
        let Ok(length) = usize::try_from(length) else { break };
        let Some(name) = bytes.get(EVENT_BYTES..EVENT_BYTES + length) else { break };
        let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
        let name = OsStr::from_bytes(name.get(..end).unwrap_or_default());
        found.push(Event { watch: i32::from_ne_bytes(watch.to_ne_bytes()), mask, name });
        bytes = bytes.get(EVENT_BYTES + length..).unwrap_or_default();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::fs;
    use std::os::unix::fs::symlink;
    use tokio::runtime::Builder;

    #[test]
    fn what_is_replaced_is_noticed_and_nothing_else() {
        let folder = std::env::temp_dir().join(format!("ferryman-watch-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        for name in ["one", "two", "three"] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        let (link, two, three) = (folder.join("current"), folder.join("two"), folder.join("three"));
        let (written, moved) = (folder.join("one/written"), folder.join("two/link"));
        let watched = [
            Watched::Link(&link),
            Watched::Folder { path: &two, modified: false },
            Watched::Folder { path: &three, modified: false },
            Watched::Folder { path: &three, modified: true },
            Watched::File(&written),
            Watched::File(&moved),
        ];
        let watch = Watch::new(watched.into_iter()).unwrap();
        fs::write(&written, "1").unwrap();
        symlink("one", &link).unwrap();
        fs::write(folder.join("one/file"), "1").unwrap();
        fs::write(folder.join("two/file"), "1").unwrap();
        fs::write(folder.join("three/file"), "1").unwrap();
        symlink("one", folder.join("new")).unwrap();
        fs::rename(folder.join("new"), folder.join("other")).unwrap();
        symlink("one", folder.join("new")).unwrap();
        fs::rename(folder.join("new"), &link).unwrap();
        fs::rename(folder.join("other"), folder.join("two/link")).unwrap();
        let seen = RefCell::new(BTreeSet::new());
        Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let done = tokio::time::sleep(std::time::Duration::from_secs(10));
            let all = tokio::sync::Notify::new();
            let run = watch.run(|numbers| {
                seen.borrow_mut().extend(numbers);
                if seen.borrow().contains(&1) {
                    all.notify_one();
                }
            });
            tokio::select! {
                ended = run => ended.unwrap(),
                () = all.notified() => {}
                () = done => {}
            }
        });
        assert_eq!(seen.into_inner(), BTreeSet::from([0, 1, 3, 4]));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_folder_must_be_there() {
        let error = Watch::new(std::iter::once(Watched::Link(Path::new("/nowhere/at/all")))).unwrap_err();
        assert!(error.contains("/nowhere/at/all") && error.contains("No such file"), "{error}");
    }
}
