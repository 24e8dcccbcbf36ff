//! A body of any resource, in JSON or YAML: it is refused, or it is a whole object that can be stored, told and
//! written again. First line: the plural, `yaml` and `strict` behind it where wanted.

use super::{cx, is_settled, parted, resource, stored};
use rutter_apimachinery::decode::{self, FieldValidation};
use rutter_apimachinery::table::{self, Asked, Include, Version};
use rutter_apimachinery::{protobuf, write};

pub fn one(data: &[u8]) {
    let (choice, body) = parted(data);
    let mut words = choice.split(' ');
    let resource = resource(words.next().unwrap_or_default());
    let words: Vec<&str> = words.collect();
    let validation = if words.contains(&"strict") { FieldValidation::Strict } else { FieldValidation::Warn };
    let decoded = match words.contains(&"yaml") {
        true => decode::from_yaml(body, &resource, validation),
        false => decode::from_json(body, &resource, validation),
    };
    let Ok(decoded) = decoded else { return };
    let Ok(draft) = write::create(&resource, "", decoded.object, &cx(&resource)) else { return };
    let object = stored(&draft);
    is_settled(&resource, &object);
    let encoded = protobuf::encode(&object).expect("what is stored can be encoded");
    let back = protobuf::decode(&encoded, None).expect("what was encoded can be decoded");
    assert_eq!(protobuf::encode(&back).expect("it can be encoded again"), encoded);
    decode::patched(back, &resource, FieldValidation::Strict).expect("it has the shape of its kind");
    let asked = Asked { version: Version::V1, include: Include::Metadata, now: jiff::Timestamp::UNIX_EPOCH };
    let _ = table::row(&resource, object, &asked);
}
