"""Puts noVNC into the packages that hatchling builds.

The page needs noVNC's ES modules beside it. They come from npm, pinned by
``vizproxy/web/package-lock.json``, and are never committed:

* a wheel and an sdist carry them as ``vizproxy/web/novnc/``;
* an editable install reads them from ``vizproxy/web/node_modules``, where this hook puts them;
* a wheel built from an sdist takes the copy in the sdist and needs no npm.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKED = "vizproxy/web/novnc"
INSTALLED = "node_modules/@novnc/novnc"
PARTS = ("core", "vendor", "docs/LICENSE*", "AUTHORS", "LICENSE.txt", "package.json")
NPM_CI = ("npm", "ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund")


class NoVncHook(BuildHookInterface[Any]):
    """Adds noVNC to the files of a build."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Hatchling calls this before it collects files; ``version`` may be "editable"."""
        novnc = locate_novnc(Path(self.root))
        if version != "editable":
            for path in (match for part in PARTS for match in sorted(novnc.glob(part))):
                build_data["force_include"][str(path)] = f"{PACKED}/{path.relative_to(novnc)}"


def locate_novnc(root: Path) -> Path:
    """Return noVNC's directory, after installing the locked release if it is not there."""
    packed = root / PACKED
    if (root / "PKG-INFO").is_file() and packed.is_dir():
        return packed
    web = root / "vizproxy" / "web"
    installed = web / INSTALLED
    if release(installed / "package.json") != locked_release(web / "package-lock.json"):
        install_novnc(web)
    return installed


def release(package_json: Path) -> str | None:
    """Return the release that an installed package says it is, None if it is not installed."""
    if not package_json.is_file():
        return None
    return str(json.loads(package_json.read_text("utf-8"))["version"])


def locked_release(lock: Path) -> str:
    """Return the release of noVNC that the lock file asks for."""
    return str(json.loads(lock.read_text("utf-8"))["packages"][INSTALLED]["version"])


def install_novnc(web: Path) -> None:
    """Install what ``package-lock.json`` in ``web`` names."""
    if shutil.which(NPM_CI[0]) is None:
        raise SystemExit(
            "cannot build the wheel: npm, which installs noVNC, is not on the PATH; "
            "try installing Node.js 18 or newer with npm"
        )
    try:
        subprocess.run(NPM_CI, cwd=web, check=True)
    except subprocess.CalledProcessError as error:
        raise SystemExit(
            f"cannot build the wheel: npm could not install noVNC (exit code {error.returncode}); "
            f"try `{' '.join(NPM_CI)}` in {web} to see why"
        ) from None
