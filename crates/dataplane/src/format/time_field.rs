//! `%START_TIME(FORMAT)%` and its kin.
//!
//! Owns: which time an operator prints, and what a thread remembers of the second that it printed last: of a thousand
//! lines in a second, all but the first write only the part that changes within it. Does not own: formats
//! (`time_format`). Follows: Envoy's page "Access logging", `%START_TIME%`.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::FormatContext;
use super::calendar::{Calendar, LocalZone};
use super::time_format::TimeFormat;

const DEFAULT: &str = "%Y-%m-%dT%H:%M:%E3SZ";
const DEFAULT_LOCAL: &str = "%Y-%m-%dT%H:%M:%E3S%z";

static FIELDS: AtomicU64 = AtomicU64::new(1);

thread_local! {
    static LAST: RefCell<LastSecond> = RefCell::default();
}

/// One time operator.
pub(super) struct TimeField {
    /// No other field has it, also none of a configuration that came before.
    id: u64,
    emit: bool,
    local: bool,
    format: TimeFormat,
}

/// What the thread printed last.
#[derive(Default)]
struct LastSecond {
    /// Of the field; 0: nothing was printed yet.
    id: u64,
    second: u64,
    calendar: Option<(Calendar, Option<LocalZone>)>,
    /// As much of the text as is the same for the whole second.
    text: Vec<u8>,
}

impl TimeField {
    pub(super) fn compile(name: &str, format: Option<&str>) -> Result<Self, String> {
        let local = name.ends_with("_LOCAL");
        let format = format.unwrap_or(if local { DEFAULT_LOCAL } else { DEFAULT });
        let format = TimeFormat::compile(format).map_err(|error| format!("{name}: {error}"))?;
        let id = FIELDS.fetch_add(1, Ordering::Relaxed);
        Ok(TimeField { id, emit: name.starts_with("EMIT"), local, format })
    }

    pub(super) fn write(&self, context: &FormatContext<'_>, out: &mut Vec<u8>) {
        let time = if self.emit { context.wall_clock() } else { context.stream.start_time };
        LAST.with_borrow_mut(|last| self.write_from(last, time, out));
    }

    fn write_from(&self, last: &mut LastSecond, time: SystemTime, out: &mut Vec<u8>) {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        if last.id != self.id || last.second != since.as_secs() {
            self.begin_second(last, time, since.as_secs());
        }
        let Some((calendar, zone)) = &mut last.calendar else { return };
        calendar.nanoseconds = since.subsec_nanos();
        out.extend_from_slice(&last.text);
        self.format.write_within_second(calendar, zone_name(zone.as_ref()), out);
    }

    #[cold]
    fn begin_second(&self, last: &mut LastSecond, time: SystemTime, second: u64) {
        let (calendar, zone) = if self.local {
            let (calendar, zone) = Calendar::local(time);
            (calendar, Some(zone))
        } else {
            (Calendar::utc(time), None)
        };
        last.text.clear();
        self.format.write_of_second(&calendar, zone_name(zone.as_ref()), &mut last.text);
        last.calendar = Some((calendar, zone));
        (last.id, last.second) = (self.id, second);
    }
}

fn zone_name(zone: Option<&LocalZone>) -> &[u8] {
    zone.map_or(b"UTC", LocalZone::name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Whatever was printed before, a field prints what its format prints of the time.
    #[test]
    fn what_was_printed_last_changes_nothing() {
        let formats = [None, Some("%s.%3f"), Some("%f %S"), Some("%H:%M"), Some("%E*S"), Some("%c %z %Z")];
        let fields: Vec<_> =
            formats.iter().map(|format| TimeField::compile("START_TIME", *format).expect("format")).collect();
        let mut last = LastSecond::default();
        for millis in [0, 1, 999, 1_000, 1_001, 999, 60_000, 86_400_123, 1_795_422_962_050, 1_795_422_962_050]
        {
            let time = UNIX_EPOCH + Duration::from_millis(millis);
            for field in fields.iter().chain(fields.first()) {
                let (mut printed, mut whole) = (Vec::new(), Vec::new());
                field.write_from(&mut last, time, &mut printed);
                field.write_from(&mut last, time, &mut printed);
                field.format.write(&Calendar::utc(time), b"UTC", &mut whole);
                assert_eq!(printed, whole.repeat(2));
            }
        }
    }
}
