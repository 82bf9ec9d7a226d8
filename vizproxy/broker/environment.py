"""The environment in which a program draws on the desktop, as pure functions of the rendering plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from vizproxy.config import Plan
from vizproxy.errors import NotReadyError
from vizproxy.virtualgl import EGL_DISPLAY

_MESA_ON_A_GPU_SERVER: Final[Mapping[str, str]] = MappingProxyType(
    {"LIBGL_ALWAYS_SOFTWARE": "1", "__GLX_VENDOR_LIBRARY_NAME": "mesa"}
)
"""Else libGL asks the X server whose OpenGL to load, and gets the GPU's."""


@dataclass(frozen=True, slots=True)
class Displays:
    """Where a program draws: the desktop's display (``:0``), the 3D server's if there is one that is
    up, and the cookie for both. ``plan`` is the one that the desktop runs by, ``egl`` what VirtualGL
    draws on without an X server (``egl0``, or a GPU's ``/dev/dri/card1``).
    """

    plan: Plan
    desktop: str
    three_d: str | None
    xauthority: str
    egl: str = EGL_DISPLAY

    def virtualgl(self, plan: Plan) -> str | None:
        """What VirtualGL draws on for an app's plan (``:1``, ``egl0``); None: not through it.

        Raises:
            NotReadyError: the 3D server is not up.
        """
        match plan:
            case Plan.VIRTUALGL if self.three_d is None:
                raise NotReadyError(
                    "draw on the GPU", "the 3D X server is not running", "`vizproxy status`"
                )
            case Plan.VIRTUALGL:
                return self.three_d
            case Plan.EGL:
                return self.egl
            case _:
                return None


@dataclass(frozen=True, slots=True)
class AppEnvironment:
    """What an app is started with.

    ``variables`` are added to its environment. With a ``virtualgl_display`` it is to be started
    through VirtualGL, which draws there (:mod:`vizproxy.virtualgl`).
    """

    variables: Mapping[str, str]
    virtualgl_display: str | None


def for_app(plan: Plan, displays: Displays) -> AppEnvironment:
    """The environment of an app that draws by ``plan`` on the desktop.

    Raises:
        NotReadyError: it is to draw on the 3D server, which is not up.
    """
    variables = _place(displays)
    if plan is Plan.SOFTWARE and displays.plan is Plan.DIRECT:
        variables |= _MESA_ON_A_GPU_SERVER
    return AppEnvironment(variables, displays.virtualgl(plan))


def for_shell(displays: Displays) -> dict[str, str]:
    """The environment for a shell, from which programs are started without a lease.

    Nothing is preloaded: VirtualGL would be in every command of that shell. So under ``virtualgl``
    and ``egl`` programs draw in software, unless they are started by ``vglrun``, which
    finds here what to draw on.
    """
    try:
        display = displays.virtualgl(displays.plan)
    except NotReadyError:
        display = None
    return _place(displays) | ({} if display is None else {"VGL_DISPLAY": display})


def _place(displays: Displays) -> dict[str, str]:
    return {"DISPLAY": displays.desktop, "XAUTHORITY": displays.xauthority}
