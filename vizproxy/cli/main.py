"""``vizproxy``: the entry point, its options and the boundary at which errors become sentences."""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from vizproxy import __version__
from vizproxy.cli import commands as do
from vizproxy.cli import usage
from vizproxy.cli.commands import WITH_FLAG
from vizproxy.config import SETTINGS, Plan
from vizproxy.errors import EXIT_INTERNAL, EXIT_USAGE, FileSystemError, VizproxyError, system_reason

EXIT_PIPE: Final = 141
EXIT_INTERRUPTED: Final = 130
"""What a shell gives a program that SIGPIPE or SIGINT ended: 128 and the signal's number."""


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
        description=usage.OVERVIEW,
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
    _add_top(commands)
    _add_doctor(commands)
    _add_config(commands)
    _add_kubernetes(commands)
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
        description=usage.SERVE,
        epilog=usage.EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_settings(serve, *WITH_FLAG)
    serve.set_defaults(run=do.serve)


def _add_clients(commands: _Commands[_Parser]) -> None:
    where = ("runtime.dir", "http.socket")
    status = commands.add_parser("status", description="Say how the desktop does.")
    status.add_argument("--json", action="store_true", help="as JSON, for programs")
    ping = commands.add_parser(
        "ping",
        description="Ask whether the daemon answers, as probes of containers do: exit code 0 if so.",
    )
    ping.add_argument(
        "--ready", action="store_true", help="ask whether a viewer would see the desktop now"
    )
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
        (status, do.status),
        (ping, do.ping),
        (env, do.env),
        (url, do.url),
        (screenshot, do.screenshot),
    ):
        _add_settings(command, *where)
        command.set_defaults(run=run)


def _add_top(commands: _Commands[_Parser]) -> None:
    top = commands.add_parser(
        "top",
        usage="vizproxy top [OPTIONS]",
        description=usage.TOP,
        epilog=usage.TOP_NOTES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument(
        "--interval", metavar="TIME", help="how often to look, such as 500ms or 10s (default: 2s)"
    )
    top.add_argument("--once", action="store_true", help="look, print what is seen, and end")
    _add_settings(top, "runtime.dir", "http.socket")
    top.set_defaults(run=do.top)


def _add_doctor(commands: _Commands[_Parser]) -> None:
    doctor = commands.add_parser(
        "doctor",
        usage="vizproxy doctor [OPTIONS]",
        description=usage.DOCTOR,
        epilog=usage.DOCTOR_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    doctor.add_argument("--json", action="store_true", help="as JSON, for programs")
    recording = doctor.add_mutually_exclusive_group()
    recording.add_argument(
        "--record", metavar="FILE", type=Path, help="save what was found out about this machine"
    )
    recording.add_argument(
        "--replay", metavar="FILE", type=Path, help="examine the machine in such a file instead"
    )
    _add_settings(doctor, *WITH_FLAG)
    doctor.set_defaults(run=do.doctor)


def _add_run(commands: _Commands[_Parser]) -> None:
    run = commands.add_parser(
        "run",
        usage="vizproxy run [OPTIONS] [--] COMMAND [ARGUMENT...]",
        description=usage.RUN,
        epilog=usage.RUN_EXAMPLES,
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
    run.set_defaults(run=do.run)


def _add_apps(commands: _Commands[_Parser]) -> None:
    apps = commands.add_parser(
        "apps",
        usage="vizproxy apps [stop ID] [OPTIONS]",
        description="List the programs on the desktop, with what they use of its framebuffer, or end "
        "one.",
    )
    apps.add_argument("--json", action="store_true", help="as JSON, for programs")
    _add_settings(apps, "runtime.dir", "http.socket")
    apps.set_defaults(run=do.apps)
    actions = apps.add_subparsers(prog="vizproxy apps", metavar="stop ID", help=argparse.SUPPRESS)
    stop = actions.add_parser(
        "stop",
        usage="vizproxy apps stop ID [OPTIONS]",
        description="End a program: politely, and by force if it has not ended after "
        "broker.close_timeout.",
    )
    stop.add_argument("id", metavar="ID", help="its id, as `vizproxy apps` lists it")
    _add_settings(stop, "runtime.dir", "http.socket", inherit=True)
    stop.set_defaults(run=do.stop_app)


def _add_config(commands: _Commands[_Parser]) -> None:
    config = commands.add_parser(
        "config",
        usage="vizproxy config check|show|xorg [OPTIONS]",
        description="Check or print the configuration, or what the X servers would get of it.",
    )
    actions = config.add_subparsers(
        prog="vizproxy config", metavar="check|show|xorg", required=True, help=argparse.SUPPRESS
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
    xorg = actions.add_parser(
        "xorg",
        usage="vizproxy config xorg [OPTIONS]",
        description="Print the files that the X servers would be configured by, with the reason for "
        "each choice.",
    )
    xorg.add_argument(
        "--server", choices=("desktop", "3d"), help="of this X server alone (default: of all)"
    )
    xorg.add_argument(
        "--replay", metavar="FILE", type=Path, help="for the machine that was recorded there"
    )
    for action, run in (
        (check, do.config_check),
        (show, do.config_show),
        (xorg, do.config_xorg),
    ):
        _add_settings(action, *WITH_FLAG)
        action.set_defaults(run=run)


def _add_kubernetes(commands: _Commands[_Parser]) -> None:
    kubernetes = commands.add_parser(
        "kubernetes",
        usage="vizproxy kubernetes render --format FORMAT [OPTIONS]",
        description="Print the configuration that puts a desktop beside each notebook of a JupyterHub.",
    )
    actions = kubernetes.add_subparsers(
        prog="vizproxy kubernetes", metavar="render", required=True, help=argparse.SUPPRESS
    )
    render = actions.add_parser(
        "render",
        usage="vizproxy kubernetes render --format FORMAT [OPTIONS]",
        description=usage.KUBERNETES,
        epilog=usage.KUBERNETES_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    render.add_argument(
        "--format", metavar="FORMAT", required=True, choices=usage.FORMATS, help="see above"
    )
    render.add_argument(
        "--choices", metavar="FILE", type=Path, help="TOML with the admin's choices (default: none)"
    )
    render.add_argument(
        "--choose",
        metavar="OPTION=CHOICE",
        action="append",
        default=[],
        help="with pod: what its user has chosen in the dialog, such as gpu=a40",
    )
    render.set_defaults(run=do.kubernetes)


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

    Otherwise it would fail at some print, or when the interpreter ends. What standard output's encoding
    has no characters for is written as escapes: it should not fail for that.
    """
    out: object = sys.stdout
    if not isinstance(out, io.TextIOWrapper):  # there is none (`>&-`)
        yield
        return
    out.reconfigure(write_through=False)  # which PYTHONUNBUFFERED, common in containers, sets
    if out.errors == "strict":
        out.reconfigure(errors="backslashreplace")
    try:
        yield
    finally:
        try:
            out.flush()
        except OSError as error:
            from vizproxy.logs import discard

            discard(out)  # what is left would fail again
            if isinstance(error, BrokenPipeError):
                raise
            why = system_reason(error)
            action = "write to standard output"
            raise FileSystemError(action, why, "another place for it") from error


if __name__ == "__main__":
    sys.exit(main())
