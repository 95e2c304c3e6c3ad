//! Everything that moves bytes: listeners, filter chains, HTTP streams, routes, clusters.
