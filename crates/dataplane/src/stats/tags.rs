//! How the name of a statistic turns into a Prometheus name and tags.
//!
//! Owns the tags that Envoy extracts by default and those of `stats_config.stats_tags`. The default ones are parts of a
//! scope's prefix that are known by construction, so no regular expression runs for them; configured ones are regular
//! expressions over the whole name. Follows Envoy's page "Stats tags" and `config.metrics.v3.StatsConfig`: tags that
//! are not bound to a first word of the name come first, and of two with one name the first counts.

use std::ops::Range;

use regex::bytes::Regex;

use crate::matcher::compile_search_regex;
use crate::model::bootstrap::StatsConfig;

/// The form of a scope's prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Nothing in it is a tag.
    Plain,
    /// `cluster.<name>.`
    Cluster,
    /// `cluster.<name>.grpc.[<service>.<method>.]`, or `grpc-web`
    GrpcCall,
    /// `http.<stat prefix>.`
    Http,
    /// `tcp.<stat prefix>.`
    Tcp,
    /// `udp.<stat prefix>.`
    Udp,
    /// `listener.<address>.`, and what may follow: `worker_<n>.`, `http.<stat prefix>.`
    Listener,
    /// `listener_local_ratelimit.<stat prefix>.`
    ListenerRateLimit,
    /// `local_rate_limit.<stat prefix>.`
    NetworkRateLimit,
    /// `<stat prefix>.http_local_rate_limit.`
    HttpRateLimit,
    /// `connection_limit.<stat prefix>.`
    ConnectionLimit,
    /// `proxy_proto.[<stat prefix>.]`, and what may follow: `versions.v<n>.`
    ProxyProtocol,
    /// `<stat prefix>.rbac.`, and what may follow
    NetworkRbac,
    /// Without any tag, not even a configured one: Envoy makes these before it knows of tags.
    Untagged,
    /// `….worker_<n>.`, and what may follow: `dispatcher.`
    Worker,
    /// `vhost.<virtual host>.vcluster.<virtual cluster>.` or `….route.<stat prefix>.`
    VirtualHost,
}

/// A tag that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found<'a> {
    tag: &'a str,
    value: &'a str,
    removed: Range<usize>,
    /// Whether it is one of Envoy's own, which can be turned off.
    default: bool,
}

impl<'a> Found<'a> {
    fn custom(tag: &'a str, value: &'a str, removed: Range<usize>) -> Self {
        Self { tag, value, removed, default: false }
    }

    fn default_tag(tag: &'a str, name: &'a str, value: Range<usize>, removed: Range<usize>) -> Self {
        Self { tag, value: name.get(value).unwrap_or_default(), removed, default: true }
    }
}

/// What is left of a name, and its tags.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extracted {
    /// The ranges of the name that tags took out of it.
    pub removed: Vec<Range<usize>>,
    /// The tags as Prometheus writes them: `a="1",b="2"`.
    pub labels: String,
}

impl Extracted {
    /// The name without what tags took out. Its parts are separated by 0 and not by dots, so that it sorts part by
    /// part, as metrics do in Envoy.
    pub fn metric(&self, name: &str) -> String {
        let kept = name.char_indices().filter(|(at, _)| !self.removed.iter().any(|range| range.contains(at)));
        kept.map(|(_, c)| if c == '.' { '\0' } else { c }).collect()
    }
}

/// Appends a metric's name, or a piece of it, as Prometheus has it.
pub fn write_metric(metric: &[u8], out: &mut Vec<u8>) {
    out.extend(metric.iter().map(|byte| if byte.is_ascii_alphanumeric() { *byte } else { b'_' }));
}

#[derive(Debug)]
enum Source {
    Fixed(String),
    Regex { regex: Regex, first_word: Option<String> },
}

#[derive(Debug)]
struct Custom {
    tag: String,
    source: Source,
}

/// The tags as configured.
#[derive(Debug)]
pub struct Tags {
    all_defaults: bool,
    /// With `use_all_default_tags: false`, the default tags that are asked for by name.
    chosen_defaults: Vec<String>,
    custom: Vec<Custom>,
    has_regex: bool,
    /// Whether a configured tag takes the place of the default one of its name.
    overrides: bool,
}

/// The word that a regular expression demands at the start: `^cluster\.…` can only match names that begin with it.
fn first_word(pattern: &str) -> Option<String> {
    let rest = pattern.strip_prefix('^')?;
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
    let (word, rest) = rest.split_at(end);
    let bound = rest.starts_with("\\.") || rest == "$";
    (bound && !word.is_empty()).then(|| word.to_owned())
}

