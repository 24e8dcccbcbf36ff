//! Formats of strings (`k8s.io/kube-openapi/pkg/validation/strfmt`). One that upstream doesn't know is no check; which
//! it knows stands in `k8s.io/apiextensions-apiserver/pkg/apiserver/validation/formats.go`.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;

/// Whether upstream knows a format for strings; dashes in its name say nothing.
pub(crate) fn is_known(format: &str) -> bool {
    KNOWN.contains(&format.replace('-', "").as_str())
}

const KNOWN: [&str; 26] = [
    "bsonobjectid",
    "uri",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "cidr",
    "mac",
    "uuid",
    "uuid3",
    "uuid4",
    "uuid5",
    "isbn",
    "isbn10",
    "isbn13",
    "creditcard",
    "ssn",
    "hexcolor",
    "rgbcolor",
    "byte",
    "password",
    "date",
    "duration",
    "datetime",
    "k8sshortname",
    "k8slongname",
];

/// Whether a text is of a format.
pub(super) fn holds(format: &str, text: &str) -> bool {
    let pattern = |pattern: &LazyLock<Regex>| pattern.is_match(text);
    match format.replace('-', "").as_str() {
        "uri" => is_uri(text),
        "email" => pattern(&EMAIL),
        "hostname" => text.len() <= 255 && pattern(&HOSTNAME),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "cidr" => crate::validation::is_cidr(text),
        "mac" => pattern(&MAC),
        "uuid" => pattern(&UUID),
        "uuid3" => pattern(&UUID3),
        "uuid4" => pattern(&UUID4),
        "uuid5" => pattern(&UUID5),
        "isbn" => is_isbn10(text) || is_isbn13(text),
        "isbn10" => is_isbn10(text),
        "isbn13" => is_isbn13(text),
        "creditcard" => is_credit_card(text),
        "ssn" => pattern(&SSN),
        "hexcolor" => pattern(&HEX_COLOR),
        "rgbcolor" => pattern(&RGB_COLOR),
        "bsonobjectid" => pattern(&OBJECT_ID),
        "byte" => STANDARD.decode(text).is_ok(),
        "date" => text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok(),
        "datetime" => is_date_time(text),
        "duration" => is_duration(text),
        "k8sshortname" => text.len() <= 63 && pattern(&SHORT_NAME),
        "k8slongname" => text.len() <= 253 && pattern(&LONG_NAME),
        _ => true,
    }
}

macro_rules! patterns {
    ($($name:ident = $text:expr;)*) => {
        $(static $name: LazyLock<Regex> = LazyLock::new(|| Regex::new($text).expect("it is written here"));)*
    };
}

patterns! {
    EMAIL = r#"^[^\s@<>"]+@[^\s@<>"]+$"#;
    HOSTNAME = r"^([a-zA-Z0-9\p{L}_]([a-zA-Z0-9-\p{L}_]{0,61}[a-zA-Z0-9\p{L}_])?\.)*[a-zA-Z0-9\p{L}_]([a-zA-Z0-9-\p{L}_]{0,61}[a-zA-Z0-9\p{L}_])?\.?$";
    MAC = r"^(([0-9a-fA-F]{2}:){5}([0-9a-fA-F]{2}:){0,14}|([0-9a-fA-F]{2}-){5}([0-9a-fA-F]{2}-){0,14})[0-9a-fA-F]{2}$|^([0-9a-fA-F]{4}\.){2,9}[0-9a-fA-F]{4}$";
    UUID = r"(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$";
    UUID3 = r"(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?3[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$";
    UUID4 = r"(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$";
    UUID5 = r"(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?5[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$";
    SSN = r"^\d{3}[- ]?\d{2}[- ]?\d{4}$";
    HEX_COLOR = r"^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$";
    RGB_COLOR = r"^rgb\(\s*(0|[1-9]\d?|1\d\d|2[0-4]\d|25[0-5])\s*,\s*(0|[1-9]\d?|1\d\d|2[0-4]\d|25[0-5])\s*,\s*(0|[1-9]\d?|1\d\d|2[0-4]\d|25[0-5])\s*\)$";
    OBJECT_ID = r"^[0-9a-fA-F]{24}$";
    CARD = r"^(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35\d{3})\d{11})$";
    SHORT_NAME = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
    LONG_NAME = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
    DATE_TIME = r"^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}([.,]\d{1,9})?([Zz]|[+-]\d{2}:?\d{2})?$";
    GO_DURATION = r"^[+-]?(0|(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))*$";
    LONG_DURATION = r"^\s*\d+\s*(ns|nano|nanos?|nanoseconds?|us|µs|micro|micros?|microseconds?|ms|milli|millis?|milliseconds?|s|sec|secs?|seconds?|m|min|mins?|minutes?|h|hr|hrs?|hours?|d|days?|w|wk|wks?|weeks?)\s*$";
    SCHEME = r"^[a-zA-Z][a-zA-Z0-9+.-]*:";
}

