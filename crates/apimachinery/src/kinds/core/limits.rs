//! LimitRange (`pkg/registry/core/limitrange`, `pkg/apis/core/v1/defaults.go`, `pkg/apis/core/validation/validation.go`).

use serde_json::{Value, json};

use crate::json::{default, entries, items};
use crate::kind::{Column, Cx, Kind, Strategy};
use crate::kinds::columns::NAME;
use crate::quantity::Quantity;
use crate::status::{FieldError, Path};
use crate::validation::qualified_name_faults;

pub(crate) const LIMIT_RANGE: Kind = Kind {
    group: "",
    version: "v1",
    kind: "LimitRange",
    plural: "limitranges",
    strategy: &Range,
    columns: &[
        NAME,
        Column {
            name: "Created At",
            data_type: "date",
            format: "",
            priority: 0,
            description: "When it was created.",
            cell: |range, _| range["metadata"]["creationTimestamp"].clone(),
        },
    ],
    sealed: false,
};

struct Range;

impl Strategy for Range {
    fn creates_on_update(&self) -> bool {
        true
    }

    /// For containers: the limit is the maximum, the request the limit, or the minimum.
    fn default(&self, range: &mut Value, _: &Cx) {
        let limits =
            range.get_mut("spec").and_then(|spec| spec.get_mut("limits")).and_then(Value::as_array_mut);
        for item in limits.into_iter().flatten().filter(|item| item["type"] == "Container") {
            fill(item, "default", "max");
            fill(item, "defaultRequest", "default");
            fill(item, "defaultRequest", "min");
        }
    }

    fn validate_create(&self, range: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        let list = Path::of("spec.limits");
        for (index, item) in items(&range["spec"]["limits"]).iter().enumerate() {
            let path = list.index(index);
            for field in ["max", "min", "default", "defaultRequest"] {
                amounts(&item[field], &path.child(field), errors);
            }
            ordered(item, "min", "max", &path, errors);
            ordered(item, "min", "defaultRequest", &path, errors);
            ordered(item, "defaultRequest", "default", &path, errors);
            ordered(item, "default", "max", &path, errors);
        }
    }
}

fn fill(item: &mut Value, field: &str, from: &str) {
    let source = item[from].clone();
    for (name, amount) in entries(&source) {
        if item[field].is_null() {
            item[field] = json!({});
        }
        default(&mut item[field], name, amount.clone());
    }
}

pub(super) fn amounts(list: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    for (name, amount) in entries(list) {
        errors.extend(
            qualified_name_faults(name).iter().map(|fault| path.key(name).invalid(name.as_str(), fault)),
        );
        if Quantity::from_value(amount).is_ok_and(Quantity::is_negative) {
            errors.push(path.key(name).invalid(amount.clone(), "must be greater than or equal to 0"));
        }
    }
}

fn ordered(item: &Value, low: &str, high: &str, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    for (name, amount) in entries(&item[low]) {
        let (Ok(lower), Ok(upper)) = (Quantity::from_value(amount), Quantity::from_value(&item[high][name]))
        else {
            continue;
        };
        if lower > upper {
            let why = format!("{low} value {lower} is greater than {high} value {upper}");
            errors.push(path.child(low).key(name).invalid(amount.clone(), &why));
        }
    }
}
