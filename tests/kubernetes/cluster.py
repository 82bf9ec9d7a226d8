"""A Kubernetes API with a scheduler and a kubelet behind it, for a real KubeSpawner to talk to.

The API knows what KubeSpawner uses: it creates, reads, lists, watches and deletes Pods, lists and
watches events, and creates claims of volumes, of which it keeps none. What else is asked for is
refused, as to an account that has no more rights, and remembered. Of a Pod, only the notebook's
container does something: a web server on an address of the Pod's own, which answers at the prefix and
the port that the manifest says.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import html
import itertools
import json
import random
import secrets
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jupyterhub
import yaml
from aiohttp import web

from tests.kubernetes.scheduling import Node, place

NAMESPACE = "hub"
_PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
_CLAIMS = f"/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims"
_EVENTS = f"/api/v1/namespaces/{NAMESPACE}/events"

Json = dict[str, Any]
Judge = Callable[[Json], list[str]]


class Cluster:
    """What runs in the cluster, and all that was asked of its API.

    ``judge`` tells what is wrong with a manifest, which is then refused.
    """

    def __init__(self, nodes: Sequence[Node], judge: Judge = lambda manifest: []) -> None:
        self.token = secrets.token_hex(16)
        self.posted: list[Json] = []
        """The manifests that were posted, in their order, as they were."""
        self.refused: list[str] = []
        """What was asked for and is not for a hub, or is not valid."""
        self.broken: set[str] = set()
        """The names of containers that never do what their probes ask."""
        self._nodes = nodes
        self._judge = judge
        self._objects: dict[str, dict[str, Json]] = {"Pod": {}, "Event": {}}
        self._history: list[tuple[int, str, str, Json]] = []
        self._changed = asyncio.Event()
        self._versions = itertools.count(1)
        self._servers: dict[str, web.AppRunner] = {}

    # what a test looks at

    def pod_of(self, user: str) -> Json:
        """The Pod of a user, as it is now."""
        found = [pod for pod in self._objects["Pod"].values() if _user_of(pod) == user]
        assert found, f"{user} has no Pod"
        return copy.deepcopy(found[0])

    # the API

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._known])
        app.router.add_get(_PODS, self._list("Pod"))
        app.router.add_get(_EVENTS, self._list("Event"))
        app.router.add_post(_PODS, self._create)
        app.router.add_post(_CLAIMS, self._claim)
        app.router.add_get(_PODS + "/{name}", self._read)
        app.router.add_delete(_PODS + "/{name}", self._delete)
        return app

    @web.middleware
    async def _known(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return _failure(401, "Unauthorized")
        if request.match_info.http_exception is not None:
            self.refused.append(f"{request.method} {request.path}")
            return _failure(403, f"{request.method} {request.path} is forbidden")
        return await handler(request)

    async def _create(self, request: web.Request) -> web.Response:
        manifest = await request.json()
        name = manifest["metadata"]["name"]
        if name in self._objects["Pod"]:
            return _failure(409, f'pods "{name}" already exists')
        if problems := self._judge(manifest):
            self.refused.append(f"{name}: {'; '.join(problems)}")
            return _failure(422, f'Pod "{name}" is invalid: {"; ".join(problems)}')
        self.posted.append(copy.deepcopy(manifest))
        manifest["metadata"].update(namespace=NAMESPACE, uid=str(uuid.uuid4()))
        manifest["status"] = {"phase": "Pending"}
        self._put("ADDED", manifest)
        await self._run(manifest)
        return web.json_response(manifest, status=201)

    async def _claim(self, request: web.Request) -> web.Response:
        return web.json_response(await request.json(), status=201)

    async def _read(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        pod = self._objects["Pod"].get(name)
        if pod is None:
            return _failure(404, f'pods "{name}" not found')
        return web.json_response(pod)

    async def _delete(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        pod = self._objects["Pod"].pop(name, None)
        if pod is None:
            return _failure(404, f'pods "{name}" not found')
        if server := self._servers.pop(name, None):
            await server.cleanup()
        self._tell("DELETED", pod)
        return web.json_response(pod)

    def _list(self, kind: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handler(request: web.Request) -> web.StreamResponse:
            if request.query.get("watch", "").lower() == "true":
                return await self._watch(kind, request)
            found = [one for one in self._objects[kind].values() if _is_meant(one, request)]
            version = self._history[-1][0] if self._history else 0
            metadata = {"resourceVersion": str(version)}
            return web.json_response(
                {"kind": f"{kind}List", "apiVersion": "v1", "metadata": metadata, "items": found}
            )

        return handler

    async def _watch(self, kind: str, request: web.Request) -> web.StreamResponse:
        """Tell of each change since a version, one JSON object a line, for as long as was asked for."""
        seen = int(request.query.get("resourceVersion") or 0)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(int(request.query.get("timeoutSeconds", 60))):
                while True:
                    changed = self._changed
                    for version, of, change, one in self._history[:]:
                        if version > seen and of == kind and _is_meant(one, request):
                            line = json.dumps({"type": change, "object": one})
                            await response.write(line.encode() + b"\n")
                        seen = max(seen, version)
                    await changed.wait()
        return response

    def _put(self, change: str, one: Json) -> None:
        self._objects[one["kind"]][one["metadata"]["name"]] = one
        self._tell(change, one)

    def _tell(self, change: str, one: Json) -> None:
        version = next(self._versions)
        one["metadata"]["resourceVersion"] = str(version)
        self._history.append((version, one["kind"], change, copy.deepcopy(one)))
        self._changed.set()
        self._changed = asyncio.Event()

    # scheduler and kubelet

    async def _run(self, pod: Json) -> None:
        name, spec = pod["metadata"]["name"], pod["spec"]
        node = place(spec, self._nodes)
        if node is None:
            self._event(pod, "Warning", "FailedScheduling", "no node is as this Pod asks for")
            return
        self._event(pod, "Normal", "Scheduled", f"assigned {NAMESPACE}/{name} to {node}")
        spec["nodeName"] = node
        first = spec.get("initContainers", [])
        if any(one["name"] in self.broken and "startupProbe" in one for one in first):
            self._event(pod, "Warning", "Unhealthy", "Startup probe failed")
            return
        self._servers[name], address = await _serve(_notebook(spec), _user_of(pod))
        pod["status"] = {
            "phase": "Running",
            "podIP": address,
            "initContainerStatuses": [self._state(one) for one in first],
            "containerStatuses": [self._state(one) for one in spec["containers"]],
        }
        self._put("MODIFIED", pod)

    def _state(self, container: Json) -> Json:
        probed = {"readinessProbe", "startupProbe"} & container.keys()
        ready = not (probed and container["name"] in self.broken)
        return {
            "name": container["name"],
            "image": container["image"],
            "imageID": "",
            "ready": ready,
            "restartCount": 0,
            "state": {"running": {}},
        }

    def _event(self, pod: Json, kind: str, reason: str, message: str) -> None:
        event = {
            "kind": "Event",
            "apiVersion": "v1",
            "metadata": {
                "name": f"{pod['metadata']['name']}.{uuid.uuid4().hex}",
                "namespace": NAMESPACE,
                "uid": str(uuid.uuid4()),
            },
            "involvedObject": {"kind": "Pod", "name": pod["metadata"]["name"]},
            "type": kind,
            "reason": reason,
            "message": message,
            "lastTimestamp": datetime.now(UTC).isoformat(),
        }
        self._put("ADDED", event)

    async def stop(self) -> None:
        """End all that serves the Pods that are left."""
        while self._servers:
            await self._servers.popitem()[1].cleanup()


@contextlib.asynccontextmanager
async def serving(cluster: Cluster, kubeconfig: Path) -> AsyncIterator[None]:
    """Serve a cluster's API; write the file by which clients find it."""
    runner = web.AppRunner(cluster.application(), shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        named: Json = {"cluster": "fake", "user": "hub"}
        server = {"server": f"http://{host}:{port}"}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "fake", "cluster": server}],
            "users": [{"name": "hub", "user": {"token": cluster.token}}],
            "contexts": [{"name": "hub", "context": named}],
            "current-context": "hub",
        }
        kubeconfig.touch(mode=0o600)
        kubeconfig.write_text(yaml.safe_dump(config))
        yield
    finally:
        await cluster.stop()
        await runner.cleanup()


