//! Protobuf messages: field numbers, and how each field stands in JSON.

use std::collections::HashMap;

/// What a field carries on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wire {
    String,
    Int32,
    Int64,
    Double,
    Bool,
    /// Base64 in JSON.
    Bytes,
    Message(MessageRef),
    Repeated(Box<Wire>),
    /// `map<string, _>`.
    Map(Box<Wire>),
}

/// When a field is on the wire and in JSON; upstream decides it by the Go type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// A pointer: in both when it is set, zero or not.
    Set,
    /// A value: always on the wire; in JSON unless it is zero (a struct: always).
    Filled,
    /// A value: always on the wire and in JSON; a nil slice is `null`.
    Always,
    /// A struct: always on the wire; in JSON unless it is zero.
    NotZero,
    /// A struct whose fields stand in JSON among those of the message around it.
    Inlined,
}

/// How a message stands in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// An object with the message's fields.
    Object,
    Quantity,
    IntOrString,
    Time,
    MicroTime,
    /// Go's text of a duration: `1m30s`.
    Duration,
    /// JSON bytes in the only field, standing as they are: RawExtension, FieldsV1, JSON.
    Raw,
    /// An array of strings in the only field: ExtraValue, Verbs.
    Strings,
    SchemaOrArray,
    SchemaOrBool,
    SchemaOrStrings,
}

/// A message.
#[derive(Debug)]
pub struct Message {
    /// `k8s.io.api.core.v1.Pod`.
    pub name: &'static str,
    pub form: Form,
    /// In the order of numbers, which is the order on the wire.
    pub fields: Vec<MessageField>,
}

/// A field of a message.
#[derive(Debug)]
pub struct MessageField {
    pub number: u32,
    /// The name in JSON.
    pub name: &'static str,
    pub wire: Wire,
    pub presence: Presence,
}

impl Message {
    /// The field of a number.
    #[must_use]
    pub fn field(&self, number: u32) -> Option<&MessageField> {
        self.place(number).map(|place| &self.fields[place])
    }

    /// Where the field of a number stands among the fields.
    #[must_use]
    pub fn place(&self, number: u32) -> Option<usize> {
        self.fields.binary_search_by_key(&number, |field| field.number).ok()
    }
}

impl MessageField {
    /// The message whose fields stand in JSON in this one's place.
    #[must_use]
    pub fn inlined(&self) -> Option<MessageRef> {
        match (self.presence, &self.wire) {
            (Presence::Inlined, Wire::Message(inner)) => Some(*inner),
            _ => None,
        }
    }
}

/// Names a message of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageRef(u16);

impl MessageRef {
    #[must_use]
    pub fn get(self) -> &'static Message {
        &super::messages().list[self.index()]
    }

    /// Its place in the order of names.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl std::ops::Deref for MessageRef {
    type Target = Message;

    fn deref(&self) -> &Message {
        self.get()
    }
}

/// Every published message.
pub struct Messages {
    list: Vec<Message>,
    by_name: HashMap<&'static str, u16>,
    /// `apps/v1` → `k8s.io.api.apps.v1`; a group-version may have several packages.
    packages: HashMap<&'static str, Vec<&'static str>>,
}

const META: &str = "k8s.io.apimachinery.pkg.apis.meta.v1";

/// Kinds of `meta/v1` that are registered in every group-version
/// (`metav1.AddToGroupVersion`, k8s.io/apimachinery/pkg/apis/meta/v1/register.go).
const EVERYWHERE: [&str; 7] = [
    "WatchEvent",
    "ListOptions",
    "GetOptions",
    "DeleteOptions",
    "CreateOptions",
    "UpdateOptions",
    "PatchOptions",
];

/// Kinds of `meta/v1` that are registered as `v1`.
const UNVERSIONED: [&str; 5] = ["Status", "APIVersions", "APIGroup", "APIGroupList", "APIResourceList"];

