//! `ferryman._native`: the data plane's face in Python.

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
mod _native {}
