//! Reading `types.txt`; the generator's `types.rs` tells the format.

use std::collections::HashMap;

use super::types::{Field, ListType, MapType, Opaque, Schema, Type, TypeRef, Types};
use super::{GroupVersionKind, Text};

impl Types {
    pub(super) fn parse(text: &'static str) -> Types {
        let by_name: HashMap<&str, u16> = (0..)
            .zip(super::lines(text).filter(|line| !line.starts_with(' ')).map(first_word))
            .map(swap)
            .collect();
        let mut types = Types { list: Vec::with_capacity(by_name.len()), by_name, by_kind: HashMap::new() };
        for line in super::lines(text) {
            match line.strip_prefix(' ') {
                None => types.start(line),
                Some(field) => types.add_field(field),
            }
        }
        types
    }

    fn start(&mut self, line: &'static str) {
        let (head, unions) =
            line.split_once(" |").map_or((line, None), |(head, unions)| (head, Some(unions)));
        let mut words = head.split(' ');
        let name = words.next().expect("a line has a first word");
        let mut made = Type {
            name: name.into(),
            fields: Vec::new(),
            map_type: None,
            kinds: Vec::new(),
            unions: unions.map(|text| serde_json::from_str(text).expect("the generator writes JSON")),
        };
        for word in words {
            match word.split_at(1) {
                ("~", map_type) => made.map_type = Some(MapType::parse(map_type)),
                ("@", kind) => made.kinds.push(GroupVersionKind::parse(kind)),
                _ => unreachable!("the generator writes only these: {word}"),
            }
        }
        for kind in &made.kinds {
            self.by_kind.insert(kind.clone(), self.by_name[name]);
        }
        self.list.push(made);
    }

    fn add_field(&mut self, line: &'static str) {
        let (head, default) =
            line.split_once(" =").map_or((line, None), |(head, default)| (head, Some(default)));
        let mut words = head.split(' ');
        let mut word = || words.next().expect("a field has a name and a type");
        let (name, code) = (word(), word());
        let owner = self.list.last().expect("a field follows its type");
        let package = owner.name.rsplit_once('.').map_or("", |(package, _)| package);
        let mut field = Field::plain(name.into(), self.schema(package, code));
        field.default = default.map(|text| serde_json::from_str(text).expect("the generator writes JSON"));
        words.for_each(|word| field.learn(word));
        self.list.last_mut().expect("a field follows its type").fields.push(field);
    }

    fn schema(&self, package: &str, code: &'static str) -> Schema {
        match code.split_at(1) {
            ("[", element) => Schema::Array(Box::new(self.schema(package, element))),
            ("{", value) => Schema::Map(Box::new(self.schema(package, value))),
            (">", name) => Schema::Object(self.reference(package, name)),
            (letter, _) => of_letter(letter),
        }
    }

    fn reference(&self, package: &str, name: &'static str) -> TypeRef {
        let found = match name.strip_prefix('.') {
            Some(name) => self.get(&format!("{package}.{name}")),
            None => self.get(name),
        };
        found.expect("the generator refers only to types it writes")
    }
}

impl Field {
    fn learn(&mut self, word: &'static str) {
        match word.split_at(1) {
            ("!", _) => self.required = true,
            ("~", map_type) => self.map_type = Some(MapType::parse(map_type)),
            ("l", list_type) => self.list_type = Some(ListType::parse(&list_type[1..])),
            ("p", strategy) => self.patch_strategy = strategy[1..].into(),
            ("k", key) => self.patch_merge_key = Some(key[1..].into()),
            _ => unreachable!("the generator writes only these: {word}"),
        }
    }
}

impl MapType {
    fn parse(text: &str) -> MapType {
        if text == "atomic" { MapType::Atomic } else { MapType::Granular }
    }
}

impl ListType {
    fn parse(text: &'static str) -> ListType {
        match text.strip_prefix("map(").and_then(|keys| keys.strip_suffix(')')) {
            Some(keys) => ListType::Map(keys.split(',').map(Text::Borrowed).collect()),
            None if text == "set" => ListType::Set,
            None => ListType::Atomic,
        }
    }
}

fn of_letter(letter: &str) -> Schema {
    match letter {
        "s" => Schema::String,
        "i" => Schema::Int32,
        "l" => Schema::Int64,
        "d" => Schema::Double,
        "b" => Schema::Bool,
        "B" => Schema::Bytes,
        "q" => Schema::Quantity,
        "x" => Schema::IntOrString,
        "t" => Schema::Time,
        "u" => Schema::MicroTime,
        "o" => Schema::Opaque(Opaque::Object),
        "r" => Schema::Opaque(Opaque::RawExtension),
        "f" => Schema::Opaque(Opaque::FieldsV1),
        "p" => Schema::Opaque(Opaque::Patch),
        "j" => Schema::Opaque(Opaque::Json),
        "A" => Schema::Opaque(Opaque::SchemaOrArray),
        "O" => Schema::Opaque(Opaque::SchemaOrBool),
        "S" => Schema::Opaque(Opaque::SchemaOrStrings),
        _ => unreachable!("the generator writes only these letters: {letter}"),
    }
}

fn first_word(line: &'static str) -> &'static str {
    line.split(' ').next().unwrap_or(line)
}

fn swap<A, B>((a, b): (A, B)) -> (B, A) {
    (b, a)
}
