//! The verbs: what a request for a resource does. Each file is one verb's story, from the options it reads to the answer
//! it gives; what they share is the call, the store and the encodings.

mod body;
pub mod create;
pub mod delete;
pub mod get;
pub mod list;
pub mod options;
pub mod patch;
mod told;
pub mod update;
pub mod watch;

use http::Response;
use rutter_apimachinery::status::{Status, Subject};
use rutter_apimachinery::write::{WriteCx, resource_subject};
use rutter_schemas::{Key, Uuid};

use crate::body::Body;
use crate::chain::Call;
use crate::component;
use crate::convert::stored_group;
use crate::request::{RequestInfo, Verb};
use crate::subresource;

pub use body::Sent;
pub use told::Told;

/// Does what is asked.
///
/// # Errors
/// The Status that the client gets.
pub async fn serve(call: Call) -> Result<Response<Body>, Status> {
    if !call.info.subresource.is_empty() {
        return subresource::serve(call).await;
    }
    if let Some(review) = crate::review::of(&call) {
        return review.serve(call).await;
    }
    if component::is_asked(&call) {
        return component::serve(&call);
    }
    if subresource::binding::is_asked(&call) {
        return subresource::binding::of_named(call).await;
    }
    if !call.resource.allows(call.info.verb.as_str()) || !is_routed(&call.info) {
        return Err(call.not_allowed());
    }
    match call.info.verb {
        Verb::Get => get::serve(call).await,
        Verb::List => list::serve(call).await,
        Verb::Watch => watch::serve(call).await,
        Verb::Create => create::serve(call).await,
        Verb::Update => update::serve(call).await,
        Verb::Patch => patch::serve(call).await,
        Verb::Delete => delete::one(call).await,
        Verb::DeleteCollection => delete::collection(call).await,
        Verb::Other => Err(call.not_allowed()),
    }
}

/// Collections are posted to; single objects are put, patched and deleted. What lies in a namespace is made in one.
fn is_routed(info: &RequestInfo) -> bool {
    match info.verb {
        Verb::Create => info.name.is_empty(),
        Verb::Update | Verb::Patch => !info.name.is_empty(),
        _ => true,
    }
}

/// Subresources whose answers are streams or pages of somebody else; what the client accepts is not ours to negotiate.
pub fn chooses_its_own_form(info: &RequestInfo) -> bool {
    matches!(info.subresource.as_str(), "log" | "exec" | "attach" | "portforward" | "proxy")
}

impl Call {
    pub fn key(&self) -> Key {
        self.key_of(&self.info.name)
    }

    pub fn key_of(&self, name: &str) -> Key {
        let namespace = if self.resource.namespaced { self.info.namespace.as_str() } else { "" };
        Key::new(stored_group(&self.resource), &self.resource.plural, namespace, name)
    }

    /// The resource in messages.
    pub fn subject(&self) -> Subject<'_> {
        resource_subject(&self.resource)
    }

    pub fn not_found(&self) -> Status {
        Status::not_found(self.subject(), &self.info.name)
    }

    /// 405, as upstream's router says it.
    pub fn not_allowed(&self) -> Status {
        crate::pages::method_not_allowed()
    }

    /// What a write needs to know of this request. `uid` is new for every try.
    pub fn cx(&self, uid: Uuid) -> WriteCx<'_> {
        WriteCx {
            now: jiff::Timestamp::now(),
            uid,
            namespace: if self.resource.namespaced { &self.info.namespace } else { "" },
            name: &self.info.name,
            user: &self.user.name,
            field_manager: options::field_manager(&self.query, &self.headers),
        }
    }
}
