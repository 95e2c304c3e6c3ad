//! Formats of times.
//!
//! Owns: compiling a time format and printing a time in it. Does not own: the calendar (`calendar`), nor which time is
//! printed (`time_field`).
//! Follows: Envoy's page "Access logging", `%START_TIME%`: the conversions of strftime in the C locale, `%E…` and
//! `%:z` of cctz, and Envoy's own `%s`, `%f`, `%1f` to `%9f`, which it finds first wherever they stand.
//! A conversion that does not exist prints as it stands.

use super::calendar::Calendar;
use crate::stream_info::address::write_decimal;

/// A compiled time format.
pub(crate) struct TimeFormat {
    pieces: Box<[Piece]>,
    /// How many of them are the same for a whole second, from the first on.
    of_second: usize,
}

enum Piece {
    Literal(Box<[u8]>),
    Year,
    /// strftime's letter for a number: letter, at least so many digits, padded with this.
    Number(u8, u8, u8),
    WeekdayName {
        short: bool,
    },
    MonthName {
        short: bool,
    },
    AmPm {
        lower: bool,
    },
    EpochSeconds,
    /// The second with this many digits of its fraction; `None`: as many as it takes.
    SecondWithFraction(Option<u8>),
    /// This many digits of the second's fraction; `None`: as many as it takes.
    Fraction(Option<u8>),
    /// `+hhmm` with these separators and parts.
    Offset {
        colons: bool,
        seconds: bool,
        minutes: bool,
    },
    ZoneName,
}

const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

impl TimeFormat {
    /// Compiles a format; the error names the conversion that is not supported.
    pub(crate) fn compile(format: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        compile_fractions(format, &mut pieces).map_err(|conversion| {
            format!("the conversion {conversion} is not supported (flags and widths are not)")
        })?;
        let pieces = join_literals(pieces);
        let of_second = pieces.iter().position(Piece::changes_within_second).unwrap_or(pieces.len());
        Ok(TimeFormat { pieces, of_second })
    }

    /// Appends the time; `zone` is what `%Z` prints.
    pub(crate) fn write(&self, time: &Calendar, zone: &[u8], out: &mut Vec<u8>) {
        self.write_of_second(time, zone, out);
        self.write_within_second(time, zone, out);
    }

    /// Appends what is the same for the whole second.
    pub(super) fn write_of_second(&self, time: &Calendar, zone: &[u8], out: &mut Vec<u8>) {
        self.pieces.iter().take(self.of_second).for_each(|piece| piece.write(time, zone, out));
    }

    /// Appends what comes after it.
    pub(super) fn write_within_second(&self, time: &Calendar, zone: &[u8], out: &mut Vec<u8>) {
        self.pieces.iter().skip(self.of_second).for_each(|piece| piece.write(time, zone, out));
    }
}

/// Envoy replaces `%s`, `%f` and `%1f`…`%9f` before it looks at anything else, so `%%s` is `%` and the seconds.
fn compile_fractions(format: &str, pieces: &mut Vec<Piece>) -> Result<(), String> {
    let mut rest = format;
    let mut from = 0;
    while let Some(found) = rest.get(from..).and_then(|tail| tail.find('%')).map(|at| at + from) {
        let after = rest.get(found + 1..).unwrap_or_default().as_bytes();
        let (piece, length) = match after {
            [b's', ..] => (Piece::EpochSeconds, 2),
            [b'f', ..] => (Piece::Fraction(Some(9)), 2),
            [digit @ b'1'..=b'9', b'f', ..] => (Piece::Fraction(Some(digit - b'0')), 3),
            _ => {
                from = found + 1;
                continue;
            }
        };
        compile_conversions(rest.get(..found).unwrap_or_default(), pieces)?;
        pieces.push(piece);
        rest = rest.get(found + length..).unwrap_or_default();
        from = 0;
    }
    compile_conversions(rest, pieces)
}

fn compile_conversions(format: &str, pieces: &mut Vec<Piece>) -> Result<(), String> {
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        let (before, conversion) = rest.split_at(at);
        pieces.push(literal(before));
        let length = compile_conversion(conversion, pieces)?;
        rest = conversion.get(length..).unwrap_or_default();
    }
    pieces.push(literal(rest));
    Ok(())
}

