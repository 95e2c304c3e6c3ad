//! `ferryman._native`: the data plane's face in Python.
//!
//! Owns the module, its error, and the questions that lowering asks. Does not own decisions: all of them are the data
//! plane's or Python's. What is here is told in `python/ferryman/_native.pyi`.

use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyString;

use ferryman_dataplane::application_log::{self, Component, Level};

create_exception!(
    ferryman._native,
    NativeError,
    PyException,
    "The data plane refused: `args[0]` is one clear line (what, where, why)."
);

#[pymodule(gil_used = false)]
mod _native {
    use super::*;

    #[pymodule_export]
    use super::{NativeError, check_operator, check_regex, log};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}

/// None if the data plane's engine takes this RE2 pattern, else why not.
#[pyfunction]
fn check_regex(pattern: &str) -> Option<String> {
    ferryman_dataplane::matcher::check_regex(pattern).err()
}

/// None if the data plane can fill this command operator, else why not.
#[pyfunction]
#[pyo3(signature = (name, argument))]
fn check_operator(name: &str, argument: Option<&str>) -> Option<String> {
    ferryman_dataplane::format::check_operator(name, argument, None).err()
}

/// Writes one line to the application log, in its format, if the component's level lets it through.
#[pyfunction]
fn log(py: Python<'_>, level: &str, component: &str, message: &str) -> PyResult<()> {
    let unknown = |what: &str, name: &str| PyValueError::new_err(format!("no such {what}: {name}"));
    let level = Level::from_name(level).ok_or_else(|| unknown("level", level))?;
    let component = Component::from_name(component).ok_or_else(|| unknown("component", component))?;
    if application_log::enabled(component, level) {
        let (file, line) = caller(py)?;
        application_log::write_from(component, level, &file, line, &message);
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
