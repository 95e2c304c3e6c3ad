//! All expected values are what Envoy 1.40 sent upstream; none is its 400.

use super::*;

fn apply(normalization: PathNormalization, path: &str) -> (Outcome, String) {
    let mut request = HeaderBlock::new();
    assert!(request.set(KnownName::Path, path.as_bytes()), "{path}");
    let outcome = normalization.apply(&mut request);
    (outcome, String::from_utf8(request.get(KnownName::Path).expect("path").to_vec()).expect("text"))
}

const NORMALIZE: PathNormalization =
    PathNormalization { escaped_slashes: EscapedSlashesAction::Keep, normalize: true, merge_slashes: false };
const MERGE: PathNormalization = PathNormalization { normalize: false, merge_slashes: true, ..NORMALIZE };
const BOTH: PathNormalization = PathNormalization { merge_slashes: true, ..NORMALIZE };
const FORWARD: PathNormalization =
    PathNormalization { escaped_slashes: EscapedSlashesAction::UnescapeAndForward, ..BOTH };

/// The form after `normalize_path` and after `normalize_path` with `merge_slashes`.
const NORMALIZED: &[(&str, &str, &str)] = &[
    ("/a/../b", "/b", "/b"),
    ("/a/./b", "/a/b", "/a/b"),
    ("/../a", "/a", "/a"),
    ("/a/..", "/", "/"),
    ("/a/.", "/a/", "/a/"),
    ("/.", "/", "/"),
    ("/..", "/", "/"),
    ("//a//b", "//a//b", "/a/b"),
    ("/a%2fb", "/a%2fb", "/a%2fb"),
    ("/a%5cb", "/a%5cb", "/a%5cb"),
    ("/a\\b", "/a/b", "/a/b"),
    ("/a/%2e%2e/b", "/b", "/b"),
    ("/a/%2E./b", "/b", "/b"),
    ("/a/%2e/b", "/a/b", "/a/b"),
    ("/%41%42", "/AB", "/AB"),
    ("/%7Ea", "/~a", "/~a"),
    ("/a%20b", "/a%20b", "/a%20b"),
    ("/a%zz", "/a%zz", "/a%zz"),
    ("/a%", "/a%", "/a%"),
    ("/a%0", "/a%0", "/a%0"),
    ("/a;x=1/..;/b", "/b", "/b"),
    ("/a/..;x/b", "/b", "/b"),
    ("/a/.;x/b", "/a/b", "/a/b"),
    ("/a/b;/../c", "/a/c", "/a/c"),
    ("/a?b/../c", "/a?b/../c", "/a?b/../c"),
    ("/a/../b?q=%2e%2e/", "/b?q=%2e%2e/", "/b?q=%2e%2e/"),
    ("/a//../b", "/a/b", "/a/b"),
    ("/a/b/..//c", "/a//c", "/a/c"),
    ("/a/..//", "//", "//"),
    ("/%2f", "/%2f", "/%2f"),
    ("/%2e", "/", "/"),
    ("/%2e%2e/", "/", "/"),
    ("/a/...", "/a/...", "/a/..."),
    ("/a/.../b", "/a/.../b", "/a/.../b"),
    ("/a|b", "/a%7Cb", "/a%7Cb"),
    ("/a\"b", "/a%22b", "/a%22b"),
    ("/a<b>", "/a%3Cb%3E", "/a%3Cb%3E"),
    ("/a`{b}^", "/a%60%7Bb%7D%5E", "/a%60%7Bb%7D%5E"),
    ("/a%e9", "/a%e9", "/a%e9"),
    ("/a!$&'()*,=:@+[]", "/a!$&'()*,=:@+[]", "/a!$&'()*,=:@+[]"),
    ("/a%25b", "/a%25b", "/a%25b"),
    ("/a?x=a//b", "/a?x=a//b", "/a?x=a//b"),
    ("/..//..//a", "//a", "/a"),
    ("/a%2f../b", "/a%2f../b", "/a%2f../b"),
    ("/a\\..\\b", "/b", "/b"),
    ("/a/%2e%2e%2fb", "/a/..%2fb", "/a/..%2fb"),
    ("/a/b/.%2e", "/a/", "/a/"),
    ("/a/.%2", "/a/.%2", "/a/.%2"),
    ("/%2e%2", "/.%2", "/.%2"),
    ("/a/.;", "/a/", "/a/"),
    ("/a/..;", "/", "/"),
    ("/a/;..", "/a/;..", "/a/;.."),
    ("/.;/..;/a", "/a", "/a"),
    ("/a/%2e;/b", "/a/.;/b", "/a/.;/b"),
    ("/a/%2e%2e;/b", "/a/..;/b", "/a/..;/b"),
    ("/a\\.;\\b", "/a/.;/b", "/a/.;/b"),
    ("/a\\..;/b", "/a/..;/b", "/a/..;/b"),
    ("/a/b/../.", "/a/", "/a/"),
    ("///..", "//", "//"),
    ("//..", "/", "/"),
    ("/..a", "/..a", "/..a"),
    ("/a./b", "/a./b", "/a./b"),
    ("/a../b", "/a../b", "/a../b"),
    ("/a/.../..", "/a/", "/a/"),
    ("/a/..\\b", "/b", "/b"),
    ("/%%41", "/%A", "/%A"),
    ("/%4%31", "/%2541", "/%2541"),
    ("/%25%34%31", "/%2541", "/%2541"),
    ("/..;a=b/c;d", "/c;d", "/c;d"),
    ("/a/..;?x=..;", "/?x=..;", "/?x=..;"),
    ("/a/.;x/..;y/b", "/b", "/b"),
];

