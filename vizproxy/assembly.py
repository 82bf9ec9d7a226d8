"""Making the parts of a daemon and handing them to each other. Nothing is started here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from vizproxy import resources
from vizproxy.api.services import Services
from vizproxy.api.sockets import OpenSockets
from vizproxy.broker.broker import Broker
from vizproxy.broker.broker import Policy as BrokerPolicy
from vizproxy.broker.leases import Limits as BrokerLimits
from vizproxy.broker.leases import limits_for
from vizproxy.broker.menu import Menu
from vizproxy.broker.windows import Windows
from vizproxy.changes import Changes
from vizproxy.config import Config
from vizproxy.desktop import RunningDesktop
from vizproxy.display import facts, files, plan
from vizproxy.display.components import DisplayAddress, Stack
from vizproxy.display.gpu import GpuFramebuffer, GpuMeter
from vizproxy.gateway.access import Gatekeeper
from vizproxy.gateway.idleness import Idleness
from vizproxy.gateway.viewer import Gateway, Limits
from vizproxy.runtime import Layout
from vizproxy.x11.observer import Observer
from vizproxy.x11.screen import Screen
from vizproxy.x11.session import XSession

PIXMAP_BUDGET_BYTES: Final = 2 * 1024**3
"""What all apps share where there is no GPU and nothing is configured."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was found on the machine before anything is started."""

    facts: plan.Facts
    plan: plan.RenderingPlan
    programs: Mapping[str, str]
    templates: Path
    web: Path
    novnc: Path


def look_around(config: Config, environ: Mapping[str, str]) -> Found:
    """Find what the desktop needs, without touching anything.

    Raises:
        PlanError: the rendering plan cannot be carried out.
        MissingProgramError: something is not installed.
        BusyError: the display number is taken.
    """
    seen = facts.look(config, environ)
    found = Found(
        facts=seen,
        plan=plan.choose(config.display.plan, seen),
        programs=files.find_programs(config, environ.get("PATH", "")),
        templates=resources.xorg_configs(),
        web=resources.web(),
        novnc=resources.novnc(config.web.novnc_dir),
    )
    if config.display.number is not None:
        files.check_display_free(config.display.number)
    return found


@dataclass(frozen=True, slots=True)
class Given:
    """What the parts are made from.

    ``gpu`` is the GPU's framebuffer as first read; ``listening`` and ``log_lines_lost`` are asked for
    at every status.
    """

    config: Config
    found: Found
    layout: Layout
    environ: Mapping[str, str]
    token: str
    gpu: GpuFramebuffer | None
    listening: Callable[[], Sequence[str]]
    log_lines_lost: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a daemon that its course of events is about."""

    changes: Changes
    session: XSession
    addresses: tuple[DisplayAddress, ...]
    gateway: Gateway
    observer: Observer
    broker: Broker
    meter: GpuMeter
    desktop: RunningDesktop
    stack: Stack
    services: Services


def assemble(given: Given) -> Parts:
    """Make every part."""
    config, layout = given.config, given.layout
    changes, app_changes = Changes(), Changes()
    session = XSession(layout.xauthority)
    address = DisplayAddress(config.display.number)
    address_3d = DisplayAddress() if given.found.plan.gpu_template is not None else None
    screen = _screen(config, session, changes)
    idleness = Idleness()
    gateway = _gateway(config, layout, screen, idleness, changes)
    # The broker is made last: it needs those who tell it of changes.
    observer = Observer(session, changed=lambda: broker.scene_changed())  # noqa: PLW0108
    meter = GpuMeter(given.gpu, lambda: broker.scene_changed())  # noqa: PLW0108
    desktop = RunningDesktop(
        changes=changes,
        facts=given.found.facts,
        plan=given.found.plan,
        layout=layout,
        address=address,
        address_3d=address_3d,
        screen=screen,
        viewers=lambda: gateway.count,
        apps=lambda: broker.snapshot(),  # noqa: PLW0108
        last_activity=lambda: idleness.last,
        listening=given.listening,
        log_lines_lost=given.log_lines_lost,
    )
    broker = Broker(
        limits=_limits(config, given.gpu),
        policy=_policy(config),
        session=session,
        observer=observer,
        choose_plan=desktop.plan_for,
        own_pids=desktop.pids,
        gpu=lambda: meter.reading,
        changes=app_changes,
    )
    windows = Windows(session, observer, broker, close_timeout=config.broker.close_timeout)
    return Parts(
        changes=changes,
        session=session,
        addresses=(address,) if address_3d is None else (address, address_3d),
        gateway=gateway,
        observer=observer,
        broker=broker,
        meter=meter,
        desktop=desktop,
        stack=_stack(given, session, screen, observer, (address, address_3d)),
        services=_services(
            given,
            desktop=desktop,
            screen=screen,
            gateway=gateway,
            broker=broker,
            windows=windows,
            idleness=idleness,
            changes=(changes, app_changes),
        ),
    )


def _stack(
    given: Given,
    session: XSession,
    screen: Screen,
    observer: Observer,
    addresses: tuple[DisplayAddress, DisplayAddress | None],
) -> Stack:
    address, address_3d = addresses
    return Stack(
        config=given.config,
        layout=given.layout,
        programs=given.found.programs,
        environ=given.environ,
        session=session,
        screen=screen,
        address=address,
        attach=observer.attach,
        address_3d=address_3d,
    )


def _services(
    given: Given,
    *,
    desktop: RunningDesktop,
    screen: Screen,
    gateway: Gateway,
    broker: Broker,
    windows: Windows,
    idleness: Idleness,
    changes: tuple[Changes, Changes],
) -> Services:
    origins = given.config.http.allowed_origins
    status_changes, app_changes = changes
    return Services(
        desktop=desktop,
        screen=screen,
        gateway=gateway,
        gatekeeper=Gatekeeper(given.token, allowed_origins=origins),
        broker=broker,
        windows=windows,
        menu=Menu(broker.snapshot, app_changes),
        idleness=idleness,
        changes=status_changes,
        app_changes=app_changes,
        sockets=OpenSockets(),
        web=given.found.web,
        novnc=given.found.novnc,
    )


def _screen(config: Config, session: XSession, changes: Changes) -> Screen:
    bound = (config.display.max_size.width, config.display.max_size.height)
    return Screen(session, bound=bound, dpi=config.display.dpi, changed=changes.bump)


def _gateway(
    config: Config, layout: Layout, screen: Screen, idleness: Idleness, changes: Changes
) -> Gateway:
    return Gateway(
        rfb=layout.x11vnc_socket,
        websockify=layout.websockify_socket,
        limits=Limits(*(getattr(config.viewer, f.name) for f in fields(Limits))),
        screen_size=screen.sides,
        idleness=idleness,
        changed=changes.bump,
    )


def _limits(config: Config, gpu: GpuFramebuffer | None) -> BrokerLimits:
    settings = config.broker
    framebuffer = settings.framebuffer
    if framebuffer is None:
        framebuffer = gpu.total if gpu is not None else PIXMAP_BUDGET_BYTES
    return limits_for(settings.max_apps, framebuffer, settings.app_framebuffer)


def _policy(config: Config) -> BrokerPolicy:
    settings = config.broker
    return BrokerPolicy(settings.over_use, settings.over_use_grace, settings.close_timeout)
