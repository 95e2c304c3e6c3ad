//! RE2's syntax, said in the words of the `regex` crate.
//!
//! Owns: reading a pattern as Envoy's RE2 reads it and writing one that means the same. Does not own: matching
//! (`regex`), bracket expressions and escapes (`re2_class`). Follows: RE2's page "Syntax". Both engines are linear in
//! time and find the leftmost-first match. Envoy's RE2 knows bytes, not UTF-8: `.` is one byte, and a letter beyond
//! ASCII in a pattern is the bytes that it is made of. An ill-formed `{` is itself; in brackets `[`, `&&`, `--` and `~~`
//! are themselves; and what only the `regex` crate has is refused.
//! Under `(?i)` letters beyond ASCII are not folded.

use super::re2_class;

/// RE2's limit for the counts in `{n,m}`, those of nested ones multiplied.
const MAX_REPEAT: u32 = 1000;

/// Says an RE2 pattern in the `regex` crate's syntax, as one group.
pub(super) fn translate(re2: &str) -> Result<String, String> {
    let mut translator = Translator {
        re2,
        rest: re2.as_bytes(),
        out: String::with_capacity(re2.len() + 8),
        last: Last::Nothing,
        repeats: 1,
        groups: vec![1],
    };
    translator.out.push_str("(?-u:");
    translator.run().map_err(|reason| format!("invalid regex '{re2}': {reason}"))?;
    translator.out.push(')');
    Ok(translator.out)
}

/// What a repetition operator would apply to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// Nothing: the start of the pattern, a group or an alternative.
    Nothing,
    Atom,
    /// `x*`: takes a `?`, but not another operator.
    Repetition,
    /// `x*?`
    LazyRepetition,
}

struct Translator<'a> {
    re2: &'a str,
    rest: &'a [u8],
    out: String,
    last: Last,
    /// The product of the counts within the last atom.
    repeats: u32,
    /// For the whole and each open group, the largest product of counts so far.
    groups: Vec<u32>,
}

impl<'a> Translator<'a> {
    fn run(&mut self) -> Result<(), String> {
        while let Some((&byte, rest)) = self.rest.split_first() {
            self.rest = rest;
            match byte {
                b'\\' => self.escape()?,
                b'[' => {
                    self.rest = re2_class::translate(self.rest, &mut self.out)?;
                    self.atom(1);
                }
                b'(' => self.open_group()?,
                b')' => self.close_group()?,
                b'|' => {
                    self.out.push('|');
                    self.last = Last::Nothing;
                }
                b'*' | b'+' | b'?' => self.repetition(&char::from(byte).to_string())?,
                b'{' => match self.counts() {
                    Some(counts) => self.counted_repetition(&counts)?,
                    None => self.literal(b'{'),
                },
                b'.' | b'^' | b'$' => {
                    self.out.push(char::from(byte));
                    self.atom(1);
                }
                other => self.literal(other),
            }
        }
        if self.groups.len() > 1 {
            return Err(format!("missing ): {}", self.re2));
        }
        Ok(())
    }

    fn atom(&mut self, repeats: u32) {
        self.last = Last::Atom;
        self.repeats = repeats;
        if let Some(largest) = self.groups.last_mut() {
            *largest = repeats.max(*largest);
        }
    }

    fn literal(&mut self, byte: u8) {
        push_literal(byte, &mut self.out);
        self.atom(1);
    }

    fn repetition(&mut self, operator: &str) -> Result<(), String> {
        self.last = match (self.last, operator) {
            (Last::Atom, _) => Last::Repetition,
            (Last::Repetition, "?") => Last::LazyRepetition,
            (Last::Nothing, _) => return Err(format!("no argument for repetition operator: {operator}")),
            _ => return Err(format!("bad repetition operator: {operator}")),
        };
        self.out.push_str(operator);
        Ok(())
    }

