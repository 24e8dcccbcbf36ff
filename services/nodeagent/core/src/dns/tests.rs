//! The specification's examples, asked and answered.

use rutter_schemas::Key;
use serde_json::{Value, json};

use super::*;

fn zone(service: Value, endpoints: Value) -> Zone {
    let mut zone = Zone::new("cluster.local");
    let service: Service =
        serde_json::from_value(json!({"metadata": {"name": "web"}, "spec": service})).unwrap();
    let slice = json!({"addressType": "IPv4", "endpoints": endpoints, "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}]});
    let slices = [serde_json::from_value(slice).unwrap()];
    zone.set(&Key::new("", "services", "default", "web"), Some((&service, &slices)));
    zone
}

fn address(text: &str) -> Data {
    Data::Address(text.parse().unwrap())
}

#[test]
fn a_service_is_found_by_its_name_its_ports_and_its_address() {
    let zone = zone(
        json!({"clusterIP": "10.96.0.7", "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]}),
        json!([]),
    );
    let web = "web.default.svc.cluster.local";
    assert_eq!(
        zone.ask("Web.Default.svc.cluster.local.", Asked::Address),
        Answer::Data(vec![address("10.96.0.7")])
    );
    assert_eq!(
        zone.ask("_http._tcp.web.default.svc.cluster.local", Asked::Service),
        Answer::Data(vec![Data::Service { weight: 100, port: 80, target: web.into() }])
    );
    assert_eq!(
        zone.ask("7.0.96.10.in-addr.arpa", Asked::Pointer),
        Answer::Data(vec![Data::Pointer(web.into())])
    );
}

#[test]
fn a_headless_service_is_its_ready_endpoints() {
    let endpoints = json!([
        {"addresses": ["10.244.0.5"], "hostname": "web-0", "conditions": {"ready": true}},
        {"addresses": ["10.244.0.6"], "conditions": {"ready": true}},
        {"addresses": ["10.244.0.7"], "conditions": {"ready": false}},
    ]);
    let zone = zone(json!({"clusterIP": "None"}), endpoints);
    let both = Answer::Data(vec![address("10.244.0.5"), address("10.244.0.6")]);
    assert_eq!(zone.ask("web.default.svc.cluster.local", Asked::Address), both);
    assert_eq!(
        zone.ask("web-0.web.default.svc.cluster.local", Asked::Address),
        Answer::Data(vec![address("10.244.0.5")])
    );
    assert_eq!(
        zone.ask("10-244-0-6.web.default.svc.cluster.local", Asked::Address),
        Answer::Data(vec![address("10.244.0.6")])
    );
    let Answer::Data(targets) = zone.ask("_http._tcp.web.default.svc.cluster.local", Asked::Service) else {
        panic!("both are told")
    };
    assert_eq!(targets.len(), 2);
}

#[test]
fn an_external_name_is_an_alias() {
    let zone = zone(json!({"type": "ExternalName", "externalName": "Example.org."}), json!([]));
    let alias = Answer::Data(vec![Data::Alias("example.org".into())]);
    assert_eq!(zone.ask("web.default.svc.cluster.local", Asked::Address), alias);
}

#[test]
fn what_is_missing_is_told_apart_from_what_is_empty_and_what_is_elsewhere() {
    let zone = zone(json!({"clusterIP": "10.96.0.7"}), json!([]));
    assert_eq!(zone.ask("web.default.svc.cluster.local", Asked::Else), Answer::NoData);
    assert_eq!(zone.ask("default.svc.cluster.local", Asked::Address), Answer::NoData);
    assert_eq!(zone.ask("absent.default.svc.cluster.local", Asked::Address), Answer::NoName);
    assert_eq!(zone.ask("example.org", Asked::Address), Answer::NotOurs);
    assert_eq!(zone.ask("notcluster.local", Asked::Address), Answer::NotOurs);
}

#[test]
fn a_pod_is_found_by_its_address() {
    let zone = Zone::new("cluster.local");
    assert_eq!(
        zone.ask("10-244-0-5.default.pod.cluster.local", Asked::Address),
        Answer::Data(vec![address("10.244.0.5")])
    );
    assert_eq!(zone.ask("nonsense.default.pod.cluster.local", Asked::Address), Answer::NoName);
}

#[test]
fn a_service_that_goes_takes_its_names_with_it() {
    let mut zone = zone(json!({"clusterIP": "10.96.0.7"}), json!([]));
    zone.set(&Key::new("", "services", "default", "web"), None);
    assert_eq!(zone.ask("web.default.svc.cluster.local", Asked::Address), Answer::NoName);
    assert_eq!(zone.ask("7.0.96.10.in-addr.arpa", Asked::Pointer), Answer::NotOurs);
}
