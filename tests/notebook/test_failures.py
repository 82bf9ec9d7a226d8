"""What goes wrong is told in a sentence that says what to try, and as an error of its own kind."""

import asyncio
import contextlib
import json
import re
import traceback
import warnings
from typing import Any

import pytest

from tests.broker.desk import desk_with
from tests.process.scripts import write_script
from tests.support import running_daemon
from vizproxy import AsyncDesktop, Desktop, VizproxyError
from vizproxy.errors import (
    CannotExecuteError,
    InternalError,
    InvalidRequestError,
    NoSuchAppError,
    NoSuchProgramError,
    NotReadyError,
    NotRunningError,
    RefusedError,
)
from vizproxy.notebook import NoRoomError, TookTooLongError, programs

pytestmark = pytest.mark.asyncio(loop_scope="module")

REFUSED: dict[str, Any] = {
    "no program": (("",), {}, InvalidRequestError, 'try `desktop.run("glxgears")`, say'),
    "no words": (([],), {}, InvalidRequestError, "cannot run a program: none was named"),
    "a quotation": (("ls 'x",), {}, InvalidRequestError, "a quotation has no end"),
    "a NUL": ((["ls", "\0"],), {}, InvalidRequestError, "a NUL character in it"),
    "a NUL in env": (("ls",), {"env": {"A": "\0"}}, InvalidRequestError, "null byte"),
    "nothing of that name": (
        *(("no-such-program -x",), {}),
        *(NoSuchProgramError, "cannot run no-such-program: there is no such program; try its full"),
    ),
    "nothing there": ((["/no/program"],), {}, NoSuchProgramError, "cannot run /no/program: "),
    "not executable": ((["/etc/passwd"],), {}, CannotExecuteError, "may not be executed"),
    "no directory": (("ls",), {"cwd": "/no/place"}, CannotExecuteError, "run ls in /no/place: "),
    "a strange amount": (
        *(("ls",), {"framebuffer": "lots"}),
        *(InvalidRequestError, "cannot use framebuffer: 'lots' is not a number of bytes"),
    ),
    "a strange plan": (("ls",), {"plan": "best"}, InvalidRequestError, "cannot use plan: 'best'"),
    "a strange activity": (("ls",), {"activity": "some"}, InvalidRequestError, "use activity: "),
    "a long name": (("ls",), {"name": "x" * 41}, InvalidRequestError, "try another name"),
    "an impossible plan": (
        *(("ls",), {"plan": "virtualgl"}),
        *(RefusedError, "which has no 3D X server; try plan "),
    ),
    "too much": (
        *(("ls",), {"framebuffer": 900 * 1024**3}),
        *(NoRoomError, "it asks for 900 GiB of framebuffer, and 2 GiB of the budget"),
    ),
}


async def test_what_is_refused(async_desktop):
    async def attempt(name):
        arguments, options, kind, text = REFUSED[name]
        with pytest.raises(VizproxyError) as refusal:
            await async_desktop.run(*arguments, **options)
        assert type(refusal.value) is kind, name
        check_sentence(refusal.value)
        assert text in str(refusal.value), name

    for names in zip(*[iter(REFUSED)] * 3, strict=True):  # three at once
        await asyncio.gather(*map(attempt, names))


def check_sentence(error):
    text = str(error)
    assert re.fullmatch(r"cannot [^:]\S.*: .+; try .+", text), text
    assert not re.search(r"--\w|\[Errno|cannot cannot|try try|vizproxy apps|None\b", text), text


@pytest.mark.slow
async def test_what_others_have_is_told(tmp_path):
    async with desk_with(tmp_path, framebuffer="64MiB") as desk:
        desktop = Desktop(desk.socket)
        first = desktop.run("sleep 600", name="Brain", framebuffer="48MiB")
        with pytest.raises(NoRoomError) as refusal:
            desktop.run("sleep 600", framebuffer="32MiB")
        assert str(refusal.value) == (
            "cannot start sleep: it asks for 32 MiB of framebuffer, and 16 MiB of the budget of "
            f"64 MiB are free ({first.id} has 48 MiB); try ending one of them (`desktop.stop(ID)`), "
            "or a smaller framebuffer"
        )
        assert repr(desktop.status.framebuffer) == (
            "<Budget: 48 MiB of 64 MiB granted, 0 B in use; 1 of 16 apps>"
        )
        desktop.stop(first)


async def test_unknown_ids(desktop):
    for act in (desktop.stop, desktop.show, desktop.wait_for_end):
        with pytest.raises(NoSuchAppError) as refusal:
            act("nobody-7")
        check_sentence(refusal.value)


async def test_the_traceback_shows_the_line_and_the_sentence(desktop):
    with pytest.raises(VizproxyError) as failure:
        desktop.run("no-such-program")
    shown = "".join(traceback.format_exception(failure.value))
    assert 'desktop.run("no-such-program")' in shown
    assert shown.count("Traceback") == 1
    assert shown.count('File "') <= 3, shown
    assert "aiohttp" not in shown


# the daemon


async def test_without_a_daemon(tmp_path, monkeypatch):
    desktop = Desktop(tmp_path / "http.sock")
    for ask in (lambda: desktop.apps, lambda: desktop.run("true"), lambda: desktop.stop("a-1")):
        with pytest.raises(NotRunningError) as failure:
            ask()
        check_sentence(failure.value)
        assert "no daemon runs there; try `vizproxy serve`" in str(failure.value)
        assert failure.value.__cause__ is None
        assert failure.value.__suppress_context__
    monkeypatch.setenv("VIZPROXY_PAGE", "/user/zoe/desktop/")
    with pytest.raises(NotRunningError, match="try the tile Desktop in the launcher, which starts"):
        _ = desktop.status


