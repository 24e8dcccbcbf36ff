//! What Services come to.

use proptest::prelude::*;
use rutter_controller::given::{Given, given};
use serde_json::{Value, json};

use super::Endpoints;

fn world(text: &str) -> Given<Endpoints> {
    given(text)
}

fn endpoints(given: &Given<Endpoints>) -> Option<Value> {
    let found = given.world.objects().find(|(key, _)| key.resource == "endpoints");
    found.map(|(_, object)| object.clone())
}

/// Addresses, and those not ready, of each subset.
fn told(given: &Given<Endpoints>) -> Vec<(Vec<String>, Vec<String>)> {
    let object = endpoints(given).expect("there are some");
    let ips = |subset: &Value, field: &str| -> Vec<String> {
        let list = subset[field].as_array().cloned().unwrap_or_default();
        list.iter().map(|address| address["ip"].as_str().unwrap().to_owned()).collect()
    };
    let subsets = object["subsets"].as_array().cloned().unwrap_or_default();
    subsets.iter().map(|subset| (ips(subset, "addresses"), ips(subset, "notReadyAddresses"))).collect()
}

#[test]
fn pods_that_a_service_selects_become_addresses() {
    let given = world(
        "Service web metadata.labels.team=blue
         Pod a labels=app:web on=n1 ip=10.1.0.1 ready
         Pod b labels=app:web on=n1 ip=10.1.0.2 unready
         Pod leaving labels=app:web on=n1 ip=10.1.0.3 ready deleted
         Pod without labels=app:web on=n1
         Pod ended labels=app:web on=n1 ip=10.1.0.4 phase=Succeeded
         Pod other labels=app:api on=n1 ip=10.1.0.5 ready",
    )
    .reconcile("Service web")
    .carried_out();
    let object = endpoints(&given).expect("they were made");
    assert_eq!(
        object["subsets"],
        json!([{
            "addresses": [{"ip": "10.1.0.1", "nodeName": "n1", "targetRef": {"kind": "Pod", "namespace": "default", "name": "a", "uid": "a"}}],
            "notReadyAddresses": [{"ip": "10.1.0.2", "nodeName": "n1", "targetRef": {"kind": "Pod", "namespace": "default", "name": "b", "uid": "b"}}],
            "ports": [{"port": 8080, "protocol": "TCP"}],
        }])
    );
    assert_eq!(
        object["metadata"]["labels"],
        json!({"team": "blue", "endpoints.kubernetes.io/managed-by": "endpoint-controller"})
    );
    given.and("Pod b ready").reconcile("Service web").carried_out();
}

#[test]
fn addresses_with_the_same_ports_stand_together() {
    let ports = r#"[{"name":"a","port":80,"protocol":"TCP","targetPort":"http"},{"name":"b","port":81,"protocol":"TCP","targetPort":9090}]"#;
    let named = r#"[{"name":"c","image":"i:1","ports":[{"name":"http","containerPort":8080}]}]"#;
    let given = world(&format!(
        "Service web spec.ports={ports}
         Pod a labels=app:web on=n1 ip=10.1.0.1 ready spec.containers={named}
         Pod b labels=app:web on=n1 ip=10.1.0.2 ready"
    ))
    .reconcile("Service web")
    .carried_out();
    let one = |ips: &[&str]| (ips.iter().map(ToString::to_string).collect::<Vec<_>>(), Vec::new());
    assert_eq!(told(&given), [one(&["10.1.0.1"]), one(&["10.1.0.1", "10.1.0.2"])]);
}

#[test]
fn a_headless_service_without_ports_has_addresses_without_ports() {
    let given = world(
        "Service web spec.clusterIP=None spec.ports=[] spec.publishNotReadyAddresses=true
         Pod a labels=app:web on=n1 ip=10.1.0.1 unready spec.hostname=a spec.subdomain=web",
    )
    .reconcile("Service web")
    .carried_out();
    let object = endpoints(&given).expect("they were made");
    let subset = &object["subsets"][0];
    assert_eq!((&subset["addresses"][0]["hostname"], &subset["ports"]), (&json!("a"), &Value::Null));
    assert_eq!(object["metadata"]["labels"]["service.kubernetes.io/headless"], "");
}

#[test]
fn a_service_that_selects_nothing_is_left_to_others() {
    let given = world("Service web selector=; Endpoints web subsets=[]");
    let given = given.reconcile("Service web").then("because it selects no pods");
    given.and("gone Service web").reconcile("Service web").then("because it is gone");
}

#[test]
fn a_service_without_pods_has_no_addresses() {
    let given = world("Service web").reconcile("Service web").then(
        "because the endpoints changed
         + Endpoints web
         unless owner:web was touched since 1",
    );
    assert_eq!(told(&given), []);
}

#[test]
fn endpoints_go_with_their_service_and_come_back_while_it_is_there() {
    let given = world("Service web").reconcile("Service web").carried_out();
    let given = given.and("gone Endpoints web").reconcile("Service web").carried_out();
    assert!(endpoints(&given).is_some());
    let given = given.and("gone Service web").reconcile("Service web").then(
        "because its Service is gone
         - Endpoints web",
    );
    assert_eq!(endpoints(&given), None);
}

#[test]
fn a_thousand_addresses_are_told_and_that_there_are_more() {
    let mut text = String::from("Service web\n");
    for index in 0..1002 {
        let state = if index % 2 == 0 { "ready" } else { "unready" };
        text +=
            &format!("Pod p{index} labels=app:web on=n ip=10.1.{}.{} {state}\n", index / 250, index % 250);
    }
    let given = world(&text).reconcile("Service web").carried_out();
    let subsets = told(&given);
    assert_eq!(subsets.iter().map(|(ready, not)| (ready.len(), not.len())).collect::<Vec<_>>(), [(501, 499)]);
    let annotations = endpoints(&given).expect("they were made")["metadata"]["annotations"].clone();
    assert_eq!(annotations, json!({"endpoints.kubernetes.io/over-capacity": "truncated"}));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_pod_that_is_ready_is_told_once(pods in proptest::collection::vec((any::<bool>(), any::<bool>()), 0..8)) {
        let mut text = String::from("Service web\n");
        for (index, (ready, deleted)) in pods.iter().enumerate() {
            text += &format!("Pod p{index} labels=app:web on=n ip=10.1.0.{index}");
            text += if *ready { " ready" } else { " unready" };
            if *deleted { text += " deleted"; }
            text += "\n";
        }
        let given = world(&text).reconcile("Service web").carried_out();
        let mut ready: Vec<String> = told(&given).into_iter().flat_map(|(ready, _)| ready).collect();
        ready.sort();
        let expected: Vec<String> = pods.iter().enumerate().filter(|(_, (ready, deleted))| *ready && !deleted)
            .map(|(index, _)| format!("10.1.0.{index}")).collect();
        prop_assert_eq!(ready, expected);
    }
}
