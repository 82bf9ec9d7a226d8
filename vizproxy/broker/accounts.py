"""The accounts: whose are the windows and pixmaps of the last scene, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from vizproxy.broker.adopted import Adopted, adopt
from vizproxy.broker.attribution import Attribution, Side, Stranger, Surroundings, attribute
from vizproxy.broker.leases import Lease, Ledger, Limits, Standing, Use, over_grant
from vizproxy.broker.snapshot import App, AppState, OwnedWindow
from vizproxy.display.gpu import GpuFramebuffer
from vizproxy.x11.scene import EMPTY, Client, Scene

_NOBODY = Attribution({}, {}, {})


@dataclass(frozen=True, slots=True)
class Accounts:
    """A scene with all of it mapped to apps. Never changed; :meth:`renewed` gives the next.

    ``known_pids`` are those of the desktop's own programs and of all apps, in ``pid_namespace``.
    """

    scene: Scene = EMPTY
    attribution: Attribution = _NOBODY
    adopted: Mapping[Stranger, Adopted] = field(default_factory=dict)
    gpu: GpuFramebuffer | None = None
    pid_namespace: str = ""
    known_pids: AbstractSet[int] = frozenset()

    def renewed(
        self,
        scene: Scene,
        ledger: Ledger,
        around: Surroundings,
        gpu: GpuFramebuffer | None,
        *,
        number: Callable[[], int],
        now: float,
    ) -> Accounts:
        """The accounts of a new scene, or of the same one after other PIDs were reported."""
        attribution = attribute(scene, sides(ledger), around)
        adopted = adopt(
            self.adopted, attribution, scene, names=around.names, number=number, now=now
        )
        ours = around.pid_namespace
        reported = (lease.pids for lease in ledger.leases.values() if _lives_in(ours, lease))
        of_clients = (client.pid for client in scene.clients if client.pid is not None)
        known = frozenset(around.own).union(of_clients, *reported)
        return Accounts(scene, attribution, adopted, gpu, ours, known)

    def without_adoption(self, scene: Scene, ledger: Ledger, around: Surroundings) -> Accounts:
        """The same, but for new strangers, who are not adopted yet."""
        attribution = attribute(scene, sides(ledger), around)
        return replace(self, scene=scene, attribution=attribution)

    def claimed(self, ledger: Ledger, around: Surroundings) -> Accounts:
        """The same, but what the leases of a ledger call their own is not adopted any more."""
        attribution = attribute(self.scene, sides(ledger), around)
        adopted = {key: app for key, app in self.adopted.items() if key in attribution.strangers}
        return replace(self, attribution=attribution, adopted=adopted)

    def unknown_clients(self) -> frozenset[int]:
        """The X clients (by base) that belong to no lease."""
        known = {c.base for clients in self.attribution.leased.values() for c in clients}
        return frozenset(client.base for client in self.scene.clients) - known

    def clients_of(self, app_id: str) -> tuple[Client, ...]:
        """The X clients of an app."""
        for stranger, app in self.adopted.items():
            if app.id == app_id:
                return self.attribution.strangers.get(stranger, ())
        return self.attribution.leased.get(app_id, ())

    def use_of(self, lease: Lease) -> Use:
        """What a leased app uses."""
        pixmaps = sum(c.pixmap_bytes for c in self.attribution.leased.get(lease.id, ()))
        is_ours = _lives_in(self.pid_namespace, lease)
        return Use(pixmaps, self._gpu_bytes(lease.pids if is_ours else frozenset()))

    def standing(self, ledger: Ledger) -> Standing:
        """What is in use, as the rules of admission want to know it."""
        return Standing(
            {lease.id: self.use_of(lease) for lease in ledger.leases.values()},
            tuple((app.id, self._use_of_adopted(key)) for key, app in self.adopted.items()),
            None if self.gpu is None else self.gpu.total - self.gpu.used,
        )

    def _use_of_adopted(self, stranger: Stranger) -> Use:
        clients = self.attribution.strangers.get(stranger, ())
        pids = frozenset(c.pid for c in clients if c.pid is not None)  # not what windows say
        return Use(sum(c.pixmap_bytes for c in clients), self._gpu_bytes(pids))

    def _gpu_bytes(self, pids: frozenset[int]) -> int | None:
        """What processes of our namespace use of the GPU; None if that is not known.

        NVML may list no processes at all, or those of the host by the host's PIDs. So what it lists
        counts only if a process that is known here is among it: one of ``pids``, a program of the
        desktop's own such as the X server on the GPU, or any app's. An app in another PID namespace
        has no ``pids`` that are valid here: its numbers are those of other processes.
        """
        if self.gpu is None or not pids:
            return None
        by_pid = self.gpu.by_pid
        if by_pid.keys().isdisjoint(self.known_pids | pids):
            return None
        return sum(by_pid.get(pid, 0) for pid in pids)

    # what is shown

    def apps(self, ledger: Ledger, limits: Limits, stopping: frozenset[str]) -> tuple[App, ...]:
        """Every app, in the order of their start."""
        windows: dict[str, list[int]] = {}
        for owned in self.windows():
            windows.setdefault(owned.app, []).append(owned.window.id)
        apps = [self._leased_app(lease, windows, stopping) for lease in ledger.leases.values()]
        apps += [
            self._adopted_app(stranger, app, windows, limits.share, stopping)
            for stranger, app in self.adopted.items()
        ]
        return tuple(sorted(apps, key=lambda app: (app.started, app.id)))

    def _leased_app(
        self, lease: Lease, windows: Mapping[str, list[int]], stopping: frozenset[str]
    ) -> App:
        use = self.use_of(lease)
        if lease.id in stopping:
            state = AppState.STOPPING
        else:
            state = AppState.RUNNING if lease.shown else AppState.STARTING
        return App(
            id=lease.id,
            name=lease.wish.name,
            leased=True,
            state=state,
            plan=lease.plan,
            program=lease.wish.program,
            started=lease.started,
            pids=tuple(sorted(lease.pids)),
            windows=tuple(windows.get(lease.id, ())),
            granted=lease.granted,
            use=use,
            over=over_grant(lease.granted, use),
            activity=lease.wish.activity,
            slot=lease.slot,
            cpu_seconds=lease.cpu_seconds,
            resident_bytes=lease.resident_bytes,
        )

    def _adopted_app(
        self,
        stranger: Stranger,
        app: Adopted,
        windows: Mapping[str, list[int]],
        share: int,
        stopping: frozenset[str],
    ) -> App:
        use = self._use_of_adopted(stranger)
        return App(
            id=app.id,
            name=app.name,
            leased=False,
            state=AppState.STOPPING if app.id in stopping else AppState.RUNNING,
            plan=None,
            program=app.name,
            started=app.started,
            pids=(app.pid,) if app.pid else (),
            windows=tuple(windows.get(app.id, ())),
            granted=share,
            use=use,
            over=over_grant(share, use),
        )

    def windows(self) -> tuple[OwnedWindow, ...]:
        """Every window that belongs to an app, in mapping order."""
        owned = []
        for window in self.scene.windows:
            owner = self.attribution.windows.get(window.id)
            if isinstance(owner, Stranger):
                adopted = self.adopted.get(owner)
                owner = adopted.id if adopted is not None else None
            if owner is not None:
                owned.append(OwnedWindow(window, owner))
        return tuple(owned)


def _lives_in(pid_namespace: str, lease: Lease) -> bool:
    """Whether the PIDs of a lease are valid in a namespace."""
    return lease.wish.pid_namespace == pid_namespace


def sides(ledger: Ledger) -> tuple[Side, ...]:
    """The apps' own sides, as they have reported themselves."""
    return tuple(
        Side(lease.id, lease.pids, lease.wish.pid_namespace, lease.wish.machine)
        for lease in ledger.leases.values()
    )
