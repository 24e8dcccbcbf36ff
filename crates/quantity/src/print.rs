//! The canonical text of an amount, in the family of suffixes it was written with.

use std::fmt;

use super::{Format, NANO, Quantity};

/// The canonical form: the largest suffix of the family that leaves a whole number.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.nanos < 0 { "-" } else { "" };
        let magnitude = self.nanos.abs();
        match self.format {
            _ if magnitude == 0 => f.write_str("0"),
            Format::Binary if self.is_whole() && magnitude >= 1024 * NANO => {
                binary(f, sign, magnitude / NANO)
            }
            Format::Binary | Format::Decimal => decimal(f, sign, magnitude, |power| match power {
                -9 => "n",
                -6 => "u",
                -3 => "m",
                3 => "k",
                6 => "M",
                9 => "G",
                12 => "T",
                15 => "P",
                18 => "E",
                _ => "",
            }),
            Format::Exponent => {
                let (number, power) = thousands(magnitude);
                match power {
                    0 => write!(f, "{sign}{number}"),
                    power => write!(f, "{sign}{number}e{power}"),
                }
            }
        }
    }
}

fn binary(f: &mut fmt::Formatter<'_>, sign: &str, mut units: i128) -> fmt::Result {
    const SUFFIXES: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    let mut power = 0;
    while units % 1024 == 0 && power + 1 < SUFFIXES.len() {
        units /= 1024;
        power += 1;
    }
    write!(f, "{sign}{units}{}", SUFFIXES[power])
}

fn decimal(
    f: &mut fmt::Formatter<'_>,
    sign: &str,
    nanos: i128,
    suffix: impl Fn(i32) -> &'static str,
) -> fmt::Result {
    let (number, power) = thousands(nanos);
    write!(f, "{sign}{number}{}", suffix(power))
}

/// An amount as a number times a power of ten that is a multiple of three, the number as small as can be.
fn thousands(nanos: i128) -> (i128, i32) {
    let (mut number, mut power) = (nanos, -9);
    while number % 1000 == 0 && power < 18 {
        number /= 1000;
        power += 3;
    }
    (number, power)
}