/// The end of the token that begins at `start`, its dot included.
fn token(name: &str, start: usize) -> Option<(Range<usize>, Range<usize>)> {
    let length = name.get(start..)?.find('.')?;
    (length > 0).then(|| (start..start + length, start..start + length + 1))
}

/// `127.0.0.1_80.` or `[__1]_80.`: the length without the dot.
fn address_length(text: &str) -> Option<usize> {
    let host = if let Some(rest) = text.strip_prefix('[') {
        rest.find(']').filter(|end| {
            rest.get(..*end).is_some_and(|ip| ip.chars().all(|c| c.is_ascii_hexdigit() || c == '_'))
        })? + 2
    } else {
        text.find('_').filter(|end| {
            let octets = text.get(..*end).unwrap_or_default().split('.');
            octets.clone().count() == 4 && octets.into_iter().all(|octet| octet.parse::<u8>().is_ok())
        })?
    };
    let port = text.get(host..)?.strip_prefix('_')?;
    let digits = port.find(|c: char| !c.is_ascii_digit())?;
    (digits > 0 && port.get(digits..)?.starts_with('.')).then_some(host + 1 + digits)
}

impl Tags {
    /// Compiles the configuration. A regular expression that does not compile was refused before it came here, and is
    /// left out.
    pub fn new(config: &StatsConfig) -> Self {
        let mut tags = Self {
            all_defaults: config.use_all_default_tags,
            chosen_defaults: Vec::new(),
            custom: Vec::new(),
            has_regex: false,
            overrides: config.allow_default_tag_overrides,
        };
        for specifier in &config.tags {
            let tag = specifier.tag_name.clone();
            if let Some(value) = &specifier.fixed_value {
                tags.custom.push(Custom { tag, source: Source::Fixed(value.clone()) });
            } else if let Some(pattern) = specifier.regex.as_deref().filter(|pattern| !pattern.is_empty()) {
                if let Ok(regex) = compile_search_regex(pattern) {
                    let first_word = first_word(pattern);
                    tags.custom.push(Custom { tag, source: Source::Regex { regex, first_word } });
                    tags.has_regex = true;
                }
            } else {
                tags.chosen_defaults.push(tag);
            }
        }
        tags
    }

    /// Whether tags depend on more than the scope and the response code.
    pub fn has_regex(&self) -> bool {
        self.has_regex
    }

    fn is_on(&self, tag: &str) -> bool {
        if self.overrides && self.custom.iter().any(|custom| custom.tag == tag) {
            return false;
        }
        self.all_defaults || self.chosen_defaults.iter().any(|chosen| chosen == tag)
    }

    /// The tags of a whole name, the first `prefix_length` bytes of which are the prefix of its scope.
    pub fn extract(&self, name: &str, prefix_length: usize, shape: Shape) -> Extracted {
        let mut extracted = Extracted::default();
        for entry in self.find(name, prefix_length, shape) {
            if !extracted.labels.is_empty() {
                extracted.labels.push(',');
            }
            write_label(entry.tag, entry.value, &mut extracted.labels);
            if !entry.removed.is_empty() {
                extracted.removed.push(entry.removed);
            }
        }
        extracted
    }

    /// What the tags of a whole name leave of it, and the tags.
    pub fn take_out(
        &self,
        name: &str,
        prefix_length: usize,
        shape: Shape,
    ) -> (String, Vec<(String, String)>) {
        let found = self.find(name, prefix_length, shape);
        let kept =
            name.char_indices().filter(|(at, _)| !found.iter().any(|entry| entry.removed.contains(at)));
        let tags = found.iter().map(|entry| (entry.tag.to_owned(), entry.value.to_owned())).collect();
        (kept.map(|(_, c)| c).collect(), tags)
    }

