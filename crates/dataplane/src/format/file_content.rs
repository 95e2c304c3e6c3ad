//! `%FILE_CONTENT%`: what is in a file, now.
//!
//! Owns: the files that formats print, and reading them again. Does not own: noticing that they changed (`file_watch`).
//! Follows Envoy's `envoy.formatter.file_content`: a file that is written in place is read again; one that is replaced is
//! read again when something is moved into the folder that is watched for it. What cannot be read stays as it was.
//!
//! A thread keeps the text that it printed last, and looks at one number to see whether there is another.

use std::cell::RefCell;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::application_log::{self, Component, Level};
use crate::file_watch::{Watch, Watched};

/// All files that formats of this process print: a format is compiled by whoever needs it, and any may name one.
static FILES: Mutex<Vec<Arc<File>>> = Mutex::new(Vec::new());

thread_local! {
    /// By the file's place: which text this thread has. Version 0 is none.
    static SEEN: RefCell<Vec<(u64, Arc<[u8]>)>> = const { RefCell::new(Vec::new()) };
}

#[derive(Debug)]
struct File {
    path: Box<str>,
    /// What is moved into it makes the file be read again.
    directory: Option<Box<str>>,
    place: usize,
    text: Mutex<Arc<[u8]>>,
    version: AtomicU64,
}

impl File {
    fn load(&self) -> Result<(), String> {
        let path = Path::new(&*self.path);
        // As in Envoy, to which a folder is an empty file.
        let bytes = if path.is_dir() { Ok(Vec::new()) } else { std::fs::read(path) };
        let bytes = bytes.map_err(|error| format!("FILE_CONTENT: cannot read {}: {error}", self.path))?;
        *lock(&self.text) = bytes.into();
        self.version.fetch_add(1, Ordering::Release);
        Ok(())
    }

    fn load_again(&self) {
        if let Err(error) = self.load() {
            let text = format!("{error}; what was read before stays");
            application_log::write(Component::Config, Level::Error, text);
        }
    }
}

/// A compiled operator.
pub(super) struct FileContent(Arc<File>);

impl FileContent {
    /// Of `PATH` or `PATH:FOLDER`; reads the file.
    pub(super) fn compile(argument: &str) -> Result<Self, String> {
        let mut parts = argument.split(':').filter(|part| !part.is_empty());
        let (Some(path), directory, None) = (parts.next(), parts.next(), parts.next()) else {
            return Err(format!("FILE_CONTENT takes PATH or PATH:FOLDER, not '{argument}'"));
        };
        // As in Envoy, where one that is a file may stand there and nothing comes of it.
        let directory = directory.filter(|directory| !Path::new(directory).is_file());
        let file = registered(path, directory);
        file.load()?;
        Ok(FileContent(file))
    }

    /// Appends the text.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let file = &*self.0;
        let version = file.version.load(Ordering::Acquire);
        SEEN.with_borrow_mut(|seen| {
            if seen.len() <= file.place {
                seen.resize(file.place + 1, (0, Arc::default()));
            }
            let Some(known) = seen.get_mut(file.place) else { return };
            if known.0 != version {
                *known = (version, Arc::clone(&lock(&file.text)));
            }
            out.extend_from_slice(&known.1);
        });
    }
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

fn registered(path: &str, directory: Option<&str>) -> Arc<File> {
    let mut files = lock(&FILES);
    let known = files.iter().find(|file| *file.path == *path && file.directory.as_deref() == directory);
    if let Some(file) = known {
        return Arc::clone(file);
    }
    let file = Arc::new(File {
        path: path.into(),
        directory: directory.map(Into::into),
        place: files.len(),
        text: Mutex::default(),
        version: AtomicU64::new(0),
    });
    files.push(Arc::clone(&file));
    file
}

/// Reads files again that were changed.
#[derive(Debug)]
pub(crate) struct FileContentWatch {
    watch: Watch,
    /// By the number of what is watched.
    files: Vec<Arc<File>>,
}

impl FileContentWatch {
    /// Of all files that formats print by now; none: there is none.
    ///
    /// # Errors
    /// A folder that cannot be watched.
    pub(crate) fn new() -> Result<Option<Self>, String> {
        Self::of(&lock(&FILES))
    }

    fn of(files: &[Arc<File>]) -> Result<Option<Self>, String> {
        let (mut watched, mut owners) = (Vec::new(), Vec::new());
        for file in files.iter().filter(|file| !Path::new(&*file.path).is_dir()) {
            watched.push(Watched::File(Path::new(&*file.path)));
            owners.push(Arc::clone(file));
            if let Some(directory) = &file.directory {
                watched.push(Watched::Folder { path: Path::new(&**directory), modified: false });
                owners.push(Arc::clone(file));
            }
        }
        if owners.is_empty() {
            return Ok(None);
        }
        Ok(Some(FileContentWatch { watch: Watch::new(watched.into_iter())?, files: owners }))
    }

    /// Has them read again, for as long as it is polled; to be called on the control thread.
    pub(crate) async fn run(self) {
        let FileContentWatch { watch, files } = self;
        // What was written between the reading of the configuration and the watch would not be noticed.
        files.iter().for_each(|file| file.load_again());
        let changed = |number: &usize| files.get(*number).into_iter();
        let ended = watch.run(|numbers| numbers.iter().flat_map(changed).for_each(|file| file.load_again()));
        if let Err(error) = ended.await {
            let text = format!("the files of FILE_CONTENT are no longer watched: {error}");
            application_log::write(Component::Config, Level::Error, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn printed(content: &FileContent) -> String {
        let mut out = b"<".to_vec();
        content.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_file_is_printed_and_read_again() {
        let folder = std::env::temp_dir().join(format!("ferryman-file-content-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let (path, folder_name) = (folder.join("file"), folder.to_str().unwrap());
        let name = path.to_str().unwrap();
        fs::write(&path, "one\n").unwrap();
        let content = FileContent::compile(name).unwrap();
        let watched = FileContent::compile(&format!("{name}:{folder_name}")).unwrap();
        assert!(!Arc::ptr_eq(&content.0, &watched.0) && content.0.directory.is_none());
        assert!(Arc::ptr_eq(&content.0, &FileContent::compile(&format!("{name}:")).unwrap().0));
        assert_eq!(printed(&content), "<one\n");
        fs::write(&path, "two").unwrap();
        assert_eq!(printed(&content), "<one\n");
        content.0.load_again();
        assert_eq!(printed(&content), "<two");
        let watch = FileContentWatch::of(&[Arc::clone(&content.0), Arc::clone(&watched.0)]).unwrap();
        assert_eq!(watch.unwrap().files.len(), 3);
        fs::remove_file(&path).unwrap();
        content.0.load_again();
        assert_eq!(printed(&content), "<two");
        assert_eq!(printed(&FileContent::compile(folder_name).unwrap()), "<");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_is_no_file() {
        for argument in [":", "a:b:c", "/nowhere/at/all"] {
            assert!(FileContent::compile(argument).is_err(), "{argument}");
        }
        assert!(FileContentWatch::of(&[]).unwrap().is_none());
    }
}
