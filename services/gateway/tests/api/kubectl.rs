//! kubectl itself, against the gateway. Without kubectl the test says so and passes.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::cluster::Cluster;

#[derive(Clone)]
pub(crate) struct Kubectl {
    config: PathBuf,
    home: PathBuf,
    environment: Vec<(&'static str, String)>,
}

/// A port-forward that runs until it is dropped.
pub(crate) struct Forward {
    child: std::process::Child,
    port: u16,
    /// kubectl says when it handles a connection, and dies if nobody listens.
    _says: std::io::BufReader<std::process::ChildStdout>,
}

impl Forward {
    /// Sends a word over a connection of its own; what came back.
    pub(crate) fn exchange(&mut self, word: &str) -> String {
        use std::io::{Read, Write};
        let mut socket = std::net::TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        socket.write_all(word.as_bytes()).unwrap();
        let mut heard = String::new();
        if let Err(error) = socket.read_to_string(&mut heard) {
            let _ = self.child.kill();
            let mut words = String::new();
            self.child.stderr.take().unwrap().read_to_string(&mut words).unwrap();
            panic!("{word}: {error}; heard {heard:?}; kubectl said {words}");
        }
        heard
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Kubectl {
    pub(crate) fn new(cluster: &Cluster, dir: &Path) -> Option<Kubectl> {
        if Command::new("kubectl").arg("version").arg("--client").output().is_err() {
            eprintln!("kubectl is not installed: nothing was shown");
            return None;
        }
        let leaf = cluster
            .keys
            .authority
            .client_certificate("admin", &["system:masters"], jiff::Timestamp::now())
            .unwrap();
        let encoded = |pem: &str| STANDARD.encode(pem);
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "clusters": [{"name": "test", "cluster": {
                "server": format!("https://{}", cluster.address),
                "certificate-authority-data": encoded(cluster.keys.authority.certificate_pem()),
            }}],
            "users": [{"name": "test", "user": {
                "client-certificate-data": encoded(&leaf.certificate_pem), "client-key-data": encoded(&leaf.key_pem),
            }}],
        });
        let path = dir.join("kubeconfig");
        std::fs::write(&path, config.to_string()).unwrap();
        Some(Kubectl { config: path, home: dir.to_path_buf(), environment: Vec::new() })
    }

    /// The same with a variable of its environment set.
    pub(crate) fn with(&self, name: &'static str, value: &str) -> Kubectl {
        let mut kubectl = self.clone();
        kubectl.environment.push((name, value.to_owned()));
        kubectl
    }

