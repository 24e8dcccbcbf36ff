//! A node on real containerd with a gateway that lives in the test: it hands out a feed and remembers every command.

// Each test uses its own part of it.
#![allow(unreachable_pub, dead_code)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rutter_nodeagent::link::{self, Asked, Incoming};
use rutter_nodeagent::{Config, image, run_on, teardown};
use rutter_schemas::protocol::node::{Feed, FeedChange, FeedMessage, NodeCommand, NodeReply};
use rutter_schemas::{Key, Revision};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub const IMAGE: &str = "rutter/demo:test";

/// Whether containers can be run here; says so aloud when not.
pub fn can_run_containers() -> bool {
    let root = std::fs::metadata("/proc/self").is_ok_and(|meta| {
        use std::os::unix::fs::MetadataExt;
        meta.uid() == 0
    });
    let found = Command::new("containerd").arg("--version").output().is_ok();
    if !(root && found) {
        eprintln!("SKIPPED: needs root and containerd");
    }
    root && found
}

/// What the test's gateway knows.
#[derive(Default)]
pub struct World {
    pub objects: BTreeMap<Key, Value>,
    revision: u64,
    /// Every status a pod was given, with its fact.
    pub told: Vec<(String, String, Value)>,
    pub deleted: Vec<String>,
    pub events: Vec<(String, String)>,
}

pub struct Node {
    pub cfg: Config,
    pub world: Arc<Mutex<World>>,
    live: Option<mpsc::Sender<Incoming>>,
    stop: CancellationToken,
    running: Option<JoinHandle<()>>,
    data: Option<async_nats::Client>,
    /// Held so that nothing of it goes before the node has.
    _dir: tempfile::TempDir,
}

impl Node {
    /// A node of its own; `number` keeps its addresses apart from other tests'.
    pub async fn start(number: u8) -> Node {
        Node::start_with(number, None).await
    }

    /// With a connection for streams.
    pub async fn start_with(number: u8, data: Option<async_nats::Client>) -> Node {
        let _ = tracing_subscriber::fmt().with_env_filter("info").with_test_writer().try_init();
        let dir = tempfile::tempdir_in("/var/tmp").expect("a directory");
        let name = format!("test-{number}-{}", std::process::id());
        let cfg = Config {
            data_dir: dir.path().join("data"),
            run_dir: PathBuf::from(format!("/run/rutter-{name}")),
            pod_cidr: Some(format!("10.251.{number}.0/24")),
            cluster_dns: format!("169.254.20.{number}").parse().expect("an address"),
            node_name: name,
            veil_program: env!("CARGO_BIN_EXE_rutter-runc").into(),
            ..Config::default()
        };
        let mut node = Node {
            cfg,
            world: Arc::default(),
            live: None,
            stop: CancellationToken::new(),
            running: None,
            data,
            _dir: dir,
        };
        node.resume();
        node.until("the node is registered", |world| world.revision > 0).await;
        let program = demo_program();
        let archive = image::pack(&image::demo(program, IMAGE));
        let socket = node.cfg.run_dir.join("containerd.sock");
        image::load_bytes(&socket, &archive).await.expect("containerd takes our image");
        node
    }

    /// Starts the agent (again).
    pub fn resume(&mut self) {
        let (near, far) = link::pair();
        let (live, mut syncs, mut commands) = (far.incoming.clone(), far.syncs, far.commands);
        let mut stats = far.stats;
        self.stop = CancellationToken::new();
        let stop = self.stop.clone();
        let world = self.world.clone();
        let answers = live.clone();
        tokio::spawn(async move {
            let _ = answers.send(Incoming::Connected).await;
            loop {
                tokio::select! {
                    Some(sync) = syncs.recv() => {
                        let snapshot = world.lock().expect("no panic").snapshot(sync.feed);
                        let _ = answers.send(Incoming::Answer(snapshot)).await;
                    }
                    Some(asked) = commands.recv() => answer(&world, &answers, asked).await,
                    Some(_) = stats.recv() => {}
                    else => return,
                }
            }
        });
        let (cfg, data) = (self.cfg.clone(), self.data.clone());
        self.live = Some(live);
        self.running = Some(tokio::spawn(async move {
            run_on(cfg, near, data, stop).await.expect("the agent runs");
        }));
    }

    /// Ends the agent as a crash would: nothing is told to anybody.
    pub async fn crash(&mut self) {
        let running = self.running.take().expect("it runs");
        running.abort();
        let _ = running.await;
    }

    /// Ends everything; nothing may be left.
    pub async fn end(mut self) {
        self.stop.cancel();
        if let Some(running) = self.running.take() {
            let _ = running.await;
        }
        teardown(&self.cfg).await.expect("everything goes");
        self.assert_nothing_is_left();
    }

