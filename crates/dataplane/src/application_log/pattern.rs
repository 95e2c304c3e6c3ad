//! The pattern of a line of the application log.
//!
//! Owns: spdlog's conversions and Envoy's own four. Does not own: where lines go (`output`).
//! Follows: spdlog's page "Custom formatting"; Envoy's `--log-format`: `%_` the message with `\n` for newlines, `%j` the
//! message as the inside of a JSON string, `%+` the message without and `%*` with its tags (there are none). A
//! conversion that does not exist prints as it stands. `%20l`, `%-20l`, `%=20l` pad right, left and both ways; a `!`
//! cuts what is longer.

use std::sync::Mutex;
use std::time::SystemTime;

use super::Record;
use crate::format::calendar::Calendar;
use crate::format::json_text;
use crate::format::time_format::TimeFormat;

/// A compiled pattern.
pub(super) struct Pattern {
    pieces: Vec<Piece>,
    /// When the line before was written, for `%o`, `%i`, `%u`, `%O`.
    former: Mutex<Option<SystemTime>>,
}

enum Piece {
    Literal(String),
    Conversion { letter: char, padding: Option<Padding> },
    Time { format: TimeFormat, padding: Option<Padding> },
}

#[derive(Clone, Copy)]
struct Padding {
    width: usize,
    side: Side,
    cut: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Right,
    Left,
    Center,
}

/// spdlog's own limit.
const MAX_WIDTH: usize = 64;
/// What is not a time. The last ones print nothing: colors, functions and contexts, of which there are none.
const CONVERSIONS: &str = "v+_jlLntPgs#@EefFoiuO!^$*&";

impl Pattern {
    pub(super) fn compile(format: &str) -> Self {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = format;
        while let Some((before, after)) = rest.split_once('%') {
            literal.push_str(before);
            let (padding, conversion) = padding(after);
            let mut letters = conversion.chars();
            let piece = match letters.next() {
                Some('%') => {
                    literal.push('%');
                    None
                }
                Some(letter) if CONVERSIONS.contains(letter) => Some(Piece::Conversion { letter, padding }),
                Some(letter) => {
                    let format = time_format(letter);
                    if format.is_none() {
                        literal.extend(['%', letter]);
                    }
                    format.map(|format| Piece::Time { format, padding })
                }
                None => {
                    literal.push('%');
                    None
                }
            };
            if let Some(piece) = piece {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                pieces.push(piece);
            }
            rest = letters.as_str();
        }
        literal.push_str(rest);
        pieces.push(Piece::Literal(literal));
        Pattern { pieces, former: Mutex::new(None) }
    }

    /// The line, without a newline.
    pub(super) fn format(&self, record: &Record<'_>) -> Vec<u8> {
        let (calendar, zone) = Calendar::local(record.time);
        let since_former = {
            let mut former = self.former.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let since = former.and_then(|former| record.time.duration_since(former).ok()).unwrap_or_default();
            *former = Some(record.time);
            since
        };
        let line = Line { record, calendar, zone: zone.name(), since_former };
        let mut out = Vec::with_capacity(128 + record.message.len());
        for piece in &self.pieces {
            let start = out.len();
            let padding = match piece {
                Piece::Literal(text) => {
                    out.extend_from_slice(text.as_bytes());
                    &None
                }
                Piece::Conversion { letter, padding } => {
                    line.write(*letter, &mut out);
                    padding
                }
                Piece::Time { format, padding } => {
                    format.write(&line.calendar, line.zone, &mut out);
                    padding
                }
            };
            if let Some(padding) = padding {
                pad(&mut out, start, *padding);
            }
        }
        out
    }
}

/// spdlog's times are strftime's, but for the year's last two digits, the date and the zone.
fn time_format(letter: char) -> Option<TimeFormat> {
    let format = match letter {
        'C' => "%y".to_owned(),
        'x' => "%D".to_owned(),
        'z' => "%Ez".to_owned(),
        'a' | 'A' | 'b' | 'B' | 'h' | 'c' | 'Y' | 'D' | 'm' | 'd' | 'H' | 'I' | 'M' | 'S' | 'p' | 'r'
        | 'R' | 'T' | 'X' => format!("%{letter}"),
        _ => return None,
    };
    TimeFormat::compile(&format).ok()
}

/// `20`, `-20`, `=20`, each perhaps with `!`; and what follows.
fn padding(text: &str) -> (Option<Padding>, &str) {
    let (side, digits) = match text.chars().next() {
        Some('-') => (Side::Left, text.get(1..).unwrap_or_default()),
        Some('=') => (Side::Center, text.get(1..).unwrap_or_default()),
        _ => (Side::Right, text),
    };
    let rest = digits.trim_start_matches(|digit: char| digit.is_ascii_digit());
    let number = digits.get(..digits.len() - rest.len()).unwrap_or_default();
    let Ok(width) = number.parse::<usize>() else { return (None, text) };
    let (cut, rest) = match rest.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    (Some(Padding { width: width.min(MAX_WIDTH), side, cut }), rest)
}

