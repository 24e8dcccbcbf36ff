//! The group certificates.k8s.io: CertificateSigningRequest (`pkg/registry/certificates/certificates/strategy.go`,
//! `pkg/apis/certificates/validation/validation.go`).

mod pem;
mod signature;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::json::{carry, is_empty, items, text};
use crate::kind::{Cx, Kind, Strategy};
use crate::kinds::columns::{AGE, NAME, human_duration, or_none, string};
use crate::status::{FieldError, Path};
use crate::validation::{NameRule, dns_label_faults, dns_subdomain_faults};

pub(super) const CERTIFICATE_SIGNING_REQUEST: Kind = Kind {
    group: "certificates.k8s.io",
    version: "v1",
    kind: "CertificateSigningRequest",
    plural: "certificatesigningrequests",
    strategy: &Signing,
    columns: &[
        NAME,
        AGE,
        string("SignerName", "Who is to sign it.", |csr, _| or_none(text(&csr["spec"], "signerName"))),
        string("Requestor", "Who asked for it.", |csr, _| json!(text(&csr["spec"], "username"))),
        string("RequestedDuration", "How long it is to hold.", |csr, _| {
            let seconds = csr["spec"]["expirationSeconds"].as_i64();
            or_none(&seconds.map(human_duration).unwrap_or_default())
        }),
        string("Condition", "How far it has come.", |csr, _| json!(condition(csr))),
    ],
    sealed: false,
};

const APPROVED: &str = "Approved";
const DENIED: &str = "Denied";
const FAILED: &str = "Failed";

const USAGES: [&str; 23] = [
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];

struct Signing;

impl Strategy for Signing {
    fn name_rule(&self) -> NameRule {
        NameRule::PathSegment
    }

    fn writes_status(&self, subresource: &str) -> bool {
        matches!(subresource, "status" | "approval")
    }

    fn prepare_create(&self, csr: &mut Value, _: &Cx) {
        csr["status"] = json!({});
    }

    /// Through `approval` only conditions change, through `status` all but the decision; the request itself never.
    fn prepare_update(&self, csr: &mut Value, old: &Value, cx: &Cx) {
        carry(csr, old, "spec");
        if !cx.is_status() {
            return;
        }
        match cx.subresource {
            "approval" => {
                let conditions = csr["status"]["conditions"].take();
                csr["status"] = if old["status"].is_object() { old["status"].clone() } else { json!({}) };
                csr["status"]["conditions"] = conditions;
            }
            _ => keep_decision(csr, old),
        }
        stamp(csr, old, cx.now);
    }

    fn validate_create(&self, csr: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        let (spec, path) = (&csr["spec"], Path::of("spec"));
        if let Err(why) = pem::check_request(text(spec, "request")) {
            errors.push(path.child("request").invalid(spec["request"].clone(), &why));
        }
        usages(&spec["usages"], &path.child("usages"), errors);
        signer_name(text(spec, "signerName"), &path.child("signerName"), errors);
        if let Some(seconds) = spec["expirationSeconds"].as_i64().filter(|seconds| *seconds < 600) {
            let why = "may not specify a duration less than 600 seconds (10 minutes)";
            errors.push(path.child("expirationSeconds").invalid(seconds, why));
        }
    }

    fn validate_update(&self, new: &Value, old: &Value, cx: &Cx, errors: &mut Vec<FieldError>) {
        if !cx.is_status() {
            return;
        }
        conditions(&new["status"]["conditions"], errors);
        let path = Path::of("status.conditions");
        for kind in [APPROVED, DENIED, FAILED] {
            let (before, after) = (of_kind(old, kind), of_kind(new, kind));
            let may_decide = cx.subresource == "approval" || kind == FAILED;
            let said = if after.len() < before.len() {
                format!("updates may not remove a condition of type \"{kind}\"")
            } else if may_decide || after == before {
                continue;
            } else if after.len() > before.len() {
                format!("updates may not add a condition of type \"{kind}\"")
            } else {
                format!("updates may not modify a condition of type \"{kind}\"")
            };
            errors.push(path.forbidden(&said));
        }
        certificate(new, old, cx, errors);
    }

    fn selectable(&self, csr: &Value) -> BTreeMap<String, String> {
        BTreeMap::from([("spec.signerName".into(), text(&csr["spec"], "signerName").into())])
    }

    fn selectable_names(&self) -> &'static [&'static str] {
        &["spec.signerName"]
    }
}

fn of_kind<'a>(csr: &'a Value, kind: &str) -> Vec<&'a Value> {
    items(&csr["status"]["conditions"]).iter().filter(|condition| condition["type"] == kind).collect()
}

