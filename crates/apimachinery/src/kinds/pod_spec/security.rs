//! The rules for security contexts (`pkg/apis/core/validation/validation.go`, validatePodSpecSecurityContext,
//! ValidateSecurityContext).

use serde_json::Value;

use crate::json::{items, text};
use crate::status::{FieldError, Path};

/// Users and groups are 31-bit numbers.
const ID_MAX: i64 = i32::MAX as i64;

pub(super) fn pod(spec: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let (context, place) = (&spec["securityContext"], path.child("securityContext"));
    for field in ["fsGroup", "runAsUser", "runAsGroup"] {
        id(&context[field], &place.child(field), errors);
    }
    let groups = place.child("supplementalGroups");
    for (index, group) in items(&context["supplementalGroups"]).iter().enumerate() {
        id(group, &groups.index(index), errors);
    }
    if spec["shareProcessNamespace"] == true && spec["hostPID"] == true {
        let why = "ShareProcessNamespace and HostPID cannot both be enabled";
        errors.push(place.child("shareProcessNamespace").invalid(true, why));
    }
    if spec["hostUsers"] == false {
        for field in ["hostNetwork", "hostPID", "hostIPC"].into_iter().filter(|field| spec[*field] == true) {
            errors.push(path.child(field).forbidden("when `pod.Spec.HostUsers` is false"));
        }
    }
    let policy = text(context, "fsGroupChangePolicy");
    if !policy.is_empty() && !["Always", "OnRootMismatch"].contains(&policy) {
        let known = ["Always", "OnRootMismatch"];
        errors.push(place.child("fsGroupChangePolicy").not_supported(policy, &known));
    }
    sysctls(context, &place.child("sysctls"), errors);
    profiles(context, &place, errors);
}

pub(super) fn container(context: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if context.is_null() {
        return;
    }
    for field in ["runAsUser", "runAsGroup"] {
        id(&context[field], &path.child(field), errors);
    }
    if context["allowPrivilegeEscalation"] == false {
        let place = path.child("allowPrivilegeEscalation");
        let added = items(&context["capabilities"]["add"]);
        if context["privileged"] == true {
            errors.push(path.invalid(
                context.clone(),
                "cannot set `allowPrivilegeEscalation` to false and `privileged` to true",
            ));
        }
        if added.iter().any(|one| one == "CAP_SYS_ADMIN") {
            let why = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
            errors.push(place.invalid(context["allowPrivilegeEscalation"].clone(), why));
        }
    }
    profiles(context, path, errors);
}

fn id(value: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if let Some(number) = value.as_i64()
        && !(0..=ID_MAX).contains(&number)
    {
        errors.push(path.invalid(number, &crate::validation::range(0, ID_MAX)));
    }
}

fn sysctls(context: &Value, list: &Path<'_>, errors: &mut Vec<FieldError>) {
    let mut seen = Vec::new();
    for (index, sysctl) in items(&context["sysctls"]).iter().enumerate() {
        let path = list.index(index);
        let name = text(sysctl, "name");
        if name.is_empty() {
            errors.push(path.child("name").required(""));
        } else if !is_sysctl(name) {
            let why = "must have at most 253 characters and match regex \
                       ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";
            errors.push(path.child("name").invalid(name, why));
        } else if seen.contains(&name) {
            errors.push(path.child("name").duplicate(name));
        }
        seen.push(name);
    }
}

fn is_sysctl(name: &str) -> bool {
    let is_segment = |segment: &str| {
        let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        segment.starts_with(ends)
            && segment.ends_with(ends)
            && segment.chars().all(|c| ends(c) || c == '-' || c == '_')
    };
    name.len() <= 253 && name.split(['.', '/']).all(is_segment)
}

fn profiles(context: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    for (field, word) in [("seccompProfile", "seccomp"), ("appArmorProfile", "AppArmor")] {
        if !context[field].is_null() {
            profile(&context[field], field, word, &path.child(field), errors);
        }
    }
}

fn profile(profile: &Value, field: &str, word: &str, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    const KNOWN: [&str; 3] = ["Localhost", "RuntimeDefault", "Unconfined"];
    let local = path.child("localhostProfile");
    match text(profile, "type") {
        "" => errors.push(path.child("type").required(&format!("type is required when {field} is set"))),
        "Localhost" if text(profile, "localhostProfile").is_empty() => {
            errors.push(local.required(&format!("must be set when {word} type is Localhost")));
        }
        "Localhost" => {}
        "RuntimeDefault" | "Unconfined" if !profile["localhostProfile"].is_null() => {
            let why = format!("can only be set when {word} type is Localhost");
            errors.push(local.invalid(profile["localhostProfile"].clone(), &why));
        }
        "RuntimeDefault" | "Unconfined" => {}
        other => errors.push(path.child("type").not_supported(other, &KNOWN)),
    }
}
