//! `ferryman._native`: the data plane's face in Python.
//!
//! Owns conversions between Python's objects and the data plane's, and nothing else. Its typed face is
//! `python/ferryman/_native.pyi`, which `make check` compares with this.

use ferryman_dataplane::application_log::{self, Component, Level};
use ferryman_dataplane::matcher::StringMatcher;
use ferryman_dataplane::model::matcher as model;
use pyo3::prelude::*;
use pyo3::types::PyString;

mod admin_request;
mod proxy;

pyo3::create_exception!(
    _native,
    NativeError,
    pyo3::exceptions::PyException,
    "The data plane refused: `args[0]` is one clear line."
);

/// A compiled RE2 pattern, which takes time linear to the text.
#[pyclass(frozen, module = "ferryman._native")]
struct Regex {
    matcher: StringMatcher,
}

#[pymethods]
impl Regex {
    #[new]
    fn new(pattern: String) -> PyResult<Self> {
        let matcher = StringMatcher::compile(&model::StringMatcher::Regex { regex: pattern });
        Ok(Regex { matcher: matcher.map_err(NativeError::new_err)? })
    }

    /// Whether it matches the whole text.
    fn matches(&self, text: &str) -> bool {
        self.matcher.matches(text.as_bytes())
    }
}

/// None if the data plane's engine takes this RE2 pattern, else why not.
#[pyfunction]
fn check_regex(pattern: &str) -> Option<String> {
    ferryman_dataplane::matcher::compile_regex(pattern).err()
}

/// None if the data plane can fill this command operator, else why not.
#[pyfunction]
#[pyo3(signature = (name, argument))]
fn check_operator(name: &str, argument: Option<&str>) -> Option<String> {
    ferryman_dataplane::format::check_operator(name, argument, None).err()
}

/// None if the data plane can use this certificate chain and key, else which of them not, and why.
#[pyfunction]
fn check_certificate(chain: &[u8], key: &[u8]) -> Option<(&'static str, String)> {
    ferryman_dataplane::transport_sockets::tls::certificates::read_certificate(chain, key).err()
}

/// None if the data plane can use these certificates to trust and lists of revoked ones, else which not, and why.
#[pyfunction]
#[pyo3(signature = (trusted_ca, crl))]
fn check_trusted_ca(trusted_ca: Option<&[u8]>, crl: Option<&[u8]>) -> Option<(&'static str, String)> {
    use ferryman_dataplane::transport_sockets::tls::validation::{read_revoked, read_trusted};
    let trusted = trusted_ca.and_then(|pem| Some(("trusted_ca", read_trusted(pem).err()?)));
    trusted.or_else(|| Some(("crl", read_revoked(crl?).err()?)))
}

/// Writes one line to the application log, if the component's level lets it through.
#[pyfunction]
fn log(py: Python<'_>, level: &str, component: &str, message: &str) -> PyResult<()> {
    let level = Level::from_name(level).unwrap_or(Level::Info);
    let component = Component::from_name(component).unwrap_or(Component::Main);
    if application_log::enabled(component, level) {
        let (file, line) = caller(py)?;
        py.detach(|| application_log::write_from(component, level, &file, line, &message));
    }
    Ok(())
}

/// The file, from the package on, and the line of the Python code that called.
fn caller(py: Python<'_>) -> PyResult<(String, u32)> {
    let frame = py.import("sys")?.call_method0("_getframe")?;
    let path = frame.getattr("f_code")?.getattr("co_filename")?;
    let path = path.cast::<PyString>()?.to_string_lossy();
    let file = path.rfind("/ferryman/").map_or(&*path, |at| path.get(at + 1..).unwrap_or_default());
    // A frame has no line where its code was made by a program.
    Ok((file.to_owned(), frame.getattr("f_lineno")?.extract().unwrap_or(0)))
}

#[pymodule(gil_used = false)]
mod _native {
    #[pymodule_export]
    use super::admin_request::AdminRequest;
    #[pymodule_export]
    use super::proxy::Proxy;
    #[pymodule_export]
    use super::{NativeError, Regex, check_certificate, check_operator, check_regex, check_trusted_ca, log};

    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
