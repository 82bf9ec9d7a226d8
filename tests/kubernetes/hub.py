"""A real JupyterHub whose real KubeSpawner starts servers in a cluster of the test's own."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from tests.jupyter.hub import Hub, hub_with
from tests.kubernetes.cluster import NAMESPACE, Cluster, serving

CHOICES = Path(__file__).with_name("choices.toml")
"""What an admin chose."""

_KUBESPAWNER = f"""
c.JupyterHub.spawner_class = "kubespawner.KubeSpawner"
c.KubeSpawner.namespace = "{NAMESPACE}"
c.KubeSpawner.start_timeout = 60
c.KubeSpawner.k8s_api_request_timeout = 30
"""


async def rendered(choices: Path) -> str:
    """What ``vizproxy kubernetes render`` makes of an admin's choices for KubeSpawner."""
    argv = ("kubernetes", "render", "--format", "kubespawner", "--choices", str(choices))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "vizproxy.cli.main", *argv), stdout=subprocess.PIPE
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0
    return printed.decode()


@contextlib.asynccontextmanager
async def kube_hub(
    directory: Path, config: str, cluster: Cluster, *users: str
) -> AsyncIterator[Hub]:
    """Run a hub for these users, configured by ``config``, whose servers are Pods of ``cluster``."""
    kubeconfig = directory / "kubeconfig"
    async with (
        serving(cluster, kubeconfig),
        hub_with(_KUBESPAWNER + config, directory, *users, KUBECONFIG=str(kubeconfig)) as hub,
    ):
        yield hub
