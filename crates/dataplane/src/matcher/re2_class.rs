//! RE2's bracket expressions and the escapes that stand for characters.
//!
//! Owns: `[…]`, `\d`, `\pN`, `\x{…}` and their kin, over bytes. Does not own: the rest of the syntax (`re2_syntax`).
//! Follows: RE2's page "Syntax". A byte is the Latin-1 character of its number, also for `\pN`.

use super::re2_syntax::push_literal;

/// What an escape stands for.
pub(super) enum Set {
    Byte(u8),
    /// A set, as it is written inside of brackets.
    Class(String),
}

impl Set {
    /// As it is written outside of brackets.
    pub(super) fn outside(&self) -> String {
        match self {
            Set::Byte(byte) => {
                let mut out = String::new();
                push_literal(*byte, &mut out);
                out
            }
            Set::Class(class) => format!("[{class}]"),
        }
    }
}

/// Translates what follows a `[`; answers what follows the closing bracket.
pub(super) fn translate<'a>(text: &'a [u8], out: &mut String) -> Result<&'a [u8], String> {
    let missing = || format!("missing ]: [{}", String::from_utf8_lossy(text));
    let mut rest = text;
    out.push('[');
    if let Some(negated) = rest.strip_prefix(b"^") {
        out.push('^');
        rest = negated;
    }
    let mut first = true;
    loop {
        if let (Some(after), false) = (rest.strip_prefix(b"]"), first) {
            out.push(']');
            return Ok(after);
        }
        if rest.is_empty() {
            return Err(missing());
        }
        first = false;
        if let Some((class, after)) = posix_class(rest)? {
            out.push_str(&class);
            rest = after;
            continue;
        }
        let before = rest;
        let (set, after) = member(rest)?;
        rest = after;
        let low = match set {
            Set::Class(class) => {
                out.push_str(&class);
                continue;
            }
            Set::Byte(low) => low,
        };
        push_literal(low, out);
        // A `-` before the closing bracket is itself.
        let Some(end) = rest.strip_prefix(b"-").filter(|end| !end.starts_with(b"]") && !end.is_empty())
        else {
            continue;
        };
        let (set, after) = member(end)?;
        rest = after;
        match set {
            Set::Byte(high) if low <= high => {
                out.push('-');
                push_literal(high, out);
            }
            _ => {
                let range = before.get(..before.len() - rest.len()).unwrap_or_default();
                return Err(invalid_range(range));
            }
        }
    }
}

fn invalid_range(text: &[u8]) -> String {
    format!("invalid character class range: {}", String::from_utf8_lossy(text))
}

/// One byte or escape.
fn member(text: &[u8]) -> Result<(Set, &[u8]), String> {
    match text.split_first() {
        Some((b'\\', escaped)) => escape(escaped),
        Some((&byte, rest)) => Ok((Set::Byte(byte), rest)),
        None => Err("missing ]".to_owned()),
    }
}

const POSIX: [(&str, &str); 14] = [
    ("alnum", "0-9A-Za-z"),
    ("alpha", "A-Za-z"),
    ("ascii", r"\x00-\x7f"),
    ("blank", r"\t\x20"),
    ("cntrl", r"\x00-\x1f\x7f"),
    ("digit", "0-9"),
    ("graph", r"\x21-\x7e"),
    ("lower", "a-z"),
    ("print", r"\x20-\x7e"),
    ("punct", r"\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e"),
    ("space", r"\t\n\v\f\r\x20"),
    ("upper", "A-Z"),
    ("word", "0-9A-Za-z_"),
    ("xdigit", "0-9A-Fa-f"),
];

/// `[:name:]` or `[:^name:]`, and what follows.
fn posix_class(text: &[u8]) -> Result<Option<(String, &[u8])>, String> {
    let Some(inner) = text.strip_prefix(b"[:") else { return Ok(None) };
    let Some(end) = memchr::memmem::find(inner, b":]") else { return Ok(None) };
    let name = inner.get(..end).unwrap_or_default();
    let (negation, plain) = match name.strip_prefix(b"^") {
        Some(plain) => ("^", plain),
        None => ("", name),
    };
    match POSIX.iter().find(|(known, _)| known.as_bytes() == plain) {
        Some((_, members)) => {
            Ok(Some((format!("[{negation}{members}]"), inner.get(end + 2..).unwrap_or_default())))
        }
        None => Err(invalid_range(text.get(..end + 4).unwrap_or_default())),
    }
}

