//! Reviews: resources that are questions. They are answered, and nothing is recorded: who am I, may I, whose token.
//! They are declared here, since nothing of them is ever stored.

use http::{Response, StatusCode};
use rutter_apimachinery::kind::{Kind, Plain};
use rutter_apimachinery::registry::Registry;
use rutter_apimachinery::status::Status;
use serde_json::{Value, json};

use crate::authn::token::{self, ISSUER};
use crate::authn::{AUTHENTICATED, User};
use crate::body::Body;
use crate::chain::Call;
use crate::component;
use crate::encode::{object, respond};
use crate::request::Verb;

const AUTHENTICATION: &str = "authentication.k8s.io";
const AUTHORIZATION: &str = "authorization.k8s.io";

/// What is asked and done, and never stored.
pub const KINDS: [&Kind; 7] = [
    &unstored(AUTHENTICATION, "SelfSubjectReview", "selfsubjectreviews"),
    &unstored(AUTHENTICATION, "TokenReview", "tokenreviews"),
    &unstored(AUTHORIZATION, "LocalSubjectAccessReview", "localsubjectaccessreviews"),
    &unstored(AUTHORIZATION, "SelfSubjectAccessReview", "selfsubjectaccessreviews"),
    &unstored(AUTHORIZATION, "SelfSubjectRulesReview", "selfsubjectrulesreviews"),
    &unstored(AUTHORIZATION, "SubjectAccessReview", "subjectaccessreviews"),
    &unstored("", "Binding", "bindings"),
];

const fn unstored(group: &'static str, kind: &'static str, plural: &'static str) -> Kind {
    Kind { group, version: "v1", kind, plural, strategy: &Plain, columns: &[], sealed: false }
}

/// A registry with these beside what it has.
pub fn beside(registry: &Registry) -> Registry {
    let mut registry = registry.clone();
    for resource in
        Registry::of(&KINDS).resources().iter().chain(Registry::of(&[&component::KIND]).resources())
    {
        registry.add(resource.clone());
    }
    registry
}

/// Which question is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Review {
    /// `selfsubjectreviews`: who am I.
    Myself,
    /// `tokenreviews`: whose token is this.
    Token,
    /// `subjectaccessreviews` and its kin: may they.
    Access,
    /// `selfsubjectrulesreviews`: what may I.
    Rules,
}

/// The question that a request is; none for a request about objects.
pub fn of(call: &Call) -> Option<Review> {
    match (&*call.resource.group, &*call.resource.plural) {
        (AUTHENTICATION, "selfsubjectreviews") => Some(Review::Myself),
        (AUTHENTICATION, "tokenreviews") => Some(Review::Token),
        (
            AUTHORIZATION,
            "subjectaccessreviews" | "selfsubjectaccessreviews" | "localsubjectaccessreviews",
        ) => Some(Review::Access),
        (AUTHORIZATION, "selfsubjectrulesreviews") => Some(Review::Rules),
        _ => None,
    }
}

impl Review {
    /// # Errors
    /// 405 for what is not a POST, 400 for a body that can't be read.
    pub async fn serve(self, mut call: Call) -> Result<Response<Body>, Status> {
        if call.info.verb != Verb::Create {
            return Err(call.not_allowed());
        }
        let mut review = call.sent().await?.value()?;
        review["kind"] = json!(call.resource.kind);
        review["apiVersion"] = json!(call.resource.api_version());
        if !review["metadata"].is_object() {
            review["metadata"] = json!({});
        }
        review["status"] = match self {
            Review::Myself => json!({ "userInfo": info(&call.user) }),
            Review::Token => whose(&call, &review["spec"]),
            Review::Access => may(&call.user, &review["spec"]),
            Review::Rules => everything(),
        };
        let bytes = object::encode(
            call.accept,
            &call.resource,
            review.to_string().into(),
            object::include(&call.query)?,
        )?;
        Ok(respond::bytes(StatusCode::CREATED, call.accept.format.media_type(), bytes))
    }
}

fn info(user: &User) -> Value {
    let mut info = json!({ "username": user.name, "groups": user.groups });
    if !user.uid.is_empty() {
        info["uid"] = json!(user.uid);
    }
    if !user.extra.is_empty() {
        info["extra"] = json!(user.extra);
    }
    info
}

fn whose(call: &Call, spec: &Value) -> Value {
    let audiences: Vec<String> = spec["audiences"]
        .as_array()
        .map(|list| list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        .filter(|list: &Vec<String>| !list.is_empty())
        .unwrap_or_else(|| vec![ISSUER.to_owned()]);
    let text = spec["token"].as_str().unwrap_or_default();
    let claims = call.gateway.tokens.claims(text, &audiences);
    match claims.filter(|claims| token::holds(claims, &call.gateway.store)) {
        Some(claims) => {
            let meant: Vec<&String> =
                audiences.iter().filter(|audience| claims.aud.contains(audience)).collect();
            json!({ "authenticated": true, "user": info(&token::user(&claims)), "audiences": meant })
        }
        None => json!({ "authenticated": false, "error": "[invalid bearer token]" }),
    }
}

/// As `authz` decides: everybody who is authenticated.
fn may(user: &User, spec: &Value) -> Value {
    let groups = match spec.get("user").or(spec.get("groups")) {
        Some(_) => spec["groups"].as_array().cloned().unwrap_or_default(),
        None => user.groups.iter().map(|group| json!(group)).collect(),
    };
    let named = spec["user"].as_str().is_some_and(|name| name.starts_with("system:serviceaccount:"));
    let allowed = named || groups.iter().any(|group| group == AUTHENTICATED || group == "system:masters");
    json!({ "allowed": allowed })
}

fn everything() -> Value {
    json!({
        "incomplete": false,
        "resourceRules": [{ "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"] }],
        "nonResourceRules": [{ "verbs": ["*"], "nonResourceURLs": ["*"] }],
    })
}
