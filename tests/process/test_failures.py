"""Children that cannot work: given up with a reason, killed with all that they forked."""

import contextlib

import psutil

from tests.process.scripts import (
    GIVES_UP,
    IGNORES_TERM,
    IS_REAL,
    LEAVES_CHILD_WITH_PIPE,
    LEAVES_STRANGER_WITH_PIPE,
    write_script,
)
from tests.support import children_of, eventually, gone, part, running_daemon

GIVES_UP_SOON = {
    "VIZPROXY_SUPERVISION_MAX_FAILURES": "3",
    "VIZPROXY_SUPERVISION_BACKOFF_INITIAL": "0.02",
    "VIZPROXY_SUPERVISION_BACKOFF_MAX": "0.05",
}


def with_x11vnc(directory, script, **environ):
    program = {"VIZPROXY_PROGRAMS_X11VNC": str(script)}
    return running_daemon(directory, wait=False, **GIVES_UP_SOON, **program, **environ)


async def named(path):
    """The process whose PID a script wrote to ``path``."""

    async def check():
        return int(path.read_text() or 0)

    return psutil.Process(await eventually(check))


async def test_a_child_that_fails_again_and_again_is_given_up_and_can_be_retried(tmp_path):
    script = write_script(tmp_path / "x11vnc", GIVES_UP)
    async with with_x11vnc(tmp_path, script) as daemon, daemon.connected() as session:
        status = await daemon.until(lambda s: s["state"] == "failed")
        assert not status["picture"]
        assert status["summary"] == "the VNC server was given up: it exited with status 3"
        failed = part(status, "x11vnc")
        assert failed["state"] == "fatal"
        assert (failed["failures"], failed["restarts"], failed["pid"]) == (3, 2, None)
        assert failed["output"] == ["trying very hard", "no luck: café"]
        async with session.get("readyz") as response:
            assert response.status == 503
            assert (await response.json())["reason"] == status["summary"]
        async with session.get("healthz") as response:
            assert response.status == 200

        log = daemon.log.read_text()
        assert "-> fatal: gave up after 3 failures: exited with status 3\n" in log
        assert "last output: no luck: café\n" in log
        assert "cannot show the desktop: the VNC server was given up" in log

        await daemon.until(lambda s: part(s, "wm")["state"] == "ready")
        before = await daemon.pids()
        write_script(script, IS_REAL)
        async with session.post("api/v1/components/x11vnc/retry") as response:
            assert response.status == 202
            assert await response.json() == {"retrying": True}
        status = await daemon.ready()
        assert part(status, "x11vnc")["failures"] == 0
        after = await daemon.pids()
        assert {n for n in before if after[n] != before[n]} == {"x11vnc"}
        async with daemon.viewer():
            pass


async def test_a_program_that_cannot_be_executed_is_given_up(tmp_path):
    script = tmp_path / "x11vnc"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    async with with_x11vnc(tmp_path, script) as daemon:
        status = await daemon.until(lambda s: s["state"] == "failed")
        assert "No such file" in part(status, "x11vnc")["output"][-1]


async def test_a_program_that_never_gets_ready_is_ended_and_tried_again(tmp_path):
    script = write_script(tmp_path / "x11vnc", "echo waiting for nothing; exec sleep 1000")
    impatient = {"VIZPROXY_SUPERVISION_START_TIMEOUT": "0.7"}
    async with with_x11vnc(tmp_path, script, **impatient) as daemon:
        why = "was not ready within 0.7 s: x11vnc.sock does not accept connections"
        await daemon.until(lambda s: why in part(s, "x11vnc")["reason"])
        await daemon.until(lambda s: part(s, "x11vnc")["restarts"] >= 1)


async def test_a_group_that_ignores_sigterm_is_killed(tmp_path):
    pid_file = tmp_path / "pid"
    script = write_script(tmp_path / "x11vnc", IGNORES_TERM, pid_file=pid_file)
    environ = {"VIZPROXY_SUPERVISION_STOP_TIMEOUT": "0.3"}
    async with with_x11vnc(tmp_path, script, **environ) as daemon:
        await daemon.ready()
        grandchild = await named(pid_file)
        assert grandchild in children_of(daemon.pid)
        assert await daemon.end() == 0
        assert "ready -> stopping" in daemon.log.read_text()
        assert "stopping -> killing" in daemon.log.read_text()
        await gone([grandchild])


async def test_what_a_dead_child_had_forked_goes_with_it(tmp_path):
    pid_file = tmp_path / "pid"
    script = write_script(tmp_path / "x11vnc", LEAVES_CHILD_WITH_PIPE, pid_file=pid_file)
    async with with_x11vnc(tmp_path, script) as daemon:
        status = await daemon.until(lambda s: s["state"] == "failed")
        assert part(status, "x11vnc")["output"] == ["the leader ends"]
        assert part(status, "x11vnc")["reason"] == "exited with status 3"
        with contextlib.suppress(psutil.NoSuchProcess):
            await gone([psutil.Process(int(pid_file.read_text()))])


async def test_a_stranger_that_holds_the_pipe_does_not_hide_the_end_of_the_child(tmp_path):
    pid_file = tmp_path / "pid"
    script = write_script(tmp_path / "x11vnc", LEAVES_STRANGER_WITH_PIPE, pid_file=pid_file)
    once = {"VIZPROXY_SUPERVISION_MAX_FAILURES": "1"}
    environ = {**GIVES_UP_SOON, **once, "VIZPROXY_PROGRAMS_X11VNC": str(script)}
    async with running_daemon(tmp_path, wait=False, **environ) as daemon:
        status = await daemon.until(lambda s: s["state"] == "failed")
        stranger = await named(pid_file)
        assert stranger.is_running(), "it left the group by setsid, and still holds the pipe"
        stranger.kill()
        assert part(status, "x11vnc")["output"] == ["the leader ends"]
