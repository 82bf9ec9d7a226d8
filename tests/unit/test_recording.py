"""Facts in files: what is written is read again, and what is wrong in a file is said."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import machines
from vizproxy.errors import FileSystemError, RecordingError
from vizproxy.facts import nvml, vgpu
from vizproxy.facts.model import Fact, Machine, Nvml, Place, Virtualization, known, unknown
from vizproxy.facts.recording import FORMAT, MAX_BYTES, Origin, Recording, read, seen, write

# ----------------------------------------------------------------------------- made-up machines

texts = st.text(max_size=20) | st.sampled_from(["/tmp/caf\udce9", 'a "b" \\ c', "", "~"])
numbers = st.integers(-(2**63), 2**64 - 1)
SIMPLE: Mapping[Any, st.SearchStrategy[Any]] = {str: texts, int: numbers, bool: st.booleans()}


def of(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a type of the model."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Fact:
        reasons = texts.filter(bool).map(unknown)
        return reasons | of(arguments[0]).map(known)
    if origin is tuple:
        return st.lists(of(arguments[0]), max_size=2).map(tuple)
    if origin is UnionType:
        return st.one_of(*(st.none() if one is NoneType else of(one) for one in arguments))
    if isinstance(kind, type) and is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return st.builds(kind, **{f.name: of(hints[f.name]) for f in fields(kind)})
    if issubclass(kind, Enum):
        return st.sampled_from(kind)
    return SIMPLE[kind]


recordings = st.builds(
    Recording,
    format=st.just(FORMAT),
    machine=texts,
    origins=st.dictionaries(
        st.sampled_from(["", "nvml", "nvml.gpus", "files.dri_nodes", "system.uid", "desktop"]),
        st.sampled_from(Origin),
    ),
    sources=st.lists(texts, max_size=2).map(tuple),
    facts=of(Machine),
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recordings") / "machine.json"


@given(recordings)
def test_what_is_written_is_read_again(place: Path, recording: Recording) -> None:
    write(place, recording, home="")
    assert read(place) == recording


# ------------------------------------------------------------------------- the shipped machines


@pytest.mark.parametrize("name", machines.NAMES)
def test_each_recorded_machine_is_laid_out_as_it_would_be_written(name: str, place: Path) -> None:
    recording = read(machines.path_of(name))
    write(place, recording, home="")
    assert machines.path_of(name).read_text("utf-8") == place.read_text("utf-8")


@pytest.mark.parametrize("name", machines.NAMES)
def test_each_fact_of_a_recorded_machine_has_an_origin(name: str) -> None:
    recording = read(machines.path_of(name))
    assert recording.machine
    paths = list(leaves(recording.facts))
    assert len(paths) > 40
    origins = {recording.origin_of(path) for path in paths}
    assert None not in origins
    if Origin.DOCUMENTED in origins:
        assert recording.sources
        assert all(source.startswith("https://") for source in recording.sources)


def leaves(value: Any, path: str = "") -> Iterator[str]:
    """The paths of all that is no collection of other facts."""
    if isinstance(value, Fact):
        yield from leaves(value.value, path)
    elif is_dataclass(value):
        for field in fields(value):
            yield from leaves(getattr(value, field.name), f"{path}.{field.name}".lstrip("."))
    elif isinstance(value, tuple) and value:
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}.{index}")
    else:
        yield path


def test_the_machines_that_there_must_be() -> None:
    assert set(machines.NAMES) >= {
        *("bare-t4", "a40-8q-licensed", "a40-8q-unlicensed", "t4-1b", "a100-mig-slice"),
        *("gpu-operator-without-x-modules", "no-graphics-capability", "two-gpus-one-visible"),
        "no-gpu",
    }


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("no-gpu", nvml.NOT_HERE),
        ("driver-mismatch", nvml.MISMATCH),
        ("nvml-hangs", nvml.SILENT),
    ],
)
def test_a_driver_in_trouble_is_recorded_as_it_would_be_read(name: str, why: str) -> None:
    assert machines.load(name).nvml == Nvml(unknown(why), unknown(why))


@pytest.mark.parametrize("name", machines.NAMES)
def test_a_recorded_vgpu_has_the_name_of_its_type(name: str) -> None:
    for gpu in machines.load(name).nvml.gpus.get(()):
        guest = gpu.virtualization.value is Virtualization.VGPU
        assert guest == (vgpu.parse(gpu.name.get("")) is not None)
        assert guest == (gpu.licence.value is not None)


# -------------------------------------------------------------------------------------- origins


def test_the_longest_path_tells_the_origin() -> None:
    recording = replace(
        read(machines.path_of("bare-t4")),
        origins={
            "nvml": Origin.SEEN,
            "nvml.gpus.1": Origin.ASSUMED,
            "nvml.gpus.1.name": Origin.DOCUMENTED,
        },
    )
    assert recording.origin_of("nvml") is Origin.SEEN
    assert recording.origin_of("nvml.gpus.0.name") is Origin.SEEN
    assert recording.origin_of("nvml.gpus.1.uuid") is Origin.ASSUMED
    assert recording.origin_of("nvml.gpus.1.name") is Origin.DOCUMENTED
    assert recording.origin_of("nvml.gpus.10.name") is Origin.SEEN
    assert recording.origin_of("nvmlx") is None
    assert recording.origin_of("") is None


def test_what_was_seen() -> None:
    recording = seen("a test's", machines.load("no-gpu"))
    assert recording.origin_of("files.dri_nodes") is Origin.SEEN
    assert recording.sources == ()


# ------------------------------------------------------------------------------ what is wrong


@pytest.fixture
def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(machines.path_of("bare-t4").read_text("utf-8"))
    return found


def refusal(place: Path, document: Any) -> str:
    text = document if isinstance(document, str) else json.dumps(document)
    place.write_text(text, encoding="utf-8")
    with pytest.raises(RecordingError) as error:
        read(place)
    assert str(error.value).startswith(f"cannot read the recording {place}: ")
    assert "; try a file that `vizproxy doctor --record`" in str(error.value)
    return error.value.why


def test_a_wrong_type(place: Path, document: dict[str, Any]) -> None:
    gpu = document["facts"]["nvml"]["gpus"]["value"][0]
    gpu["minor"]["value"] = "0"
    why = "expected `int | null`, got `str` - at `$.facts.nvml.gpus.value[0].minor.value`"
    assert refusal(place, document) == why
    gpu["minor"] = 0
    why = "expected `object`, got `int` - at `$.facts.nvml.gpus.value[0].minor`"
    assert refusal(place, document) == why


def test_a_field_that_is_missing(place: Path, document: dict[str, Any]) -> None:
    del document["facts"]["system"]["uid"]
    why = "object missing required field `uid` - at `$.facts.system`"
    assert refusal(place, document) == why


def test_a_field_too_many(place: Path, document: dict[str, Any]) -> None:
    document["facts"]["nvml"]["gpus"]["value"][0]["license"] = {"reason": "none"}
    why = "nothing is known of a field `license` - at `$.facts.nvml.gpus.value[0]`"
    assert refusal(place, document) == why


@pytest.mark.parametrize(
    ("fact", "why"),
    [
        ({}, "there is neither a value nor a reason - at `$.facts.nvml.driver`"),
        ({"value": None}, "there is neither a value nor a reason - at `$.facts.nvml.driver`"),
        (
            {"value": "550", "reason": "none"},
            "nothing is known of a field `reason` - at `$.facts.nvml.driver`",
        ),
    ],
)
def test_a_fact_is_a_value_or_a_reason(
    place: Path, document: dict[str, Any], fact: object, why: str
) -> None:
    document["facts"]["nvml"]["driver"] = fact
    assert refusal(place, document) == why


@pytest.mark.parametrize(
    "path", ["nvml.gpu", "nvml.gpus.1", "nvml.gpus.-1", "nvml.gpus.value", "."]
)
def test_an_origin_of_no_fact(place: Path, document: dict[str, Any], path: str) -> None:
    document["origins"][path] = "seen"
    assert refusal(place, document) == f"there is no fact `{path}` - at `$.origins`"


def test_an_origin_that_is_none(place: Path, document: dict[str, Any]) -> None:
    document["origins"]["nvml"] = "guessed"
    assert refusal(place, document) == "invalid enum value 'guessed' - at `$.origins[...]`"


@pytest.mark.parametrize("number", [0, 2, "1", None])
def test_another_format(place: Path, document: dict[str, Any], number: object) -> None:
    document["format"] = number
    why = f"it is of format {number!r}, and this version reads format 1"
    assert refusal(place, document) == why


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\N{SNOWMAN}", "{} {}"])
def test_what_is_no_json(place: Path, text: str) -> None:
    assert refusal(place, text).startswith("it is not JSON (")


@pytest.mark.parametrize("text", ["[]", "3", "null", '"x"'])
def test_json_of_something_else(place: Path, text: str) -> None:
    assert refusal(place, text).startswith("expected `object`, got ")


def test_files_that_are_too_big_or_not_there(tmp_path: Path) -> None:
    assert refusal(tmp_path / "big", " " * (MAX_BYTES + 1)) == "it is too big to be one"
    with pytest.raises(RecordingError, match="too big"):
        read(Path("/dev/zero"))
    with pytest.raises(RecordingError, match="nowhere: no such file or directory; try the name"):
        read(tmp_path / "nowhere")
    with pytest.raises(RecordingError, match="is a directory"):
        read(tmp_path)


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    recording = seen("x", machines.load("no-gpu"))
    with pytest.raises(
        FileSystemError, match=r"^cannot write the recording .*: no such file or dir"
    ):
        write(tmp_path / "no" / "such", recording)


# ------------------------------------------------------------------------------------- secrets


def in_a_home(directory: str, reason: str) -> Machine:
    machine = machines.load("no-gpu")
    files = replace(machine.files, virtualgl=unknown(reason))
    where = known(Place(directory, "0700", 1000, True))
    return replace(machine, files=files, system=replace(machine.system, runtime_dir=where))


@pytest.mark.parametrize("home", ["/home/jane", "/home/jane/"])
def test_the_home_directory_stays_at_home(tmp_path: Path, home: str) -> None:
    place = tmp_path / "machine.json"
    there = in_a_home("/home/jane/run", "cannot read /home/jane: permission denied")
    write(place, seen("x", there), home=home)
    assert "jane" not in place.read_text("utf-8")
    again = read(place).facts
    assert again == in_a_home("~/run", "cannot read ~: permission denied")


@pytest.mark.parametrize("path", ["/home/janet/run", "/srv/home/jane", "/home/jane.old"])
def test_other_directories_are_told(tmp_path: Path, path: str) -> None:
    place = tmp_path / "machine.json"
    write(place, seen("x", in_a_home(path, "x")), home="/home/jane")
    assert read(place).facts == in_a_home(path, "x")


@pytest.mark.parametrize("home", ["", "/"])
def test_a_user_without_a_home(tmp_path: Path, home: str) -> None:
    write(tmp_path / "machine.json", seen("x", in_a_home("/run/x", "x")), home=home)
    assert read(tmp_path / "machine.json").facts == in_a_home("/run/x", "x")


def test_whose_home_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/jane")
    write(tmp_path / "machine.json", seen("x", in_a_home("/home/jane/run", "x")))
    assert read(tmp_path / "machine.json").facts == in_a_home("~/run", "x")