    fn assert_nothing_is_left(&self) {
        let run = self.cfg.run_dir.display().to_string();
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("there are mounts");
        let data = self.cfg.data_dir.display().to_string();
        let left: Vec<&str> =
            mounts.lines().filter(|line| line.contains(&run) || line.contains(&data)).collect();
        assert!(left.is_empty(), "mounts are left: {left:#?}");
        assert!(!self.cfg.run_dir.exists(), "{run} is left");
        let processes = Command::new("ps").args(["-eo", "pid,args"]).output().expect("there are processes");
        let processes = String::from_utf8_lossy(&processes.stdout).into_owned();
        let left: Vec<&str> = processes.lines().filter(|line| line.contains(&run)).collect();
        assert!(left.is_empty(), "processes are left: {left:#?}");
        for hierarchy in ["memory", "cpu", "pids"] {
            let cgroup = Path::new("/sys/fs/cgroup").join(hierarchy).join("rutter").join(&self.cfg.node_name);
            assert!(!cgroup.exists(), "{} is left", cgroup.display());
        }
        let tables = Command::new("nft").args(["list", "tables"]).output().expect("nft is there");
        let tables = String::from_utf8_lossy(&tables.stdout).into_owned();
        assert!(!tables.contains(&self.cfg.node_name.replace('-', "_")), "a table is left: {tables}");
    }

    /// Puts an object and tells the agent.
    pub async fn put(&self, resource: &str, name: &str, object: Value) {
        let message = self.world.lock().expect("no panic").put(resource, name, object);
        self.send(message).await;
    }

    pub async fn put_pod(&self, name: &str, mut spec: Value) {
        spec["nodeName"] = json!(self.cfg.node_name);
        for container in spec["containers"].as_array_mut().into_iter().flatten() {
            let object = container.as_object_mut().expect("a container");
            object.entry("image").or_insert(json!(IMAGE));
        }
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "default", "uid": format!("uid-{name}"), "generation": 1},
            "spec": spec,
        });
        self.put("pods", name, pod).await;
    }

    /// Marks a pod for deletion.
    pub async fn delete_pod(&self, name: &str, grace_secs: u64) {
        let mut pod = self.object("pods", name);
        pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        pod["metadata"]["deletionGracePeriodSeconds"] = json!(grace_secs);
        self.put("pods", name, pod).await;
    }

    pub fn object(&self, resource: &str, name: &str) -> Value {
        let key = Key::new("", resource, "default", name);
        self.world.lock().expect("no panic").objects.get(&key).cloned().unwrap_or_default()
    }

    /// All facts that were told, in their order.
    pub fn facts(&self) -> Vec<String> {
        self.world.lock().expect("no panic").told.iter().map(|(_, fact, _)| fact.clone()).collect()
    }

    pub fn status(&self, name: &str) -> Value {
        self.object("pods", name)["status"].clone()
    }

    async fn send(&self, message: FeedMessage) {
        let live = self.live.as_ref().expect("it runs").clone();
        let _ = live.send(Incoming::Live(message)).await;
    }

    /// Waits for a condition, and says which one didn't come.
    pub async fn until(&self, what: &str, holds: impl Fn(&World) -> bool) {
        let began = Instant::now();
        while !holds(&self.world.lock().expect("no panic")) {
            if began.elapsed() > Duration::from_secs(60) {
                let world = self.world.lock().expect("no panic");
                panic!("never: {what}\ntold: {:#?}\nevents: {:#?}", world.told, world.events);
            }
            if self.running.as_ref().is_some_and(JoinHandle::is_finished) {
                panic!("the agent ended while waiting: {what}");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub async fn until_status(&self, name: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let key = Key::new("", "pods", "default", name);
        self.until(what, |world| world.objects.get(&key).is_some_and(|pod| holds(&pod["status"]))).await;
        self.status(name)
    }

    pub async fn until_ready(&self, name: &str) -> Value {
        self.until_status(name, "the pod is ready", |status| {
            status["containerStatuses"]
                .as_array()
                .is_some_and(|list| list.iter().all(|one| one["ready"] == true))
        })
        .await
    }

    /// The text a container has written so far.
    pub fn log(&self, pod: &str, container: &str, attempt: u32) -> String {
        let path = self.cfg.data_dir.join(format!("pods/uid-{pod}/logs/{container}/{attempt}.log"));
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().filter_map(|line| line.splitn(4, ' ').nth(3)).map(|line| format!("{line}\n")).collect()
    }

    pub async fn until_log(&self, pod: &str, container: &str, wanted: &str) {
        self.until(&format!("the log of {pod} says {wanted:?}"), |_| {
            self.log(pod, container, 0).contains(wanted)
        })
        .await;
    }
}

/// A test that failed leaves nothing behind either.
impl Drop for Node {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        self.stop.cancel();
        let cfg = self.cfg.clone();
        let torn_down = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            // The agent's work under way ends first.
            std::thread::sleep(Duration::from_millis(500));
            runtime.block_on(teardown(&cfg))
        });
        eprintln!("torn down: {:?}", torn_down.join());
    }
}

