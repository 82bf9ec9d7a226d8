"""Reading an admin's choices, and finding what is wrong with them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING, Final

import msgspec

from vizproxy.errors import ConfigError, system_reason
from vizproxy.kubernetes import quantities
from vizproxy.kubernetes.choices import Choices, Sharing
from vizproxy.kubernetes.dialog import NO_GPU

if TYPE_CHECKING:
    from vizproxy.kubernetes.choices import Amount, Cpu, GpuType, Memory

_HINT: Final = "`vizproxy kubernetes render --help`, which has an example"

_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", re.ASCII)
"""What the entries of the dialog are called: a part of the names of form fields and of claims."""

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_LABEL: Final = re.compile(r"([a-z0-9.-]+/)?[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?", re.ASCII)

_LEAST_MEMORY: Final = 1024**2
"""Who asks for less has mistaken ``m`` for mega; KubeSpawner would take it for no limit."""

_NOTEBOOK_PORT: Final = 8888
"""KubeSpawner's default; the containers of a Pod share its ports."""


def load(file: Path) -> Choices:
    """Read choices from a TOML file, such as ``container/kubernetes/choices.toml``.

    Raises:
        ConfigError: it cannot be read, or makes no sense.
    """
    try:
        text = file.read_bytes()
    except OSError as error:
        raise _cannot(file, system_reason(error), "another --choices") from error
    try:
        choices = msgspec.toml.decode(text, type=Choices)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _cannot(file, _sentence(error), _HINT) from error
    return checked(choices, file)


def checked(choices: Choices, file: Path | None = None) -> Choices:
    """Return choices that make sense.

    Raises:
        ConfigError: they do not; its sentence has all that is wrong.
    """
    found = [*_amounts(choices), *_entries(choices), *_gpus(choices), *_rest(choices)]
    if found:
        raise _cannot(file, "; ".join(found), _HINT)
    return choices


def _cannot(file: Path | None, why: str, hint: str) -> ConfigError:
    return ConfigError(
        "use the choices" if file is None else f"use the choices in {file}", why, hint
    )


def _sentence(error: Exception) -> str:
    """What is wrong in a file; msgspec writes where as ``$.gpu.type[0]``."""
    text = str(error)
    what, found, where = text.rpartition(" - at `$")
    if found:
        text = f"{where.strip('.`')}: {what[:1].lower()}{what[1:]}"
    return text.replace("`", "")


def _amounts(choices: Choices) -> Iterator[str]:
    sidecar = choices.sidecar
    yield from _amount("sidecar.cpu", sidecar.cpu)
    yield from _amount("sidecar.memory", sidecar.memory, _LEAST_MEMORY)
    for number, cpu in enumerate(choices.cpu):
        yield from _amount(f"cpu[{number}]", cpu)
    for number, memory in enumerate(choices.memory):
        yield from _amount(f"memory[{number}]", memory, _LEAST_MEMORY)


def _amount(place: str, amount: Amount | Cpu | Memory, least: int = 0) -> Iterator[str]:
    known = {}
    for name in ("request", "limit"):
        text = getattr(amount, name)
        if text is not None:
            try:
                known[name] = quantities.parse(text)
            except ValueError:
                yield f"{place}.{name} is {text!r}, and not an amount such as 500m or 2Gi"
            else:
                if known[name] < least:
                    yield f"{place}.{name} is {text!r}, less than {least} bytes (m is a thousandth)"
    if len(known) == 2 and known["request"] > known["limit"]:
        yield f"{place}.request, {amount.request}, is more than its limit, {amount.limit}"


