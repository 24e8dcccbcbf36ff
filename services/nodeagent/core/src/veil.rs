//! What of a container must not rest on a disk: the values of Secrets among its variables, and whatever was made of them.
//!
//! A runtime writes down what it is told of a container. So it is told placeholders, and the values go a way of their own,
//! in memory, until the process is made.

use std::collections::BTreeMap;
use std::fmt;

use crate::view::{Container, Pod};

/// The values that one container's placeholders stand for.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Veil {
    /// What all of its placeholders begin with.
    mark: String,
    hidden: BTreeMap<String, String>,
}

impl Veil {
    /// Of a container of the pod with this uid: no two containers have a placeholder in common.
    pub fn new(uid: &str, container: &str) -> Veil {
        Veil { mark: format!("rutter-secret:{uid}:{container}:"), hidden: BTreeMap::new() }
    }

    /// The placeholder for a value. None is part of another, and none needs to be escaped in JSON.
    pub fn hide(&mut self, value: String) -> String {
        if value.is_empty() {
            return value;
        }
        let placeholder = format!("{}{};", self.mark, self.hidden.len());
        self.hidden.insert(placeholder.clone(), value);
        placeholder
    }

    /// A text with the values in their places.
    pub fn reveal(&self, text: &str) -> String {
        let mut revealed = text.to_owned();
        for (placeholder, value) in &self.hidden {
            revealed = revealed.replace(placeholder, value);
        }
        revealed
    }

    /// Values by their placeholders.
    pub fn hidden(&self) -> &BTreeMap<String, String> {
        &self.hidden
    }
}

/// Whether variables of the pod's containers come from Secrets.
pub fn is_needed(pod: &Pod) -> bool {
    pod.containers().any(takes_secrets)
}

fn takes_secrets(container: &Container) -> bool {
    let one = container.env.iter().filter_map(|variable| variable.value_from.as_ref());
    container.env_from.iter().any(|source| source.secret_ref.is_some())
        || one.into_iter().any(|source| source.secret_key_ref.is_some())
}

impl fmt::Debug for Veil {
    /// Plans are printed; values are not.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Veil({} values)", self.hidden.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_is_never_part_of_another() {
        let mut veil = Veil::new("uid", "web");
        let placeholders: Vec<String> = (0..20).map(|n| veil.hide(format!("value-{n}"))).collect();
        let text = placeholders.join(" ");
        let values: Vec<String> = (0..20).map(|n| format!("value-{n}")).collect();
        assert_eq!(veil.reveal(&text), values.join(" "));
        assert!(!format!("{veil:?}").contains("value-"));
    }
}
