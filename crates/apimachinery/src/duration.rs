//! Durations as Go writes them: `1h2m3.5s`, `-1.5ms`, `0s` (time.Duration's String and ParseDuration).

/// Go's text as nanoseconds; none when it is not one or does not fit.
pub use rutter_cel::parse_duration as parse;

/// Nanoseconds as Go's text.
pub(crate) fn format(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let magnitude = nanos.unsigned_abs();
    let text = match magnitude {
        0 => return "0s".to_owned(),
        1..1_000 => format!("{magnitude}ns"),
        1_000..1_000_000 => decimal(magnitude, 1_000, "µs"),
        1_000_000..1_000_000_000 => decimal(magnitude, 1_000_000, "ms"),
        _ => clock(magnitude),
    };
    format!("{sign}{text}")
}

fn clock(nanos: u64) -> String {
    const SECOND: u64 = 1_000_000_000;
    let (minutes, rest) = (nanos / (60 * SECOND), nanos % (60 * SECOND));
    let seconds = decimal(rest, SECOND, "s");
    match (minutes / 60, minutes % 60) {
        (0, 0) => seconds,
        (0, minutes) => format!("{minutes}m{seconds}"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
    }
}

/// `value / unit`, exactly, without zeros at the end.
fn decimal(value: u64, unit: u64, suffix: &str) -> String {
    let digits = unit.ilog10() as usize;
    let fraction = format!("{:0digits$}", value % unit);
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{}{point}{fraction}{suffix}", value / unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_read_as_go_writes_them() {
        for (nanos, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1µs"),
            (2_200_000, "2.2ms"),
            (3_300_000_000, "3.3s"),
            (245_000_000_000, "4m5s"),
            (245_001_000_000, "4m5.001s"),
            (18_367_001_000_000, "5h6m7.001s"),
            (480_000_000_001, "8m0.000000001s"),
            (i64::MAX, "2562047h47m16.854775807s"),
            (i64::MIN, "-2562047h47m16.854775808s"),
        ] {
            assert_eq!(format(nanos), text);
            assert_eq!(parse(text), Some(nanos));
        }
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for text in ["", "3", "-", "s", ".", "-.", ".s", "+.s", "1d", "3000000h", "1..5s"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse("1.5h"), Some(5_400_000_000_000));
        assert_eq!(parse(".5s"), Some(500_000_000));
    }

    proptest! {
        #[test]
        fn a_duration_is_read_as_it_was_written(nanos: i64) {
            prop_assert_eq!(parse(&format(nanos)), Some(nanos));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "[-+0-9.hmsnuµ]{0,40}") {
            let _ = parse(&text);
        }
    }
}
