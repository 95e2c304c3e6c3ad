//! HTTP codecs: bytes to events and back. No socket, no clock, no async, no Python.
