//! A request of the admin listener, whole.
//!
//! Owns the path as pages are looked up by it: dot segments, repeated slashes and percent encoding are dealt with as
//! Envoy's admin does. Does not own reading it from a socket (`connection`).

use ferryman_codec::{HeaderBlock, KnownName};

use super::parameters::{Parameters, decode_percent};

/// What is asked.
#[derive(Debug)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The target as it came.
    pub target: String,
    /// The path to look up, without the query.
    pub path: String,
    /// The query as it came, without the question mark.
    pub query: String,
    /// The parameters: of the query, or of the body when that is a form.
    pub parameters: Parameters,
    /// What the client likes best: the first of what it accepts, without parameters.
    pub accepted: String,
    /// The body.
    pub body: Vec<u8>,
}

/// Resolves `.`, `..` and repeated slashes (RFC 3986 section 5.2.4).
fn normalize_path(path: &str) -> String {
    let mut segments: Vec<String> = Vec::new();
    let mut directory = false;
    for segment in path.split('/') {
        // An escaped slash is no slash.
        let decoded = Some(decode_percent(segment)).filter(|decoded| !decoded.contains('/'));
        let segment: String = decoded.map_or_else(|| segment.to_owned(), Into::into);
        directory = matches!(&*segment, "" | "." | "..");
        match &*segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    let end = if directory && !segments.is_empty() { "/" } else { "" };
    format!("/{}{end}", segments.join("/"))
}

impl Request {
    /// From a head and a body.
    pub fn new(head: &HeaderBlock, body: Vec<u8>) -> Self {
        let text = |name| String::from_utf8_lossy(head.get(name).unwrap_or_default()).into_owned();
        let target = text(KnownName::Path);
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let form = text(KnownName::ContentType).starts_with("application/x-www-form-urlencoded");
        let parameters = match std::str::from_utf8(&body) {
            Ok(body) if form && !body.is_empty() => Parameters::parse(body),
            _ => Parameters::parse(query),
        };
        Self {
            method: text(KnownName::Method),
            path: normalize_path(path),
            query: query.to_owned(),
            parameters,
            accepted: text(KnownName::Accept).split([',', ';']).next().unwrap_or_default().trim().to_owned(),
            body,
            target,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_looked_up_in_one_form() {
        for (path, expected) in [
            ("/ready", "/ready"),
            ("/", "/"),
            ("", "/"),
            ("//./ready", "/ready"),
            ("/../stats/x/../prometheus", "/stats/prometheus"),
            ("/re%61dy", "/ready"),
            ("/ready/", "/ready/"),
            ("/READY", "/READY"),
            ("/stats%2Fprometheus", "/stats%2Fprometheus"),
        ] {
            assert_eq!(normalize_path(path), expected, "{path}");
        }
    }

    #[test]
    fn a_form_in_the_body_takes_the_place_of_the_query() {
        let mut head = HeaderBlock::new();
        assert!(head.set(KnownName::Method, b"POST"));
        assert!(head.set(KnownName::Path, b"/logging?level=debug"));
        assert_eq!(Request::new(&head, Vec::new()).parameters.first("level"), Some("debug"));
        assert!(head.set(KnownName::ContentType, b"application/x-www-form-urlencoded"));
        let request = Request::new(&head, b"http=info".to_vec());
        assert_eq!(request.parameters.iter().collect::<Vec<_>>(), [("http", "info")]);
    }
}
