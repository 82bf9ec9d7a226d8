"""The X servers' configuration: a template filled in, with the reason for each choice as a comment.

Templates are in ``xorg-configs/``, or in the directory that ``xorg.templates`` names. In a template,
``${name}`` stands for a value, and lines that begin with ``##`` are notes that do not get any further.
"""

from __future__ import annotations

import re
import stat
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vizproxy.config import Config, GpuDriver, Plan, Size
from vizproxy.display import xorgoptions, xorgvalues
from vizproxy.display.plan import ChosenGpu, Facts, RenderingPlan
from vizproxy.errors import FileSystemError, system_reason
from vizproxy.facts import reading

SIZE_3D: Final = Size(640, 480)
"""The 3D server's screen. Nobody sees it: VirtualGL draws into buffers of the windows' sizes."""

MAX_TEMPLATE_BYTES: Final = 1024 * 1024
_PLACEHOLDER: Final = re.compile(r"\$\{([a-z_]+)\}")
_NOTES: Final = re.compile(r"^[ \t]*##.*\n?", re.MULTILINE)
_COLUMNS: Final = 98
_HINT: Final = "installing vizproxy again, or another xorg.templates"


def desktop_conf(config: Config, plan: RenderingPlan, facts: Facts, templates: Path) -> str:
    """The configuration of the desktop's X server. Reads its template.

    Raises:
        FileSystemError: the template cannot be read or filled in.
    """
    server = _Server(
        who="The desktop's X server",
        template=plan.desktop_template,
        size=plan.size,
        max_size=plan.max_size,
        gpu=plan.gpu if plan.name is Plan.DIRECT else None,
        shown=True,
        has_options=plan.gpu_template is None,
    )
    return _conf(config, plan, facts, templates, server)


def gpu_conf(config: Config, plan: RenderingPlan, facts: Facts, templates: Path) -> str | None:
    """The configuration of the 3D X server; None if the plan has none. Reads its template.

    Raises:
        FileSystemError: the template cannot be read or filled in.
    """
    if plan.gpu_template is None:
        return None
    server = _Server(
        who="The 3D X server, which programs draw on and nobody looks at",
        template=plan.gpu_template,
        size=SIZE_3D,
        max_size=SIZE_3D,
        gpu=plan.gpu,
        shown=False,
        has_options=True,
    )
    return _conf(config, plan, facts, templates, server)


@dataclass(frozen=True, slots=True)
class _Server:
    """One of the X servers; ``gpu`` is what it draws on, if it does."""

    who: str
    template: str
    size: Size
    max_size: Size
    gpu: ChosenGpu | None
    shown: bool
    has_options: bool


def _conf(
    config: Config, plan: RenderingPlan, facts: Facts, templates: Path, server: _Server
) -> str:
    template = _template(config.xorg.templates, templates, server.template)
    values = xorgvalues.screen(server.size, server.max_size, config.display.dpi)
    values |= xorgvalues.modes(server.size, server.max_size, server.gpu, shown=server.shown)
    values |= xorgvalues.gpu(server.gpu, facts.module_paths, shown=server.shown)
    text = _filled(_NOTES.sub("", _read(template)), template, values)
    if server.has_options:
        text = xorgoptions.added(text, config.xorg, template)
    reasons = _reasons(config, plan, facts, server, template)
    wrapped = (line for reason in reasons for line in _comment(reason))
    text = re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)
    text = re.sub(r"\n{3,}", "\n\n", text)
    return "\n".join([*wrapped, "#", text.strip("\n"), ""])


def _template(own: Path | None, shipped: Path, name: str) -> Path:
    """The template of a name: the admin's, if there is one.

    Raises:
        FileSystemError: the admin's directory is not there, or may not be entered.
    """
    if own is None:
        return shipped / name
    try:
        if not stat.S_ISDIR(own.stat().st_mode):
            raise _not_entered(own, "there is no such directory")
        (own / name).lstat()
    except FileNotFoundError as error:
        if error.filename != str(own):
            return shipped / name
        raise _not_entered(own, "there is no such directory") from error
    except OSError as error:
        raise _not_entered(own, system_reason(error)) from error
    return own / name


def _not_entered(own: Path, why: str) -> FileSystemError:
    return FileSystemError(f"read the templates in {own}", why, "another xorg.templates")


