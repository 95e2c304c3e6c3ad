//! Notices that a symbolic link was replaced.
//!
//! Owns: the system's notices of names that are moved into a folder (inotify). Does not own: what is done then
//! (`loader`).
//! As Envoy, it takes notice of a new link that is renamed over the old one, and of nothing else: what is changed in
//! place could be read half-way.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use tokio::io::unix::AsyncFd;

/// The bytes of an event before its name: watch, mask, cookie, length of the name.
const EVENT_BYTES: usize = 16;

/// The links that are watched.
#[derive(Debug)]
pub(super) struct Watch {
    notices: OwnedFd,
    links: Vec<(i32, OsString)>,
}

impl Watch {
    /// Watches these paths; none of them needs to be there, but the folder that each is in.
    ///
    /// # Errors
    /// One line: which cannot be watched, and why.
    pub(super) fn new<'p>(paths: impl Iterator<Item = &'p Path>) -> Result<Self, String> {
        // SAFETY: it takes no pointer.
        let descriptor = unsafe { libc::inotify_init1(libc::IN_NONBLOCK | libc::IN_CLOEXEC) };
        if descriptor < 0 {
            return Err(format!("cannot watch files: {}", io::Error::last_os_error()));
        }
        // SAFETY: the descriptor was just made and has no other owner.
        let notices = unsafe { OwnedFd::from_raw_fd(descriptor) };
        let links = paths.map(|path| watch(&notices, path)).collect::<Result<_, _>>()?;
        Ok(Watch { notices, links })
    }

    /// Calls `changed` for each link that was replaced, for as long as it is polled.
    pub(super) async fn run(self, mut changed: impl FnMut()) -> io::Result<()> {
        // SAFETY: the descriptor is owned, so that it stays open and the same for as long as it is registered.
        let notices = unsafe { AsyncFd::register(self.notices) }?;
        let mut bytes = [0_u8; 4096];
        loop {
            let mut ready = notices.readable().await?;
            let read = ready.try_io(|notices| read(notices.get_ref(), &mut bytes));
            let Ok(length) = read else { continue };
            let moved = events(bytes.get(..length?).unwrap_or_default());
            for (watch, name) in moved {
                self.links.iter().filter(|(of, link)| *of == watch && link == name).for_each(|_| changed());
            }
        }
    }
}

fn watch(notices: &OwnedFd, path: &Path) -> Result<(i32, OsString), String> {
    let failed = |why: &dyn std::fmt::Display| format!("cannot watch {}: {why}", path.display());
    let name = path.file_name().ok_or_else(|| failed(&"it is no path of a file"))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = CString::new(folder.as_os_str().as_bytes()).map_err(|error| failed(&error))?;
    // SAFETY: the path is a string that ends with a zero and lives until the call returns.
    let watch = unsafe { libc::inotify_add_watch(notices.as_raw_fd(), folder.as_ptr(), libc::IN_MOVED_TO) };
    if watch < 0 { Err(failed(&io::Error::last_os_error())) } else { Ok((watch, name.to_owned())) }
}

fn read(notices: &OwnedFd, bytes: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the pointer and the length are those of one slice.
    let length = unsafe { libc::read(notices.as_raw_fd(), bytes.as_mut_ptr().cast(), bytes.len()) };
    usize::try_from(length).map_err(|_| io::Error::last_os_error())
}

/// The watch and the name of each event.
fn events(mut bytes: &[u8]) -> Vec<(i32, &OsStr)> {
    let word = |bytes: &[u8], at: usize| {
        bytes.get(at..at + 4).and_then(|word| word.try_into().ok()).map(i32::from_ne_bytes)
    };
    let mut found = Vec::new();
    while let (Some(watch), Some(length)) = (word(bytes, 0), word(bytes, 12)) {
        let Ok(length) = usize::try_from(length) else { break };
        let Some(name) = bytes.get(EVENT_BYTES..EVENT_BYTES + length) else { break };
        let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
        found.push((watch, OsStr::from_bytes(name.get(..end).unwrap_or_default())));
        bytes = bytes.get(EVENT_BYTES + length..).unwrap_or_default();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::fs;
    use std::os::unix::fs::symlink;
    use tokio::runtime::Builder;

    #[test]
    fn a_link_that_is_replaced_is_noticed_and_nothing_else() {
        let folder = std::env::temp_dir().join(format!("ferryman-watch-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("one")).unwrap();
        let link = folder.join("current");
        let watch = Watch::new(std::iter::once(link.as_path())).unwrap();
        symlink("one", &link).unwrap();
        fs::write(folder.join("one/file"), "1").unwrap();
        symlink("one", folder.join("new")).unwrap();
        fs::rename(folder.join("new"), folder.join("other")).unwrap();
        symlink("one", folder.join("new")).unwrap();
        fs::rename(folder.join("new"), &link).unwrap();
        let seen = Cell::new(0);
        Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let done = tokio::time::sleep(std::time::Duration::from_secs(10));
            let first = tokio::sync::Notify::new();
            let run = watch.run(|| {
                seen.set(seen.get() + 1);
                first.notify_one();
            });
            tokio::select! {
                ended = run => ended.unwrap(),
                () = first.notified() => {}
                () = done => {}
            }
        });
        assert_eq!(seen.get(), 1);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_folder_must_be_there() {
        let error = Watch::new(std::iter::once(Path::new("/nowhere/at/all"))).unwrap_err();
        assert!(error.contains("/nowhere/at/all") && error.contains("No such file"), "{error}");
    }
}
