//! What Endpoints come to.

use rutter_controller::given::{Given, given};
use serde_json::{Value, json};

use super::EndpointSliceMirroring;

const BARE: &str = "Service web selector=";
const SUBSETS: &str = r#"[{"addresses":[{"ip":"10.0.0.1","hostname":"h"},{"ip":"fd00::1"}],"notReadyAddresses":[{"ip":"10.0.0.2"}],"ports":[{"name":"http","port":80,"protocol":"TCP"}]}]"#;

fn world(text: &str) -> Given<EndpointSliceMirroring> {
    given(text)
}

fn slices(given: &Given<EndpointSliceMirroring>) -> Vec<Value> {
    let all = given.world.objects().filter(|(key, _)| key.resource == "endpointslices");
    all.map(|(_, slice)| slice.clone()).collect()
}

#[test]
fn a_subset_has_one_slice_for_each_family() {
    let given = world(&format!("{BARE}; Endpoints web labels=team:blue subsets={SUBSETS}"));
    let given = given.reconcile("Endpoints web").carried_out();
    let mut told = slices(&given);
    told.sort_by_key(|slice| slice["addressType"].to_string());
    let [four, six] = told.as_slice() else { panic!("two families: {told:?}") };
    assert_eq!(
        four["endpoints"],
        json!([{"addresses": ["10.0.0.1"], "conditions": {"ready": true}, "hostname": "h"},
            {"addresses": ["10.0.0.2"], "conditions": {"ready": false}}])
    );
    assert_eq!(six["endpoints"], json!([{"addresses": ["fd00::1"], "conditions": {"ready": true}}]));
    assert_eq!(four["ports"], json!([{"name": "http", "port": 80, "protocol": "TCP"}]));
    assert_eq!(
        four["metadata"]["labels"],
        json!({"team": "blue", "kubernetes.io/service-name": "web",
            "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io"})
    );
    assert_eq!(four["metadata"]["ownerReferences"][0]["kind"], "Endpoints");
}

#[test]
fn a_slice_follows_its_endpoints_and_goes_with_them() {
    let given = world(&format!("{BARE}; Endpoints web subsets={SUBSETS}"));
    let given = given.reconcile("Endpoints web").carried_out();
    let name = |given: &Given<_>| {
        slices(given).iter().find(|s| s["addressType"] == "IPv4").map(|s| s["metadata"]["name"].clone())
    };
    let was = name(&given);
    let changed =
        r#"[{"addresses":[{"ip":"10.9.9.9"}],"ports":[{"name":"http","port":80,"protocol":"TCP"}]}]"#;
    let given =
        given.and(&format!("Endpoints web subsets={changed}")).reconcile("Endpoints web").carried_out();
    assert_eq!(slices(&given).len(), 1);
    assert_eq!((name(&given), &slices(&given)[0]["endpoints"][0]["addresses"][0]), (was, &json!("10.9.9.9")));
    let given = given.and("gone Endpoints web").reconcile("Endpoints web").carried_out();
    assert!(slices(&given).is_empty());
}

#[test]
fn what_is_not_to_be_mirrored_is_not() {
    let cases = [
        format!("Service web; Endpoints web subsets={SUBSETS}"),
        format!("Endpoints web subsets={SUBSETS}"),
        format!(
            "{BARE}; Endpoints web subsets={SUBSETS} metadata.labels.endpointslice%2ekubernetes%2eio/skip-mirror=\"true\""
        ),
    ];
    for text in cases {
        world(&text).reconcile("Endpoints web").then("because there is nothing to mirror");
    }
}

#[test]
fn a_service_that_begins_to_select_pods_ends_the_mirroring() {
    let given = world(&format!("{BARE}; Endpoints web subsets={SUBSETS}"));
    let given = given.reconcile("Endpoints web").carried_out();
    let given = given.and("Service web selector=app:web");
    let decided = given.reconcile("Endpoints web");
    assert_eq!(decided.printed().matches("- EndpointSlice ").count(), 2, "{}", decided.printed());
    decided.carried_out();
}

#[test]
fn services_endpoints_and_slices_wake_the_endpoints_of_their_name() {
    let given = world(&format!("{BARE}; Endpoints web subsets={SUBSETS}"));
    assert_eq!(given.wakes("Service web selector=app:web"), ["endpoints/default/web"]);
    assert!(world(BARE).wakes("EndpointSlice other metadata.labels.x=y").is_empty());
}
