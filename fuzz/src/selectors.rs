//! Selectors of labels and fields, quantities and names: what reads texts that people write.

use std::collections::BTreeMap;

use super::{REGISTRY, parted};
use rutter_apimachinery::quantity::Quantity;
use rutter_apimachinery::selector::{FieldSelector, LabelSelector};

pub fn one(data: &[u8]) {
    let (text, rest) = parted(data);
    let labels: BTreeMap<String, String> = String::from_utf8_lossy(rest)
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    if let Ok(selector) = LabelSelector::parse(text) {
        let matches = selector.matches(&labels);
        // Each requirement holds by itself.
        let all = selector
            .requirements()
            .iter()
            .all(|one| one.test.accepts(labels.get(&one.key).map(String::as_str)));
        assert_eq!(matches, all, "{text:?} over {labels:?}");
    }
    if let Ok(selector) = FieldSelector::parse(text) {
        let _ = selector.matches("name", "namespace", &labels);
        for resource in REGISTRY.resources().iter().take(3) {
            let _ = selector.clone().convert(resource);
        }
    }
    if let Ok(quantity) = text.parse::<Quantity>() {
        let printed = quantity.to_string();
        let again: Quantity = printed.parse().unwrap_or_else(|_| panic!("{text:?} prints {printed:?}"));
        assert_eq!(again, quantity, "{text:?} prints {printed:?}");
        assert_eq!(again.to_string(), printed);
    }
}
