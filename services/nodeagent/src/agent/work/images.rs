//! Images, and what operators are told of them.

use std::time::{Duration, Instant};

use rutter_apimachinery::recorder::{Note, Regarding, Severity as Told};
use rutter_nodeagent_core::machine::{Input, Severity};
use rutter_nodeagent_core::view::{Meta, PullPolicy};
use rutter_nodeagent_core::volumes::{VolumeContent, VolumePlan};

use super::Workshop;
use crate::disk;
use crate::runtime::{Refusal, Runtime};

impl Workshop {
    pub(super) async fn ensure_image(
        &self,
        meta: &Meta,
        container: String,
        image: &str,
        policy: PullPolicy,
    ) -> Input {
        match self.have_image(meta, Some(&container), image, policy).await {
            Ok(image_ref) => Input::ImageReady { container, image_ref },
            Err(why) => Input::ImageFailed { container, reason: why.reason.to_owned(), message: why.message },
        }
    }

    /// Pulls an image if it has to be; answers how the runtime knows it.
    async fn have_image(
        &self,
        meta: &Meta,
        container: Option<&str>,
        image: &str,
        policy: PullPolicy,
    ) -> Result<String, Refusal> {
        let tell = |reason, message| self.record(meta, Severity::Normal, reason, message, container);
        if let Some(image_ref) = self.runtime.present_image(image, policy).await? {
            tell("Pulled", format!("Container image {image:?} already present on machine"));
            return Ok(image_ref);
        }
        tell("Pulling", format!("Pulling image {image:?}"));
        let began = Instant::now();
        let image_ref = self.runtime.pull_image(image).await?;
        tell("Pulled", format!("Successfully pulled image {image:?} in {}", took(began.elapsed())));
        Ok(image_ref)
    }

    /// Brings the images that a pod has as volumes.
    ///
    /// # Errors
    /// What a `FailedMount` event says.
    pub(super) async fn mount_images(
        &self,
        uid: &str,
        meta: &Meta,
        volumes: &[VolumePlan],
    ) -> Result<(), String> {
        for volume in volumes {
            let VolumeContent::Image { reference, policy } = &volume.content else { continue };
            let failed =
                |why: String| format!("MountVolume.SetUp failed for volume {:?} : {why}", volume.name);
            let dir = self.paths.image_volume(uid, &volume.name);
            let had = self.have_image(meta, None, reference, *policy).await;
            let image_ref = had.map_err(|why| failed(format!("{}: {}", why.reason, why.message)))?;
            self.runtime.mount_image(&image_ref, &view_key(uid, &volume.name), &dir).await.map_err(failed)?;
        }
        Ok(())
    }

    /// Takes away the images that a pod had as volumes. Their directories stay, so that it can be repeated.
    pub(super) async fn drop_images(&self, uid: &str) -> Result<(), String> {
        let dir = self.paths.image_volumes(uid);
        let Ok(entries) = std::fs::read_dir(&dir) else { return Ok(()) };
        disk::unmount_below(&dir).map_err(|why| why.to_string())?;
        for volume in entries.flatten() {
            self.runtime.drop_view(&view_key(uid, &volume.file_name().to_string_lossy())).await?;
        }
        Ok(())
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

fn view_key(uid: &str, volume: &str) -> String {
    format!("rutter-volume-{uid}-{volume}")
}

/// As Go prints a duration of whole milliseconds.
fn took(time: Duration) -> String {
    let ms = time.as_millis();
    if ms < 1_000 { format!("{ms}ms") } else { format!("{}.{:03}s", ms / 1_000, ms % 1_000) }
}
