//! With every published resource served, discovery tells what upstream's discovery told, document for document.

mod published;

use published::everything;
use rutter_apimachinery::discovery::{self, Root, Version};

#[test]
fn plain_documents_are_as_published() {
    let Some(published) = published::document("discovery-1.36.json") else { return };
    let registry = everything();
    assert_eq!(discovery::api_versions("10.10.10.10:8050"), published["api"]);
    assert_eq!(discovery::group_list(&registry), published["apis"]);
    for (name, document) in published.as_object().unwrap() {
        let told = match name.split("__").collect::<Vec<_>>()[..] {
            ["api", version] => discovery::resource_list(&registry, "", version),
            ["apis", group] => discovery::group(&registry, group),
            ["apis", group, version] => discovery::resource_list(&registry, group, version),
            _ => continue,
        };
        assert_eq!(told.as_ref(), Some(document), "{name}");
    }
}

#[test]
fn the_aggregated_document_is_as_published() {
    let Some(published) = published::document("discovery-1.36.json") else { return };
    let told = discovery::aggregated(&everything(), Root::Groups, Version::V2);
    assert_eq!(told["items"], published["aggregated_v2"]["items"]);
    assert_eq!(told, published["aggregated_v2"]);
}
