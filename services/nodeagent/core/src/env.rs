//! A container's environment, as kubelet makes it: `envFrom`, then `env` with expansion, then the variables of Services
//! that are not shadowed.

use std::collections::BTreeMap;

use crate::fields::{self, Downward};
use crate::objects::{Contents, Objects};
use crate::veil::Veil;
use crate::view::{Container, EnvVar, EnvVarSource, Service};

/// The environment of `container`, in a stable order. Behind the veil lie the values of Secrets.
///
/// # Errors
/// The message of a `CreateContainerConfigError`: a reference that isn't optional and isn't there.
pub fn environment(
    cx: Downward<'_>,
    container: &Container,
    objects: &Objects,
    veil: &mut Veil,
) -> Result<Vec<(String, String)>, String> {
    let services = service_variables(cx, objects);
    let mut env = Ordered::default();
    for source in &container.env_from {
        for (key, value) in all_keys(cx, source, objects, veil)? {
            env.set(format!("{}{key}", source.prefix), value);
        }
    }
    for variable in &container.env {
        let lookup = |name: &str| env.get(name).or_else(|| services.get(name).map(String::as_str));
        let value = match &variable.value_from {
            None => Some(expand(&variable.value, lookup)),
            Some(source) => value_from(cx, container, variable, source, objects, veil)?,
        };
        if let Some(value) = value {
            env.set(variable.name.clone(), value);
        }
    }
    for (name, value) in services {
        if env.get(&name).is_none() {
            env.set(name, value);
        }
    }
    Ok(env.entries)
}

#[derive(Default)]
struct Ordered {
    entries: Vec<(String, String)>,
}

