//! Days, months and weekdays of a point in time.
//!
//! Owns: the arithmetic of the proleptic Gregorian calendar, and the offset of the local time zone.
//! Does not own: how any of it is printed (`time_format`). Follows: ISO 8601; POSIX `localtime_r` for the zone.

use std::time::{SystemTime, UNIX_EPOCH};

const DAY: i64 = 86_400;

/// A point in time, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calendar {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub epoch_seconds: i64,
    /// Within the second.
    pub nanoseconds: u32,
    /// The year, as 2026.
    pub year: i64,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
    /// 0 is Sunday.
    pub weekday: u8,
    /// 0 is 1 January.
    pub day_of_year: u16,
    /// Seconds east of UTC.
    pub utc_offset: i32,
}

impl Calendar {
    /// In UTC.
    #[must_use]
    pub fn utc(time: SystemTime) -> Self {
        Calendar::at_offset(time, 0)
    }

    /// In the process's time zone, and the zone's short name.
    #[must_use]
    pub fn local(time: SystemTime) -> (Self, LocalZone) {
        let zone = LocalZone::at(epoch_seconds(time));
        (Calendar::at_offset(time, zone.utc_offset), zone)
    }

    fn at_offset(time: SystemTime, utc_offset: i32) -> Self {
        let epoch_seconds = epoch_seconds(time);
        let nanoseconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
        let local = epoch_seconds + i64::from(utc_offset);
        let (days, in_day) = (local.div_euclid(DAY), local.rem_euclid(DAY));
        let (year, month, day) = civil(days);
        let small = |value: i64| u8::try_from(value).unwrap_or_default();
        Calendar {
            epoch_seconds,
            nanoseconds,
            year,
            month: small(month),
            day: small(day),
            hour: small(in_day / 3600),
            minute: small(in_day / 60 % 60),
            second: small(in_day % 60),
            // 1970-01-01 was a Thursday.
            weekday: small((days + 4).rem_euclid(7)),
            day_of_year: u16::try_from(days - days_before(year)).unwrap_or_default(),
            utc_offset,
        }
    }

    /// The year and number of the ISO 8601 week.
    #[must_use]
    pub fn iso_week(&self) -> (i64, u8) {
        let monday_based = i64::from((self.weekday + 6) % 7);
        // The week belongs to the year that its Thursday is in.
        let thursday = i64::from(self.day_of_year) - monday_based + 3;
        let length = |year| days_before(year + 1) - days_before(year);
        let (year, thursday) = if thursday < 0 {
            (self.year - 1, thursday + length(self.year - 1))
        } else if thursday >= length(self.year) {
            (self.year + 1, thursday - length(self.year))
        } else {
            (self.year, thursday)
        };
        (year, u8::try_from(thursday / 7 + 1).unwrap_or_default())
    }

    /// The number of the week when weeks begin on `first` (0: Sunday) and days before the first such day are week 0.
    #[must_use]
    pub fn week_from(&self, first: u8) -> u8 {
        let since_first = u16::from((self.weekday + 7 - first) % 7);
        u8::try_from((self.day_of_year + 7 - since_first) / 7).unwrap_or_default()
    }
}

fn epoch_seconds(time: SystemTime) -> i64 {
    // A clock before 1970 prints as 1970.
    time.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX / 4))
}

/// Days from 1970-01-01 to 1 January of the year.
fn days_before(year: i64) -> i64 {
    let before = year - 1;
    before * 365 + before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400) - 719_162
}

/// Year, month and day of a day counted from 1970-01-01. Years are counted from March, so that the leap day is a
/// year's last; 146,097 days are 400 years.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// The process's time zone at one moment.
#[derive(Debug, Clone, Copy)]
pub struct LocalZone {
    utc_offset: i32,
    name: [u8; 8],
}

impl LocalZone {
    fn at(epoch_seconds: i64) -> Self {
        // SAFETY: `tm` is plain data for which all-zero bytes are a value; localtime_r writes only to it, and
        // tm_zone, when it is set, points to a C string that lives as long as the process.
        unsafe {
            let mut broken_down: libc::tm = std::mem::zeroed();
            let mut name = [0u8; 8];
            if libc::localtime_r(&raw const epoch_seconds, &raw mut broken_down).is_null() {
                return LocalZone { utc_offset: 0, name };
            }
            if !broken_down.tm_zone.is_null() {
                let zone = std::ffi::CStr::from_ptr(broken_down.tm_zone).to_bytes();
                for (to, from) in name.iter_mut().zip(zone) {
                    *to = *from;
                }
            }
            LocalZone { utc_offset: i32::try_from(broken_down.tm_gmtoff).unwrap_or_default(), name }
        }
    }

    /// As `EST`; at most eight letters.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        self.name.split(|byte| *byte == 0).next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(seconds: u64) -> Calendar {
        Calendar::utc(UNIX_EPOCH + Duration::from_secs(seconds))
    }

    #[test]
    fn days_and_weeks() {
        // Seconds, date, weekday, day of the year, ISO week, %U, %W; from `date -u -d @SECONDS +'%F %w %j %G-%V %U %W'`.
        let table = [
            (0, (1970, 1, 1), 4, 0, (1970, 1), 0, 0),
            (951_782_400, (2000, 2, 29), 2, 59, (2000, 9), 9, 9),
            (1_109_635_199, (2005, 2, 28), 1, 58, (2005, 9), 9, 9),
            (1_230_768_000, (2009, 1, 1), 4, 0, (2009, 1), 0, 0),
            (1_262_304_000, (2010, 1, 1), 5, 0, (2009, 53), 0, 0),
            (1_230_681_600, (2008, 12, 31), 3, 365, (2009, 1), 52, 52),
            (1_795_422_962, (2026, 11, 23), 1, 326, (2026, 48), 47, 47),
            (4_102_444_800, (2100, 1, 1), 5, 0, (2099, 53), 0, 0),
        ];
        for (seconds, date, weekday, day_of_year, iso, from_sunday, from_monday) in table {
            let calendar = at(seconds);
            assert_eq!((calendar.year, calendar.month, calendar.day), date, "{seconds}");
            assert_eq!((calendar.weekday, calendar.day_of_year), (weekday, day_of_year), "{seconds}");
            assert_eq!(calendar.iso_week(), iso, "{seconds}");
            assert_eq!(
                (calendar.week_from(0), calendar.week_from(1)),
                (from_sunday, from_monday),
                "{seconds}"
            );
        }
        let time = at(1_795_422_962);
        assert_eq!((time.hour, time.minute, time.second), (8, 36, 2));
    }
}
