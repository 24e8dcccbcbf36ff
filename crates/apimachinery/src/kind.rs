//! What a kind of object is: declared once, in `kinds/<group>/<kind>.rs`, listed in [`crate::kinds::ALL`].
//!
//! A declaration holds only what no published table says: the strategy (rules that need code), the printer's
//! columns, and whether it is sealed. Names, scope, verbs, subresources, schema and field numbers come from the
//! generated tables, joined to it by the [registry](crate::registry).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::registry::Resource;
use crate::status::{FieldError, quoted};
use crate::validation::NameRule;

/// A kind that this program knows at build time.
pub struct Kind {
    /// API group, `""` for the core group.
    pub group: &'static str,
    /// Version within the group: `v1`, `v1beta1` …
    pub version: &'static str,
    /// The kind's name: `Deployment`.
    pub kind: &'static str,
    /// The resource's name in paths: `deployments`.
    pub plural: &'static str,
    /// The rules that need code.
    pub strategy: &'static dyn Strategy,
    /// What a Table shows. Empty: name and age, as upstream shows kinds that have no printer.
    pub columns: &'static [Column],
    /// Whether its content is stored sealed (Secret).
    pub sealed: bool,
}

/// What a strategy may look at besides the object. Values only: no clock, no store, no other object.
#[derive(Clone, Copy)]
pub struct Cx<'a> {
    /// The resource written, which for a custom resource is where the rules come from.
    pub resource: &'a Resource,
    /// The subresource written through, `""` for the object itself.
    pub subresource: &'a str,
    /// The time of the write.
    pub now: Timestamp,
    /// The name of the user who writes.
    pub user: &'a str,
}

impl Cx<'_> {
    /// Whether the write goes to the object's status alone.
    pub fn is_status(&self) -> bool {
        self.resource.strategy.writes_status(self.subresource)
    }
}

/// The rules of one kind that no schema says. Every method has the behaviour of most kinds, so that a strategy
/// names only where its kind differs. The order of calls is upstream's: default, prepare, validate.
///
/// What is the same for all kinds is not done here but by [`crate::write`]: metadata, schema defaults, schema
/// validation, keeping spec and status apart where there is a `status` subresource, and generation.
pub trait Strategy: Send + Sync {
    /// Fills in what upstream's defaulting functions fill in, beyond the schema's own defaults.
    fn default(&self, _object: &mut Value, _cx: &Cx) {}

    /// Changes what a client may not set at creation (upstream's `PrepareForCreate`).
    fn prepare_create(&self, _object: &mut Value, _cx: &Cx) {}

    /// Changes what a client may not set on an update (upstream's `PrepareForUpdate`).
    fn prepare_update(&self, _new: &mut Value, _old: &Value, _cx: &Cx) {}

    /// Adds an error for everything about a new object that is not allowed.
    fn validate_create(&self, _object: &Value, _cx: &Cx, _errors: &mut Vec<FieldError>) {}

    /// Adds an error for everything about a change that is not allowed. By default what is not allowed at creation
    /// is not allowed afterwards; rules for what may not change are the kind's own.
    fn validate_update(&self, new: &Value, _old: &Value, cx: &Cx, errors: &mut Vec<FieldError>) {
        if !cx.is_status() {
            self.validate_create(new, cx, errors);
        }
    }

    /// Warnings for a write that is allowed but unwise; they go to the client as `Warning` headers.
    fn warnings(&self, _object: &Value, _cx: &Cx) -> Vec<String> {
        Vec::new()
    }

    /// Whether a deletion that says nothing of dependents leaves them behind: what is older than garbage collection
    /// does (`DefaultGarbageCollectionPolicy`).
    fn orphans_by_default(&self) -> bool {
        false
    }

    /// Whether objects of this kind carry `metadata.generation`.
    fn has_generation(&self) -> bool {
        false
    }

    /// Whether the change is one of the desired state, so that the generation moves.
    fn bumps_generation(&self, old: &Value, new: &Value) -> bool {
        self.has_generation() && old.get("spec") != new.get("spec")
    }

    /// The fields a `fieldSelector` may name, beside `metadata.name` and `metadata.namespace`, and their values.
    /// Every selectable field is present, `""` when unset.
    fn selectable(&self, _object: &Value) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    /// The names that [`Strategy::selectable`] gives, so that a selector can be refused before any object is seen.
    fn selectable_names(&self) -> &'static [&'static str] {
        &[]
    }

    /// Why a `fieldSelector` may not name this field, in upstream's words; none where it may
    /// (`k8s.io/apimachinery/pkg/runtime/conversion.go`, DefaultMetaV1FieldSelectorConversion).
    fn refuses_selector(&self, field: &str) -> Option<String> {
        let known = self.selectable_names();
        (!known.contains(&field)).then(|| match known.is_empty() {
            true => format!(
                "{} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
                quoted(field)
            ),
            false => format!("field label not supported: {field}"),
        })
    }

    /// The name under which a selectable field is kept, where that is another: of a kind that is stored in another
    /// group's words.
    fn stored_field(&self, _field: &str) -> Option<&'static str> {
        None
    }

    /// Seconds between the mark of deletion and the end, for an object whose deletion is graceful (a Pod); none for
    /// one that goes at once. `asked` is `gracePeriodSeconds` of the request.
    fn grace(&self, _object: &Value, _asked: Option<i64>) -> Option<i64> {
        None
    }

    /// Changes what a mark of deletion means for the object beyond its metadata (a Namespace's phase).
    fn prepare_delete(&self, _object: &mut Value, _cx: &Cx) {}

    /// Whether a new object may bring its status along (a Node, which its agent describes). Elsewhere it begins without.
    fn brings_status(&self) -> bool {
        false
    }

    /// Whether what is written through this subresource is the status: `status`, and what else a kind has for it
    /// (`approval`).
    fn writes_status(&self, subresource: &str) -> bool {
        subresource == "status"
    }

    /// Whether something besides `metadata.finalizers` keeps a marked object from going (a Namespace's own finalizers).
    fn is_held(&self, _object: &Value) -> bool {
        false
    }

    /// Whether finalizers may have any name that is one. Kubernetes' own kinds know theirs.
    fn takes_any_finalizer(&self) -> bool {
        false
    }

    /// The form of the names of its objects.
    fn name_rule(&self) -> NameRule {
        NameRule::Subdomain
    }

    /// What happened, as a past fact (`PodScheduled`), if it is more telling than that the object was created, updated,
    /// marked or deleted, or that its status changed. `before` is absent at creation.
    fn fact(&self, _before: Option<&Value>, _after: &Value) -> Option<&'static str> {
        None
    }

    /// Whether a PUT of a name that is not there creates it.
    fn creates_on_update(&self) -> bool {
        false
    }

    /// Whether an update may leave out `metadata.resourceVersion`.
    fn allows_unconditional_update(&self) -> bool {
        true
    }
}

/// The strategy of a kind with no rules of its own.
pub struct Plain;

impl Strategy for Plain {}

/// One column of a Table.
#[derive(Clone, Copy)]
pub struct Column {
    /// The heading: `Ready`.
    pub name: &'static str,
    /// The OpenAPI type of the cells: `string`, `integer`, `number`, `boolean`, `date`.
    pub data_type: &'static str,
    /// The OpenAPI format: `name` marks the column that names the object, else mostly `""`.
    pub format: &'static str,
    /// 0 is always shown; above only by `-o wide`.
    pub priority: i32,
    /// One sentence for whoever asks what the column means.
    pub description: &'static str,
    /// The cell of an object at a time (ages are told at that time).
    pub cell: fn(&Value, Timestamp) -> Value,
}
