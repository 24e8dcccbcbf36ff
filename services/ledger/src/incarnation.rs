//! The number of a new incarnation: above every one that was ever used, also above those that a backup doesn't know.
//!
//! What one ledger has seen is no bound: another may have led a later incarnation whose frames are gone with the log's
//! end, and somebody's projection or client still knows its revisions. So the number is at least the hours since 2026
//! began: a later restore gets a higher one, whichever ledger makes it and whatever it knows. Hours, because revisions
//! are numbers in JSON and stay exact below 2^53: until the year 2265.

use jiff::Timestamp;
use jiff::civil::date;
use jiff::tz::TimeZone;

/// The next number after `seen`, the highest that this ledger knows of.
pub(crate) fn next(seen: u32, now: Timestamp) -> u32 {
    hours(now).max(seen.saturating_add(1))
}

fn hours(now: Timestamp) -> u32 {
    let began = date(2026, 1, 1).to_zoned(TimeZone::UTC).expect("a day has a midnight").timestamp();
    u32::try_from(now.duration_since(began).as_hours()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_later_restore_gets_a_higher_number_whatever_its_ledger_knows() {
        let first = next(0, at("2026-11-21T10:00:00Z"));
        let second = next(0, at("2026-11-21T12:30:00Z"));
        assert!(first > 0 && second > first, "{first} {second}");
    }

    #[test]
    fn within_an_hour_and_by_a_clock_that_is_wrong_it_is_above_what_was_seen() {
        let now = at("2026-11-21T10:00:00Z");
        let first = next(0, now);
        assert_eq!(next(first, now), first + 1);
        assert_eq!(next(first, at("1999-01-01T00:00:00Z")), first + 1);
    }

    #[test]
    fn revisions_of_it_are_exact_as_numbers_in_json_for_centuries() {
        let far = next(0, at("2260-01-01T00:00:00Z"));
        assert!(rutter_schemas::Revision::base_of(far).0 < 1 << 53);
    }
}
