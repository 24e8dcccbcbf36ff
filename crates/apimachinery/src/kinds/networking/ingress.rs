//! Ingress and IngressClass (`pkg/registry/networking/ingress`, `pkg/apis/networking/validation/validation.go`).

use serde_json::{Value, json};

use crate::json::{is_empty, items, text};
use crate::kind::{Cx, Kind, Strategy};
use crate::kinds::columns::{AGE, NAME, NONE, or_none, string};
use crate::status::{FieldError, Path};
use crate::validation::{dns_subdomain_faults, immutable, ip_faults, wildcard_subdomain_faults};

pub(crate) const INGRESS: Kind = Kind {
    group: "networking.k8s.io",
    version: "v1",
    kind: "Ingress",
    plural: "ingresses",
    strategy: &Ingress,
    columns: &[
        NAME,
        string("Class", "Who serves it.", |ingress, _| or_none(text(&ingress["spec"], "ingressClassName"))),
        string("Hosts", "The names it answers to.", |ingress, _| json!(hosts(ingress))),
        string("Address", "Where it is reached.", |ingress, _| json!(addresses(ingress))),
        string("Ports", "80, and 443 where it has certificates.", |ingress, _| {
            json!(if is_empty(&ingress["spec"]["tls"]) { "80" } else { "80, 443" })
        }),
        AGE,
    ],
    sealed: false,
};

pub(crate) const INGRESS_CLASS: Kind = Kind {
    group: "networking.k8s.io",
    version: "v1",
    kind: "IngressClass",
    plural: "ingressclasses",
    strategy: &Class,
    columns: &[
        NAME,
        string("Controller", "Who serves its Ingresses.", |class, _| {
            json!(text(&class["spec"], "controller"))
        }),
        string("Parameters", "What else it says.", |class, _| {
            let parameters = &class["spec"]["parameters"];
            match (parameters.is_null(), text(parameters, "apiGroup")) {
                (true, _) => json!(NONE),
                (false, "") => json!(format!("{}/{}", text(parameters, "kind"), text(parameters, "name"))),
                (false, group) => {
                    json!(format!("{}.{group}/{}", text(parameters, "kind"), text(parameters, "name")))
                }
            }
        }),
        AGE,
    ],
    sealed: false,
};

struct Ingress;
struct Class;

impl Strategy for Ingress {
    fn prepare_create(&self, ingress: &mut Value, _: &Cx) {
        ingress["status"] = json!({"loadBalancer": {}});
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate_create(&self, ingress: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        let (spec, path) = (&ingress["spec"], Path::of("spec"));
        if is_empty(&spec["rules"]) && spec["defaultBackend"].is_null() {
            errors.push(path.invalid(spec.clone(), "either `defaultBackend` or `rules` must be specified"));
        }
        if !spec["defaultBackend"].is_null() {
            backend(&spec["defaultBackend"], &path.child("defaultBackend"), errors);
        }
        let rules = path.child("rules");
        for (index, one) in items(&spec["rules"]).iter().enumerate() {
            rule(one, &rules.index(index), errors);
        }
    }
}

fn rule(rule: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let (host, place) = (text(rule, "host"), path.child("host"));
    if !host.is_empty() {
        if ip_faults(host).is_empty() {
            errors.push(place.invalid(host, "must be a DNS name, not an IP address"));
        }
        let faults =
            if host.contains('*') { wildcard_subdomain_faults(host) } else { dns_subdomain_faults(host) };
        errors.extend(faults.iter().map(|fault| place.invalid(host, fault)));
    }
    if rule["http"].is_null() {
        return;
    }
    let http = path.child("http");
    let list = http.child("paths");
    if is_empty(&rule["http"]["paths"]) {
        errors.push(list.required(""));
    }
    for (index, one) in items(&rule["http"]["paths"]).iter().enumerate() {
        http_path(one, &list.index(index), errors);
    }
}

fn http_path(one: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    const TYPES: [&str; 3] = ["Exact", "ImplementationSpecific", "Prefix"];
    let place = path.child("pathType");
    match text(one, "pathType") {
        "" => errors.push(place.required("pathType must be specified")),
        "Exact" | "Prefix" if !text(one, "path").starts_with('/') => {
            errors.push(path.child("path").invalid(text(one, "path"), "must be an absolute path"));
        }
        word if TYPES.contains(&word) => {}
        word => errors.push(place.not_supported(word, &TYPES)),
    }
    backend(&one["backend"], &path.child("backend"), errors);
}

fn backend(backend: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    match (backend["service"].is_null(), backend["resource"].is_null()) {
        (true, true) => errors.push(path.required("must specify a service or a resource backend")),
        (false, false) => errors.push(path.invalid("", "cannot set both resource and service backends")),
        (false, true) => service(&backend["service"], &path.child("service"), errors),
        (true, false) => {}
    }
}

fn service(service: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if text(service, "name").is_empty() {
        errors.push(path.child("name").required(""));
    }
    let (port, place) = (&service["port"], path.child("port"));
    match (text(port, "name").is_empty(), port["number"].as_i64().unwrap_or(0)) {
        (true, 0) => errors.push(path.required("port name or number is required")),
        (false, number) if number != 0 => {
            errors.push(place.invalid(port.clone(), "cannot set both port name & port number"));
        }
        _ => {}
    }
}

fn hosts(ingress: &Value) -> String {
    let hosts: Vec<&str> = items(&ingress["spec"]["rules"]).iter().map(|rule| text(rule, "host")).collect();
    let named: Vec<&str> = hosts.into_iter().filter(|host| !host.is_empty()).collect();
    match named.len() {
        0 => "*".into(),
        1..=3 => named.join(","),
        count => format!("{} + {} more...", named[..3].join(","), count - 3),
    }
}

fn addresses(ingress: &Value) -> String {
    let given = items(&ingress["status"]["loadBalancer"]["ingress"]).iter();
    let told =
        given.map(|one| if text(one, "ip").is_empty() { text(one, "hostname") } else { text(one, "ip") });
    told.collect::<Vec<_>>().join(",")
}

impl Strategy for Class {
    fn has_generation(&self) -> bool {
        true
    }

    fn validate_create(&self, class: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        let (controller, path) = (text(&class["spec"], "controller"), Path::of("spec.controller"));
        match controller.split_once('/') {
            _ if controller.is_empty() => errors.push(path.required("")),
            Some((prefix, rest)) if dns_subdomain_faults(prefix).is_empty() && !rest.is_empty() => {}
            _ => errors
                .push(path.invalid(controller, "must be a domain-prefixed path (such as \"acme.io/foo\")")),
        }
    }

    fn validate_update(&self, new: &Value, old: &Value, cx: &Cx, errors: &mut Vec<FieldError>) {
        self.validate_create(new, cx, errors);
        let path = Path::of("spec.controller");
        immutable(&new["spec"]["controller"], &old["spec"]["controller"], &path, errors);
    }
}
