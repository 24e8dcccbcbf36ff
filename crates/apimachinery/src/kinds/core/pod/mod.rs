//! Pod (`pkg/registry/core/pod/strategy.go`).

mod admission;
mod binding;
mod facts;
mod printer;
mod resize;
mod update;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::json::{items, text};
use crate::kind::{Cx, Kind, Strategy};
use crate::kinds::columns::{AGE, NAME, string, wide};
use crate::kinds::pod_spec::{self, Within, default_pod, qos_class};
use crate::status::{FieldError, Path};
use crate::write::time;

pub(crate) const POD: Kind = Kind {
    group: "",
    version: "v1",
    kind: "Pod",
    plural: "pods",
    strategy: &Pod,
    columns: &[
        NAME,
        string("Ready", "How many of its containers are ready, of how many.", |pod, now| {
            json!(printer::summary(pod, now).ready)
        }),
        string("Status", "What it does, or what keeps it from doing so.", |pod, now| {
            json!(printer::summary(pod, now).status)
        }),
        string("Restarts", "How often its containers were started again.", |pod, now| {
            json!(printer::summary(pod, now).restarts)
        }),
        AGE,
        wide("IP", "Its address.", |pod, _| printer::ip(pod)),
        wide("Node", "Where it runs.", |pod, _| printer::or_none(&pod["spec"]["nodeName"])),
        wide("Nominated Node", "Where others are being preempted for it.", |pod, _| {
            printer::or_none(&pod["status"]["nominatedNodeName"])
        }),
        wide("Readiness Gates", "How many of its own conditions hold.", |pod, _| {
            printer::readiness_gates(pod)
        }),
    ],
    sealed: false,
};

struct Pod;

impl Strategy for Pod {
    fn default(&self, pod: &mut Value, cx: &Cx) {
        if let Some(spec) = pod.get_mut("spec") {
            default_pod(spec);
        }
        if cx.is_status() {
            carry_the_older_forms(&mut pod["status"]);
        }
    }

    fn prepare_create(&self, pod: &mut Value, cx: &Cx) {
        if pod["spec"].is_object() {
            admission::admit(&mut pod["spec"]);
        }
        pod["status"] = json!({"phase": "Pending", "qosClass": qos_class(&pod["spec"])});
        if !items(&pod["spec"]["schedulingGates"]).is_empty() {
            pod["status"]["conditions"] = json!([{
                "type": "PodScheduled", "status": "False", "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates",
                "lastProbeTime": null, "lastTransitionTime": time(cx.now),
            }]);
        }
    }

    /// Where a pod runs is no change of what it is.
    fn bumps_generation(&self, old: &Value, new: &Value) -> bool {
        let placeless = |pod: &Value| {
            let mut spec = pod["spec"].clone();
            crate::json::remove(&mut spec, "nodeName");
            spec
        };
        self.has_generation() && placeless(old) != placeless(new)
    }

    fn prepare_update(&self, new: &mut Value, old: &Value, cx: &Cx) {
        if cx.is_status() && text(&new["status"], "qosClass").is_empty() {
            crate::json::carry(&mut new["status"], &old["status"], "qosClass");
        }
        match cx.subresource {
            "binding" => binding::tell(new, old, cx.now),
            "resize" => resize::keep_the_rest(new, old),
            "" if new["spec"].is_object() => admission::tolerate_failing_nodes(&mut new["spec"]),
            _ => {}
        }
    }

    fn validate_create(&self, pod: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        pod_spec::validate(&pod["spec"], &pod["metadata"], &Path::of("spec"), Within::Pod, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, cx: &Cx, errors: &mut Vec<FieldError>) {
        match cx.subresource {
            "status" => update::validate_status(new, old, errors),
            "binding" => binding::validate(new, old, errors),
            "ephemeralcontainers" => update::validate_ephemeral(new, old, errors),
            "resize" => resize::validate(new, old, errors),
            _ => update::validate(new, old, errors),
        }
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn selectable(&self, pod: &Value) -> BTreeMap<String, String> {
        let (spec, status) = (&pod["spec"], &pod["status"]);
        let ip = match items(&status["podIPs"]).first() {
            Some(first) => text(first, "ip"),
            None => text(status, "podIP"),
        };
        BTreeMap::from([
            ("spec.nodeName".into(), text(spec, "nodeName").into()),
            ("spec.restartPolicy".into(), text(spec, "restartPolicy").into()),
            ("spec.schedulerName".into(), text(spec, "schedulerName").into()),
            ("spec.serviceAccountName".into(), text(spec, "serviceAccountName").into()),
            ("spec.hostNetwork".into(), (spec["hostNetwork"] == true).to_string()),
            ("status.phase".into(), text(status, "phase").into()),
            ("status.podIP".into(), ip.into()),
            ("status.nominatedNodeName".into(), text(status, "nominatedNodeName").into()),
        ])
    }

    fn selectable_names(&self) -> &'static [&'static str] {
        &[
            "spec.hostNetwork",
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "status.nominatedNodeName",
            "status.phase",
            "status.podIP",
        ]
    }

    /// A pod on a node waits for the node's agent; one that no node has, or that has ended, goes at once
    /// (`CheckGracefulDelete`).
    fn grace(&self, pod: &Value, asked: Option<i64>) -> Option<i64> {
        let has_ended = ["Failed", "Succeeded"].contains(&text(&pod["status"], "phase"));
        if text(&pod["spec"], "nodeName").is_empty() || has_ended {
            return Some(0);
        }
        let own = || pod["spec"]["terminationGracePeriodSeconds"].as_i64();
        let grace = asked.or_else(own).unwrap_or(30);
        Some(if grace < 0 { 1 } else { grace })
    }

    fn fact(&self, before: Option<&Value>, after: &Value) -> Option<&'static str> {
        facts::fact(before?, after)
    }
}

/// `podIP` and `hostIP` are the first of `podIPs` and `hostIPs`; whoever writes one means both.
fn carry_the_older_forms(status: &mut Value) {
    for (one, many) in [("podIP", "podIPs"), ("hostIP", "hostIPs")] {
        let first = items(&status[many]).first().map(|first| text(first, "ip").to_owned());
        match (first, text(status, one).to_owned()) {
            (None, ip) if !ip.is_empty() => status[many] = json!([{"ip": ip}]),
            (Some(first), ip) if ip.is_empty() => status[one] = json!(first),
            _ => {}
        }
    }
}
