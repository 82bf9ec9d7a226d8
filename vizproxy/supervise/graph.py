"""The dependency graph of supervised children."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from vizproxy.supervise.probes import Probe
from vizproxy.supervise.process import ProcessSpec


@dataclass(frozen=True, slots=True)
class Component:
    """One child of the display stack.

    ``title`` is what people call it. ``spec`` is asked for anew at every start. ``ready`` passes
    when dependents may start; ``healthy`` is tried now and then while it runs. ``after`` names the
    children that must be up first. ``restart_when_ill`` says whether failing health probes lead to
    a restart in the end, or are only shown. Without those for which ``shows_picture`` holds, no
    viewer can see the desktop. ``abandoned`` is called when a run is given up that not even SIGKILL has
    ended; it returns what that means for the next one, as it goes on from the reason, or nothing.
    """

    name: str
    title: str
    spec: Callable[[], ProcessSpec]
    ready: Probe
    healthy: Probe | None = None
    after: tuple[str, ...] = ()
    restart_when_ill: bool = True
    shows_picture: bool = True
    abandoned: Callable[[], str] = str


def check_graph(components: Sequence[Component]) -> None:
    """Check that names are unique, every dependency exists and none depends on itself.

    Raises:
        ValueError: the graph is not a graph of dependencies.
    """
    names = [c.name for c in components]
    if len(set(names)) != len(names):
        raise ValueError(f"component names are not unique: {names}")
    for component in components:
        for name in component.after:
            if name not in names:
                raise ValueError(f"{component.name} depends on {name}, which does not exist")
    try:
        TopologicalSorter({c.name: c.after for c in components}).prepare()
    except CycleError as error:
        raise ValueError(f"components depend on each other in a circle: {error.args[1]}") from error
