//! Pods' lives as stories: what happened, then what the machine asked for.

use expect_test::{Expect, expect};
use serde_json::json;

use super::*;

/// A pod, a runtime that does what it is told, and a clock.
struct Story {
    machine: PodMachine,
    node: NodeFacts,
    objects: Objects,
    beside: Claims,
    now: Timestamp,
    lines: Vec<String>,
    look_again: Option<Timestamp>,
    /// Images that can't be pulled.
    missing: Vec<&'static str>,
    /// Containers that run until they are told to end.
    obedient: bool,
}

fn given(spec: Value) -> Story {
    let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a moment");
    Story {
        machine: PodMachine::new(Arc::new(fixtures::pod(spec)), now),
        node: fixtures::node(),
        objects: Objects::default(),
        beside: Claims::default(),
        now,
        lines: Vec::new(),
        look_again: None,
        missing: Vec::new(),
        obedient: true,
    }
}

impl Story {
    /// Steps and answers until nothing more is asked.
    fn settle(mut self) -> Story {
        for _ in 0..100 {
            let step = self
                .machine
                .step(Cx { node: &self.node, objects: &self.objects, beside: self.beside }, self.now);
            self.look_again = step.look_again;
            if step.actions.is_empty() {
                return self;
            }
            for action in step.actions {
                self.lines.push(line(&action));
                if let Some(input) = self.answer(action) {
                    self.machine.handle(input, self.now);
                }
            }
        }
        panic!("never settles:\n{}", self.lines.join("\n"));
    }

    fn answer(&self, action: Action) -> Option<Input> {
        let ips = vec!["10.1.0.7".parse().expect("an address")];
        Some(match action {
            Action::PrepareVolumes { .. } => Input::VolumesReady,
            Action::CreateSandbox { plan, .. } => {
                let id = format!("sandbox-{}", plan.attempt);
                Input::SandboxReady(SandboxFacts { id, ips, attempt: plan.attempt })
            }
            Action::StopSandbox { id } => Input::SandboxGone { id },
            Action::EnsureImage { container, image, .. } if self.missing.contains(&image.as_str()) => {
                let (reason, message) = ("ErrImagePull".into(), "not found".into());
                Input::ImageFailed { container, reason, message }
            }
            Action::EnsureImage { container, image, .. } => Input::ImageReady { container, image_ref: image },
            Action::StartContainer { plan, .. } => Input::Started {
                id: format!("{}-{}", plan.name, plan.attempt),
                container: plan.name,
                image_id: plan.image_ref,
                at: self.now,
            },
            Action::StopContainer { container, id, .. } if self.obedient => {
                Input::Exited { container, exit: exit(&id, 143, self.now) }
            }
            Action::ResizeContainer { container, id, .. } if self.obedient => {
                Input::Resized { container, id }
            }
            Action::RunHook { container, id, .. } => Input::HookEnded { container, id, error: None },
            Action::Tell { .. } => Input::Told { outcome: ToldOutcome::Done },
            Action::Remove => Input::Removed,
            Action::FinishDeletion { .. } => Input::Deleted { outcome: ToldOutcome::Done },
            _ => return None,
        })
    }

    fn when(mut self, what: &str, input: Input) -> Story {
        self.lines.push(format!("— {what}"));
        self.machine.handle(input, self.now);
        self.settle()
    }

    fn exits(self, container: &str, code: i32) -> Story {
        let id = self.machine.running_container(container).expect("it runs").to_owned();
        let exit = exit(&id, code, self.now);
        self.when(
            &format!("{container} exits with {code}"),
            Input::Exited { container: container.into(), exit },
        )
    }

    fn probed(self, container: &str, probe: ProbeKind, ok: bool) -> Story {
        let id = self.machine.running_container(container).expect("it runs").to_owned();
        let outcome = if ok { Ok(()) } else { Err("no".into()) };
        let what = format!("{} of {container}: {ok}", probe.as_str());
        self.when(&what, Input::Probed { container: container.into(), id, probe, outcome })
    }

    fn after_secs(mut self, secs: i64) -> Story {
        self.now = after(self.now, secs);
        self.lines.push(format!("— {secs} s later"));
        self.settle()
    }

