//! Bytes that say they are protobuf: refused, or an object that encodes to bytes that mean the same.

use rutter_apimachinery::protobuf;
use rutter_apimachinery::tables::GroupVersionKind;

pub fn one(data: &[u8]) {
    let default = GroupVersionKind { group: "".into(), version: "v1".into(), kind: "Pod".into() };
    let Ok(object) = protobuf::decode(data, Some(&default)) else { return };
    let Ok(encoded) = protobuf::encode(&object) else { return };
    let again = protobuf::decode(&encoded, Some(&default)).expect("what was encoded can be decoded");
    assert_eq!(protobuf::encode(&again).expect("it encodes again"), encoded);
}
