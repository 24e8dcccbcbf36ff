//! Telling the API: one write under way per pod, always the newest status, named by the fact that made it worth it.

use jiff::Timestamp;
use serde_json::Value;

use super::status::{IMAGE_ERROR_SHOWN_SECS, only_waits};
use super::{Action, Cause, Cx, Image, PodMachine, Stage, Step, ToldOutcome, after, resize};

/// A pod that starts sooner is told once, as running; one that takes longer is told as waiting, again and again.
const WAITING_WORTH_TELLING_SECS: i64 = 1;

/// Where a status tells of containers.
const STATUSES: [&str; 3] = ["initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"];

const RETRY_SECS: i64 = 1;
/// A write that nobody answered may land for so long: longer than a gateway tries.
const DOUBT_SECS: i64 = 180;
/// Between two looks, meanwhile, whether the API still has what was told last.
const DOUBT_LOOK_SECS: i64 = 5;
/// A gateway may refuse because it hasn't seen the pod yet, or because the pod is gone; the feed will tell which.
pub(super) const REFUSED_RETRY_SECS: i64 = 5;

impl PodMachine {
    pub(super) fn tell(&mut self, cx: Cx<'_>, now: Timestamp, step: &mut Step) {
        if self.is_beyond_telling() {
            return;
        }
        self.watch_image_errors(now, step);
        if self.telling.under_way.is_some() {
            return;
        }
        if let Some(at) = self.telling.not_before.filter(|at| *at > now) {
            return step.look_at(at);
        }
        let status = self.status(cx, now);
        if self.telling.told.is_none() && is_written(&self.pod.status.written, &status) {
            self.telling.told = Some(status);
            return;
        }
        if self.telling.told.as_ref() == Some(&status) && !self.is_overtaken(&status, now, step) {
            return;
        }
        if self.is_too_soon(&status, now, step) {
            return;
        }
        let (fact, why) = news(self.telling.told.as_ref(), &status);
        let cause = self.cause_revision();
        self.telling.under_way = Some(status.clone());
        step.act(Action::Tell { status, fact, why, cause });
    }

    /// The API has forgotten the pod, or will hear the rest with its deletion.
    fn is_beyond_telling(&self) -> bool {
        match self.ending.as_ref().map(|ending| &ending.cause) {
            Some(Cause::Vanished) => true,
            Some(Cause::Deleted) => self.stage >= Stage::StoppingSandbox,
            _ => false,
        }
    }

    fn is_too_soon(&self, status: &Value, now: Timestamp, step: &mut Step) -> bool {
        let since = self.telling.told_at.unwrap_or(self.start_time);
        let worth = after(since, WAITING_WORTH_TELLING_SECS);
        let soon = only_waits(status) && worth > now && self.stage == Stage::Up;
        if soon {
            step.look_at(worth);
        }
        soon
    }

    /// An earlier write, whose answer never came, may land on top of what stood before or was told since: then the feed
    /// shows another status than ours (upstream's kubelet: `needsReconcile` of its status manager).
    fn is_overtaken(&self, status: &Value, now: Timestamp, step: &mut Step) -> bool {
        if self.telling.doubtful_until.is_none_or(|until| until <= now) {
            return false;
        }
        let told_at = self.telling.told_at.unwrap_or(self.start_time);
        if !is_written(&self.pod.status.written, status) && after(told_at, DOUBT_LOOK_SECS) <= now {
            return true;
        }
        step.look_at(after(now, DOUBT_LOOK_SECS));
        false
    }

    /// An image's error turns into a back-off by the mere passing of time.
    fn watch_image_errors(&self, now: Timestamp, step: &mut Step) {
        for container in self.containers.values() {
            let Image::Failed(failure) = &container.image else { continue };
            let turns = after(failure.at, IMAGE_ERROR_SHOWN_SECS);
            if turns > now {
                step.look_at(turns);
            }
        }
    }

