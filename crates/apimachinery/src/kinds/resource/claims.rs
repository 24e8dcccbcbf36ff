//! ResourceClaim and ResourceClaimTemplate: wishes for devices.

use serde_json::{Value, json};

use super::{MOST, configuration, declared, each, label, selectors, subdomain};
use crate::json::{default, is_empty, items, text};
use crate::kind::{Cx, Kind, Strategy};
use crate::kinds::columns::{AGE, NAME, string};
use crate::status::{FieldError, Path};
use crate::validation::immutable;

pub(crate) const RESOURCE_CLAIM: Kind = declared(
    "ResourceClaim",
    "resourceclaims",
    &Claim,
    &[NAME, string("State", "Whether it has its devices.", |claim, _| json!(state(claim))), AGE],
);
pub(crate) const RESOURCE_CLAIM_TEMPLATE: Kind =
    declared("ResourceClaimTemplate", "resourceclaimtemplates", &Template, &[NAME, AGE]);

struct Claim;
struct Template;

impl Strategy for Claim {
    fn default(&self, claim: &mut Value, _: &Cx) {
        default_requests(&mut claim["spec"]);
    }

    fn validate_create(&self, claim: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        spec(&claim["spec"], &Path::of("spec"), errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, cx: &Cx, errors: &mut Vec<FieldError>) {
        if !cx.is_status() {
            immutable(&new["spec"], &old["spec"], &Path::of("spec"), errors);
            return;
        }
        let path = Path::of("status");
        if !old["status"]["allocation"].is_null() && !new["status"]["allocation"].is_null() {
            let (new, old) = (&new["status"]["allocation"], &old["status"]["allocation"]);
            immutable(new, old, &path.child("allocation"), errors);
        }
        if !is_empty(&new["status"]["reservedFor"]) && new["status"]["allocation"].is_null() {
            let why = "may not be specified when `allocated` is not set";
            errors.push(path.child("reservedFor").forbidden(why));
        }
    }
}

impl Strategy for Template {
    fn default(&self, template: &mut Value, _: &Cx) {
        if template["spec"].is_object() {
            default_requests(&mut template["spec"]["spec"]);
        }
    }

    fn validate_create(&self, template: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        spec(&template["spec"]["spec"], &Path::of("spec.spec"), errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        immutable(&new["spec"], &old["spec"], &Path::of("spec"), errors);
    }
}

fn default_requests(spec: &mut Value) {
    let requests = spec.pointer_mut("/devices/requests").and_then(Value::as_array_mut);
    for request in requests.into_iter().flatten() {
        if let Some(exactly) = request.get_mut("exactly").filter(|exactly| exactly.is_object()) {
            default_count(exactly);
        }
        let choices = request.get_mut("firstAvailable").and_then(Value::as_array_mut);
        choices.into_iter().flatten().for_each(default_count);
    }
}

fn default_count(request: &mut Value) {
    default(request, "allocationMode", "ExactCount");
    if request["allocationMode"] == "ExactCount" && request["count"].as_i64().unwrap_or(0) == 0 {
        request["count"] = json!(1);
    }
}

/// `validateDeviceClaim`.
fn spec(spec: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let (devices, path) = (&spec["devices"], path.child("devices"));
    let list = path.child("requests");
    let mut known: Vec<String> = Vec::new();
    for (index, request) in each(&devices["requests"], &list, MOST, errors) {
        let (place, name) = (list.index(index), text(request, "name"));
        if known.iter().any(|known| known == name) {
            errors.push(place.duplicate(name));
        }
        known.push(name.to_owned());
        let choices = items(&request["firstAvailable"]).iter();
        known.extend(choices.map(|choice| format!("{name}/{}", text(choice, "name"))));
        self::request(request, &place, errors);
    }
    let list = path.child("constraints");
    for (index, constraint) in each(&devices["constraints"], &list, MOST, errors) {
        let place = list.index(index);
        names(&constraint["requests"], &known, &place.child("requests"), errors);
        if constraint["matchAttribute"].is_null() && constraint["distinctAttribute"].is_null() {
            errors.push(place.child("matchAttribute").required(""));
        }
    }
    let list = path.child("config");
    for (index, config) in each(&devices["config"], &list, MOST, errors) {
        let place = list.index(index);
        names(&config["requests"], &known, &place.child("requests"), errors);
        configuration(config, &place, errors);
    }
}

/// `validateDeviceRequest`.
fn request(request: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    const MOST_CHOICES: usize = 8;
    label(text(request, "name"), &path.child("name"), errors);
    match (!request["exactly"].is_null(), !is_empty(&request["firstAvailable"])) {
        (false, false) => {
            errors.push(path.required("exactly one of `exactly` or `firstAvailable` is required"));
        }
        (true, true) => {
            let why = "exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set";
            errors.push(path.invalid(Value::Null, why));
        }
        (true, false) => wanted(&request["exactly"], &path.child("exactly"), errors),
        (false, true) => {
            let list = path.child("firstAvailable");
            let mut seen = Vec::new();
            for (index, choice) in each(&request["firstAvailable"], &list, MOST_CHOICES, errors) {
                let (place, name) = (list.index(index), text(choice, "name"));
                label(name, &place.child("name"), errors);
                if seen.contains(&name) {
                    errors.push(place.duplicate(name));
                }
                seen.push(name);
                wanted(choice, &place, errors);
            }
        }
    }
}

fn wanted(request: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    subdomain(text(request, "deviceClassName"), &path.child("deviceClassName"), errors);
    selectors(&request["selectors"], &path.child("selectors"), errors);
    let (mode, count) = (text(request, "allocationMode"), request["count"].as_i64().unwrap_or(0));
    match mode {
        "All" if count != 0 => {
            let why = "must not be specified when allocationMode is 'All'";
            errors.push(path.child("count").invalid(count, why));
        }
        "ExactCount" if count <= 0 => {
            errors.push(path.child("count").invalid(count, "must be greater than zero"));
        }
        "All" | "ExactCount" => {}
        other => errors.push(path.child("allocationMode").not_supported(other, &["All", "ExactCount"])),
    }
}

/// `validateRequestNameRef` of each.
fn names(list: &Value, known: &[String], path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let mut seen = Vec::new();
    for (index, name) in each(list, path, MOST, errors) {
        let (place, name) = (path.index(index), name.as_str().unwrap_or_default());
        if !known.iter().any(|known| known == name) {
            let why = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";
            errors.push(place.invalid(name, why));
        }
        if seen.contains(&name) {
            errors.push(place.duplicate(name));
        }
        seen.push(name);
    }
}

/// `allocated,reserved`.
fn state(claim: &Value) -> String {
    let deleted = !is_empty(&claim["metadata"]["deletionTimestamp"]);
    let allocated = !claim["status"]["allocation"].is_null();
    let reserved = allocated && !is_empty(&claim["status"]["reservedFor"]);
    let told = [
        ("deleted", deleted),
        ("pending", !allocated && !deleted),
        ("allocated", allocated),
        ("reserved", reserved),
    ];
    told.into_iter().filter(|(_, holds)| *holds).map(|(word, _)| word).collect::<Vec<_>>().join(",")
}