impl Ordered {
    fn get(&self, name: &str) -> Option<&str> {
        self.entries.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn set(&mut self, name: String, value: String) {
        match self.entries.iter_mut().find(|(known, _)| *known == name) {
            Some(entry) => entry.1 = value,
            None => self.entries.push((name, value)),
        }
    }
}

fn all_keys(
    cx: Downward<'_>,
    source: &crate::view::EnvFrom,
    objects: &Objects,
    veil: &mut Veil,
) -> Result<Vec<(String, String)>, String> {
    let namespace = &cx.pod.metadata.namespace;
    let (what, reference, contents) = match (&source.config_map_ref, &source.secret_ref) {
        (Some(reference), _) => ("configmap", reference, objects.config_map(namespace, &reference.name)),
        (None, Some(reference)) => ("secret", reference, objects.secret(namespace, &reference.name)),
        (None, None) => return Ok(Vec::new()),
    };
    let contents = match contents {
        Some(contents) => contents,
        None if reference.optional => Contents::default(),
        None => return Err(format!("{what} {:?} not found", reference.name)),
    };
    Ok(contents
        .data
        .into_iter()
        .filter(|(key, _)| !key.contains('='))
        .map(|(key, value)| (key, String::from_utf8_lossy(&value).into_owned()))
        .map(|(key, value)| (key, if what == "secret" { veil.hide(value) } else { value }))
        .collect())
}

fn value_from(
    cx: Downward<'_>,
    container: &Container,
    variable: &EnvVar,
    source: &EnvVarSource,
    objects: &Objects,
    veil: &mut Veil,
) -> Result<Option<String>, String> {
    let namespace = &cx.pod.metadata.namespace;
    if let Some(field) = &source.field_ref {
        return fields::field(cx, &field.field_path).map(Some);
    }
    if let Some(resource) = &source.resource_field_ref {
        return fields::resource(cx, container, resource).map(Some);
    }
    let (kind, what, key, contents) = match (&source.config_map_key_ref, &source.secret_key_ref) {
        (Some(key), _) => ("configmap", "ConfigMap", key, objects.config_map(namespace, &key.name)),
        (None, Some(key)) => ("secret", "Secret", key, objects.secret(namespace, &key.name)),
        (None, None) => return Ok(Some(variable.value.clone())),
    };
    let Some(contents) = contents else {
        return if key.optional { Ok(None) } else { Err(format!("{kind} {:?} not found", key.name)) };
    };
    match contents.data.get(&key.key) {
        Some(value) => {
            let value = String::from_utf8_lossy(value).into_owned();
            Ok(Some(if kind == "secret" { veil.hide(value) } else { value }))
        }
        None if key.optional => Ok(None),
        None => Err(format!("couldn't find key {} in {what} {namespace}/{}", key.key, key.name)),
    }
}

/// `$(NAME)` becomes its value if there is one, `$$` becomes `$`; anything else stays (the API's words for `args`).
pub fn expand<'a>(text: &str, lookup: impl Fn(&str) -> Option<&'a str>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let reference = rest.strip_prefix('(').and_then(|inside| inside.split_once(')'));
        let Some((name, after)) = reference else {
            out.push('$');
            continue;
        };
        match lookup(name) {
            Some(value) => out.push_str(value),
            None => out.extend(["$(", name, ")"]),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Docker-style variables of the Services in the pod's namespace (unless it doesn't want them), and always of
/// `kubernetes` in `default`.
fn service_variables(cx: Downward<'_>, objects: &Objects) -> BTreeMap<String, String> {
    let links = cx.pod.spec.enable_service_links.unwrap_or(true);
    let mut chosen: BTreeMap<String, Service> = BTreeMap::new();
    for (_, service) in objects.all::<Service>("", "services") {
        let meta = &service.metadata;
        let is_master = meta.namespace == "default" && meta.name == "kubernetes";
        let is_ours = links && meta.namespace == cx.pod.metadata.namespace;
        if service.cluster_ip().is_none() || !(is_ours || is_master && !chosen.contains_key(&meta.name)) {
            continue;
        }
        chosen.insert(meta.name.clone(), service);
    }
    chosen.values().flat_map(variables_of).collect()
}

fn variables_of(service: &Service) -> Vec<(String, String)> {
    let prefix = variable_name(&service.metadata.name);
    let address = &service.spec.cluster_ip;
    let Some(first) = service.spec.ports.first() else { return Vec::new() };
    let protocol = |port: &crate::view::ServicePort| {
        if port.protocol.is_empty() { "tcp".to_owned() } else { port.protocol.to_lowercase() }
    };
    let mut out = vec![
        (format!("{prefix}_SERVICE_HOST"), address.clone()),
        (format!("{prefix}_SERVICE_PORT"), first.port.to_string()),
        (format!("{prefix}_PORT"), format!("{}://{address}:{}", protocol(first), first.port)),
    ];
    for port in &service.spec.ports {
        if !port.name.is_empty() {
            out.push((format!("{prefix}_SERVICE_PORT_{}", variable_name(&port.name)), port.port.to_string()));
        }
        let protocol = protocol(port);
        let base = format!("{prefix}_PORT_{}_{}", port.port, protocol.to_uppercase());
        out.push((base.clone(), format!("{protocol}://{address}:{}", port.port)));
        out.push((format!("{base}_PROTO"), protocol));
        out.push((format!("{base}_PORT"), port.port.to_string()));
        out.push((format!("{base}_ADDR"), address.clone()));
    }
    out
}

fn variable_name(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::fixtures::{node, object, pod};

    fn environment_of(
        container: serde_json::Value,
        objects: &Objects,
    ) -> Result<Vec<(String, String)>, String> {
        let pod = pod(serde_json::json!({"containers": [container]}));
        let node = node();
        let cx = Downward { pod: &pod, node: &node, pod_ips: &[] };
        environment(cx, &pod.spec.containers[0], objects, &mut Veil::default())
    }

    #[test]
    fn the_values_of_secrets_stay_behind_the_veil_also_in_what_is_made_of_them() {
        let mut objects = Objects::default();
        // "hush", and "hash" beside it.
        object(&mut objects, "secrets", "s", serde_json::json!({"data": {"a": "aHVzaA==", "b": "aGFzaA=="}}));
        object(&mut objects, "configmaps", "m", serde_json::json!({"data": {"open": "said"}}));
        let pod = pod(serde_json::json!({"containers": [{"name": "c",
        "envFrom": [{"secretRef": {"name": "s"}, "prefix": "S_"}, {"configMapRef": {"name": "m"}}],
        "env": [
            {"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "a"}}},
            {"name": "URL", "value": "db://me:$(A)@$(open)"},
        ]}]}));
        let node = node();
        let cx = Downward { pod: &pod, node: &node, pod_ips: &[] };
        let mut veil = Veil::new("uid", "c");
        let env = environment(cx, &pod.spec.containers[0], &objects, &mut veil).expect("all is there");
        let text = format!("{env:?}");
        assert!(!text.contains("hush") && !text.contains("hash"), "{text}");
        let get = |name: &str| {
            let found = env.iter().find(|(known, _)| known == name).map(|(_, value)| veil.reveal(value));
            found.expect("it is set")
        };
        assert_eq!([get("A"), get("S_b"), get("open")], ["hush", "hash", "said"]);
        assert_eq!(get("URL"), "db://me:hush@said");
        assert!(crate::veil::is_needed(&pod));
    }

    #[test]
    fn references_are_expanded_once_and_in_order() {
        let env = environment_of(
            serde_json::json!({"name": "c", "env": [
                {"name": "A", "value": "1"},
                {"name": "B", "value": "$(A)-$$(A)-$(NONE)-$x"},
            ]}),
            &Objects::default(),
        )
        .expect("no reference");
        assert_eq!(env[1].1, "1-$(A)-$(NONE)-$x");
    }

    #[test]
    fn a_missing_config_map_is_an_error_unless_it_is_optional() {
        let wanted = |optional: bool| {
            serde_json::json!({"name": "c", "env": [{"name": "A", "valueFrom": {
                "configMapKeyRef": {"name": "m", "key": "k", "optional": optional}}}]})
        };
        let none = Objects::default();
        assert_eq!(environment_of(wanted(false), &none), Err("configmap \"m\" not found".into()));
        assert_eq!(environment_of(wanted(true), &none), Ok(vec![]));
        let mut some = Objects::default();
        object(&mut some, "configmaps", "m", serde_json::json!({"data": {"other": "x"}}));
        assert_eq!(
            environment_of(wanted(false), &some),
            Err("couldn't find key k in ConfigMap default/m".into())
        );
    }

    #[test]
    fn services_leave_their_variables() {
        let mut objects = Objects::default();
        let spec = serde_json::json!({"clusterIP": "10.96.0.7", "ports": [{"name": "http", "port": 80}]});
        object(&mut objects, "services", "my-web", serde_json::json!({"spec": spec}));
        let env = environment_of(serde_json::json!({"name": "c"}), &objects).expect("no reference");
        let get = |name: &str| env.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        assert_eq!(get("MY_WEB_SERVICE_HOST"), Some("10.96.0.7"));
        assert_eq!(get("MY_WEB_SERVICE_PORT_HTTP"), Some("80"));
        assert_eq!(get("MY_WEB_PORT_80_TCP"), Some("tcp://10.96.0.7:80"));
    }
}
