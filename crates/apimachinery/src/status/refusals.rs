//! Every refusal, one function each: its code, its reason, its words.

use super::{Cause, Details, FieldError, ListMeta, Status, Subject, TypeMeta, Verdict, quoted};

/// `metav1.StatusReason…`
mod reason {
    pub(super) const BAD_REQUEST: &str = "BadRequest";
    pub(super) const INVALID: &str = "Invalid";
    pub(super) const NOT_FOUND: &str = "NotFound";
    pub(super) const ALREADY_EXISTS: &str = "AlreadyExists";
    pub(super) const CONFLICT: &str = "Conflict";
    pub(super) const EXPIRED: &str = "Expired";
    pub(super) const GONE: &str = "Gone";
    pub(super) const FORBIDDEN: &str = "Forbidden";
    pub(super) const UNAUTHORIZED: &str = "Unauthorized";
    pub(super) const METHOD_NOT_ALLOWED: &str = "MethodNotAllowed";
    pub(super) const NOT_ACCEPTABLE: &str = "NotAcceptable";
    pub(super) const UNSUPPORTED_MEDIA_TYPE: &str = "UnsupportedMediaType";
    pub(super) const TOO_LARGE: &str = "RequestEntityTooLarge";
    pub(super) const TOO_MANY_REQUESTS: &str = "TooManyRequests";
    pub(super) const TIMEOUT: &str = "Timeout";
    pub(super) const SERVER_TIMEOUT: &str = "ServerTimeout";
    pub(super) const INTERNAL_ERROR: &str = "InternalError";
    pub(super) const UNAVAILABLE: &str = "ServiceUnavailable";
}

/// What upstream says when an update was computed from an older revision than the one that stands
/// (`k8s.io/apiserver/pkg/registry/generic/registry/store.go`, OptimisticLockErrorMsg).
pub const MODIFIED: &str =
    "the object has been modified; please apply your changes to the latest version and try again";

impl Status {
    /// 200, with nothing to show.
    #[must_use]
    pub fn success() -> Status {
        Status { status: Verdict::Success, ..Status::failure(200, "", String::new()) }
    }

    /// 200: what a finished deletion answers.
    #[must_use]
    pub fn deleted(resource: Subject<'_>, name: &str, uid: &str) -> Status {
        let details = Details { uid: uid.to_owned(), ..resource.details(name) };
        Status::success().with(details)
    }

    /// 404: `pods "x" not found`.
    #[must_use]
    pub fn not_found(resource: Subject<'_>, name: &str) -> Status {
        Status::failure(404, reason::NOT_FOUND, format!("{resource} {} not found", quoted(name)))
            .with(resource.details(name))
    }

    /// 404 for a path that no resource answers.
    #[must_use]
    pub fn no_such_path() -> Status {
        let cause = Cause {
            reason: "UnexpectedServerResponse".into(),
            message: "404 page not found".into(),
            field: String::new(),
        };
        Status::failure(404, reason::NOT_FOUND, "the server could not find the requested resource".into())
            .with(Details { causes: vec![cause], ..Details::default() })
    }

    /// 409: `pods "x" already exists`.
    #[must_use]
    pub fn already_exists(resource: Subject<'_>, name: &str) -> Status {
        Status::failure(409, reason::ALREADY_EXISTS, format!("{resource} {} already exists", quoted(name)))
            .with(resource.details(name))
    }

    /// 409: a generated name met an object that has it already; the client may simply try again.
    #[must_use]
    pub fn generated_name_taken(resource: Subject<'_>, name: &str) -> Status {
        let why = format!(
            "{resource} {} already exists, the server was not able to generate a unique name for the object",
            quoted(name)
        );
        let details = Details { retry_after_seconds: Some(1), ..resource.details(name) };
        Status::failure(409, reason::ALREADY_EXISTS, why).with(details)
    }

    /// 409: `Operation cannot be fulfilled on pods "x": why`. [`MODIFIED`] is the usual why.
    #[must_use]
    pub fn conflict(resource: Subject<'_>, name: &str, why: &str) -> Status {
        let message = format!("Operation cannot be fulfilled on {resource} {}: {why}", quoted(name));
        Status::failure(409, reason::CONFLICT, message).with(resource.details(name))
    }

    /// 409: fields that other managers want otherwise, a cause each.
    #[must_use]
    pub fn apply_conflict(message: String, causes: Vec<Cause>) -> Status {
        Status::failure(409, reason::CONFLICT, message).with(Details { causes, ..Details::default() })
    }

