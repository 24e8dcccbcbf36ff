//! A Service in one line (`pkg/printers/internalversion/printers.go`, printService).

use serde_json::{Value, json};

use crate::json::{items, text};
use crate::kinds::columns::{NONE, or_none};

pub(super) fn cluster_ip(service: &Value) -> Value {
    match items(&service["spec"]["clusterIPs"]).first().and_then(Value::as_str) {
        Some(first) => json!(first),
        None => or_none(text(&service["spec"], "clusterIP")),
    }
}

pub(super) fn external_ip(service: &Value) -> String {
    let spec = &service["spec"];
    let given = items(&spec["externalIPs"]).iter().filter_map(Value::as_str).map(str::to_owned);
    let all: Vec<String> = match text(spec, "type") {
        "ExternalName" => return text(spec, "externalName").to_owned(),
        "LoadBalancer" => balancers(service).into_iter().chain(given).collect(),
        _ => given.collect(),
    };
    match (all.is_empty(), text(spec, "type")) {
        (true, "LoadBalancer") => "<pending>".into(),
        (true, _) => NONE.into(),
        (false, _) => all.join(","),
    }
}

fn balancers(service: &Value) -> Vec<String> {
    let ingress = items(&service["status"]["loadBalancer"]["ingress"]);
    let address = |one: &Value| match text(one, "ip") {
        "" => text(one, "hostname").to_owned(),
        ip => ip.to_owned(),
    };
    ingress.iter().map(address).filter(|address| !address.is_empty()).collect()
}

pub(super) fn ports(service: &Value) -> Value {
    let told = |port: &Value| {
        let (number, protocol) = (port["port"].as_i64().unwrap_or(0), text(port, "protocol"));
        match port["nodePort"].as_i64().unwrap_or(0) {
            0 => format!("{number}/{protocol}"),
            node => format!("{number}:{node}/{protocol}"),
        }
    };
    let ports: Vec<String> = items(&service["spec"]["ports"]).iter().map(told).collect();
    or_none(&ports.join(","))
}
