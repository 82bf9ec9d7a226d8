"""Each kind of setting: what it reads, what it refuses and why, and how it is written."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizproxy.config.kinds import InvalidValueError, Kind, ListKind, OptionalKind, Place
from vizproxy.config.numbers import BytesKind, DurationKind, IntKind, SizeKind
from vizproxy.config.texts import (
    AddressKind,
    ChoiceKind,
    ColourKind,
    OriginKind,
    PathKind,
    ProgramKind,
)
from vizproxy.config.values import Address, LogLevel, Plan, Size

PLACE = Place(base=Path("/base"), home=Path("/home/ada"))

INT = IntKind(1, 100, "things")
DURATION = DurationKind(0.001, 86400.0)
BYTES = BytesKind(64 * 1024, 64 * 1024**2)
SIZE = SizeKind(Size(64, 64), Size(1000, 2000))
PLAN = ChoiceKind(Plan)
ORIGINS = ListKind(OriginKind())


def refusal(kind: Kind[Any], given_value: object, *, toml: bool = False) -> str:
    """Get the one message with which a kind refuses a value."""
    read = kind.from_toml if toml else kind.from_text
    with pytest.raises(InvalidValueError) as caught:
        read(given_value, PLACE)  # type: ignore[arg-type]
    (message,) = caught.value.messages
    return message


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (INT, "1", 1),
        (INT, "100", 100),
        (INT, "+7", 7),
        (DURATION, "500ms", 0.5),
        (DURATION, "2s", 2.0),
        (DURATION, "1.5m", 90.0),
        (DURATION, "24h", 86400.0),
        (DURATION, "10", 10.0),
        (DURATION, "0.001", 0.001),
        (BYTES, "4MiB", 4 * 1024**2),
        (BYTES, "512KiB", 512 * 1024),
        (BYTES, "65536", 65536),
        (BYTES, "65536B", 65536),
        (BytesKind(0, 2**40), "1GiB", 1024**3),
        (SIZE, "64x64", Size(64, 64)),
        (SIZE, "1000x2000", Size(1000, 2000)),
        (PLAN, "virtualgl", Plan.VIRTUALGL),
        (ColourKind(), "#2B303b", "#2b303b"),
        (AddressKind(), "127.0.0.1:6080", Address("127.0.0.1", 6080)),
        (AddressKind(), "[::1]:0", Address("::1", 0)),
        (AddressKind(), "localhost:65535", Address("localhost", 65535)),
        (ProgramKind(), "openbox", "openbox"),
        (ProgramKind(), "/opt/my programs/wm", "/opt/my programs/wm"),
        (PathKind(), "/run/x", Path("/run/x")),
        (PathKind(), "x/y", Path("/base/x/y")),
        (PathKind(), "~", Path("/home/ada")),
        (PathKind(), "~/x", Path("/home/ada/x")),
        (OriginKind(), "HTTPS://Hub.Example.org", "https://hub.example.org"),
        (OriginKind(), "https://hub.example.org:443", "https://hub.example.org"),
        (OriginKind(), "http://hub.example.org:443", "http://hub.example.org:443"),
        (OriginKind(), "http://[0:0::1]:08080", "http://[::1]:8080"),
        (OptionalKind(INT), "7", 7),
        (OptionalKind(INT), "", None),
        (ORIGINS, "", ()),
        (ORIGINS, "  ", ()),
        (ORIGINS, "https://a.b , http://c.d", ("https://a.b", "http://c.d")),
        (ORIGINS, "https://a.b,https://A.b", ("https://a.b",)),
    ],
)
def test_text_is_read(kind: Kind[Any], text: str, value: object) -> None:
    result = kind.from_text(text, PLACE)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("kind", "text", "why"),
    [
        (INT, "", "'' is empty; give a whole number of things from 1 to 100"),
        (INT, "0", "'0' is less than 1; give a whole number of things from 1 to 100"),
        (INT, "101", "'101' is more than 100"),
        (INT, "1.0", "'1.0' is not a whole number"),
        (INT, "\u0661", "is not a whole number"),
        (INT, "1_0", "'1_0' is not a whole number"),
        (INT, " 5", "' 5' starts or ends with a space"),
        pytest.param(INT, "9" * 4000, "is more than 100", id="4000 digits"),
        pytest.param(INT, "9" * 5000, "is longer than 4096 characters", id="5000 digits"),
        (INT, "true", "'true' is not a whole number"),
        (DURATION, "0", "'0' is shorter than 1ms"),
        (DURATION, "-5s", "'-5s' is shorter than 1ms"),
        (DURATION, "25h", "'25h' is longer than 24h"),
        pytest.param(DURATION, "9" * 4000, "is longer than 24h", id="eternity"),
        (DURATION, "nan", "'nan' is not a duration; give a duration such as 10s, 500ms"),
        (DURATION, "inf", "'inf' is not a duration"),
        (DURATION, "5 s", "'5 s' is not a duration"),
        (DURATION, "5d", "'5d' is not a duration"),
        (BYTES, "65535", "'65535' is less than 64KiB"),
        (BYTES, "65MiB", "'65MiB' is more than 64MiB"),
        (BYTES, "4MB", "'4MB' is not a number of bytes; give a number of bytes such as 4MiB"),
        (BYTES, "-1", "'-1' is not a number of bytes"),
        (SIZE, "0x0", "'0x0' is smaller than 64x64; give WIDTHxHEIGHT such as 1600x900"),
        (SIZE, "63x2000", "'63x2000' is smaller than 64x64"),
        (SIZE, "64x2001", "'64x2001' is larger than 1000x2000"),
        (SIZE, "800*600", "'800*600' is not a size"),
        (SIZE, "800x600x2", "'800x600x2' is not a size"),
        (SIZE, "-800x600", "'-800x600' is not a size"),
        (PLAN, "Sofware", "'Sofware' is not a choice (did you mean software?); give one of auto, "),
        (PLAN, "zzz", "'zzz' is not a choice; give one of auto, software, direct, virtualgl, egl"),
        (ColourKind(), "red", "'red' is not a colour"),
        (ColourKind(), "#fff", "'#fff' is not a colour"),
        (ColourKind(), "#ggffff", "'#ggffff' is not a colour"),
        (AddressKind(), "6080", "'6080' is not an address with a port; give HOST:PORT such as"),
        (AddressKind(), "localhost", "'localhost' is not an address with a port"),
        (AddressKind(), "::1:80", "'::1:80' is not an address with a port"),
        (AddressKind(), ":80", "':80' has '' for a host"),
        (AddressKind(), "a:65536", "'a:65536' has a port above 65535"),
        (AddressKind(), "1.2.3:80", "'1.2.3:80' has '1.2.3' for a host"),
        (AddressKind(), "256.0.0.1:80", "has '256.0.0.1' for a host"),
        (AddressKind(), "a b:80", "has 'a b' for a host"),
        (AddressKind(), f"{'a' * 64}:80", "for a host"),
        (AddressKind(), f"{'a.' * 127}a:80", "for a host"),
        (AddressKind(), "[127.0.0.1]:80", "has '127.0.0.1' for a host"),
        (AddressKind(), "[zz]:80", "has 'zz' for a host"),
        (ProgramKind(), "openbox --sm-disable", "contains a space; give a name that is in PATH or"),
        (ProgramKind(), "bin/openbox", "'bin/openbox' is a relative path"),
        (ProgramKind(), "/usr/bin/", "'/usr/bin/' is a directory"),
        (ProgramKind(), "a\nb", "contains a control character"),
        (PathKind(), "", "'' is empty"),
        (PathKind(), "/a\0b", "contains a control character"),
        (PathKind(), "/a\u2028b", "contains a control character, a line break"),
        (PathKind(), "/a\udcffb", "contains a control character, a line break or broken UTF-8"),
        (PathKind(), "/a ", "'/a ' starts or ends with a space"),
        (PathKind(), "~bob/x", "'~bob/x' names another user's home directory"),
        pytest.param(PathKind(), "/" + "a" * 4096, "is longer than 4096", id="long path"),
        pytest.param(PathKind(), "a" * 4096, "is longer than 4096", id="long when resolved"),
        (OriginKind(), "*", "'*' is not a web origin; give scheme, host and port only, such as"),
        (OriginKind(), "null", "'null' is not a web origin"),
        (OriginKind(), "hub.example.org", "is not a web origin"),
        (OriginKind(), "https://hub.example.org/", "is not a web origin"),
        (OriginKind(), "https://me@hub.example.org", "is not a web origin"),
        (OriginKind(), "ftp://hub.example.org", "is not a web origin"),
        (OriginKind(), "https://*.example.org", "has '*.example.org' for a host"),
        (OriginKind(), "https://höb.example.org", "for a host"),
        (OriginKind(), "https://[::1%eth0]", "is not a web origin"),
        (OriginKind(), "https://[1.2.3.4]", "for a host"),
        (OriginKind(), "https://a.b:0", "has a port that is not from 1 to 65535"),
        (OriginKind(), "https://a.b:65536", "has a port that is not from 1 to 65535"),
        (OptionalKind(INT), "x", "'x' is not a whole number; give a whole number of things"),
        (ORIGINS, "https://a.b,", "item 2: '' is empty"),
    ],
)
def test_text_is_refused(kind: Kind[Any], text: str, why: str) -> None:
    assert why in refusal(kind, text)


@pytest.mark.parametrize(
    ("kind", "value", "result"),
    [
        (INT, 5, 5),
        (DURATION, 5, 5.0),
        (DURATION, 0.25, 0.25),
        (DURATION, "5m", 300.0),
        (BYTES, 65536, 65536),
        (BYTES, "64KiB", 65536),
        (SIZE, "800x600", Size(800, 600)),
        (OptionalKind(INT), 5, 5),
        (ORIGINS, [], ()),
        (ORIGINS, ["https://a.b"], ("https://a.b",)),
    ],
)
def test_toml_is_read(kind: Kind[Any], value: object, result: object) -> None:
    read = kind.from_toml(value, PLACE)
    assert read == result
    assert type(read) is type(result)


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        (INT, True, "expected an integer, got a boolean; give a whole number"),
        (INT, 5.0, "expected an integer, got a float"),
        (INT, "5", "expected an integer, got a string"),
        (INT, 0, "0 is less than 1"),
        pytest.param(INT, 16**5000, "a huge number is more than 100", id="huge integer"),
        (DURATION, True, "expected a number of seconds or a string, got a boolean"),
        (DURATION, [], "got a list"),
        (DURATION, math.nan, "nan is not a duration"),
        (DURATION, math.inf, "inf is longer than 24h"),
        (DURATION, 0, "0 is shorter than 1ms"),
        pytest.param(DURATION, 16**5000, "a huge number is longer than 24h", id="eternity"),
        (BYTES, True, "expected an integer or a string, got a boolean"),
        (BYTES, 65536.0, "expected an integer or a string, got a float"),
        (SIZE, [800, 600], "expected a string, got a list; give WIDTHxHEIGHT such as 1600x900"),
        (SIZE, {}, "expected a string, got a table"),
        (PathKind(), 5, "expected a string, got an integer"),
        (OptionalKind(PathKind()), "", "'' is empty"),
        (ORIGINS, "https://a.b", "expected a list, got a string"),
    ],
)
def test_toml_is_refused(kind: Kind[Any], value: object, why: str) -> None:
    assert why in refusal(kind, value, toml=True)


def test_every_wrong_item_of_a_list_is_refused() -> None:
    with pytest.raises(InvalidValueError) as caught:
        ORIGINS.from_toml(["x", "https://a.b", 3], PLACE)
    first, second = caught.value.messages
    assert first.startswith("item 1: 'x' is not a web origin")
    assert second.startswith("item 3: expected a string, got an integer")


def test_a_long_value_is_shortened_in_its_refusal() -> None:
    message = refusal(PLAN, "x" * 1000)
    assert "x" * 60 + "…" in message
    assert "x" * 61 not in message


def test_paths_need_only_the_directories_they_use() -> None:
    nowhere = Place(None, None)
    assert PathKind().from_text("/x", nowhere) == Path("/x")
    with pytest.raises(InvalidValueError, match="current directory that does not exist"):
        PathKind().from_text("x", nowhere)
    with pytest.raises(InvalidValueError, match="home directory, which is not known"):
        PathKind().from_text("~/x", nowhere)


def test_a_resolved_path_is_checked_too() -> None:
    with pytest.raises(InvalidValueError, match="control character"):
        PathKind().from_text("x", Place(Path("/a\nb"), None))


def test_none_has_no_form_in_toml() -> None:
    with pytest.raises(ValueError, match="leave the key out"):
        OptionalKind(INT).to_toml(None)


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (DURATION, 0.25, '"250ms"'),
        (DURATION, 90.0, '"90s"'),
        (DURATION, 7200.0, '"2h"'),
        (DURATION, 0.12345, "0.12345"),
        (BYTES, 4 * 1024**2, '"4MiB"'),
        (BYTES, 65537, "65537"),
        (ORIGINS, ("https://a.b", "http://c.d"), '["https://a.b", "http://c.d"]'),
        (PathKind(), Path('/a"\\é'), '"/a\\"\\\\é"'),
        (ChoiceKind(LogLevel), LogLevel.INFO, '"info"'),
    ],
)
def test_toml_is_written(kind: Kind[Any], value: object, text: str) -> None:
    assert kind.to_toml(value) == text


def test_values_are_written_as_they_are_read() -> None:
    assert str(Size(1600, 900)) == "1600x900"
    assert str(Address("::1", 0)) == "[::1]:0"
    assert str(Address("localhost", 80)) == "localhost:80"
    assert str(Plan.EGL) == "egl"


@given(st.integers(0, 20000), st.integers(0, 20000))
def test_a_size_is_accepted_exactly_within_its_bounds(width: int, height: int) -> None:
    within = 64 <= width <= 1000 and 64 <= height <= 2000
    try:
        size = SIZE.from_text(f"{width}x{height}", PLACE)
    except InvalidValueError:
        assert not within
    else:
        assert within
        assert size == Size(width, height)


@given(st.text(max_size=20))
def test_any_text_is_read_or_refused_by_every_kind(text: str) -> None:
    kinds: list[Kind[Any]] = [
        *(INT, DURATION, BYTES, SIZE, PLAN, ORIGINS),
        *(ColourKind(), AddressKind(), ProgramKind(), PathKind(), OriginKind()),
    ]
    for kind in kinds:
        try:
            value = kind.from_text(text, PLACE)
        except InvalidValueError as error:
            assert all("; give " in message for message in error.messages)  # noqa: PT017
        else:
            assert kind.from_text(text, PLACE) == value


HOST_TEXT = st.text("ab01.:[]%-/@#x", max_size=16)


@given(HOST_TEXT, HOST_TEXT)
def test_an_accepted_address_or_origin_reads_back_equal(host: str, port: str) -> None:
    for kind, text in ((AddressKind(), f"{host}:{port}"), (OriginKind(), f"http://{host}:{port}")):
        try:
            value: object = kind.from_text(text, PLACE)
        except InvalidValueError:
            continue
        assert kind.from_text(str(value), PLACE) == value
