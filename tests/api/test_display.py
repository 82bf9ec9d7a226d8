"""The size of the desktop, and pictures of it."""

import asyncio
import io
import random

import pytest
import pytest_asyncio
from PIL import Image

from tests.support import eventually, running_daemon, window_on

pytestmark = pytest.mark.asyncio(loop_scope="module")

START = (1600, 900)
LIMITS = {"min_width": 64, "min_height": 64, "max_width": 7680, "max_height": 4320}
RED = (255, 0, 0)


async def resize(session, width, height):
    async with session.put("api/v1/display", json={"width": width, "height": height}) as response:
        answer = await response.json()
        assert response.status == 200, answer
        return answer


def has_size(viewer, size):
    return lambda: (viewer.width, viewer.height) == size


@pytest_asyncio.fixture(loop_scope="module")
async def back_to_start(shared):
    yield

    async def put_back():
        # x11vnc looks while somebody watches; who connects before it did is not always told later.
        async with shared.viewer() as viewer, shared.session() as session:
            await viewer.update(incremental=False)
            await resize(session, *START)
            await viewer.until(has_size(viewer, START), limit=1)
            return True

    await eventually(put_back)


async def test_the_size_and_its_limits(shared):
    async with shared.session() as session, session.get("api/v1/display") as response:
        answer = await response.json()
    assert answer.pop("name") == (await shared.environment())["DISPLAY"]
    assert answer == {"width": 1600, "height": 900, **LIMITS}


@pytest.mark.parametrize(
    ("width", "height"), [(1001, 777), (65, 64), (64, 4320), (7680, 64), (1366, 768), START]
)
async def test_a_viewer_sees_the_new_size(shared, back_to_start, width, height):
    async with shared.session() as session, shared.viewer() as viewer:
        await viewer.update(incremental=False)
        answer = await resize(session, width, height)
        assert (answer["width"], answer["height"]) == (width, height)
        display = (await shared.status())["display"]
        assert (display["width"], display["height"]) == (width, height)
        await viewer.until(has_size(viewer, (width, height)))
        await viewer.update(incremental=False)


@pytest.mark.slow
async def test_the_largest_size_and_back(shared, back_to_start):
    async with shared.session() as session, shared.viewer() as viewer:
        place = "100x100+7580+4220"
        for size in ((7680, 4320), (64, 64), (7680, 4320)):
            await resize(session, *size)
            await viewer.until(has_size(viewer, size))
        async with window_on(shared, "--place", place):
            await viewer.until(lambda: viewer.pixel(7679, 4319) == RED, limit=20)


@pytest.mark.slow
async def test_many_resizes_in_a_row(shared, back_to_start):
    chance = random.Random(20261123)
    sizes = [(chance.randint(64, 2000), chance.randint(64, 1500)) for _ in range(40)]
    pids = await shared.pids()
    async with shared.session() as session, shared.viewer() as viewer:
        for size in sizes:
            answer = await resize(session, *size)
            assert (answer["width"], answer["height"]) == size
        await viewer.until(has_size(viewer, sizes[-1]))
        assert set(viewer.sizes) <= {START, *sizes}
        async with window_on(shared, "--place", "30x30+10+10"):
            await viewer.until(lambda: viewer.pixel(20, 20) == RED)
    assert await shared.pids() == pids, "nothing died of it"


async def test_resizes_at_once_end_in_one_of_the_sizes(shared, back_to_start):
    sizes = [(640 + n, 480 + n) for n in range(8)]
    async with shared.session() as session:
        await asyncio.gather(*(resize(session, *size) for size in sizes))
        async with session.get("api/v1/display") as response:
            answer = await response.json()
    assert (answer["width"], answer["height"]) in sizes


@pytest.mark.parametrize(
    ("width", "height"),
    [(63, 100), (100, 63), (7681, 100), (100, 4321), (0, 0), (-5, 100), (10**30, 100)],
)
async def test_sizes_outside_the_limits_are_refused(shared, width, height):
    async with shared.session() as session:
        body = {"width": width, "height": height}
        async with session.put("api/v1/display", json=body) as response:
            assert response.status == 400
            answer = await response.json()
    assert answer == {
        "code": "invalid_request",
        "message": f"cannot resize the desktop to {width}x{height}: the size is out of range",
        "hint": "between 64x64 and 7680x4320 pixels",
    }


async def test_max_size_is_the_limit(tmp_path):
    running = running_daemon(tmp_path, "--size", "900x600", VIZPROXY_DISPLAY_MAX_SIZE="1000x700")
    async with running as daemon, daemon.session() as session:
        display = (await daemon.status())["display"]
        assert (display["max_width"], display["max_height"]) == (1000, 700)
        await resize(session, 1000, 700)
        body = {"width": 1001, "height": 700}
        async with session.put("api/v1/display", json=body) as response:
            assert response.status == 400


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"\xff\xfe", b"[" * 60_000, b"[1600, 900]", b'"1600x900"', b"null"),
        *(b"{}", b'{"width": 100}', b'{"width": "100", "height": "100"}'),
        *(b'{"width": 100.5, "height": 100}', b'{"width": true, "height": true}'),
        *(b'{"width": NaN, "height": 100}', b'{"width": 1e9, "height": null}'),
        b'{"width": ' + b"9" * 5000 + b', "height": 1}',
    ],
    ids=lambda body: repr(body[:24]),
)
async def test_bodies_that_make_no_sense_are_refused(shared, body):
    async with shared.session() as session, session.put("api/v1/display", data=body) as response:
        answer = await response.json()
        assert response.status == 400, answer
    assert answer["code"] == "invalid_request"
    assert answer["message"].startswith("cannot resize the desktop: ")


async def test_a_character_set_that_does_not_exist_is_refused(shared):
    headers = {"Content-Type": "application/json; charset=klingon"}
    async with (
        shared.session() as session,
        session.put("api/v1/display", data=b"{}", headers=headers) as response,
    ):
        answer = await response.json()
        assert (response.status, answer["code"]) == (400, "invalid_request")


async def test_a_body_that_is_too_large_is_refused(shared):
    async with shared.session() as session:
        async with session.put("api/v1/display", data=b" " * 70_000) as response:
            assert response.status == 413
            assert (await response.json())["code"] == "request_too_large"
        async with session.get("api/v1/display") as response:
            assert response.status == 200


async def test_a_screenshot_shows_what_is_on_the_desktop(shared):
    async with (
        window_on(shared, "--place", "200x100+40+60"),
        shared.session() as session,
        session.get("api/v1/display/screenshot") as response,
    ):
        assert response.status == 200
        assert response.content_type == "image/png"
        assert response.headers["Cache-Control"] == "no-store"
        picture = Image.open(io.BytesIO(await response.read()))
    assert (picture.format, picture.size) == ("PNG", START)
    inside = [(40, 60), (239, 159), (100, 100)]
    outside = [(39, 60), (40, 59), (240, 159), (239, 160)]
    assert {picture.getpixel(place) for place in inside} == {RED}
    assert {picture.getpixel(place) for place in outside} == {(0x2B, 0x30, 0x3B)}


@pytest.mark.slow
async def test_the_largest_screenshot(shared, back_to_start):
    async with shared.session() as session:
        await resize(session, 7680, 4320)
        async with session.get("api/v1/display/screenshot") as response:
            assert response.status == 200
            assert Image.open(io.BytesIO(await response.read())).size == (7680, 4320)
        await resize(session, *START)  # before a viewer sees it
