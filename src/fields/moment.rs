//! Days and moments, as RFC 3339 writes them.

const DAY: i64 = 86_400;

/// Whether a text is a day: `2026-01-31`.
pub fn is_date(text: &str) -> bool {
    days(text).is_some()
}

/// Whether a text is a moment: `2026-01-31T12:00:00.5Z`.
pub fn is_timestamp(text: &str) -> bool {
    in_utc(text).is_some()
}

/// The same moment in UTC, which PostgreSQL understands whatever the offset was: of its own accord it takes no more than 16
/// hours. None if the text is no moment, or one whose year has not four digits.
pub fn in_utc(text: &str) -> Option<String> {
    if !text.is_ascii() || text.len() < 20 || !matches!(text.as_bytes()[10], b'T' | b't' | b' ') {
        return None;
    }
    let (date, rest) = (days(&text[..10])?, &text[11..]);
    let seconds = clock(&rest[..5])? * 60 + two_digits(rest.get(6..8)?, 59)?;
    let rest = rest[5..].starts_with(':').then(|| &rest[8..])?;
    let digits = rest.strip_prefix('.').map_or(0, |rest| rest.bytes().take_while(u8::is_ascii_digit).count());
    // More digits than PostgreSQL keeps are no fault, but nobody means a hundred.
    if digits > 9 || rest.starts_with('.') && digits == 0 {
        return None;
    }
    let (fraction, offset) = rest.split_at(if digits == 0 { 0 } else { digits + 1 });
    let moment = date * DAY + seconds - self::offset(offset)? * 60;
    Some(format!("{}T{}{fraction}Z", show_date(moment.div_euclid(DAY))?, show_clock(moment.rem_euclid(DAY))))
}

/// The minutes of `Z`, `+01:00` or `-01:00`.
fn offset(text: &str) -> Option<i64> {
    match text.split_at_checked(1)? {
        ("Z" | "z", "") => Some(0),
        ("+", clock_text) => clock(clock_text),
        ("-", clock_text) => clock(clock_text).map(|minutes| -minutes),
        _ => None,
    }
}

/// The minutes of `23:59`.
fn clock(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    Some(two_digits(hours, 23)? * 60 + two_digits(minutes, 59)?)
}

fn two_digits(text: &str, max: i64) -> Option<i64> {
    let is_right = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| is_right && *number <= max)
}

/// The days from 1 March of the year 0 to a day, which begins the year where its odd day is the last of all.
fn days(text: &str) -> Option<i64> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 || !year.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, month, day): (i64, i64, i64) = (year.parse().ok()?, two_digits(month, 12)?, two_digits(day, 31)?);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _ => 31,
    };
    if year == 0 || month == 0 || day == 0 || day > length {
        return None;
    }
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    Some(year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1)
}

/// The day, if its year is one of 1 to 9999.
fn show_date(days: i64) -> Option<String> {
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = (year + era * 400 + i64::from(month >= 10), if month < 10 { month + 3 } else { month - 9 });
    (1..=9999).contains(&year).then(|| format!("{year:04}-{month:02}-{day:02}"))
}

fn show_clock(seconds: i64) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_with_an_offset_is_the_same_moment_in_utc() {
        let same = [
            ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"),
            ("2026-01-31t12:00:00.120z", "2026-01-31T12:00:00.120Z"),
            ("2026-01-31 12:00:00+01:30", "2026-01-31T10:30:00Z"),
            ("2025-12-31T23:59:59.999999-00:01", "2026-01-01T00:00:59.999999Z"),
            ("2024-03-01T00:30:00+23:59", "2024-02-29T00:31:00Z"),
            ("2000-02-29T00:00:00Z", "2000-02-29T00:00:00Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
            ("9999-12-31T00:00:00-23:59", "9999-12-31T23:59:00Z"),
        ];
        for (text, utc) in same {
            assert_eq!(in_utc(text).as_deref(), Some(utc), "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_or_no_day_is_refused() {
        let wrong = [
            "",
            "2026-01-31",
            "2026-01-31T12:00:00",
            "2026-02-29T12:00:00Z",
            "2026-13-01T12:00:00Z",
            "2026-01-31T24:00:00Z",
            "2026-01-31T12:60:00Z",
            "2026-01-31T12:00:60Z",
            "2026-01-31T12:00:00.Z",
            "2026-01-31T12:00:00.1234567890Z",
            "2026-01-31T12:00:00+24:00",
            "2026-01-31T12:00:00+1:00",
            "2026-01-31T12:00:00+0100",
            "2026-01-31T12:00Z0000000",
            "0000-01-01T00:00:00Z",
            "0001-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "2026-01-31T12-00-00Z",
            "2026-1-031T12:00:00Z",
            "2026-01-31T+1:00:00Z",
            "2026-01-31X12:00:00Z",
            "2026-01-31T12:00:00ZZ",
            "infinity",
            "2026-01-31T12:00:00é",
            "1900-02-29T00:00:00Z",
        ];
        for text in wrong {
            assert_eq!(in_utc(text), None, "{text}");
        }
        assert!(is_date("2024-02-29") && !is_date("2023-02-29") && !is_date("24-02-29") && !is_date("2024-02-29-1"));
    }

    #[test]
    fn every_day_of_four_centuries_comes_back() {
        let mut last = days("1999-12-31").unwrap();
        for year in 2000..2400 {
            for month in 1..=12 {
                for day in 1..=31 {
                    let text = format!("{year}-{month:02}-{day:02}");
                    let Some(days) = days(&text) else { continue };
                    assert_eq!(days, last + 1, "{text}");
                    assert_eq!(show_date(days).unwrap(), text);
                    last = days;
                }
            }
        }
    }
}
