//! The query of a page, decoded.
//!
//! Owns percent decoding and the list of parameters, in order; the first of a name counts, as in Envoy. A plus sign
//! stands for itself, so that it can be used in a filter.

/// Decoded names and values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameters(Vec<(String, String)>);

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Decodes `%41`; what is not two hexadecimal digits stays as it is, and what is not UTF-8 is replaced.
pub fn decode_percent(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        if let (b'%', [high, low, behind @ ..]) = (first, after) {
            if let (Some(high), Some(low)) = (hex(*high), hex(*low)) {
                bytes.push(high << 4 | low);
                rest = behind;
                continue;
            }
        }
        bytes.push(*first);
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Parameters {
    /// Takes a query apart, without its question mark.
    pub fn parse(query: &str) -> Self {
        let parts = query.split('&').filter(|part| !part.is_empty());
        Self(
            parts
                .map(|part| {
                    let (name, value) = part.split_once('=').unwrap_or((part, ""));
                    (decode_percent(name), decode_percent(value))
                })
                .collect(),
        )
    }

    /// The first value of a name; a parameter without `=` has the empty value.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_taken_apart() {
        let parameters = Parameters::parse("usedonly&filter=%5Ea.%2Bb+c%zz%4&filter=x&&=v&k=a=b");
        let all: Vec<_> = parameters.iter().collect();
        let expected =
            [("usedonly", ""), ("filter", "^a.+b+c%zz%4"), ("filter", "x"), ("", "v"), ("k", "a=b")];
        assert_eq!(all, expected);
        assert_eq!(parameters.first("filter"), Some("^a.+b+c%zz%4"));
        assert_eq!(parameters.first("nothing"), None);
    }

    proptest::proptest! {
        #[test]
        fn any_query_is_taken_apart(query in "[&=%+a-f0-9\\PC]{0,64}") {
            let parameters = Parameters::parse(&query);
            assert!(parameters.iter().len() <= query.matches('&').count() + 1);
        }
    }
}
