//! A log that was restored from an old backup: noticed and said, never served, and gone on with only by a command.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use http::Method;
use rutter_client::Client;
use rutter_tests::{apart, port};
use serde_json::{Value, json};

/// A one-machine cluster without nodes.
struct Cluster {
    dir: PathBuf,
    port: u16,
}

const OBJECTS: &str = "/api/v1/namespaces/default/configmaps";

impl Cluster {
    fn new(dir: &Path) -> Cluster {
        let port = port::held().unwrap();
        Cluster { dir: dir.join("cluster"), port }
    }

    fn rutter(&self, command: &str, more: &[&str]) -> Output {
        let mut rutter = Command::new(apart::beside().unwrap());
        rutter.env("RUTTER_NATS_SERVER", apart::nats_server()).arg(command).arg("--data").arg(&self.dir);
        rutter.args(more).output().unwrap()
    }

    fn up(&self, more: &[&str]) -> Output {
        let port = self.port.to_string();
        let usual = ["--background", "--runtime", "none", "--max-log-gib", "1", "--port", &port];
        self.rutter("up", &[&usual[..], more].concat())
    }

    fn started(&self, more: &[&str]) -> Client {
        let up = self.up(more);
        assert!(up.status.success(), "{}\n{}", String::from_utf8_lossy(&up.stderr), self.log());
        Client::open(Some(&self.dir.join("kubeconfig"))).unwrap()
    }

    fn down(&self) {
        assert!(self.rutter("down", &[]).status.success());
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.join("rutter.log")).unwrap_or_default()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // A test that failed leaves no process behind either.
        self.rutter("down", &[]);
    }
}

/// Makes a ConfigMap; its revision.
async fn make(client: &Client, name: &str) -> u64 {
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
    let made: Value = client.json(Method::POST, OBJECTS, Some(&object)).await.unwrap();
    made["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

async fn is_there(client: &Client, name: &str) -> bool {
    client.get::<Value>(&format!("{OBJECTS}/{name}")).await.is_ok()
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_restored_from_an_old_backup_is_not_served_until_somebody_accepts_the_loss() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = Cluster::new(dir.path());
    let (store, backup) = (cluster.dir.join("nats/store"), dir.path().join("backup"));
    let client = cluster.started(&[]);
    make(&client, "kept").await;
    cluster.down();
    copy(&store, &backup);
    let client = cluster.started(&[]);
    let lost = make(&client, "lost").await;
    cluster.down();
    fs::remove_dir_all(&store).unwrap();
    copy(&backup, &store);

    let refused = cluster.up(&[]);
    assert!(!refused.status.success(), "it serves a log that lost what it acknowledged");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned() + &cluster.log();
    assert!(
        said.contains("lost its tail or was restored") || said.contains("the log ends at frame"),
        "{said}"
    );
    cluster.down();

    let client = cluster.started(&["--new-incarnation"]);
    assert!(is_there(&client, "kept").await && !is_there(&client, "lost").await);
    let made = make(&client, "lost").await;
    assert!(made >> 32 > lost >> 32, "{made} is of the incarnation of {lost}");
    let skipped = format!("{OBJECTS}?resourceVersion={}&resourceVersionMatch=Exact", lost + 9);
    let gone = client.get::<Value>(&skipped).await.unwrap_err().to_string();
    assert!(gone.contains("skipped") || gone.contains("too old") || gone.contains("expired"), "{gone}");
    cluster.down();

    // From here on it is a log like any other.
    let client = cluster.started(&[]);
    assert!(make(&client, "next").await > made);
    cluster.down();
}
