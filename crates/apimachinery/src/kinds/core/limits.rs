//! ResourceQuota and LimitRange (`pkg/registry/core/resourcequota`, `pkg/registry/core/limitrange`,
//! `pkg/apis/core/v1/defaults.go`, `pkg/apis/core/validation/validation.go`).

use serde_json::{Value, json};

use crate::json::{default, entries, items, text};
use crate::kind::{Column, Cx, Kind, Strategy};
use crate::kinds::columns::{AGE, NAME, string};
use crate::quantity::Quantity;
use crate::status::{FieldError, Path};
use crate::validation::{immutable, qualified_name_faults};

pub(crate) const RESOURCE_QUOTA: Kind = Kind {
    group: "",
    version: "v1",
    kind: "ResourceQuota",
    plural: "resourcequotas",
    strategy: &Quota,
    columns: &[
        NAME,
        string("Request", "What is used of what may be requested.", |quota, _| {
            json!(used_of_hard(quota, |name| !name.starts_with("limits.")))
        }),
        string("Limit", "What is used of what may be the limit.", |quota, _| {
            json!(used_of_hard(quota, |name| name.starts_with("limits.")))
        }),
        AGE,
    ],
    sealed: false,
};

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

struct Quota;
struct Range;

impl Strategy for Quota {
    fn validate_create(&self, quota: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        amounts(&quota["spec"]["hard"], &Path::of("spec.hard"), errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, cx: &Cx, errors: &mut Vec<FieldError>) {
        if cx.is_status() {
            amounts(&new["status"]["hard"], &Path::of("status.hard"), errors);
            amounts(&new["status"]["used"], &Path::of("status.used"), errors);
            return;
        }
        self.validate_create(new, cx, errors);
        immutable(&new["spec"]["scopes"], &old["spec"]["scopes"], &Path::of("spec.scopes"), errors);
    }
}

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

fn amounts(list: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
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

/// `pods: 3/10, requests.cpu: 1/4`
fn used_of_hard(quota: &Value, wanted: impl Fn(&str) -> bool) -> String {
    let status = &quota["status"];
    let shown = entries(&status["hard"]).filter(|(name, _)| wanted(name)).map(|(name, hard)| {
        let used = match text(&status["used"], name) {
            "" => "0",
            used => used,
        };
        format!("{name}: {used}/{}", hard.as_str().unwrap_or_default())
    });
    shown.collect::<Vec<_>>().join(", ")
}
