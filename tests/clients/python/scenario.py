"""The scenario by the Python client `kubernetes` (see ../main.rs)."""

import os
import subprocess
import urllib3

from kubernetes import client, config, dynamic, watch
from kubernetes.client.rest import ApiException
from kubernetes.stream import stream

NAMESPACE, RESTART = os.environ["NAMESPACE"], os.environ["RESTART"]

config.load_kube_config()
core, apps = client.CoreV1Api(), client.AppsV1Api()
resources = dynamic.DynamicClient(client.ApiClient())


def done(step):
    print("ok", step, flush=True)


def refused(code, reason, call, *args, **options):
    try:
        call(*args, **options)
    except (ApiException, dynamic.exceptions.DynamicApiError) as error:
        assert error.status == code and reason in str(error.body), error
        return
    raise AssertionError(f"{call} was not refused with {code} {reason}")


def config_map(name, **data):
    return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name, labels={"set": "pages"}), data=data)


def create():
    core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=NAMESPACE)))
    made = core.create_namespaced_config_map(NAMESPACE, config_map("first", a="b"))
    assert made.metadata.uid and made.metadata.resource_version and made.data == {"a": "b"}
    refused(409, "AlreadyExists", core.create_namespaced_config_map, NAMESPACE, config_map("first"))
    refused(422, "Invalid", core.create_namespaced_config_map, NAMESPACE, config_map("Bad_Name"))
    refused(404, "NotFound", core.read_namespaced_config_map, "absent", NAMESPACE)
    dry = core.create_namespaced_config_map(NAMESPACE, config_map("dry"), dry_run="All")
    assert dry.metadata.name == "dry"
    refused(404, "NotFound", core.read_namespaced_config_map, "dry", NAMESPACE)


def patch():
    core.patch_namespaced_config_map("first", NAMESPACE, {"data": {"c": "d", "a": None}})
    operations = [{"op": "add", "path": "/data/e", "value": "f"}]
    patched = core.patch_namespaced_config_map("first", NAMESPACE, operations)
    assert patched.data == {"c": "d", "e": "f"}, patched.data
    stale = core.read_namespaced_config_map("first", NAMESPACE)
    core.patch_namespaced_config_map("first", NAMESPACE, {"metadata": {"labels": {"x": "y"}}})
    stale.data["g"] = "h"
    refused(409, "Conflict", core.replace_namespaced_config_map, "first", NAMESPACE, stale)


def apply():
    maps = resources.resources.get(api_version="v1", kind="ConfigMap")
    wanted = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied"}, "data": {"k": "one"}}
    put = lambda manager, **options: resources.server_side_apply(
        maps, body=wanted, name="applied", namespace=NAMESPACE, field_manager=manager, **options)
    put("first")
    same = put("first").metadata.resourceVersion
    assert same == put("first").metadata.resourceVersion, "applying the same again changes nothing"
    wanted["data"]["k"] = "two"
    refused(409, "conflict with", put, "second")
    assert put("second", force_conflicts=True).data.k == "two"


def pages():
    for number in range(25):
        core.create_namespaced_config_map(NAMESPACE, config_map(f"page-{number:02}"))
    names, token, revisions = [], None, set()
    while True:
        page = core.list_namespaced_config_map(NAMESPACE, label_selector="set=pages", limit=10, _continue=token)
        names += [item.metadata.name for item in page.items]
        revisions.add(page.metadata.resource_version)
        token = page.metadata._continue
        if not token:
            break
        assert page.metadata.remaining_item_count in (None, 26 - len(names))
    assert names == ["first"] + [f"page-{number:02}" for number in range(25)], names
    assert len(revisions) == 1, "all pages are of one revision"


def run():
    labels = {"app": "web"}
    container = client.V1Container(name="c", image=os.environ["IMAGE"], image_pull_policy="IfNotPresent")
    template = client.V1PodTemplateSpec(
        metadata=client.V1ObjectMeta(labels=labels),
        spec=client.V1PodSpec(containers=[container], termination_grace_period_seconds=0))
    apps.create_namespaced_deployment(NAMESPACE, client.V1Deployment(
        metadata=client.V1ObjectMeta(name="web"),
        spec=client.V1DeploymentSpec(replicas=1, selector=client.V1LabelSelector(match_labels=labels), template=template)))
    for event in watch.Watch().stream(apps.list_namespaced_deployment, NAMESPACE, timeout_seconds=90):
        if event["object"].status.available_replicas == 1:
            break
    else:
        raise AssertionError("the deployment is not available")
    return core.list_namespaced_pod(NAMESPACE, label_selector="app=web").items[0].metadata.name


def execute(pod):
    ask = lambda command, **options: stream(core.connect_get_namespaced_pod_exec, pod, NAMESPACE,
                                            command=command, stderr=True, stdout=True, **options)
    assert ask(["/demo", "echo", "ahoy"]) == "ahoy\n"
    session = ask(["/demo", "lines", "3"], stdin=True, _preload_content=False)
    session.run_forever(timeout=30)
    assert session.read_stdout() == "line 0\nline 1\nline 2\n"
    failed = ask(["/demo", "exit", "7"], _preload_content=False)
    failed.run_forever(timeout=30)
    assert failed.returncode == 7, failed.returncode
    assert core.read_namespaced_pod_log(pod, NAMESPACE, tail_lines=1).strip()


def watch_through_a_restart():
    start = core.list_namespaced_config_map(NAMESPACE).metadata.resource_version
    change = lambda value: core.patch_namespaced_config_map("first", NAMESPACE, {"data": {"n": value}})
    change("1")
    seen, watching = [], watch.Watch()
    since, restarted = start, False
    while "3" not in seen:
        try:
            for event in watching.stream(core.list_namespaced_config_map, NAMESPACE, resource_version=since,
                                         field_selector="metadata.name=first", timeout_seconds=60):
                seen.append(event["object"].data["n"])
                since = event["object"].metadata.resource_version
                if not restarted:
                    change("2")
                    subprocess.run([RESTART], check=True, stdout=subprocess.DEVNULL)
                    restarted = True
                    change("3")
                if seen[-1] == "3":
                    break
        except urllib3.exceptions.HTTPError:
            continue
    assert seen == ["1", "2", "3"], seen


def delete():
    apps.delete_namespaced_deployment("web", NAMESPACE, propagation_policy="Foreground")
    for event in watch.Watch().stream(core.list_namespaced_pod, NAMESPACE, timeout_seconds=90):
        if event["type"] == "DELETED":
            break
    core.delete_collection_namespaced_config_map(NAMESPACE, label_selector="set=pages")
    names = [item.metadata.name for item in core.list_namespaced_config_map(NAMESPACE).items]
    assert names == ["applied", "kube-root-ca.crt"], names
    core.delete_namespace(NAMESPACE)


create(), done("create")
patch(), done("patch")
apply(), done("apply")
pages(), done("pages")
execute(run()), done("exec")
watch_through_a_restart(), done("watch through a restart")
delete(), done("delete")