    /// Each tag once: of two with one name the first counts.
    fn find<'a>(&'a self, name: &'a str, prefix_length: usize, shape: Shape) -> Vec<Found<'a>> {
        let mut found: Vec<Found<'_>> = Vec::new();
        if shape == Shape::Untagged {
            return found;
        }
        found.extend(response_code(name));
        found.extend(tls_part(name));
        let prefix = name.get(..prefix_length).unwrap_or(name);
        let mut of_prefix = Vec::new();
        defaults(prefix, shape, &mut of_prefix);
        // Of Envoy's own tags these are not bound to a first word of the name.
        let (unbound, bound): (Vec<_>, Vec<_>) =
            of_prefix.into_iter().partition(|entry| entry.tag == "envoy.worker_id");
        found.extend(unbound);
        found.extend(self.matches(name, false));
        found.extend(bound);
        found.retain(|entry| !entry.default || self.is_on(entry.tag));
        found.extend(self.matches(name, true));
        let mut taken: Vec<&str> = Vec::new();
        found.retain(|entry| {
            let is_first = !taken.contains(&entry.tag);
            taken.push(entry.tag);
            is_first
        });
        found
    }

    /// Configured tags: those bound to the first word of the name, or the others.
    fn matches<'a>(&'a self, name: &'a str, bound: bool) -> impl Iterator<Item = Found<'a>> {
        let word = name.split('.').next().unwrap_or_default();
        self.custom.iter().filter_map(move |custom| match &custom.source {
            Source::Fixed(value) => (!bound).then(|| Found::custom(&custom.tag, value, 0..0)),
            Source::Regex { first_word, .. } if first_word.is_some() != bound => None,
            Source::Regex { first_word: Some(first), .. } if first != word => None,
            Source::Regex { regex, .. } => {
                let captures = regex.captures(name.as_bytes())?;
                let removed = captures.get(1)?.range();
                let value = match captures.len() {
                    2 => removed.clone(),
                    _ => captures.get(2).map_or(0..0, |group| group.range()),
                };
                Some(Found::custom(&custom.tag, name.get(value)?, removed))
            }
        })
    }
}

/// `…_rq_200` and `…_rq_2xx`.
fn response_code(name: &str) -> Option<Found<'_>> {
    let start = name.rfind("_rq_")? + 4;
    let code = name.get(start..)?;
    match code.as_bytes() {
        digits if digits.len() == 3 && digits.iter().all(u8::is_ascii_digit) => {
            Some(Found::default_tag("envoy.response_code", name, start..name.len(), start - 1..name.len()))
        }
        [b'0'..=b'9', b'x', b'x'] => {
            Some(Found::default_tag("envoy.response_code_class", name, start..start + 1, start..start + 1))
        }
        _ => None,
    }
}

/// `….ssl.ciphers.<name>` and the like, and `….ssl.certificate.<name>.…`.
fn tls_part(name: &str) -> Option<Found<'_>> {
    const PARTS: [(&str, &str); 5] = [
        ("ciphers.", "envoy.ssl_cipher"),
        ("curves.", "envoy.ssl_curve"),
        ("sigalgs.", "envoy.ssl_sigalg"),
        ("versions.", "envoy.ssl_version"),
        ("certificate.", "envoy.tls_certificate"),
    ];
    let at = name.find(".ssl.")? + ".ssl.".len();
    let rest = name.get(at..)?;
    let (word, tag) = PARTS.into_iter().find(|(word, _)| rest.starts_with(word))?;
    let start = at + word.len();
    // Envoy has another name for it in clusters.
    let tag = if word == "ciphers." && name.starts_with("cluster.") { "cipher_suite" } else { tag };
    let end = match word {
        "certificate." => start + name.get(start..)?.find('.')?,
        _ => name.len(),
    };
    Some(Found::default_tag(tag, name, start..end, start - 1..end))
}

/// The default tags of a scope's prefix, in Envoy's order.
fn defaults<'a>(prefix: &'a str, shape: Shape, found: &mut Vec<Found<'a>>) {
    let mut first_token = |tag| {
        let start = prefix.find('.').map_or(0, |dot| dot + 1);
        if let Some((value, removed)) = token(prefix, start) {
            found.push(Found::default_tag(tag, prefix, value, removed));
        }
    };
    match shape {
        Shape::Plain | Shape::Untagged => {}
        Shape::Cluster => first_token("envoy.cluster_name"),
        Shape::GrpcCall => grpc_call(prefix, found),
        Shape::Http => first_token("envoy.http_conn_manager_prefix"),
        Shape::Tcp => first_token("envoy.tcp_prefix"),
        Shape::Udp => first_token("envoy.udp_prefix"),
        Shape::ListenerRateLimit => first_token("envoy.local_listener_ratelimit_prefix"),
        Shape::NetworkRateLimit => first_token("envoy.local_network_ratelimit_prefix"),
        Shape::HttpRateLimit => found.extend(http_rate_limit(prefix)),
        Shape::ConnectionLimit => first_token("envoy.connection_limit_prefix"),
        Shape::Worker => found.extend(prefix.find('.').and_then(|dot| worker(prefix, dot + 1))),
        Shape::Listener => listener(prefix, found),
        Shape::VirtualHost => virtual_host(prefix, found),
        Shape::ProxyProtocol => proxy_protocol(prefix, found),
        Shape::NetworkRbac => {
            if let Some(end) = prefix
                .find('.')
                .filter(|end| *end > 0 && prefix.get(*end..).is_some_and(|rest| rest.starts_with(".rbac.")))
            {
                found.push(Found::default_tag("envoy.rbac_prefix", prefix, 0..end, 0..end + 1));
            }
        }
    }
}

