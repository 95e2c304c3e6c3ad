//! A proxy that has what `tests/admin/envoy.yaml` describes, and remembers what it is told.

use std::any::Any;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ferryman_dataplane::admin::{
    AdminAccess, ClusterStatus, DrainRequest, EdsHealthStatus, EndpointStatus, HealthFlag, ListenerStatus,
    ProxyState, PythonPage, PythonPages, PythonReply, PythonRequest, ServerState,
};
use ferryman_dataplane::explain::{FailedStream, FailedStreams};
use ferryman_dataplane::model::bootstrap::StatsConfig;
use ferryman_dataplane::model::cluster::CircuitBreakerThresholds;
use ferryman_dataplane::runtime::Runtime;
use ferryman_dataplane::stats::{ProcessFacts, ProcessStats, Registry};
use ferryman_dataplane::stream_info::Address;

pub struct FakeProxy {
    pub registry: Arc<Registry>,
    process: ProcessStats,
    /// Scopes that its listeners, routes and clusters have.
    _scopes: Mutex<Vec<Box<dyn Any + Send>>>,
    clusters: Vec<ClusterStatus>,
    failed: AtomicBool,
    runtime: Runtime,
    pages: PythonPages,
    failed_streams: FailedStreams,
    /// Only these paths are let through, when there are any.
    pub allowed: Mutex<Vec<String>>,
    /// What it was told.
    pub told: Mutex<Vec<String>>,
}

fn thresholds(max_connections: u32) -> CircuitBreakerThresholds {
    CircuitBreakerThresholds {
        max_connections,
        max_pending_requests: 1024,
        max_requests: 1024,
        max_retries: 3,
        max_connection_pools: None,
        track_remaining: false,
    }
}

/// An endpoint: address, hostname, weight, what the configuration says of its health, and whether it is canary.
type Endpoint<'e> = (Address, &'e str, u32, EdsHealthStatus, bool);

fn endpoints(
    registry: &Registry,
    locality: [&str; 3],
    priority: u32,
    list: &[Endpoint<'_>],
) -> Vec<EndpointStatus> {
    let [region, zone, sub_zone] = locality.map(Arc::<str>::from);
    let endpoint = |(address, hostname, weight, health, canary): &Endpoint<'_>| EndpointStatus {
        address: address.clone(),
        hostname: Arc::from(*hostname),
        stats: registry.endpoint(),
        health_flags: match health {
            EdsHealthStatus::Unknown | EdsHealthStatus::Healthy => vec![],
            EdsHealthStatus::Unhealthy | EdsHealthStatus::Timeout => vec![HealthFlag::FailedEdsHealth],
            EdsHealthStatus::Draining => vec![HealthFlag::EdsStatusDraining],
            EdsHealthStatus::Degraded => vec![HealthFlag::DegradedEdsHealth],
        },
        eds_health_status: *health,
        weight: *weight,
        region: Arc::clone(&region),
        zone: Arc::clone(&zone),
        sub_zone: Arc::clone(&sub_zone),
        canary: *canary,
        priority,
        success_rate: None,
        local_origin_success_rate: None,
    };
    list.iter().map(endpoint).collect()
}

fn ip(text: &str) -> Address {
    Address::Ip(text.parse().unwrap())
}

fn clusters(registry: &Registry) -> Vec<ClusterStatus> {
    use ferryman_dataplane::model::cluster::HealthStatus::{Degraded, Draining, Timeout, Unhealthy, Unknown};
    let near = [
        (ip("127.0.0.1:10"), "", 1, Unknown, false),
        (ip("127.0.0.1:11"), "hn.x", 1, Unhealthy, false),
        (ip("127.0.0.1:12"), "", 7, Draining, false),
        (ip("127.0.0.1:13"), "", 1, Timeout, false),
        (ip("127.0.0.1:14"), "", 1, Degraded, true),
    ];
    let far = [
        (Address::Pipe("/run/x.sock".into()), "", 1, Unknown, false),
        (ip("[::1]:99"), "", 1, Unknown, false),
    ];
    let mut all = endpoints(registry, ["", "z1", ""], 0, &near);
    all.extend(endpoints(registry, ["r", "z", "s"], 1, &far));
    let cluster = |name: &str, observability_name: &str, high, endpoints| ClusterStatus {
        name: name.into(),
        observability_name: observability_name.into(),
        added_via_api: false,
        circuit_breakers_default: thresholds(1024),
        circuit_breakers_high: thresholds(high),
        endpoints,
    };
    let odd = endpoints(registry, ["", "", ""], 0, &near[..1]);
    vec![cluster("web", "alt:x", 5, all), cluster("a.b/c d:e", "a.b/c d:e", 1024, odd)]
}

/// What the listeners, routes and clusters of the configuration count.
fn scopes(registry: &Registry) -> Vec<Box<dyn Any + Send>> {
    let mut scopes: Vec<Box<dyn Any + Send>> = Vec::new();
    for listener in ["127.0.0.1:0", "pfx"] {
        scopes.push(Box::new((registry.listener(listener), registry.listener_extension(listener))));
        for worker in ["worker_0", "worker_1"] {
            scopes.push(Box::new(registry.listener_worker(listener, worker)));
        }
    }
    let prefix = "in.gress:x";
    scopes.push(Box::new((registry.http(prefix), registry.router(prefix), registry.tracing(prefix))));
    scopes.push(Box::new(registry.listener_http("127.0.0.1:0", prefix)));
    scopes.push(Box::new((registry.tcp("tcpx"), registry.route("all", "rsp"))));
    scopes.push(Box::new((registry.virtual_cluster("all", "vc1"), registry.virtual_cluster("all", "other"))));
    scopes.push(Box::new((registry.cluster("alt:x"), registry.cluster("a.b/c d:e"))));
    scopes
}

