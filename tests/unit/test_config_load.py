"""Loading: the model and its defaults, which layer wins, and where paths start."""

from __future__ import annotations

import os
import pwd
from dataclasses import FrozenInstanceError, fields, is_dataclass
from pathlib import Path

import pytest

from tests.unit.configuring import config
from vizproxy.config import (
    SETTINGS,
    Address,
    Config,
    InvalidConfigError,
    OverUse,
    Plan,
    Runtime,
    Size,
)
from vizproxy.config.model import SECTIONS, Broker, value_of
from vizproxy.config.names import RESERVED_VARIABLES, is_service_link

# ------------------------------------------------------------------------------- the model


def test_defaults() -> None:
    loaded = config()
    plain = loaded.config
    assert plain == Config(Runtime(Path(f"/tmp/vizproxy-{os.getuid()}")))
    assert plain.display.size == Size(1600, 900)
    assert plain.supervision.backoff_initial == 0.25
    assert plain.viewer.max_message == 4 * 1024 * 1024
    assert plain.broker == Broker(
        max_apps=16,
        framebuffer=None,
        app_framebuffer=None,
        over_use=OverUse.WARN,
        over_use_grace=10.0,
        close_timeout=5.0,
    )
    assert set(loaded.sources.values()) == {"default"}
    assert list(loaded.sources) == list(SETTINGS)


def test_every_default_is_a_value_that_its_own_kind_accepts() -> None:
    defaults = {path: value_of(config().config, path) for path in SETTINGS}
    text = {
        setting.variable: _text(defaults[path])
        for path, setting in SETTINGS.items()
        if defaults[path] is not None
    }
    loaded = config(env=text)
    assert {path: value_of(loaded.config, path) for path in SETTINGS} == defaults
    assert set(text) == set(loaded.sources.values()) - {"default"}


def _text(value: object) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


def test_an_optional_setting_is_unset_by_default_so_that_leaving_it_out_unsets_it() -> None:
    optional = {path for path, setting in SETTINGS.items() if "OptionalKind" in repr(setting.kind)}
    assert optional == {
        "http.socket",
        "http.listen",
        "display.virtualgl_dir",
        "display.number",
        "broker.framebuffer",
        "broker.app_framebuffer",
        "web.novnc_dir",
        "xorg.templates",
        "metrics.listen",
        "share.source",
        "log.file",
    }
    assert all(value_of(config().config, path) is None for path in optional)


def test_no_two_settings_share_a_variable_or_a_flag() -> None:
    variables = {setting.variable for setting in SETTINGS.values()}
    assert len(variables) == len(SETTINGS)
    assert len({setting.flag for setting in SETTINGS.values()}) == len(SETTINGS)
    assert not variables & RESERVED_VARIABLES
    assert not [name for name in variables if is_service_link(name, "tcp://10.0.0.1:80")]


def test_every_setting_says_what_it_means() -> None:
    assert all(is_dataclass(section) for section in SECTIONS.values())
    assert sum(len(fields(section)) for section in SECTIONS.values()) == len(SETTINGS)
    for setting in SETTINGS.values():
        assert setting.doc[0].isupper(), setting.path
        assert setting.doc.endswith("."), setting.path
        assert "\n" not in setting.doc, setting.path


def test_the_model_cannot_be_changed() -> None:
    loaded = config()
    with pytest.raises(FrozenInstanceError):
        loaded.config.display.dpi = 120  # type: ignore[misc]
    with pytest.raises(TypeError):
        loaded.sources["display.dpi"] = "me"  # type: ignore[index]


def test_the_socket_is_in_the_runtime_directory_unless_given() -> None:
    plain = config(env={"VIZPROXY_RUNTIME_DIR": "/run/viz"}).config
    assert plain.http_socket == Path("/run/viz/http.sock")
    given_socket = config(env={"VIZPROXY_HTTP_SOCKET": "/srv/x.sock"}).config
    assert given_socket.http_socket == Path("/srv/x.sock")


@pytest.mark.parametrize(
    ("xdg", "expected"),
    [
        ("/run/user/7", Path("/run/user/7/vizproxy")),
        ("", Path(f"/tmp/vizproxy-{os.getuid()}")),
        ("relative", Path(f"/tmp/vizproxy-{os.getuid()}")),
        ("/a\nb", Path(f"/tmp/vizproxy-{os.getuid()}")),
    ],
)
def test_the_runtime_directory_comes_from_xdg(xdg: str, expected: Path) -> None:
    loaded = config(env={"XDG_RUNTIME_DIR": xdg})
    assert loaded.config.runtime.dir == expected
    assert loaded.sources["runtime.dir"] == "default"


# -------------------------------------------------------------------------------- layers


def test_flags_win_over_environment_over_file_over_defaults(toml: Path) -> None:
    text = '[display]\ndpi = 100\nplan = "egl"\nbackground = "#000000"\n'
    env = {"VIZPROXY_DISPLAY_DPI": "110", "VIZPROXY_DISPLAY_PLAN": "direct"}
    loaded = config(text, at=toml, env=env, flags={"display.dpi": "120"})
    display = loaded.config.display
    assert (display.dpi, display.plan, display.background) == (120, Plan.DIRECT, "#000000")
    sources = loaded.sources
    assert sources["display.dpi"] == "--display-dpi"
    assert sources["display.plan"] == "VIZPROXY_DISPLAY_PLAN"
    assert sources["display.background"] == "vizproxy.toml"
    assert sources["display.size"] == "default"


