//! Matching the alternative names of a certificate.
//!
//! Owns: one matcher of one kind of name. Does not own: which matchers a peer must satisfy (`validation`). Follows Envoy's
//! `SubjectAltNameMatcher`: an exact DNS name may be met by a wildcard of the certificate.

use crate::matcher::StringMatcher;
use crate::model;
use crate::model::tls::{SanType, SubjectAltNameMatcher};

use super::x509::AltNames;

/// One matcher, compiled.
#[derive(Debug)]
pub struct SanMatcher {
    kind: SanType,
    matcher: StringMatcher,
    /// The name that is asked for exactly, in small letters.
    exact: Option<String>,
    oid: String,
}

impl SanMatcher {
    /// Compiles it.
    ///
    /// # Errors
    /// A regex that is none.
    pub fn compile(model: &SubjectAltNameMatcher) -> Result<Self, String> {
        let exact = match &model.matcher {
            model::matcher::StringMatcher::Exact { value, .. } => Some(value.to_ascii_lowercase()),
            _ => None,
        };
        let matcher = StringMatcher::compile(&model.matcher)?;
        Ok(SanMatcher { kind: model.san_type, matcher, exact, oid: model.oid.clone() })
    }

    /// Just this DNS name.
    #[must_use]
    pub fn dns(name: &str) -> Self {
        let exact = name.to_ascii_lowercase();
        let matcher = StringMatcher::exact(&exact);
        SanMatcher { kind: SanType::Dns, matcher, exact: Some(exact), oid: String::new() }
    }

    /// Whether one of the names will do. A name with a zero byte in it never does: to whoever ends a name there it is
    /// another one (RFC 5280 section 4.2.1.6 has no such names).
    #[must_use]
    pub fn matches(&self, names: &AltNames) -> bool {
        let matches = |name: &String| !name.contains('\0') && self.matcher.matches(name.as_bytes());
        match self.kind {
            SanType::Email => names.email.iter().any(matches),
            SanType::Uri => names.uri.iter().any(matches),
            SanType::IpAddress => names.ip.iter().any(|ip| self.matcher.matches(ip.to_string().as_bytes())),
            SanType::OtherName => names.other.iter().any(|(oid, name)| *oid == self.oid && matches(name)),
            SanType::Dns => names.dns.iter().any(|name| match &self.exact {
                Some(exact) => dns_name_fits(exact, &name.to_ascii_lowercase()),
                None => matches(name),
            }),
        }
    }
}

/// A star stands for one whole label, the first.
fn dns_name_fits(wanted: &str, pattern: &str) -> bool {
    if wanted == pattern {
        return true;
    }
    let rest = pattern.strip_prefix("*.");
    rest.is_some_and(|rest| {
        wanted.split_once('.').is_some_and(|(label, own)| !label.is_empty() && own == rest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_of_certificates_stand_for_one_label() {
        for (wanted, pattern, fits) in [
            ("a.test", "a.test", true),
            ("a.test", "*.test", true),
            ("b.a.test", "*.test", false),
            ("test", "*.test", false),
            (".test", "*.test", false),
            ("a.test", "*a.test", false),
        ] {
            assert_eq!(dns_name_fits(wanted, pattern), fits, "{wanted} {pattern}");
        }
    }

    #[test]
    fn a_name_with_a_zero_byte_is_nobodys() {
        let suffix =
            model::matcher::StringMatcher::Suffix { value: ".trusted.test".to_owned(), ignore_case: false };
        for san_type in [SanType::Dns, SanType::Uri, SanType::Email] {
            let model = SubjectAltNameMatcher { san_type, matcher: suffix.clone(), oid: String::new() };
            let matcher = SanMatcher::compile(&model).expect("matcher");
            for (name, fits) in [("a.trusted.test", true), ("evil.test\0.trusted.test", false)] {
                let names = vec![name.to_owned()];
                let names =
                    AltNames { dns: names.clone(), uri: names.clone(), email: names, ..AltNames::default() };
                assert_eq!(matcher.matches(&names), fits, "{name:?}");
            }
        }
    }
}
