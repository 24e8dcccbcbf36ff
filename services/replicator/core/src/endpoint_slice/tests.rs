//! What Services come to.

use proptest::prelude::*;
use rutter_controller::given::{Given, given};
use serde_json::Value;

use super::EndpointSlices;

fn world(text: &str) -> Given<EndpointSlices> {
    given(text)
}

fn slices(given: &Given<EndpointSlices>) -> Vec<&Value> {
    given
        .world
        .objects()
        .filter(|(key, _)| key.resource == "endpointslices")
        .map(|(_, slice)| slice)
        .collect()
}

fn endpoints(given: &Given<EndpointSlices>) -> Vec<String> {
    let all = slices(given).into_iter().flat_map(|slice| slice["endpoints"].as_array().unwrap());
    all.map(|endpoint| {
        let conditions = &endpoint["conditions"];
        let flags = ["ready", "serving", "terminating"].into_iter().filter(|flag| conditions[flag] == true);
        let flags: Vec<&str> = flags.collect();
        format!("{} {}", endpoint["addresses"][0].as_str().unwrap(), flags.join(" "))
    })
    .collect()
}

#[test]
fn pods_that_a_service_selects_become_endpoints() {
    let given = world(
        "Node n1 labels=topology.kubernetes.io/zone:z1
         Service web metadata.labels.team=blue
         Pod a labels=app:web on=n1 ip=10.1.0.1 ready
         Pod b labels=app:web on=n1 ip=10.1.0.2 unready
         Pod c labels=app:web on=n1 ip=10.1.0.3 ready deleted
         Pod without labels=app:web on=n1
         Pod ended labels=app:web on=n1 ip=10.1.0.4 phase=Succeeded
         Pod other labels=app:api on=n1 ip=10.1.0.5 ready",
    )
    .reconcile("Service web")
    .carried_out();
    assert_eq!(endpoints(&given), ["10.1.0.1 ready serving", "10.1.0.2 ", "10.1.0.3 serving terminating"]);
    let slice = slices(&given)[0];
    assert_eq!(slice["addressType"], "IPv4");
    assert_eq!(slice["ports"], serde_json::json!([{"name": "", "port": 8080, "protocol": "TCP"}]));
    assert_eq!(slice["metadata"]["labels"]["kubernetes.io/service-name"], "web");
    assert_eq!(slice["metadata"]["labels"]["team"], "blue");
    assert_eq!(slice["metadata"]["ownerReferences"][0]["kind"], "Service");
    assert_eq!(slice["endpoints"][0]["zone"], "z1");
    assert_eq!(slice["endpoints"][0]["targetRef"]["name"], "a");
}

#[test]
fn a_service_without_pods_has_one_empty_slice() {
    let given = world("Service web").reconcile("Service web").carried_out();
    assert_eq!((slices(&given).len(), endpoints(&given).len()), (1, 0));
    let given =
        given.and("Pod a labels=app:web on=n ip=10.1.0.1 ready").reconcile("Service web").carried_out();
    assert_eq!((slices(&given).len(), endpoints(&given).len()), (1, 1));
}

#[test]
fn one_change_rewrites_one_slice() {
    let mut text = String::from("Service web\n");
    for index in 0..250 {
        text += &format!("Pod p{index} labels=app:web on=n ip=10.1.{}.{} ready\n", index / 200, index % 200);
    }
    let given = world(&text).reconcile("Service web").carried_out();
    assert_eq!(slices(&given).len(), 3);
    let decided = given.and("Pod p17 unready; gone Pod p18").reconcile("Service web").reading_at_most(260);
    assert_eq!(decided.plans[0].intents.len(), 1, "{}", decided.printed());
    decided.carried_out();
}

#[test]
fn a_named_port_is_looked_up_in_each_pod() {
    let given = world(
        "Service web spec.ports.0.targetPort=http
         Pod a labels=app:web on=n ip=10.1.0.1 ready spec.containers.0.ports=[{\"name\":\"http\",\"containerPort\":8080}]
         Pod b labels=app:web on=n ip=10.1.0.2 ready spec.containers.0.ports=[{\"name\":\"http\",\"containerPort\":9090}]",
    )
    .reconcile("Service web")
    .carried_out();
    let mut ports: Vec<i64> =
        slices(&given).iter().map(|slice| slice["ports"][0]["port"].as_i64().unwrap()).collect();
    ports.sort_unstable();
    assert_eq!(ports, [8080, 9090]);
}

#[test]
fn addresses_that_are_not_ready_are_published_when_asked_for() {
    let given = world(
        "Service web spec.publishNotReadyAddresses=true; Pod a labels=app:web on=n ip=10.1.0.1 unready",
    )
    .reconcile("Service web")
    .carried_out();
    assert_eq!(endpoints(&given), ["10.1.0.1 ready"]);
}

#[test]
fn a_service_without_selector_is_somebody_elses_business() {
    world("Service web spec.selector=null").reconcile("Service web").then("because it selects no pods");
}

#[test]
fn a_label_that_goes_wakes_the_service_that_selected_it() {
    let given = world("Service web; Service api; Pod a labels=app:web on=n ip=10.1.0.1 ready");
    assert_eq!(given.wakes("Pod a labels=app:api"), ["services/default/api", "services/default/web"]);
}

#[test]
fn a_slice_that_somebody_changed_is_put_right() {
    let given = world("Service web; Pod a labels=app:web on=n ip=10.1.0.1 ready")
        .reconcile("Service web")
        .carried_out();
    let name = slices(&given)[0]["metadata"]["name"].as_str().unwrap().to_owned();
    let given =
        given.and(&format!("EndpointSlice {name} endpoints=[]")).reconcile("Service web").carried_out();
    assert_eq!(endpoints(&given), ["10.1.0.1 ready serving"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn whatever_happens_each_pod_has_one_endpoint_and_slices_hold_at_most_a_hundred(
        rounds in proptest::collection::vec(proptest::collection::vec((0u8..=255, any::<bool>(), any::<bool>()), 1..80), 1..4),
    ) {
        let mut given = world("Service web");
        for round in rounds {
            for (index, ready, goes) in round {
                let pod = format!("Pod p{index} labels=app:web on=n ip=10.1.0.{index}");
                given = given.and(&format!("{pod} {}", if ready { "ready" } else { "unready" }));
                if goes {
                    given = given.and(&format!("gone Pod p{index}"));
                }
            }
            given = given.reconcile("Service web").carried_out();
            let pods = given.world.objects().filter(|(key, _)| key.resource == "pods").count();
            prop_assert_eq!(endpoints(&given).len(), pods);
            prop_assert!(slices(&given).iter().all(|slice| slice["endpoints"].as_array().unwrap().len() <= 100));
        }
    }
}