/// Compiles the conversion at the start of `text` and says how long it is.
fn compile_conversion(text: &str, pieces: &mut Vec<Piece>) -> Result<usize, String> {
    let Some(letter) = text.chars().nth(1) else {
        pieces.push(literal(text));
        return Ok(1);
    };
    match letter {
        'E' => return compile_cctz(text, pieces),
        ':' => return Ok(compile_colon_offset(text, pieces)),
        // A flag, width or modifier that stands alone is no conversion and prints as it stands.
        '0'..='9' | '-' | '_' | '^' | '#' | 'O'
            if text.chars().nth(2).is_some_and(|next| next.is_ascii_alphanumeric()) =>
        {
            return Err(text.chars().take(3).collect());
        }
        _ => {}
    }
    let length = 1 + letter.len_utf8();
    pieces.extend(strftime(letter).unwrap_or_else(|| vec![literal(text.get(..length).unwrap_or_default())]));
    Ok(length)
}

fn strftime(letter: char) -> Option<Vec<Piece>> {
    let expanded = |format: &str| {
        let mut pieces = Vec::new();
        compile_conversions(format, &mut pieces).ok().map(|()| pieces)
    };
    let piece = match letter {
        'Y' => Piece::Year,
        'd' | 'H' | 'I' | 'm' | 'M' | 'S' | 'y' | 'C' | 'g' | 'U' | 'V' | 'W' => {
            Piece::Number(ascii(letter), 2, b'0')
        }
        'e' | 'k' | 'l' => Piece::Number(ascii(letter), 2, b' '),
        'j' => Piece::Number(b'j', 3, b'0'),
        'u' | 'w' | 'G' => Piece::Number(ascii(letter), 1, b'0'),
        'a' => Piece::WeekdayName { short: true },
        'A' => Piece::WeekdayName { short: false },
        'b' | 'h' => Piece::MonthName { short: true },
        'B' => Piece::MonthName { short: false },
        'p' => Piece::AmPm { lower: false },
        'P' => Piece::AmPm { lower: true },
        'z' => Piece::Offset { colons: false, seconds: false, minutes: true },
        'Z' => Piece::ZoneName,
        't' => literal("\t"),
        '%' => literal("%"),
        'F' => return expanded("%Y-%m-%d"),
        'T' | 'X' => return expanded("%H:%M:%S"),
        'R' => return expanded("%H:%M"),
        'D' | 'x' => return expanded("%m/%d/%y"),
        'r' => return expanded("%I:%M:%S %p"),
        'c' => return expanded("%a %b %e %H:%M:%S %Y"),
        _ => return None,
    };
    Some(vec![piece])
}

/// cctz's own: `%Ez`, `%E*z`, `%E3S`, `%E*S`, `%E3f`, `%E*f`, `%E4Y`, `%ET`.
fn compile_cctz(text: &str, pieces: &mut Vec<Piece>) -> Result<usize, String> {
    let after = text.get(2..).unwrap_or_default();
    let digits = after.bytes().take_while(u8::is_ascii_digit).count();
    let precision: Option<u8> =
        after.get(..digits).and_then(|digits| digits.parse().ok()).filter(|p| *p <= 15);
    let letter = after.get(digits..).and_then(|rest| rest.chars().next());
    let (piece, length) = match (after.as_bytes(), precision, letter) {
        ([b'z', ..], ..) => (Piece::Offset { colons: true, seconds: false, minutes: true }, 3),
        ([b'*', b'z', ..], ..) => (Piece::Offset { colons: true, seconds: true, minutes: true }, 4),
        ([b'*', b'S', ..], ..) => (Piece::SecondWithFraction(None), 4),
        ([b'*', b'f', ..], ..) => (Piece::Fraction(None), 4),
        ([b'4', b'Y', ..], ..) => (Piece::Number(b'Y', 4, b'0'), 4),
        ([b'T', ..], ..) => (literal("T"), 3),
        (_, Some(precision), Some('S')) => (Piece::SecondWithFraction(Some(precision)), 3 + digits),
        (_, Some(precision), Some('f')) => (Piece::Fraction(Some(precision)), 3 + digits),
        // strftime's modifier E changes nothing in the C locale, but for the letters that take it.
        ([b'S' | b'*', ..] | [], ..) => (literal(text.get(..2).unwrap_or_default()), 2),
        _ if after.starts_with(|next: char| next.is_ascii_alphanumeric()) => {
            return Err(text.chars().take(3).collect());
        }
        _ => (literal(text.get(..2).unwrap_or_default()), 2),
    };
    pieces.push(piece);
    Ok(length)
}

