//! How the prefix of a scope turns into a Prometheus name and tags.
//!
//! Owns the shapes of Envoy's well-known tags (`source/common/config/well_known_names.cc`): which part of a prefix is
//! a tag. The parts are known by construction, so no regular expression runs over the names.

/// The form of a scope's prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Nothing in it is a tag.
    Plain,
    /// `cluster.<name>.`
    Cluster,
    /// `http.<stat prefix>.`
    Http,
    /// `tcp.<stat prefix>.`
    Tcp,
    /// `listener.<address>.`, and what may follow: `worker_<n>.`, `http.<stat prefix>.`
    Listener,
    /// `….worker_<n>.`
    Worker,
    /// `vhost.<virtual host>.vcluster.<virtual cluster>.` or `….route.<stat prefix>.`
    VirtualHost,
}