    /// `n}`, `n,}` or `n,m}` after a `{`, if that is what follows.
    fn counts(&mut self) -> Option<String> {
        let end = self.rest.iter().position(|byte| *byte == b'}')?;
        let counts = std::str::from_utf8(self.rest.get(..end)?).ok()?;
        let (low, high) = counts.split_once(',').unwrap_or((counts, ""));
        let number = |text: &str| {
            text.bytes().all(|byte| byte.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'))
        };
        if low.is_empty() || !number(low) || !number(high) {
            return None;
        }
        self.rest = self.rest.get(end + 1..)?;
        Some(counts.to_owned())
    }

    fn counted_repetition(&mut self, counts: &str) -> Result<(), String> {
        let operator = format!("{{{counts}}}");
        let (low, high) = counts.split_once(',').unwrap_or((counts, counts));
        let number = |text: &str| text.parse::<u32>().ok().filter(|count| *count <= MAX_REPEAT);
        let most = match (number(low), high) {
            (low, "") => low,
            (Some(low), high) => number(high).filter(|high| low <= *high),
            (None, _) => None,
        };
        let invalid = || format!("invalid repetition size: {operator}");
        let repeats = most.ok_or_else(invalid)?.max(1).saturating_mul(self.repeats);
        self.repetition(&operator)?;
        if repeats > MAX_REPEAT {
            return Err(invalid());
        }
        let last = self.last;
        self.atom(repeats);
        self.last = last;
        Ok(())
    }

    /// What follows a `(`.
    fn open_group(&mut self) -> Result<(), String> {
        let Some(extension) = self.rest.strip_prefix(b"?") else {
            self.begin_group("(");
            return Ok(());
        };
        let text = String::from_utf8_lossy(extension);
        let named = text.strip_prefix("P<").or_else(|| text.strip_prefix('<'));
        if let Some(named) = named.filter(|named| !named.starts_with(['=', '!'])) {
            let name = named.split_once('>').map(|(name, _)| name).unwrap_or(named);
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                return Err(format!("invalid named capture group: (?P<{name}>"));
            }
            let prefix = text.len() - named.len();
            self.rest = extension.get(prefix + name.len() + 1..).ok_or("invalid named capture group")?;
            // Only its number is ever used.
            self.begin_group("(");
            return Ok(());
        }
        let length = extension.iter().take_while(|byte| b"imsU-".contains(byte)).count();
        let flags = normal_flags(text.get(..length).unwrap_or_default());
        match (flags, extension.get(length)) {
            (Some(flags), Some(b':')) => self.begin_group(&format!("(?{flags}:")),
            (Some(flags), Some(b')')) => {
                if !flags.is_empty() {
                    self.out.push_str(&format!("(?{flags})"));
                }
                self.last = Last::Nothing;
            }
            _ => {
                let given: String = text.chars().take(length + 1).collect();
                return Err(format!("invalid perl operator: (?{given}"));
            }
        }
        self.rest = extension.get(length + 1..).unwrap_or_default();
        Ok(())
    }

    fn begin_group(&mut self, opening: &str) {
        self.out.push_str(opening);
        self.groups.push(1);
        self.last = Last::Nothing;
    }

    fn close_group(&mut self) -> Result<(), String> {
        let repeats = self.groups.pop().unwrap_or(1);
        if self.groups.is_empty() {
            return Err(format!("unexpected ): {}", self.re2));
        }
        self.out.push(')');
        self.atom(repeats);
        Ok(())
    }

    /// What follows a `\`.
    fn escape(&mut self) -> Result<(), String> {
        if let Some(quoted) = self.rest.strip_prefix(b"Q") {
            let end = memchr::memmem::find(quoted, b"\\E");
            let (text, rest) = quoted.split_at(end.unwrap_or(quoted.len()));
            text.iter().for_each(|byte| self.literal(*byte));
            self.rest = rest.get(2..).unwrap_or_default();
            return Ok(());
        }
        let plain = match self.rest.first() {
            Some(b'A') => r"\A",
            Some(b'z') => r"\z",
            Some(b'b') => r"\b",
            Some(b'B') => r"\B",
            Some(b'C') => "(?s:.)",
            _ => {
                let (set, rest) = re2_class::escape(self.rest)?;
                self.rest = rest;
                self.out.push_str(&set.outside());
                self.atom(1);
                return Ok(());
            }
        };
        self.rest = self.rest.get(1..).unwrap_or_default();
        self.out.push_str(plain);
        self.atom(1);
        Ok(())
    }
}

/// `imsU`, perhaps with a `-` among them, each once; `None`: not flags.
fn normal_flags(flags: &str) -> Option<String> {
    let (on, off) = match flags.split_once('-') {
        Some((_, off)) if off.is_empty() || off.contains('-') => return None,
        Some((on, off)) => (on, off),
        None => (flags, ""),
    };
    // A flag that is named twice is as it is named last.
    let mut normal: String =
        "imsU".chars().filter(|flag| on.contains(*flag) && !off.contains(*flag)).collect();
    if !off.is_empty() {
        normal.push('-');
        normal.extend("imsU".chars().filter(|flag| off.contains(*flag)));
    }
    Some(normal)
}

/// Writes a byte that stands for itself, inside or outside of brackets.
pub(super) fn push_literal(byte: u8, out: &mut String) {
    if byte.is_ascii_alphanumeric() || byte == b'_' {
        out.push(char::from(byte));
    } else {
        out.push_str(&format!(r"\x{byte:02x}"));
    }
}
