//! What the node knows of the cluster: objects as the feeds brought them.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rutter_schemas::Key;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

/// Objects by key, as JSON.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    by_key: BTreeMap<Key, Arc<RawValue>>,
}

/// The contents of a ConfigMap or Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    pub data: BTreeMap<String, Vec<u8>>,
}

impl Objects {
    pub fn put(&mut self, key: Key, object: Arc<RawValue>) {
        self.by_key.insert(key, object);
    }

    pub fn remove(&mut self, key: &Key) {
        self.by_key.remove(key);
    }

    pub fn clear(&mut self) {
        self.by_key.clear();
    }

    pub fn contains(&self, key: &Key) -> bool {
        self.by_key.contains_key(key)
    }

    /// The object's text.
    pub fn raw(&self, key: &Key) -> Option<&Arc<RawValue>> {
        self.by_key.get(key)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Arc<RawValue>)> {
        self.by_key.iter()
    }

    /// The object as a view; none when it isn't there or has another shape.
    pub fn get<T: DeserializeOwned>(&self, key: &Key) -> Option<T> {
        read(self.by_key.get(key)?)
    }

    /// All objects of a resource, in all namespaces.
    pub fn all<'a, T: DeserializeOwned + 'a>(
        &'a self,
        group: &'a str,
        resource: &'a str,
    ) -> impl Iterator<Item = (&'a Key, T)> + 'a {
        let from = Key::new(group, resource, "", "");
        self.by_key
            .range(from..)
            .take_while(move |(key, _)| key.group == group && key.resource == resource)
            .filter_map(|(key, object)| Some((key, read(object)?)))
    }

    pub fn config_map(&self, namespace: &str, name: &str) -> Option<Contents> {
        self.contents("configmaps", namespace, name)
    }

    pub fn secret(&self, namespace: &str, name: &str) -> Option<Contents> {
        self.contents("secrets", namespace, name)
    }

    fn contents(&self, resource: &str, namespace: &str, name: &str) -> Option<Contents> {
        let raw: RawContents = self.get(&Key::new("", resource, namespace, name))?;
        let decode = |text: String| STANDARD.decode(text).unwrap_or_default();
        let is_secret = resource == "secrets";
        let plain = |text: String| if is_secret { decode(text) } else { text.into_bytes() };
        let text = raw.data.into_iter().map(|(key, value)| (key, plain(value)));
        let binary = raw.binary_data.into_iter().map(|(key, value)| (key, decode(value)));
        Some(Contents { data: text.chain(binary).collect() })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawContents {
    #[serde(default)]
    data: BTreeMap<String, String>,
    #[serde(default)]
    binary_data: BTreeMap<String, String>,
}

/// A view of an object. `null` means absent, as it does in the API.
pub fn read<T: DeserializeOwned>(object: &RawValue) -> Option<T> {
    let mut value: Value = serde_json::from_str(object.get()).ok()?;
    drop_nulls(&mut value);
    serde_json::from_value(value).ok()
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}