def test_every_toml_type_is_read(toml: Path) -> None:
    text = """
    log.level = "debug"
    [http]
    listen = "[::1]:0"
    allowed_origins = ["https://hub.example.org"]
    [display]
    number = 0
    [supervision]
    start_timeout = 5
    stop_timeout = 0.5
    kill_timeout = "3s"
    [broker]
    max_apps = 3
    framebuffer = "8GiB"
    app_framebuffer = 1048576
    over_use = "stop"
    over_use_grace = "1m"
    [viewer]
    max_message = "1MiB"
    """
    plain = config(text, at=toml).config
    assert plain.log.level == "debug"
    assert plain.http.listen == Address("::1", 0)
    assert plain.http.allowed_origins == ("https://hub.example.org",)
    assert plain.display.number == 0
    supervision = plain.supervision
    assert supervision.start_timeout == 5.0
    assert supervision.stop_timeout == 0.5
    assert supervision.kill_timeout == 3.0
    assert plain.viewer.max_message == 1024**2
    broker = plain.broker
    assert (broker.framebuffer, broker.app_framebuffer) == (8 * 1024**3, 1024**2)
    assert (broker.max_apps, broker.over_use, broker.over_use_grace) == (3, OverUse.STOP, 60.0)


def test_the_environment_names_the_file(toml: Path) -> None:
    toml.write_text("[display]\ndpi = 100\n")
    assert config(env={"VIZPROXY_CONFIG": str(toml)}).config.display.dpi == 100


def test_an_explicit_file_wins_over_the_one_in_the_environment(toml: Path) -> None:
    loaded = config("[display]\ndpi = 100\n", at=toml, env={"VIZPROXY_CONFIG": "/nowhere"})
    assert loaded.config.display.dpi == 100


def test_an_empty_variable_names_no_file() -> None:
    assert config(env={"VIZPROXY_CONFIG": ""}).config.display.dpi == 96


def test_an_empty_text_unsets_an_optional_setting_of_a_lower_layer(toml: Path) -> None:
    text = '[display]\nnumber = 7\n[log]\nfile = "/x"\n'
    loaded = config(text, at=toml, env={"VIZPROXY_DISPLAY_NUMBER": ""}, flags={"log.file": ""})
    assert loaded.config.display.number is None
    assert loaded.config.log.file is None
    assert loaded.sources["display.number"] == "VIZPROXY_DISPLAY_NUMBER"


def test_an_empty_list_replaces_one_of_a_lower_layer(toml: Path) -> None:
    text = '[http]\nallowed_origins = ["https://a.b"]\n'
    env = {"VIZPROXY_HTTP_ALLOWED_ORIGINS": ""}
    assert config(text, at=toml, env=env).config.http.allowed_origins == ()


def test_relative_paths_start_where_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    there = tmp_path / "there"
    here.mkdir()
    there.mkdir()
    monkeypatch.chdir(here)
    toml = there / "vizproxy.toml"
    text = '[log]\nfile = "log"\n[web]\nnovnc_dir = "~/novnc"\n'
    env = {"VIZPROXY_HTTP_SOCKET": "http.sock", "HOME": "/home/ada"}
    loaded = config(text, at=toml, env=env, flags={"runtime.dir": "run"}).config
    assert loaded.log.file == there / "log"
    assert loaded.web.novnc_dir == Path("/home/ada/novnc")
    assert loaded.http.socket == here / "http.sock"
    assert loaded.runtime.dir == here / "run"


def test_a_relative_file_is_found_and_gives_absolute_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "etc").mkdir()
    loaded = config('[log]\nfile = "log"\n', at=Path("etc/v.toml"))
    assert loaded.config.log.file == tmp_path / "etc" / "log"
    assert loaded.sources["log.file"] == "v.toml"


def test_a_linked_file_keeps_the_directory_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "v.toml").write_text('[log]\nfile = "log"\n')
    (tmp_path / "v.toml").symlink_to("data/v.toml")
    assert config(at=tmp_path / "v.toml").config.log.file == tmp_path / "log"


def test_a_current_directory_that_is_gone_matters_only_to_relative_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert config(env={"VIZPROXY_LOG_FILE": "/x"}).config.log.file == Path("/x")
    with pytest.raises(
        InvalidConfigError, match="relative to a current directory that does not exist"
    ):
        config(env={"VIZPROXY_LOG_FILE": "x"})


def test_home_is_looked_up_when_the_environment_lacks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    home = pwd.getpwuid(os.getuid()).pw_dir
    assert config(env={"VIZPROXY_LOG_FILE": "~/x"}).config.log.file == Path(home, "x")

    def no_entry(uid: int) -> pwd.struct_passwd:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", no_entry)
    with pytest.raises(InvalidConfigError, match="needs a home directory, which is not known"):
        config(env={"VIZPROXY_LOG_FILE": "~/x"})


def test_a_relative_home_is_no_home() -> None:
    with pytest.raises(InvalidConfigError, match="needs a home directory, which is not known"):
        config(env={"HOME": "ada", "VIZPROXY_LOG_FILE": "~/x"})