/// One request that found no route.
fn failed_streams() -> FailedStreams {
    let streams = FailedStreams::new(1);
    streams.remember(
        0,
        &FailedStream {
            request_id: "7f3a".into(),
            connection_id: 12,
            cause: "RouteNotFound".into(),
            path: "/a\nb".into(),
            status: 404,
            ..FailedStream::default()
        },
    );
    streams
}

/// Python's pages: `/config_dump` answers with what it was asked, `/explain` and `/python/stuck` never do.
fn python_pages(answer: impl Fn(PythonRequest) + Send + Sync + 'static) -> PythonPages {
    let page = |path: &str, post, help: &str| PythonPage { path: path.into(), post, help: help.into() };
    let pages = vec![
        page("/config_dump", false, "dump current Envoy configs\nresource: The resource to dump"),
        page("/python/post", true, "change something"),
        page("/explain", false, "why a request ended in an error"),
        page("/python/stuck", false, "wait for ever"),
    ];
    PythonPages::new(pages, answer)
}

impl FakeProxy {
    pub fn new() -> Arc<Self> {
        let config = StatsConfig::default();
        let registry = Registry::new(&config, 2);
        let stuck = Mutex::new(Vec::new());
        let process = ProcessStats::new(&registry);
        process.workers_started();
        process.listeners_added(2);
        process.clusters_added(2);
        Arc::new(Self {
            process,
            _scopes: Mutex::new(scopes(&registry)),
            clusters: clusters(&registry),
            failed: AtomicBool::new(false),
            runtime: Runtime::new(&[], &registry).unwrap(),
            pages: python_pages(move |request| {
                if request.path == "/explain" || request.path == "/python/stuck" {
                    return stuck.lock().unwrap().push(request);
                }
                let text = format!("{} {}?{}", request.method, request.path, request.query);
                let body = [text.as_bytes(), b"\n", &request.body].concat();
                request.reply(PythonReply { status: 200, content_type: "application/json".into(), body });
            }),
            failed_streams: failed_streams(),
            allowed: Mutex::default(),
            told: Mutex::default(),
            registry,
        })
    }

    fn tell(&self, what: String) {
        self.told.lock().unwrap().push(what);
    }

    /// What it was told since the last call.
    pub fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.told.lock().unwrap())
    }
}

impl ProxyState for FakeProxy {
    fn state(&self) -> ServerState {
        if self.failed.load(Ordering::Relaxed) { ServerState::Draining } else { ServerState::Live }
    }

    fn uptime(&self) -> Duration {
        Duration::from_millis(61_500)
    }

    fn server_info(&self) -> Arc<str> {
        r#"{"state": "%STATE%", "uptime_current_epoch": "%UPTIME%"}"#.into()
    }

    fn listeners(&self) -> Vec<ListenerStatus> {
        let listener = |name: &str, addresses: &[&str]| ListenerStatus {
            name: name.into(),
            network_namespaces: Vec::new(),
            local_addresses: addresses.iter().map(|address| ip(address)).collect(),
        };
        vec![listener("main", &["127.0.0.1:30001"]), listener("tcp", &["[::1]:30002", "127.0.0.1:30003"])]
    }

    fn cluster_names(&self) -> Vec<Arc<str>> {
        self.clusters.iter().map(|cluster| Arc::clone(&cluster.name)).collect()
    }

    fn cluster(&self, name: &str) -> Option<ClusterStatus> {
        self.clusters.iter().find(|cluster| &*cluster.name == name).cloned()
    }

    fn drain_listeners(&self, request: DrainRequest) {
        self.tell(format!("{request:?}"));
    }

    fn set_healthcheck_failed(&self, failed: bool) {
        self.failed.store(failed, Ordering::Relaxed);
    }

    fn reopen_logs(&self) {
        self.tell("reopen_logs".to_owned());
    }

    fn shutdown(&self) {
        self.tell("shutdown".to_owned());
    }

    fn refresh_stats(&self) {
        let live = !self.failed.load(Ordering::Relaxed);
        self.process.refresh(&ProcessFacts {
            uptime: self.uptime(),
            live,
            state: self.state() as u64,
            first_expiration: None,
        });
    }

    fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    fn python_pages(&self) -> &PythonPages {
        &self.pages
    }

    fn failed_streams(&self) -> &FailedStreams {
        &self.failed_streams
    }

    fn path_allowed(&self, path: &str) -> bool {
        let allowed = self.allowed.lock().unwrap();
        allowed.is_empty() || allowed.iter().any(|known| known == path)
    }

    fn log_access(&self, access: &AdminAccess<'_>) {
        let head = |name: &[u8]| {
            String::from_utf8_lossy(access.request.get_bytes(name).unwrap_or_default()).into_owned()
        };
        let (code, sent) = (access.stream.response_code, access.stream.bytes_sent);
        self.tell(format!("log {} {} {code:?} {sent}", head(b":method"), head(b":path")));
    }
}
