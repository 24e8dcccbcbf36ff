//! The published facts of the Kubernetes API as typed tables: types, protobuf messages, resources, operations.
//!
//! The text of the tables is part of the program (`schemas/tables`, made by `schemas/generator`); each table is read at its
//! first use, in a few milliseconds, and lives as long as the program. Names borrow from that text.

pub mod descriptions;
mod messages;
mod operations;
mod read_types;
mod resources;
mod types;

use std::sync::LazyLock;

pub use messages::{Form, Message, MessageField, MessageRef, Messages, Presence, Wire};
pub use operations::{Operation, PathOperations};
pub use resources::{GroupFacts, ResourceFacts, SubresourceFacts, VersionFacts};
pub use types::{Field, ListType, MapType, Opaque, Schema, Type, TypeRef, Types};

/// Text that is static for what was published and owned for what is defined at run time.
pub type Text = std::borrow::Cow<'static, str>;

/// Names a kind of object. Displayed as `apps/v1, Kind=Deployment`, as upstream does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupVersionKind {
    /// `""` for the core group.
    pub group: Text,
    pub version: Text,
    pub kind: Text,
}

impl GroupVersionKind {
    /// Reads `group/version/Kind`; the group may be empty.
    fn parse(text: &'static str) -> GroupVersionKind {
        let mut parts = text.splitn(3, '/').map(Text::Borrowed);
        let mut part = || parts.next().expect("the generator writes three parts");
        GroupVersionKind { group: part(), version: part(), kind: part() }
    }

    /// `v1`, `apps/v1`.
    #[must_use]
    pub fn api_version(&self) -> String {
        api_version(&self.group, &self.version)
    }
}

impl std::fmt::Display for GroupVersionKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}, Kind={}", self.group, self.version, self.kind)
    }
}

/// `v1` for the core group, else `group/version`.
#[must_use]
pub fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

/// The group and the version in an `apiVersion`.
#[must_use]
pub fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// Every type of the API.
pub fn types() -> &'static Types {
    static TYPES: LazyLock<Types> =
        LazyLock::new(|| Types::parse(include_str!("../../../../schemas/tables/types.txt")));
    &TYPES
}

/// Every protobuf message.
pub fn messages() -> &'static Messages {
    static MESSAGES: LazyLock<Messages> =
        LazyLock::new(|| Messages::parse(include_str!("../../../../schemas/tables/messages.txt")));
    &MESSAGES
}

/// Every group, the core one first, then in the order of upstream's discovery.
pub fn groups() -> &'static [GroupFacts] {
    static GROUPS: LazyLock<Vec<GroupFacts>> =
        LazyLock::new(|| resources::parse(include_str!("../../../../schemas/tables/resources.txt")));
    &GROUPS
}

/// Every path and what can be done there, in the order of paths.
pub fn operations() -> &'static [PathOperations] {
    static OPERATIONS: LazyLock<Vec<PathOperations>> =
        LazyLock::new(|| operations::parse(include_str!("../../../../schemas/tables/operations.txt")));
    &OPERATIONS
}

/// What discovery says of one resource.
#[must_use]
pub fn resource(group: &str, version: &str, plural: &str) -> Option<&'static ResourceFacts> {
    let group = groups().iter().find(|facts| facts.name == group)?;
    let version = group.versions.iter().find(|facts| facts.name == version)?;
    version.resources.iter().find(|facts| facts.plural == plural)
}

/// The lines that are not comments.
fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.starts_with('#'))
}
