"""Making the parts of a daemon and handing them to each other. Nothing is started here."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, Final

from vizproxy import budget, resources, virtualgl
from vizproxy.api.scrapes import Scrapes
from vizproxy.api.services import Services
from vizproxy.api.sockets import OpenSockets
from vizproxy.broker.broker import Broker
from vizproxy.broker.broker import Policy as BrokerPolicy
from vizproxy.broker.leases import Limits as BrokerLimits
from vizproxy.broker.menu import Menu
from vizproxy.broker.snapshot import Level
from vizproxy.broker.windows import Windows
from vizproxy.changes import Changes
from vizproxy.config import Config
from vizproxy.desktop import RunningDesktop
from vizproxy.display import facts, files, numbers, plan
from vizproxy.display.components import Stack
from vizproxy.display.gpu import watched
from vizproxy.display.gpuwatch import GpuWatch, Tell
from vizproxy.display.inforce import PlanInForce
from vizproxy.display.numbers import DisplayAddress
from vizproxy.display.recovery import Recovery
from vizproxy.doctor.checkup import Checkup
from vizproxy.errors import NotReadyError
from vizproxy.facts import nvml
from vizproxy.facts.calls import DriverCalls
from vizproxy.facts.model import Machine
from vizproxy.facts.probe import probe
from vizproxy.gateway.access import Gatekeeper
from vizproxy.gateway.idleness import Idleness
from vizproxy.gateway.viewer import Gateway, Limits
from vizproxy.metrics.exposition import Exposition
from vizproxy.metrics.meter import Meter, Subjects
from vizproxy.metrics.processes import ProcessReader
from vizproxy.publish import Publisher
from vizproxy.runtime import Layout
from vizproxy.x11.damage import DamageMeter
from vizproxy.x11.observer import Observer
from vizproxy.x11.screen import Screen
from vizproxy.x11.session import XSession

LOOK_SECONDS: Final = 30.0
"""How long the look around may take: more than the calls in it may, one after the other."""

OPEN_SCRAPE_SECONDS: Final = 0.1
"""The least time between two scrapes at an address at which anybody may ask for them."""

_LEVELS: Final = {
    logging.INFO: Level.INFO,
    logging.WARNING: Level.WARNING,
    logging.ERROR: Level.ERROR,
}


@dataclass(frozen=True, slots=True)
class Found:
    """What was found on the machine before anything is started."""

    machine: Machine
    facts: plan.Facts
    plan: plan.RenderingPlan
    programs: Mapping[str, str]
    templates: Path
    web: Path
    novnc: Path


async def look_around(config: Config, environ: Mapping[str, str], calls: DriverCalls) -> Found:
    """Find what the desktop needs, without touching anything. ``calls`` are those into the driver.

    Raises:
        NotReadyError: the machine does not answer.
        PlanError: the rendering plan cannot be carried out.
        MissingProgramError: something is not installed.
        BusyError: the display number is taken.
    """
    look = partial(probe, config, environ, library=nvml.NVML, calls=calls)
    try:
        machine = await DriverCalls(LOOK_SECONDS, name="look around").call(look)
    except TimeoutError as error:
        why = f"it has not answered within {LOOK_SECONDS:g} s"
        raise NotReadyError("look at the machine", why, "again in a minute") from error
    seen = facts.for_plan(machine, config)
    found = Found(
        machine=machine,
        facts=seen,
        plan=plan.choose(config.display, seen),
        programs=files.find_programs(config, environ.get("PATH", "")),
        templates=resources.xorg_configs(),
        web=resources.web(),
        novnc=resources.novnc(config.web.novnc_dir),
    )
    if config.display.number is not None:
        numbers.check_display_free(config.display.number)
    return found


@dataclass(frozen=True, slots=True)
class Given:
    """What the parts are made from.

    ``calls`` are those into the GPU's driver; ``displays`` are the display numbers that a killed daemon
    has left, by component; ``listening`` and ``log_lines_lost`` are asked for at every status.
    """

    config: Config
    found: Found
    layout: Layout
    environ: Mapping[str, str]
    token: str
    calls: DriverCalls
    displays: Mapping[str, int]
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
    gpu: GpuWatch
    recovery: Recovery
    damage: DamageMeter
    desktop: RunningDesktop
    stack: Stack
    services: Services


def assemble(given: Given) -> Parts:
    """Make every part."""
    config, layout = given.config, given.layout
    changes, app_changes = Changes(), Changes()
    session = XSession(layout.xauthority)
    address, address_3d = _addresses(given)
    in_force = PlanInForce(config.display, given.found.facts, given.found.plan)
    screen = _screen(given, session, changes)
    idleness = Idleness()
    gateway = _gateway(config, layout, screen, idleness, changes)

    def tell(level: int, kind: str, text: str) -> None:
        broker.announce(_LEVELS[level], kind, text)

    def limits() -> BrokerLimits:
        return budget.limits(config, given.found.machine, in_force.now, gpu.framebuffer)

    def measured() -> None:
        broker.limit(limits())
        broker.scene_changed()

    def plan_changed() -> None:
        screen.limit(_bound(in_force.now))
        measured()
        changes.bump()

    # The broker is made last: it needs those who tell it of changes.
    observer = Observer(session, changed=lambda: broker.scene_changed())  # noqa: PLW0108
    recovery, gpu = _gpu_parts(
        given,
        in_force,
        tell=tell,
        plan_changed=plan_changed,
        measured=measured,
        changes=changes,
    )
    desktop = RunningDesktop(
        changes=changes,
        plan=in_force,
        layout=layout,
        address=address,
        address_3d=address_3d,
        screen=screen,
        viewers=lambda: gateway.count,
        apps=lambda: broker.snapshot(),  # noqa: PLW0108
        last_activity=lambda: idleness.last,
        listening=given.listening,
        log_lines_lost=given.log_lines_lost,
        gpu=lambda: gpu.status,
        recovery=recovery,
    )
    broker = Broker(
        limits=limits(),
        policy=BrokerPolicy(
            config.broker.over_use, config.broker.over_use_grace, config.broker.close_timeout
        ),
        session=session,
        observer=observer,
        choose_plan=desktop.plan_for,
        own_pids=desktop.pids,
        gpu=lambda: gpu.framebuffer,
        changes=app_changes,
    )
    damage = DamageMeter(layout.xauthority, lost=changes.bump)
    meter = _meter(
        given,
        desktop=desktop,
        screen=screen,
        damage=damage,
        observer=observer,
        broker=broker,
        gpu=gpu,
        gateway=gateway,
        idleness=idleness,
        changes=changes,
    )
    windows = Windows(session, observer, broker, close_timeout=config.broker.close_timeout)
    return Parts(
        changes=changes,
        session=session,
        addresses=(address,) if address_3d is None else (address, address_3d),
        gateway=gateway,
        observer=observer,
        broker=broker,
        gpu=gpu,
        recovery=recovery,
        damage=damage,
        desktop=desktop,
        stack=_stack(given, session, screen, observer, (address, address_3d)),
        services=_services(
            given,
            in_force,
            desktop=desktop,
            screen=screen,
            gateway=gateway,
            broker=broker,
            windows=windows,
            meter=meter,
            idleness=idleness,
            publisher=_publisher(given, desktop, changes),
            changes=(changes, app_changes),
        ),
    )


def _addresses(given: Given) -> tuple[DisplayAddress, DisplayAddress | None]:
    """Those of the desktop's X server and of the 3D server, if there is one."""
    former = given.displays
    address = DisplayAddress(given.config.display.number, preferred=former.get("xorg"))
    if given.found.plan.gpu_template is None:
        return address, None
    return address, DisplayAddress(preferred=former.get("xorg3d"))