async def test_where_the_daemon_is_looked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("VIZPROXY_SOCKET", raising=False)
    assert Desktop().socket == tmp_path / "vizproxy" / "http.sock"
    monkeypatch.setenv("VIZPROXY_SOCKET", "/run/told.sock")
    assert str(AsyncDesktop().socket) == "/run/told.sock"
    assert repr(Desktop("/run/mine.sock")) == "Desktop(socket='/run/mine.sock')"
    monkeypatch.setenv("VIZPROXY_RUNTIME_DIR", "/run/set")
    assert str(Desktop().socket) == "/run/told.sock"
    monkeypatch.delenv("VIZPROXY_SOCKET")
    assert str(Desktop().socket) == "/run/set/http.sock"
    monkeypatch.chdir(tmp_path)
    assert Desktop("mine.sock").socket == tmp_path / "mine.sock"


@contextlib.asynccontextmanager
async def answering(path, answer):
    """Something that listens on a socket and gives every request the same answer."""

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        body = json.dumps(answer).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        writer.close()

    async with await asyncio.start_unix_server(serve, path):
        yield AsyncDesktop(path)


async def test_a_daemon_of_another_version(desktop, tmp_path):
    app: dict[str, Any] = {"id": "a-1", "name": "a"}  # what else there was once
    async with answering(tmp_path / "socket", {"apps": [app]}) as old:
        with pytest.raises(VizproxyError, match="is of another version than this vizproxy; try"):
            await old.apps()
    use = {"granted": 1, "used": 2, "over": True, "wanted": 3}
    new = app | {"state": "dreaming", "mood": 1, "plan": None, "program": "a", "started": 0.5}
    new |= {"pids": [], "windows": [], "framebuffer": use}
    async with answering(tmp_path / "socket", {"apps": [new], "more": {}}) as newer:
        assert repr((await newer.apps())[0]) == (
            "<App a-1: dreaming, no lease, 2 B of 1 B (too much) of framebuffer, 0 windows>"
        )


async def test_a_stranger_in_the_daemon_s_place(tmp_path):
    async with answering(tmp_path / "socket", ["hello"]) as stranger:
        for ask in (stranger.apps, stranger.windows, stranger.status):
            with pytest.raises(NotRunningError, match="what listens there is not vizproxy"):
                await ask()
        with pytest.raises(NotRunningError, match="what listens there is not vizproxy"):
            await stranger.wait_for_end("a-1")


@pytest.mark.slow
async def test_a_desktop_that_is_not_ready(tmp_path):
    never = {"VIZPROXY_PROGRAMS_XORG": "/bin/false"}
    async with running_daemon(tmp_path, wait=False, **never) as daemon, daemon.connected():
        desktop = Desktop(daemon.socket)
        for ask in (desktop.screenshot, lambda: desktop.run("true")):
            with pytest.raises(VizproxyError) as failure:
                ask()
            check_sentence(failure.value)
        assert (desktop.status.ready, desktop.status.size) == (False, None)


# what `vizproxy run` says


@pytest.fixture
def saying(desktop, tmp_path, monkeypatch):
    """Have something else in the place of ``vizproxy run``."""

    def put(script):
        file = write_script(tmp_path / "run", script)
        monkeypatch.setattr(programs, "RUN", (str(file),))

    return put


async def test_what_is_to_be_known_of_a_start_is_a_warning(desktop, async_desktop, saying):
    saying(
        "echo 'vizproxy: waiting for the desktop' >&2\n"
        "echo 'vizproxy: kate draws without the GPU: there is no VirtualGL here' >&2\n"
        "echo kate-7"
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        app = desktop.run("kate file")
        same = await async_desktop.run("kate file")
    assert [str(warning.message) for warning in caught] == [
        "kate draws without the GPU: there is no VirtualGL here"
    ] * 2
    assert {warning.filename for warning in caught} == {__file__}, "where it was called"
    assert (app.id, app.name, app.state, app.program) == ("kate-7", "kate", "ended", "kate")
    assert repr(same) == "<App kate-7: ended>"


async def test_what_can_t_be_understood(desktop, saying):
    saying("echo 'Segmentation fault' >&2; kill -SEGV $$")
    with pytest.raises(InternalError, match="`vizproxy run` was killed by SIGSEGV\nSegm"):
        desktop.run("kate")
    saying("echo 'vizproxy: cannot go on: a bug in vizproxy (KeyError(), see above)' >&2; exit 70")
    with pytest.raises(InternalError, match=r"^cannot go on: a bug in vizproxy \(KeyError"):
        desktop.run("kate")


async def test_settings_that_are_wrong(desktop, monkeypatch):
    monkeypatch.setenv("VIZPROXY_DISPLAY_DPI", "many")
    with pytest.raises(VizproxyError, match=r"^cannot use the configuration: 1 problem\n .*DPI"):
        desktop.run("true")
    with pytest.raises(VizproxyError, match=r"^cannot use the configuration: 1 problem\n .*DPI"):
        Desktop()


async def test_an_error_is_a_value_like_any_other():
    error = TookTooLongError("wait", "it took more than 1 s", "more")
    assert str(error) == "cannot wait: it took more than 1 s; try more"
    assert isinstance(error, TimeoutError)
    assert (error.action, error.why, error.hint) == ("wait", "it took more than 1 s", "more")
    assert issubclass(NotReadyError, VizproxyError)
