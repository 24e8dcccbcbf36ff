"""The scenario by kr8s (see ../main.rs)."""

import asyncio
import os

import httpx
import kr8s
from kr8s.asyncio.objects import ConfigMap, Deployment, Namespace, Pod

NAMESPACE, RESTART = os.environ["NAMESPACE"], os.environ["RESTART"]


def done(step):
    print("ok", step, flush=True)


async def refused(code, call):
    try:
        await call
    except kr8s.ServerError as error:
        assert error.response.status_code == code, error
        return
    raise AssertionError(f"not refused with {code}")


async def config_map(name, **data):
    return await ConfigMap({"metadata": {"name": name, "namespace": NAMESPACE, "labels": {"set": "pages"}}, "data": data})


async def create(api):
    await (await Namespace({"metadata": {"name": NAMESPACE}})).create()
    first = await config_map("first", a="b")
    await first.create()
    assert first.metadata.uid and first.data == {"a": "b"}
    await refused(409, (await config_map("first")).create())
    await refused(422, (await config_map("Bad_Name")).create())
    try:
        await ConfigMap.get("absent", namespace=NAMESPACE, timeout=1)
    except kr8s.NotFoundError:
        return first
    raise AssertionError("what is absent was found")


async def patch(first):
    await first.patch({"data": {"c": "d", "a": None}})
    await first.patch([{"op": "add", "path": "/data/e", "value": "f"}], type="json")
    assert first.data == {"c": "d", "e": "f"}, first.data
    await first.label(x="y")
    await first.annotate({"n": "1"})
    await first.refresh()
    assert first.labels["x"] == "y" and first.annotations["n"] == "1"


async def apply(api):
    """It has no apply of its own: its way to send any request."""
    wanted = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied"}, "data": {"k": "one"}}

    async def put(manager, **params):
        async with api.call_api(
            "PATCH", version="v1", url="configmaps/applied", namespace=NAMESPACE, json=wanted,
            headers={"Content-Type": "application/apply-patch+yaml"}, params={"fieldManager": manager, **params},
        ) as response:
            return response.json()

    same = await put("first")
    assert same == await put("first"), "applying the same again changes nothing"
    wanted["data"]["k"] = "two"
    await refused(409, put("second"))
    assert (await put("second", force="true"))["data"]["k"] == "two"


async def pages(api):
    for number in range(25):
        await (await config_map(f"page-{number:02}")).create()
    names, token = [], None
    while token != "":
        params = {"limit": 10, "labelSelector": "set=pages"} | ({"continue": token} if token else {})
        async with api.call_api("GET", version="v1", url="configmaps", namespace=NAMESPACE, params=params) as response:
            page = response.json()
        names += [item["metadata"]["name"] for item in page["items"]]
        token = page["metadata"].get("continue", "")
    assert names == ["first"] + [f"page-{number:02}" for number in range(25)], names
    listed = [one.name async for one in api.get("configmaps", namespace=NAMESPACE, label_selector={"set": "pages"})]
    assert listed == names


async def run(api):
    labels = {"app": "web"}
    container = {"name": "c", "image": os.environ["IMAGE"], "imagePullPolicy": "IfNotPresent"}
    web = await Deployment({"metadata": {"name": "web", "namespace": NAMESPACE}, "spec": {
        "replicas": 1, "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [container], "terminationGracePeriodSeconds": 0}}}})
    await web.create()
    await web.wait("condition=Available", timeout=90)
    await web.scale(2)
    await web.wait("jsonpath='{.status.readyReplicas}'=2", timeout=90)
    return web, (await web.pods())[0]


async def execute(pod):
    assert (await pod.exec(["/demo", "echo", "ahoy"])).stdout == b"ahoy\n"
    failed = await pod.exec(["/demo", "exit", "7"], check=False)
    assert failed.returncode == 7, failed
    assert [line async for line in pod.logs(tail_lines=1)]
    async with pod.portforward(8080) as port:
        async with httpx.AsyncClient() as http:
            assert (await http.get(f"http://127.0.0.1:{port}/healthz")).text.strip() == "ok"


async def watch_through_a_restart(api, first):
    seen, restarted = [], False
    await first.patch({"data": {"n": "1"}})
    while "3" not in seen:
        try:
            async for kind, one in api.watch("configmaps", namespace=NAMESPACE, field_selector="metadata.name=first"):
                # A new watch begins with the state: what was seen last comes again.
                if one.data["n"] not in seen:
                    seen.append(one.data["n"])
                if not restarted:
                    restarted = True
                    await first.patch({"data": {"n": "2"}})
                    restart = await asyncio.create_subprocess_exec(RESTART, stdout=asyncio.subprocess.DEVNULL)
                    assert await restart.wait() == 0
                    await again(first, "3")
                if seen[-1] == "3":
                    break
        except (httpx.HTTPError, kr8s.APITimeoutError, kr8s.ConnectionClosedError):
            continue
    assert seen in (["1", "2", "3"], ["1", "3"]), seen


async def again(first, value):
    """The connection that was kept is gone with the gateway."""
    for _ in range(50):
        try:
            return await first.patch({"data": {"n": value}})
        except (httpx.HTTPError, kr8s.APITimeoutError):
            await asyncio.sleep(0.1)
    raise AssertionError("the API does not come back")


async def delete(api, web, first):
    await web.delete(propagation_policy="Foreground")
    await web.wait("delete", timeout=90)
    assert [pod async for pod in api.get("pods", namespace=NAMESPACE)] == []
    await first.delete()
    await first.wait("delete", timeout=30)
    await (await Namespace.get(NAMESPACE)).delete()


async def main():
    api = await kr8s.asyncio.api()
    first = await create(api)
    done("create")
    await patch(first)
    done("patch")
    await apply(api)
    done("apply")
    await pages(api)
    done("pages")
    web, pod = await run(api)
    await execute(pod)
    done("exec")
    await watch_through_a_restart(api, first)
    done("watch through a restart")
    await delete(api, web, first)
    done("delete")


asyncio.run(main())
