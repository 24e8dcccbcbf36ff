//! The group autoscaling: HorizontalPodAutoscaler v2 (`pkg/registry/autoscaling/horizontalpodautoscaler`,
//! `pkg/apis/autoscaling/v2/defaults.go`, `pkg/apis/autoscaling/validation/validation.go`).

pub mod v1;

use serde_json::{Value, json};

use crate::json::{default, is_empty, items, text};
use crate::kind::{Column, Cx, Kind, Strategy};
use crate::kinds::columns::{AGE, NAME, NONE, number, string};
use crate::status::{FieldError, Path};
use crate::validation::path_segment_faults;

pub(crate) const HORIZONTAL_POD_AUTOSCALER: Kind = Kind {
    group: "autoscaling",
    version: "v2",
    kind: "HorizontalPodAutoscaler",
    plural: "horizontalpodautoscalers",
    strategy: &Autoscaler,
    columns: &[
        NAME,
        REFERENCE,
        string("Targets", "What it sees of what it aims at.", |scaler, _| json!(targets(scaler))),
        MIN_PODS,
        MAX_PODS,
        REPLICAS,
        AGE,
    ],
    sealed: false,
};

const REFERENCE: Column = string("Reference", "What it scales.", |scaler, _| {
    let target = &scaler["spec"]["scaleTargetRef"];
    json!(format!("{}/{}", text(target, "kind"), text(target, "name")))
});

const MIN_PODS: Column = string("MinPods", "The fewest pods.", |scaler, _| {
    scaler["spec"]["minReplicas"].as_i64().map_or(json!("<unset>"), |count| json!(count.to_string()))
});

const MAX_PODS: Column = string("MaxPods", "The most pods.", |scaler, _| {
    json!(number(&scaler["spec"]["maxReplicas"]).to_string())
});

const REPLICAS: Column = string("Replicas", "How many there are.", |scaler, _| {
    json!(number(&scaler["status"]["currentReplicas"]).to_string())
});

struct Autoscaler;

impl Strategy for Autoscaler {
    fn default(&self, scaler: &mut Value, _: &Cx) {
        let Some(spec) = scaler.get_mut("spec").filter(|spec| spec.is_object()) else { return };
        default(spec, "minReplicas", 1);
        if is_empty(&spec["metrics"]) {
            spec["metrics"] = json!([{"type": "Resource", "resource": {"name": "cpu",
                "target": {"type": "Utilization", "averageUtilization": 80}}}]);
        }
        default_behavior(spec);
    }

    fn prepare_create(&self, scaler: &mut Value, _: &Cx) {
        scaler["status"] = json!({"desiredReplicas": 0});
    }

    fn validate_create(&self, scaler: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        let (spec, path) = (&scaler["spec"], Path::of("spec"));
        let (min, max) =
            (spec["minReplicas"].as_i64().unwrap_or(1), spec["maxReplicas"].as_i64().unwrap_or(0));
        if min < 1 {
            errors.push(path.child("minReplicas").invalid(min, "must be greater than or equal to 1"));
        }
        if max < 1 {
            errors.push(path.child("maxReplicas").invalid(max, "must be greater than 0"));
        } else if max < min {
            let why = "must be greater than or equal to `minReplicas`";
            errors.push(path.child("maxReplicas").invalid(max, why));
        }
        let target = path.child("scaleTargetRef");
        for field in ["kind", "name"] {
            let value = text(&spec["scaleTargetRef"], field);
            if value.is_empty() {
                errors.push(target.child(field).required(""));
            }
            let faults = path_segment_faults(value);
            errors.extend(faults.iter().map(|fault| target.child(field).invalid(value, fault)));
        }
        metrics(&spec["metrics"], &path.child("metrics"), errors);
    }
}

/// Where a direction of scaling is spoken of, the rest of it has upstream's defaults (`GenerateHPAScaleUpRules`).
fn default_behavior(spec: &mut Value) {
    if !spec["behavior"].is_object() {
        return;
    }
    let behavior = &mut spec["behavior"];
    default(behavior, "scaleUp", json!({}));
    default(behavior, "scaleDown", json!({}));
    let up = &mut behavior["scaleUp"];
    default(up, "stabilizationWindowSeconds", 0);
    default(up, "selectPolicy", "Max");
    let four_or_double = json!([{"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15}]);
    default(up, "policies", four_or_double);
    let down = &mut behavior["scaleDown"];
    default(down, "selectPolicy", "Max");
    default(down, "policies", json!([{"type": "Percent", "value": 100, "periodSeconds": 15}]));
}

fn metrics(list: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    const SOURCES: [(&str, &str); 5] = [
        ("ContainerResource", "containerResource"),
        ("External", "external"),
        ("Object", "object"),
        ("Pods", "pods"),
        ("Resource", "resource"),
    ];
    for (index, metric) in items(list).iter().enumerate() {
        let path = path.index(index);
        let kind = text(metric, "type");
        match SOURCES.iter().find(|(name, _)| *name == kind) {
            None if kind.is_empty() => {
                errors.push(path.child("type").required("must specify a metric source type"))
            }
            None => errors.push(path.child("type").not_supported(kind, &SOURCES.map(|(name, _)| name))),
            Some((_, field)) if metric[*field].is_null() => {
                let why = "must populate information for the given metric source";
                errors.push(path.child(field).required(why));
            }
            Some(_) => {}
        }
    }
}

/// `cpu: 12%/80%`, the first two metrics and how many more.
fn targets(scaler: &Value) -> String {
    let wanted = items(&scaler["spec"]["metrics"]);
    let told: Vec<String> =
        wanted.iter().enumerate().map(|(index, metric)| target(scaler, metric, index)).collect();
    match told.len() {
        0 => NONE.into(),
        1 | 2 => told.join(", "),
        count => format!("{} + {} more...", told[..2].join(", "), count - 2),
    }
}

fn target(scaler: &Value, metric: &Value, index: usize) -> String {
    let source = match text(metric, "type") {
        "Resource" => "resource",
        "ContainerResource" => "containerResource",
        "Pods" => "pods",
        "Object" => "object",
        "External" => "external",
        _ => return "<unknown type>".into(),
    };
    let wanted = &metric[source]["target"];
    let current = &scaler["status"]["currentMetrics"][index][source]["current"];
    let told = |value: &Value| match (
        value["averageUtilization"].as_i64(),
        text(value, "averageValue"),
        text(value, "value"),
    ) {
        (Some(percent), _, _) => format!("{percent}%"),
        (None, "", "") => "<unknown>".into(),
        (None, "", value) | (None, value, _) => value.to_owned(),
    };
    match text(&metric[source], "name") {
        "" => format!("{}/{}", told(current), told(wanted)),
        name => format!("{name}: {}/{}", told(current), told(wanted)),
    }
}
