//! ServiceAccount (`pkg/registry/core/serviceaccount`).

use serde_json::json;

use crate::json::items;
use crate::kind::{Kind, Plain};
use crate::kinds::columns::{AGE, NAME, string};

pub(crate) const SERVICE_ACCOUNT: Kind = Kind {
    group: "",
    version: "v1",
    kind: "ServiceAccount",
    plural: "serviceaccounts",
    strategy: &Plain,
    columns: &[
        NAME,
        string("Secrets", "How many secrets pods that run as it may mount.", |account, _| {
            json!(items(&account["secrets"]).len().to_string())
        }),
        AGE,
    ],
    sealed: false,
};
