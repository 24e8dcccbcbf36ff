//! NetworkPolicy and ServiceCIDR (`pkg/registry/networking`, `pkg/apis/networking/v1/defaults.go`,
//! `pkg/apis/networking/validation/validation.go`).

use serde_json::{Value, json};

use crate::json::{default, is_empty, items, text};
use crate::kind::{Cx, Kind, Strategy};
use crate::kinds::columns::{AGE, NAME, or_none, string};
use crate::selector::LabelSelector;
use crate::status::{FieldError, Path};
use crate::validation::{immutable, is_cidr, selector};

pub(crate) const NETWORK_POLICY: Kind = Kind {
    group: "networking.k8s.io",
    version: "v1",
    kind: "NetworkPolicy",
    plural: "networkpolicies",
    strategy: &Policy,
    columns: &[
        NAME,
        string("Pod-Selector", "The pods it is for.", |policy, _| {
            match LabelSelector::from_value(&policy["spec"]["podSelector"]) {
                Ok(selector) => or_none(&selector.to_string()),
                Err(_) => json!("<error>"),
            }
        }),
        AGE,
    ],
    sealed: false,
};

pub(crate) const SERVICE_CIDR: Kind = Kind {
    group: "networking.k8s.io",
    version: "v1",
    kind: "ServiceCIDR",
    plural: "servicecidrs",
    strategy: &Range,
    columns: &[
        NAME,
        string("CIDRs", "Where Services get their addresses from.", |range, _| {
            let cidrs = items(&range["spec"]["cidrs"]).iter().filter_map(Value::as_str);
            json!(cidrs.collect::<Vec<_>>().join(","))
        }),
        AGE,
    ],
    sealed: false,
};

struct Policy;
struct Range;

impl Strategy for Policy {
    fn default(&self, policy: &mut Value, _: &Cx) {
        let Some(spec) = policy.get_mut("spec").filter(|spec| spec.is_object()) else { return };
        if is_empty(&spec["policyTypes"]) {
            let has_egress = !is_empty(&spec["egress"]);
            spec["policyTypes"] = if has_egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
        }
        for direction in ["ingress", "egress"] {
            for rule in spec.get_mut(direction).and_then(Value::as_array_mut).into_iter().flatten() {
                let ports = rule.get_mut("ports").and_then(Value::as_array_mut);
                ports.into_iter().flatten().for_each(|port| default(port, "protocol", "TCP"));
            }
        }
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate_create(&self, policy: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        let (spec, path) = (&policy["spec"], Path::of("spec"));
        selector(&spec["podSelector"], &path.child("podSelector"), errors);
        for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
            let list = path.child(direction);
            for (index, rule) in items(&spec[direction]).iter().enumerate() {
                let path = list.index(index);
                rule_peers(rule, peers, &path, errors);
            }
        }
        let types = path.child("policyTypes");
        for (index, kind) in items(&spec["policyTypes"]).iter().enumerate() {
            let kind = kind.as_str().unwrap_or_default();
            if !["Egress", "Ingress"].contains(&kind) {
                errors.push(types.index(index).not_supported(kind, &["Egress", "Ingress"]));
            }
        }
    }
}

fn rule_peers(rule: &Value, peers: &str, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let list = path.child(peers);
    for (index, peer) in items(&rule[peers]).iter().enumerate() {
        let path = list.index(index);
        let selects =
            ["podSelector", "namespaceSelector"].into_iter().filter(|field| !peer[*field].is_null());
        let mut count = 0;
        for field in selects {
            count += 1;
            selector(&peer[field], &path.child(field), errors);
        }
        match (peer["ipBlock"].is_null(), count) {
            (true, 0) => errors.push(path.required("must specify a peer")),
            (false, 0) => ip_block(&peer["ipBlock"], &path.child("ipBlock"), errors),
            (false, _) => errors.push(path.forbidden("may not specify both ipBlock and another peer")),
            (true, _) => {}
        }
    }
}

fn ip_block(block: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let cidr = text(block, "cidr");
    if cidr.is_empty() {
        errors.push(path.child("cidr").required(""));
    } else if !is_cidr(cidr) {
        let why = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
        errors.push(path.child("cidr").invalid(cidr, why));
    }
}

impl Strategy for Range {
    fn validate_create(&self, range: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        let list = Path::of("spec.cidrs");
        let cidrs = items(&range["spec"]["cidrs"]);
        if cidrs.is_empty() {
            errors.push(list.required("at least one CIDR required"));
        }
        if cidrs.len() > 2 {
            errors.push(list.invalid(range["spec"]["cidrs"].clone(), "may only hold up to 2 values"));
        }
        for (index, cidr) in cidrs.iter().enumerate() {
            let cidr = cidr.as_str().unwrap_or_default();
            if !is_cidr(cidr) {
                let why = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
                errors.push(list.index(index).invalid(cidr, why));
            }
        }
    }

    fn validate_update(&self, new: &Value, old: &Value, cx: &Cx, errors: &mut Vec<FieldError>) {
        if !cx.is_status() {
            self.validate_create(new, cx, errors);
            immutable(&new["spec"]["cidrs"], &old["spec"]["cidrs"], &Path::of("spec.cidrs"), errors);
        }
    }
}
