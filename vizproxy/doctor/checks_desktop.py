"""Checks of the desktop itself: the plan, the frames, and the one that runs, if one does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from vizproxy.compatibility import is_older, misfit
from vizproxy.config import Plan
from vizproxy.doctor.case import Case
from vizproxy.doctor.check import Verdict, fine, lesser, wrong
from vizproxy.doctor.words import bits, listed
from vizproxy.errors import PlanError
from vizproxy.thisside import without_hint

_FLAGS: Final = re.IGNORECASE | re.MULTILINE
_OFF: Final = r'"(?:false|off|no|0)"'
_SLEEP_OFF: Final = re.compile(rf'^\s*Option\s+"DPMS"\s+{_OFF}', _FLAGS)
_HARD_SLEEP_OFF: Final = re.compile(rf'^\s*Option\s+"HardDPMS"\s+{_OFF}', _FLAGS)
_NVIDIA: Final = re.compile(r'^\s*Driver\s+"nvidia"', _FLAGS)
_ONE_FRAME: Final = (
    "a screen that sleeps has programs that wait for its refresh draw one frame a second, also for "
    "viewers"
)


def frame_rate(case: Case) -> Iterator[Verdict]:
    """Does anything hold programs to a few frames a second?"""
    troubles = [*_sleeping(case), *_bad_configurations(case)]
    if troubles:
        yield from troubles
        return
    allowed = case.limits
    if allowed is not None and allowed.draws:
        why = "" if allowed.frame_rate >= 60 else "viewers get about as many, so little is lost"
        once = "" if _licensed(case) else ", once it is licensed"
        yield fine(
            f"the vGPU's limiter allows {allowed.frame_rate} frames/s{once}; no screen sleeps", why
        )
    else:
        yield fine("no screen is put to sleep")


def _licensed(case: Case) -> bool:
    """Whether the vGPU is not known to be without a licence."""
    licence = None if case.gpu is None else case.gpu.licence.value
    return licence is None or licence.licensed


def _sleeping(case: Case) -> Iterator[Verdict]:
    desktop = case.machine.desktop.value
    if desktop is None:
        return
    for display in desktop.displays:
        if display.dpms.value:
            yield lesser(
                f"the X server {display.name} may put its screen to sleep (DPMS)",
                _ONE_FRAME,
                f"`xset -display {display.name} -dpms s off`; and see what has switched it on, such as "
                "a power manager or a screen saver",
            )


def _bad_configurations(case: Case) -> Iterator[Verdict]:
    if case.elsewhere:  # where it has others
        return
    for server, text in case.configurations.items():
        options = []
        if not _SLEEP_OFF.search(text):
            options.append('Option "DPMS" "false" in its Monitor section')
        if _NVIDIA.search(text) and not _HARD_SLEEP_OFF.search(text):
            options.append('Option "HardDPMS" "false" in its Device section')
        if options:
            yield lesser(
                f"the {_SERVERS[server]} X server's template lets the screen sleep",
                _ONE_FRAME,
                f"add {listed(options)}; `vizproxy config xorg` shows the result",
            )


_SERVERS: Final = {"desktop": "desktop's", "3d": "3D"}


def cookie(case: Case) -> Iterator[Verdict]:
    """Is the X servers' cookie the user's alone?"""
    desktop = case.machine.desktop.value
    if desktop is None:
        return
    place = desktop.cookie.value
    if place is None:
        yield lesser(
            f"the X servers' cookie cannot be seen: {desktop.cookie.reason}",
            "programs that are started here cannot open the desktop",
            "mount the daemon's runtime directory here, and run as its user",
        )
    elif bits(place.mode) & 0o077:
        yield wrong(
            f"{place.path} has the mode {place.mode}, so others can read it",
            "whoever reads it can see the desktop, and type on it",
            f"`chmod 600 {place.path}`, then restart the desktop: it makes a new one",
        )
    else:
        yield fine(f"{place.path}, mode {place.mode}")


def desktop(case: Case) -> Iterator[Verdict]:
    """How does the desktop that runs?"""
    running = case.machine.desktop.value
    if running is None:
        yield fine(f"none answers here ({case.machine.desktop.reason})")
    elif running.state == "ready":
        names = ", ".join(display.name for display in running.displays)
        yield fine(f"{running.summary} ({names})" if names else running.summary)
    elif running.state in {"failed", "stopping"}:
        yield wrong(
            running.summary, "there is no picture to be seen", "see `vizproxy status` and its log"
        )
    elif running.state == "starting":
        yield lesser(
            running.summary,
            "it takes a few seconds until it can be seen and programs can be started on it",
            "look again in a moment; `vizproxy status` shows what it waits for",
        )
    else:
        yield lesser(
            running.summary,
            "something of the desktop does not work now",
            "see `vizproxy status`: it shows what has failed, what that printed, and what is started "
            "again",
        )


def plan(case: Case) -> Iterator[Verdict]:
    """Which rendering plan is it, and is it the best one?"""
    if isinstance(case.plan, PlanError) and not case.elsewhere:
        yield wrong(
            f"{case.config.display.plan} was asked for and cannot be: {case.plan.why}",
            "the desktop cannot start",
            f"try {case.plan.hint}",
        )
        return
    name, reason, warning = told(case)
    if case.unreadable and not case.elsewhere:
        said, hint = without_hint(case.unreadable)
        yield wrong(said, "the X server cannot be configured", f"try {hint}" if hint else "")
    elif warning:
        said, hint = without_hint(warning)
        consequence, _, cause = said.partition(": ")
        yield lesser(
            f"{name}, since {cause}" if cause else name,
            consequence,
            f"try {hint}" if hint and _OURSELVES not in hint else _NOT_GREEN,
        )
    elif (running := _other_plan(case, name)) is not None:
        yield lesser(
            f"the desktop runs by {running}, and now {name} would be chosen",
            "something has changed since the desktop started, or it is configured otherwise than we "
            "are here",
            "restart the desktop if programs should draw by the other plan",
        )
    else:
        yield fine(f"{name}: {reason}")


_OURSELVES: Final = "vizproxy doctor"
_NOT_GREEN: Final = (
    "see what else is not green here, and the X servers' logs in the daemon's runtime directory"
)


def _other_plan(case: Case, name: str) -> str | None:
    """The running desktop's plan, if it tells nothing but its name and that is another one."""
    running = case.machine.desktop.value
    if running is None or case.in_force is not None or running.plan == name:
        return None
    return running.plan


