//! The group apiregistration.k8s.io: APIService, which says who answers for a group and version
//! (`k8s.io/kube-aggregator/pkg/apis/apiregistration/validation/validation.go`, `pkg/registry/apiservice`).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::json::{default, items, text};
use crate::kind::{Cx, Kind, Strategy};
use crate::kinds::columns::{AGE, NAME, string};
use crate::status::{FieldError, Path};
use crate::validation::dns_subdomain_faults;

pub(super) const API_SERVICE: Kind = Kind {
    group: "apiregistration.k8s.io",
    version: "v1",
    kind: "APIService",
    plural: "apiservices",
    strategy: &ApiService,
    columns: &[
        NAME,
        string("Service", "Who answers for it.", |service, _| match &service["spec"]["service"] {
            Value::Null => json!("Local"),
            server => json!(format!("{}/{}", text(server, "namespace"), text(server, "name"))),
        }),
        string("Available", "Whether they answer.", |service, _| json!(available(service))),
        AGE,
    ],
    sealed: false,
};

struct ApiService;

impl Strategy for ApiService {
    fn default(&self, service: &mut Value, _: &Cx) {
        let Some(server) = service.pointer_mut("/spec/service").filter(|server| server.is_object()) else {
            return;
        };
        default(server, "port", 443);
    }

    fn validate_create(&self, service: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        let (spec, path) = (&service["spec"], Path::of("spec"));
        let (group, version) = (text(spec, "group"), text(spec, "version"));
        let wanted = format!("{version}.{group}");
        let name = text(&service["metadata"], "name");
        if name != wanted {
            let why = format!("must be `spec.version+\".\"+spec.group`: \"{wanted}\"");
            errors.push(Path::of("metadata.name").invalid(name, &why));
        }
        if group.is_empty() && version != "v1" {
            errors.push(
                path.child("group").required("only v1 may have an empty group and it better be legacy kube"),
            );
        }
        if !group.is_empty() {
            let faults = dns_subdomain_faults(group);
            errors.extend(faults.iter().map(|fault| path.child("group").invalid(group, fault)));
        }
        for field in ["groupPriorityMinimum", "versionPriority"] {
            let most = if field == "versionPriority" { 1000 } else { 20_000 };
            let found = spec[field].as_i64().unwrap_or(0);
            if found <= 0 || found > most {
                let why = format!("must be positive and less than {most}");
                errors.push(path.child(field).invalid(found, &why));
            }
        }
        let server = &spec["service"];
        let bundle = !text(spec, "caBundle").is_empty();
        if server.is_null() {
            if bundle {
                errors.push(
                    path.child("caBundle")
                        .invalid(spec["caBundle"].clone(), "local APIServices may not have a caBundle"),
                );
            }
            if spec["insecureSkipTLSVerify"] == true {
                let why = "local APIServices may not have insecureSkipTLSVerify";
                errors.push(path.child("insecureSkipTLSVerify").invalid(true, why));
            }
            return;
        }
        for field in ["namespace", "name"].into_iter().filter(|field| text(server, field).is_empty()) {
            errors.push(path.child("service").child(field).required(""));
        }
        if spec["insecureSkipTLSVerify"] == true && bundle {
            let why = "may not be true if caBundle is present";
            errors.push(path.child("insecureSkipTLSVerify").invalid(true, why));
        }
    }

    fn selectable(&self, _: &Value) -> BTreeMap<String, String> {
        BTreeMap::new()
    }
}

/// `True`, or why not: `False (ServiceNotFound)`.
fn available(service: &Value) -> String {
    let conditions = items(&service["status"]["conditions"]);
    let Some(condition) = conditions.iter().find(|condition| condition["type"] == "Available") else {
        return "Unknown".into();
    };
    match text(condition, "status") {
        "True" => "True".into(),
        other => format!("{other} ({})", text(condition, "reason")),
    }
}
