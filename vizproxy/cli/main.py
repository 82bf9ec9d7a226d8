"""``vizproxy``: the entry point, its options and the boundary at which errors become sentences."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from vizproxy import __version__
from vizproxy.config import SETTINGS, LoadedConfig, Plan, load
from vizproxy.errors import EXIT_INTERNAL, EXIT_USAGE, FileSystemError, VizproxyError, system_reason
from vizproxy.logs import discard
from vizproxy.runtime import leaving_word

EXIT_PIPE: Final = 141
EXIT_INTERRUPTED: Final = 130
"""What a shell gives a program that SIGPIPE or SIGINT ended: 128 and the signal's number."""

_OVERVIEW: Final = """\
vizproxy gives a browser a live X11 desktop, drawn on the GPU where there is one.

  vizproxy serve                 start the desktop and serve it
  vizproxy status                see how it does
  vizproxy url                   print the link that opens it in a browser
  vizproxy run COMMAND           run a program on it
  vizproxy apps [stop ID]        list its programs, or end one
  eval "$(vizproxy env)"         let this shell's programs appear on it
  vizproxy screenshot FILE.png   take a picture of it
  vizproxy config check|show     check or print the configuration

`vizproxy COMMAND --help` explains a command. Every setting can stand in a TOML file, in the
environment as VIZPROXY_SECTION_KEY, or, where a command has one, in a flag; the last of these wins.
"""

_SERVE: Final = """\
Start the X server, the window manager, the VNC server and the WebSocket bridge, keep them running,
and serve the desktop's page. Ends with Ctrl-C or SIGTERM and leaves nothing behind.

Without --http it listens on a unix socket alone, for a proxy such as jupyter-server-proxy. With it,
a link is printed that opens the desktop in a browser; the link is the key, so keep it to yourself.
"""

_RUN: Final = """\
Run a program on the desktop, with a lease on its framebuffer. The program takes the place of this
command, as with `env` or `nice`: terminal, signals and exit code are its own.
"""

_RUN_EXAMPLES: Final = """\
examples:
  vizproxy run glxgears
  vizproxy run --name brain --framebuffer 2GiB -- voreen --logLevel info scan.vws
  vizproxy run --detach --plan software paraview

Exit codes are the program's own, but: 69 no desktop answers, or VirtualGL is missing; 75 there is no
room; 126 the program cannot be executed; 127 there is none of that name.
"""

_EXAMPLES: Final = """\
examples:
  vizproxy serve --http 127.0.0.1:6080
  vizproxy serve --size 1920x1080 --plan software --runtime-dir /run/vizproxy
"""

WITH_FLAG: Final = {
    "runtime.dir": ("DIR", "directory for sockets, cookie and lock (mode 0700)"),
    "http.socket": ("PATH", "unix socket to serve on (default: DIR/http.sock)"),
    "http.listen": ("HOST:PORT", "serve on this TCP address too; port 0 picks one"),
    "display.size": ("WxH", "size of the desktop at the start (default: 1600x900)"),
    "display.plan": ("PLAN", f"how programs are drawn: {', '.join(Plan)}"),
}
"""The settings with a flag of their own: dotted path -> (metavar, help)."""


