"""`ferryman demo` and its sample upstreams, which examples and tests use as well."""