    pub(super) fn answered(&mut self, outcome: ToldOutcome, now: Timestamp) {
        let sent = self.telling.under_way.take();
        self.telling.not_before = None;
        match outcome {
            ToldOutcome::Done => (self.telling.told, self.telling.told_at) = (sent, Some(now)),
            ToldOutcome::Refused => self.telling.not_before = Some(after(now, REFUSED_RETRY_SECS)),
            ToldOutcome::Later => {
                self.telling.not_before = Some(after(now, RETRY_SECS));
                self.telling.doubtful_until = Some(after(now, DOUBT_SECS));
            }
        }
    }
}

/// Whether the API has every part of `ours` already; conditions of others are none of our business.
fn is_written(written: &Value, ours: &Value) -> bool {
    let Some(fields) = ours.as_object() else { return false };
    fields.iter().all(|(name, ours)| match (name.as_str(), written[name].as_array(), ours.as_array()) {
        ("conditions", Some(written), Some(ours)) => {
            let is_gone = |kind: &str| {
                let has = |list: &[Value]| list.iter().any(|condition| condition["type"] == kind);
                has(ours) || !has(written)
            };
            ours.iter().all(|condition| written.contains(condition))
                && [resize::PENDING, resize::IN_PROGRESS].into_iter().all(is_gone)
        }
        _ => written[name] == *ours,
    })
}

/// The event type and one line for the operator: what is most worth saying about the change.
fn news(before: Option<&Value>, after: &Value) -> (&'static str, String) {
    let phase = after["phase"].as_str().unwrap_or_default();
    if before.is_none_or(|before| before["phase"] != after["phase"]) {
        match phase {
            "Succeeded" => return ("PodSucceeded", "all containers ended well".to_owned()),
            "Failed" => return ("PodFailed", "a container failed and is not restarted".to_owned()),
            _ => {}
        }
    }
    let changes: Vec<(&Value, Option<&Value>)> = STATUSES
        .into_iter()
        .flat_map(|list| after[list].as_array().into_iter().flatten())
        .map(|status| (status, before.and_then(|before| find(before, &status["name"]))))
        .filter(|(status, old)| old.is_none_or(|old| old["state"] != status["state"]))
        .collect();
    for (state, fact) in
        [("terminated", "ContainerExited"), ("running", "ContainerStarted"), ("waiting", "ContainerWaiting")]
    {
        let Some((status, _)) = changes.iter().find(|(status, _)| status["state"].get(state).is_some())
        else {
            continue;
        };
        return (fact, describe(status, state));
    }
    if let Some(name) = before.and_then(|before| resized(before, after)) {
        return ("ContainerResized", format!("container {name} has other resources"));
    }
    match (is_ready(after), before.is_some_and(is_ready)) {
        (true, false) => ("PodReady", "all containers are ready".to_owned()),
        (false, true) => ("PodUnready", "a container is no longer ready".to_owned()),
        _ => ("PodStatusReported", "the node reported the pod's status".to_owned()),
    }
}

/// A container whose instance is the same and whose resources are not.
fn resized(before: &Value, after: &Value) -> Option<String> {
    let all = STATUSES.into_iter().flat_map(|list| after[list].as_array().into_iter().flatten());
    let mut changed = all.filter(|status| {
        find(before, &status["name"]).is_some_and(|old| {
            old["containerID"] == status["containerID"] && old["resources"] != status["resources"]
        })
    });
    changed.next().and_then(|status| status["name"].as_str()).map(str::to_owned)
}

fn find<'a>(status: &'a Value, name: &Value) -> Option<&'a Value> {
    STATUSES
        .into_iter()
        .flat_map(|list| status[list].as_array().into_iter().flatten())
        .find(|status| status["name"] == *name)
}

fn is_ready(status: &Value) -> bool {
    let conditions = status["conditions"].as_array();
    conditions.is_some_and(|list| {
        list.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
    })
}

fn describe(status: &Value, state: &str) -> String {
    let name = status["name"].as_str().unwrap_or_default();
    let of = &status["state"][state];
    let reason = of["reason"].as_str().unwrap_or_default();
    match state {
        "terminated" => format!("container {name} ended with exit code {} ({reason})", of["exitCode"]),
        "running" => format!("container {name} started"),
        _ => format!("container {name} waits: {reason}"),
    }
}
