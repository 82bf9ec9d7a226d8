"""Decoding of window properties: whatever a program writes, a harmless value comes out."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizproxy.x11 import properties
from vizproxy.x11.properties import MAX_TEXT, NAMES, Atoms, Property
from vizproxy.x11.scene import Geometry

ATOMS = Atoms(*range(100, 110))
STRING = 31
SOMEWHERE = Geometry(1, 2, 3, 4)


def described(**found):
    return properties.describe(7, found, SOMEWHERE, ATOMS, client=5, active=False)


def utf8(text):
    return Property(ATOMS.utf8_string, text.encode())


def numbers(*values):
    return Property(4, values)


any_property = st.none() | st.builds(
    Property,
    type=st.sampled_from([0, STRING, ATOMS.utf8_string, ATOMS.compound_text, 2**32 - 1]),
    value=st.binary(max_size=1100)
    | st.lists(st.integers(0, 2**32 - 1) | st.sampled_from(range(100, 110)), max_size=40).map(
        tuple
    ),
    cut=st.booleans(),
)


@given(st.dictionaries(st.sampled_from(NAMES), any_property))
def test_no_property_can_do_harm(found):
    window = described(**found)
    for text in (window.title, window.instance, window.class_name, window.machine):
        assert len(text) <= MAX_TEXT
        assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in text)
    assert window.pid is None or 0 < window.pid < 2**31
    properties.is_furniture(found, ATOMS)


@pytest.mark.parametrize(
    ("found", "title"),
    [
        ({}, ""),
        ({"_NET_WM_NAME": utf8("Größe ✓"), "WM_NAME": Property(STRING, b"no")}, "Größe ✓"),
        ({"_NET_WM_NAME": utf8(""), "WM_NAME": Property(STRING, b"Gr\xf6\xdfe")}, "Größe"),
        ({"_NET_WM_NAME": numbers(1), "WM_NAME": Property(STRING, b"x")}, "x"),
        ({"WM_NAME": utf8("✓")}, "✓"),
        (
            {"WM_NAME": Property(ATOMS.compound_text, b"a\x1b-A\xe9 \x1b%G\xe2\x9c\x93\x1b%@ b")},
            "aé ✓ b",
        ),
        ({"_NET_WM_NAME": utf8("two\nlines\tand\0more\x1b[31m")}, "two lines andmore[31m"),
        ({"_NET_WM_NAME": utf8("evil\u202egpj.exe")}, "evilgpj.exe"),
        ({"_NET_WM_NAME": utf8("  \u2028 ")}, ""),
        ({"_NET_WM_NAME": Property(ATOMS.utf8_string, b"caf\xc3", cut=True)}, "caf"),
        ({"_NET_WM_NAME": Property(ATOMS.utf8_string, b"caf\xc3")}, "caf\ufffd"),
        ({"_NET_WM_NAME": utf8("x" * 1000)}, "x" * MAX_TEXT),
    ],
)
def test_title(found, title):
    assert described(**found).title == title


@pytest.mark.parametrize(
    ("raw", "names"),
    [
        (b"voreen\0Voreen\0", ("voreen", "Voreen")),
        (b"voreen", ("voreen", "")),
        (b"\0Voreen", ("", "Voreen")),
        (b"caf\xc3\xa9\0caf\xe9\0", ("café", "café")),
        (b"a\0b\0c\0d", ("a", "b")),
        (b"", ("", "")),
    ],
)
def test_class(raw, names):
    window = described(WM_CLASS=Property(STRING, raw))
    assert (window.instance, window.class_name) == names


@pytest.mark.parametrize(
    ("value", "pid"), [((42,), 42), ((), None), ((0,), None), ((2**31,), None), (b"42", None)]
)
def test_process_id(value, pid):
    assert described(_NET_WM_PID=Property(6, value)).pid == pid


def test_state():
    hidden, vertical, horizontal, fullscreen = range(102, 106)
    assert described(_NET_WM_STATE=numbers(hidden)).minimised
    assert described(WM_STATE=numbers(3, 0)).minimised
    assert not described(WM_STATE=numbers(1, 3)).minimised
    assert described(_NET_WM_STATE=numbers(horizontal, vertical)).maximised
    assert not described(_NET_WM_STATE=numbers(vertical)).maximised
    assert described(_NET_WM_STATE=numbers(fullscreen)).fullscreen


def test_kind():
    desktop, dock, dialog = range(106, 109)
    assert properties.is_furniture({"_NET_WM_WINDOW_TYPE": numbers(dock)}, ATOMS)
    assert properties.is_furniture({"_NET_WM_WINDOW_TYPE": numbers(desktop)}, ATOMS)
    assert not properties.is_furniture({"_NET_WM_WINDOW_TYPE": numbers(dialog)}, ATOMS)
    assert described(_NET_WM_WINDOW_TYPE=numbers(dialog)).dialog
    assert not described().dialog


@pytest.mark.parametrize(("value", "owner"), [(9, 9), (0, None), (7, None)])
def test_transient_windows_are_dialogs(value, owner):
    window = described(WM_TRANSIENT_FOR=numbers(value))
    assert window.dialog
    assert window.transient_for == owner