    /// Forwards a port of ours to a pod's.
    pub(crate) fn forward(&self, pod: &str, port: u16) -> Forward {
        use std::io::{BufRead, BufReader};
        let mut child = self.command(&["port-forward", pod, &format!(":{port}")]).spawn().unwrap();
        let mut line = String::new();
        let mut says = BufReader::new(child.stdout.take().unwrap());
        says.read_line(&mut line).unwrap();
        // Forwarding from 127.0.0.1:41234 -> 80
        let port =
            line.split(':').nth(1).and_then(|rest| rest.split(' ').next()).and_then(|port| port.parse().ok());
        Forward { child, port: port.unwrap_or_else(|| panic!("kubectl said {line:?}")), _says: says }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("kubectl");
        command
            .args(words)
            .env("KUBECONFIG", &self.config)
            .env("HOME", &self.home)
            .envs(self.environment.iter().map(|(name, value)| (*name, value.as_str())))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs kubectl with these words; `input` is its standard input.
    pub(crate) fn run(&self, words: &[&str], input: &str) -> Output {
        use std::io::Write;
        let mut child = self.command(words).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_owned();
        // Beside reading, so that neither pipe fills up and stops the other.
        let writing = std::thread::spawn(move || {
            let _ = stdin.write_all(input.as_bytes());
        });
        let output = child.wait_with_output().unwrap();
        writing.join().unwrap();
        output
    }

    /// What kubectl printed; it has to succeed.
    pub(crate) fn says(&self, words: &str) -> String {
        self.given(words, "")
    }

    pub(crate) fn given(&self, words: &str, input: &str) -> String {
        let output = self.run(&words.split(' ').collect::<Vec<_>>(), input);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let start: String = out.chars().take(2_000).collect();
        assert!(output.status.success(), "kubectl {words}\n{start}\n{err}");
        out.trim_end().to_owned()
    }

    pub(crate) fn fails(&self, words: &str) -> String {
        let output = self.run(&words.split(' ').collect::<Vec<_>>(), "");
        assert!(!output.status.success(), "kubectl {words} succeeded");
        String::from_utf8_lossy(&output.stderr).trim_end().to_owned()
    }
}

const WEB: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: demo, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_does_what_people_do_with_it() {
    let cluster = Cluster::start().await;
    let dir = tempfile::tempdir().unwrap();
    let Some(kubectl) = Kubectl::new(&cluster, dir.path()) else { return cluster.stop().await };
    tokio::task::spawn_blocking(move || {
        assert!(kubectl.says("version").contains("Server Version: v1.36"));
        assert!(kubectl.says("api-resources").contains("configmaps"));
        assert!(kubectl.says("api-versions").contains("apps/v1"));
        assert!(kubectl.says("cluster-info").contains("control plane"));

        assert_eq!(kubectl.given("apply -f -", WEB), "deployment.apps/web created\nservice/web created");
        assert_eq!(kubectl.given("apply -f -", WEB), "deployment.apps/web unchanged\nservice/web unchanged");
        let changed = WEB.replace("replicas: 2", "replicas: 3");
        assert_eq!(
            kubectl.given("apply -f -", &changed),
            "deployment.apps/web configured\nservice/web unchanged"
        );
        assert_eq!(kubectl.says("get deploy web -o jsonpath={.spec.replicas}"), "3");
        let table = kubectl.says("get deploy web");
        assert!(table.starts_with("NAME   READY   UP-TO-DATE   AVAILABLE   AGE\nweb    0/3"), "{table}");
        assert!(kubectl.says("get all").contains("service/kubernetes"));
        assert!(kubectl.says("get deploy,svc -o wide").contains("demo"));
        assert_eq!(kubectl.says("scale deploy/web --replicas=5"), "deployment.apps/web scaled");
        assert_eq!(kubectl.says("set image deploy/web c=other"), "deployment.apps/web image updated");
        assert_eq!(kubectl.says("get deploy web -o jsonpath={..image}"), "other");
        assert!(kubectl.says("describe deploy web").contains("Replicas:               5 desired"));

        assert_eq!(kubectl.says("create configmap cm --from-literal=k=v"), "configmap/cm created");
        assert_eq!(kubectl.says("create secret generic s --from-literal=k=v"), "secret/s created");
        assert_eq!(kubectl.says("create namespace other"), "namespace/other created");
        assert_eq!(kubectl.says("create serviceaccount robot"), "serviceaccount/robot created");
        assert!(kubectl.says("create token robot").starts_with("eyJ"));
        assert!(kubectl.says("auth whoami").contains("system:masters"));
        assert_eq!(kubectl.says("auth can-i create pods"), "yes");
        assert_eq!(kubectl.says("label configmap cm x=y"), "configmap/cm labeled");
        assert_eq!(kubectl.says("annotate configmap cm a=b"), "configmap/cm annotated");
        assert_eq!(kubectl.says("get configmap -l x=y -o name"), "configmap/cm");
        assert_eq!(kubectl.says("patch configmap cm -p {\"data\":{\"k\":\"w\"}}"), "configmap/cm patched");
        assert_eq!(
            kubectl.says("patch configmap cm --type=json -p [{\"op\":\"remove\",\"path\":\"/data/k\"}]"),
            "configmap/cm patched"
        );
        assert_eq!(kubectl.says("run p --image=demo"), "pod/p created");
        assert_eq!(kubectl.says("expose pod p --port=80"), "service/p exposed");
        assert!(kubectl.says("explain deployment.spec.replicas").contains("replicas <integer>"));
        assert_eq!(
            kubectl.says("create configmap dry --from-literal=k=v --dry-run=server"),
            "configmap/dry created (server dry run)"
        );
        assert_eq!(
            kubectl.fails("get configmap dry"),
            "Error from server (NotFound): configmaps \"dry\" not found"
        );
        assert!(kubectl.says("get --raw /readyz?verbose").contains("readyz check passed"));
        assert_eq!(kubectl.says("delete pod p --grace-period=0 --force --wait=false").lines().count(), 1);
        assert_eq!(kubectl.says("delete configmap cm"), "configmap \"cm\" deleted");
        assert_eq!(kubectl.says("wait --for=delete configmap/cm --timeout=5s"), "");
    })
    .await
    .unwrap();
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_does_what_operators_do_with_it() {
    let cluster = Cluster::start().await;
    let dir = tempfile::tempdir().unwrap();
    let Some(kubectl) = Kubectl::new(&cluster, dir.path()) else { return cluster.stop().await };
    let node = json!({"metadata": {"name": "n1"}});
    assert_eq!(cluster.admin().post("/api/v1/nodes", &node).await.code, 201);
    tokio::task::spawn_blocking(move || {
        let server_side = "apply --server-side -f -";
        assert_eq!(
            kubectl.given(server_side, WEB),
            "deployment.apps/web serverside-applied\nservice/web serverside-applied"
        );
        assert_eq!(kubectl.given("diff --server-side -f -", WEB), "");
        let forced = "apply --server-side --force-conflicts --field-manager=other -f -";
        kubectl.given(forced, &WEB.replace("replicas: 2", "replicas: 4"));
        assert_eq!(kubectl.says("get deploy web -o jsonpath={.spec.replicas}"), "4");
        assert_eq!(kubectl.given("replace -f -", WEB).lines().next(), Some("deployment.apps/web replaced"));
        assert_eq!(kubectl.says("rollout restart deploy/web"), "deployment.apps/web restarted");
        assert!(kubectl.says("rollout status deploy/web --watch=false").contains("Waiting for deployment"));
        assert_eq!(
            kubectl.says("create deployment two --image=i --replicas=2"),
            "deployment.apps/two created"
        );
        assert_eq!(kubectl.says("set env deploy/two A=b"), "deployment.apps/two env updated");
        assert_eq!(kubectl.says("cordon n1"), "node/n1 cordoned");
        assert_eq!(kubectl.says("uncordon n1"), "node/n1 uncordoned");
        assert_eq!(kubectl.says("taint node n1 a=b:NoSchedule"), "node/n1 tainted");
        assert!(kubectl.says("drain n1 --force --ignore-daemonsets").ends_with("node/n1 drained"));
        assert!(kubectl.says("describe node n1").contains("a=b:NoSchedule"));
        assert!(kubectl.says("get nodes").contains("Unknown"));
        assert_eq!(kubectl.says("run p --image=i"), "pod/p created");
        assert!(kubectl.says("describe pod p").contains("Status:           Pending"));
        assert!(kubectl.says("get pods -A --field-selector=status.phase=Pending -o wide").contains("<none>"));
        assert_eq!(kubectl.says("get pods --chunk-size=1 -o name"), "pod/p");
        assert_eq!(
            kubectl.says("delete deploy --all"),
            "deployment.apps \"two\" deleted\ndeployment.apps \"web\" deleted"
        );
        assert_eq!(
            kubectl.says("get --raw /api/v1/namespaces/default/pods/p?pretty=true").lines().next(),
            Some("{")
        );
    })
    .await
    .unwrap();
    cluster.stop().await;
}
