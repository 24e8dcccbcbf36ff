//! FlowSchema: which requests go which way.

use serde_json::{Value, json};

use super::{GROUP, conditions};
use crate::json::{items, text};
use crate::kind::{Cx, Kind, Strategy};
use crate::kinds::columns::{AGE, NAME, number, or_none, string};
use crate::status::{FieldError, Path};
use crate::validation::{dns_label_faults, dns_subdomain_faults};

pub(crate) const FLOW_SCHEMA: Kind = Kind {
    group: GROUP,
    version: "v1",
    kind: "FlowSchema",
    plural: "flowschemas",
    strategy: &FlowSchema,
    columns: &[
        NAME,
        string("PriorityLevel", "The priority level of its requests.", |schema, _| {
            json!(text(&schema["spec"]["priorityLevelConfiguration"], "name"))
        }),
        string("MatchingPrecedence", "The lower, the sooner it is asked.", |schema, _| {
            number(&schema["spec"]["matchingPrecedence"])
        }),
        string("DistinguisherMethod", "What tells its flows apart.", |schema, _| {
            or_none(text(&schema["spec"]["distinguisherMethod"], "type"))
        }),
        AGE,
        string("MissingPL", "Whether its priority level is missing.", |schema, _| {
            let conditions = items(&schema["status"]["conditions"]);
            let dangling = conditions.iter().find(|condition| condition["type"] == "Dangling");
            json!(dangling.map_or("?", |condition| text(condition, "status")))
        }),
    ],
    sealed: false,
};

const VERBS: [&str; 9] =
    ["create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"];

struct FlowSchema;

