# Every command of this project. `make demo` and `make test` need git, make, Python >= 3.11 and Rust;
# everything else comes into .venv and target/. Nothing is built twice: the stamps in .venv remember.

PYTHON ?= python3
# The native module is built once and shared by demo, tests and benchmark. `PROFILE=fast` is for work:
# nearly as fast, a fraction of the build time.
PROFILE ?= release
# How long each fuzz target runs.
FUZZ_SECONDS ?= 60
# The tool of `make conformance`; built with Go unless it is there.
H2SPEC ?= .venv/bin/h2spec

VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps
PYTEST := $(BIN)/python -m pytest --numprocesses auto --dist worksteal
# What failed runs once more, one after another: clocks of two proxies beside a busy machine's other work fail
# now and then, a bug fails twice.
AGAIN := $(BIN)/python -m pytest --last-failed --last-failed-no-failures none
NOT_HERE := --ignore tests/oracle --ignore tests/conformance/test_h2spec.py
RUST_SOURCES := $(shell find crates -name '*.rs' -o -name Cargo.toml) Cargo.toml Cargo.lock

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-rust test-python check conformance oracle bench fuzz clean

help:
	@echo 'make demo     sample services, the proxy, a request through every route and protocol'
	@echo 'make test     all tests: Rust, then Python'
	@echo 'make check    format, lint, types, structure'
	@echo 'make conformance  h2spec through the proxy (needs Go, or H2SPEC=/path/to/h2spec)'
	@echo 'make oracle   the same traffic through the real Envoy and through Ferryman'
	@echo 'make bench    against Envoy, nginx and HAProxy (needs nginx, haproxy, wrk)'
	@echo 'make fuzz     fuzz the codecs (needs cargo-fuzz and a nightly toolchain)'
	@echo 'make setup    .venv with everything in it, no more'
	@echo 'make clean    remove .venv and target/'

setup: $(STAMPS)/native

demo: $(STAMPS)/native
	$(BIN)/ferryman demo

test: test-rust test-python

test-rust:
	cargo test --workspace --locked --quiet

test-python: $(STAMPS)/native
	$(PYTEST) $(NOT_HERE) || $(AGAIN) $(NOT_HERE)

check: $(STAMPS)/native
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked --quiet -- -D warnings
	cargo check --manifest-path crates/codec/fuzz/Cargo.toml --no-default-features --locked --quiet --target-dir target/fuzz
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/python -m mypy.stubtest ferryman._native
	$(BIN)/python -m pytest tests/test_structure.py

oracle: $(STAMPS)/native $(STAMPS)/oracle
	$(PYTEST) tests/oracle || $(AGAIN) tests/oracle

bench: $(STAMPS)/native $(STAMPS)/oracle
	cargo build --release --locked --quiet -p ferryman-dataplane --example relay_floor
	$(BIN)/python -m bench $(BENCH)

conformance: $(STAMPS)/native $(H2SPEC)
	H2SPEC=$(abspath $(H2SPEC)) $(BIN)/python -m pytest tests/conformance/test_h2spec.py -rP \
	  || H2SPEC=$(abspath $(H2SPEC)) $(AGAIN) tests/conformance/test_h2spec.py -rP

$(BIN)/h2spec: tests/conformance/go.mod tests/conformance/go.sum | $(STAMPS)/venv
	@command -v go >/dev/null \
	  || { echo 'make conformance needs Go, or H2SPEC=/path/to/h2spec' >&2; exit 1; }
	cd tests/conformance && go build -buildvcs=false -o $(abspath $@) github.com/summerwind/h2spec/cmd/h2spec

# What is found goes to fuzz/target/; copy into fuzz/corpus/ what `make test` is to replay.
fuzz:
	@cargo fuzz --version >/dev/null 2>&1 || { echo 'make fuzz needs cargo-fuzz: cargo install cargo-fuzz' >&2; exit 1; }
	cd crates/codec && for target in $$(cargo fuzz list); do \
	  mkdir -p fuzz/target/corpus/$$target && \
	  cargo +nightly fuzz run $$target fuzz/target/corpus/$$target fuzz/corpus/$$target -- \
	    -dict=fuzz/http1.dict -max_total_time=$(FUZZ_SECONDS) || exit 1; done

clean:
	rm -rf $(VENV) target

$(STAMPS)/venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo 'Ferryman needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 …' >&2; exit 1; }
	@command -v cargo >/dev/null \
	  || { echo 'Ferryman needs a Rust toolchain with cargo on PATH, see https://rustup.rs' >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo 'python -m venv failed; on Debian: apt install python3-venv' >&2; exit 1; }
	@mkdir -p $(STAMPS)
	@echo 'Making $(VENV) and fetching what building and testing need …'
	@# Dependency groups need pip 25.1.
	@$(BIN)/pip install --quiet --upgrade 'pip>=25.1'
	@touch $@

$(STAMPS)/packages: $(STAMPS)/venv pyproject.toml
	$(BIN)/pip install --quiet --group test --group lint --group build
	@touch $@

$(STAMPS)/oracle: $(STAMPS)/packages
	$(BIN)/pip install --quiet --group oracle
	@touch $@

# Switching the profile has to build anew.
$(STAMPS)/profile-$(PROFILE): $(STAMPS)/venv
	@rm -f $(STAMPS)/profile-*
	@touch $@

$(STAMPS)/native: $(STAMPS)/packages $(STAMPS)/profile-$(PROFILE) $(RUST_SOURCES)
	@echo 'Building the data plane ($(PROFILE)): a few minutes the first time, then only what changed …'
	@VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/maturin develop --locked --quiet --profile $(PROFILE)
	@touch $@
