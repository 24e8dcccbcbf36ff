//! From bodies and from storage: what of an object is kept, and in which version it is spoken of.
//!
//! An object rests as its storage version's schema had it when it was written. Whoever reads it later gets it as the
//! schemas are now: pruned and defaulted in the version it rests in, then converted
//! (upstream: `schemaCoercingDecoder`, `unstructuredDefaulter`, `schemaCoercingConverter`).

use serde_json::{Value, json};

use super::Custom;
use crate::json::text;
use crate::registry::Resource;
use crate::status::FieldError;
use crate::structural;
use crate::tables::split_api_version;

impl Custom {
    /// Brings a decoded body into the shape of its schema; gives what was unknown, as `unknown field "spec.foo"`.
    ///
    /// # Errors
    /// When its metadata, or that of an embedded resource, can't be read.
    pub(crate) fn conform(&self, object: &mut Value) -> Result<Vec<String>, Box<FieldError>> {
        let schema = self.schema();
        let mut unknown = structural::prune_root(object, schema);
        structural::drop_nulls(object, Some(schema));
        unknown.extend(structural::coerce(object, schema, false)?);
        unknown.sort();
        Ok(unknown.into_iter().map(|path| format!("unknown field \"{path}\"")).collect())
    }

    /// An object that was stored, as it is now in the version that it rests in.
    pub fn restored(&self, object: &mut Value) {
        let rests_in = rests_in(object);
        let Some(schema) = self.definition.schema(&rests_in) else { return };
        structural::prune_root(object, schema);
        structural::drop_nulls(object, Some(schema));
        // What can't be read is left out; nothing else can go wrong.
        let _ = structural::coerce(object, schema, true);
        structural::default(object, schema);
    }

    /// An object in another version's words, as conversion left it, made to fit this version's schema.
    pub fn fitted(&self, object: &mut Value) {
        structural::prune_root(object, self.schema());
        structural::drop_nulls(object, Some(self.schema()));
        let _ = structural::coerce(object, self.schema(), true);
    }

    /// An object in the words of the storage version, made to fit its schema: what that doesn't know can't be kept.
    pub fn stowed(&self, object: &mut Value) {
        let Some(schema) = self.definition.schema(&self.definition.storage) else { return };
        structural::prune_root(object, schema);
        structural::drop_nulls(object, Some(schema));
    }

    /// Conversion by renaming (`nop_converter.go`): everything but the version stays.
    pub fn renamed(&self, object: &mut Value, resource: &Resource) {
        object["apiVersion"] = json!(resource.api_version());
    }

    /// Whether an object rests in a version that its definition has.
    #[must_use]
    pub fn knows(&self, stored: &Value) -> bool {
        self.definition.schema(&rests_in(stored)).is_some()
    }

    /// Whether an object rests in another version than it would be written in now.
    #[must_use]
    pub fn is_outdated(&self, stored: &Value) -> bool {
        rests_in(stored) != self.definition.storage
    }
}

/// The version that an object rests in.
fn rests_in(object: &Value) -> String {
    split_api_version(text(object, "apiVersion")).1.to_owned()
}
