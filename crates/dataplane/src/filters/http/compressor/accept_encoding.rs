//! Which compressor a client wants (RFC 9110 section 12.5.3).
//!
//! Owns: reading `accept-encoding` as Envoy does, and the choice among the compressors of a stream. Does not own: what is
//! counted of it (`compressor`).

/// What one compressor of the stream offers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Offer {
    /// Its `content-encoding`.
    pub encoding: &'static str,
    /// Whether it goes before others that the client wants as much.
    pub choose_first: bool,
}

/// Why an encoding was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// The client wants this one.
    Named(&'static str),
    /// The client takes anything: the first that is offered.
    Any(&'static str),
    /// The client wants the body as it is.
    Identity,
    /// The client wants nothing that is offered.
    NotValid,
}

/// The encodings and how much each is wanted; those whose weight is no number count for nothing.
fn wishes(accept_encoding: &[u8]) -> impl Iterator<Item = (&[u8], f32)> {
    accept_encoding.split(|&byte| byte == b',').filter(|wish| !wish.is_empty()).filter_map(|wish| {
        let mut parts = wish.splitn(2, |&byte| byte == b';');
        let encoding = parts.next().unwrap_or_default().trim_ascii();
        let Some(parameter) = parts.next() else { return Some((encoding, 1.0)) };
        let mut parameter = parameter.splitn(2, |&byte| byte == b'=');
        let is_weight = parameter.next().is_some_and(|name| name.trim_ascii().eq_ignore_ascii_case(b"q"));
        match parameter.next() {
            Some(weight) if is_weight => Some((encoding, weight_of(weight)?)),
            _ => Some((encoding, 1.0)),
        }
    })
}

fn weight_of(text: &[u8]) -> Option<f32> {
    std::str::from_utf8(text.trim_ascii()).ok()?.parse().ok()
}

/// Chooses among offers, in the order of the filters.
pub(super) fn choose(accept_encoding: &[u8], offers: &[Offer]) -> Choice {
    let refuses = |offer: &Offer| {
        wishes(accept_encoding)
            .any(|(encoding, weight)| weight == 0.0 && encoding == offer.encoding.as_bytes())
    };
    let offered = |encoding: &[u8]| {
        offers.iter().find(|offer| offer.encoding.as_bytes() == encoding && !refuses(offer))
    };
    let Some(first) = offers.iter().find(|offer| !refuses(offer)) else { return Choice::NotValid };
    let last_first = offers.iter().rev().find(|offer| offer.choose_first).map(|offer| offer.encoding);
    let (mut choice, mut most) = (Choice::NotValid, 0.0);
    for (encoding, weight) in wishes(accept_encoding) {
        let found = match encoding {
            b"identity" => Choice::Identity,
            b"*" => Choice::Any(first.encoding),
            encoding => match offered(encoding) {
                Some(offer) => Choice::Named(offer.encoding),
                None => continue,
            },
        };
        let goes_first = matches!(found, Choice::Named(encoding) if Some(encoding) == last_first);
        if weight > most || weight > 0.0 && weight == most && goes_first {
            (choice, most) = (found, weight);
        }
    }
    choice
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(accept_encoding: &str, offers: &[(&'static str, bool)]) -> Choice {
        let offers: Vec<_> =
            offers.iter().map(|&(encoding, choose_first)| Offer { encoding, choose_first }).collect();
        choose(accept_encoding.as_bytes(), &offers)
    }

    /// Judged by Envoy 1.40.
    #[test]
    fn one_compressor() {
        for (accept_encoding, choice) in [
            ("gzip", Choice::Named("gzip")),
            ("*", Choice::Any("gzip")),
            ("", Choice::NotValid),
            ("br", Choice::NotValid),
            ("GZIP", Choice::NotValid),
            ("x-gzip", Choice::NotValid),
            ("gzip gzip", Choice::NotValid),
            ("identity", Choice::Identity),
            ("gzip;q=0", Choice::NotValid),
            ("gzip;Q=0, identity;q=0.1", Choice::NotValid),
            ("br;q=0, identity;q=0.1", Choice::Identity),
            ("*, gzip;q=0", Choice::NotValid),
            ("*;q=0, gzip;q=1", Choice::Named("gzip")),
            ("*;q=0, identity;q=1", Choice::Identity),
            ("gzip;q=0, gzip;q=1", Choice::NotValid),
            ("gzip;q=a", Choice::NotValid),
            ("gzip;q=-1", Choice::NotValid),
            ("gzip;a=b;q=0", Choice::Named("gzip")),
            (" gzip ; q=0.5 , br", Choice::Named("gzip")),
            (",,gzip,", Choice::Named("gzip")),
            ("gzip;q=1e-1, identity;q=0.2", Choice::Identity),
            ("gzip;q=, identity;q=0.2", Choice::Identity),
            ("gzip;q=nan, identity;q=0.2", Choice::Identity),
            ("gzip;q=0.5;a=b, identity;q=0.2", Choice::Identity),
            ("gzip;q, identity;q=0.2", Choice::Named("gzip")),
            ("identity;q=0.2, gzip;q =0.3", Choice::Named("gzip")),
            ("gzip;q=inf, identity", Choice::Named("gzip")),
        ] {
            assert_eq!(chosen(accept_encoding, &[("gzip", false)]), choice, "{accept_encoding}");
        }
    }

    /// Judged by Envoy 1.40.
    #[test]
    fn several_compressors() {
        let two = [("gzip", false), ("br", false)];
        assert_eq!(chosen("gzip, br", &two), Choice::Named("gzip"));
        assert_eq!(chosen("br, gzip", &two), Choice::Named("br"));
        assert_eq!(chosen("gzip;q=0.3, *", &two), Choice::Any("gzip"));
        assert_eq!(chosen("deflate, br;q=0.3", &two), Choice::Named("br"));
        let second_first = [("gzip", false), ("br", true)];
        assert_eq!(chosen("gzip, br", &second_first), Choice::Named("br"));
        assert_eq!(chosen("identity, br", &second_first), Choice::Named("br"));
        assert_eq!(chosen("gzip;q=0.9, br;q=0.8", &second_first), Choice::Named("gzip"));
        let both_first = [("gzip", true), ("br", true), ("zstd", false)];
        assert_eq!(chosen("zstd, gzip, br", &both_first), Choice::Named("br"));
        assert_eq!(chosen("*", &both_first), Choice::Any("gzip"));
    }
}
