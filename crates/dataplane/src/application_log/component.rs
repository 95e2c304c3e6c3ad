//! The components that have a level of their own.
//!
//! Owns: the list, in the order in which `/logging` prints it. Follows: Envoy 1.40.0, of whose loggers this is the
//! whole list, so that a command line that names any of them is understood.

macro_rules! components {
    ($($component:ident $name:literal,)*) => {
        /// What a line is about.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        #[allow(missing_docs)] // Envoy's own names
        pub enum Component { $($component,)* }

        impl Component {
            /// Every component.
            pub const ALL: &'static [Component] = &[$(Component::$component,)*];

            /// Its name on the command line and in `/logging`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Component::$component => $name,)* }
            }
        }
    };
}

impl Component {
    /// The component of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Component> {
        Component::ALL.iter().copied().find(|component| component.name() == name)
    }
}

components! {
    A2a "a2a",
    Admin "admin",
    AiProtocolManager "ai_protocol_manager",
    AlternateProtocolsCache "alternate_protocols_cache",
    Aws "aws",
    Assert "assert",
    Backtrace "backtrace",
    BasicAuth "basic_auth",
    CacheFilter "cache_filter",
    Client "client",
    Config "config",
    Connection "connection",
    ConnHandler "conn_handler",
    Compression "compression",
    CredentialInjector "credential_injector",
    Decompression "decompression",
    Dns "dns",
    Dubbo "dubbo",
    EnvoyBug "envoy_bug",
    ExtAuthz "ext_authz",
    ExtProc "ext_proc",
    Rocketmq "rocketmq",
    File "file",
    Filter "filter",
    ForwardProxy "forward_proxy",
    Geolocation "geolocation",
    Grpc "grpc",
    HappyEyeballs "happy_eyeballs",
    Hc "hc",
    HealthChecker "health_checker",
    Http "http",
    Http2 "http2",
    Hystrix "hystrix",
    Init "init",
    Io "io",
    Jwt "jwt",
    JsonRpc "json_rpc",
    Kafka "kafka",
    KeyValueStore "key_value_store",
    Lua "lua",
    LocalRateLimit "local_rate_limit",
    Main "main",
    Matcher "matcher",
    Mcp "mcp",
    Misc "misc",
    Mongo "mongo",
    MultiConnection "multi_connection",
    Notification "notification",
    Oauth2 "oauth2",
    Quic "quic",
    QuicStream "quic_stream",
    Pool "pool",
    RateLimitQuota "rate_limit_quota",
    Rbac "rbac",
    Rds "rds",
    Redis "redis",
    Router "router",
    Runtime "runtime",
    Stats "stats",
    Secret "secret",
    Sse "sse",
    Tap "tap",
    Testing "testing",
    Thrift "thrift",
    Tracing "tracing",
    Upstream "upstream",
    Udp "udp",
    Wasm "wasm",
    Websocket "websocket",
    Golang "golang",
    StatsSinks "stats_sinks",
    DynamicModules "dynamic_modules",
    IpTagging "ip_tagging",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_envoys() {
        assert_eq!(Component::ALL.len(), 73);
        for component in Component::ALL {
            assert_eq!(Component::from_name(component.name()), Some(*component));
        }
        assert_eq!(Component::from_name("nope"), None);
    }
}
