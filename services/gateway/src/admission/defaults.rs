//! What every namespace has: the ServiceAccount `default` and the ConfigMap `kube-root-ca.crt`, made in the commit that
//! makes the namespace, so that a pod created right behind it finds them. (Upstream: the serviceaccount and
//! root-ca-cert-publisher controllers.)

use rutter_apimachinery::status::Status;
use rutter_apimachinery::write::Draft;
use rutter_projection::Snapshot;
use rutter_schemas::Key;
use serde_json::json;

use crate::Gateway;
use crate::bootstrap::born;
use crate::store::failed;

/// # Errors
/// When the view can't be read.
pub fn of_namespace(gateway: &Gateway, snapshot: &Snapshot, namespace: &str) -> Result<Vec<Draft>, Status> {
    let registry = gateway.registry();
    let missing = |resource: &str, name: &str| -> Result<bool, Status> {
        let key = Key::new("", resource, namespace, name);
        Ok(snapshot.get(&key).map_err(|error| failed(&error))?.is_none())
    };
    let mut drafts = Vec::new();
    if missing("serviceaccounts", "default")? {
        let account = json!({ "metadata": { "name": "default" } });
        drafts.push(born(&registry, "", "serviceaccounts", namespace, account)?);
    }
    if missing("configmaps", "kube-root-ca.crt")? {
        let words = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";
        let bundle = json!({
            "metadata": { "name": "kube-root-ca.crt", "annotations": { "kubernetes.io/description": words } },
            "data": { "ca.crt": gateway.ca_pem },
        });
        drafts.push(born(&registry, "", "configmaps", namespace, bundle)?);
    }
    Ok(drafts)
}