/// As in Envoy, the two words behind `grpc`, whatever dots are in the name of the service.
fn grpc_call<'a>(prefix: &'a str, found: &mut Vec<Found<'a>>) {
    let Some((name, removed)) = token(prefix, "cluster.".len()) else { return };
    let of_grpc = prefix.get(removed.end..).is_some_and(|rest| rest.starts_with("grpc."));
    let service = token(prefix, removed.end + "grpc.".len()).filter(|_| of_grpc);
    if let Some((service, before)) = service {
        if let Some((method, behind)) = token(prefix, before.end) {
            found.push(Found::default_tag("envoy.grpc_bridge_method", prefix, method, behind));
            found.push(Found::default_tag("envoy.grpc_bridge_service", prefix, service, before));
        }
    }
    found.push(Found::default_tag("envoy.cluster_name", prefix, name, removed));
}

/// A prefix of more than one word is no tag.
fn http_rate_limit(prefix: &str) -> Option<Found<'_>> {
    let (value, removed) = token(prefix, 0)?;
    let rest = prefix.get(removed.end..)?;
    (rest == "http_local_rate_limit.")
        .then(|| Found::default_tag("envoy.local_http_ratelimit_prefix", prefix, value, removed))
}

/// `worker_<n>.` at `start`: the number is the tag.
fn worker(prefix: &str, start: usize) -> Option<Found<'_>> {
    let (number, _) = prefix.get(start..)?.strip_prefix("worker_")?.split_once('.')?;
    let start = start + "worker_".len();
    let value = start..start + number.len();
    (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| Found::default_tag("envoy.worker_id", prefix, value.clone(), value.start..value.end + 1))
}

fn listener<'a>(prefix: &'a str, found: &mut Vec<Found<'a>>) {
    let start = "listener.".len();
    let rest = prefix.get(start..).unwrap_or_default();
    let address = address_length(rest).or_else(|| rest.find('.')).map(|length| start..start + length);
    let address = address.filter(|range| prefix.get(range.clone()) != Some("admin"));
    found.extend(address.as_ref().and_then(|address| worker(prefix, address.end + 1)));
    let http = prefix.find(".http.").and_then(|at| token(prefix, at + ".http.".len()));
    if let Some((value, removed)) = http {
        found.push(Found::default_tag("envoy.http_conn_manager_prefix", prefix, value, removed));
    }
    if let Some(address) = address {
        found.push(Found::default_tag(
            "envoy.listener_address",
            prefix,
            address.clone(),
            address.start..address.end + 1,
        ));
    }
}

/// A stat prefix and a version; either may be missing.
fn proxy_protocol<'a>(prefix: &'a str, found: &mut Vec<Found<'a>>) {
    const WORD: &str = "versions.v";
    let start = "proxy_proto.".len();
    let versions = prefix.rfind(WORD).filter(|at| *at >= start);
    let end = versions.unwrap_or(prefix.len());
    if end > start {
        let tag = "envoy.proxy_protocol_prefix";
        found.push(Found::default_tag(tag, prefix, start..end - 1, start..end));
    }
    if let Some(at) = versions {
        let value = at + WORD.len()..prefix.len().saturating_sub(1);
        found.push(Found::default_tag("envoy.proxy_protocol_version", prefix, value, at..prefix.len()));
    }
}

fn virtual_host<'a>(prefix: &'a str, found: &mut Vec<Found<'a>>) {
    let Some((value, removed)) = token(prefix, "vhost.".len()) else { return };
    let rest = prefix.get(removed.end..).unwrap_or_default();
    let host = Found::default_tag("envoy.virtual_host", prefix, value, removed.clone());
    let inner = |tag, word: &str| {
        let (value, removed) = token(prefix, removed.end + word.len())?;
        rest.starts_with(word).then(|| Found::default_tag(tag, prefix, value, removed))
    };
    found.extend(inner("envoy.virtual_cluster", "vcluster."));
    found.push(host);
    found.extend(inner("envoy.route", "route."));
}

