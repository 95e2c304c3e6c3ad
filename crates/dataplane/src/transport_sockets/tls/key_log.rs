//! The secrets of sessions in a file, for those who look at recorded traffic.
//!
//! Owns: the file and the form of its lines. Follows Envoy's `TlsKeyLog` and the form of `SSLKEYLOGFILE`.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::KeyLog;

use super::x509::hex;

/// An open file.
pub struct KeyLogFile(Mutex<File>);

impl fmt::Debug for KeyLogFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyLogFile")
    }
}

impl KeyLogFile {
    /// Opens it, to write at its end.
    ///
    /// # Errors
    /// The system's.
    pub fn open(path: &str) -> Result<Arc<Self>, String> {
        let file = OpenOptions::new().create(true).append(true).open(path);
        file.map(|file| Arc::new(KeyLogFile(Mutex::new(file))))
            .map_err(|error| format!("key_log {path}: {error}"))
    }
}

impl KeyLog for KeyLogFile {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let line = format!("{label} {} {}\n", hex(client_random), hex(secret));
        // Without room on the disk there is no log, and the connection goes on.
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes()));
    }
}
