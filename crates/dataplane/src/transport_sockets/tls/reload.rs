//! Certificates that are read again when their files were replaced.
//!
//! Owns: reading the files, who is told, and what counts it. Does not own: what is made of them (`downstream`, `upstream`).
//! Follows Envoy's page "Certificates", "Key rotation": connections that are there stay, new ones get what is new, and
//! where the new files will not do, everything stays as it was.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use super::loaded::LoadedContext;
use crate::application_log::{self, Component, Level};
use crate::file_watch::{Watch, Watched};
use crate::model::tls::{Bytes, TlsContext, WatchedDirectory, WatchedFiles};
use crate::stats::{Group, Scope, SslSocketFactoryStat};

/// What is in use now.
pub struct Current<T>(RwLock<Arc<T>>);

impl<T> Current<T> {
    /// This, to begin with.
    pub fn new(value: T) -> Self {
        Current(RwLock::new(Arc::new(value)))
    }

    /// It; a handshake asks once.
    #[must_use]
    pub fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on, this.
    pub fn set(&self, value: T) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
    }
}

impl<T: fmt::Debug> fmt::Debug for Current<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

/// A context, whose files may be replaced.
pub trait Reload: fmt::Debug + Send + Sync {
    /// Where they are; none: nothing is watched.
    fn directories(&self) -> Vec<WatchedDirectory>;

    /// What it uses now.
    fn loaded(&self) -> Arc<LoadedContext>;

    /// Reads them again.
    fn reload(&self);
}

/// What reloads are counted with.
pub fn count<G: Group<Stat = SslSocketFactoryStat>>(
    reloaded: Result<bool, String>,
    whose: &str,
    stats: &Scope<G>,
) {
    match reloaded {
        Ok(false) => {}
        Ok(true) => {
            stats.add(SslSocketFactoryStat::SslContextUpdateBySds, 1);
            let text = format!("{whose}: certificates were read again");
            application_log::write(Component::Connection, Level::Debug, text);
        }
        Err(error) => {
            stats.add(SslSocketFactoryStat::KeyRotationFailed, 1);
            let text = format!("{whose}: new certificates are not used, the old ones stay: {error}");
            application_log::write(Component::Connection, Level::Error, text);
        }
    }
}

/// All directories of a context.
#[must_use]
pub fn directories<'a>(watched: impl Iterator<Item = &'a WatchedFiles>) -> Vec<WatchedDirectory> {
    watched.flat_map(|watched| watched.directories.iter().cloned()).collect()
}

/// What is watched of both sides' part of a context.
pub fn watched(context: &TlsContext) -> impl Iterator<Item = &WatchedFiles> {
    let certificates = context.certificates.iter().filter_map(|one| one.watched.as_ref());
    certificates.chain(context.validation.as_ref().and_then(|validation| validation.watched.as_ref()))
}

/// Reads one file.
///
/// # Errors
/// The system's, with the path.
pub fn read(path: &str) -> Result<Bytes, String> {
    std::fs::read(path).map(Bytes).map_err(|error| format!("cannot read {path}: {error}"))
}

/// Reads the files of both sides' part of a context again.
///
/// # Errors
/// Which cannot be read.
pub fn reread(context: &mut TlsContext) -> Result<(), String> {
    for certificate in &mut context.certificates {
        let Some(watched) = &certificate.watched else { continue };
        for (field, path) in &watched.files {
            let bytes = read(path)?;
            match field.as_str() {
                "certificate_chain" => certificate.certificate_chain = bytes,
                "private_key" => certificate.private_key = bytes,
                "ocsp_staple" => certificate.ocsp_staple = Some(bytes),
                other => return Err(format!("{other} is not read again")),
            }
        }
    }
    let Some(validation) = &mut context.validation else { return Ok(()) };
    let Some(watched) = &validation.watched else { return Ok(()) };
    for (field, path) in &watched.files {
        let bytes = Some(read(path)?);
        match field.as_str() {
            "trusted_ca" => validation.trusted_ca = bytes,
            "crl" => validation.crl = bytes,
            other => return Err(format!("{other} is not read again")),
        }
    }
    Ok(())
}

/// All contexts whose files may be replaced.
#[derive(Debug)]
pub struct CertificateWatch {
    watch: Watch,
    /// By the number of what is watched.
    contexts: Vec<Arc<dyn Reload>>,
}

impl CertificateWatch {
    /// Of these; none: nothing of theirs is watched.
    ///
    /// # Errors
    /// A folder that cannot be watched.
    pub fn new(contexts: impl Iterator<Item = Arc<dyn Reload>>) -> Result<Option<Self>, String> {
        let (mut directories, mut owners) = (Vec::new(), Vec::new());
        for context in contexts {
            for directory in context.directories() {
                directories.push(directory);
                owners.push(Arc::clone(&context));
            }
        }
        if directories.is_empty() {
            return Ok(None);
        }
        let watched = directories.iter().map(|directory| Watched::Folder {
            path: Path::new(&directory.path),
            modified: directory.watch_modify,
        });
        Ok(Some(CertificateWatch { watch: Watch::new(watched)?, contexts: owners }))
    }

    /// Has them read again, for as long as it is polled; to be called on the control thread.
    pub async fn run(self) {
        let CertificateWatch { watch, contexts } = self;
        // What was replaced between the reading of the configuration and the watch would not be noticed.
        contexts.iter().for_each(|context| context.reload());
        let ended = watch.run(|numbers| {
            let mut changed: Vec<&Arc<dyn Reload>> = Vec::new();
            for context in numbers.iter().filter_map(|number| contexts.get(*number)) {
                if !changed.iter().any(|known| Arc::ptr_eq(known, context)) {
                    changed.push(context);
                }
            }
            changed.into_iter().for_each(|context| context.reload());
        });
        if let Err(error) = ended.await {
            let text = format!("certificates are no longer watched: {error}");
            application_log::write(Component::Connection, Level::Error, text);
        }
    }
}
