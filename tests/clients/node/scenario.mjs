// The scenario by @kubernetes/client-node (see ../main.rs).

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { PassThrough, Readable } from "node:stream";
import * as k8s from "@kubernetes/client-node";

const { NAMESPACE: namespace, RESTART, IMAGE } = process.env;
const config = new k8s.KubeConfig();
config.loadFromDefault();
const core = config.makeApiClient(k8s.CoreV1Api);
const apps = config.makeApiClient(k8s.AppsV1Api);
const objects = k8s.KubernetesObjectApi.makeApiClient(config);

const as = (type) => k8s.setHeaderOptions("Content-Type", type);
const configMap = (name, data = {}) => ({
  apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace, labels: { set: "pages" } }, data,
});

async function refused(code, reason, call) {
  await assert.rejects(call, (error) => {
    assert.equal(error.code, code);
    assert.match(String(error.body), new RegExp(reason));
    return true;
  });
}

async function create() {
  await core.createNamespace({ body: { metadata: { name: namespace } } });
  const made = await core.createNamespacedConfigMap({ namespace, body: configMap("first", { a: "b" }) });
  assert.ok(made.metadata.uid);
  assert.ok(made.metadata.creationTimestamp instanceof Date);
  await refused(409, "AlreadyExists", core.createNamespacedConfigMap({ namespace, body: configMap("first") }));
  await refused(422, "Invalid", core.createNamespacedConfigMap({ namespace, body: configMap("Bad_Name") }));
  await refused(404, "NotFound", core.readNamespacedConfigMap({ name: "absent", namespace }));
}

async function patch() {
  const change = (body, type) => core.patchNamespacedConfigMap({ name: "first", namespace, body }, as(type));
  await change({ data: { c: "d", a: null } }, k8s.PatchStrategy.MergePatch);
  await change({ data: { g: "h" } }, k8s.PatchStrategy.StrategicMergePatch);
  const patched = await change([{ op: "add", path: "/data/e", value: "f" }], k8s.PatchStrategy.JsonPatch);
  assert.deepEqual(patched.data, { c: "d", e: "f", g: "h" });
  const stale = await core.readNamespacedConfigMap({ name: "first", namespace });
  await change({ metadata: { labels: { x: "y" } } }, k8s.PatchStrategy.MergePatch);
  stale.data.i = "j";
  await refused(409, "Conflict", core.replaceNamespacedConfigMap({ name: "first", namespace, body: stale }));
}

async function apply() {
  const wanted = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "applied", namespace }, data: { k: "one" } };
  const put = (manager, force) =>
    objects.patch(wanted, undefined, undefined, manager, force, k8s.PatchStrategy.ServerSideApply);
  const once = await put("first");
  const twice = await put("first");
  assert.equal(once.metadata.resourceVersion, twice.metadata.resourceVersion);
  wanted.data.k = "two";
  await refused(409, "conflict with", put("second"));
  assert.equal((await put("second", true)).data.k, "two");
}

async function pages() {
  const expected = ["first"];
  for (let number = 0; number < 25; number++) {
    const name = `page-${String(number).padStart(2, "0")}`;
    expected.push(name);
    await core.createNamespacedConfigMap({ namespace, body: configMap(name) });
  }
  const names = [], revisions = new Set();
  let token;
  do {
    const page = await core.listNamespacedConfigMap({ namespace, labelSelector: "set=pages", limit: 10, _continue: token });
    names.push(...page.items.map((item) => item.metadata.name));
    revisions.add(page.metadata.resourceVersion);
    token = page.metadata._continue;
  } while (token);
  assert.deepEqual(names, expected);
  assert.equal(revisions.size, 1);
}

async function run() {
  const labels = { app: "web" };
  const containers = [{ name: "c", image: IMAGE, imagePullPolicy: "IfNotPresent" }];
  const template = { metadata: { labels }, spec: { containers, terminationGracePeriodSeconds: 0 } };
  const spec = { replicas: 1, selector: { matchLabels: labels }, template };
  await apps.createNamespacedDeployment({ namespace, body: { metadata: { name: "web" }, spec } });
  await until("the deployment is available", async () =>
    (await apps.readNamespacedDeployment({ name: "web", namespace })).status.availableReplicas === 1);
  const pods = await core.listNamespacedPod({ namespace, labelSelector: "app=web" });
  return pods.items[0].metadata.name;
}

async function execute(pod) {
  const exec = new k8s.Exec(config);
  const ask = (command, stdin = null) => new Promise((resolve, reject) => {
    const out = new PassThrough();
    let text = "";
    out.on("data", (chunk) => { text += chunk; });
    exec.exec(namespace, pod, "c", command, out, new PassThrough(), stdin, false, (status) => resolve({ text, status }))
      .catch(reject);
  });
  const echoed = await ask(["/demo", "echo", "ahoy"]);
  assert.equal(echoed.text, "ahoy\n");
  assert.equal(echoed.status.status, "Success");
  const typed = await ask(["/demo", "cat"], Readable.from(["typed"]));
  assert.equal(typed.text, "typed");
  const failed = await ask(["/demo", "exit", "7"]);
  assert.equal(failed.status.details.causes[0].message, "7");
  const said = new PassThrough();
  const logs = new k8s.Log(config);
  const heard = new Promise((resolve) => said.once("data", resolve));
  await logs.log(namespace, pod, "c", said, { tailLines: 1 });
  assert.ok((await heard).length > 0);
}

async function watchThroughARestart() {
  const change = (n) => core.patchNamespacedConfigMap(
    { name: "first", namespace, body: { data: { n } } }, as(k8s.PatchStrategy.MergePatch));
  const seen = [];
  const path = `/api/v1/namespaces/${namespace}/configmaps`;
  const list = () => core.listNamespacedConfigMap({ namespace, fieldSelector: "metadata.name=first" });
  await change("1");
  const informer = k8s.makeInformer(config, path, list, undefined, "metadata.name=first");
  const heard = (object) => { if (object.metadata.name === "first") seen.push(object.data.n); };
  informer.on("add", heard);
  informer.on("update", heard);
  informer.on("error", () => setTimeout(() => informer.start().catch(() => {}), 200));
  await informer.start();
  await change("2");
  await until("the first events", () => seen.includes("2"));
  execFileSync(RESTART, { stdio: "ignore" });
  await until("the API is back", () => change("3").then(() => true, () => false));
  await until("the last event", () => seen.includes("3"));
  await informer.stop();
  assert.deepEqual([...new Set(seen)], ["1", "2", "3"]);
}

async function deletion() {
  await apps.deleteNamespacedDeployment({ name: "web", namespace, propagationPolicy: "Foreground" });
  await until("the pods are gone", async () => (await core.listNamespacedPod({ namespace })).items.length === 0);
  await core.deleteCollectionNamespacedConfigMap({ namespace, labelSelector: "set=pages" });
  const left = (await core.listNamespacedConfigMap({ namespace })).items.map((item) => item.metadata.name);
  assert.deepEqual(left, ["applied", "kube-root-ca.crt"]);
  await core.deleteNamespace({ name: namespace });
}

async function until(what, holds) {
  const deadline = Date.now() + 90_000;
  while (!(await holds())) {
    assert.ok(Date.now() < deadline, `${what}: not within 90 s`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const steps = [["create", create], ["patch", patch], ["apply", apply], ["pages", pages],
  ["exec", async () => execute(await run())], ["watch through a restart", watchThroughARestart], ["delete", deletion]];
for (const [name, step] of steps) {
  await step();
  console.log("ok", name);
}
process.exit(0);
