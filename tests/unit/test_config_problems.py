"""Loading what is wrong: every problem of every layer is reported, all at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.configuring import config
from vizproxy.config import (
    SETTINGS,
    InvalidConfigError,
    Problem,
    Size,
    load,
)
from vizproxy.config.document import MAX_BYTES
from vizproxy.config.model import SECTIONS
from vizproxy.errors import EXIT_USAGE, ConfigError


def problems(
    text: str | None = None,
    *,
    at: Path | None = None,
    env: dict[str, str] | None = None,
    flags: dict[str, str] | None = None,
) -> list[str]:
    """Get the lines of all problems that loading finds."""
    with pytest.raises(InvalidConfigError) as caught:
        config(text, at=at, env=env, flags=flags)
    return [str(problem) for problem in caught.value.problems]


# ----------------------------------------------------------------------- problems of values


def test_all_problems_of_all_layers_are_reported_at_once(toml: Path) -> None:
    text = """
    sise = "1x1"
    web = 5
    [displai]
    [display]
    dpi = "96"
    levell = 3
    [http]
    allowed_origins = "https://a.b"
    """
    found = problems(
        text,
        at=toml,
        env={"VIZPROXY_DISPLAY_SIZE": "0x0", "VIZPROXY_DISPLAY_PLANN": "egl"},
        flags={"log.format": "xml", "log.fromat": "json"},
    )
    assert [line.partition(":")[0] for line in found] == [
        "sise (vizproxy.toml)",
        "web (vizproxy.toml)",
        "displai (vizproxy.toml)",
        "display.dpi (vizproxy.toml)",
        "display.levell (vizproxy.toml)",
        "http.allowed_origins (vizproxy.toml)",
        "VIZPROXY_DISPLAY_PLANN (environment)",
        "display.size (VIZPROXY_DISPLAY_SIZE)",
        "log.format (--log-format)",
        "log.fromat (--log-fromat)",
    ]


def test_the_error_shows_every_problem_on_a_line() -> None:
    env = {"VIZPROXY_DISPLAY_SIZE": "0x0", "VIZPROXY_LOG_LEVEL": "loud"}
    with pytest.raises(ConfigError) as caught:
        config(env=env)
    error = caught.value
    assert isinstance(error, InvalidConfigError)
    assert str(error) == (
        "cannot use the configuration: 2 problems\n"
        "  display.size (VIZPROXY_DISPLAY_SIZE): "
        "'0x0' is smaller than 64x64; give WIDTHxHEIGHT such as 1600x900\n"
        "  log.level (VIZPROXY_LOG_LEVEL): "
        "'loud' is not a choice; give one of debug, info, warning, error"
    )
    assert error.message == "cannot use the configuration: 2 problems"
    assert "reference" in error.hint
    assert error.exit_code == EXIT_USAGE
    assert error.problems[0] == Problem(
        "display.size",
        "VIZPROXY_DISPLAY_SIZE",
        "'0x0' is smaller than 64x64; give WIDTHxHEIGHT such as 1600x900",
    )


def test_one_problem_is_not_plural() -> None:
    with pytest.raises(InvalidConfigError, match=r"^cannot use the configuration: 1 problem\n"):
        config(flags={"display.dpi": "x"})


def test_a_wrong_value_is_reported_even_under_a_right_one(toml: Path) -> None:
    (line,) = problems("[display]\ndpi = 0\n", at=toml, env={"VIZPROXY_DISPLAY_DPI": "96"})
    assert line.startswith("display.dpi (vizproxy.toml): 0 is less than 48")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[displai]", "displai (vizproxy.toml): there is no such section (did you mean display?)"),
        ("[zzz]", "zzz (vizproxy.toml): there is no such section; there are runtime, http, "),
        ("size = 1", "size (vizproxy.toml): there is no such setting (did you mean display.size?)"),
        ("levell = 1", "levell (vizproxy.toml): there is no such setting (did you mean log.level?"),
        ("zzz = 1", "zzz (vizproxy.toml): there is no such setting"),
        (
            "log.levell = 1",
            "log.levell (vizproxy.toml): there is no such setting (did you mean log",
        ),
        ("http.dpi = 1", "http.dpi (vizproxy.toml): there is no such setting (did you mean displa"),
        ("log.zzz = 1", "log.zzz (vizproxy.toml): there is no such setting; [log] has level, form"),
        ("display = 5", "display (vizproxy.toml): expected a table, got an integer; write its"),
        ("[[display]]", "display (vizproxy.toml): expected a table, got a list"),
        ("[display.size]", "display.size (vizproxy.toml): expected a string, got a table; give"),
        ("display.size = 1979-05-27", "expected a string, got a date or time"),
        ("display.dpi = true", "display.dpi (vizproxy.toml): expected an integer, got a boolean"),
        pytest.param("display.dpi = 0x" + "f" * 9999, "a huge number is more", id="huge number"),
        ('log."a.b" = 1', 'log."a.b" (vizproxy.toml): there is no such setting'),
        ('"a\\nb" = 1', '"a\\nb" (vizproxy.toml): there is no such setting'),
        ('"" = 1', '"" (vizproxy.toml): there is no such setting'),
    ],
)
def test_a_wrong_toml_key_or_type_is_one_problem(toml: Path, text: str, line: str) -> None:
    (found,) = problems(text, at=toml)
    assert line in found


def test_unknown_flags_are_problems() -> None:
    assert problems(flags={"display.dip": "1", "dpi": "1", "zzz": "1"}) == [
        "display.dip (--display-dip): there is no such setting (did you mean display.dpi?)",
        "dpi (--dpi): there is no such setting (did you mean display.dpi?)",
        "zzz (--zzz): there is no such setting",
    ]


# ------------------------------------------------------------------------ problems of names


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("VIZPROXY_DISPLAY_SIZ", " (did you mean VIZPROXY_DISPLAY_SIZE?)"),
        ("VIZPROXY_DPI", " (did you mean VIZPROXY_DISPLAY_DPI?)"),
        ("VIZPROXY_CONFIGG", " (did you mean VIZPROXY_CONFIG?)"),
        ("VIZPROXY_display_dpi", ""),
        ("VIZPROXY_", ""),
    ],
)
def test_an_unknown_variable_is_a_problem_that_keeps_its_value_secret(
    name: str, suggestion: str
) -> None:
    assert problems(env={name: "hunter2"}) == [
        f"{name} (environment): no such variable{suggestion}"
    ]


def test_other_variables_are_nobodys_business() -> None:
    env = {"PATH": "/bin", "VIZPROXY": "1", "vizproxy_display_dpi": "1", "MY_VIZPROXY_X": "1"}
    assert set(config(env=env).sources.values()) == {"default"}


def test_reserved_variables_are_no_settings() -> None:
    env = {"VIZPROXY_SOCKET": "/x", "VIZPROXY_APP": "the mark of an app"}
    assert set(config(env=env).sources.values()) == {"default"}


@pytest.mark.parametrize("service", ["VIZPROXY", "VIZPROXY_METRICS", "VIZPROXY_HTTP_2"])
def test_service_links_of_kubernetes_are_ignored(service: str) -> None:
    env = {
        f"{service}_SERVICE_HOST": "10.0.0.11",
        f"{service}_SERVICE_PORT": "6080",
        f"{service}_SERVICE_PORT_HTTP": "6080",
        f"{service}_SERVICE_PORT_HTTP_ALT": "6081",
        f"{service}_PORT": "tcp://10.0.0.11:6080",
        f"{service}_PORT_6080_TCP": "tcp://10.0.0.11:6080",
        f"{service}_PORT_6080_TCP_PROTO": "tcp",
        f"{service}_PORT_6080_TCP_PORT": "6080",
        f"{service}_PORT_6080_TCP_ADDR": "10.0.0.11",
        f"{service}_PORT_53_UDP": "udp://[fd00::1]:53",
    }
    assert set(config(env=env).sources.values()) == {"default"}


@pytest.mark.parametrize("name", ["VIZPROXY_PORT", "VIZPROXY_HTTP_PORT", "VIZPROXY_SERVICE"])
def test_a_made_up_port_is_no_service_link(name: str) -> None:
    (line,) = problems(env={name: "8080"})
    assert line.startswith(f"{name} (environment): no such variable")


# ------------------------------------------------------------------------ rules between settings


def test_the_size_may_not_exceed_its_maximum(toml: Path) -> None:
    env = {"VIZPROXY_DISPLAY_SIZE": "1280x721"}
    (line,) = problems('[display]\nmax_size = "1280x720"\n', at=toml, env=env)
    assert line == (
        "display.size (VIZPROXY_DISPLAY_SIZE): '1280x721' is larger than display.max_size, "
        "1280x720; lower one or raise the other"
    )
    env = {"VIZPROXY_DISPLAY_SIZE": "1280x720"}
    assert config(at=toml, env=env).config.display.size == Size(1280, 720)


def test_a_maximum_below_the_default_size_is_reported_too() -> None:
    (line,) = problems(flags={"display.max_size": "800x600"})
    assert line.startswith("display.size (default): '1600x900' is larger than display.max_size")


def test_the_longest_backoff_may_not_be_below_the_first() -> None:
    env = {"VIZPROXY_SUPERVISION_BACKOFF_INITIAL": "11s"}
    (line,) = problems(env=env)
    assert line == (
        "supervision.backoff_max (default): 10s is shorter than supervision.backoff_initial, 11s; "
        "raise it"
    )
    env = {"VIZPROXY_SUPERVISION_BACKOFF_INITIAL": "10s"}
    assert config(env=env).config.supervision.backoff_initial == 10.0


def test_one_app_may_not_get_more_than_all_of_them() -> None:
    env = {"VIZPROXY_BROKER_APP_FRAMEBUFFER": "2GiB"}
    (line,) = problems(env=env, flags={"broker.framebuffer": "1GiB"})
    assert line == (
        "broker.app_framebuffer (VIZPROXY_BROKER_APP_FRAMEBUFFER): '2GiB' is more than "
        "broker.framebuffer, 1GiB; lower one or raise the other"
    )
    assert config(env=env, flags={"broker.framebuffer": "2GiB"}).config.broker.max_apps == 16
    assert config(env=env).config.broker.framebuffer is None, "it is not known before the start"


@pytest.mark.parametrize(
    ("setting", "text", "why"),
    [
        ("max_apps", "0", "less than 1"),
        ("framebuffer", "1KiB", "1MiB"),
        ("framebuffer", "a lot", "'a lot'"),
        ("app_framebuffer", "-5MiB", "'-5MiB'"),
        ("over_use", "kill", "warn"),
        ("over_use_grace", "0", "1ms"),
        ("close_timeout", "never", "'never'"),
    ],
)
def test_wrong_settings_of_the_broker(setting: str, text: str, why: str) -> None:
    (line,) = problems(flags={f"broker.{setting}": text})
    assert line.startswith(f"broker.{setting} (")
    assert why in line


def test_a_socket_path_must_fit_into_an_address() -> None:
    fits = "/" + "é" * 53  # 107 bytes
    assert config(env={"VIZPROXY_HTTP_SOCKET": fits}).config.http_socket == Path(fits)
    (line,) = problems(env={"VIZPROXY_HTTP_SOCKET": fits + "x"})
    assert line.startswith("http.socket (VIZPROXY_HTTP_SOCKET): the socket ")
    assert "108 bytes, but Linux allows 107" in line


def test_a_runtime_directory_must_leave_room_for_its_socket() -> None:
    long = "/" + "x" * 97  # with /http.sock, 108 bytes
    (line,) = problems(env={"VIZPROXY_RUNTIME_DIR": long})
    assert line.startswith("runtime.dir (VIZPROXY_RUNTIME_DIR): the socket ")
    assert config(env={"VIZPROXY_RUNTIME_DIR": long[:-1]}).config.runtime.dir == Path(long[:-1])
    elsewhere = {"VIZPROXY_RUNTIME_DIR": long, "VIZPROXY_HTTP_SOCKET": "/x"}
    assert config(env=elsewhere).config.http_socket == Path("/x")


def test_rules_about_broken_settings_stay_silent_but_others_do_not() -> None:
    found = problems(
        flags={
            "display.size": "9000x9000",
            "display.max_size": "x",
            "supervision.backoff_max": "1ms",
        }
    )
    assert [line.partition(" ")[0] for line in found] == [
        "display.max_size",
        "supervision.backoff_max",
    ]


def test_rules_hold_for_a_right_value_above_a_wrong_one(toml: Path) -> None:
    found = problems("display.size = 5", at=toml, env={"VIZPROXY_DISPLAY_SIZE": "9000x9000"})
    assert [line.partition(":")[0] for line in found] == [
        "display.size (vizproxy.toml)",
        "display.size (VIZPROXY_DISPLAY_SIZE)",
    ]


# ------------------------------------------------------------------------- problems of files


def test_a_missing_file_is_reported_together_with_everything_else(tmp_path: Path) -> None:
    missing = tmp_path / "missing.toml"
    first, second, third = problems(
        at=missing, env={"VIZPROXY_LOG_LEVEL": "x"}, flags={"log.format": "y"}
    )
    assert first == (
        f"{missing}: cannot be read: no such file or directory; give a TOML file that exists and "
        "that you may read"
    )
    assert second.startswith("log.level (VIZPROXY_LOG_LEVEL)")
    assert third.startswith("log.format (--log-format)")


def test_a_missing_file_that_the_environment_names(tmp_path: Path) -> None:
    (line,) = problems(env={"VIZPROXY_CONFIG": str(tmp_path / "missing.toml")})
    assert line.startswith(f"{tmp_path}/missing.toml: cannot be read: no such file")


def test_an_impossible_file_name_in_the_environment() -> None:
    (line,) = problems(env={"VIZPROXY_CONFIG": "~bob/x.toml"})
    assert line.startswith("VIZPROXY_CONFIG: '~bob/x.toml' names another user's home directory")


@pytest.mark.parametrize(
    ("file", "why"),
    [
        (Path("/proc/self/task"), "cannot be read: is a directory"),
        (Path("/dev/null/x"), "cannot be read: not a directory"),
        (Path("/dev/zero"), f"is larger than {MAX_BYTES} bytes"),
        (Path("/proc/self/mem"), "cannot be read: input/output error"),
        (Path("/a\0b"), "cannot be read: embedded null byte"),
        (Path("/" + "x" * 300), "cannot be read: file name too long"),
    ],
)
def test_a_file_that_cannot_be_read(file: Path, why: str) -> None:
    (line,) = problems(at=file)
    assert why in line


def test_a_file_without_permission(toml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    (line,) = problems(at=toml)
    assert f"{toml}: cannot be read: permission denied; " in line


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"[display\n", "is not TOML at line 1, column 9: "),
        (b"a = 1\n\ndpi 96\n", "is not TOML at line 3, column 5: expected '=' after a key"),
        (b"a = 1\na = 2\n", "is not TOML at line 2, column 6: cannot overwrite a value"),
        (b'x = """\n\n', "is not TOML at line 3, column 1: "),
        (b"x =", "is not TOML at line 1, column 4: invalid value"),
        (b"x = 1\ny = \xff\n", "is not UTF-8 at line 2, column 5; save it as UTF-8"),
        (b"\xef\xbb\xbfx = \xff\n", "is not UTF-8 at line 1, column "),
        (b"\xc3\xa9\xff", "is not UTF-8 at line 1, column 2"),
        pytest.param(b"x=" + b"9" * 5000, "has a number with too many digits in it", id="digits"),
        pytest.param(b"x = " + b"[" * 50_000, "is nested too deeply", id="brackets"),
    ],
)
def test_a_file_that_is_not_toml(toml: Path, data: bytes, why: str) -> None:
    toml.write_bytes(data)
    first, second = problems(at=toml, env={"VIZPROXY_LOG_LEVEL": "x"})
    assert first.startswith(f"{toml}: {why}")
    assert second.startswith("log.level")


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf[display]\r\ndpi = 96\r\n", b"# nothing\n"])
def test_harmless_oddities_of_files(toml: Path, data: bytes) -> None:
    toml.write_bytes(data)
    assert config(at=toml).config.display.dpi == 96