    /// The API has other resources for `web`, and another generation.
    fn asks_for(mut self, resources: Value) -> Story {
        let mut pod = Pod::clone(self.machine.pod());
        pod.metadata.generation += 1;
        self.lines.push(format!("— {resources}"));
        pod.spec.containers[0].resources = serde_json::from_value(resources).expect("resources");
        self.machine.update(Arc::new(pod));
        self.settle()
    }

    /// The node's other pods take so much CPU.
    fn beside_milli(mut self, cpu_milli: i64) -> Story {
        self.beside = Claims { cpu_milli, memory_bytes: 0 };
        self.lines.push(format!("— others take {cpu_milli}m"));
        self.settle()
    }

    /// The API marks the pod.
    fn deleted(mut self, grace_secs: u64) -> Story {
        let mut pod = Pod::clone(self.machine.pod());
        pod.metadata.deletion_timestamp = Some("2026-01-01T00:01:00Z".into());
        pod.metadata.deletion_grace_period_seconds = Some(grace_secs);
        self.machine.update(Arc::new(pod));
        self.lines.push(format!("— deleted with {grace_secs} s"));
        self.settle()
    }

    fn forget(mut self) -> Story {
        self.lines.clear();
        self
    }

    fn then(self, expected: Expect) -> Story {
        expected.assert_eq(&self.lines.join("\n"));
        self.forget()
    }

    fn status(&self) -> Value {
        self.machine.status(Cx { node: &self.node, objects: &self.objects, beside: self.beside }, self.now)
    }
}

fn exit(id: &str, code: i32, now: Timestamp) -> Exit {
    let reason = if code == 0 { "Completed" } else { "Error" };
    Exit {
        id: id.into(),
        code,
        signal: 0,
        reason: reason.into(),
        message: String::new(),
        started_at: now,
        finished_at: now,
    }
}

fn line(action: &Action) -> String {
    match action {
        Action::PrepareVolumes { volumes, .. } => format!("prepare {} volumes", volumes.len()),
        Action::CreateSandbox { plan, .. } => format!("create sandbox #{}", plan.attempt),
        Action::StopSandbox { id } => format!("stop {id}"),
        Action::RemoveSandbox { id } | Action::RemoveContainer { id } => format!("remove {id}"),
        Action::EnsureImage { container, policy, .. } => format!("image of {container}, {policy:?}"),
        Action::StartContainer { plan, .. } => format!("start {} #{}", plan.name, plan.attempt),
        Action::StopContainer { id, grace_secs, pre_stop, .. } => {
            let hook = if pre_stop.is_some() { " after its hook" } else { "" };
            format!("stop {id} within {grace_secs} s{hook}")
        }
        Action::ResizeContainer { id, limits, .. } => {
            format!("resize {id}: {} shares, {} bytes", limits.cpu_shares, limits.memory_bytes)
        }
        Action::RunHook { id, .. } => format!("run postStart of {id}"),
        Action::StartProbe { id, probe, .. } => format!("probe {} of {id}", probe.as_str()),
        Action::StopProbe { id, probe, .. } => format!("no longer probe {} of {id}", probe.as_str()),
        Action::Tell { status, fact, why, .. } => {
            format!("~ {fact}: {}, {why}", status["phase"].as_str().expect("a phase"))
        }
        Action::Record { reason, message, .. } => format!("! {reason}: {message}"),
        Action::Remove => "remove everything".into(),
        Action::FinishDeletion { status, .. } => {
            format!("- delete the pod, {}", status["phase"].as_str().expect("a phase"))
        }
    }
}

fn web() -> Value {
    json!({"containers": [{"name": "web", "image": "demo:1"}]})
}