def _entries(choices: Choices) -> Iterator[str]:
    """The names of what is chosen from, which have to differ."""
    names = {
        "cpu": [entry.limit for entry in choices.cpu],
        "memory": [entry.limit for entry in choices.memory],
        "image": [entry.name for entry in choices.images],
        "gpu.type": [entry.name for entry in choices.gpu.types],
    }
    for place, given in names.items():
        for name in _twice(given):
            yield f"two entries of [[{place}]] are {name!r}"
    for place in ("image", "gpu.type"):
        for name in names[place]:
            if not _NAME.fullmatch(name):
                yield f"{place} is called {name!r}: a name is of a-z, 0-9 and -, and of 40 at most"
    if not _NAME.fullmatch(choices.profile.name):
        yield f"profile.name is {choices.profile.name!r}: a name is of a-z, 0-9 and -"
    for entry in choices.images:
        if not entry.image.strip():
            yield f"image {entry.name!r} names no image"
    if choices.other_image is not None:
        try:
            re.compile(choices.other_image.pattern)
        except re.error as error:
            yield f"other_image.pattern is no regular expression: {error}"
        if not choices.images:
            yield "other_image needs an [[image]] beside it, which is proposed"


def _twice(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _gpus(choices: Choices) -> Iterator[str]:
    gpu = choices.gpu
    names = [entry.name for entry in gpu.types]
    if NO_GPU in names:
        yield f"gpu.type {NO_GPU!r} is what the dialog calls having none"
    if gpu.required and not names:
        yield "gpu.required needs a [[gpu.type]]"
    if gpu.required and names and gpu.default not in names:
        yield f"gpu.default is {gpu.default!r}: with gpu.required it is one of {', '.join(names)}"
    if gpu.default not in {NO_GPU, *names}:
        yield f"gpu.default is {gpu.default!r}, which is no [[gpu.type]]"
    if gpu.sharing is Sharing.DRA and names and not (choices.cpu and choices.memory):
        yield (
            "gpu.sharing is dra, for which cores and memory are chosen here too, in [[cpu]] and "
            "[[memory]]: KubeSpawner has no other place for a claim than the one of all resources"
        )
    for entry in gpu.types:
        yield from _gpu_type(entry, gpu.sharing)


def _gpu_type(entry: GpuType, sharing: Sharing) -> Iterator[str]:
    place = f"gpu.type {entry.name!r}"
    if entry.count < 1:
        yield f"{place} has count {entry.count}"
    if entry.selector and sharing is not Sharing.DRA:
        yield f"{place} has a selector, which only counts with gpu.sharing = 'dra'"
    for key, values in entry.labels.items():
        if not _LABEL.fullmatch(key):
            yield f"{place} has {key!r} in its labels, which is no label"
        if not values or not all(values):
            yield f"{place} has a label {key} without a value"
    for toleration in entry.tolerations:
        if (toleration.operator == "Equal") is (toleration.value is None):
            yield f"{place} tolerates {toleration.key}: with Equal, and only then, there is a value"


def _is_template(text: str) -> bool:
    """Whether KubeSpawner can fill in the text: ``{username}``."""
    try:
        fields = [name for _, name, _, _ in Formatter().parse(text) if name is not None]
    except ValueError:
        return False
    return all(name.isidentifier() for name in fields)


def _rest(choices: Choices) -> Iterator[str]:
    sidecar, notebook, port = choices.sidecar, choices.notebook, choices.metrics.port
    if not choices.network.clients:
        yield "network.clients is empty, which would admit everybody"
    if not sidecar.image.strip():
        yield "sidecar.image is empty"
    if sidecar.start_first and not sidecar.native:
        yield "sidecar.start_first needs sidecar.native"
    if isinstance(notebook.uid, int) and notebook.uid < 1:
        yield f"notebook.uid is {notebook.uid}: the desktop does not run as root"
    if notebook.gid is not None and notebook.gid < 0:
        yield f"notebook.gid is {notebook.gid}"
    if port is not None and not 1024 <= port <= 65535:
        yield f"metrics.port is {port}, and not from 1024 to 65535"
    if port == _NOTEBOOK_PORT:
        yield f"metrics.port is {port}, where the notebook is"
    for place, names in (("sidecar", sidecar.environment), ("notebook", notebook.environment)):
        for name in names:
            if not _VARIABLE.fullmatch(name):
                yield f"{place}.environment has {name!r}, which is no variable"
            if not _is_template(names[name]):
                yield f"{place}.environment.{name} has braces, which KubeSpawner reads: double them"
