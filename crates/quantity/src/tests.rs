//! Amounts as people write them.

use super::*;
use proptest::prelude::*;

fn q(text: &str) -> Quantity {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn quantities_have_one_canonical_form() {
    let cases = [
        ("0", "0"),
        ("0m", "0"),
        ("-0", "0"),
        ("1", "1"),
        ("100m", "100m"),
        ("1000m", "1"),
        ("0.1", "100m"),
        ("1.5", "1500m"),
        ("1.5Gi", "1536Mi"),
        ("1024", "1024"),
        ("1024Ki", "1Mi"),
        ("1000Ki", "1000Ki"),
        ("0.5Ki", "512"),
        ("1000000", "1M"),
        ("1000k", "1M"),
        ("123456", "123456"),
        ("1e3", "1e3"),
        ("1E3", "1e3"),
        ("12e2", "1200"),
        ("1e-3", "1e-3"),
        ("100e-3", "100e-3"),
        ("+5", "5"),
        ("-1.5", "-1500m"),
        (".5", "500m"),
        ("1.", "1"),
        ("1n", "1n"),
        ("0.1n", "1n"),
        ("1u", "1u"),
        ("1500u", "1500u"),
        ("9223372036854775807", "9223372036854775807"),
        ("99999999999999999999", "9223372036854775807"),
        ("1E", "1E"),
        ("16Ei", "9223372036854775807"),
        ("0.001Ki", "1024m"),
        ("2.5Mi", "2560Ki"),
    ];
    for (text, canonical) in cases {
        assert_eq!(q(text).to_string(), canonical, "{text}");
    }
}

#[test]
fn what_is_no_quantity_is_refused() {
    for text in ["", "a", "1x", "1 Gi", "1.2.3", "--1", "1Ki2", "Gi", "1e", "1ee3", "1mm", "0x10", "1Zi"] {
        assert!(text.parse::<Quantity>().is_err(), "{text}");
    }
    assert_eq!("1x".parse::<Quantity>().unwrap_err(), ParseError::Form);
    assert_eq!("1KK".parse::<Quantity>().unwrap_err(), ParseError::Suffix);
}

#[test]
fn amounts_compare_and_add_whatever_their_suffix() {
    assert_eq!(q("1Ki"), q("1024"));
    assert!(q("1G") < q("1Gi"));
    assert_eq!((q("100m") + q("0.9")).to_string(), "1");
    assert_eq!((q("1Gi") + q("1Mi")).to_string(), "1025Mi");
    assert_eq!((q("0") + q("1Gi")).to_string(), "1Gi");
    assert_eq!((q("1") - q("100m")).to_string(), "900m");
    assert_eq!((q("1500m").units(), q("1.5").millis(), q("-1.5").units()), (2, 1500, -1));
    assert_eq!((q("1500m").whole(), q("2Ki").whole(), q("-1").sign()), (None, Some(2048), -1));
    assert!((q("250m").approximate() - 0.25).abs() < f64::EPSILON);
    let most = q("99999999999999999999") + q("1");
    assert_eq!(
        (most.to_string().as_str(), most.whole(), most.units()),
        ("9223372036854775808", None, i64::MAX)
    );
}

#[test]
fn no_digit_of_an_amount_is_lost() {
    for (text, printed) in [
        ("222222222.226222Gi", "238609294226516950908928u"),
        ("238609294226516950908928u", "238609294226516950908928u"),
        ("9223372036854775806999999999n", "9223372036854775806999999999n"),
        ("1.0000000000000000000000000000000000000001n", "2n"),
        ("0.000000000000000000000000000000000000001Ei", "1n"),
        ("7.9999999999999999999Ei", "9223372036854775807"),
    ] {
        assert_eq!(q(text).to_string(), printed, "{text}");
    }
}

proptest! {
    #[test]
    fn the_canonical_form_is_the_same_amount_and_canonical(number in -1_000_000_000i64..1_000_000_000,
        suffix in prop::sample::select(vec!["", "n", "u", "m", "k", "M", "G", "Ki", "Mi", "Gi", "e3", "E-2"])) {
        let quantity = q(&format!("{number}{suffix}"));
        let canonical = quantity.to_string();
        prop_assert_eq!(q(&canonical), quantity);
        prop_assert_eq!(q(&canonical).to_string(), canonical);
    }

    #[test]
    fn no_text_makes_it_panic(text in "[-+0-9.eEinumkKMGTPx]{0,40}") {
        let _ = text.parse::<Quantity>();
    }
}