/// As Go's `url.ParseRequestURI`: absolute, or an absolute path.
fn is_uri(text: &str) -> bool {
    let clean = !text.chars().any(|c| c.is_control() || c == ' ');
    let escaped = text.split('%').skip(1).all(|rest| {
        rest.len() >= 2 && rest.is_char_boundary(2) && rest[..2].bytes().all(|b| b.is_ascii_hexdigit())
    });
    clean && escaped && (text.starts_with('/') || SCHEME.is_match(text))
}

fn is_date_time(text: &str) -> bool {
    if !DATE_TIME.is_match(text) {
        return false;
    }
    let plain = text[..19].replace(['T', 't'], " ");
    jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", plain).is_ok()
}

fn is_duration(text: &str) -> bool {
    GO_DURATION.is_match(text) || LONG_DURATION.is_match(text)
}

fn is_isbn10(text: &str) -> bool {
    let bare: String = text.chars().filter(|c| !matches!(c, '-' | ' ')).collect();
    let digits: Option<Vec<u32>> = bare
        .char_indices()
        .map(|(index, c)| if c == 'X' && index == 9 { Some(10) } else { c.to_digit(10) })
        .collect();
    let Some(digits) = digits.filter(|digits| digits.len() == 10) else { return false };
    digits.iter().zip(1..).map(|(digit, place)| digit * place).sum::<u32>() % 11 == 0
}

fn is_isbn13(text: &str) -> bool {
    let bare = text.chars().filter(|c| !matches!(c, '-' | ' '));
    let digits: Option<Vec<u32>> = bare.map(|c| c.to_digit(10)).collect();
    let Some(digits) = digits.filter(|digits| digits.len() == 13) else { return false };
    let weighed = digits.iter().enumerate().map(|(place, digit)| digit * if place % 2 == 0 { 1 } else { 3 });
    weighed.sum::<u32>() % 10 == 0
}

fn is_credit_card(text: &str) -> bool {
    let bare: String = text.chars().filter(char::is_ascii_digit).collect();
    if !CARD.is_match(&bare) {
        return false;
    }
    let sum: u32 = bare
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, byte)| {
            let digit = u32::from(byte - b'0') * if place % 2 == 1 { 2 } else { 1 };
            if digit > 9 { digit - 9 } else { digit }
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_holds_of_what_upstream_takes_for_it() {
        let cases = [
            ("date-time", "2014-12-15T19:30:20.000Z", "2014-13-15T19:30:20Z"),
            ("date", "2006-01-02", "2006-1-2"),
            ("duration", "1h30m", "soon"),
            ("ipv4", "10.0.0.1", "10.0.0"),
            ("ipv6", "::1", "10.0.0.1"),
            ("cidr", "10.0.0.0/8", "10.0.0.0"),
            ("mac", "01:02:03:04:05:06", "01:02"),
            ("uuid", "0123456789abcdef0123456789ABCDEF", "x"),
            ("byte", "aGk=", "%%"),
            ("email", "a@b.c", "a"),
            ("hostname", "a.example.com", "a b"),
            ("uri", "https://a/b", "a b"),
            ("isbn", "978-0321751041", "978-0321751042"),
            ("isbn10", "0321751043", "0321751044"),
            ("creditcard", "4111-1111-1111-1111", "4111-1111-1111-1112"),
            ("ssn", "111-11-1111", "1"),
            ("hexcolor", "#FFFFFF", "#FFFFG"),
            ("rgbcolor", "rgb(255,255,255)", "rgb(256,0,0)"),
            ("k8s-short-name", "a-b", "A"),
            ("k8s-long-name", "a.b", "a..b"),
        ];
        for (format, good, bad) in cases {
            assert!(is_known(format), "{format}");
            assert!(holds(format, good), "{format}: {good}");
            assert!(!holds(format, bad), "{format}: {bad}");
        }
        assert!(!is_known("made-up") && holds("made-up", "anything"));
    }
}
