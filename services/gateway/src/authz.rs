//! Authorization: whether who asks may. The place for RBAC and the node authorizer; until they come, everybody who is
//! authenticated may do everything, and nobody else more than look whether we live.

use rutter_apimachinery::status::{Status, Subject};

use crate::authn::{AUTHENTICATED, User};
use crate::pages;
use crate::request::RequestInfo;
use crate::request::info::Target;

/// What upstream's role `system:public-info-viewer` lets everybody see.
const PUBLIC: [&str; 4] = ["/healthz", "/livez", "/readyz", "/version"];

/// # Errors
/// 403 in upstream's words; 401 is authentication's.
pub fn allow(user: &User, target: &Target, method: &http::Method) -> Result<(), Status> {
    if user.is_in(AUTHENTICATED) {
        return Ok(());
    }
    match target {
        Target::Page(path) if is_public(path) => Ok(()),
        // The token that it brings is asked for there.
        Target::Resource(info) if is_joining(info, method) => Ok(()),
        Target::Page(path) => Err(no_page(user, path, method)),
        Target::Resource(info) => Err(no_resource(user, info)),
        Target::Unreadable(_) => Err(no_page(user, "", method)),
    }
}

fn is_public(path: &str) -> bool {
    PUBLIC
        .iter()
        .any(|public| path.strip_prefix(public).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

fn is_joining(info: &RequestInfo, method: &http::Method) -> bool {
    let path = (info.group.as_str(), info.resource.as_str(), info.name.as_str());
    method == http::Method::POST && path == (pages::rutter::GROUP, "join", "")
}

fn no_page(user: &User, path: &str, method: &http::Method) -> Status {
    let verb = method.as_str().to_ascii_lowercase();
    let why = format!("User \"{}\" cannot {verb} path \"{path}\"", user.name);
    Status::forbidden(Subject::new("", ""), "", &why)
}

fn no_resource(user: &User, info: &RequestInfo) -> Status {
    let resource = match info.subresource.as_str() {
        "" => info.resource.clone(),
        subresource => format!("{}/{subresource}", info.resource),
    };
    let place = match info.namespace.as_str() {
        "" => "at the cluster scope".to_owned(),
        namespace => format!("in the namespace \"{namespace}\""),
    };
    let why = format!(
        "User \"{}\" cannot {} resource \"{resource}\" in API group \"{}\" {place}",
        user.name,
        info.verb.as_str(),
        info.group
    );
    Status::forbidden(Subject::new(&info.group, &info.resource), &info.name, &why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Query;
    use crate::request::info::read;
    use http::Method;

    fn refusal(path: &str) -> Option<String> {
        let target = read(&Method::GET, path, &Query::default());
        allow(&User::anonymous(), &target, &Method::GET).err().map(|status| status.message)
    }

    #[test]
    fn who_is_nobody_sees_whether_we_live_and_nothing_else() {
        for path in ["/livez", "/readyz", "/healthz/log", "/version"] {
            assert_eq!(refusal(path), None, "{path}");
        }
        assert_eq!(
            refusal("/api").as_deref(),
            Some("forbidden: User \"system:anonymous\" cannot get path \"/api\"")
        );
        assert_eq!(
            refusal("/apis/apps/v1/namespaces/a/deployments").as_deref(),
            Some(
                "deployments.apps is forbidden: User \"system:anonymous\" cannot list resource \"deployments\" in API group \"apps\" in the namespace \"a\""
            )
        );
        assert_eq!(
            refusal("/api/v1/nodes/n/status").as_deref(),
            Some(
                "nodes \"n\" is forbidden: User \"system:anonymous\" cannot get resource \"nodes/status\" in API group \"\" at the cluster scope"
            )
        );
    }
}