    /// 422: `Pod "x" is invalid: spec.y: Required value`, several errors in brackets, repeated ones once.
    #[must_use]
    pub fn invalid(kind: Subject<'_>, name: &str, errors: Vec<FieldError>) -> Status {
        let message = format!("{kind} {} is invalid: {}", quoted(name), aggregated(&errors));
        let causes = errors.iter().map(Cause::from).collect();
        Status::failure(422, reason::INVALID, message).with(Details { causes, ..kind.details(name) })
    }

    /// 422 for a request that reads well and cannot be carried out; the why stands in the cause.
    #[must_use]
    pub fn unprocessable(why: &str) -> Status {
        let cause = Cause {
            reason: "UnexpectedServerResponse".into(),
            message: why.to_owned(),
            field: String::new(),
        };
        let message = "the server rejected our request due to an error in our request";
        Status::failure(422, reason::INVALID, message.into())
            .with(Details { causes: vec![cause], ..Details::default() })
    }

    /// 422 for a patch that can't be carried out. Upstream keeps the reason to itself (`errors.NewGenericServerResponse`), and
    /// clients show a cause instead of the message if there is one.
    #[must_use]
    pub fn patch_failed() -> Status {
        let message = "the server rejected our request due to an error in our request";
        Status::failure(422, reason::INVALID, message.into()).with(Details::default())
    }

    /// 400.
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Status {
        Status::failure(400, reason::BAD_REQUEST, message.into())
    }

    /// 405: `delete is not supported on resources of kind "pods"`.
    #[must_use]
    pub fn method_not_supported(resource: Subject<'_>, action: &str) -> Status {
        let message =
            format!("{action} is not supported on resources of kind {}", quoted(&resource.to_string()));
        Status::failure(405, reason::METHOD_NOT_ALLOWED, message).with(resource.details(""))
    }

    /// 410, of facts that are no longer kept.
    #[must_use]
    pub fn gone(message: impl Into<String>) -> Status {
        Status::failure(410, reason::GONE, message.into())
    }

    /// 410, of a continue token or a revision that has expired; a client starts again.
    #[must_use]
    pub fn expired(message: impl Into<String>) -> Status {
        Status::failure(410, reason::EXPIRED, message.into())
    }

    /// 413.
    #[must_use]
    pub fn too_large(why: &str) -> Status {
        Status::failure(413, reason::TOO_LARGE, format!("Request entity is too large: {why}"))
    }

    /// 415. `accepted` are media types.
    #[must_use]
    pub fn unsupported_media_type(accepted: &[&str]) -> Status {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {}",
            accepted.join(", ")
        );
        Status::failure(415, reason::UNSUPPORTED_MEDIA_TYPE, message)
    }

    /// 406. `offered` are media types.
    #[must_use]
    pub fn not_acceptable(offered: &[&str]) -> Status {
        let message = format!("only the following media types are accepted: {}", offered.join(", "));
        Status::failure(406, reason::NOT_ACCEPTABLE, message)
    }

    /// 504: the operation may have been done.
    #[must_use]
    pub fn timeout(message: &str, retry_after_seconds: u32) -> Status {
        Status::failure(504, reason::TIMEOUT, format!("Timeout: {message}")).retry_after(retry_after_seconds)
    }

    /// 504: a revision that lies in the future (`k8s.io/apiserver/pkg/storage/errors.go`, NewTooLargeResourceVersionError).
    #[must_use]
    pub fn too_large_resource_version(asked: u64, current: u64, retry_after_seconds: u32) -> Status {
        let mut status = Status::timeout(
            &format!("Too large resource version: {asked}, current: {current}"),
            retry_after_seconds,
        );
        let cause = Cause {
            reason: "ResourceVersionTooLarge".into(),
            message: "Too large resource version".into(),
            field: String::new(),
        };
        status.details_mut().causes.push(cause);
        status
    }

    /// 500, and yet the client should retry: the operation could not be completed just now.
    #[must_use]
    pub fn server_timeout(resource: Subject<'_>, action: &str, retry_after_seconds: u32) -> Status {
        let message = format!(
            "The {action} operation against {resource} could not be completed at this time, please try again."
        );
        let details = Details { retry_after_seconds: Some(retry_after_seconds), ..resource.details("") };
        Status::failure(500, reason::SERVER_TIMEOUT, message).with(details)
    }

    /// 500.
    #[must_use]
    pub fn internal(why: &str) -> Status {
        let cause = Cause { message: why.to_owned(), ..Cause::default() };
        Status::failure(500, reason::INTERNAL_ERROR, format!("Internal error occurred: {why}"))
            .with(Details { causes: vec![cause], ..Details::default() })
    }

    /// 500 without a reason: what upstream's `ErrorToAPIStatus` makes of an error that is no Status.
    #[must_use]
    pub fn unclassified(why: String) -> Status {
        Status::failure(500, "", why)
    }

    /// 403: `pods "x" is forbidden: why`.
    #[must_use]
    pub fn forbidden(resource: Subject<'_>, name: &str, why: &str) -> Status {
        let message = match (resource.noun, name) {
            ("", _) => format!("forbidden: {why}"),
            (_, "") => format!("{resource} is forbidden: {why}"),
            (_, name) => format!("{resource} {} is forbidden: {why}", quoted(name)),
        };
        Status::failure(403, reason::FORBIDDEN, message).with(resource.details(name))
    }

    /// 401.
    #[must_use]
    pub fn unauthorized() -> Status {
        Status::failure(401, reason::UNAUTHORIZED, "Unauthorized".into())
    }

    /// 429.
    #[must_use]
    pub fn too_many_requests(message: &str, retry_after_seconds: u32) -> Status {
        Status::failure(429, reason::TOO_MANY_REQUESTS, message.to_owned()).retry_after(retry_after_seconds)
    }

    /// 503.
    #[must_use]
    pub fn unavailable(message: impl Into<String>) -> Status {
        Status::failure(503, reason::UNAVAILABLE, message.into())
    }

    /// Adds a cause of a kind of its own, as eviction does with `DisruptionBudget`.
    #[must_use]
    pub fn caused_by(mut self, cause: Cause) -> Status {
        self.details_mut().causes.push(cause);
        self
    }

    /// Whether this says that something went wrong.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        self.status == Verdict::Failure
    }

    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.reason == reason::NOT_FOUND
    }

    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.reason == reason::CONFLICT
    }

    #[must_use]
    pub fn is_already_exists(&self) -> bool {
        self.reason == reason::ALREADY_EXISTS
    }

    fn failure(code: u16, reason: &'static str, message: String) -> Status {
        Status {
            type_meta: TypeMeta,
            metadata: ListMeta::default(),
            status: Verdict::Failure,
            message,
            reason: reason.into(),
            details: None,
            code,
        }
    }

    fn with(mut self, details: Details) -> Status {
        self.details = Some(Box::new(details));
        self
    }

    fn retry_after(mut self, seconds: u32) -> Status {
        self.details_mut().retry_after_seconds = Some(seconds);
        self
    }

    fn details_mut(&mut self) -> &mut Details {
        self.details.get_or_insert_default()
    }
}