/// What was decided stays as it was written, unless its count changed, which is refused.
fn keep_decision(csr: &mut Value, old: &Value) {
    for kind in [APPROVED, DENIED] {
        let kept: Vec<Value> = of_kind(old, kind).into_iter().cloned().collect();
        if of_kind(csr, kind).len() != kept.len() {
            continue;
        }
        let list = csr["status"]["conditions"].as_array_mut().into_iter().flatten();
        for (place, value) in list.filter(|condition| condition["type"] == kind).zip(kept) {
            *place = value;
        }
    }
}

fn stamp(csr: &mut Value, old: &Value, now: Timestamp) {
    let now = json!(crate::write::time(now));
    for condition in csr["status"]["conditions"].as_array_mut().into_iter().flatten() {
        if is_empty(&condition["lastUpdateTime"]) {
            condition["lastUpdateTime"] = now.clone();
        }
        if is_empty(&condition["lastTransitionTime"]) {
            let known = items(&old["status"]["conditions"]).iter().find(|known| {
                known["type"] == condition["type"]
                    && known["status"] == condition["status"]
                    && !is_empty(&known["lastTransitionTime"])
            });
            condition["lastTransitionTime"] =
                known.map_or_else(|| now.clone(), |known| known["lastTransitionTime"].clone());
        }
    }
}

fn usages(list: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if is_empty(list) {
        errors.push(path.required(""));
    }
    let mut seen = Vec::new();
    for (index, usage) in items(list).iter().filter_map(Value::as_str).enumerate() {
        if !USAGES.contains(&usage) {
            errors.push(path.index(index).not_supported(usage, &USAGES));
        }
        if seen.contains(&usage) {
            errors.push(path.index(index).duplicate(usage));
        }
        seen.push(usage);
    }
}

/// `ValidateSignerName` (`pkg/apis/core/validation`): a domain of at least two labels, a slash, and a path.
fn signer_name(name: &str, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    const LONGEST: usize = 571;
    if name.is_empty() {
        errors.push(path.required(""));
        return;
    }
    let Some((domain, rest)) = name.split_once('/').filter(|(_, rest)| !rest.contains('/')) else {
        let why = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
        errors.push(path.invalid(name, why));
        return;
    };
    if name == "kubernetes.io/legacy-unknown" {
        errors.push(path.invalid(name, "the legacy signerName is not allowed via this API version"));
    }
    errors.extend(dns_subdomain_faults(domain).iter().map(|fault| path.invalid(domain, fault)));
    if domain.split('.').count() < 2 {
        let why = "should be a domain with at least two segments separated by dots";
        errors.push(path.invalid(domain, why));
    }
    for part in rest.split('.') {
        errors.extend(dns_label_faults(part).iter().map(|fault| path.invalid(rest, fault)));
    }
    if name.len() > LONGEST {
        errors.push(path.too_long(LONGEST));
    }
}

fn conditions(list: &Value, errors: &mut Vec<FieldError>) {
    let path = Path::of("status.conditions");
    let mut seen = Vec::new();
    for (index, condition) in items(list).iter().enumerate() {
        let place = path.index(index);
        let (kind, status) = (text(condition, "type"), text(condition, "status"));
        let known: &[&str] = match kind {
            APPROVED | DENIED | FAILED => &["True"],
            _ => &["False", "True", "Unknown"],
        };
        if kind.is_empty() {
            errors.push(place.child("type").required(""));
        }
        match status {
            "" => errors.push(place.child("status").required("")),
            word if known.contains(&word) => {}
            word => errors.push(place.child("status").not_supported(word, known)),
        }
        let other = if kind == APPROVED { DENIED } else { APPROVED };
        if matches!(kind, APPROVED | DENIED) && seen.contains(&other) {
            errors.push(path.invalid(kind, "Approved and Denied conditions are mutually exclusive"));
        }
        if seen.contains(&kind) {
            errors.push(place.child("type").duplicate(kind));
        }
        seen.push(kind);
    }
}

fn certificate(new: &Value, old: &Value, cx: &Cx, errors: &mut Vec<FieldError>) {
    let path = Path::of("status.certificate");
    let (before, after) = (text(&old["status"], "certificate"), text(&new["status"], "certificate"));
    if before == after {
        return;
    }
    if cx.subresource != "status" {
        errors.push(path.forbidden("updates may not set certificate content"));
    } else if !before.is_empty() {
        errors.push(path.forbidden("updates may not modify existing certificate content"));
    }
    if let Err(why) = pem::check_certificates(after) {
        errors.push(path.invalid("<certificate data>", &why));
    }
}

/// `Approved,Issued`.
fn condition(csr: &Value) -> String {
    let mut told = match () {
        () if !of_kind(csr, DENIED).is_empty() => DENIED,
        () if !of_kind(csr, APPROVED).is_empty() => APPROVED,
        () => "Pending",
    }
    .to_owned();
    if !of_kind(csr, FAILED).is_empty() {
        told.push_str(",Failed");
    }
    if !is_empty(&csr["status"]["certificate"]) {
        told.push_str(",Issued");
    }
    told
}