# ------------------------------------------------------------------------------------- reasons


def _reasons(
    config: Config, plan: RenderingPlan, facts: Facts, server: _Server, template: Path
) -> Iterator[str]:
    yield f"{server.who}. Written by vizproxy at each start, so changes in here are lost."
    yield f"Plan {plan.name.value}: {plan.reason}."
    if plan.warning:
        yield f"Not a better one: {plan.warning}."
    whose = (
        "vizproxy's own"
        if config.xorg.templates != template.parent
        else f"the one in xorg.templates, {template.parent}"
    )
    yield f"Template {server.template}: {whose}."
    yield f"Driver {_driver(server)}: {_driver_reason(plan, facts, server)}."
    yield from _size_reasons(config, plan, server)
    if limits := server.gpu.limits if server.gpu else None:
        yield (
            f"The vGPU shows at most {limits.max_pixels} pixels on {limits.heads} heads of at most "
            f"{limits.max_width}x{limits.max_height}, and {limits.frame_rate} frames/s."
        )
    if server.has_options and xorgoptions.any_in(config.xorg):
        yield "Options that say so come from the [xorg] section of the configuration."


def _driver(server: _Server) -> str:
    return server.template.removesuffix(".conf")


def _driver_reason(plan: RenderingPlan, facts: Facts, server: _Server) -> str:
    if facts.pretends and server.gpu is not None:
        return "display.gpu_driver lets it stand in for a GPU's"
    if server.gpu is None:
        elsewhere = "programs draw on the GPU through VirtualGL, and this server only shows it"
        return "programs draw in software" if plan.name is Plan.SOFTWARE else elsewhere
    if facts.gpu_driver is not GpuDriver.AUTO:
        return "display.gpu_driver says so"
    makers = {GpuDriver.NVIDIA: "the GPU is NVIDIA's", GpuDriver.AMDGPU: "the GPU is AMD's"}
    return makers.get(server.gpu.driver, "it is for every GPU whose driver is in the kernel")


def _size_reasons(config: Config, plan: RenderingPlan, server: _Server) -> Iterator[str]:
    if not server.shown:
        yield f"Size {server.size}: nobody sees it; programs draw into buffers of their own sizes."
        return
    display = config.display
    for what, size, wanted, name in (
        ("Size at the start", server.size, display.size, "display.size"),
        ("Largest size", server.max_size, display.max_size, "display.max_size"),
    ):
        cut = f"{name} is {wanted}, but {plan.size_reason}"
        yield f"{what} {size}: {name if size == wanted else cut}."


def _comment(reason: str) -> list[str]:
    return textwrap.wrap(
        reason,
        _COLUMNS,
        initial_indent="# ",
        subsequent_indent="#   ",
        break_long_words=False,
        break_on_hyphens=False,
    )


# ------------------------------------------------------------------------------------- filling in


def render(template: Path, values: Mapping[str, str]) -> str:
    """Fill in a template's ``${name}`` placeholders.

    A value of several lines is indented as the placeholder is; in a comment, it becomes one line.

    Raises:
        FileSystemError: the template cannot be read, or names a placeholder that is not known.
    """
    return _filled(_read(template), template, values)


def _read(template: Path) -> str:
    try:
        found = reading.data(template, MAX_TEMPLATE_BYTES + 1)
        text = found.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = "it is not utf-8" if isinstance(error, UnicodeError) else system_reason(error)
        raise FileSystemError(f"read the template {template}", why, _HINT) from error
    if len(found) > MAX_TEMPLATE_BYTES:
        why = f"it is longer than {MAX_TEMPLATE_BYTES} bytes"
        raise FileSystemError(f"read the template {template}", why, _HINT)
    return text


def _filled(text: str, template: Path, values: Mapping[str, str]) -> str:
    def fill(match: re.Match[str]) -> str:
        name = match[1]
        if name not in values:
            known = ", ".join(f"${{{name}}}" for name in sorted(values)) or "a template without any"
            raise FileSystemError(
                f"fill in the template {template}", f"${{{name}}} is not known", known
            )
        before = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
        if "#" in before:
            return " ".join(values[name].split("\n"))
        return values[name].replace("\n", "\n" + before if before.isspace() else "\n")

    return _PLACEHOLDER.sub(fill, text)
