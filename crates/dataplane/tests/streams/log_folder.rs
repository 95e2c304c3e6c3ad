//! A folder of its own with a writer of access logs; both go away with the test.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ferryman_dataplane::access_loggers::{AccessLogSet, LogWriter, LogWriterHandle, WorkerLogs};
use ferryman_dataplane::model::access_log::{AccessLog, LogFormat, Sink};
use ferryman_dataplane::model::bootstrap::StatsConfig;
use ferryman_dataplane::stats::{FilesystemStat, FilesystemStats, Registry, Scope};

use crate::exchange::split;

pub struct LogFolder {
    folder: PathBuf,
    writer: Option<LogWriter>,
    handle: LogWriterHandle,
    stats: Scope<FilesystemStats>,
}

static FOLDERS: AtomicUsize = AtomicUsize::new(0);

pub fn text_log(sink: Sink, format: &str) -> AccessLog {
    let format = LogFormat::Text { format: split(format), omit_empty_values: false };
    AccessLog { sink, format, filter: None }
}

impl LogFolder {
    pub fn new(flush_interval: Duration, flush_min_size: usize) -> Self {
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("ferryman-access-log-{}-{number}", std::process::id()));
        fs::create_dir(&folder).expect("folder");
        let config = StatsConfig::default();
        let registry: Arc<Registry> = Registry::new(&config, 2);
        let writer = LogWriter::start(flush_interval, flush_min_size, &registry).expect("writer");
        let (handle, stats) = (writer.handle(), registry.filesystem());
        LogFolder { folder, writer: Some(writer), handle, stats }
    }

    pub fn handle(&self) -> LogWriterHandle {
        self.handle.clone()
    }

    pub fn worker(&self) -> WorkerLogs {
        self.handle.worker()
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.join(name).to_string_lossy().into_owned()
    }

    pub fn log(&self, name: &str, format: &str) -> AccessLog {
        text_log(Sink::File { path: self.path(name) }, format)
    }

    pub fn try_open(&self, logs: &[AccessLog]) -> Result<AccessLogSet, String> {
        AccessLogSet::open(logs, &self.handle)
    }

    pub fn open(&self, logs: &[AccessLog]) -> AccessLogSet {
        self.try_open(logs).expect("access logs")
    }

    /// Ends the writer, which has then written all it was given.
    pub fn finish(mut self) -> Self {
        self.writer.take().expect("a writer").finish();
        self
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).expect(name)
    }

    pub fn stat(&self, stat: FilesystemStat) -> u64 {
        self.stats.value(stat)
    }

    /// How many descriptors of this process are this file.
    pub fn times_open(&self, name: &str) -> usize {
        let path = self.folder.join(name);
        let descriptors = fs::read_dir("/proc/self/fd").expect("descriptors").flatten();
        descriptors.filter(|entry| fs::read_link(entry.path()).is_ok_and(|link| link == path)).count()
    }
}

impl Drop for LogFolder {
    fn drop(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.finish();
        }
        // A test that failed says more than a folder that stays.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
