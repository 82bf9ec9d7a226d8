"""What of a viewer's bytes is somebody's input."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizproxy.gateway.input import InputReader

GREETING = b"RFB 003.008\n" + b"\x01" + b"\x01"

PIXEL_FORMAT = bytes([0]) + bytes(19)
ENCODINGS = struct.pack(">BxH3i", 2, 3, 7, 16, -239)
UPDATE_REQUEST = struct.pack(">BBHHHH", 3, 1, 0, 0, 1600, 900)
KEY_DOWN = struct.pack(">BBxxI", 4, 1, 0x61)
KEY_UP = struct.pack(">BBxxI", 4, 0, 0x61)
CUT_TEXT = struct.pack(">Bxxxi", 6, 5) + b"hello"
EXTENDED_CUT_TEXT = struct.pack(">Bxxxi", 6, -8) + bytes([4] * 8)
CONTINUOUS_UPDATES = struct.pack(">BBHHHH", 150, 1, 0, 0, 1600, 900)
FENCE = struct.pack(">BxxxIB", 248, 1, 4) + bytes([255] * 4)
XVP = bytes([250, 0, 1, 2])
DESKTOP_SIZE = struct.pack(">BxHHBx", 251, 800, 600, 1) + bytes([4] * 16)
QEMU_DOWN = struct.pack(">BBHII", 255, 0, 1, 0x61, 30)
QEMU_UP = struct.pack(">BBHII", 255, 0, 0, 0x61, 30)

SILENT = (
    PIXEL_FORMAT,
    ENCODINGS,
    UPDATE_REQUEST,
    KEY_UP,
    CONTINUOUS_UPDATES,
    FENCE,
    XVP,
    DESKTOP_SIZE,
    QEMU_UP,
)
TELLING = (KEY_DOWN, CUT_TEXT, EXTENDED_CUT_TEXT, QEMU_DOWN)


def pointer(x: int, y: int, buttons: int = 0) -> bytes:
    return struct.pack(">BBHH", 5, buttons, x, y)


def reader() -> InputReader:
    made = InputReader()
    assert not made.feed(GREETING)
    return made


@pytest.mark.parametrize("message", SILENT, ids=lambda m: str(m[0]))
def test_what_a_page_sends_by_itself_is_no_input(message: bytes) -> None:
    assert not reader().feed(message)


@pytest.mark.parametrize("message", TELLING, ids=lambda m: str(m[0]))
def test_what_somebody_types_or_pastes_is(message: bytes) -> None:
    assert reader().feed(message)


def test_a_pointer_that_moves_or_clicks_is_input_and_one_that_rests_is_not() -> None:
    seen = reader()
    assert seen.feed(pointer(1, 1))
    assert not seen.feed(pointer(1, 1))
    assert seen.feed(pointer(1, 2))
    assert seen.feed(pointer(1, 2, buttons=1))
    assert not seen.feed(pointer(1, 2, buttons=1))


def test_requests_for_updates_are_counted_incremental_or_not() -> None:
    seen = reader()
    seen.feed(KEY_DOWN + UPDATE_REQUEST + CUT_TEXT)
    seen.feed(bytes([3, 0]) + UPDATE_REQUEST[2:])
    assert seen.requests == 2


def test_a_paste_of_megabytes_is_passed_over_without_being_kept() -> None:
    seen = reader()
    assert seen.feed(struct.pack(">Bxxxi", 6, 3_000_000))
    for _ in range(3):
        assert not seen.feed(bytes([4]) * 1_000_000)  # type 4 is a key: these are no messages
        assert len(seen._rest) == 0
    assert not seen.feed(UPDATE_REQUEST)
    assert seen.feed(KEY_DOWN)


@given(
    st.lists(st.sampled_from([*SILENT, *TELLING]), max_size=12),
    st.lists(st.integers(0, 400), max_size=20),
)
def test_it_does_not_matter_how_the_bytes_are_cut(messages: list[bytes], cuts: list[int]) -> None:
    stream = GREETING + b"".join(messages)
    ends = sorted({min(cut, len(stream)) for cut in cuts} | {len(stream)})
    seen, begin, found = InputReader(), 0, False
    for end in ends:
        found |= seen.feed(stream[begin:end])
        begin = end
    assert found == any(message in TELLING for message in messages)
    assert seen.requests == messages.count(UPDATE_REQUEST)


@pytest.mark.parametrize(
    "stream", [b"RFB 003.008\n\x02" + bytes(16), GREETING + bytes([77, 0, 0])], ids=["vnc", "77"]
)
def test_what_cannot_be_followed_counts_as_input(stream: bytes) -> None:
    seen = InputReader()
    assert seen.feed(stream)
    assert seen.feed(UPDATE_REQUEST)


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_nothing_that_a_viewer_sends_is_an_error(first: bytes, second: bytes) -> None:
    seen = InputReader()
    seen.feed(GREETING + first)
    seen.feed(second)
