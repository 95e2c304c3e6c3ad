//! An admin page's request on its way to Python and back.

use std::sync::{Mutex, PoisonError};

use ferryman_dataplane::admin::{PythonReply, PythonRequest};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// An admin page that Python answers; `reply` must be called exactly once.
#[pyclass(module = "ferryman._native", frozen)]
pub struct AdminRequest {
    #[pyo3(get)]
    method: String,
    #[pyo3(get)]
    path: String,
    #[pyo3(get)]
    query: String,
    body: Vec<u8>,
    request: Mutex<Option<PythonRequest>>,
}

impl From<PythonRequest> for AdminRequest {
    /// To be called with the GIL: from then on Python is at work on it.
    fn from(mut request: PythonRequest) -> Self {
        request.begin();
        AdminRequest {
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.query.clone(),
            body: std::mem::take(&mut request.body),
            request: Mutex::new(Some(request)),
        }
    }
}

#[pymethods]
impl AdminRequest {
    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.body)
    }

    fn reply(&self, status: u16, content_type: String, body: Vec<u8>) -> PyResult<()> {
        let request = self.request.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(request) = request else {
            return Err(PyRuntimeError::new_err("the request was answered already"));
        };
        request.reply(PythonReply { status, content_type, body });
        Ok(())
    }
}
