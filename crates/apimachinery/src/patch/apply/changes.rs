//! What a write changes, in the words of every version that somebody owns fields in: a field that is called otherwise there
//! is the same field (`sigs.k8s.io/structured-merge-diff/merge/update.go`, update).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::shape::Shape;
use super::strip;
use super::walk::{self, Difference};
use crate::registry::Resource;
use crate::status::Status;

/// An object in other versions.
pub trait Versions {
    /// The object in `api_version`, and the resource that has it so; none where fields are called the same there, or
    /// where nobody knows that version any more.
    ///
    /// # Errors
    /// When it can't be converted, or isn't yet.
    fn told(&self, object: &Value, api_version: &str) -> Result<Option<(Arc<Resource>, Value)>, Status>;
}

/// Every version calls its fields the same.
#[derive(Clone, Copy, Debug)]
pub struct SameNames;

impl Versions for SameNames {
    fn told(&self, _: &Value, _: &str) -> Result<Option<(Arc<Resource>, Value)>, Status> {
        Ok(None)
    }
}

/// Two states of an object, in the version of the write.
#[derive(Clone, Copy)]
pub(super) struct Between<'a> {
    pub(super) live: &'a Value,
    pub(super) merged: &'a Value,
    pub(super) resource: &'a Resource,
    pub(super) subresource: &'a str,
}

pub(super) struct Changes {
    here: Difference,
    elsewhere: BTreeMap<String, Difference>,
}

impl Changes {
    pub(super) fn of(
        between: Between<'_>,
        elsewhere: impl IntoIterator<Item = String>,
        versions: &dyn Versions,
    ) -> Result<Changes, Status> {
        let Between { live, merged, resource, .. } = between;
        let here = between.difference();
        let mut changes = Changes { here, elsewhere: BTreeMap::new() };
        for api_version in elsewhere {
            let told = |object| versions.told(object, &api_version);
            if api_version == resource.api_version() {
                continue;
            }
            let (Some((there, live)), Some((_, merged))) = (told(live)?, told(merged)?) else { continue };
            let between = Between { live: &live, merged: &merged, resource: &there, ..between };
            changes.elsewhere.insert(api_version, between.difference());
        }
        Ok(changes)
    }

    /// The change, in the words of a version.
    pub(super) fn in_version(&self, api_version: &str) -> &Difference {
        self.elsewhere.get(api_version).unwrap_or(&self.here)
    }
}

impl Between<'_> {
    fn difference(self) -> Difference {
        let Difference { changed, removed } =
            walk::difference(self.live, self.merged, Shape::of(self.resource));
        let own = |fields| strip(fields, self.resource, self.subresource);
        Difference { changed: own(changed), removed: own(removed) }
    }
}