def _meter(
    given: Given,
    *,
    desktop: RunningDesktop,
    screen: Screen,
    damage: DamageMeter,
    observer: Observer,
    broker: Broker,
    gpu: GpuWatch,
    gateway: Gateway,
    idleness: Idleness,
    changes: Changes,
) -> Meter:
    subjects = Subjects(
        plan=lambda: desktop.plan.value,
        state=lambda: desktop.condition.value,
        log_lines_lost=given.log_lines_lost,
        screen=screen.meters,
        count_drawing=lambda: damage.attach(screen.name),
        resizes=lambda: screen.resizes,
        damage=lambda: damage.damage,
        counting=lambda: damage.counting,
        apps=broker.snapshot,
        scene_age=lambda: observer.age,
        x_pids=lambda: frozenset(client.pid for client in observer.scene.clients),
        gpu=lambda: gpu.snapshot,
        viewers=lambda: gateway.tally,
        idle=lambda: idleness.seconds,
        components=lambda: desktop.components,
        histories=lambda: desktop.histories,
    )
    calls = DriverCalls(name="processes")
    return Meter(subjects, processes=ProcessReader(), calls=calls, changes=changes)


def _gpu_parts(
    given: Given,
    in_force: PlanInForce,
    *,
    tell: Tell,
    plan_changed: Callable[[], None],
    measured: Callable[[], None],
    changes: Changes,
) -> tuple[Recovery, GpuWatch]:
    recovery = Recovery(
        in_force, write=partial(_write_xorg_conf, given), tell=tell, changed=plan_changed
    )
    watch = GpuWatch(
        lambda: watched(in_force.now),
        given.calls,
        tell=tell,
        following=recovery,
        measured=measured,
        changed=changes.bump,
        seen=budget.listed(given.found.machine, watched(in_force.now)) is not None,
    )
    return recovery, watch


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
    in_force: PlanInForce,
    *,
    desktop: RunningDesktop,
    screen: Screen,
    gateway: Gateway,
    broker: Broker,
    windows: Windows,
    meter: Meter,
    idleness: Idleness,
    publisher: Publisher,
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
        checkup=_checkup(given, in_force, desktop),
        meter=meter,
        scrapes=Scrapes(meter, Exposition()),
        open_scrapes=Scrapes(meter, Exposition(), pause=OPEN_SCRAPE_SECONDS),
        idleness=idleness,
        publisher=publisher,
        changes=status_changes,
        app_changes=app_changes,
        sockets=OpenSockets(),
        web=given.found.web,
        novnc=given.found.novnc,
    )