#[test]
fn normalized() {
    for &(path, normalized, merged) in NORMALIZED {
        assert_eq!(apply(NORMALIZE, path), (Outcome::Continue, normalized.to_string()), "{path}");
        assert_eq!(apply(BOTH, path), (Outcome::Continue, merged.to_string()), "{path}");
    }
    assert_eq!(apply(NORMALIZE, "/a%00b").0, Outcome::Reject);
}

#[test]
fn every_escape() {
    for byte in 1..=255u8 {
        for escape in [format!("%{byte:02x}"), format!("%{byte:02X}")] {
            let unescaped = char::from(byte).to_string();
            let expected = if is_unreserved(byte) { &unescaped } else { &escape };
            assert_eq!(apply(NORMALIZE, &format!("/x{escape}y")).1, format!("/x{expected}y"));
        }
    }
}

#[test]
fn slashes_alone() {
    for (path, merged) in
        [("//a//b", "/a/b"), ("/a//../b", "/a/../b"), ("/a/..//", "/a/../"), ("/a", "/a"), ("//", "//")]
    {
        assert_eq!(apply(MERGE, path), (Outcome::Continue, merged.to_string()), "{path}");
    }
}

#[test]
fn escaped_slashes() {
    let reject =
        PathNormalization { escaped_slashes: EscapedSlashesAction::Reject, normalize: false, ..NORMALIZE };
    let redirect = PathNormalization { escaped_slashes: EscapedSlashesAction::UnescapeAndRedirect, ..reject };
    let redirect_normalized = PathNormalization { normalize: true, ..redirect };
    for (path, redirected, normalized, forwarded) in [
        ("/a%2fb", "/a/b", "/a/b", "/a/b"),
        ("/a%2Fb", "/a/b", "/a/b", "/a/b"),
        ("/a%5cb", "/a\\b", "/a/b", "/a/b"),
        ("/a%2f../b", "/a/../b", "/b", "/b"),
        ("/a%2f%2fb?x=1", "/a//b?x=1", "/a//b?x=1", "/a/b?x=1"),
        ("/%2F", "//", "//", "//"),
        ("/%2f%xa%", "//%xa%", "//%xa%", "/%xa%"),
    ] {
        assert_eq!(apply(reject, path).0, Outcome::Reject, "{path}");
        assert_eq!(apply(redirect, path), (Outcome::Redirect, redirected.to_string()), "{path}");
        assert_eq!(apply(redirect_normalized, path), (Outcome::Redirect, normalized.to_string()), "{path}");
        assert_eq!(apply(FORWARD, path), (Outcome::Continue, forwarded.to_string()), "{path}");
    }
    for path in ["/a\\b", "/a?x=%2f", "/a//b", "/a%252fb"] {
        assert_eq!(apply(reject, path), (Outcome::Continue, path.to_string()));
        assert_eq!(apply(redirect, path), (Outcome::Continue, path.to_string()));
    }
    assert_eq!(apply(redirect_normalized, "/a%00%2f").0, Outcome::Reject);
}