def _user_of(pod: Json) -> str:
    return str(pod["metadata"]["annotations"]["hub.jupyter.org/username"])


def _failure(code: int, message: str) -> web.Response:
    """An answer as Kubernetes's API gives it."""
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code}
    return web.json_response({**status, "message": message}, status=code)


def _is_meant(one: Json, request: web.Request) -> bool:
    """Whether an object is among those that the selectors of a request ask for."""
    labels = one["metadata"].get("labels", {})
    for pair in filter(None, request.query.get("labelSelector", "").split(",")):
        key, _, value = pair.partition("=")
        if labels.get(key) != value:
            return False
    for pair in filter(None, request.query.get("fieldSelector", "").split(",")):
        path, _, value = pair.partition("=")
        found: Any = one
        for part in path.split("."):
            found = found.get(part, {})
        if found != value:
            return False
    return True


def _notebook(spec: Json) -> Json:
    return next(one for one in spec["containers"] if one["name"] == "notebook")


async def _serve(notebook: Json, user: str) -> tuple[web.AppRunner, str]:
    """Answer in the place of a Jupyter server; return also the address at which it is."""
    environment = {one["name"]: one.get("value", "") for one in notebook["env"]}
    prefix = unquote(environment["JUPYTERHUB_SERVICE_PREFIX"])

    async def answer(request: web.Request) -> web.Response:
        if not request.path.startswith(prefix):
            raise web.HTTPNotFound
        headers = {"X-JupyterHub-Version": jupyterhub.__version__}
        page = f"<p id='server'>The server of {html.escape(user)} runs.</p>"
        return web.Response(text=page, content_type="text/html", headers=headers)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    for _ in range(20):
        address = f"127.{random.randint(1, 254)}.{random.randint(0, 255)}.{random.randint(1, 254)}"
        with contextlib.suppress(OSError):
            await web.TCPSite(runner, address, notebook["ports"][0]["containerPort"]).start()
            return runner, address
    raise RuntimeError("no address of this machine is free")