/// Appends `name="value"`.
pub(super) fn write_label(tag: &str, value: &str, out: &mut String) {
    out.extend(tag.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }));
    out.push_str("=\"");
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::bootstrap::TagSpecifier;

    fn tags(use_all_default_tags: bool, custom: &[(&str, Option<&str>, Option<&str>)]) -> Tags {
        let tag = |(name, regex, fixed): &(&str, Option<&str>, Option<&str>)| TagSpecifier {
            tag_name: (*name).to_owned(),
            regex: regex.map(str::to_owned),
            fixed_value: fixed.map(str::to_owned),
        };
        Tags::new(&StatsConfig {
            tags: custom.iter().map(tag).collect(),
            use_all_default_tags,
            ..StatsConfig::default()
        })
    }

    fn line(tags: &Tags, prefix: &str, name: &str, shape: Shape) -> String {
        let full = format!("{prefix}{name}");
        let extracted = tags.extract(&full, prefix.len(), shape);
        let mut metric = b"envoy_".to_vec();
        write_metric(extracted.metric(&full).as_bytes(), &mut metric);
        format!("{}{{{}}}", String::from_utf8(metric).unwrap(), extracted.labels)
    }

    /// Prefix, name, and what the real Envoy 1.40 prints for them.
    const DEFAULTS: &str = r#"