class _Parser(argparse.ArgumentParser):
    """Reports bad usage in one sentence, with the way to more. Options are not abbreviated."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **options})

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message}; try `{self.prog} --help`", file=sys.stderr)
        raise SystemExit(EXIT_USAGE)


def make_parser() -> argparse.ArgumentParser:
    """Build the parser. Each command stores the function that runs it."""
    parser = _Parser(
        prog="vizproxy",
        usage="vizproxy COMMAND [OPTIONS]",
        description=_OVERVIEW,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
    )
    parser.add_argument("-h", "--help", action="help", help=argparse.SUPPRESS)
    parser.add_argument(
        "--version", action="version", version=f"vizproxy {__version__}", help=argparse.SUPPRESS
    )
    commands = parser.add_subparsers(prog="vizproxy", metavar="COMMAND", help=argparse.SUPPRESS)
    parser.set_defaults(run=_no_command(parser))
    _add_serve(commands)
    _add_run(commands)
    _add_apps(commands)
    _add_clients(commands)
    _add_config(commands)
    return parser


def _no_command(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int]:
    def run(_: argparse.Namespace) -> int:
        parser.print_help(sys.stderr)
        return EXIT_USAGE

    return run


_Commands = argparse._SubParsersAction  # noqa: SLF001 - what add_subparsers returns has no public name


def _add_serve(commands: _Commands[_Parser]) -> None:
    serve = commands.add_parser(
        "serve",
        usage="vizproxy serve [OPTIONS]",
        description=_SERVE,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_settings(serve, *WITH_FLAG)
    serve.set_defaults(run=_serve)


def _add_clients(commands: _Commands[_Parser]) -> None:
    where = ("runtime.dir", "http.socket")
    status = commands.add_parser("status", description="Say how the desktop does.")
    status.add_argument("--json", action="store_true", help="as JSON, for programs")
    env = commands.add_parser(
        "env",
        description="Print the environment that makes programs appear on the desktop, as shell "
        'exports: eval "$(vizproxy env)".',
    )
    url = commands.add_parser(
        "url", description="Print the link that opens the desktop. The link is the key to it."
    )
    screenshot = commands.add_parser("screenshot", description="Save a picture of the desktop.")
    screenshot.add_argument("file", metavar="FILE.png", type=Path, help="where to; - is stdout")
    for command, run in (
        (status, _status),
        (env, _env),
        (url, _url),
        (screenshot, _screenshot),
    ):
        _add_settings(command, *where)
        command.set_defaults(run=run)


def _add_run(commands: _Commands[_Parser]) -> None:
    run = commands.add_parser(
        "run",
        usage="vizproxy run [OPTIONS] [--] COMMAND [ARGUMENT...]",
        description=_RUN,
        epilog=_RUN_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.add_argument("--name", metavar="NAME", help="what to call it (default: the program's name)")
    run.add_argument(
        "--framebuffer", metavar="SIZE", help="how much framebuffer it needs, such as 512MiB"
    )
    run.add_argument(
        "--plan", dest="app_plan", metavar="PLAN", help=f"how it is drawn: {', '.join(Plan)}"
    )
    run.add_argument(
        "--activity",
        metavar="WHAT",
        help="what of it counts as activity: input (what people type and click), gpu (also while the "
        "GPU is busy), always",
    )
    until = run.add_mutually_exclusive_group()
    until.add_argument(
        "--wait",
        dest="detach",
        action="store_false",
        default=False,
        help="stay until it ends (the default)",
    )
    until.add_argument(
        "--detach", action="store_true", help="print its id and leave it running in the background"
    )
    _add_settings(run, "runtime.dir", "http.socket")
    run.add_argument("command", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    run.set_defaults(run=_run)


def _add_apps(commands: _Commands[_Parser]) -> None:
    apps = commands.add_parser(
        "apps",
        usage="vizproxy apps [stop ID] [OPTIONS]",
        description="List the programs on the desktop, with what they use of its framebuffer, or end "
        "one.",
    )
    apps.add_argument("--json", action="store_true", help="as JSON, for programs")
    _add_settings(apps, "runtime.dir", "http.socket")
    apps.set_defaults(run=_apps)
    actions = apps.add_subparsers(prog="vizproxy apps", metavar="stop ID", help=argparse.SUPPRESS)
    stop = actions.add_parser(
        "stop",
        usage="vizproxy apps stop ID [OPTIONS]",
        description="End a program: politely, and by force if it has not ended after "
        "broker.close_timeout.",
    )
    stop.add_argument("id", metavar="ID", help="its id, as `vizproxy apps` lists it")
    _add_settings(stop, "runtime.dir", "http.socket", inherit=True)
    stop.set_defaults(run=_stop_app)


def _add_config(commands: _Commands[_Parser]) -> None:
    config = commands.add_parser(
        "config",
        usage="vizproxy config check|show [OPTIONS]",
        description="Check or print the configuration.",
    )
    actions = config.add_subparsers(
        prog="vizproxy config", metavar="check|show", required=True, help=argparse.SUPPRESS
    )
    check = actions.add_parser(
        "check",
        usage="vizproxy config check [OPTIONS]",
        description="Say everything that is wrong with the configuration, or that nothing is.",
    )
    show = actions.add_parser(
        "show",
        usage="vizproxy config show [OPTIONS]",
        description="Print the effective settings as TOML, with where each comes from.",
    )
    for action, run in ((check, _config_check), (show, _config_show)):
        _add_settings(action, *WITH_FLAG)
        action.set_defaults(run=run)


def _add_settings(parser: argparse.ArgumentParser, *paths: str, inherit: bool = False) -> None:
    """Add the flags of settings. With ``inherit``, what an outer command was given stays."""
    default = argparse.SUPPRESS if inherit else None
    parser.add_argument(
        "--config", metavar="FILE", type=Path, default=default, help="read settings from this file"
    )
    for path in paths:
        metavar, text = WITH_FLAG[path]
        flag = SETTINGS[path].flag
        parser.add_argument(flag, dest=path, metavar=metavar, default=default, help=text)


# Commands are imported when they run: `vizproxy --help` need not wait for an HTTP library.


def _load(arguments: argparse.Namespace) -> LoadedConfig:
    given = {path: getattr(arguments, path, None) for path in WITH_FLAG}
    flags = {path: text for path, text in given.items() if text is not None}
    return load(file=arguments.config, env=os.environ, flags=flags)


def _serve(arguments: argparse.Namespace) -> int:
    told = getattr(arguments, "runtime.dir") or os.environ.get(SETTINGS["runtime.dir"].variable)
    directory = Path(os.path.expanduser(told)) if told else None  # noqa: PTH111 - raises never
    with leaving_word(directory):
        loaded = _load(arguments)  # first: what is wrong with it need not wait for an HTTP library
    from vizproxy.cli import serve

    with leaving_word(loaded.config.runtime.dir):
        return serve.run(loaded)


def _run(arguments: argparse.Namespace) -> int:
    from vizproxy.cli import run

    return run.run(
        _load(arguments),
        run.Wanted(
            command=tuple(arguments.command),
            name=arguments.name,
            framebuffer=arguments.framebuffer,
            plan=arguments.app_plan,
            activity=arguments.activity,
            detach=arguments.detach,
        ),
    )


def _apps(arguments: argparse.Namespace) -> int:
    from vizproxy.cli import apps

    return apps.show(_load(arguments), as_json=arguments.json)


def _stop_app(arguments: argparse.Namespace) -> int:
    from vizproxy.cli import apps

    return apps.stop(_load(arguments), arguments.id)


def _status(arguments: argparse.Namespace) -> int:
    from vizproxy.cli import clients

    return clients.status(_load(arguments), as_json=arguments.json)


def _env(arguments: argparse.Namespace) -> int:
    from vizproxy.cli import clients

    return clients.env(_load(arguments))


def _url(arguments: argparse.Namespace) -> int:
    from vizproxy.cli import clients

    return clients.url(_load(arguments))


def _screenshot(arguments: argparse.Namespace) -> int:
    from vizproxy.cli import clients

    return clients.screenshot(_load(arguments), arguments.file)


def _config_check(arguments: argparse.Namespace) -> int:
    _load(arguments)
    print("the configuration is valid")
    return 0


def _config_show(arguments: argparse.Namespace) -> int:
    from vizproxy.config import to_toml

    print(to_toml(_load(arguments)), end="")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``vizproxy`` and return its exit code."""
    try:
        with _output_written():
            arguments = make_parser().parse_args(argv)
            run: Callable[[argparse.Namespace], int] = arguments.run
            return run(arguments)
    except VizproxyError as error:
        print(f"vizproxy: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # The reader of our output left (`vizproxy status | head -1`): as any program, end quietly.
        return EXIT_PIPE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the main boundary: a bug, with all that is known of it
        traceback.print_exc()
        print(f"vizproxy: cannot go on: a bug in vizproxy ({error!r}, see above)", file=sys.stderr)
        return EXIT_INTERNAL


@contextlib.contextmanager
def _output_written() -> Iterator[None]:
    """Write out what is printed in here at the end of it, where it is known what a failure means.

    Otherwise it would fail at some print, or when the interpreter ends.
    """
    out: object = sys.stdout
    if not isinstance(out, io.TextIOWrapper):  # there is none (`>&-`)
        yield
        return
    out.reconfigure(write_through=False)  # which PYTHONUNBUFFERED, common in containers, sets
    try:
        yield
    finally:
        try:
            out.flush()
        except OSError as error:
            discard(out)  # what is left would fail again
            if isinstance(error, BrokenPipeError):
                raise
            why = system_reason(error)
            action = "write to standard output"
            raise FileSystemError(action, why, "another place for it") from error


if __name__ == "__main__":
    sys.exit(main())