/// A nats-server on a port of its own, while the value lives; none where there is no such program.
pub struct Broker {
    child: std::process::Child,
    _held: tokio::net::TcpSocket,
    pub url: String,
}

impl Broker {
    pub fn start() -> Option<Broker> {
        let cached = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.cache/bin/nats-server");
        let program = if cached.exists() { cached } else { PathBuf::from("nats-server") };
        // Bound and never listening: nobody else is given the port before the server takes it.
        let held = tokio::net::TcpSocket::new_v4().expect("a socket");
        held.set_reuseaddr(true).expect("an option");
        held.bind(std::net::SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
        let port = held.local_addr().expect("it is bound").port();
        let child = Command::new(program).args(["-a", "127.0.0.1", "-p", &port.to_string()]).spawn();
        let Ok(child) = child else {
            eprintln!("SKIPPED: needs nats-server (`make tools`)");
            return None;
        };
        Some(Broker { child, _held: held, url: format!("nats://127.0.0.1:{port}") })
    }

    pub async fn connect(&self) -> async_nats::Client {
        let options = async_nats::ConnectOptions::new().retry_on_initial_connect();
        let client = options.connect(&self.url).await.expect("it retries");
        client.flush().await.expect("it listens");
        client
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl World {
    fn put(&mut self, resource: &str, name: &str, mut object: Value) -> FeedMessage {
        let prior = self.revision;
        self.revision += 1;
        object["metadata"]["name"] = json!(name);
        object["metadata"]["namespace"] = json!("default");
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        let key = Key::new("", resource, "default", name);
        let raw = serde_json::value::to_raw_value(&object).expect("JSON");
        self.objects.insert(key.clone(), object);
        self.message(prior, vec![FeedChange::Put { key, object: raw }])
    }

    fn remove(&mut self, resource: &str, name: &str) -> FeedMessage {
        let prior = self.revision;
        self.revision += 1;
        let key = Key::new("", resource, "default", name);
        self.objects.remove(&key);
        self.message(prior, vec![FeedChange::Gone { key }])
    }

    fn message(&self, prior: u64, changes: Vec<FeedChange>) -> FeedMessage {
        FeedMessage {
            feed: Feed::Own,
            revision: Revision(self.revision),
            prior: Revision(prior),
            snapshot: false,
            end: false,
            part: 0,
            changes,
            traceparent: None,
        }
    }

    fn snapshot(&self, feed: Feed) -> FeedMessage {
        let all = self.objects.iter().filter(|_| feed == Feed::Own);
        let changes = all.map(|(key, object)| FeedChange::Put {
            key: key.clone(),
            object: serde_json::value::to_raw_value(object).expect("JSON"),
        });
        FeedMessage { feed, snapshot: true, end: true, ..self.message(0, changes.collect()) }
    }
}

async fn answer(world: &Mutex<World>, live: &mpsc::Sender<Incoming>, asked: Asked) {
    let (reply, message) = {
        let mut world = world.lock().expect("no panic");
        let message = obey(&mut world, &asked.command);
        let reply = match asked.command {
            NodeCommand::Token { .. } => {
                NodeReply::Token { token: "a-token".into(), expires_at: String::new() }
            }
            _ => NodeReply::Done { revision: Revision(world.revision) },
        };
        (reply, message)
    };
    let _ = asked.answer.send(reply);
    if let Some(message) = message {
        let _ = live.send(Incoming::Live(message)).await;
    }
}

fn obey(world: &mut World, command: &NodeCommand) -> Option<FeedMessage> {
    match command {
        NodeCommand::Register { .. } => world.revision = world.revision.max(1),
        NodeCommand::PodStatus { name, status, fact, .. } => {
            world.told.push((name.clone(), fact.clone(), status.clone()));
            let mut pod = world.objects.get(&Key::new("", "pods", "default", name))?.clone();
            pod["status"] = status.clone();
            return Some(world.put("pods", name, pod));
        }
        NodeCommand::PodDelete { name, status, .. } => {
            world.deleted.push(name.clone());
            world.told.push((name.clone(), "PodDeleted".into(), status.clone().unwrap_or_default()));
            return Some(world.remove("pods", name));
        }
        NodeCommand::RecordEvent { event } => {
            let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
            world.events.push((text("reason"), text("message")));
        }
        NodeCommand::NodeStatus { .. } | NodeCommand::Token { .. } => {}
    }
    None
}

/// The demo's static program: the one that the Makefile built, or one that is built now.
fn demo_program() -> Vec<u8> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    if let Ok(program) = std::fs::read(workspace.join("target/static/release/demo")) {
        return program;
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("demo");
    let built = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["rustc", "--quiet", "-p", "rutter-demo", "--bin", "demo", "--target-dir"])
        .arg(&target)
        .args(["--", "-C", "target-feature=+crt-static"])
        .status();
    assert!(built.expect("cargo is there").success(), "the demo compiles");
    std::fs::read(target.join("debug/demo")).expect("it was built")
}
