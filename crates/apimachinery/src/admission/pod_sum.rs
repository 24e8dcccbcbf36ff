//! What a pod asks for as a whole (`k8s.io/component-helpers/resource/helpers.go`).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::json::{entries, items, text};
use crate::quantity::Quantity;

/// Amounts by the name of what is asked for.
pub(crate) type Amounts<'a> = BTreeMap<&'a str, Quantity>;

/// The quantities of a list of resources.
pub(crate) fn amounts(list: &Value) -> Amounts<'_> {
    entries(list).filter_map(|(name, amount)| Some((&**name, Quantity::from_value(amount).ok()?))).collect()
}

/// The sum of a pod's containers, or more where an init container needs more; containers that stay beside the others
/// (`restartPolicy: Always`) count as those do. `needs` says what one container asks for.
pub(crate) fn of_containers<'a>(spec: &'a Value, needs: impl Fn(&'a Value) -> Amounts<'a>) -> Amounts<'a> {
    let mut sum = Amounts::new();
    for container in items(&spec["containers"]) {
        add(&mut sum, &needs(container));
    }
    let (mut sidecars, mut most) = (Amounts::new(), Amounts::new());
    for container in items(&spec["initContainers"]) {
        let mut asked = needs(container);
        if text(container, "restartPolicy") == "Always" {
            add(&mut sum, &asked);
            add(&mut sidecars, &asked);
            asked = sidecars.clone();
        } else {
            add(&mut asked, &sidecars);
        }
        raise(&mut most, asked);
    }
    raise(&mut sum, most);
    sum
}

pub(crate) fn add<'a>(sum: &mut Amounts<'a>, more: &Amounts<'a>) {
    for (name, amount) in more {
        let known = sum.entry(name).or_insert(Quantity::ZERO);
        *known = *known + *amount;
    }
}

/// At least as much of each as `other` has.
pub(crate) fn raise<'a>(most: &mut Amounts<'a>, other: Amounts<'a>) {
    for (name, amount) in other {
        let known = most.entry(name).or_insert(amount);
        *known = (*known).max(amount);
    }
}
