//! A Deployment's conditions: Available, Progressing and ReplicaFailure, in upstream's reasons and messages
//! (`progress.go`, `deployment_util.go`).

use jiff::Timestamp;
use rutter_controller::Part;
use rutter_controller::read::{list, stamp, text, time};
use serde_json::{Value, json};

use super::Deployment;
use super::stage::Stage;
use super::status::{Status, is_complete};

const PROGRESSING: &str = "Progressing";
const TIMED_OUT: &str = "ProgressDeadlineExceeded";
const DONE: &str = "NewReplicaSetAvailable";
const PAUSED: &str = "DeploymentPaused";

/// `status.conditions`, while a plan is made.
pub(super) struct Conditions {
    list: Vec<Value>,
    has_deadline: bool,
}

impl Conditions {
    pub(super) fn of(stage: &Stage<'_>) -> Conditions {
        let list = list(&stage.status, "/conditions").to_vec();
        Conditions { list, has_deadline: stage.deployment.progress_deadline.is_some() }
    }

    pub(super) fn json(&self) -> Value {
        json!(self.list)
    }

    /// That a Deployment is paused or goes on stands in for its progress, so that no deadline runs meanwhile.
    pub(super) fn tell_pause(&mut self, deployment: &Deployment, now: Timestamp) {
        let reason = self.reason(PROGRESSING).to_owned();
        if !self.has_deadline || reason == TIMED_OUT {
            return;
        }
        let is_told = reason == PAUSED;
        if deployment.paused && !is_told {
            self.set(PROGRESSING, "Unknown", PAUSED, "Deployment is paused", now);
        } else if !deployment.paused && is_told {
            self.set(PROGRESSING, "Unknown", "DeploymentResumed", "Deployment is resumed", now);
        }
    }

    pub(super) fn found(&mut self, set: &str, now: Timestamp) {
        if self.has_deadline && self.get(PROGRESSING).is_none() {
            self.set(
                PROGRESSING,
                "True",
                "FoundNewReplicaSet",
                &format!("Found new replica set \"{set}\""),
                now,
            );
        }
    }

    pub(super) fn made(&mut self, set: &str, now: Timestamp) {
        if self.has_deadline {
            let message = format!("Created new replica set \"{set}\"");
            self.set(PROGRESSING, "True", "NewReplicaSetCreated", &message, now);
        }
    }

    /// What the numbers say.
    pub(super) fn tell(&mut self, stage: &Stage<'_>, status: &Status, now: Timestamp) {
        self.tell_available(stage.deployment, status, now);
        if self.has_deadline {
            if !stage.deployment.paused {
                self.tell_progress(stage, status, now);
            }
        } else {
            self.list.retain(|condition| condition["type"] != PROGRESSING);
        }
        self.tell_failure(stage);
    }

    /// When progress will have been missing for too long.
    pub(super) fn deadline(&self, deployment: &Deployment) -> Option<Timestamp> {
        if deployment.paused || matches!(self.reason(PROGRESSING), DONE | TIMED_OUT) {
            return None;
        }
        let since = time(self.get(PROGRESSING)?, "/lastUpdateTime")?;
        since.checked_add(deployment.progress_deadline?).ok()
    }

    fn tell_available(&mut self, deployment: &Deployment, status: &Status, now: Timestamp) {
        if status.available >= deployment.replicas - deployment.unavailable() {
            let message = "Deployment has minimum availability.";
            self.set("Available", "True", "MinimumReplicasAvailable", message, now);
        } else {
            let message = "Deployment does not have minimum availability.";
            self.set("Available", "False", "MinimumReplicasUnavailable", message, now);
        }
    }

    fn tell_progress(&mut self, stage: &Stage<'_>, status: &Status, now: Timestamp) {
        let deployment = stage.deployment;
        if status.replicas == status.updated && self.reason(PROGRESSING) == DONE {
            return;
        }
        let subject = match stage.new_member() {
            Some(new) => format!("ReplicaSet \"{}\"", new.set.key.name),
            None => format!("Deployment \"{}\"", deployment.key.name),
        };
        if is_complete(deployment, status) {
            self.set(PROGRESSING, "True", DONE, &format!("{subject} has successfully progressed."), now);
        } else if status.is_progress_since(&Status::read(stage)) {
            self.renew(PROGRESSING, "True", "ReplicaSetUpdated", &format!("{subject} is progressing."), now);
        } else if self.deadline(deployment).is_some_and(|deadline| deadline < now) {
            self.set(PROGRESSING, "False", TIMED_OUT, &format!("{subject} has timed out progressing."), now);
        }
    }

    /// What a set says of failing to make pods, its Deployment says too; the new one's word comes first.
    fn tell_failure(&mut self, stage: &Stage<'_>) {
        self.list.retain(|condition| condition["type"] != "ReplicaFailure");
        let failure = stage.new_member().and_then(|new| new.set.failure.as_ref());
        self.list.extend(
            failure.or_else(|| stage.old().find_map(|member| member.set.failure.as_ref())).map(Part::value),
        );
    }

    fn get(&self, kind: &str) -> Option<&Value> {
        self.list.iter().find(|condition| condition["type"] == kind)
    }

    fn reason(&self, kind: &str) -> &str {
        self.get(kind).map_or("", |condition| text(condition, "/reason"))
    }

    /// Sets a condition unless it says the same already.
    fn set(&mut self, kind: &str, status: &str, reason: &str, message: &str, now: Timestamp) {
        let says_so =
            self.get(kind).is_some_and(|known| known["status"] == status && known["reason"] == reason);
        if !says_so {
            self.renew(kind, status, reason, message, now);
        }
    }

    /// Sets a condition, and when it was last confirmed.
    fn renew(&mut self, kind: &str, status: &str, reason: &str, message: &str, now: Timestamp) {
        let known = self.get(kind).filter(|known| known["status"] == status);
        let since = known.map_or_else(|| json!(stamp(now)), |known| known["lastTransitionTime"].clone());
        self.list.retain(|condition| condition["type"] != kind);
        self.list.push(json!({
            "type": kind, "status": status, "reason": reason, "message": message,
            "lastUpdateTime": stamp(now), "lastTransitionTime": since,
        }));
    }
}