def told(case: Case) -> tuple[str, str, str]:
    """Name, reason and warning of the running desktop's plan, else of the one that was chosen."""
    chosen, telling, running = case.plan, case.in_force, case.machine.desktop.value
    if isinstance(chosen, PlanError) and not case.elsewhere:
        return case.config.display.plan.value, "it was asked for", str(chosen)
    if telling is not None and telling.name in set(Plan):
        return telling.name, telling.reason, telling.warning
    if case.elsewhere and running is not None:  # what we would choose here says nothing of it
        return running.plan, "the desktop runs by it", ""
    assert not isinstance(chosen, PlanError)  # noqa: S101 - a desktop that runs elsewhere, runs
    return chosen.name.value, chosen.reason, chosen.warning


def version(case: Case) -> Iterator[Verdict]:
    """Does the desktop's vizproxy work with the one here, where programs are started?"""
    desktop = case.machine.desktop.value
    if desktop is None or desktop.version is None or desktop.beside is None or case.here:
        return
    theirs, ours = desktop.version, desktop.beside
    both = f"the desktop's vizproxy is {theirs.version}, and the one here is {ours.version}"
    error = misfit(desktop=theirs, program=ours, action="")
    if error is not None:
        yield wrong(
            both, f"programs cannot be started on the desktop: {error.why}", f"try {error.hint}"
        )
    elif theirs.version != ours.version:
        yield lesser(
            both,
            "they work together, but without what is new in the newer one",
            f"`pip install vizproxy=={theirs.version}` here"
            if is_older(ours.version, theirs.version)
            else f"use a sidecar of version {ours.version}",
        )
    else:
        yield fine(f"both sides are {ours.version}")
