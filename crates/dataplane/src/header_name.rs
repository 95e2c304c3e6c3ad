//! Header names as the configuration writes them.
//!
//! Owns: their check and lower case, and which of them may be edited. Does not own: names in traffic (codec).
//! Follows: RFC 9110 section 5.1; Envoy for what may be edited.

use ferryman_codec::HeaderName;

/// The name in lower case.
///
/// # Errors
/// Why it is no name.
pub fn parse(name: &str) -> Result<HeaderName, String> {
    HeaderName::new(name.to_ascii_lowercase().as_bytes())
        .map_err(|error| format!("header name '{name}': {error}"))
}

/// The name of a header that may be added, replaced and removed: not a pseudo-header, not the host.
///
/// # Errors
/// Why it is no such name.
pub fn parse_editable(name: &str) -> Result<HeaderName, String> {
    if name.starts_with(':') || name.eq_ignore_ascii_case("host") {
        return Err(format!(
            "header name '{name}': pseudo-headers and the host cannot be edited; use a rewrite"
        ));
    }
    parse(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(parse("X-Team").map(|name| name.as_bytes().to_vec()), Ok(b"x-team".to_vec()));
        assert!(parse(":path").is_ok());
        for bad in ["", "a b", "é"] {
            assert!(parse(bad).is_err_and(|text| text.contains(bad)), "{bad}");
        }
        for bad in [":path", "host", "Host", "a:"] {
            assert!(parse_editable(bad).is_err(), "{bad}");
        }
        assert!(parse_editable("x-a").is_ok());
    }
}
