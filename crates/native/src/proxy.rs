//! `ferryman._native.Proxy`: a data plane that Python makes, starts and waits for.
//!
//! Whatever may take time lets go of the GIL, and so does whatever waits for the lock, which `close` holds while it
//! joins all threads.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ferryman_dataplane::admin::PythonPage;
use ferryman_dataplane::application_log::{self, Component, Level, Settings};
use ferryman_dataplane::explain::{FailedStreams, Which};
use ferryman_dataplane::model;
use ferryman_dataplane::proxy::{Event, EventQueue, Presentation, Proxy as DataPlane};
use ferryman_dataplane::stream_info::Address;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::NativeError;
use crate::admin_request::AdminRequest;

/// One data plane: workers, listeners, clusters, admin. Create, `apply`, `start`, then `next_event` until it ends.
#[pyclass(module = "ferryman._native", frozen)]
pub struct Proxy {
    data_plane: Mutex<DataPlane>,
    events: EventQueue,
    failed_streams: Arc<FailedStreams>,
}

impl Drop for Proxy {
    /// Without this Python's last reference would join all threads with the GIL held: for as long as connections last, and
    /// for ever once a thread waits for Python.
    fn drop(&mut self) {
        // While the interpreter ends there may be no GIL to let go of any more.
        let closed = Python::try_attach(|py| self.close(py));
        if closed.is_none() {
            self.locked().close();
        }
    }
}

fn refusal(text: String) -> PyErr {
    NativeError::new_err(text)
}

impl Proxy {
    fn locked(&self) -> std::sync::MutexGuard<'_, DataPlane> {
        self.data_plane.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Proxy {
    #[new]
    #[pyo3(signature = (
        bootstrap, *, log_level, component_log_levels, log_path, log_format, log_format_escaped, server_info,
        python_pages,
    ))]
    #[allow(clippy::too_many_arguments, reason = "keywords, each named by its caller")]
    fn new(
        py: Python<'_>,
        bootstrap: &[u8],
        log_level: &str,
        component_log_levels: Vec<(String, String)>,
        log_path: Option<PathBuf>,
        log_format: String,
        log_format_escaped: bool,
        server_info: Vec<u8>,
        python_pages: Vec<(String, String, String)>,
    ) -> PyResult<Self> {
        let bootstrap: model::bootstrap::Bootstrap = model::decode(bootstrap).map_err(refusal)?;
        set_log_levels(log_level, &component_log_levels).map_err(refusal)?;
        let format = bootstrap.application_log_format.clone().unwrap_or(log_format);
        let settings = Settings { format, escaped: log_format_escaped, path: log_path };
        let presentation = Presentation {
            server_info: String::from_utf8_lossy(&server_info).into_owned(),
            python_pages: python_pages
                .into_iter()
                .map(|(path, method, help)| PythonPage { path, post: method == "POST", help })
                .collect(),
        };
        let data_plane = py.detach(|| {
            application_log::configure(&settings)?;
            DataPlane::new(bootstrap, presentation)
        });
        let data_plane = data_plane.map_err(refusal)?;
        Ok(Proxy {
            events: data_plane.events(),
            failed_streams: data_plane.failed_streams(),
            data_plane: Mutex::new(data_plane),
        })
    }

    fn apply(
        &self,
        py: Python<'_>,
        clusters: Vec<PyBackedBytes>,
        listeners: Vec<PyBackedBytes>,
    ) -> PyResult<()> {
        let applied = py.detach(|| {
            let clusters = clusters.iter().map(|bytes| model::decode(bytes)).collect::<Result<_, _>>()?;
            let listeners = listeners.iter().map(|bytes| model::decode(bytes)).collect::<Result<_, _>>()?;
            self.locked().apply(clusters, listeners)
        });
        applied.map_err(refusal)
    }

    #[pyo3(signature = (*, signals = true))]
    fn start(&self, py: Python<'_>, signals: bool) -> PyResult<()> {
        py.detach(|| self.locked().start(signals)).map_err(refusal)
    }

    fn admin_address(&self, py: Python<'_>) -> Option<String> {
        py.detach(|| self.locked().admin_address().map(text_of))
    }

    fn listener_addresses(&self, py: Python<'_>) -> Vec<(String, String)> {
        let addresses = py.detach(|| self.locked().listener_addresses());
        addresses.into_iter().map(|(name, address)| (name.to_string(), text_of(&address))).collect()
    }

    #[pyo3(signature = (timeout_s))]
    fn next_event<'py>(
        &self,
        py: Python<'py>,
        timeout_s: Option<f64>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let timeout = timeout_s.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default());
        match py.detach(|| self.events.next(timeout)) {
            None => Ok(None),
            Some(Event::Failed) => "failed".into_bound_py_any(py).map(Some),
            Some(Event::Stopped) => "stopped".into_bound_py_any(py).map(Some),
            Some(Event::Admin(request)) => AdminRequest::from(request).into_bound_py_any(py).map(Some),
        }
    }

    fn certificates<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyBytes>> {
        let contexts = py.detach(|| self.locked().certificates());
        contexts.iter().map(|context| PyBytes::new(py, context)).collect()
    }

    #[pyo3(signature = (*, request_id, connection_id, most))]
    fn failed_streams<'py>(
        &self,
        py: Python<'py>,
        request_id: &str,
        connection_id: Option<u64>,
        most: usize,
    ) -> Vec<Bound<'py, PyBytes>> {
        let which = match connection_id {
            Some(id) => Which::Connection(id),
            None if request_id.is_empty() => Which::Latest,
            None => Which::Request(request_id),
        };
        let found = py.detach(|| self.failed_streams.latest(which, most));
        found.iter().map(|record| PyBytes::new(py, record)).collect()
    }

    #[pyo3(signature = (*, drain))]
    fn shutdown(&self, py: Python<'_>, drain: bool) {
        py.detach(|| self.locked().shutdown(drain));
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.locked().close());
    }
}

/// The log level of the command line, then those of single components.
fn set_log_levels(level: &str, of_components: &[(String, String)]) -> Result<(), String> {
    let parse = |name: &str| Level::from_name(name).ok_or_else(|| format!("'{name}' is not a log level"));
    application_log::set_all_levels(parse(level)?);
    for (component, level) in of_components {
        let known = Component::from_name(component)
            .ok_or_else(|| format!("'{component}' is not a component that logs"))?;
        application_log::set_level(known, parse(level)?);
    }
    Ok(())
}

fn text_of(address: &Address) -> String {
    let mut text = Vec::new();
    address.write(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}
