"""``vizproxy run`` is no more in a program's way than ``env`` or ``nice``."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.broker.desk import RUN
from tests.process.scripts import write_script

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENV = ("env",)

# What a process inherits and can see of itself. The shell's own process is looked at by its children,
# whose descriptors and signals are as their parent's.
PROBE = r"""
echo descriptors; ls /proc/self/fd
echo signals; grep -E '^(Sig(Blk|Ign)|NoNewPrivs|Cap|Uid|Groups)' /proc/self/status
echo limits; cat /proc/self/limits
echo place; pwd; umask; nice; taskset -p self 2>&1 | wc -l; cat /proc/self/oom_score_adj
echo parent $PPID group $(($(ps -o pgid= -p $$) - $$)) session $(($(ps -o sid= -p $$) - $$))
echo children $(cat /proc/$$/task/$$/children | wc -w)
echo arguments "$#" "$@"
"""
WAITS_FOR_SIGNALS = """
import signal
wanted = {signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP, signal.SIGWINCH}
signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
print("ready", flush=True)
while True:
    print(signal.Signals(signal.sigwait(wanted)).name, flush=True)
"""


async def outcome(desk, argv, data=b"", **options):
    """How a command ends under something, and what it says."""
    process = await asyncio.create_subprocess_exec(
        *argv,
        env=desk.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )
    async with asyncio.timeout(30):
        out, err = await process.communicate(data)
    return process.returncode, out, err


async def both(desk, *argv, **options):
    """How a command ends under ``env``, and under ``vizproxy run``."""
    return await asyncio.gather(
        outcome(desk, (*ENV, *argv), **options), outcome(desk, (*RUN, *argv), **options)
    )


# transparent


async def test_a_program_finds_all_as_under_env(desk, tmp_path):
    reader, writer = os.pipe()
    options = {"cwd": tmp_path, "pass_fds": (writer,), "umask": 0o27, "start_new_session": True}
    argv = ("sh", "-c", PROBE, "probe", "--", "-v", "--name", "x y", "")
    plain, ours = await both(desk, *argv, **options)
    assert ours == plain
    assert b"arguments 5 -- -v --name x y" in ours[1]
    assert b"children 0" not in plain[1], "it sees the command that counts them"
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        assert pipe.read() == b"", "nobody holds what was inherited"


async def test_bytes_go_in_and_out(desk):
    data = random.Random(1).randbytes(1_000_000) + b"\xff\x00no newline"
    code, out, err = await outcome(desk, (*RUN, "sh", "-c", "cat; printf 'to\\0err' >&2"), data)
    assert (code, err) == (0, b"to\0err")
    assert out == data


ENDS = {
    "success": ("true",),
    "failure": ("sh", "-c", "exit 7"),
    "a high code": ("sh", "-c", "exit 255"),
    "not there": ("/nonexistent/program",),
    "not on the path": ("no-such-program-anywhere",),
    "a directory": ("/tmp",),
    "not executable": ("/etc/passwd",),
    "SIGKILL": ("sh", "-c", "kill -KILL $$"),
    "SIGTERM": ("sh", "-c", "kill -TERM $$"),
    "SIGSEGV": ("sh", "-c", "ulimit -c 0; kill -SEGV $$"),
    "SIGPIPE": ("sh", "-c", "kill -PIPE $$; exit 1"),
}


async def test_a_program_s_end_is_the_command_s(desk):
    found = await asyncio.gather(*(both(desk, *argv) for argv in ENDS.values()))
    codes = {name: (plain[0], ours[0]) for name, (plain, ours) in zip(ENDS, found, strict=True)}
    assert {name: ours for name, (_, ours) in codes.items()} == {
        name: plain for name, (plain, _) in codes.items()
    }
    assert {ours for _, ours in codes.values()} >= {0, 7, 126, 127, 255, -9, -11, -13, -15}


@pytest.mark.slow
async def test_what_cannot_be_executed_is_told_in_a_sentence(desk):
    for program, why in (("no-such-program", "no such program"), ("/tmp", "may not be executed")):
        ended = await desk.run("run", "--", program, "argument")
        assert ended.sentence().startswith(f"cannot run {program}: ")
        assert why in ended.sentence()


@pytest.mark.slow
async def test_odd_scripts_are_run_or_refused_as_by_env(desk, tmp_path):
    contents = {"no-interpreter": "#!/nonexistent/interpreter\n", "bare": 'echo "$0: $*"; exit 4'}
    for name, content in contents.items():
        write_script(tmp_path / name, "").write_text(content)
    argv = [(str(tmp_path / name), "an argument") for name in contents]
    for plain, ours in await asyncio.gather(*(both(desk, *command) for command in argv)):
        assert ours[:2] == plain[:2]
    detached = await desk.run("run", "--detach", *argv[1])
    assert detached.code == 0
    notice = await desk.notice("failed", detached.out.strip())
    assert notice["text"].endswith("exited with status 4")
    assert notice["output"] == [f"{argv[1][0]}: an argument"]
    refused = await desk.run("run", "--detach", *argv[0])
    assert "what its first line names is not there" in refused.sentence()


async def test_signals_sent_to_the_command_reach_the_program(desk):
    async with desk.running(sys.executable, "-c", WAITS_FOR_SIGNALS) as program:
        assert await program.line() == "ready"
        app = await desk.app(Path(sys.executable).name, lambda app: app["pids"])
        assert app["pids"] == [program.process.pid], "and no other process is between them"
        for name in ("SIGTERM", "SIGINT", "SIGUSR1", "SIGHUP", "SIGWINCH", "SIGTERM"):
            program.process.send_signal(signal.Signals[name])
            assert await program.line() == name
        (keeper,) = desk.keepers()
        assert os.getsid(keeper.pid) != os.getsid(0), "a terminal's signals don't reach the keeper"
        program.process.kill()
        assert await program.process.wait() == -signal.SIGKILL


# the environment


async def test_the_environment(desk):
    status = await desk.daemon.status()
    ended = await desk.run(
        *("run", "--name", "An App!", "env"),
        env=desk.environment(DISPLAY=":99", XAUTHORITY="/nowhere", KEPT="as it is"),
    )
    env = dict(line.partition("=")[::2] for line in ended.out.splitlines())
    assert env["DISPLAY"] == status["environment"]["DISPLAY"]
    assert env["XAUTHORITY"] == str(desk.daemon.directory / "Xauthority")
    assert env["VIZPROXY_SOCKET"] == str(desk.daemon.socket)
    assert len(env["VIZPROXY_APP"]) == 36
    assert env["KEPT"] == "as it is"
    assert "LD_PRELOAD" not in env


@pytest.mark.slow
@pytest.mark.parametrize(
    ("typed", "given"),
    [
        (("echo", "-n", "--", "x"), "-- x"),
        (("--", "echo", "--name", "x"), "--name x\n"),
        (("--name", "n", "echo", "--framebuffer", "x"), "--framebuffer x\n"),
        (("--", "printf", "%s,", "--", "", "a b", "$HOME", "*"), "--,,a b,$HOME,*,"),
    ],
    ids=["no dashes", "dashes", "options on both sides", "odd arguments"],
)
async def test_options_of_the_program_are_its_own(desk, typed, given):
    ended = await desk.run("run", *typed)
    assert (ended.code, ended.out, ended.err) == (0, given, "")


BAD = {
    "no command": ((), "cannot run a program: none was named"),
    "only dashes": (("--",), "cannot run a program: none was named"),
    "empty name": (("--name", "", "true"), "cannot call the app ''"),
    "long name": (("--name", "x" * 41, "true"), "cannot call the app"),
    "unprintable": (("--name", "a\nb", "true"), "cannot call the app"),
    "words": (("--framebuffer", "lots", "true"), "cannot use --framebuffer"),
    "nothing": (("--framebuffer", "0", "true"), "cannot use --framebuffer"),
    "negative": (("--framebuffer=-1MiB", "true"), "cannot use --framebuffer"),
    "too much": (("--framebuffer", "2000GiB", "true"), "cannot use --framebuffer"),
    "plan": (("--plan", "magic", "true"), "cannot use --plan"),
}


async def test_bad_usage(desk):
    ended = await asyncio.gather(*(desk.run("run", *typed) for typed, _ in BAD.values()))
    for name, (_, sentence), end in zip(BAD, BAD.values(), ended, strict=True):
        assert end.code == 2, name
        assert sentence in end.sentence(), name


@pytest.mark.slow
async def test_unknown_options_are_bad_usage(desk):
    for typed in (("--nonsense", "true"), ("--wait", "--detach", "true")):
        ended = await desk.run("run", *typed)
        assert ended.code == 2
        assert "--help" in ended.err


async def test_what_was_asked_for_is_what_is_granted(desk):
    options = ("--name", "Brain Scan", "--framebuffer", "12MiB", "--plan", "software")
    async with desk.running("cat", options=options):
        app = await desk.app("Brain Scan", lambda app: app["pids"])
        assert app["id"].startswith("brain-scan-")
        assert (app["program"], app["plan"], app["leased"]) == ("cat", "software", True)
        assert app["framebuffer"]["granted"] == 12 * 1024**2
        assert app["state"] == "starting", "it has shown nothing yet"
        listed = await desk.run("apps")
        assert f"{app['id']}  starting  software" in listed.out
        assert "1 of 16 apps; framebuffer: 12 MiB of 2 GiB granted, 0 B in use" in listed.out


@pytest.mark.slow
async def test_a_plan_that_cannot_be_carried_out(desk):
    ended = await desk.run("run", "--plan", "virtualgl", "true")
    assert ended.code == 69
    assert "virtualgl" in ended.sentence().lower()
    assert not await desk.apps()


# detached


async def test_a_detached_app_lives_on_by_itself(desk, tmp_path):
    reader, writer = os.pipe()
    ended = await desk.run(
        *(
            "run",
            "--detach",
            "--name",
            "kept",
            "sh",
            "-c",
            "echo noise; pwd > where; exec cat /dev/zero",
        ),
        cwd=tmp_path,
        pass_fds=(writer,),
        start_new_session=True,
    )
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        assert pipe.read() == b"", "nobody holds what was inherited"
    assert ended.code == 0
    app = await desk.app("kept")
    assert ended.out == f"{app['id']}\n"
    assert (tmp_path / "where").read_text().strip() == str(tmp_path)
    stopped = await desk.run("apps", "stop", app["id"])
    assert (stopped.code, stopped.out) == (0, f"{app['id']} is being ended\n")
    await desk.is_empty()
    assert (await desk.run("apps", "stop", app["id"])).code == 1


async def test_why_a_detached_app_failed_is_told(desk):
    script = "seq 100; printf 'the \\033[1mcause\\033[0m\\n' >&2; exit 3"
    ended = await desk.run("run", "--detach", "--name", "bad", "sh", "-c", script)
    assert ended.code == 0
    notice = await desk.notice("failed", ended.out.strip())
    assert notice["app"] == ended.out.strip()
    assert notice["level"] == "error"
    assert notice["text"] == f"{ended.out.strip()} exited with status 3"
    assert notice["output"] == [*map(str, range(82, 101)), "the  [1mcause [0m"]


@pytest.mark.slow
async def test_a_detached_app_that_is_not_there(desk):
    ended = await desk.run("run", "--detach", "no-such-program")
    assert ended.code == 127
    assert "no such program" in ended.sentence()
    broken = await desk.run("run", "--detach", "/tmp")
    assert broken.code == 126


# the daemon


async def test_without_a_daemon(desk, tmp_path):
    env = desk.environment(VIZPROXY_SOCKET=str(tmp_path / "http.sock"))
    place = ("--runtime-dir", str(tmp_path))
    for ended in await asyncio.gather(
        desk.run("run", "true", env=env),
        desk.run("run", *place, "--", "true"),
        desk.run("run", "--detach", *place, "--", "true"),
    ):
        assert ended.code == 69
        assert f"cannot reach the desktop at {tmp_path}" in ended.sentence()
        assert "no daemon runs there" in ended.sentence()


@pytest.mark.slow
async def test_a_stranger_in_the_daemon_s_place(desk, tmp_path):
    async def garble(reader, writer):
        await reader.read(100)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        writer.close()

    async with await asyncio.start_unix_server(garble, tmp_path / "http.sock"):
        ended = await desk.run("run", "--runtime-dir", str(tmp_path), "--", "true")
    assert ended.code == 69
    assert "is not vizproxy" in ended.sentence()


async def test_stopping_by_hand(desk):
    """SIGTERM first; what doesn't mind it is killed after ``broker.close_timeout``."""
    script = write_script(
        desk.daemon.directory.parent / "polite", "trap 'exit 5' TERM; sleep 99 & wait"
    )
    async with desk.running(str(script)) as program:
        app = await desk.app("polite", lambda app: len(app["pids"]) == 2)
        status, answer = await desk.ask("DELETE", f"apps/{app['id']}")
        assert (status, answer["state"]) == (202, "stopping")
        async with asyncio.timeout(3):
            assert await program.process.wait() == 5
