//! `metav1.DeleteOptions`: how a deletion is asked for.

use serde::Deserialize;
use serde_json::Value;

use crate::status::{FieldError, Path, Status, Subject};

/// How, and on what condition, something is to be deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeleteOptions {
    /// Seconds; zero means at once. None: as long as the kind gives.
    pub grace_period_seconds: Option<i64>,
    pub preconditions: Preconditions,
    /// The older form of `propagation_policy`.
    pub orphan_dependents: Option<bool>,
    pub propagation_policy: Option<Propagation>,
    /// `["All"]`: decide, and record nothing.
    pub dry_run: Vec<String>,
}

/// What must be true of the object for the request to be carried out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Preconditions {
    pub uid: Option<String>,
    pub resource_version: Option<String>,
}

/// What becomes of the dependents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Propagation {
    /// They are left alone, and lose their owner reference.
    Orphan,
    /// They go after it.
    Background,
    /// It goes after them.
    Foreground,
}

impl DeleteOptions {
    /// Reads the body of a DELETE; an empty object asks for the defaults.
    ///
    /// # Errors
    /// 400 when it is not a DeleteOptions, 422 when it contradicts itself
    /// (`k8s.io/apimachinery/pkg/apis/meta/v1/validation/validation.go`, ValidateDeleteOptions).
    pub fn from_value(body: Value) -> Result<DeleteOptions, Status> {
        let mut body = body;
        let policy = body.get("propagationPolicy").and_then(Value::as_str).map(str::to_owned);
        let mut errors = Vec::new();
        if let Some(policy) = policy
            && !["Foreground", "Background", "Orphan"].contains(&policy.as_str())
        {
            errors.push(unknown_policy(&policy));
            body["propagationPolicy"] = Value::Null;
        }
        if let Some(object) = body.as_object_mut() {
            object.retain(|_, value| !value.is_null());
        }
        let options: DeleteOptions = serde_json::from_value(body)
            .map_err(|error| Status::bad_request(format!("unable to decode DeleteOptions: {error}")))?;
        errors.extend(options.contradictions());
        match errors.is_empty() {
            true => Ok(options),
            false => Err(Status::invalid(Subject::new("meta.k8s.io", "DeleteOptions"), "", errors)),
        }
    }

    /// Whether nothing is to be recorded.
    #[must_use]
    pub fn is_dry_run(&self) -> bool {
        !self.dry_run.is_empty()
    }

    fn contradictions(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if self.orphan_dependents.is_some() && self.propagation_policy.is_some() {
            let path = Path::of("propagationPolicy");
            errors.push(path.invalid(
                self.propagation_policy.map_or("", Propagation::word),
                "orphanDependents and deletionPropagation cannot be both set",
            ));
        }
        if self.dry_run.iter().any(|word| word != "All") {
            errors.push(Path::of("dryRun").not_supported(self.dry_run.clone(), &["All"]));
        }
        errors
    }
}

impl Propagation {
    /// As the API spells it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Propagation::Orphan => "Orphan",
            Propagation::Background => "Background",
            Propagation::Foreground => "Foreground",
        }
    }
}

fn unknown_policy(policy: &str) -> FieldError {
    Path::of("propagationPolicy").not_supported(policy, &["Foreground", "Background", "Orphan", "nil"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn delete_options_are_read_from_a_body() {
        let body = json!({"kind": "DeleteOptions", "gracePeriodSeconds": 0, "propagationPolicy": "Foreground",
            "preconditions": {"uid": "u"}});
        let options = DeleteOptions::from_value(body).unwrap();
        assert_eq!(options.grace_period_seconds, Some(0));
        assert_eq!(options.propagation_policy, Some(Propagation::Foreground));
        assert_eq!(options.preconditions.uid.as_deref(), Some("u"));
        assert_eq!(DeleteOptions::from_value(json!({})).unwrap(), DeleteOptions::default());
    }

    #[test]
    fn contradicting_options_are_refused_by_field() {
        let both =
            DeleteOptions::from_value(json!({"orphanDependents": true, "propagationPolicy": "Orphan"}));
        assert_eq!(
            both.unwrap_err().message,
            "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Invalid value: \"Orphan\": \
             orphanDependents and deletionPropagation cannot be both set"
        );
        let unknown = DeleteOptions::from_value(json!({"propagationPolicy": "Later"})).unwrap_err();
        assert_eq!(unknown.code, 422);
    }
}
