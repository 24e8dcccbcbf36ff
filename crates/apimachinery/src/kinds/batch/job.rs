//! Job (`pkg/registry/batch/job/strategy.go`, `pkg/apis/batch/v1/defaults.go`,
//! `pkg/apis/batch/validation/validation.go` ValidateJob).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::json::{carry, default, is_empty, items, text};
use crate::kind::{Cx, Kind, Strategy};
use crate::kinds::apps::selector_told;
use crate::kinds::columns::{AGE, CONTAINERS, IMAGES, NAME, human_duration, string, wide};
use crate::kinds::pod_spec::{default_template, validate_template};
use crate::status::{FieldError, Path};
use crate::validation::{immutable, non_negative};

pub(crate) const JOB: Kind = Kind {
    group: "batch",
    version: "v1",
    kind: "Job",
    plural: "jobs",
    strategy: &Job,
    columns: &[
        NAME,
        string("Status", "How far it is.", |job, _| json!(state(job))),
        string("Completions", "How many pods have succeeded, of how many.", |job, _| json!(completions(job))),
        string("Duration", "How long it has been running.", |job, now| json!(duration(job, now))),
        AGE,
        CONTAINERS,
        IMAGES,
        wide("Selector", "The labels of its pods.", |job, _| selector_told(job)),
    ],
    sealed: false,
};

struct Job;

const UID_LABELS: [&str; 2] = ["batch.kubernetes.io/controller-uid", "controller-uid"];
const NAME_LABELS: [&str; 2] = ["batch.kubernetes.io/job-name", "job-name"];

/// A job without labels has those of its pods (`SetDefaults_Job`).
fn default_labels(job: &mut Value) {
    let template_labels = job["spec"]["template"]["metadata"]["labels"].clone();
    if is_empty(&job["metadata"]["labels"]) && !is_empty(&template_labels) {
        job["metadata"]["labels"] = template_labels;
    }
}

impl Strategy for Job {
    fn orphans_by_default(&self) -> bool {
        true
    }

    fn default(&self, job: &mut Value, _: &Cx) {
        default_labels(job);
        if let Some(spec) = job.get_mut("spec") {
            default_spec(spec);
        }
    }

    fn prepare_create(&self, job: &mut Value, _: &Cx) {
        job["status"] = json!({});
        if job["spec"]["manualSelector"] != true && job["spec"].is_object() {
            choose_own_pods(job);
            // Upstream defaults what it reads back from its store, too.
            default_labels(job);
        }
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate_create(&self, job: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        validate_spec(&job["spec"], &Path::of("spec"), errors);
        if is_empty(&job["spec"]["selector"]) {
            errors.push(Path::of("spec.selector").required(""));
        }
    }

    /// A job stays what it was; it may be suspended, sped up, and given another deadline.
    fn validate_update(&self, new: &Value, old: &Value, cx: &Cx, errors: &mut Vec<FieldError>) {
        if cx.is_status() {
            return;
        }
        self.validate_create(new, cx, errors);
        let path = Path::of("spec");
        for field in ["completions", "selector", "completionMode", "podFailurePolicy", "backoffLimitPerIndex"]
        {
            immutable(&new["spec"][field], &old["spec"][field], &path.child(field), errors);
        }
        let mut template = new["spec"]["template"].clone();
        if old["spec"]["suspend"] == true && old["status"]["startTime"].is_null() {
            carry(&mut template, &old["spec"]["template"], "metadata");
            for field in ["nodeSelector", "affinity", "tolerations", "schedulingGates"] {
                carry(&mut template["spec"], &old["spec"]["template"]["spec"], field);
            }
        }
        immutable(&template, &old["spec"]["template"], &path.child("template"), errors);
    }

    fn selectable(&self, job: &Value) -> BTreeMap<String, String> {
        let succeeded = job["status"]["succeeded"].as_i64().unwrap_or(0);
        BTreeMap::from([("status.successful".into(), succeeded.to_string())])
    }

    fn selectable_names(&self) -> &'static [&'static str] {
        &["status.successful"]
    }

    fn fact(&self, before: Option<&Value>, after: &Value) -> Option<&'static str> {
        let before = before?;
        match (state(before), state(after)) {
            (was, is) if was == is => None,
            (_, "Complete") => Some("JobCompleted"),
            (_, "Failed") => Some("JobFailed"),
            (_, "Suspended") => Some("JobSuspended"),
            ("Suspended", _) => Some("JobResumed"),
            _ => None,
        }
    }
}

