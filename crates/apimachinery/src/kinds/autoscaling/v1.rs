//! HorizontalPodAutoscaler v1: the same objects in words that know CPU alone. What v1 has no field for travels in
//! annotations (`pkg/apis/autoscaling/v1/conversion.go`, `pkg/apis/autoscaling/annotations.go`).

use serde_json::{Map, Value, json};

use super::{Autoscaler, MAX_PODS, MIN_PODS, REFERENCE, REPLICAS};
use crate::json::{carry, default, entries, is_empty, items, remove, text};
use crate::kind::{Cx, Kind, Strategy};
use crate::kinds::columns::{AGE, NAME, string};
use crate::status::FieldError;

pub(crate) const HORIZONTAL_POD_AUTOSCALER: Kind = Kind {
    version: "v1",
    strategy: &Older,
    columns: &[
        NAME,
        REFERENCE,
        string("Targets", "What it sees of what it aims at.", |scaler, _| {
            let percent =
                |value: &Value| value.as_i64().map_or("<unknown>".into(), |share| format!("{share}%"));
            let aim = percent(&scaler["spec"]["targetCPUUtilizationPercentage"]);
            json!(format!("cpu: {}/{aim}", percent(&scaler["status"]["currentCPUUtilizationPercentage"])))
        }),
        MIN_PODS,
        MAX_PODS,
        REPLICAS,
        AGE,
    ],
    ..super::HORIZONTAL_POD_AUTOSCALER
};

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT_METRICS: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";
const CARRIED: [&str; 4] = [METRICS, CURRENT_METRICS, CONDITIONS, BEHAVIOR];

/// The rules are those of v2, of what the object says there.
struct Older;

impl Strategy for Older {
    fn default(&self, scaler: &mut Value, _: &Cx) {
        if let Some(spec) = scaler.get_mut("spec").filter(|spec| spec.is_object()) {
            default(spec, "minReplicas", 1);
        }
    }

    fn prepare_create(&self, scaler: &mut Value, cx: &Cx) {
        Autoscaler.prepare_create(scaler, cx);
        scaler["status"]["currentReplicas"] = json!(0);
    }

    fn validate_create(&self, scaler: &Value, cx: &Cx, errors: &mut Vec<FieldError>) {
        Autoscaler.validate_create(&newer(scaler.clone()), cx, errors);
    }
}

/// A v1 object in the words of v2, which is how all are stored.
#[must_use]
pub fn newer(mut scaler: Value) -> Value {
    scaler["apiVersion"] = json!("autoscaling/v2");
    let carried: Vec<Value> =
        CARRIED.iter().map(|name| parsed(&scaler["metadata"]["annotations"][name])).collect();
    let [metrics, current, conditions, behavior] = carried.as_slice() else { return scaler };
    forget_carried(&mut scaler);
    let spec = &mut scaler["spec"];
    let mut wanted: Vec<Value> = items(metrics).iter().map(|metric| metric_to_v2(metric, "target")).collect();
    if let Some(share) = spec["targetCPUUtilizationPercentage"].as_i64() {
        wanted.push(cpu("target", json!({"type": "Utilization", "averageUtilization": share})));
    }
    remove(spec, "targetCPUUtilizationPercentage");
    if wanted.is_empty() {
        wanted.push(cpu("target", json!({"type": "Utilization", "averageUtilization": 80})));
    }
    spec["metrics"] = json!(wanted);
    if behavior.is_object() {
        spec["behavior"] = recased(behavior.clone(), false);
    }
    let Some(status) = scaler.get_mut("status").filter(|status| status.is_object()) else { return scaler };
    let share = status["currentCPUUtilizationPercentage"].as_i64();
    remove(status, "currentCPUUtilizationPercentage");
    if current.is_array() {
        let list: Vec<Value> = items(current).iter().map(|metric| metric_to_v2(metric, "current")).collect();
        status["currentMetrics"] = json!(list);
    } else if let Some(share) = share {
        status["currentMetrics"] = json!([cpu("current", json!({"averageUtilization": share}))]);
    }
    if conditions.is_array() {
        status["conditions"] = conditions.clone();
    }
    scaler
}