# -------------------------------------------------------------------------- anything at all


def test_a_problem_is_one_printable_line() -> None:
    problem = Problem("a\nb", "c\x1b[31m", "d\udcff\u2028e é")
    assert str(problem) == "a\\nb (c\\x1b[31m): d\\udcff\\u2028e é"


PATHS = st.sampled_from(sorted(SETTINGS)) | st.text(max_size=10)
RAW = st.text(max_size=12) | st.sampled_from(["", "1", "5s", "0x0", "800x600", "auto", "/x", "~"])


@settings(max_examples=40)
@given(
    env=st.dictionaries(
        st.sampled_from(sorted(setting.variable for setting in SETTINGS.values()))
        | st.text(max_size=8).map(lambda text: f"VIZPROXY_{text}"),
        RAW,
        max_size=6,
    ),
    flags=st.dictionaries(PATHS, RAW, max_size=6),
)
def test_loading_any_texts_ends_in_a_configuration_or_in_problems(
    env: dict[str, str], flags: dict[str, str]
) -> None:
    try:
        loaded = load(file=None, env=env | {"HOME": "/home/ada"}, flags=flags)
    except InvalidConfigError as error:
        lines = str(error).splitlines()
        assert len(lines) == len(error.problems) + 1  # noqa: PT017
        assert all(line.startswith("  ") for line in lines[1:])
        str(error).encode("utf-8")
    else:
        assert set(flags) <= {
            path for path, source in loaded.sources.items() if source.startswith("--")
        }


TOML_KEYS = st.sampled_from([*SECTIONS, *(setting.key for setting in SETTINGS.values()), "x", '"'])
TOML_VALUES = st.sampled_from(
    ["true", "1", "-1", "1e400", "nan", "'5s'", "''", "[]", "[1]", "{}", "{x=1}", "1979-05-27", "="]
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(st.tuples(TOML_KEYS, TOML_KEYS, TOML_VALUES), max_size=6))
def test_loading_any_toml_ends_in_a_configuration_or_in_problems(
    toml: Path, lines: list[tuple[str, str, str]]
) -> None:
    text = "\n".join(f"{section}.{key} = {value}" for section, key, value in lines)
    try:
        loaded = config(text, at=toml)
    except InvalidConfigError as error:
        assert error.problems  # noqa: PT017
    else:
        assert all(
            loaded.sources[f"{section}.{key}"] == "vizproxy.toml" for section, key, _ in lines
        )
