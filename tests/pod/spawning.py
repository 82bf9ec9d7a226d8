"""The manifests of Pods that a real KubeSpawner makes of configurations.

Run as ``python -m tests.pod.spawning``: it reads the configurations, each with what a user has chosen
in the dialog, as JSON, and prints the manifests. A process of its own, since KubeSpawner wants to know
its cluster: it gets one that is nowhere, by the variable KUBECONFIG.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jupyterhub import orm
from jupyterhub.objects import Hub
from jupyterhub.user import User
from kubernetes_asyncio.client import ApiClient
from kubespawner import KubeSpawner
from traitlets.config import Config

from tests.support import ROOT

USER = "zoë"
_NOWHERE = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "nowhere",
    "contexts": [{"name": "nowhere", "context": {"cluster": "nowhere", "user": "nobody"}}],
    "clusters": [{"name": "nowhere", "cluster": {"server": "http://127.0.0.1:1"}}],
    "users": [{"name": "nobody", "user": {}}],
}


async def manifest_of(
    config: Mapping[str, Any], chosen: Mapping[str, str], directory: Path
) -> dict[str, Any]:
    """Have KubeSpawner make a manifest in a process of its own; ``directory`` is for its cluster."""
    (manifest,) = await manifests_of([(config, chosen)], directory)
    return manifest


async def manifests_of(
    cases: Sequence[tuple[Mapping[str, Any], Mapping[str, str]]], directory: Path
) -> list[dict[str, Any]]:
    """The same for several, in one process, which takes seconds to start."""
    cluster = directory / "kubeconfig"
    cluster.write_text(json.dumps(_NOWHERE))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.pod.spawning"),
        cwd=ROOT,
        env={**os.environ, "KUBECONFIG": str(cluster)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await process.communicate(json.dumps(cases).encode())
    assert process.returncode == 0, err.decode()
    manifests: list[dict[str, Any]] = json.loads(out)
    return manifests


async def _make(config: Mapping[str, Any], chosen: Mapping[str, str]) -> dict[str, Any]:
    database = orm.new_session_factory("sqlite:///:memory:")()
    known = orm.User(name=USER)
    database.add(known)
    database.commit()
    settings = {
        "spawner_class": KubeSpawner,
        "config": Config(config),
        "hub": Hub(),
        "base_url": "/",
    }
    spawner = User(known, settings, db=database).spawner
    spawner.api_token = "none"
    form = {name: [value] for name, value in chosen.items()}
    spawner.user_options = spawner.options_from_form(form) if form else {}
    await spawner.load_user_options()
    pod = await spawner.get_pod_manifest()
    async with ApiClient() as client:
        manifest: dict[str, Any] = client.sanitize_for_serialization(pod)
    await spawner.api.api_client.close()
    return manifest


def main() -> None:
    logging.disable(logging.CRITICAL)
    made = [asyncio.run(_make(config, chosen)) for config, chosen in json.load(sys.stdin)]
    json.dump(made, sys.stdout)


if __name__ == "__main__":
    main()