Cluster|cluster.web.|upstream_rq_200|envoy_cluster_upstream_rq{envoy_response_code="200",envoy_cluster_name="web"}
Cluster|cluster.web.|external.upstream_rq_2xx|envoy_cluster_external_upstream_rq_xx{envoy_response_code_class="2",envoy_cluster_name="web"}
Cluster|cluster.a.b/c d_e.|upstream_rq_0rtt|envoy_cluster_b_c_d_e_upstream_rq_0rtt{envoy_cluster_name="a"}
Cluster|cluster.web.zone.z1.z1.|upstream_rq_time|envoy_cluster_zone_z1_z1_upstream_rq_time{envoy_cluster_name="web"}
Http|http.in.gress_x.|downstream_rq_5xx|envoy_http_gress_x_downstream_rq_xx{envoy_response_code_class="5",envoy_http_conn_manager_prefix="in"}
Listener|listener.[__1]_0.http.in.gress_x.|downstream_rq_completed|envoy_listener_http_gress_x_downstream_rq_completed{envoy_http_conn_manager_prefix="in",envoy_listener_address="[__1]_0"}
Listener|listener.127.0.0.1_0.worker_1.|downstream_cx_total|envoy_listener_worker_downstream_cx_total{envoy_worker_id="1",envoy_listener_address="127.0.0.1_0"}
Listener|listener./tmp/stats/l3.sock.worker_0.|downstream_cx_total|envoy_listener_sock_worker_0_downstream_cx_total{envoy_listener_address="/tmp/stats/l3"}
Listener|listener.admin.main_thread.|downstream_cx_total|envoy_listener_admin_main_thread_downstream_cx_total{}
Listener|listener.admin.http.admin.|downstream_rq_2xx|envoy_listener_admin_http_downstream_rq_xx{envoy_response_code_class="2",envoy_http_conn_manager_prefix="admin"}
VirtualHost|vhost.vh.vcluster.other.|upstream_rq_503|envoy_vhost_vcluster_upstream_rq{envoy_response_code="503",envoy_virtual_cluster="other",envoy_virtual_host="vh"}
VirtualHost|vhost.vh.route.rsp.|upstream_rq_total|envoy_vhost_route_upstream_rq_total{envoy_virtual_host="vh",envoy_route="rsp"}
VirtualHost|vhost.a.b.com.vcluster.vc1.|upstream_rq_total|envoy_vhost_b_com_vcluster_vc1_upstream_rq_total{envoy_virtual_host="a"}
Worker|server.worker_0.|watchdog_miss|envoy_server_worker_watchdog_miss{envoy_worker_id="0"}
Worker|listener_manager.worker_1.dispatcher.|poll_delay_us|envoy_listener_manager_worker_dispatcher_poll_delay_us{envoy_worker_id="1"}
Worker|server.dispatcher.|poll_delay_us|envoy_server_dispatcher_poll_delay_us{}
ProxyProtocol|proxy_proto.|not_found_allowed|envoy_proxy_proto_not_found_allowed{}
ProxyProtocol|proxy_proto.mine.|not_found_allowed|envoy_proxy_proto_not_found_allowed{envoy_proxy_protocol_prefix="mine"}
ProxyProtocol|proxy_proto.versions.v1.|found|envoy_proxy_proto_found{envoy_proxy_protocol_version="1"}
ProxyProtocol|proxy_proto.mine.versions.v2.|found|envoy_proxy_proto_found{envoy_proxy_protocol_prefix="mine",envoy_proxy_protocol_version="2"}
NetworkRbac|net.rbac.|allowed|envoy_rbac_allowed{envoy_rbac_prefix="net"}
NetworkRbac|net.one.rbac.|allowed|envoy_net_one_rbac_allowed{}
NetworkRbac|net.rbac.sh_.|shadow_denied|envoy_rbac_sh__shadow_denied{envoy_rbac_prefix="net"}
Tcp|tcp.tcpx.|idle_timeout|envoy_tcp_idle_timeout{envoy_tcp_prefix="tcpx"}
Udp|udp.udpx.|idle_timeout|envoy_udp_idle_timeout{envoy_udp_prefix="udpx"}
"#;

    #[test]
    fn default_tags_are_those_of_envoy() {
        let tags = tags(true, &[]);
        let shapes = [
            Shape::Cluster,
            Shape::Http,
            Shape::Tcp,
            Shape::Udp,
            Shape::Listener,
            Shape::Worker,
            Shape::VirtualHost,
            Shape::ProxyProtocol,
            Shape::NetworkRbac,
        ];
        for case in DEFAULTS.trim().lines() {
            let [shape, prefix, name, expected] = case.split('|').collect::<Vec<_>>()[..] else {
                panic!("{case}")
            };
            let shape = shapes.iter().find(|known| format!("{known:?}") == shape).unwrap();
            assert_eq!(line(&tags, prefix, name, *shape), expected);
        }
    }

    /// Each line is what the real Envoy 1.40 prints, given the same `stats_tags`.
    #[test]
    fn configured_tags_are_those_of_envoy() {
        let tags = tags(
            true,
            &[
                ("clit", None, Some("v1")),
                ("cluster_short", Some(r"^cluster\.((we)b)"), None),
                ("noprefix", Some("(membership_)"), None),
                ("fixed.x", None, Some("a\"b\\c\nd")),
                ("envoy.cluster_name", Some(r"^cluster\.((a.b)\.)"), None),
                ("opt", Some(r"^cluster\.(.*?)(zzz)?upstream_cx_total"), None),
                ("grp", Some("upstream_rq(_total)"), None),
            ],
        );
        let fixed = r#"fixed_x="a\"b\\c\nd""#;
        let cluster = |prefix, name| line(&tags, prefix, name, Shape::Cluster);
        assert_eq!(
            cluster("cluster.web.a.", "upstream_rq_total"),
            format!(
                r#"envoy_cluster_a_upstream_rq{{clit="v1",{fixed},grp="_total",envoy_cluster_name="web",cluster_short="we"}}"#
            )
        );
        assert_eq!(
            cluster("cluster.WEB.", "membership_total"),
            format!(
                r#"envoy_cluster_total{{clit="v1",noprefix="membership_",{fixed},envoy_cluster_name="WEB"}}"#
            )
        );
        assert_eq!(
            cluster("cluster.a.b/c d_e.", "upstream_cx_total"),
            format!(r#"envoy_cluster_upstream_cx_total{{clit="v1",{fixed},envoy_cluster_name="a",opt=""}}"#)
        );
        assert_eq!(
            line(&tags, "server.", "live", Shape::Plain),
            format!(r#"envoy_server_live{{clit="v1",{fixed}}}"#)
        );
    }

    #[test]
    fn without_default_tags_only_those_that_are_named_are_taken() {
        let none = tags(false, &[]);
        assert_eq!(
            line(&none, "cluster.web.", "upstream_rq_200", Shape::Cluster),
            "envoy_cluster_web_upstream_rq_200{}"
        );
        let one = tags(false, &[("envoy.cluster_name", None, None)]);
        assert_eq!(
            line(&one, "cluster.web.", "upstream_rq_200", Shape::Cluster),
            r#"envoy_cluster_upstream_rq_200{envoy_cluster_name="web"}"#
        );
    }
}