/// cctz's `%:z`, `%::z`, `%:::z`.
fn compile_colon_offset(text: &str, pieces: &mut Vec<Piece>) -> usize {
    let (piece, length) = if text.starts_with("%:z") {
        (Piece::Offset { colons: true, seconds: false, minutes: true }, 3)
    } else if text.starts_with("%::z") {
        (Piece::Offset { colons: true, seconds: true, minutes: true }, 4)
    } else if text.starts_with("%:::z") {
        (Piece::Offset { colons: true, seconds: false, minutes: false }, 5)
    } else {
        (literal("%:"), 2)
    };
    pieces.push(piece);
    length
}

fn literal(text: &str) -> Piece {
    Piece::Literal(text.as_bytes().into())
}

fn ascii(letter: char) -> u8 {
    u8::try_from(letter).unwrap_or_default()
}

fn join_literals(pieces: Vec<Piece>) -> Box<[Piece]> {
    let mut joined: Vec<Piece> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match (joined.last_mut(), piece) {
            (_, Piece::Literal(text)) if text.is_empty() => {}
            (Some(Piece::Literal(before)), Piece::Literal(text)) => {
                *before = [&before[..], &text].concat().into()
            }
            (_, piece) => joined.push(piece),
        }
    }
    joined.into()
}

impl Piece {
    fn changes_within_second(&self) -> bool {
        matches!(self, Piece::SecondWithFraction(_) | Piece::Fraction(_))
    }

    #[inline]
    fn write(&self, time: &Calendar, zone: &[u8], out: &mut Vec<u8>) {
        match self {
            Piece::Literal(text) => out.extend_from_slice(text),
            Piece::Year => write_padded(time.year.unsigned_abs(), 1, b'0', out),
            Piece::Number(letter, width, pad) => write_padded(number(*letter, time), *width, *pad, out),
            Piece::WeekdayName { short } => write_name(&WEEKDAYS, time.weekday, *short, out),
            Piece::MonthName { short } => write_name(&MONTHS, time.month.wrapping_sub(1), *short, out),
            Piece::AmPm { lower } => out.extend_from_slice(match (time.hour < 12, lower) {
                (true, false) => b"AM",
                (true, true) => b"am",
                (false, false) => b"PM",
                (false, true) => b"pm",
            }),
            Piece::EpochSeconds => write_decimal(time.epoch_seconds.unsigned_abs(), out),
            Piece::SecondWithFraction(precision) => {
                write_padded(u64::from(time.second), 2, b'0', out);
                let point = out.len();
                out.push(b'.');
                write_fraction(time.nanoseconds, *precision, out);
                if out.len() == point + 1 {
                    out.truncate(point);
                }
            }
            Piece::Fraction(precision) => {
                let start = out.len();
                write_fraction(time.nanoseconds, *precision, out);
                if out.len() == start && precision.is_none() {
                    out.push(b'0');
                }
            }
            Piece::Offset { colons, seconds, minutes } => {
                write_offset(time.utc_offset, *colons, *seconds, *minutes, out);
            }
            Piece::ZoneName => out.extend_from_slice(zone),
        }
    }
}

