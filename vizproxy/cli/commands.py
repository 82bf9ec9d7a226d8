"""What each command does with what was typed.

Commands are imported when they run: `vizproxy --help` need not wait for an HTTP library.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Final

from vizproxy import config
from vizproxy.config import SETTINGS, LoadedConfig, Plan
from vizproxy.runtime import leaving_word

WITH_FLAG: Final = {
    "runtime.dir": ("DIR", "directory for sockets, cookie and lock (mode 0700)"),
    "http.socket": ("PATH", "unix socket to serve on (default: DIR/http.sock)"),
    "http.listen": ("HOST:PORT", "serve on this TCP address too; port 0 picks one"),
    "metrics.listen": ("HOST:PORT", "serve the metrics, and nothing else, on this TCP address"),
    "display.size": ("WxH", "size of the desktop at the start (default: 1600x900)"),
    "display.plan": ("PLAN", f"how programs are drawn: {', '.join(Plan)}"),
}
"""The settings with a flag of their own: dotted path -> (metavar, help)."""


def load(arguments: argparse.Namespace) -> LoadedConfig:
    """Read the settings, with the flags that were typed."""
    given = {path: getattr(arguments, path, None) for path in WITH_FLAG}
    flags = {path: text for path, text in given.items() if text is not None}
    return config.load(file=arguments.config, env=os.environ, flags=flags)


def serve(arguments: argparse.Namespace) -> int:
    """``vizproxy serve``."""
    told = getattr(arguments, "runtime.dir") or os.environ.get(SETTINGS["runtime.dir"].variable)
    directory = Path(os.path.expanduser(told)) if told else None  # noqa: PTH111 - raises never
    with leaving_word(directory):
        loaded = load(arguments)  # first: what is wrong with it need not wait for an HTTP library
    from vizproxy.cli import serve

    with leaving_word(loaded.config.runtime.dir):
        return serve.run(loaded)


def run(arguments: argparse.Namespace) -> int:
    """``vizproxy run``."""
    from vizproxy.cli import run

    return run.run(
        load(arguments),
        run.Wanted(
            command=tuple(arguments.command),
            name=arguments.name,
            framebuffer=arguments.framebuffer,
            plan=arguments.app_plan,
            activity=arguments.activity,
            detach=arguments.detach,
        ),
    )


def apps(arguments: argparse.Namespace) -> int:
    """``vizproxy apps``."""
    from vizproxy.cli import apps

    return apps.show(load(arguments), as_json=arguments.json)


def stop_app(arguments: argparse.Namespace) -> int:
    """``vizproxy apps stop``."""
    from vizproxy.cli import apps

    return apps.stop(load(arguments), arguments.id)


def status(arguments: argparse.Namespace) -> int:
    """``vizproxy status``."""
    from vizproxy.cli import clients

    return clients.status(load(arguments), as_json=arguments.json)


def ping(arguments: argparse.Namespace) -> int:
    """``vizproxy ping``."""
    from vizproxy.cli import ping

    return ping.run(load(arguments), ready=arguments.ready)


def top(arguments: argparse.Namespace) -> int:
    """``vizproxy top``, for as long as one looks or once."""
    from vizproxy.cli import top

    return top.run(load(arguments), interval=arguments.interval, once=arguments.once)


def doctor(arguments: argparse.Namespace) -> int:
    """``vizproxy doctor``."""
    from vizproxy.cli import doctor

    return doctor.run(
        load(arguments),
        as_json=arguments.json,
        record=arguments.record,
        replay=arguments.replay,
    )


def env(arguments: argparse.Namespace) -> int:
    """``vizproxy env``."""
    from vizproxy.cli import clients

    return clients.env(load(arguments))


def url(arguments: argparse.Namespace) -> int:
    """``vizproxy url``."""
    from vizproxy.cli import clients

    return clients.url(load(arguments))


def screenshot(arguments: argparse.Namespace) -> int:
    """``vizproxy screenshot``."""
    from vizproxy.cli import clients

    return clients.screenshot(load(arguments), arguments.file)


def config_check(arguments: argparse.Namespace) -> int:
    """``vizproxy config check``."""
    load(arguments)
    print("the configuration is valid")
    return 0


def config_show(arguments: argparse.Namespace) -> int:
    """``vizproxy config show``."""
    from vizproxy.config import to_toml

    print(to_toml(load(arguments)), end="")
    return 0


def config_xorg(arguments: argparse.Namespace) -> int:
    """``vizproxy config xorg``."""
    from vizproxy.cli import xorg

    return xorg.show(load(arguments), server=arguments.server, replay=arguments.replay)


def kubernetes(arguments: argparse.Namespace) -> int:
    """``vizproxy kubernetes render``."""
    from vizproxy.cli import kubernetes

    return kubernetes.run(arguments.format, arguments.choices, arguments.choose)
