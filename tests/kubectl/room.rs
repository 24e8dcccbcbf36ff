//! A namespace of a step's own, which is what kubectl works in when a line names none.

use std::path::PathBuf;

use rutter_tests::Cluster;

pub(crate) struct Room<'a> {
    cluster: &'a Cluster,
    config: PathBuf,
}

/// A Deployment of two with a Service; sed changes what a step wants otherwise.
pub(crate) const WEB: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: c, image: 'demo:1', ports: [{containerPort: 80}]}]
---
apiVersion: v1
kind: Service
metadata: {name: web, labels: {app: web}}
spec: {selector: {app: web}, ports: [{port: 80}]}
";

impl<'a> Room<'a> {
    pub(crate) fn new(cluster: &'a Cluster, namespace: &str) -> Room<'a> {
        cluster.run(&format!("kubectl create namespace {namespace}"));
        let config = cluster.data().join(format!("kubeconfig-{namespace}"));
        std::fs::copy(cluster.kubeconfig(), &config).expect("the kubeconfig can be copied");
        let room = Room { cluster, config };
        room.run(&format!("kubectl config set-context --current --namespace={namespace}"));
        room.write("web.yaml", WEB);
        room
    }

    /// A file that lines find under its name: `$DIR/<name>`.
    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::create_dir_all(self.dir()).expect("a directory can be made");
        std::fs::write(self.dir().join(name), text).expect("a file can be written");
    }

    fn dir(&self) -> PathBuf {
        self.config.with_extension("files")
    }

    fn line(&self, line: &str) -> String {
        format!(
            "set -o pipefail; export KUBECONFIG={} DIR={}; {line}",
            self.config.display(),
            self.dir().display()
        )
    }

    /// What a line prints, without the last line's end.
    pub(crate) fn run(&self, line: &str) -> String {
        self.cluster.run(&self.line(line)).trim_end().to_owned()
    }

    pub(crate) fn says(&self, line: &str, said: &str) {
        assert_eq!(self.run(line), said, "$ {line}");
    }

    /// What a line prints holds all of these.
    pub(crate) fn tells(&self, line: &str, parts: &[&str]) -> String {
        let said = self.run(line);
        for part in parts {
            assert!(said.contains(part), "$ {line}\nsays no {part:?}:\n{said}");
        }
        said
    }

    /// A line fails, and says this among other things.
    pub(crate) fn refused(&self, line: &str, part: &str) {
        let said = self.cluster.refused(&self.line(line));
        assert!(said.contains(part), "$ {line}\nsays no {part:?}:\n{said}");
    }

    /// Repeats a line until it prints just this.
    pub(crate) fn until(&self, line: &str, said: &str) {
        self.cluster.until(&self.line(line), |out| out.trim_end() == said);
    }
}
