"""The images themselves: what is in them, what is not, and what they say of themselves."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import pytest

from tests.pod.podman import Podman, Ran
from tests.pod.session import NOTEBOOK_IMAGE, SIDECAR_IMAGE
from tests.support import ROOT, eventually
from vizproxy import __version__

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

IMAGES = pytest.mark.parametrize("image", [SIDECAR_IMAGE, NOTEBOOK_IMAGE])
BUILDERS = ("cc", "gcc", "g++", "make", "as", "ld", "pip", "pip3", "python3-config", "git")


async def inspected(podman: Podman, image: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await podman.do("image", "inspect", image))[0]
    return found


async def said(podman: Podman, image: str, script: str, *options: str) -> Ran:
    """What a shell's script says in a fresh container, as the image's user."""
    fresh = ("run", "--rm", "--network", "none", "--read-only", "--cap-drop=all", *options)
    return await podman.run(*fresh, "--entrypoint", "sh", image, "-c", script)


@IMAGES
async def test_what_an_image_says_of_itself(podman: Podman, image: str) -> None:
    config = (await inspected(podman, image))["Config"]
    assert config["User"] == "1000:0"
    assert config["Entrypoint"][:2] == ["/usr/bin/tini", "--"]
    labels = config["Labels"]
    name = "org.opencontainers.image"
    assert labels[f"{name}.title"] == image.partition(":")[0]
    assert labels[f"{name}.version"] == __version__
    assert labels[f"{name}.licenses"] == "BSD-3-Clause"
    told = subprocess.run(
        ("git", "rev-parse", "HEAD"), cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert labels[f"{name}.revision"] == told.stdout.strip()


@IMAGES
async def test_an_image_has_no_compiler_and_nothing_that_gives_rights(
    podman: Podman, image: str
) -> None:
    ran = await said(podman, image, f"command -v {' '.join(BUILDERS)}; true")
    assert ran.out == ""
    look = (
        "find / -xdev -type f -perm /6000",
        "find / -xdev -type f -perm -0002",
        "ls -d /build /dist /root/.cache /root/.config /etc/pip.conf 2>/dev/null",
        "find /var/lib/apt/lists -type f",
        "grep -ril -e proxy -e verify /etc/apt",
    )
    whole = ("--user", "0", "--cap-add=dac_override")
    ran = await said(podman, image, "; ".join((*look, "true")), *whole)
    assert ran.out == ""


@IMAGES
async def test_nothing_of_the_machine_that_built_it_is_in_an_image(
    podman: Podman, image: str
) -> None:
    found = await inspected(podman, image)
    told = json.dumps([found["Config"], found.get("History")]).lower()
    assert str(ROOT) not in told
    assert not re.search(r"(http|https|no)_proxy|extra-index|/opt/(pypi|wheels)", told)


async def test_the_sidecar_has_the_daemon_and_nothing_of_jupyter(podman: Podman) -> None:
    script = "ls /opt/vizproxy/lib/python3*/site-packages"
    packages = (await said(podman, SIDECAR_IMAGE, script)).out.split()
    assert {"aiohttp", "vizproxy", "websockify"} <= set(packages)
    assert not [
        name for name in packages if re.match("jupyter|notebook|tornado|pip|setuptools", name)
    ]
    ran = await said(podman, SIDECAR_IMAGE, "vizproxy --version")
    assert ran.out.split()[-1] == __version__, ran.said


async def test_the_sidecars_health_is_whether_its_daemon_answers(podman: Podman) -> None:
    found = await inspected(podman, SIDECAR_IMAGE)
    assert found["Healthcheck"]["Test"] == ["CMD", "vizproxy", "ping"]
    assert found["Config"]["Cmd"] == ["serve"]
    ran = await said(podman, SIDECAR_IMAGE, "vizproxy ping")
    assert ran.code == 69
    assert "no daemon runs there" in ran.err
    # By itself, too, the image works without rights and with a read-only root.
    places = ("/run/vizproxy", "/tmp", "/tmp/.X11-unix")
    volumes = [f"--volume={place}" for place in places]
    confined = ("--read-only", "--cap-drop=all", "--security-opt=no-new-privileges")
    name = "vizproxy-test-alone"
    await podman.run("rm", "--force", "--time", "0", name)
    await podman.do(
        *("run", "--detach", "--name", name, "--network", "none", *confined, *volumes),
        SIDECAR_IMAGE,
    )
    try:

        async def answers() -> bool:
            ran = await podman.run("exec", name, "vizproxy", "ping", "--ready")
            assert ran.code == 0, f"{ran} {await podman.run('logs', name)}"
            return True

        await eventually(answers, timeout=30)
        assert await podman.do("exec", name, "cat", "/proc/1/comm") == "tini\n"
        assert (await podman.run("exec", name, "vizproxy", "ping")).code == 0
    finally:
        await podman.run("rm", "--force", "--volumes", "--time", "0", name)


async def test_jupyterlab_in_the_notebook_has_the_extension(podman: Podman) -> None:
    config = "/opt/jupyter/etc/jupyter/jupyter_server_config.d/vizproxy.json"
    script = f"cat {config}; bash -lc 'command -v vizproxy'"
    ran = await said(podman, NOTEBOOK_IMAGE, script)
    assert '"vizproxy.jupyter": true' in ran.out
    assert ran.out.endswith("/usr/local/bin/vizproxy\n")