impl Messages {
    /// The message of a protobuf name: `k8s.io.api.core.v1.Pod`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<MessageRef> {
        self.by_name.get(name).copied().map(MessageRef)
    }

    /// All of them, in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = MessageRef> {
        (0..self.list.len())
            .map(|index| MessageRef(u16::try_from(index).expect("messages are numbered in 16 bits")))
    }

    /// The message of a kind, as upstream's scheme registers them.
    #[must_use]
    pub fn by_kind(&self, api_version: &str, kind: &str) -> Option<MessageRef> {
        let own = self.packages.get(api_version).into_iter().flatten();
        let found = own.map(|package| self.get(&format!("{package}.{kind}"))).find_map(|found| found);
        found.or_else(|| match api_version {
            _ if EVERYWHERE.contains(&kind) => self.get(&format!("{META}.{kind}")),
            "meta.k8s.io/v1beta1" => self.get(&format!("{META}.{kind}")),
            "v1" if UNVERSIONED.contains(&kind) => self.get(&format!("{META}.{kind}")),
            _ => None,
        })
    }

    pub(super) fn parse(text: &'static str) -> Messages {
        let names = super::lines(text).filter(|line| !line.starts_with([' ', '=']));
        let by_name: HashMap<&str, u16> = names.zip(0..).collect();
        let mut messages =
            Messages { list: Vec::with_capacity(by_name.len()), by_name, packages: HashMap::new() };
        for line in super::lines(text) {
            match line.split_at(1) {
                ("=", package) => messages.add_package(package.trim_start()),
                (" ", field) => messages.add_field(field),
                _ => messages.list.push(Message { name: line, form: form(line), fields: Vec::new() }),
            }
        }
        messages
    }

    fn add_package(&mut self, line: &'static str) {
        let (package, group_version) = line.split_once(' ').expect("a package has a group-version");
        self.packages.entry(group_version).or_default().push(package);
    }

    fn add_field(&mut self, line: &'static str) {
        let mut words = line.split(' ');
        let mut word = || words.next().expect("a field has four words");
        let (number, name, code, presence) = (word(), word(), word(), word());
        let owner = self.list.last().expect("a field follows its message").name;
        let package = owner.rsplit_once('.').map_or("", |(package, _)| package);
        let field = MessageField {
            number: number.parse().expect("the generator writes numbers"),
            name,
            wire: self.wire(package, code),
            presence: of_letter(presence),
        };
        self.list.last_mut().expect("a field follows its message").fields.push(field);
    }

    fn wire(&self, package: &str, code: &'static str) -> Wire {
        match code.split_at(1) {
            ("[", element) => Wire::Repeated(Box::new(self.wire(package, element))),
            ("{", value) => Wire::Map(Box::new(self.wire(package, value))),
            (">", name) => Wire::Message(self.reference(package, name)),
            ("s", _) => Wire::String,
            ("i", _) => Wire::Int32,
            ("l", _) => Wire::Int64,
            ("d", _) => Wire::Double,
            ("b", _) => Wire::Bool,
            ("B", _) => Wire::Bytes,
            _ => unreachable!("the generator writes only these: {code}"),
        }
    }

    fn reference(&self, package: &str, name: &'static str) -> MessageRef {
        let found = match name.strip_prefix('.') {
            Some(name) => self.get(&format!("{package}.{name}")),
            None => self.get(name),
        };
        found.expect("the generator refers only to messages it writes")
    }
}

fn of_letter(letter: &str) -> Presence {
    match letter {
        "p" => Presence::Set,
        "e" => Presence::Filled,
        "z" => Presence::Always,
        "o" => Presence::NotZero,
        "i" => Presence::Inlined,
        _ => unreachable!("the generator writes only these: {letter}"),
    }
}

/// The messages whose JSON is not an object of their fields.
fn form(name: &str) -> Form {
    match name.rsplit_once('.') {
        Some((META, "Time")) => Form::Time,
        Some((META, "MicroTime")) => Form::MicroTime,
        Some((META, "Duration")) => Form::Duration,
        Some((META, "FieldsV1")) => Form::Raw,
        Some((META, "Verbs")) => Form::Strings,
        Some(("k8s.io.apimachinery.pkg.runtime", "RawExtension")) => Form::Raw,
        Some(("k8s.io.apimachinery.pkg.util.intstr", "IntOrString")) => Form::IntOrString,
        Some(("k8s.io.apimachinery.pkg.api.resource", "Quantity" | "QuantityValue")) => Form::Quantity,
        Some((_, "ExtraValue")) => Form::Strings,
        Some((_, "JSON")) => Form::Raw,
        Some((_, "JSONSchemaPropsOrArray")) => Form::SchemaOrArray,
        Some((_, "JSONSchemaPropsOrBool")) => Form::SchemaOrBool,
        Some((_, "JSONSchemaPropsOrStringArray")) => Form::SchemaOrStrings,
        _ => Form::Object,
    }
}

#[cfg(test)]
mod tests {
    use super::super::messages;

    #[test]
    fn a_kind_is_found_in_its_own_group_and_meta_kinds_in_every_group() {
        let name = |api_version, kind| messages().by_kind(api_version, kind).map(|found| found.name);
        assert_eq!(name("apps/v1", "Deployment"), Some("k8s.io.api.apps.v1.Deployment"));
        assert_eq!(name("v1", "Status"), Some("k8s.io.apimachinery.pkg.apis.meta.v1.Status"));
        assert_eq!(
            name("policy/v1", "DeleteOptions"),
            Some("k8s.io.apimachinery.pkg.apis.meta.v1.DeleteOptions")
        );
        assert_eq!(
            name("meta.k8s.io/v1", "PartialObjectMetadata"),
            Some("k8s.io.apimachinery.pkg.apis.meta.v1.PartialObjectMetadata")
        );
        assert_eq!(name("apps/v1", "Status"), None);
        assert_eq!(name("example.com/v1", "Deployment"), None);
    }

    #[test]
    fn fields_stand_in_the_order_of_their_numbers_and_fit_a_bit_set() {
        for message in messages().iter() {
            assert!(message.fields.is_sorted_by_key(|field| field.number), "{}", message.name);
            assert!(message.fields.len() <= 128, "{}", message.name);
        }
    }
}
