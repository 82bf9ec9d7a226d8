"""A user's Pod: JupyterLab in the notebook's container, and the desktop beside it."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from traitlets.config import Config

from tests.broker.desk import Desk
from tests.jupyter.jupyterlab import BASE_URL, JupyterLab, lab_is_configured
from tests.pod.podman import Manifest, Pod, Podman, running_pod
from tests.pod.spawning import manifest_of
from tests.support import eventually
from vizproxy import __version__
from vizproxy.kubernetes import Choices, configure
from vizproxy.kubernetes.sidecar import NAME

NOTEBOOK: Final = "notebook"
SIDECAR: Final = NAME
PORT: Final = 8888

SIDECAR_IMAGE: Final = f"vizproxy-sidecar:{__version__}"
NOTEBOOK_IMAGE: Final = f"vizproxy-notebook:{__version__}"


class LabInAPod(JupyterLab):
    """A JupyterLab whose process is not ours."""

    def __init__(self, directory: Path, port: int, token: str) -> None:
        self.directory = directory
        self.url = f"http://127.0.0.1:{port}{BASE_URL}"
        self.token = token

    async def answers(self) -> None:
        """Wait until it does."""

        async def check() -> bool:
            async with self.get("api/status") as response:
                return response.status == 200

        await eventually(check, timeout=60)


@dataclass(frozen=True)
class Session:
    """The Pod, and its JupyterLab."""

    pod: Pod
    lab: LabInAPod

    async def desk(self) -> Desk:
        """The desktop, once it is ready."""
        daemon = await self.pod.desktop()
        await daemon.ready()
        return Desk(daemon)


def _as_it_is(manifest: Manifest) -> None:
    """Leave the manifest alone."""


async def session_manifest(directory: Path, token: str, choices: Choices) -> Manifest:
    """What KubeSpawner makes of these choices, on a hub whose users have a home on a volume."""
    home = str(directory / "home")
    section: dict[str, Any] = {
        "image": NOTEBOOK_IMAGE,
        "cmd": ["jupyter-lab"],
        "args": [
            *("--no-browser", "--ip=0.0.0.0", f"--port={PORT}"),
            *(f"--IdentityProvider.token={token}", f"--ServerApp.base_url={BASE_URL}"),
        ],
        "environment": {"HOME": home},
        "volumes": [{"name": "home", "hostPath": {"path": home}}],
        "volume_mounts": [{"name": "home", "mountPath": home}],
        "working_dir": home,
    }
    config = Config({"KubeSpawner": section})
    configure(config, choices)
    return await manifest_of(config, {}, directory)


@contextlib.asynccontextmanager
async def running_session(
    podman: Podman,
    directory: Path,
    choices: Choices | None = None,
    *,
    changed: Callable[[Manifest], None] = _as_it_is,
    order: Sequence[str] = (),
) -> AsyncIterator[Session]:
    """Run a Pod; ``order`` are the containers in the order in which they are to be started."""
    home = directory / "home"
    home.mkdir()
    await lab_is_configured(home)
    for path in (home, *home.rglob("*")):  # whoever its user is
        path.chmod(0o777 if path.is_dir() else 0o666)
    token = secrets.token_hex(16)
    manifest = await session_manifest(directory, token, choices or Choices())
    changed(manifest)
    async with (
        running_pod(podman, manifest, directory, start=not order) as pod,
        contextlib.AsyncExitStack() as stack,
    ):
        for container in order:
            await pod.start(container)
        port = await stack.enter_async_context(pod.reached(PORT))
        yield Session(pod, LabInAPod(directory, port, token))