fn default_spec(spec: &mut Value) {
    if !spec.is_object() {
        return;
    }
    if spec["completions"].is_null() && spec["parallelism"].is_null() {
        spec["completions"] = json!(1);
    }
    default(spec, "parallelism", 1);
    let forgiving = !spec["backoffLimitPerIndex"].is_null();
    default(spec, "backoffLimit", if forgiving { i32::MAX } else { 6 });
    default(spec, "completionMode", "NonIndexed");
    default(spec, "suspend", false);
    let replacement = if spec["podFailurePolicy"].is_null() { "TerminatingOrFailed" } else { "Failed" };
    default(spec, "podReplacementPolicy", replacement);
    default_template_only(spec);
}

/// A CronJob's template of a Job gets the defaults of its pods now, and those of the Job when one is made.
pub(super) fn default_template_only(spec: &mut Value) {
    if let Some(template) = spec.get_mut("template").and_then(|template| template.get_mut("spec")) {
        default_template(template);
    }
}

/// A job's pods are told apart by its uid (`generateSelector`).
fn choose_own_pods(job: &mut Value) {
    let (uid, name) = (job["metadata"]["uid"].clone(), job["metadata"]["name"].clone());
    let labels = &mut job["spec"]["template"]["metadata"]["labels"];
    if labels.is_null() {
        *labels = json!({});
    }
    UID_LABELS.iter().for_each(|label| labels[*label] = uid.clone());
    NAME_LABELS.iter().for_each(|label| labels[*label] = name.clone());
    let selector = &mut job["spec"]["selector"];
    if selector["matchLabels"].is_null() {
        *selector = json!({"matchLabels": {}});
    }
    selector["matchLabels"][UID_LABELS[0]] = uid;
}

/// `validateJobSpec`
pub(super) fn validate_spec(spec: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    for field in [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ] {
        non_negative(&spec[field], &path.child(field), errors);
    }
    match text(spec, "completionMode") {
        "" | "NonIndexed" => {}
        "Indexed" if spec["completions"].is_null() => {
            errors.push(path.child("completions").required("when completion mode is Indexed"));
        }
        "Indexed" => {}
        other => errors.push(path.child("completionMode").not_supported(other, &["Indexed", "NonIndexed"])),
    }
    let template = path.child("template");
    validate_template(&spec["template"], &template, errors);
    let policy = text(&spec["template"]["spec"], "restartPolicy");
    if policy == "Always" {
        let place = template.child("spec");
        errors.push(place.child("restartPolicy").required("valid values: \"OnFailure\", \"Never\""));
    }
}

fn condition(job: &Value, kind: &str) -> bool {
    let conditions = items(&job["status"]["conditions"]);
    conditions.iter().any(|condition| condition["type"] == kind && condition["status"] == "True")
}

fn state(job: &Value) -> &'static str {
    let known = [
        ("Complete", "Complete"),
        ("Failed", "Failed"),
        ("FailureTarget", "FailureTarget"),
        ("SuccessCriteriaMet", "SuccessCriteriaMet"),
        ("Suspended", "Suspended"),
    ];
    let found = known.iter().find(|(kind, _)| condition(job, kind)).map(|(_, told)| *told);
    match found {
        Some("FailureTarget" | "SuccessCriteriaMet" | "Suspended") | None
            if !is_empty(&job["metadata"]["deletionTimestamp"]) =>
        {
            "Terminating"
        }
        Some(told) => told,
        None => "Running",
    }
}

fn completions(job: &Value) -> String {
    let succeeded = job["status"]["succeeded"].as_i64().unwrap_or(0);
    match (job["spec"]["completions"].as_i64(), job["spec"]["parallelism"].as_i64().unwrap_or(0)) {
        (Some(wanted), _) => format!("{succeeded}/{wanted}"),
        (None, parallel) if parallel > 1 => format!("{succeeded}/1 of {parallel}"),
        (None, _) => format!("{succeeded}/1"),
    }
}

fn duration(job: &Value, now: Timestamp) -> String {
    let time = |field: &str| text(&job["status"], field).parse::<Timestamp>().ok();
    let Some(start) = time("startTime") else { return String::new() };
    let end = time("completionTime").unwrap_or(now);
    human_duration(end.duration_since(start).as_secs())
}
