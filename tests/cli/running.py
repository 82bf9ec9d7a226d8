"""Running the command line as a person does, and what must hold whenever it fails."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import ROOT

VIZPROXY = (sys.executable, "-m", "vizproxy.cli.main")

LOG_LINE = re.compile(r"\d\d:\d\d:\d\d\.\d{3} (debug|info|warning|error|critical) .*")


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    def sentence(self) -> str:
        """The one sentence on standard error, beside the log; all that a failure may print."""
        lines = [line for line in self.err.splitlines() if not LOG_LINE.fullmatch(line)]
        assert len(lines) == 1, self.err
        assert self.out == ""
        (line,) = lines
        assert re.fullmatch(r"vizproxy: cannot [^:]\S.*: .+; try .+", line), line
        # nothing said twice, no text of the operating system's inside ours
        assert line.count("cannot") <= 2, line
        assert not re.search(r"cannot cannot|try try|\[Errno|Error\(|: :|;;|None\b", line), line
        assert not line.endswith((".", " ")), line
        return line.removeprefix("vizproxy: ")


def environment(**changed: str) -> dict[str, str]:
    """This environment without settings of vizproxy's but for those given."""
    own = {name: text for name, text in os.environ.items() if not name.startswith("VIZPROXY_")}
    return own | changed


def run(
    *arguments: str | Path,
    environ: dict[str, str] | None = None,
    through: Sequence[str] = (),
    **options: Any,
) -> Ended:
    """Run ``vizproxy`` to its end, by way of the command ``through``."""
    ended = subprocess.run(
        (*through, *VIZPROXY, *map(str, arguments)),
        env=environment(**environ or {}),
        cwd=options.pop("cwd", ROOT),
        stdin=subprocess.DEVNULL,
        stdout=options.pop("stdout", subprocess.PIPE),
        stderr=subprocess.PIPE,
        encoding=options.pop("encoding", "utf-8"),
        timeout=30,
        check=False,
        **options,
    )
    assert "Traceback" not in ended.stderr
    return Ended(ended.returncode, ended.stdout or "", ended.stderr)


def run_all(commands: Sequence[Sequence[str | Path]], **options: Any) -> list[Ended]:
    """Run several commands side by side, which saves most of the time that starting them takes."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda command: run(*command, **options), commands))


def setting(path: str) -> str:
    """The environment variable of a setting."""
    return f"VIZPROXY_{path}".replace(".", "_").upper()


def settings(**values: str) -> dict[str, str]:
    """The environment of settings, by their dotted paths with ``__`` for the dot."""
    return {setting(path.replace("__", ".")): text for path, text in values.items()}


def tree(directory: Path) -> Sequence[str]:
    """Everything below a directory."""
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))