fn pad(out: &mut Vec<u8>, start: usize, padding: Padding) {
    let length = out.len() - start;
    let missing = padding.width.saturating_sub(length);
    let before = match padding.side {
        Side::Right => missing,
        Side::Left => 0,
        Side::Center => missing / 2,
    };
    out.splice(start..start, std::iter::repeat_n(b' ', before));
    out.extend(std::iter::repeat_n(b' ', missing - before));
    if padding.cut {
        out.truncate(start + padding.width);
    }
}

struct Line<'a> {
    record: &'a Record<'a>,
    calendar: Calendar,
    zone: &'a [u8],
    since_former: std::time::Duration,
}

impl Line<'_> {
    fn write(&self, letter: char, out: &mut Vec<u8>) {
        let record = self.record;
        match letter {
            'v' | '+' => out.extend_from_slice(record.message.as_bytes()),
            '_' => out.extend_from_slice(record.message.replace('\n', "\\n").as_bytes()),
            'j' => {
                let start = out.len();
                out.extend_from_slice(record.message.as_bytes());
                json_text::escape_from(out, start);
            }
            'l' => out.extend_from_slice(record.level.name().as_bytes()),
            'L' => out.extend(record.level.name().bytes().take(1).map(|letter| letter.to_ascii_uppercase())),
            'n' => out.extend_from_slice(record.component.name().as_bytes()),
            't' => write_text(out, thread_id()),
            'P' => write_text(out, std::process::id()),
            'g' => out.extend_from_slice(record.file.as_bytes()),
            's' => out.extend_from_slice(record.file.rsplit('/').next().unwrap_or_default().as_bytes()),
            '#' => write_text(out, record.line),
            '@' => write_text(out, format_args!("{}:{}", record.file, record.line)),
            'E' => write_text(out, self.calendar.epoch_seconds),
            'e' => write_text(out, format_args!("{:03}", self.calendar.nanoseconds / 1_000_000)),
            'f' => write_text(out, format_args!("{:06}", self.calendar.nanoseconds / 1_000)),
            'F' => write_text(out, format_args!("{:09}", self.calendar.nanoseconds)),
            'o' => write_text(out, self.since_former.as_millis()),
            'i' => write_text(out, self.since_former.as_micros()),
            'u' => write_text(out, self.since_former.as_nanos()),
            'O' => write_text(out, self.since_former.as_secs()),
            // Colors, functions and contexts, of which there are none.
            _ => {}
        }
    }
}

fn write_text(out: &mut Vec<u8>, text: impl std::fmt::Display) {
    use std::io::Write;
    // Writing to a Vec cannot fail.
    drop(write!(out, "{text}"));
}

/// The kernel's number of this thread.
fn thread_id() -> i32 {
    thread_local! {
        // SAFETY: gettid takes nothing and cannot fail.
        static ID: i32 = unsafe { libc::gettid() };
    }
    ID.with(|id| *id)
}

#[cfg(test)]
mod tests {
    use super::super::{Component, Level};
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn line(format: &str) -> String {
        let record = Record {
            time: UNIX_EPOCH + Duration::new(1_795_424_524, 245_371_000),
            component: Component::Main,
            level: Level::Info,
            file: "source/server/server.cc",
            line: 989,
            message: "a \"b\"\nc".to_owned(),
        };
        String::from_utf8(Pattern::compile(format).format(&record)).expect("text")
    }

    /// What Envoy 1.40.0 printed for these conversions, with the message changed.
    #[test]
    fn conversions() {
        for (format, expected) in [
            ("%L|%l|%n|%e", "I|info|main|245"),
            ("%g|%#|%s|%@", "source/server/server.cc|989|server.cc|source/server/server.cc:989"),
            ("%v|%_|%j|%+|%*", "a \"b\"\nc|a \"b\"\\nc|a \\\"b\\\"\\nc|a \"b\"\nc|"),
            ("%^%$%!%&", ""),
            ("%E|%f|%F", "1795424524|245371|245371000"),
            ("%o|%i|%u|%O", "0|0|0|0"),
            ("%%|%Q|%k|%q|%", "%|%Q|%k|%q|%"),
            (
                "[%20l][%-20l][%=20l][%3!l]",
                "[                info][info                ][        info        ][inf]",
            ),
        ] {
            assert_eq!(line(format), expected, "{format}");
        }
        assert_eq!(line("%P"), std::process::id().to_string());
        assert_eq!(line("%t"), thread_id().to_string());
    }

    #[test]
    fn times_are_local() {
        // In UTC this is 09:02:04; minutes and seconds are so in most zones, the lengths in all.
        assert!(line("%T.%e").ends_with("04.245"), "{}", line("%T.%e"));
        for (format, length) in
            [("%Y-%m-%d", 10), ("%D %x", 17), ("%C", 2), ("%z", 6), ("%c", 24), ("%r", 11)]
        {
            assert_eq!(line(format).len(), length, "{format}");
        }
    }
}