impl Strategy for FlowSchema {
    fn default(&self, schema: &mut Value, _: &Cx) {
        let Some(spec) = schema.get_mut("spec").filter(|spec| spec.is_object()) else { return };
        if spec["matchingPrecedence"].as_i64().unwrap_or(0) == 0 {
            spec["matchingPrecedence"] = json!(1000);
        }
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate_create(&self, schema: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        const LOWEST: i64 = 10_000;
        let (spec, path) = (&schema["spec"], Path::of("spec"));
        let (precedence, place) =
            (spec["matchingPrecedence"].as_i64().unwrap_or(0), path.child("matchingPrecedence"));
        if precedence <= 0 {
            errors.push(place.invalid(precedence, "must be a positive value"));
        }
        if precedence > LOWEST {
            errors.push(place.invalid(precedence, &format!("must not be greater than {LOWEST}")));
        }
        if precedence == 1 && text(&schema["metadata"], "name") != "exempt" {
            let why = "only the schema named 'exempt' may have matchingPrecedence 1";
            errors.push(place.invalid(precedence, why));
        }
        let method = &spec["distinguisherMethod"];
        if !method.is_null() && !["ByNamespace", "ByUser"].contains(&text(method, "type")) {
            let place = path.child("distinguisherMethod.type");
            errors.push(place.not_supported(text(method, "type"), &["ByNamespace", "ByUser"]));
        }
        let (level, place) = (
            text(&spec["priorityLevelConfiguration"], "name"),
            path.child("priorityLevelConfiguration.name"),
        );
        match level {
            "" => errors.push(place.required("must reference a priority level")),
            _ => errors.extend(dns_subdomain_faults(level).iter().map(|fault| place.invalid(level, fault))),
        }
        let list = path.child("rules");
        for (index, rule) in items(&spec["rules"]).iter().enumerate() {
            rules(rule, &list.index(index), errors);
        }
        conditions(schema, errors);
    }

    fn validate_update(&self, new: &Value, _: &Value, cx: &Cx, errors: &mut Vec<FieldError>) {
        match cx.is_status() {
            true => conditions(new, errors),
            false => self.validate_create(new, cx, errors),
        }
    }
}

/// `ValidateFlowSchemaPolicyRulesWithSubjects`.
fn rules(rule: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let (subjects, list) = (items(&rule["subjects"]), path.child("subjects"));
    if subjects.is_empty() {
        errors.push(list.required("subjects must contain at least one value"));
    }
    for (index, one) in subjects.iter().enumerate() {
        subject(one, &list.index(index), errors);
    }
    let (resource, other) = (items(&rule["resourceRules"]), items(&rule["nonResourceRules"]));
    if resource.is_empty() && other.is_empty() {
        let why = "at least one of resourceRules and nonResourceRules has to be non-empty";
        errors.push(path.required(why));
    }
    let list = path.child("resourceRules");
    for (index, rule) in resource.iter().enumerate() {
        resource_rule(rule, &list.index(index), errors);
    }
    let list = path.child("nonResourceRules");
    for (index, rule) in other.iter().enumerate() {
        let path = list.index(index);
        verbs(rule, &path, errors);
        let urls = path.child("nonResourceURLs");
        if items(&rule["nonResourceURLs"]).is_empty() {
            errors.push(urls.required("nonResourceURLs must contain at least one value"));
        }
        alone(&rule["nonResourceURLs"], &urls, "non-resource URLs", errors);
    }
}

fn subject(subject: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    const FIELDS: [(&str, &str); 3] =
        [("Group", "group"), ("ServiceAccount", "serviceAccount"), ("User", "user")];
    let kind = text(subject, "kind");
    let Some((_, wanted)) = FIELDS.into_iter().find(|(name, _)| *name == kind) else {
        errors.push(path.child("kind").not_supported(kind, &FIELDS.map(|(name, _)| name)));
        return;
    };
    let (about, place) = (&subject[wanted], path.child(wanted));
    if about.is_null() {
        errors.push(place.required(&format!("{wanted} is required when subject kind is '{kind}'")));
    } else {
        let name = text(about, "name");
        if name.is_empty() {
            errors.push(place.child("name").required(""));
        }
        if wanted == "serviceAccount" {
            if !name.is_empty() && name != "*" {
                let faults = dns_subdomain_faults(name);
                errors.extend(faults.iter().map(|fault| place.child("name").invalid(name, fault)));
            }
            let (namespace, place) = (text(about, "namespace"), place.child("namespace"));
            match namespace {
                "" => errors.push(place.required("must specify namespace for service account")),
                _ => errors
                    .extend(dns_label_faults(namespace).iter().map(|fault| place.invalid(namespace, fault))),
            }
        }
    }
    for (owner, field) in FIELDS.into_iter().filter(|(name, _)| *name != kind) {
        if !subject[field].is_null() {
            let why = format!("{field} is forbidden when subject kind is not '{owner}'");
            errors.push(path.child(field).forbidden(&why));
        }
    }
}

fn resource_rule(rule: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    verbs(rule, path, errors);
    for (field, one, others) in
        [("apiGroups", "api group", "api groups"), ("resources", "resource", "resources")]
    {
        if items(&rule[field]).is_empty() {
            errors
                .push(path.child(field).required(&format!("resource rules must supply at least one {one}")));
        }
        alone(&rule[field], &path.child(field), others, errors);
    }
    let (namespaces, place) = (items(&rule["namespaces"]), path.child("namespaces"));
    if namespaces.is_empty() && rule["clusterScope"] != true {
        let why = "resource rules that are not cluster scoped must supply at least one namespace";
        errors.push(place.required(why));
    } else if namespaces.iter().any(|name| name == "*") {
        alone(&rule["namespaces"], &place, "namespaces", errors);
    } else {
        for (index, name) in namespaces.iter().filter_map(Value::as_str).enumerate() {
            for fault in dns_label_faults(name) {
                let why = format!("each member of this list must be '*' or a DNS-1123 label; {fault}");
                errors.push(place.index(index).invalid(name, &why));
            }
        }
    }
}

fn verbs(rule: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let (verbs, place) = (items(&rule["verbs"]), path.child("verbs"));
    if verbs.is_empty() {
        errors.push(place.required("verbs must contain at least one value"));
    } else if verbs.iter().any(|verb| verb == "*") {
        alone(&rule["verbs"], &place, "verbs", errors);
    } else if !verbs.iter().filter_map(Value::as_str).all(|verb| VERBS.contains(&verb)) {
        errors.push(place.not_supported(rule["verbs"].clone(), &VERBS));
    }
}

fn alone(list: &Value, path: &Path<'_>, others: &str, errors: &mut Vec<FieldError>) {
    if items(list).len() > 1 && items(list).iter().any(|item| item == "*") {
        errors
            .push(path.invalid(list.clone(), &format!("if '*' is present, must not specify other {others}")));
    }
}
