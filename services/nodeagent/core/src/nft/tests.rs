//! What nft is told, printed as it is.

use expect_test::{Expect, expect};
use rutter_schemas::Key;
use serde_json::{Value, json};

use super::*;

fn proxy() -> Proxy {
    let mut proxy =
        Proxy::new("n.1", Ranges { pods: "10.244.0.0/24".into(), cluster: "10.244.0.0/16".into() });
    proxy.take().expect("the skeleton comes first");
    proxy
}

fn key() -> Key {
    Key::new("", "services", "default", "web")
}

fn service(more: Value) -> Service {
    let mut spec =
        json!({"clusterIP": "10.96.0.7", "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(json!({"metadata": {"name": "web"}, "spec": spec})).unwrap()
}

fn slice(endpoints: &[(&str, &str, bool)]) -> Vec<EndpointSlice> {
    let endpoint = |(address, node, ready): &(&str, &str, bool)| {
        json!({"addresses": [address], "nodeName": node,
               "conditions": {"ready": ready, "serving": true, "terminating": !ready}})
    };
    let endpoints: Vec<Value> = endpoints.iter().map(endpoint).collect();
    let slice = json!({"addressType": "IPv4", "endpoints": endpoints, "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}]});
    vec![serde_json::from_value(slice).unwrap()]
}

fn check(proxy: &mut Proxy, expected: Expect) {
    expected.assert_eq(&proxy.take().unwrap_or_default().replace("ip rutter_n_1 ", ""));
}

#[test]
fn a_change_says_only_what_changed() {
    let mut proxy = proxy();
    proxy.set(
        &key(),
        Some((&service(json!({})), &slice(&[("10.244.0.5", "n.1", true), ("10.244.1.5", "n.2", true)]))),
    );
    check(
        &mut proxy,
        expect![[r#"
            add chain pick_2
            add rule pick_2 meta mark set numgen random mod 2
            add rule pick_2 dnat ip to ip daddr . meta l4proto . th dport . meta mark map @endpoints
            add element endpoints { 10.96.0.7 . tcp . 80 . 0x0 : 10.244.0.5 . 8080 }
            add element endpoints { 10.96.0.7 . tcp . 80 . 0x1 : 10.244.1.5 . 8080 }
            add element services { 10.96.0.7 . tcp . 80 : goto pick_2 }
            add element hairpins { 10.244.0.5 . 10.244.0.5 }
        "#]],
    );
    proxy.set(
        &key(),
        Some((&service(json!({})), &slice(&[("10.244.0.5", "n.1", true), ("10.244.1.9", "n.2", true)]))),
    );
    check(
        &mut proxy,
        expect![[r#"
            delete element endpoints { 10.96.0.7 . tcp . 80 . 0x1 }
            add element endpoints { 10.96.0.7 . tcp . 80 . 0x1 : 10.244.1.9 . 8080 }
        "#]],
    );
    proxy.set(&key(), None);
    check(
        &mut proxy,
        expect![[r#"
            delete element endpoints { 10.96.0.7 . tcp . 80 . 0x0 }
            delete element endpoints { 10.96.0.7 . tcp . 80 . 0x1 }
            delete element services { 10.96.0.7 . tcp . 80 }
            delete element hairpins { 10.244.0.5 . 10.244.0.5 }
        "#]],
    );
}

#[test]
fn a_service_without_endpoints_refuses_and_one_that_is_ending_still_serves() {
    let mut proxy = proxy();
    proxy.set(&key(), Some((&service(json!({})), &[])));
    check(
        &mut proxy,
        expect![[r#"
        add element without_endpoints { 10.96.0.7 . tcp . 80 }
    "#]],
    );
    proxy.set(&key(), Some((&service(json!({})), &slice(&[("10.244.1.5", "n.2", false)]))));
    check(
        &mut proxy,
        expect![[r#"
            add chain pick_1
            add rule pick_1 meta mark set numgen random mod 1
            add rule pick_1 dnat ip to ip daddr . meta l4proto . th dport . meta mark map @endpoints
            delete element without_endpoints { 10.96.0.7 . tcp . 80 }
            add element endpoints { 10.96.0.7 . tcp . 80 . 0x0 : 10.244.1.5 . 8080 }
            add element services { 10.96.0.7 . tcp . 80 : goto pick_1 }
        "#]],
    );
}

#[test]
fn a_node_port_is_masqueraded_unless_its_traffic_stays_here() {
    let here_and_there = slice(&[("10.244.0.5", "n.1", true), ("10.244.1.5", "n.2", true)]);
    let ports = json!([{"name": "http", "port": 80, "protocol": "TCP", "nodePort": 30080}]);
    let mut proxy = proxy();
    proxy.set(
        &key(),
        Some((&service(json!({"ports": ports, "externalTrafficPolicy": "Local"})), &here_and_there)),
    );
    let said = proxy.take().unwrap();
    assert!(said.contains("node_ports { tcp . 30080 : goto node_local_1 }"), "{said}");
    assert!(said.contains("node_endpoints { tcp . 30080 . 0x0 : 10.244.0.5 . 8080 }"), "{said}");
    proxy.set(&key(), Some((&service(json!({"ports": ports})), &here_and_there)));
    let said = proxy.take().unwrap();
    assert!(said.contains("node_ports { tcp . 30080 : goto node_2 }"), "{said}");
    assert!(said.contains("node_endpoints { tcp . 30080 . 0x10001 : 10.244.1.5 . 8080 }"), "{said}");
}

#[test]
fn headless_services_are_not_the_kernels_business() {
    let mut proxy = proxy();
    proxy.set(&key(), Some((&service(json!({"clusterIP": "None"})), &slice(&[("10.244.0.5", "n.1", true)]))));
    assert_eq!(proxy.take(), None);
}

#[test]
fn the_whole_table_equals_its_changes() {
    let mut kept = proxy();
    for round in 0..3_u8 {
        let endpoints = [("10.244.0.5", "n.1", true), ("10.244.1.5", "n.2", round == 1)];
        kept.set(&key(), Some((&service(json!({"sessionAffinity": "ClientIP"})), &slice(&endpoints))));
    }
    let mut fresh = Proxy::new("n.1", kept.ranges.clone());
    fresh.set(
        &key(),
        Some((
            &service(json!({"sessionAffinity": "ClientIP"})),
            &slice(&[("10.244.0.5", "n.1", true), ("10.244.1.5", "n.2", false)]),
        )),
    );
    assert_eq!(kept.whole(), fresh.take().unwrap());
}