#[test]
fn a_pod_is_told_once_when_it_starts_quickly() {
    let story = given(web()).settle().then(expect![[r#"
        prepare 0 volumes
        create sandbox #0
        image of web, IfNotPresent
        start web #0
        ! Created: Container created
        ! Started: Container started
        ~ ContainerStarted: Running, container web started"#]]);
    let status = story.status();
    assert_eq!(status["podIP"], "10.1.0.7");
    assert_eq!(status["qosClass"], "BestEffort");
    assert_eq!(status["containerStatuses"][0]["ready"], true);
    assert_eq!(status["containerStatuses"][0]["containerID"], "containerd://web-0");
}

#[test]
fn a_container_that_crashes_waits_ten_seconds_then_twenty() {
    let story = given(web()).settle().forget().exits("web", 1).exits("web", 1).then(expect![[r#"
        — web exits with 1
        image of web, IfNotPresent
        ~ ContainerExited: Running, container web ended with exit code 1 (Error)
        start web #1
        ! Created: Container created
        ! Started: Container started
        ~ ContainerStarted: Running, container web started
        — web exits with 1
        ! BackOff: Back-off restarting failed container web in pod web_default(u1)
        ~ ContainerWaiting: Running, container web waits: CrashLoopBackOff"#]]);
    let waiting = &story.status()["containerStatuses"][0];
    assert_eq!(waiting["state"]["waiting"]["reason"], "CrashLoopBackOff");
    assert_eq!(
        waiting["state"]["waiting"]["message"],
        "back-off 10s restarting failed container=web pod=web_default(u1)"
    );
    assert_eq!(waiting["lastState"]["terminated"]["exitCode"], 1);
    story.after_secs(9).after_secs(1).exits("web", 1).after_secs(19).after_secs(1).then(expect![[r#"
        — 9 s later
        — 1 s later
        image of web, IfNotPresent
        remove web-0
        start web #2
        ! Created: Container created
        ! Started: Container started
        ~ ContainerStarted: Running, container web started
        — web exits with 1
        ! BackOff: Back-off restarting failed container web in pod web_default(u1)
        ~ ContainerWaiting: Running, container web waits: CrashLoopBackOff
        — 19 s later
        — 1 s later
        image of web, IfNotPresent
        remove web-1
        start web #3
        ! Created: Container created
        ! Started: Container started
        ~ ContainerStarted: Running, container web started"#]]);
}

#[test]
fn an_image_that_cannot_be_pulled_is_an_error_first_and_a_back_off_then() {
    let mut story = given(web());
    story.missing = vec!["demo:1"];
    let mut story = story.settle().after_secs(1).after_secs(8).then(expect![[r#"
        prepare 0 volumes
        create sandbox #0
        image of web, IfNotPresent
        ! Failed: Failed to pull image "demo:1": not found
        ! Failed: Error: ErrImagePull
        ! BackOff: Back-off pulling image "demo:1"
        ! Failed: Error: ImagePullBackOff
        ~ ContainerWaiting: Pending, container web waits: ErrImagePull
        — 1 s later
        ~ ContainerWaiting: Pending, container web waits: ImagePullBackOff
        — 8 s later"#]]);
    story.missing.clear();
    story.after_secs(1).then(expect![[r#"
        — 1 s later
        image of web, IfNotPresent
        start web #0
        ~ ContainerWaiting: Pending, container web waits: ContainerCreating
        ! Created: Container created
        ! Started: Container started
        ~ ContainerStarted: Running, container web started"#]]);
}

#[test]
fn init_containers_run_one_by_one_and_a_sidecar_only_has_to_start() {
    let spec = json!({
        "initContainers": [
            {"name": "first", "image": "i"},
            {"name": "side", "image": "i", "restartPolicy": "Always", "startupProbe": {"exec": {"command": ["x"]}}},
        ],
        "containers": [{"name": "web", "image": "i:1"}],
    });
    given(spec).settle().exits("first", 0).probed("side", ProbeKind::Startup, true).deleted(30).then(
        expect![[r#"
            prepare 0 volumes
            create sandbox #0
            image of first, Always
            start first #0
            ! Created: Container created
            ! Started: Container started
            ~ ContainerStarted: Pending, container first started
            — first exits with 0
            image of side, Always
            ~ ContainerExited: Pending, container first ended with exit code 0 (Completed)
            start side #0
            probe Startup of side-0
            ! Created: Container created
            ! Started: Container started
            ~ ContainerStarted: Pending, container side started
            — Startup of side: true
            image of web, IfNotPresent
            no longer probe Startup of side-0
            ~ ContainerWaiting: Pending, container web waits: ContainerCreating
            start web #0
            ! Created: Container created
            ! Started: Container started
            ~ ContainerStarted: Running, container web started
            — deleted with 30 s
            ! Killing: Stopping container web
            stop web-0 within 30 s
            ! Killing: Stopping container side
            stop side-0 within 30 s
            ~ ContainerExited: Running, container web ended with exit code 143 (Error)
            stop sandbox-0
            remove everything
            - delete the pod, Failed"#]],
    );
}

#[test]
fn a_failed_init_container_fails_a_pod_that_is_never_restarted() {
    let spec = json!({
        "restartPolicy": "Never",
        "initContainers": [{"name": "first", "image": "i:1"}],
        "containers": [{"name": "web", "image": "i:1"}],
    });
    let story = given(spec).settle().forget().exits("first", 3).then(expect![[r#"
        — first exits with 3
        stop sandbox-0
        ~ PodFailed: Failed, a container failed and is not restarted"#]]);
    assert_eq!(story.status()["conditions"][1]["reason"], "ContainersNotInitialized");
}

#[test]
fn a_job_that_ends_well_has_succeeded_and_keeps_its_logs_until_it_is_deleted() {
    let spec = json!({"restartPolicy": "OnFailure", "containers": [{"name": "job", "image": "i:1"}]});
    let story = given(spec).settle().forget().exits("job", 0).then(expect![[r#"
        — job exits with 0
        stop sandbox-0
        ~ PodSucceeded: Succeeded, all containers ended well"#]]);
    assert_eq!(story.machine.stage(), Stage::Ended);
    assert_eq!(story.status()["conditions"][2]["reason"], "PodCompleted");
    story.deleted(30).then(expect![[r#"
        — deleted with 30 s
        remove everything
        - delete the pod, Succeeded"#]]);
}

#[test]
fn readiness_comes_and_goes_and_liveness_restarts() {
    let probe = json!({"exec": {"command": ["x"]}, "failureThreshold": 2});
    let spec = json!({"containers": [
        {"name": "web", "image": "i:1", "readinessProbe": probe, "livenessProbe": probe}]});
    given(spec)
        .settle()
        .probed("web", ProbeKind::Readiness, true)
        .probed("web", ProbeKind::Readiness, false)
        .probed("web", ProbeKind::Readiness, false)
        .probed("web", ProbeKind::Liveness, false)
        .probed("web", ProbeKind::Liveness, false)
        .then(expect![[r#"
            prepare 0 volumes
            create sandbox #0
            image of web, IfNotPresent
            start web #0
            probe Readiness of web-0
            probe Liveness of web-0
            ! Created: Container created
            ! Started: Container started
            ~ ContainerStarted: Running, container web started
            — Readiness of web: true
            ~ PodReady: Running, all containers are ready
            — Readiness of web: false
            ! Unhealthy: Readiness probe failed: no
            — Readiness of web: false
            ! Unhealthy: Readiness probe failed: no
            ~ PodUnready: Running, a container is no longer ready
            — Liveness of web: false
            ! Unhealthy: Liveness probe failed: no
            — Liveness of web: false
            stop web-0 within 30 s
            no longer probe Readiness of web-0
            no longer probe Liveness of web-0
            ! Unhealthy: Liveness probe failed: no
            ! Killing: Container web failed liveness probe, will be restarted
            image of web, IfNotPresent
            ~ ContainerExited: Running, container web ended with exit code 143 (Error)
            start web #1
            probe Readiness of web-1
            probe Liveness of web-1
            ! Created: Container created
            ! Started: Container started
            ~ ContainerStarted: Running, container web started"#]]);
}

#[test]
fn a_lost_sandbox_takes_its_containers_with_it_and_comes_back() {
    given(web())
        .settle()
        .forget()
        .when("the sandbox dies", Input::SandboxGone { id: "sandbox-0".into() })
        .exits("web", 137)
        .then(expect![[r#"
            — the sandbox dies
            stop sandbox-0
            ~ PodStatusReported: Running, the node reported the pod's status
            create sandbox #1
            remove sandbox-0
            ~ PodStatusReported: Running, the node reported the pod's status
            — web exits with 137
            image of web, IfNotPresent
            ~ ContainerExited: Running, container web ended with exit code 137 (Error)
            start web #1
            ! Created: Container created
            ! Started: Container started
            ~ ContainerStarted: Running, container web started"#]]);
}

#[test]
fn grace_can_be_cut_short() {
    let mut story = given(web()).settle().forget();
    story.obedient = false;
    story.deleted(30).deleted(1).exits("web", 137).then(expect![[r#"
        — deleted with 30 s
        ! Killing: Stopping container web
        stop web-0 within 30 s
        — deleted with 1 s
        stop web-0 within 1 s
        — web exits with 137
        stop sandbox-0
        remove everything
        - delete the pod, Failed"#]]);
}

#[test]
fn a_pod_past_its_deadline_fails() {
    let mut spec = web();
    spec["activeDeadlineSeconds"] = json!(60);
    let story = given(spec).settle().forget().after_secs(60).then(expect![[r#"
        — 60 s later
        ! DeadlineExceeded: Pod was active on the node longer than the specified deadline
        ! Killing: Stopping container web
        stop web-0 within 30 s
        ~ PodStatusReported: Running, the node reported the pod's status
        stop sandbox-0
        ~ PodFailed: Failed, a container failed and is not restarted"#]]);
    assert_eq!(story.status()["reason"], "DeadlineExceeded");
}

#[test]
fn a_missing_config_map_keeps_a_pod_waiting_until_it_comes() {
    let mut spec = web();
    spec["volumes"] = json!([{"name": "v", "configMap": {"name": "m"}}]);
    let mut story = given(spec).settle().then(expect![[r#"
        ! FailedMount: MountVolume.SetUp failed for volume "v" : configmap "m" not found
        create sandbox #0
        image of web, IfNotPresent"#]]);
    fixtures::object(&mut story.objects, "configmaps", "m", json!({"data": {"k": "1"}}));
    let mut story = story.settle().then(expect![[r#"
        prepare 1 volumes
        start web #0
        ! Created: Container created
        ! Started: Container started
        ~ ContainerStarted: Running, container web started"#]]);
    fixtures::object(&mut story.objects, "configmaps", "m", json!({"data": {"k": "2"}}));
    story.settle().then(expect!["prepare 1 volumes"]);
}

#[test]
fn a_restarted_agent_keeps_what_runs() {
    let mut story = given(web());
    let facts =
        SandboxFacts { id: "s".into(), ips: vec!["10.1.0.7".parse().expect("an address")], attempt: 0 };
    let one = |attempt: u32, state: FoundState| FoundContainer {
        name: "web".into(),
        id: format!("web-{attempt}"),
        attempt,
        image: "demo:1".into(),
        image_id: "sha".into(),
        state,
    };
    let now = story.now;
    story.machine.adopt(Found {
        sandbox: Some(FoundSandbox { facts, ready: true }),
        containers: vec![
            one(1, FoundState::Running { started_at: now }),
            one(0, FoundState::Exited(exit("web-0", 1, now))),
        ],
    });
    let story = story.settle().then(expect![[r#"
        prepare 0 volumes
        ~ ContainerStarted: Running, container web started"#]]);
    let status = &story.status()["containerStatuses"][0];
    assert_eq!((&status["restartCount"], &status["containerID"]), (&json!(1), &json!("containerd://web-1")));
    assert_eq!(status["lastState"]["terminated"]["containerID"], "containerd://web-0");
}

#[test]
fn a_restarted_agent_does_not_repeat_what_it_told() {
    let before = given(web()).settle();
    let mut pod = Pod::clone(before.machine.pod());
    pod.status = before.status().into();
    let mut story = given(web());
    story.now = after(story.now, 100);
    story.machine = PodMachine::new(Arc::new(pod), story.now);
    let facts = before.machine.sandbox().expect("it runs").clone();
    story.machine.adopt(Found {
        sandbox: Some(FoundSandbox { facts, ready: true }),
        containers: vec![FoundContainer {
            name: "web".into(),
            id: "web-0".into(),
            attempt: 0,
            image: "demo:1".into(),
            image_id: "demo:1".into(),
            state: FoundState::Running { started_at: before.now },
        }],
    });
    story.settle().then(expect!["prepare 0 volumes"]);
}

#[test]
fn a_refused_write_is_tried_again_until_the_feed_says_that_the_pod_is_gone() {
    let mut story = given(web());
    story = story.settle().forget();
    story.machine.telling.told = None;
    let (node, objects) = (story.node.clone(), story.objects.clone());
    let tells =
        |step: &Step| step.actions.iter().filter(|action| matches!(action, Action::Tell { .. })).count();
    let now = story.now;
    assert_eq!(
        tells(&story.machine.step(Cx { node: &node, objects: &objects, beside: Claims::default() }, now)),
        1
    );
    story.machine.handle(Input::Told { outcome: ToldOutcome::Refused }, now);
    let step = story.machine.step(Cx { node: &node, objects: &objects, beside: Claims::default() }, now);
    assert_eq!((tells(&step), step.look_again), (0, Some(after(now, 5))));
    assert_eq!(
        tells(
            &story
                .machine
                .step(Cx { node: &node, objects: &objects, beside: Claims::default() }, after(now, 5))
        ),
        1
    );
    story.machine.vanish();
    let story = story.settle();
    assert_eq!(story.machine.stage(), Stage::Gone);
}

#[test]
fn a_write_that_lands_after_its_time_is_set_right_again() {
    let probe = json!({"exec": {"command": ["x"]}, "failureThreshold": 1});
    let spec = json!({"containers": [{"name": "web", "image": "i:1", "readinessProbe": probe}]});
    let mut story = given(spec).settle().probed("web", ProbeKind::Readiness, true).settle();
    let (node, objects, now) = (story.node.clone(), story.objects.clone(), story.now);
    let cx = Cx { node: &node, objects: &objects, beside: Claims::default() };
    let answer = |ok: bool| Input::Probed {
        container: "web".into(),
        id: "web-0".into(),
        probe: ProbeKind::Readiness,
        outcome: if ok { Ok(()) } else { Err("no".into()) },
    };
    let told = |step: &Step| {
        let mut tells = step.actions.iter().rev().filter_map(|action| match action {
            Action::Tell { status, .. } => Some(status.clone()),
            _ => None,
        });
        tells.next()
    };
    // The container falters; nobody answers the write that says so; it recovers.
    story.machine.handle(answer(false), now);
    let faltering = told(&story.machine.step(cx, now)).expect("it is no longer ready");
    story.machine.handle(Input::Told { outcome: ToldOutcome::Later }, after(now, 15));
    story.machine.handle(answer(true), after(now, 16));
    let step = story.machine.step(cx, after(now, 16));
    if told(&step).is_some() {
        story.machine.handle(Input::Told { outcome: ToldOutcome::Done }, after(now, 16));
    }
    // Then the write lands.
    let mut pod = Pod::clone(story.machine.pod());
    pod.status = faltering.into();
    story.machine.update(Arc::new(pod));
    let status = told(&story.machine.step(cx, after(now, 30))).expect("the API is told again");
    assert_eq!(status["containerStatuses"][0]["ready"], true);
}

#[test]
fn a_terminal_pod_is_never_started_again() {
    let mut pod = fixtures::pod(web());
    pod.status.phase = Some("Failed".into());
    let mut story = given(web());
    story.machine = PodMachine::new(Arc::new(pod), story.now);
    let story = story.settle();
    assert!(story.lines.iter().all(|line| line.starts_with('~')), "{:?}", story.lines);
}

#[test]
fn stepping_again_asks_for_nothing_again() {
    let mut story = given(web());
    let first = story
        .machine
        .step(Cx { node: &story.node, objects: &story.objects, beside: story.beside }, story.now);
    let second = story
        .machine
        .step(Cx { node: &story.node, objects: &story.objects, beside: story.beside }, story.now);
    assert!(!first.actions.is_empty() && second.actions.is_empty());
}

#[test]
fn an_ephemeral_container_runs_once_beside_the_others_and_counts_for_nothing() {
    let story = given(web()).settle().forget();
    let mut pod = Pod::clone(story.machine.pod());
    pod.spec.ephemeral_containers = serde_json::from_value::<crate::view::PodSpec>(
        json!({"ephemeralContainers": [{"name": "look", "image": "tools:1", "targetContainerName": "web"}]}),
    )
    .expect("a spec")
    .ephemeral_containers;
    let mut story = story;
    story.machine.update(Arc::new(pod));
    let story = story.settle().then(expect![[r#"
        image of look, IfNotPresent
        ~ ContainerWaiting: Running, container look waits: ContainerCreating
        start look #0
        ! Created: Container created
        ! Started: Container started
        ~ ContainerStarted: Running, container look started"#]]);
    let status = &story.status()["ephemeralContainerStatuses"][0];
    assert_eq!(
        (&status["name"], &status["ready"], &status["started"]),
        (&json!("look"), &json!(false), &json!(null))
    );
    assert!(status["state"]["running"].is_object());
    let story = story.exits("look", 1).then(expect![[r#"
        — look exits with 1
        ~ ContainerExited: Running, container look ended with exit code 1 (Error)"#]]);
    let status = story.status();
    assert_eq!((&status["phase"], &status["qosClass"]), (&json!("Running"), &json!("BestEffort")));
    assert_eq!(status["ephemeralContainerStatuses"][0]["state"]["terminated"]["exitCode"], 1);
    assert_eq!(status["containerStatuses"][0]["ready"], true);
}

fn sized() -> Value {
    json!({"containers": [{"name": "web", "image": "demo:1", "resources": {"requests": {"cpu": "100m"}}}]})
}

#[test]
fn a_container_is_resized_while_it_runs() {
    let story = given(sized()).settle().forget();
    let story = story.asks_for(json!({"requests": {"cpu": "200m"}, "limits": {"memory": "64Mi"}}));
    let story = story.then(expect![[r#"
        — {"limits":{"memory":"64Mi"},"requests":{"cpu":"200m"}}
        ! ResizeStarted: Pod resize started: {"containers":[{"name":"web","resources":{"limits":{"memory":"64Mi"},"requests":{"cpu":"200m"}}}],"generation":1}
        resize web-0: 204 shares, 67108864 bytes
        ~ PodStatusReported: Running, the node reported the pod's status
        ! ResizeCompleted: Pod resize completed: {"containers":[{"name":"web","resources":{"limits":{"memory":"64Mi"},"requests":{"cpu":"200m"}}}],"generation":1}
        ~ ContainerResized: Running, container web has other resources"#]]);
    let status = &story.status()["containerStatuses"][0];
    assert_eq!(status["resources"], json!({"requests": {"cpu": "200m"}, "limits": {"memory": "64Mi"}}));
    assert_eq!(status["allocatedResources"], json!({"cpu": "200m"}));
    assert_eq!(status["restartCount"], 0);
}

#[test]
fn a_resize_waits_until_there_is_room() {
    let story = given(sized()).settle().beside_milli(1500).forget();
    let story = story.asks_for(json!({"requests": {"cpu": "800m"}})).then(expect![[r#"
        — {"requests":{"cpu":"800m"}}
        ! ResizeDeferred: Pod resize OutOfcpu: {"containers":[{"name":"web","resources":{"requests":{"cpu":"800m"}}}],"generation":1,"error":"Node didn't have enough resource: cpu, requested: 800, used: 1500, capacity: 2000"}
        ~ PodStatusReported: Running, the node reported the pod's status"#]]);
    let status = story.status();
    let pending = resize_condition(&status, "PodResizePending").expect("it waits");
    assert_eq!((&pending["reason"], &pending["observedGeneration"]), (&json!("Deferred"), &json!(1)));
    assert_eq!(status["containerStatuses"][0]["allocatedResources"], json!({"cpu": "100m"}));
    assert_eq!(status["observedGeneration"], 1);
    // Less room, other words; nothing that operators have not heard.
    let story = story.beside_milli(1600).then(expect![[r#"
        — others take 1600m
        ~ PodStatusReported: Running, the node reported the pod's status"#]]);
    let story = story.beside_milli(0);
    let status = story.status();
    assert_eq!(status["containerStatuses"][0]["resources"], json!({"requests": {"cpu": "800m"}}));
    assert_eq!(resize_condition(&status, "PodResizePending"), None);
    assert_eq!(resize_condition(&status, "PodResizeInProgress"), None);
}

#[test]
fn a_policy_may_want_a_new_instance_whatever_the_pods_is() {
    let mut spec = sized();
    spec["restartPolicy"] = json!("OnFailure");
    spec["containers"][0]["resizePolicy"] =
        json!([{"resourceName": "cpu", "restartPolicy": "RestartContainer"}]);
    let story = given(spec).settle().forget();
    let mut story = story.asks_for(json!({"requests": {"cpu": "200m"}}));
    assert!(
        story.lines.contains(&"! Killing: Container web resize requires restart".to_owned()),
        "{:#?}",
        story.lines
    );
    assert!(story.lines.contains(&"start web #1".to_owned()), "{:#?}", story.lines);
    story.lines.clear();
    let status = &story.status()["containerStatuses"][0];
    assert_eq!(
        (&status["restartCount"], &status["resources"]),
        (&json!(1), &json!({"requests": {"cpu": "200m"}}))
    );
    // Another resource wants none.
    let story = story.asks_for(json!({"requests": {"cpu": "200m", "memory": "1Mi"}}));
    assert_eq!(story.status()["containerStatuses"][0]["restartCount"], 1);
}

#[test]
fn what_the_runtime_refuses_is_told_and_tried_again() {
    let mut story = given(sized()).settle().forget();
    story.obedient = false;
    let story = story.asks_for(json!({"requests": {"cpu": "200m"}})).forget();
    let refused =
        Input::ResizeFailed { container: "web".into(), id: "web-0".into(), message: "too busy".into() };
    let mut story = story.when("the runtime refuses", refused);
    let status = story.status();
    let told = resize_condition(&status, "PodResizeInProgress").expect("it goes on");
    assert_eq!((&told["reason"], &told["message"]), (&json!("Error"), &json!("too busy")));
    assert_eq!(status["containerStatuses"][0]["resources"], json!({"requests": {"cpu": "100m"}}));
    story.obedient = true;
    let story = story.after_secs(10);
    assert!(story.lines.iter().any(|line| line.starts_with("resize web-0")), "{:#?}", story.lines);
    assert_eq!(resize_condition(&story.status(), "PodResizeInProgress"), None);
}

/// What was granted outlives the agent: the node goes on with it, not with what the API asks for meanwhile.
#[test]
fn a_grant_is_remembered() {
    let story = given(sized()).settle().beside_milli(1500).asks_for(json!({"requests": {"cpu": "800m"}}));
    let mut pod = Pod::clone(&story.machine.desired);
    pod.status = serde_json::from_value(story.status()).expect("a status");
    let mut again = PodMachine::new(Arc::new(pod), story.now);
    let found = FoundContainer {
        name: "web".into(),
        id: "web-0".into(),
        attempt: 0,
        image: "demo:1".into(),
        image_id: "demo:1".into(),
        state: FoundState::Running { started_at: story.now },
    };
    again.adopt(Found { sandbox: None, containers: vec![found] });
    assert!(again.wants_resize());
    let cx = Cx { node: &story.node, objects: &story.objects, beside: story.beside };
    let status = again.status(cx, story.now);
    assert_eq!(status["containerStatuses"][0]["resources"], json!({"requests": {"cpu": "100m"}}));
    assert_eq!(
        resize_condition(&status, "PodResizePending"),
        resize_condition(&story.status(), "PodResizePending")
    );
    assert_eq!(again.claims().cpu_milli, 100);
}

fn resize_condition(status: &Value, kind: &str) -> Option<Value> {
    let conditions = status["conditions"].as_array()?;
    conditions.iter().find(|condition| condition["type"] == kind).cloned()
}