/// A v2 object in the words of v1.
#[must_use]
pub fn older(mut scaler: Value) -> Value {
    scaler["apiVersion"] = json!("autoscaling/v1");
    forget_carried(&mut scaler);
    let mut carried = Map::new();
    let mut carry_along = |name: &str, value: &Value| {
        if !is_empty(value) {
            carried.insert(name.into(), json!(value.to_string()));
        }
    };
    let spec = &mut scaler["spec"];
    let (metrics, behavior) = (spec["metrics"].take(), spec["behavior"].take());
    remove(spec, "metrics");
    remove(spec, "behavior");
    let share = |metric: &Value, part: &str| -> Option<i64> {
        let is_cpu = metric["type"] == "Resource" && metric["resource"]["name"] == "cpu";
        metric["resource"][part]["averageUtilization"].as_i64().filter(|_| is_cpu)
    };
    if let Some(share) = items(&metrics).iter().find_map(|metric| share(metric, "target")) {
        spec["targetCPUUtilizationPercentage"] = json!(share);
    }
    let others: Vec<Value> = items(&metrics)
        .iter()
        .filter(|metric| share(metric, "target").is_none())
        .map(|metric| metric_to_v1(metric, "target"))
        .collect();
    carry_along(METRICS, &json!(others));
    carry_along(BEHAVIOR, &recased(behavior, true));
    if let Some(status) = scaler.get_mut("status").filter(|status| status.is_object()) {
        let (current, conditions) = (status["currentMetrics"].take(), status["conditions"].take());
        remove(status, "currentMetrics");
        remove(status, "conditions");
        if let Some(share) = items(&current).iter().find_map(|metric| share(metric, "current")) {
            status["currentCPUUtilizationPercentage"] = json!(share);
        }
        let current: Vec<Value> =
            items(&current).iter().map(|metric| metric_to_v1(metric, "current")).collect();
        carry_along(CURRENT_METRICS, &json!(current));
        carry_along(CONDITIONS, &conditions);
    }
    if !carried.is_empty() {
        for (name, value) in carried {
            scaler["metadata"]["annotations"][name] = value;
        }
    }
    scaler
}

fn parsed(annotation: &Value) -> Value {
    annotation.as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

fn forget_carried(scaler: &mut Value) {
    let Some(metadata) = scaler.get_mut("metadata").filter(|metadata| metadata["annotations"].is_object())
    else {
        return;
    };
    for name in CARRIED {
        remove(&mut metadata["annotations"], name);
    }
    if is_empty(&metadata["annotations"]) {
        remove(metadata, "annotations");
    }
}

fn cpu(part: &str, value: Value) -> Value {
    json!({"type": "Resource", "resource": {"name": "cpu", part: value}})
}

/// The field of a metric that its type names: `ContainerResource` → `containerResource`.
fn source(metric: &Value) -> String {
    lead(text(metric, "type"), false)
}

fn lead(word: &str, upper: bool) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| {
        let first = if upper { first.to_ascii_uppercase() } else { first.to_ascii_lowercase() };
        format!("{first}{}", letters.as_str())
    })
}

/// v1 says a target's or a current value's parts with a prefix: `targetAverageValue`, `currentAverageUtilization`.
fn flat(part: &str, field: &str) -> String {
    format!("{part}{}", lead(field, true))
}

