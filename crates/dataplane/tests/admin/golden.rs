//! Every page, compared with what the real Envoy answered.

use std::path::PathBuf;

use regex::Regex;

use crate::client::Client;
use crate::fake_proxy::FakeProxy;
use crate::server::Bound;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/admin")
}

/// What changes from run to run, as `#`; the same as in `tests/admin/record.py`.
fn normalise(body: &str) -> String {
    let rules = [
        (r"(?m)^([\w.:\[\]/ -]+: )(?:\d+|P0\(.*|No recorded values)$", "${1}#"),
        (r"(?m)^(\w+\{.*\}) [\d.e+-]+$", "${1} #"),
        (r#"("value":)\d+"#, "${1}#"),
        (r#"("(?:cumulative|interval)":)(?:[\d.e+-]+|null)"#, "${1}#"),
        (r#"(?m)^( "\w+": )"\d+""#, "${1}\"#\""),
        (r#"("port_value": )\d{4,}"#, "${1}#"),
        (r"(?m)^(\w+::\S+:)\d{4,}$", "${1}#"),
    ];
    rules.iter().fold(body.to_owned(), |body, (pattern, replacement)| {
        Regex::new(pattern).unwrap().replace_all(&body, *replacement).into_owned()
    })
}

/// The first line in which two texts differ.
fn difference(ours: &str, envoy: &str) -> String {
    let lines = ours.lines().map(Some).chain(std::iter::repeat(None));
    let pairs = lines.zip(envoy.lines().map(Some).chain(std::iter::repeat(None)));
    let at = pairs.enumerate().find(|(_, (one, other))| one != other || one.is_none());
    at.map_or(String::new(), |(at, (one, other))| {
        let (one, other) = (one.unwrap_or("(end)"), other.unwrap_or("(end)"));
        // A page may be a single long line.
        let same = one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count().saturating_sub(40);
        let part = |line: &str| line.chars().skip(same).take(160).collect::<String>();
        format!("line {}:\n  ours:  {}\n  Envoy: {}", at + 1, part(one), part(other))
    })
}

#[test]
fn pages_are_those_of_envoy() {
    let proxy = FakeProxy::new();
    let server = Bound::tcp().serve(&proxy);
    let mut client = Client::connect(server.address);
    let list = std::fs::read_to_string(folder().join("pages.txt")).unwrap();
    let mut differing = Vec::new();
    for page in list.lines().filter(|line| !line.starts_with('#')) {
        let [name, method, path] = page.splitn(3, ' ').collect::<Vec<_>>()[..] else {
            panic!("pages.txt: {page}")
        };
        let answer = client.ask(method, path);
        let content_type = answer.header("content-type").to_owned();
        let ours = format!("{}\n{content_type}\n{}", answer.status, normalise(&answer.body));
        let envoy = std::fs::read_to_string(folder().join("golden").join(name)).unwrap();
        if ours != envoy {
            differing.push(format!("{name}: {}", difference(&ours, &envoy)));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    let expected: Vec<String> = ["reopen_logs"].map(str::to_owned).to_vec();
    let told: Vec<String> = proxy.told().into_iter().filter(|told| !told.starts_with("log ")).collect();
    assert_eq!(told, expected);
}
