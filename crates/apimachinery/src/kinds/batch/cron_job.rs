//! CronJob (`pkg/registry/batch/cronjob/strategy.go`, `pkg/apis/batch/v1/defaults.go`,
//! `pkg/apis/batch/validation/validation.go` ValidateCronJob).

use serde_json::{Value, json};

use super::job;
use crate::json::{default, items, text};
use crate::kind::{Cx, Kind, Strategy};
use crate::kinds::columns::{AGE, NAME, NONE, integer, or_none, since, string, wide};
use crate::status::{FieldError, Path};
use crate::validation::non_negative;

pub(crate) const CRON_JOB: Kind = Kind {
    group: "batch",
    version: "v1",
    kind: "CronJob",
    plural: "cronjobs",
    strategy: &CronJob,
    columns: &[
        NAME,
        string("Schedule", "When its jobs start.", |cron, _| json!(text(&cron["spec"], "schedule"))),
        string("Timezone", "Where that time is told.", |cron, _| or_none(text(&cron["spec"], "timeZone"))),
        string("Suspend", "Whether it rests.", |cron, _| {
            json!(if cron["spec"]["suspend"] == true { "True" } else { "False" })
        }),
        integer("Active", "How many of its jobs run.", |cron, _| {
            json!(items(&cron["status"]["active"]).len())
        }),
        string("Last Schedule", "How long ago a job started.", |cron, now| {
            match &cron["status"]["lastScheduleTime"] {
                Value::Null => json!(NONE),
                time => since(time, now),
            }
        }),
        AGE,
        wide("Containers", "The names of its jobs' containers.", |cron, _| containers(cron, "name")),
        wide("Images", "The images of its jobs' containers.", |cron, _| containers(cron, "image")),
    ],
    sealed: false,
};

/// Names get a suffix of eleven characters when jobs are made.
const NAME_MAX: usize = 52;

struct CronJob;

impl Strategy for CronJob {
    fn default(&self, cron: &mut Value, _: &Cx) {
        let Some(spec) = cron.get_mut("spec").filter(|spec| spec.is_object()) else { return };
        default(spec, "concurrencyPolicy", "Allow");
        default(spec, "suspend", false);
        default(spec, "successfulJobsHistoryLimit", 3);
        default(spec, "failedJobsHistoryLimit", 1);
        if let Some(template) = spec.get_mut("jobTemplate").and_then(|template| template.get_mut("spec")) {
            job::default_template_only(template);
        }
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate_create(&self, cron: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        let (spec, path) = (&cron["spec"], Path::of("spec"));
        if text(&cron["metadata"], "name").len() > NAME_MAX {
            let name = text(&cron["metadata"], "name");
            let why = format!("must be no more than {NAME_MAX} characters");
            errors.push(Path::of("metadata.name").invalid(name, &why));
        }
        schedule(text(spec, "schedule"), &path.child("schedule"), errors);
        let policy = text(spec, "concurrencyPolicy");
        if !["Allow", "Forbid", "Replace"].contains(&policy) {
            let known = ["Allow", "Forbid", "Replace"];
            errors.push(path.child("concurrencyPolicy").not_supported(policy, &known));
        }
        for field in ["startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"] {
            non_negative(&spec[field], &path.child(field), errors);
        }
        let template = path.child("jobTemplate");
        job::validate_spec(&spec["jobTemplate"]["spec"], &template.child("spec"), errors);
    }
}

/// The form of a schedule: five fields, or a word such as `@daily`. What the fields say is for who runs it to read.
fn schedule(text: &str, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if text.is_empty() {
        errors.push(path.required(""));
        return;
    }
    let words = text.split_whitespace().count();
    let is_word = text.starts_with('@') && (words == 1 || text.starts_with("@every "));
    if !is_word && words != 5 {
        let why = format!("expected exactly 5 fields, found {words}: [{text}]");
        errors.push(path.invalid(text, &why));
    }
}

fn containers(cron: &Value, field: &str) -> Value {
    let containers = items(&cron["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]);
    json!(containers.iter().map(|container| text(container, field)).collect::<Vec<_>>().join(","))
}
