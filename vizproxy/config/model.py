"""Every setting of vizproxy, declared once.

Each field says here what it means, what kind of value it takes and what its default is. Reading
(:mod:`vizproxy.config.load`), writing (:mod:`vizproxy.config.render`) and the reference
(:mod:`vizproxy.config.reference`) all follow from these declarations, so a setting is added by
adding a field. Durations are in seconds and byte counts in bytes. The model has no secrets in it
and never will: it may be shown to anyone.

The constructors check nothing; a :class:`Config` from :func:`vizproxy.config.load` is valid.
"""

# ruff: noqa: RUF009 - setting() returns a dataclass field, which is what the rule asks for

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar, get_type_hints

from vizproxy.config.kinds import Kind, ListKind, OptionalKind
from vizproxy.config.numbers import (
    BytesKind,
    DurationKind,
    IntKind,
    SizeKind,
)
from vizproxy.config.tables import OptionsKind, TileKind
from vizproxy.config.texts import (
    AddressKind,
    ChoiceKind,
    ColourKind,
    OriginKind,
    PathKind,
    ProgramKind,
)
from vizproxy.config.values import (
    Activity,
    Address,
    GpuDriver,
    JupyterStart,
    LogFormat,
    LogLevel,
    OverUse,
    Plan,
    Size,
    Tile,
    VirtualGLFor,
    XorgOption,
)

T = TypeVar("T")

MIN_SIZE: Final = Size(64, 64)
MAX_SIZE: Final = Size(16384, 16384)

_KIB = 1024
_MIB = 1024**2
_TIB = 1024**4

APP_FRAMEBUFFER: Final = BytesKind(_MIB, _TIB)
"""An amount of framebuffer that an app may ask for."""

_SIZE = SizeKind(MIN_SIZE, MAX_SIZE)
_DURATION = DurationKind(0.001, 24 * 3600.0)
_OPTIONAL_PATH: Final[Kind[Path | None]] = OptionalKind(PathKind())
_OPTIONAL_ADDRESS: Final[Kind[Address | None]] = OptionalKind(AddressKind())
_PROGRAM = ProgramKind()
_OPTIONS = OptionsKind()


def setting(kind: Kind[T], default: T, doc: str, flag: str = "") -> T:
    """Declare a dataclass field that is a setting of a kind, with its meaning in one sentence.

    ``flag`` is a command-line flag shorter than the one that follows from the setting's path.
    """
    value: T = field(default=default, metadata=meaning(kind, doc, flag=flag))
    return value


def meaning(
    kind: Kind[T], doc: str, default_text: str = "", flag: str = ""
) -> Mapping[str, object]:
    """Make a setting's field metadata; ``default_text`` describes a default that is computed."""
    return {"kind": kind, "doc": doc, "default_text": default_text, "flag": flag}


@dataclass(frozen=True, slots=True)
class Runtime:
    """Where the running daemon keeps its files."""

    dir: Path = field(
        metadata=meaning(
            PathKind(),
            "Directory for sockets, the X cookie and generated configuration; made with mode 0700.",
            "$XDG_RUNTIME_DIR/vizproxy, else /tmp/vizproxy-UID",
        )
    )


@dataclass(frozen=True, slots=True)
class Http:
    """How browsers and clients reach the daemon."""

    socket: Path | None = setting(
        _OPTIONAL_PATH, None, "Unix socket to listen on; unset, it is http.sock in runtime.dir."
    )
    listen: Address | None = setting(
        _OPTIONAL_ADDRESS, None, "TCP address to listen on as well; unset, there is none.", "--http"
    )
    allowed_origins: tuple[str, ...] = setting(
        ListKind(OriginKind()),
        (),
        "Origins whose pages may open the desktop, besides the origin of its own page.",
    )


@dataclass(frozen=True, slots=True)
class Display:
    """The desktop's X server."""

    plan: Plan = setting(
        ChoiceKind(Plan),
        Plan.AUTO,
        "How applications draw; auto picks the best that can work.",
        "--plan",
    )
    gpu_driver: GpuDriver = setting(
        ChoiceKind(GpuDriver),
        GpuDriver.AUTO,
        "X driver of the server that draws on the GPU: auto takes the one that fits it; nvidia, "
        "modesetting and amdgpu are taken without looking whether they are there; dummy stands in "
        "for a GPU, to try the topology without one.",
    )
    virtualgl_dir: Path | None = setting(
        _OPTIONAL_PATH,
        None,
        "Directory of VirtualGL; unset, /opt/VirtualGL, else where PATH or the system has it, else "
        "what the desktop has published.",
    )
    size: Size = setting(
        _SIZE,
        Size(1600, 900),
        "Size of the desktop at start, in pixels; at most max_size.",
        "--size",
    )
    max_size: Size = setting(
        _SIZE, Size(7680, 4320), "Largest size that a viewer may resize the desktop to, in pixels."
    )
    number: int | None = setting(
        OptionalKind(IntKind(0, 65535)), None, "X display number; unset, the first free one."
    )
    dpi: int = setting(
        IntKind(48, 480, "dots per inch"), 96, "Resolution that applications scale their text by."
    )
    background: str = setting(ColourKind(), "#2b303b", "Colour of the empty desktop.")