/// One error as it is, several in brackets, each text once (`k8s.io/apimachinery/pkg/util/errors`, Aggregate).
fn aggregated(errors: &[FieldError]) -> String {
    let mut texts: Vec<String> = Vec::with_capacity(errors.len());
    for error in errors {
        let text = error.to_string();
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    match texts.len() {
        1 => texts.remove(0),
        _ => format!("[{}]", texts.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Path;
    use super::*;

    const PODS: Subject<'_> = Subject::new("", "pods");
    const DEPLOYMENTS: Subject<'_> = Subject::new("apps", "deployments");

    #[test]
    fn refusals_are_said_in_upstreams_words() {
        let cases = [
            (Status::not_found(PODS, "x"), 404, r#"pods "x" not found"#),
            (Status::already_exists(DEPLOYMENTS, "web"), 409, r#"deployments.apps "web" already exists"#),
            (
                Status::conflict(DEPLOYMENTS, "web", MODIFIED),
                409,
                r#"Operation cannot be fulfilled on deployments.apps "web": the object has been modified; please apply your changes to the latest version and try again"#,
            ),
            (Status::forbidden(PODS, "x", "no"), 403, r#"pods "x" is forbidden: no"#),
            (Status::forbidden(PODS, "", "no"), 403, "pods is forbidden: no"),
            (Status::too_large("limit is 3145728"), 413, "Request entity is too large: limit is 3145728"),
            (
                Status::method_not_supported(PODS, "patch"),
                405,
                r#"patch is not supported on resources of kind "pods""#,
            ),
        ];
        for (status, code, message) in cases {
            assert_eq!((status.code, status.message.as_str()), (code, message));
        }
    }

    #[test]
    fn one_invalid_field_stands_bare_and_several_stand_in_brackets_once_each() {
        let pod = Subject::new("", "Pod");
        let image = Path::of("spec.containers[0].image").required("");
        let one = Status::invalid(pod, "x", vec![image.clone()]);
        assert_eq!(one.message, r#"Pod "x" is invalid: spec.containers[0].image: Required value"#);
        let name = Path::of("metadata.name").required("name or generateName is required");
        let two = Status::invalid(pod, "", vec![image.clone(), name, image]);
        assert_eq!(
            two.message,
            r#"Pod "" is invalid: [spec.containers[0].image: Required value, metadata.name: Required value: name or generateName is required]"#
        );
    }
}