def _publisher(given: Given, desktop: RunningDesktop, changes: Changes) -> Publisher:
    directory = given.config.display.virtualgl_dir
    return Publisher(
        given.config.share.source,
        partial(virtualgl.find, directory, given.environ),
        given.layout,
        ready=desktop.settled,
        done=changes.bump,
    )


def _checkup(given: Given, in_force: PlanInForce, desktop: RunningDesktop) -> Checkup:
    async def status() -> Mapping[str, Any]:
        return (await desktop.status()).as_json()

    # Its own calls: a look at the machine must not take the place of a reading of the GPU.
    look = partial(
        probe,
        given.config,
        given.environ,
        calls=DriverCalls(),
        disk=DriverCalls(name="file system"),
    )
    return Checkup(
        config=given.config,
        probe=look,
        status=status,
        plan=lambda: in_force.now,
        socket=given.config.http_socket,
        templates=given.found.templates,
        clock=time.monotonic,
    )


def _write_xorg_conf(given: Given, chosen: plan.RenderingPlan) -> None:
    found = given.found
    files.write_xorg_conf(given.config, chosen, found.facts, given.layout, found.templates)


def _screen(given: Given, session: XSession, changes: Changes) -> Screen:
    dpi = given.config.display.dpi
    return Screen(session, bound=_bound(given.found.plan), dpi=dpi, changed=changes.bump)


def _bound(chosen: plan.RenderingPlan) -> tuple[int, int]:
    return chosen.max_size.width, chosen.max_size.height


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