@dataclass(frozen=True, slots=True)
class Xorg:
    """Changes to the configuration of the X server on the GPU, or of the desktop's if none is there."""

    templates: Path | None = setting(
        _OPTIONAL_PATH,
        None,
        "Directory of templates that replace the shipped ones of the same names, such as nvidia.conf.",
    )
    server_flags: tuple[XorgOption, ...] = setting(
        _OPTIONS, (), "Options for the section ServerFlags."
    )
    device: tuple[XorgOption, ...] = setting(_OPTIONS, (), "Options for the section Device.")
    monitor: tuple[XorgOption, ...] = setting(_OPTIONS, (), "Options for the section Monitor.")
    screen: tuple[XorgOption, ...] = setting(_OPTIONS, (), "Options for the section Screen.")


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs that make up the desktop."""

    xorg: str = setting(_PROGRAM, "/usr/lib/xorg/Xorg", "X server.")
    window_manager: str = setting(_PROGRAM, "openbox", "Window manager.")
    x11vnc: str = setting(_PROGRAM, "x11vnc", "VNC server that shows the desktop.")
    setpriv: str = setting(
        _PROGRAM, "setpriv", "Starts the other programs so that they end with the daemon."
    )


@dataclass(frozen=True, slots=True)
class Supervision:
    """How the desktop's programs are started, watched, restarted and stopped."""

    start_timeout: float = setting(
        _DURATION, 10.0, "Time that a program has to become ready before it counts as failed."
    )
    stop_timeout: float = setting(
        _DURATION, 2.0, "Time that a program has to end by itself before it is killed."
    )
    kill_timeout: float = setting(
        _DURATION, 2.0, "Time that a killed program has to be gone before that is an error."
    )
    backoff_initial: float = setting(
        _DURATION, 0.25, "Wait before the first restart; it grows with every further failure."
    )
    backoff_max: float = setting(
        _DURATION, 10.0, "Longest wait before a restart; at least backoff_initial."
    )
    max_failures: int = setting(
        IntKind(1, 100, "failures"), 5, "Failures in a row after which a program is given up."
    )
    stable_after: float = setting(
        _DURATION, 30.0, "Time that a program must stay ready before its failures are forgotten."
    )
    health_interval: float = setting(
        DurationKind(1.0, 24 * 3600.0), 10.0, "Time between two health checks of a program."
    )
    health_timeout: float = setting(
        _DURATION, 5.0, "Time that a health check has to succeed before it counts as failed."
    )
    degraded_timeout: float = setting(
        _DURATION, 30.0, "Time that a program may stay unhealthy before it is restarted."
    )


@dataclass(frozen=True, slots=True)
class Broker:
    """How apps share the desktop's framebuffer."""

    max_apps: int = setting(
        IntKind(1, 1024, "apps"), 16, "Most apps on the desktop; beyond it, a new one is refused."
    )
    framebuffer: int | None = setting(
        OptionalKind(APP_FRAMEBUFFER),
        None,
        "Framebuffer that all apps share; unset, the GPU's, or 2GiB of pixmaps without one.",
    )
    app_framebuffer: int | None = setting(
        OptionalKind(APP_FRAMEBUFFER),
        None,
        "What an app is granted that asks for no amount; unset, framebuffer / max_apps.",
    )
    over_use: OverUse = setting(
        ChoiceKind(OverUse),
        OverUse.WARN,
        "What happens to an app that uses more than it was granted.",
    )
    over_use_grace: float = setting(
        _DURATION, 10.0, "Time that an app may use more than it was granted before that happens."
    )
    close_timeout: float = setting(
        _DURATION, 5.0, "Time that an app has to close a window, or to end, before it is killed."
    )
    activity: Activity = setting(
        ChoiceKind(Activity),
        Activity.INPUT,
        "What counts as activity besides input: input is nothing else, gpu an app that is drawn on "
        "a busy GPU, always an app that is there. An app may choose otherwise.",
    )


@dataclass(frozen=True, slots=True)
class Viewer:
    """Limits on the browsers that watch the desktop."""

    max_viewers: int = setting(
        IntKind(1, 256, "viewers"), 16, "Most viewers that may be connected at once."
    )
    stall_timeout: float = setting(
        _DURATION, 10.0, "Time that a viewer may take no data before it is dropped."
    )
    max_message: int = setting(
        BytesKind(64 * _KIB, 64 * _MIB), 4 * _MIB, "Largest message that a browser may send."
    )
    buffer: int = setting(
        BytesKind(_MIB, 64 * _MIB),
        16 * _MIB,
        "Most data that waits for a slow viewer; beyond it, the viewer holds up the others.",
    )
    idle_timeout: float = setting(
        DurationKind(1.0, 30 * 24 * 3600.0),
        30 * 60.0,
        "Time without activity after which viewers are paused, until a click; a hub's proxy takes "
        "what any connection carries for activity.",
    )