fn metric_to_v2(metric: &Value, part: &str) -> Value {
    let name = source(metric);
    let old = &metric[name.as_str()];
    let mut new = json!({});
    let mut value = json!({});
    for field in ["averageUtilization", "averageValue", "value"] {
        // An Object metric has `averageValue` bare.
        let found = Some(&old[flat(part, field)]).filter(|found| !found.is_null()).unwrap_or(&old[field]);
        let is_unset = name == "object" && field == "value" && *found == "0" && part == "target";
        if !(found.is_null() || is_unset) {
            value[field] = found.clone();
        }
    }
    if part == "target" {
        let kind = match () {
            () if !value["averageUtilization"].is_null() => "Utilization",
            () if !value["averageValue"].is_null() => "AverageValue",
            () => "Value",
        };
        value["type"] = json!(kind);
    }
    match name.as_str() {
        "resource" | "containerResource" => {
            carry(&mut new, old, "name");
            carry(&mut new, old, "container");
        }
        _ => {
            new["metric"] = json!({"name": old["metricName"]});
            let selector = if name == "external" { "metricSelector" } else { "selector" };
            if !old[selector].is_null() {
                new["metric"]["selector"] = old[selector].clone();
            }
            if name == "object" {
                new["describedObject"] = old["target"].clone();
            }
        }
    }
    new[part] = value;
    json!({"type": metric["type"], name: new})
}

fn metric_to_v1(metric: &Value, part: &str) -> Value {
    let name = source(metric);
    let new = &metric[name.as_str()];
    let mut old = json!({});
    for (field, value) in entries(&new[part]).filter(|(field, _)| *field != "type") {
        let bare = name == "object" && field == "averageValue";
        old[if bare { field.clone() } else { flat(part, field) }] = value.clone();
    }
    match name.as_str() {
        "resource" | "containerResource" => {
            carry(&mut old, new, "name");
            carry(&mut old, new, "container");
        }
        _ => {
            old["metricName"] = new["metric"]["name"].clone();
            let selector = if name == "external" { "metricSelector" } else { "selector" };
            if !new["metric"]["selector"].is_null() {
                old[selector] = new["metric"]["selector"].clone();
            }
            if name == "object" {
                old["target"] = new["describedObject"].clone();
            }
        }
    }
    json!({"type": metric["type"], name: old})
}

/// Upstream writes the annotation of `behavior` with the names of Go's fields, which begin with a capital.
fn recased(value: Value, upper: bool) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| (lead(&name, upper), recased(value, upper)));
            Value::Object(fields.collect())
        }
        Value::Array(list) => Value::Array(list.into_iter().map(|item| recased(item, upper)).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_v1_has_no_words_for_comes_back_whole() {
        let stored = json!({
            "kind": "HorizontalPodAutoscaler", "apiVersion": "autoscaling/v2",
            "metadata": {"name": "a", "annotations": {"mine": "x"}},
            "spec": {
                "minReplicas": 1, "maxReplicas": 4,
                "scaleTargetRef": {"kind": "Deployment", "name": "web", "apiVersion": "apps/v1"},
                "behavior": {"scaleUp": {"stabilizationWindowSeconds": 3, "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}]}},
                "metrics": [
                    {"type": "Pods", "pods": {"metric": {"name": "hits", "selector": {"matchLabels": {"a": "b"}}},
                        "target": {"type": "AverageValue", "averageValue": "5"}}},
                    {"type": "Object", "object": {"metric": {"name": "depth"}, "describedObject": {"kind": "Queue", "name": "q"},
                        "target": {"type": "Value", "value": "7"}}},
                    {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}},
                ],
            },
            "status": {
                "currentReplicas": 2, "desiredReplicas": 3, "conditions": [{"type": "AbleToScale", "status": "True"}],
                "currentMetrics": [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 40, "averageValue": "4m"}}}],
            },
        });
        let told = older(stored.clone());
        assert_eq!(told["spec"]["targetCPUUtilizationPercentage"], 50);
        assert_eq!(told["status"]["currentCPUUtilizationPercentage"], 40);
        assert!(told["spec"]["metrics"].is_null() && told["status"]["conditions"].is_null());
        let behavior = &told["metadata"]["annotations"][BEHAVIOR];
        assert!(
            behavior.as_str().is_some_and(|text| text.contains("StabilizationWindowSeconds")),
            "{behavior}"
        );
        assert_eq!(newer(told), stored);
    }

    #[test]
    fn cpu_at_eighty_percent_is_meant_where_nothing_is_said() {
        let new = newer(json!({"spec": {"maxReplicas": 3}}));
        assert_eq!(new["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 80);
    }
}
