//! The wall clock of one worker, and the `date` of its responses.
//!
//! Owns: the way from a point in monotonic time, which every part has at hand, to the wall clock and to its text. Does not
//! own: the monotonic clock (callers pass `Instant`s), nor the formats of access logs (`format`).
//! Follows: RFC 9110 section 5.6.7 (IMF-fixdate).
//!
//! The system's clock is read at most once a second; a step of it shows that much later.

use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::format::calendar::Calendar;

/// How long a reading of the system's clock serves.
const FRESH: Duration = Duration::from_secs(1);
const WEEKDAYS: [&[u8; 3]; 7] = [b"Sun", b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat"];
const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// `Sun, 06 Nov 1994 08:49:37 GMT`
pub type Date = [u8; 29];

/// One a worker.
#[derive(Debug)]
pub struct Clock {
    /// The same moment on both clocks.
    anchor: Cell<(Instant, SystemTime)>,
    /// The second that `date` tells, counted from 1970.
    second: Cell<u64>,
    date: Cell<Date>,
}

impl Default for Clock {
    fn default() -> Self {
        Clock::new()
    }
}

impl Clock {
    /// A clock that tells the system's time.
    #[must_use]
    pub fn new() -> Self {
        Clock::at(Instant::now(), SystemTime::now())
    }

    fn at(instant: Instant, time: SystemTime) -> Self {
        let second = seconds(time);
        Clock {
            anchor: Cell::new((instant, time)),
            second: Cell::new(second),
            date: Cell::new(imf_fixdate(second)),
        }
    }

    /// The wall clock's time at `now`, which is not long ago.
    #[inline]
    #[must_use]
    pub fn wall(&self, now: Instant) -> SystemTime {
        let (mut instant, mut time) = self.anchor.get();
        if now.saturating_duration_since(instant) >= FRESH {
            (instant, time) = (Instant::now(), SystemTime::now());
            self.anchor.set((instant, time));
        }
        let told = match now.checked_duration_since(instant) {
            Some(since) => time.checked_add(since),
            None => time.checked_sub(instant.saturating_duration_since(now)),
        };
        told.unwrap_or(time)
    }

    /// The text of a response's `date` at `now`.
    #[inline]
    #[must_use]
    pub fn date(&self, now: Instant) -> Date {
        let second = seconds(self.wall(now));
        if second != self.second.get() {
            self.second.set(second);
            self.date.set(imf_fixdate(second));
        }
        self.date.get()
    }
}

/// A time before 1970 is told as 1970.
#[inline]
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cold]
fn imf_fixdate(second: u64) -> Date {
    let time = UNIX_EPOCH.checked_add(Duration::from_secs(second)).unwrap_or(UNIX_EPOCH);
    let calendar = Calendar::utc(time);
    let mut date = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    let mut put = |at: usize, text: &[u8]| {
        for (to, from) in date.iter_mut().skip(at).zip(text) {
            *to = *from;
        }
    };
    put(0, *WEEKDAYS.get(usize::from(calendar.weekday)).unwrap_or(&b"Thu"));
    put(5, &two_digits(calendar.day));
    put(8, *MONTHS.get(usize::from(calendar.month.saturating_sub(1))).unwrap_or(&b"Jan"));
    // Four digits will do until 9999.
    let (century, year) = (calendar.year.rem_euclid(10_000) / 100, calendar.year.rem_euclid(100));
    put(12, &two_digits(u8::try_from(century).unwrap_or_default()));
    put(14, &two_digits(u8::try_from(year).unwrap_or_default()));
    put(17, &two_digits(calendar.hour));
    put(20, &two_digits(calendar.minute));
    put(23, &two_digits(calendar.second));
    date
}

fn two_digits(number: u8) -> [u8; 2] {
    [b'0' + number / 10 % 10, b'0' + number % 10]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(date: Date) -> String {
        String::from_utf8(date.to_vec()).expect("text")
    }

    #[test]
    fn dates() {
        // From `date -u -R -d @SECONDS`, with its zone as `GMT`.
        for (second, expected) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_795_422_962, "Mon, 23 Nov 2026 08:36:02 GMT"),
            (4_102_444_799, "Thu, 31 Dec 2099 23:59:59 GMT"),
        ] {
            assert_eq!(text(imf_fixdate(second)), expected);
        }
    }

    #[test]
    fn the_date_goes_with_the_second() {
        let start = Instant::now();
        let clock = Clock::at(start, UNIX_EPOCH + Duration::from_millis(784_111_777_250));
        for (later, expected) in [(0, "37"), (749, "37"), (750, "38"), (999, "38"), (100, "37")] {
            let date = text(clock.date(start + Duration::from_millis(later)));
            assert_eq!(date, format!("Sun, 06 Nov 1994 08:49:{expected} GMT"), "{later} ms");
        }
        let wall = clock.wall(start + Duration::from_millis(800));
        assert_eq!(wall, UNIX_EPOCH + Duration::from_millis(784_111_778_050));
    }

    #[test]
    fn a_time_before_the_reading_is_told() {
        let start = Instant::now() + Duration::from_secs(5);
        let clock = Clock::at(start, UNIX_EPOCH + Duration::from_secs(100));
        assert_eq!(clock.wall(start - Duration::from_secs(3)), UNIX_EPOCH + Duration::from_secs(97));
    }

    #[test]
    fn the_system_is_asked_again_after_a_second() {
        let long_ago = Instant::now().checked_sub(FRESH).expect("the machine is up for longer");
        let clock = Clock::at(long_ago, UNIX_EPOCH);
        let before = SystemTime::now() - Duration::from_millis(1);
        assert!(clock.wall(Instant::now()) >= before);
    }
}
