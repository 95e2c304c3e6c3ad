//! All expected values are what Envoy 1.40 answered.

use super::*;
use crate::model::redirect::RedirectAction;
use crate::model::route::RegexRewrite;

fn request(host: &str, target: &str, proto: &str) -> HeaderBlock {
    let mut request = HeaderBlock::new();
    for (name, value) in [
        (KnownName::Scheme, proto),
        (KnownName::Authority, host),
        (KnownName::Path, target),
        (KnownName::XForwardedProto, proto),
    ] {
        assert!(request.set(name, value.as_bytes()));
    }
    request
}

fn nothing() -> RedirectAction {
    RedirectAction {
        https_redirect: false,
        scheme_redirect: None,
        host_redirect: None,
        port_redirect: None,
        path_redirect: None,
        prefix_rewrite: None,
        regex_rewrite: None,
        path_rewrite: None,
        response_code: 301,
        strip_query: false,
    }
}

fn location(model: &RedirectAction, host: &str, target: &str, proto: &str, matched: usize) -> String {
    let redirect = Redirect::compile(model).expect("redirect");
    String::from_utf8(redirect.location(&mut request(host, target, proto), None, matched, true))
        .expect("text")
}

#[test]
fn locations() {
    let text = |text: &str| Some(text.to_owned());
    let https = RedirectAction { https_redirect: true, ..nothing() };
    let path =
        |path: &str, strip_query| RedirectAction { path_redirect: text(path), strip_query, ..nothing() };
    let regex = RegexRewrite { regex: "^/rx/(.*)$".to_owned(), substitution: "/y/\\1".to_owned() };
    for (model, target, expected) in [
        (https.clone(), "/hs?a=1", "https://red/hs?a=1"),
        (RedirectAction { scheme_redirect: text("ftp"), ..https }, "/sr", "ftp://red/sr"),
        (RedirectAction { host_redirect: text("new.com"), ..nothing() }, "/hr/x?y", "http://new.com/hr/x?y"),
        (RedirectAction { port_redirect: Some(8443), ..nothing() }, "/pr", "http://red:8443/pr"),
        (path("/np", false), "/path?k", "http://red/np?k"),
        (path("/np?a=1", false), "/pq?k", "http://red/np?a=1"),
        (path("/np", true), "/ps?k", "http://red/np"),
        (path("/np?a=1", true), "/pqs?k", "http://red/np?a=1"),
        (path("np", false), "/norel", "http://red/np"),
        (RedirectAction { regex_rewrite: Some(regex), ..nothing() }, "/rx/aa?k", "http://red/y/aa?k"),
        (RedirectAction { strip_query: true, ..nothing() }, "/sq/a?k", "http://red/sq/a"),
    ] {
        assert_eq!(location(&model, "red", target, "http", 0), expected, "{model:?}");
    }
    let prefix = RedirectAction { prefix_rewrite: text("/zz"), ..nothing() };
    assert_eq!(location(&prefix, "red", "/prx/r?k", "http", 4), "http://red/zz/r?k");
    let stripped = RedirectAction { strip_query: true, ..prefix };
    assert_eq!(location(&stripped, "red", "/prx/r?k", "http", 4), "http://red/zz/r");
}

#[test]
fn ports_that_go_and_stay() {
    let https = RedirectAction { https_redirect: true, ..nothing() };
    let port = RedirectAction { port_redirect: Some(99), ..nothing() };
    for (model, host, proto, expected) in [
        (&https, "a:80", "http", "https://a/"),
        (&https, "a:8080", "http", "https://a:8080/"),
        (&https, "[::1]:80", "http", "https://[::1]/"),
        (&https, "[::1]", "http", "https://[::1]/"),
        (&https, "a:443", "https", "https://a:443/"),
        (&port, "a:80", "http", "http://a:99/"),
        (&port, "[::1]", "http", "http://[::1]:99/"),
        (&nothing(), "a:80", "http", "http://a:80/"),
    ] {
        assert_eq!(location(model, host, "/", proto, 0), expected, "{host}");
    }
    let mut head = request("a:80", "/x?y", "http");
    assert_eq!(Redirect::to_tls().location(&mut head, None, 0, true), b"https://a:80/x?y");
    assert_eq!(own_url(&head), b"http://a:80/x?y");
}

#[test]
fn the_request_keeps_what_it_asked_for() {
    let model = RedirectAction { prefix_rewrite: Some("/zz".to_owned()), ..nothing() };
    let mut head = request("a", "/prx/r?k", "http");
    Redirect::compile(&model).expect("redirect").location(&mut head, None, 4, true);
    assert_eq!(head.get(KnownName::XEnvoyOriginalPath), Some(&b"/prx/r?k"[..]));
    assert_eq!(head.get(KnownName::Path), Some(&b"/zz/r?k"[..]));
}
