"""What the whole chain costs, from a Jupyter server to the daemon, against the proxy's own ceiling.

    python -m bench.jupyter_chain [--seconds 3] [--rounds 8]

Started from the top folder. The ways that are compared:

- whole chain: viewer, Jupyter server with vizproxy's extension, gateway, websockify, peer;
- ceiling: viewer, Jupyter server with an entry of jupyter-server-proxy alone, a WebSocket server;
- gateway: viewer, gateway, websockify, peer, without a Jupyter server;
- deflate offered: the whole chain, and the viewer offers to have messages compressed, as browsers do;
- deflate taken: the ceiling, but the WebSocket server takes the offer that jupyter-server-proxy makes.

The Jupyter server is a real one. A server of our own stands in x11vnc's place.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import sys
from pathlib import Path

import aiohttp

from bench.chain import Parts, Way, chain, measure, options, report, report_cost, report_ratio, run

WHOLE, CEILING, GATEWAY = "whole chain", "ceiling", "gateway"
OFFERED, TAKEN = "whole chain, deflate offered", "ceiling, deflate taken"


def configuration(directory: Path, token: str, bare: Path) -> str:
    """The Jupyter server's: little besides the proxy and what is measured."""
    extensions = {
        "jupyter_server_proxy": True,
        "vizproxy.jupyter": True,
        "jupyter_lsp": False,
        "jupyter_server_terminals": False,
        "jupyterlab": False,
        "notebook_shim": False,
    }
    return f"""
c.ServerApp.ip = "127.0.0.1"
c.ServerApp.port = 0
c.ServerApp.allow_root = True
c.ServerApp.open_browser = False
c.ServerApp.root_dir = {str(directory)!r}
c.ServerApp.jpserver_extensions = {extensions!r}
c.IdentityProvider.token = {token!r}
c.ServerProxy.servers = {{"bare": {{"command": [], "unix_socket": {str(bare)!r}}}}}
"""


async def start_jupyter(parts: Parts, front: Path, bare: Path) -> tuple[str, dict[str, str]]:
    """Start a Jupyter server; return its address and the headers that it wants."""
    home = parts.directory / "home"
    home.mkdir()
    token = secrets.token_hex()
    config = home / "jupyter_server_config.py"
    config.write_text(configuration(home, token, bare))
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "HOME")
    environment = {
        "PATH": os.environ["PATH"],
        "VIZPROXY_SOCKET": str(front),
        **dict.fromkeys(names, str(home)),
    }
    headers = {"Authorization": f"token {token}"}
    address = ""

    async def ready() -> bool:
        nonlocal address
        # With port 0, where it listens is in a file of its own.
        with contextlib.suppress(OSError, ValueError, aiohttp.ClientError, StopIteration):
            file = next(home.glob("jpserver-*.json"))
            address = json.loads(file.read_text())["url"]
            async with (
                aiohttp.ClientSession(headers=headers) as session,
                session.get(f"{address}desktop/ready") as answer,
            ):
                return answer.status == 200
        return False

    command = (sys.executable, "-m", "jupyter_server", "--config", str(config))
    await parts.start("jupyter", *command, ready=ready, environment=environment)
    return address, headers


async def compare(seconds: float, rounds: int) -> None:
    """Measure all ways in turn and print how they compare."""
    async with chain() as (parts, _, front):
        bare = await parts.listen("bare", "bench.parts", "bare", "{}")
        address, headers = await start_jupyter(parts, front, bare)
        desktop = f"{address}desktop/websockify"
        ways = (
            Way(WHOLE, desktop, headers=headers),
            Way(CEILING, f"{address}bare/", headers=headers),
            Way(GATEWAY, socket=front),
            Way(OFFERED, desktop, headers=headers, deflate=True),
            Way(TAKEN, f"{address}bare/deflate", headers=headers),
        )
        results = await measure(ways, parts, seconds=seconds, rounds=rounds)
    report(results)
    report_cost(results)
    for one, other in ((WHOLE, CEILING), (WHOLE, GATEWAY), (OFFERED, WHOLE), (TAKEN, CEILING)):
        report_ratio(results, one, other)
    taken = "takes" if results[OFFERED].deflated else "declines"
    print(f"The Jupyter server {taken} the viewer's offer of deflate")


if __name__ == "__main__":
    arguments = options(__doc__, seconds=3).parse_args()
    run(compare(arguments.seconds, arguments.rounds))
