//! Images, and what operators are told of them.

use std::time::{Duration, Instant};

use rutter_apimachinery::recorder::{Note, Regarding, Severity as Told};
use rutter_nodeagent_core::machine::{Input, Severity};
use rutter_nodeagent_core::view::{Meta, PullPolicy};

use super::Workshop;
use crate::runtime::Runtime;

impl Workshop {
    pub(super) async fn ensure_image(
        &self,
        meta: &Meta,
        container: String,
        image: &str,
        policy: PullPolicy,
    ) -> Input {
        let tell = |reason, message| self.record(meta, Severity::Normal, reason, message, Some(&container));
        let had = match self.runtime.present_image(image, policy).await {
            Ok(Some(image_ref)) => {
                tell("Pulled", format!("Container image {image:?} already present on machine"));
                Ok(image_ref)
            }
            Ok(None) => {
                tell("Pulling", format!("Pulling image {image:?}"));
                let began = Instant::now();
                let pulled = self.runtime.pull_image(image).await;
                if pulled.is_ok() {
                    tell(
                        "Pulled",
                        format!("Successfully pulled image {image:?} in {}", took(began.elapsed())),
                    );
                }
                pulled
            }
            Err(why) => Err(why),
        };
        match had {
            Ok(image_ref) => Input::ImageReady { container, image_ref },
            Err(why) => Input::ImageFailed { container, reason: why.reason.to_owned(), message: why.message },
        }
    }

    /// Tells operators something about a pod, or a container of it.
    pub(super) fn record(
        &self,
        meta: &Meta,
        severity: Severity,
        reason: &'static str,
        message: String,
        container: Option<&str>,
    ) {
        if matches!(self.runtime, Runtime::Sim(_)) {
            return;
        }
        let regarding = Regarding {
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            namespace: meta.namespace.clone(),
            name: meta.name.clone(),
            uid: meta.uid.clone(),
            resource_version: meta.resource_version.clone(),
            field_path: container.map(|name| format!("spec.containers{{{name}}}")).unwrap_or_default(),
        };
        let severity = match severity {
            Severity::Normal => Told::Normal,
            Severity::Warning => Told::Warning,
        };
        self.recorder.tell(Note { severity, ..Note::normal(regarding, reason, message) });
    }
}

/// As Go prints a duration of whole milliseconds.
fn took(time: Duration) -> String {
    let ms = time.as_millis();
    if ms < 1_000 { format!("{ms}ms") } else { format!("{}.{:03}s", ms / 1_000, ms % 1_000) }
}