fn write_name(names: &[&'static str], index: u8, short: bool, out: &mut Vec<u8>) {
    let name = names.get(usize::from(index)).copied().unwrap_or_default();
    out.extend_from_slice(if short { name.get(..3).unwrap_or(name) } else { name }.as_bytes());
}

fn number(letter: u8, time: &Calendar) -> u64 {
    let hour12 = (time.hour + 11) % 12 + 1;
    match letter {
        b'Y' => time.year.unsigned_abs(),
        b'G' => time.iso_week().0.unsigned_abs(),
        b'C' => time.year.unsigned_abs() / 100,
        b'y' => time.year.unsigned_abs() % 100,
        b'g' => time.iso_week().0.unsigned_abs() % 100,
        b'j' => u64::from(time.day_of_year) + 1,
        letter => u64::from(match letter {
            b'd' | b'e' => time.day,
            b'H' | b'k' => time.hour,
            b'I' | b'l' => hour12,
            b'm' => time.month,
            b'M' => time.minute,
            b'S' => time.second,
            b'U' => time.week_from(0),
            b'V' => time.iso_week().1,
            b'W' => time.week_from(1),
            b'u' => (time.weekday + 6) % 7 + 1,
            _ => time.weekday,
        }),
    }
}

#[inline]
fn write_padded(value: u64, width: u8, pad: u8, out: &mut Vec<u8>) {
    if let (2, Ok(value @ 0..100)) = (width, u8::try_from(value)) {
        let tens = if value < 10 { pad } else { b'0' + value / 10 };
        return out.extend_from_slice(&[tens, b'0' + value % 10]);
    }
    let mut limit = 10u64;
    for _ in 1..width {
        if value < limit {
            // As many pads as the value lacks digits.
            out.push(pad);
        }
        limit = limit.saturating_mul(10);
    }
    write_decimal(value, out);
}

/// The digits of a fraction of a second, zeros beyond the ninth; `None`: no zeros at the end.
fn write_fraction(nanoseconds: u32, precision: Option<u8>, out: &mut Vec<u8>) {
    let start = out.len();
    let mut digits = [b'0'; 15];
    let mut rest = nanoseconds;
    for digit in digits.iter_mut().take(9).rev() {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
    out.extend_from_slice(digits.get(..usize::from(precision.unwrap_or(9))).unwrap_or(&digits));
    if precision.is_none() {
        while out.len() > start && out.last() == Some(&b'0') {
            out.pop();
        }
    }
}

fn write_offset(offset: i32, colons: bool, seconds: bool, minutes: bool, out: &mut Vec<u8>) {
    let absolute = u64::from(offset.unsigned_abs());
    out.push(if offset < 0 { b'-' } else { b'+' });
    write_padded(absolute / 3600, 2, b'0', out);
    for (wanted, part) in [(minutes, absolute / 60 % 60), (seconds, absolute % 60)] {
        if wanted {
            if colons {
                out.push(b':');
            }
            write_padded(part, 2, b'0', out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn print(format: &str) -> Result<String, String> {
        let format = TimeFormat::compile(format)?;
        let time = UNIX_EPOCH + Duration::new(1_795_422_962, 50_246_000);
        let mut out = Vec::new();
        format.write(&Calendar::utc(time), b"UTC", &mut out);
        Ok(String::from_utf8(out).expect("text"))
    }

    /// What Envoy 1.40.0 printed for a request at 2026-11-23T08:36:02.050246Z.
    #[test]
    fn as_envoy_prints() {
        for (format, expected) in [
            ("%Y-%m-%dT%H:%M:%E3SZ", "2026-11-23T08:36:02.050Z"),
            ("%Y-%m-%dT%H:%M:%E3S%z", "2026-11-23T08:36:02.050+0000"),
            ("%a %A %b %B %h", "Mon Monday Nov November Nov"),
            ("%c", "Mon Nov 23 08:36:02 2026"),
            ("%d %e %g %G %C %j", "23 23 26 2026 20 327"),
            ("%H %I %k|%l|%M %S %p %P", "08 08  8| 8|36 02 AM am"),
            ("%r", "08:36:02 AM"),
            ("%R %T %X", "08:36 08:36:02 08:36:02"),
            ("%D %x %F", "11/23/26 11/23/26 2026-11-23"),
            ("%u %w %U %V %W %y %Y", "1 1 47 48 47 26 2026"),
            ("%z %Z %t|", "+0000 UTC \t|"),
            ("%i %o %q %v %J %K %L %N %O %Q %E", "%i %o %q %v %J %K %L %N %O %Q %E"),
            ("%+ %- %# %: %* %_ %^ %0", "%+ %- %# %: %* %_ %^ %0"),
            ("x%:z %::z %:::z %Ez %E*z", "x+00:00 +00:00:00 +00 +00:00 +00:00:00"),
            ("%E0S %E15S %E0f %E3f %ET %E* %E4Y", "02 02.050246000000000  050 T %E* 2026"),
            ("%E*S %ES %E*f", "02.050246 %ES 050246"),
            ("%s", "1795422962"),
            ("%s.%3f", "1795422962.050"),
            ("%f %9f %1f %2f %4f %6f", "050246000 050246000 0 05 0502 050246"),
            ("%S%f", "02050246000"),
            ("%%s a%%b a%", "%1795422962 a%b a%"),
            ("%%%s %%3f", "%1795422962 %050"),
            ("%d/%b/%Y:%H:%M:%S %z", "23/Nov/2026:08:36:02 +0000"),
            ("text", "text"),
        ] {
            assert_eq!(print(format).as_deref(), Ok(expected), "{format}");
        }
    }

    #[test]
    fn flags_and_widths_are_refused_by_name() {
        for (format, conversion) in
            [("%-d", "%-d"), ("%_H", "%_H"), ("%^a", "%^a"), ("%5Y", "%5Y"), ("%Ey", "%Ey")]
        {
            let error = print(format).expect_err(format);
            assert!(error.contains(conversion), "{error}");
        }
    }
}
