//! A patch of any kind on a stored object: it is refused, or leaves an object that is refused or can be written; what
//! is done twice is done once. First line: the plural, and json, merge, strategic or apply. The second line is the
//! object (an empty one stands for a known good Pod), the rest is the patch.

use super::{cx, is_settled, parted, resource, stored};
use rutter_apimachinery::decode::{self, FieldValidation};
use rutter_apimachinery::patch::{self, Applying};
use rutter_apimachinery::write;
use serde_json::Value;

const POD: &[u8] = br#"{"metadata":{"name":"p","labels":{"a":"b"},"finalizers":["x/y"]},"spec":{"containers":[
    {"name":"c","image":"i","ports":[{"containerPort":80}],"env":[{"name":"A","value":"b"}]},{"name":"d","image":"j"}],
    "tolerations":[{"key":"k","operator":"Exists"}],"volumes":[{"name":"v","emptyDir":{}}]}}"#;

pub fn one(data: &[u8]) {
    let (choice, rest) = parted(data);
    let (object, body) = parted(rest);
    let (plural, way) = choice.split_once(' ').unwrap_or((choice, ""));
    let (resource, object) = match object {
        "" => (resource("pods"), POD),
        object => (resource(plural), object.as_bytes()),
    };
    let Ok(decoded) = decode::from_json(object, &resource, FieldValidation::Ignore) else { return };
    let Ok(draft) = write::create(&resource, "", decoded.object, &cx(&resource)) else { return };
    let before = stored(&draft);
    let Ok(patch) = serde_json::from_slice::<Value>(body) else { return };
    let patched = |object: &Value| match way {
        "json" => patch::json(object, &patch),
        "merge" => patch::merge(object, &patch),
        "apply" => {
            let applying = Applying {
                manager: "fuzz",
                force: patch.get("force").is_some(),
                subresource: "",
                now: jiff::Timestamp::UNIX_EPOCH,
            };
            patch::apply(&resource, Some(object), &patch, &applying)
        }
        _ => patch::strategic(&resource, object, &patch),
    };
    let Ok(once) = patched(&before) else { return };
    if way == "merge" {
        assert_eq!(patched(&once).expect("it fits again"), once, "done twice is done once");
    }
    let Ok(shaped) = decode::patched(once, &resource, FieldValidation::Warn) else { return };
    let Ok(Some(draft)) = write::update(&resource, "", &before, shaped.object, &cx(&resource)) else {
        return;
    };
    is_settled(&resource, &stored(&draft));
}