@dataclass(frozen=True, slots=True)
class Web:
    """The page that shows the desktop."""

    novnc_dir: Path | None = setting(
        _OPTIONAL_PATH, None, "Directory of a noVNC to serve; unset, it is the packaged one."
    )


@dataclass(frozen=True, slots=True)
class Jupyter:
    """What vizproxy does within a Jupyter server; read there, not by the daemon."""

    start: JupyterStart = setting(
        ChoiceKind(JupyterStart),
        JupyterStart.SERVER,
        "When a desktop of the server's own is started, if there is no sidecar: with the server, so "
        "that terminals and notebooks find it, or when its tile is first used.",
    )
    virtualgl: VirtualGLFor = setting(
        ChoiceKind(VirtualGLFor),
        VirtualGLFor.TERMINALS,
        "Whose programs draw through VirtualGL where the plan has it, even without `vizproxy run`: "
        "nobody's, those of terminals, or those of notebooks, too.",
    )
    tile: tuple[Tile, ...] = setting(
        ListKind(TileKind()), (), "Programs with tiles of their own, as [[jupyter.tile]] tables."
    )


@dataclass(frozen=True, slots=True)
class Metrics:
    """Where Prometheus finds the metrics, besides ``/metrics`` among the daemon's other addresses."""

    listen: Address | None = setting(
        _OPTIONAL_ADDRESS,
        None,
        "TCP address at which the metrics are served, and nothing else, to whoever can reach it; "
        "unset, there is none.",
        "--metrics",
    )


@dataclass(frozen=True, slots=True)
class Share:
    """What is published in runtime.dir for programs in other containers."""

    source: Path | None = setting(
        _OPTIONAL_PATH,
        None,
        "Directory of the launcher vizproxy-run, which is published with VirtualGL, if that is "
        "here; unset, nothing is.",
    )


@dataclass(frozen=True, slots=True)
class Log:
    """What the daemon writes about itself."""

    level: LogLevel = setting(
        ChoiceKind(LogLevel), LogLevel.INFO, "Least important messages to log."
    )
    format: LogFormat = setting(
        ChoiceKind(LogFormat), LogFormat.HUMAN, "Form of a log line: text for people, or JSON."
    )
    file: Path | None = setting(
        _OPTIONAL_PATH, None, "File to append the log to; unset, it goes to standard error."
    )


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration, one field for each section of the file."""

    runtime: Runtime
    http: Http = field(default_factory=Http)
    display: Display = field(default_factory=Display)
    xorg: Xorg = field(default_factory=Xorg)
    programs: Programs = field(default_factory=Programs)
    supervision: Supervision = field(default_factory=Supervision)
    broker: Broker = field(default_factory=Broker)
    viewer: Viewer = field(default_factory=Viewer)
    web: Web = field(default_factory=Web)
    jupyter: Jupyter = field(default_factory=Jupyter)
    metrics: Metrics = field(default_factory=Metrics)
    share: Share = field(default_factory=Share)
    log: Log = field(default_factory=Log)

    @property
    def http_socket(self) -> Path:
        """The Unix socket that the daemon listens on."""
        return self.http.socket or self.runtime.dir / "http.sock"


@dataclass(frozen=True, slots=True)
class Setting:
    """One field of the model, as the code that reads, writes and explains settings sees it.

    ``default`` is None both for an unset default and for a computed one, which ``default_text``
    describes.
    """

    section: str
    key: str
    kind: Kind[Any]
    doc: str
    default: Any
    default_text: str
    short_flag: str

    @property
    def path(self) -> str:
        """The dotted path: ``display.max_size``."""
        return f"{self.section}.{self.key}"

    @property
    def variable(self) -> str:
        """The environment variable: ``VIZPROXY_DISPLAY_MAX_SIZE``."""
        return f"VIZPROXY_{self.section}_{self.key}".upper()

    @property
    def flag(self) -> str:
        """The command-line flag: ``--display-max-size``, or a shorter one such as ``--size``."""
        return self.short_flag or flag_name(self.path)


def flag_name(path: str) -> str:
    """Name the command-line flag of a dotted path."""
    return "--" + path.replace(".", "-").replace("_", "-")


def _setting(section: str, declared: Field[Any]) -> Setting:
    metadata = declared.metadata
    default = None if declared.default is MISSING else declared.default
    return Setting(
        section=section,
        key=declared.name,
        kind=metadata["kind"],
        doc=metadata["doc"],
        default=default,
        default_text=metadata["default_text"],
        short_flag=metadata["flag"],
    )


SECTIONS: Final[Mapping[str, type[Any]]] = MappingProxyType(get_type_hints(Config))
"""The dataclass of each section, by the section's name, in the order of the model."""

SETTINGS: Final[Mapping[str, Setting]] = MappingProxyType(
    {
        f"{section}.{declared.name}": _setting(section, declared)
        for section, model in SECTIONS.items()
        for declared in fields(model)
    }
)
"""Every setting by its dotted path, in the order of the model."""


def value_of(config: Config, path: str) -> object:
    """Get the value of the setting at a dotted path."""
    section, key = path.split(".")
    value: object = getattr(getattr(config, section), key)
    return value