/// What follows a `\`, other than an assertion; and what follows that.
pub(super) fn escape(text: &[u8]) -> Result<(Set, &[u8]), String> {
    let Some((&byte, rest)) = text.split_first() else { return Err(r"trailing \".to_owned()) };
    let bad = || {
        let shown = String::from_utf8_lossy(text);
        format!(r"invalid escape sequence: \{}", shown.chars().take(1).collect::<String>())
    };
    let class = |members: &str| Ok((Set::Class(members.to_owned()), rest));
    let literal = |byte| Ok((Set::Byte(byte), rest));
    match byte {
        b'd' => class("0-9"),
        b'D' => class("[^0-9]"),
        b's' => class(r"\t\n\f\r\x20"),
        b'S' => class(r"[^\t\n\f\r\x20]"),
        b'w' => class("0-9A-Za-z_"),
        b'W' => class("[^0-9A-Za-z_]"),
        b'a' => literal(0x07),
        b'f' => literal(0x0c),
        b'n' => literal(b'\n'),
        b'r' => literal(b'\r'),
        b't' => literal(b'\t'),
        b'v' => literal(0x0b),
        b'p' | b'P' => property(byte == b'P', rest),
        b'x' => hexadecimal(rest).ok_or_else(bad),
        b'0'..=b'7' => octal(text).ok_or_else(bad),
        byte if byte.is_ascii() && !byte.is_ascii_alphanumeric() => literal(byte),
        _ => Err(bad()),
    }
}

/// `41` or `{ff}`; no character beyond Latin-1.
fn hexadecimal(text: &[u8]) -> Option<(Set, &[u8])> {
    let (digits, rest) = match text.strip_prefix(b"{") {
        Some(braced) => {
            let end = braced.iter().position(|byte| *byte == b'}')?;
            (braced.get(..end)?, braced.get(end + 1..)?)
        }
        None => text.split_at_checked(2)?,
    };
    let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
    let value = u32::from_str_radix(digits, 16).ok()?;
    Some((Set::Byte(u8::try_from(value).ok()?), rest))
}

/// Up to three octal digits; a single one that is not 0 would be a reference back, which RE2 has not.
fn octal(text: &[u8]) -> Option<(Set, &[u8])> {
    let length = text.iter().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
    if length == 1 && !text.starts_with(b"0") {
        return None;
    }
    let (digits, rest) = text.split_at_checked(length)?;
    let value = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()?;
    Some((Set::Byte(u8::try_from(value).ok()?), rest))
}

/// Unicode's general categories, but those that are unions of letters by case.
const CATEGORIES: &str =
    " C Cc Cf Co Cs L Ll Lm Lo Lt Lu M Mc Me Mn N Nd Nl No P Pc Pd Pe Pf Pi Po Ps S Sc Sk Sm So Z Zl Zp Zs ";

/// `N`, `{Greek}` or `{^Greek}` after `\p` or `\P`: a general category or a script.
fn property(negated: bool, text: &[u8]) -> Result<(Set, &[u8]), String> {
    let invalid = || {
        let shown = text.iter().position(|byte| *byte == b'}').map_or(1, |end| end + 1);
        let letter = if negated { "P" } else { "p" };
        invalid_range(
            format!(r"\{letter}{}", String::from_utf8_lossy(text.get(..shown).unwrap_or(text))).as_bytes(),
        )
    };
    let (name, rest) = match text.strip_prefix(b"{") {
        Some(braced) => {
            let end = braced.iter().position(|byte| *byte == b'}').ok_or_else(invalid)?;
            (braced.get(..end).unwrap_or_default(), braced.get(end + 1..).unwrap_or_default())
        }
        None => text.split_at_checked(1).ok_or_else(invalid)?,
    };
    let name = std::str::from_utf8(name).map_err(|_| invalid())?;
    let (name, negated) = match name.strip_prefix('^') {
        Some(name) => (name, !negated),
        None => (name, negated),
    };
    let is_script = name.len() > 2
        && name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    let unicode = if name == "Any" {
        "(?s).".to_owned()
    } else if CATEGORIES.contains(&format!(" {name} ")) {
        format!(r"\p{{gc={name}}}")
    } else if is_script {
        format!(r"\p{{sc={name}}}")
    } else {
        return Err(invalid());
    };
    let characters = regex::Regex::new(&unicode).map_err(|_| invalid())?;
    let has = |byte: u8| characters.is_match(char::from(byte).encode_utf8(&mut [0; 4]));
    let mut members = String::from("[");
    (0..=u8::MAX).filter(|byte| has(*byte) != negated).for_each(|byte| push_literal(byte, &mut members));
    // An empty class is written as one that lacks every byte.
    if members == "[" {
        members.push_str(r"^\x00-\xff");
    }
    members.push(']');
    Ok((Set::Class(members), rest))
}
