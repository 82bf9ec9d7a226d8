"""The X servers' configuration: what is filled in, whose options win, and why each choice was made."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import machines
from tests.unit.gpumachines import dri, gpu, machine, nvidia
from vizproxy import resources
from vizproxy.config import Config, Display, GpuDriver, Plan, Runtime, Size, Xorg, XorgOption
from vizproxy.display import xorgconf, xorgvalues
from vizproxy.display.facts import for_plan
from vizproxy.display.plan import choose
from vizproxy.errors import FileSystemError, PlanError
from vizproxy.facts.model import (
    Fact,
    Files,
    Library,
    Machine,
    Nvml,
    System,
    VirtualGLInstall,
    known,
    unknown,
)

GOLDEN = Path(__file__).parent.parent / "golden"
RENEW = "RENEW_GOLDEN"
"""Set this variable to write the golden files anew; look at the difference before it is committed."""

TEMPLATES = sorted(resources.xorg_configs().glob("*.conf"))
VIRTUALGL = VirtualGLInstall("/opt/VirtualGL", known("3.1"))
WHOLE = nvidia(virtualgl=VIRTUALGL)


def config(xorg: Xorg | None = None, **display: Any) -> Config:
    return Config(Runtime(Path("/run/x")), display=Display(**display), xorg=xorg or Xorg())


def confs(of: Machine, config: Config) -> tuple[str, str | None]:
    """The configurations of the desktop's X server and of the 3D server."""
    facts = for_plan(of, config)
    plan = choose(config.display, facts)
    shipped = resources.xorg_configs()
    return (
        xorgconf.desktop_conf(config, plan, facts, shipped),
        xorgconf.gpu_conf(config, plan, facts, shipped),
    )


def desktop(of: Machine, config: Config) -> str:
    return confs(of, config)[0]


def three_d(of: Machine, config: Config) -> str:
    text = confs(of, config)[1]
    assert text is not None
    return text


def directives(text: str) -> list[str]:
    """The lines that the X server reads."""
    lines = (re.sub(r'#[^"]*$', "", line).strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def option(text: str, name: str) -> list[str]:
    return re.findall(rf'^\s*Option "{name}" "([^"]*)"', text, re.MULTILINE)


# ---------------------------------------------------------------------------------------- golden


def golden(name: str, file: str, text: str | None) -> None:
    """Compare with a golden file, or write it where the variable asks for that."""
    path = GOLDEN / name / file
    if os.environ.get(RENEW):
        path.unlink(missing_ok=True)
        if text is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    there = path.read_text(encoding="utf-8") if path.exists() else None
    assert text == there, f"{RENEW}=1 writes it anew"


def told(name: str, plan: Plan) -> str:
    """What comes of a plan on a recorded machine, in words."""
    try:
        settings = config(plan=plan)
        chosen = choose(settings.display, for_plan(machines.load(name), settings))
    except PlanError as error:
        return f"{plan.value}: {error}\n"
    lines = [f"{plan.value}: {chosen.name.value}, because {chosen.reason}"]
    lines += [f"  warning: {chosen.warning}"] * bool(chosen.warning)
    lines += [f"  on: {chosen.gpu}"] * (chosen.gpu is not None)
    if chosen.gpu is not None and chosen.name is Plan.EGL:
        lines += [f"  for VirtualGL: {chosen.gpu.egl_display}"]
    lines += [f"  size: {chosen.size} to {chosen.max_size}"]
    lines += [f"  since {chosen.size_reason}"] * bool(chosen.size_reason)
    return "\n".join([*lines, ""])


@pytest.mark.parametrize("name", machines.NAMES)
def test_the_plan_is_as_it_was(name: str) -> None:
    golden(name, "plan.txt", "".join(told(name, plan) for plan in Plan))


@pytest.mark.parametrize("name", machines.NAMES)
def test_the_configuration_is_as_it_was(name: str) -> None:
    """That of both X servers by ``auto``, and where it can be, of a desktop on the GPU itself."""
    of = machines.load(name)
    first, second = confs(of, config())
    golden(name, "xorg-desktop.conf", first)
    golden(name, "xorg-3d.conf", second)
    try:
        direct = desktop(of, config(plan=Plan.DIRECT))
    except PlanError:
        direct = None
    golden(name, "xorg-direct.conf", direct)


# ------------------------------------------------------------------------------------- templates


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
@pytest.mark.parametrize("driver", [d for d in GpuDriver if d is not GpuDriver.AUTO])
def test_every_shipped_template_can_be_filled_in(template: Path, driver: GpuDriver) -> None:
    of = nvidia(virtualgl=VIRTUALGL, dri_nodes=(dri("card0"), dri("renderD128")))
    for plan in (Plan.DIRECT, Plan.VIRTUALGL):
        for text in filter(None, confs(of, config(plan=plan, gpu_driver=driver))):
            assert not re.search(r"[${}]", "\n".join(directives(text)))
            assert len(re.findall(r"^Section ", text, re.MULTILINE)) == text.count("EndSection")
            assert "##" not in text
            assert "\n\n\n" not in text


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_every_template_closes_the_traps(template: Path) -> None:
    """No sleep of the screen, no console, no device but those that are named."""
    text = template.read_text()
    for name in ("BlankTime", "StandbyTime", "SuspendTime", "OffTime"):
        assert option(text, name) == ["0"]
    for name in ("DPMS", "AutoAddDevices", "AutoEnableDevices", "AutoAddGPU"):
        assert option(text, name) == ["false"]
    for name in ("DontVTSwitch", "DontZap", "AllowMouseOpenFail"):
        assert option(text, name) == ["true"]


def test_an_nvidia_gpu_neither_sleeps_nor_slows_down() -> None:
    text = three_d(WHOLE, config())
    assert option(text, "HardDPMS") == ["false"]
    assert option(text, "LimitFrameRateWhenHeadless") == ["false"]


def test_the_monitor_is_faked_for_who_looks_at_it() -> None:
    shown, hidden = desktop(WHOLE, config(plan=Plan.DIRECT)), three_d(WHOLE, config())
    assert (option(shown, "ConnectedMonitor"), option(shown, "UseDisplayDevice")) == (["DFP"], [])
    assert (option(hidden, "ConnectedMonitor"), option(hidden, "UseDisplayDevice")) == (
        [],
        ["none"],
    )
    vgpu = desktop(nvidia(gpu("NVIDIA A40-8Q")), config(plan=Plan.DIRECT))
    assert "one of the vGPU's 4 heads" in vgpu


def test_the_gpu_is_named_by_its_place_or_not_at_all() -> None:
    assert 'BusID "PCI:59@0:0:0"' in directives(three_d(WHOLE, config()))
    nowhere = nvidia(gpu(address=""), virtualgl=VIRTUALGL)
    text = three_d(nowhere, config())
    assert "BusID" not in "\n".join(directives(text))
    assert "# No BusID: where the GPU is on the PCI bus is not known." in text


def test_modules_are_searched_where_they_are() -> None:
    paths = 'ModulePath "/usr/lib/x86_64-linux-gnu/nvidia/xorg"'
    bare = three_d(machines.load("bare-t4"), config())
    assert directives(bare).index(paths) == 1
    assert "ModulePath" not in three_d(WHOLE, config())
    assert "ModulePath" not in desktop(machines.load("bare-t4"), config()), "it has no GPU"


def test_a_gpu_of_another_maker_by_its_node_and_without_a_faked_monitor() -> None:
    of = machine(dri_nodes=(dri("card1"), dri("renderD129")), virtualgl=VIRTUALGL)
    text = desktop(of, config(plan=Plan.DIRECT))
    assert {'Driver "modesetting"', 'BusID "PCI:0@0:2:0"'} <= set(directives(text))
    assert option(text, "kmsdev") == ["/dev/dri/card1"]
    assert option(text, "NoOutputInitialSize") == ["1600 900"]
    assert option(text, "ConnectedMonitor") == []


RECORDED = [machines.load(name) for name in machines.NAMES]


def mixed(model: type[Any], parts: list[Any]) -> st.SearchStrategy[Any]:
    """A part of a machine whose facts are those of any recorded one, or not known, each for itself."""
    choices: dict[str, st.SearchStrategy[Any]] = {}
    for field in fields(model):
        values = [getattr(part, field.name) for part in parts]
        unsure = [unknown("nobody knows")] if isinstance(values[0], Fact) else []
        choices[field.name] = st.sampled_from([*values, *unsure])
    return st.builds(model, **choices)


@given(
    nvml=mixed(Nvml, [of.nvml for of in RECORDED]),
    files=mixed(Files, [of.files for of in RECORDED]),
    system=mixed(System, [of.system for of in RECORDED]),
    driver=st.sampled_from(GpuDriver),
)
def test_whatever_a_machine_is_like_there_is_a_plan_and_a_configuration(
    nvml: Nvml, files: Files, system: System, driver: GpuDriver
) -> None:
    of = Machine(nvml, files, system, unknown("nobody asked"))
    for text in filter(None, confs(of, config(gpu_driver=driver))):
        assert not re.search(r"[${}]", "\n".join(directives(text)))
        assert text.count('Driver "') == 1


def test_no_name_breaks_the_file() -> None:
    odd = nvidia(gpu('A "GPU"\nEndSection'), virtualgl=VIRTUALGL)
    text = three_d(odd, config())
    assert directives(text) == directives(three_d(WHOLE, config()))
    paths = (Library('/x"/nvidia_drv.so', ""), Library("/y\n/libglxserver_nvidia.so", ""))
    text = three_d(nvidia(x_modules=paths, virtualgl=VIRTUALGL), config())
    assert "ModulePath" not in text


# ----------------------------------------------------------------------------------------- sizes


def test_sizes_are_those_that_fit() -> None:
    text = desktop(nvidia(gpu("GRID T4-1A")), config(plan=Plan.DIRECT))
    (modes,) = re.findall(r"^ *Modes (.*)$", text, re.MULTILINE)
    assert modes == '"1280x900" "1280x1024" "1280x800" "1280x720" "1024x768" "800x600"'
    assert "Virtual 1280 900" in directives(text)
    assert "# Size at the start 1280x900: display.size is 1600x900, but the vGPU" in text


def test_the_3d_server_has_one_small_size() -> None:
    text = three_d(WHOLE, config())
    assert 'Modes "640x480"' in directives(text)
    assert text.count("Modeline") == 1


def test_the_dummy_driver_has_memory_for_the_largest_size() -> None:
    text = desktop(machine(), config(max_size=Size(4000, 3000)))
    assert "Virtual 4000 3000" in directives(text)
    (memory,) = re.findall(r"VideoRam (\d+)", text)
    assert int(memory) * 1024 >= 4000 * 3000 * 4
    assert "DisplaySize 423 238" in text


sides = st.integers(64, 16384)


@given(width=sides, height=sides, dpi=st.integers(48, 480))
def test_every_modeline_is_one_that_xorg_accepts(width: int, height: int, dpi: int) -> None:
    size = Size(width, height)
    values = xorgvalues.screen(size, size, dpi)
    number = {name: float(text) for name, text in values.items()}
    assert width < number["h_sync_start"] < number["h_sync_end"] < number["h_total"]
    assert height < number["v_sync_start"] < number["v_sync_end"] < number["v_total"]
    refresh = number["mode_clock"] * 1e6 / (number["h_total"] * number["v_total"])
    assert refresh == pytest.approx(60, rel=0.01)
    assert number["video_ram"] * 1024 >= width * height * 4
    assert number["width_mm"] > 0
    assert number["height_mm"] > 0
    first, *_ = xorgvalues.modes(size, size, None, shown=True)["modes"].splitlines()
    assert first.split()[1:4] == [f'"{size}"', values["mode_clock"], str(width)]


# --------------------------------------------------------------------------------------- reasons


def comments(text: str) -> str:
    head = text.partition("#\n")[0]
    return re.sub(r"\n#   ", " ", head)


def test_every_choice_has_its_reason() -> None:
    assert comments(three_d(WHOLE, config())).splitlines() == [
        (
            "# The 3D X server, which programs draw on and nobody looks at. Written by vizproxy at "
            "each start, so changes in here are lost."
        ),
        "# Plan virtualgl: a GPU is there (NVIDIA A40, /dev/nvidia0).",
        "# Template nvidia.conf: vizproxy's own.",
        "# Driver nvidia: the GPU is NVIDIA's.",
        "# Size 640x480: nobody sees it; programs draw into buffers of their own sizes.",
    ]


@pytest.mark.parametrize(
    ("of", "display", "reason"),
    [
        (machine(), {}, "# Driver dummy: programs draw in software."),
        (WHOLE, {"plan": Plan.EGL}, "# Driver dummy: programs draw on the GPU through VirtualGL"),
        (
            machine(),
            {"gpu_driver": GpuDriver.DUMMY},
            "# Driver dummy: display.gpu_driver lets it stand in for a GPU's.",
        ),
        (
            WHOLE,
            {"plan": Plan.DIRECT, "gpu_driver": GpuDriver.NVIDIA},
            "# Driver nvidia: display.gpu_driver says so.",
        ),
        (nvidia(), {}, "# Not a better one: programs draw on the GPU's own X server"),
        (
            nvidia(gpu("NVIDIA A40-1B")),
            {"plan": Plan.DIRECT},
            "# The vGPU shows at most 16384000 pixels on 4 heads of at most 5120x2880, and 45 frames",
        ),
    ],
)
def test_reasons(of: Machine, display: dict[str, Any], reason: str) -> None:
    assert reason in comments(desktop(of, config(**display)))


# --------------------------------------------------------------------------- what the admin changes


def options(**of: str) -> tuple[XorgOption, ...]:
    return tuple(XorgOption(name, value) for name, value in of.items())


def test_options_are_added_and_replace_those_of_the_template() -> None:
    xorg = Xorg(
        server_flags=options(Blank_Time="5"),
        device=options(hardDPMS="true", Coolbits="4"),
        monitor=options(dpms="true"),
        screen=options(MetaModes="DFP-0: 1600x900 +0+0"),
    )
    text = three_d(WHOLE, config(xorg))
    assert re.findall(r'^ *Option "(?i:blank_?time)".*$', text, re.MULTILINE) == [
        '    Option "Blank_Time" "5"  # from xorg.server_flags; the template has 0'
    ]
    assert re.findall(r'^ *Option "(?i:harddpms)".*$', text, re.MULTILINE) == [
        '    Option "hardDPMS" "true"  # from xorg.device; the template has false'
    ]
    assert re.findall(r'^ *Option "(?i:dpms)".*$', text, re.MULTILINE) == [
        '    Option "dpms" "true"  # from xorg.monitor; the template has false'
    ]
    assert '    Option "Coolbits" "4"  # from xorg.device\nEndSection' in text
    screen = text[text.index('Section "Screen"') :]
    assert '"MetaModes"' in screen.partition("EndSection")[0].rpartition("EndSubSection")[2]
    assert "# Options that say so come from the [xorg] section of the configuration." in text


@pytest.mark.parametrize("plan", [p for p in Plan if p is not Plan.AUTO])
def test_options_are_for_the_server_on_the_gpu_or_else_for_the_desktops(plan: Plan) -> None:
    first, second = confs(WHOLE, config(Xorg(device=options(Coolbits="4")), plan=plan))
    assert ("Coolbits" in first) is (plan is not Plan.VIRTUALGL)
    assert (second is not None and "Coolbits" in second) is (plan is Plan.VIRTUALGL)


def test_a_template_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "nvidia.conf").write_text("## a note ${nonsense}\n# for ${bus_id}\n  ${bus_id}\n")
    xorg = Xorg(templates=tmp_path)
    first, second = confs(WHOLE, config(xorg))
    assert "# Template dummy.conf: vizproxy's own." in first
    assert second is not None
    head, _, text = second.partition("#\n")
    assert f"# Template nvidia.conf: the one in xorg.templates, {tmp_path}." in comments(
        head + "#\n"
    )
    why = "# NVIDIA A40, /dev/nvidia0: at 0000:3b:00.0, which is written in decimal here."
    assert text == f'# for {why} BusID "PCI:59@0:0:0"\n  {why}\n  BusID "PCI:59@0:0:0"\n'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("${nonsense}", "${nonsense} is not known; try ${bus_id}, "),
        ('Section "Device"\n', "nvidia.conf has no end; try adding EndSection to it"),
        ('# Section "Device"\n', 'has no Section "Device"; try adding one to it'),
    ],
)
def test_a_template_that_will_not_do(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "nvidia.conf").write_text(text)
    with pytest.raises(FileSystemError, match=re.escape(why)):
        confs(WHOLE, config(Xorg(templates=tmp_path, device=options(Coolbits="4"))))


def test_templates_that_are_not_there(tmp_path: Path) -> None:
    nowhere = tmp_path / "none"
    with pytest.raises(FileSystemError, match=r"no such directory; try another xorg\.templates"):
        confs(WHOLE, config(Xorg(templates=nowhere)))
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(FileSystemError, match=r"no such directory; try another xorg\.templates"):
        confs(WHOLE, config(Xorg(templates=file)))


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (Path.mkdir, "not a regular file"),
        (os.mkfifo, "not a regular file"),  # which nobody writes to
        (lambda path: path.symlink_to("nowhere"), "no such file or directory"),
        (lambda path: path.symlink_to("/dev/zero"), "not a regular file"),
        (lambda path: path.write_bytes(b"\xff"), "it is not utf-8"),
        (
            lambda path: path.write_bytes(b"#" * (xorgconf.MAX_TEMPLATE_BYTES + 1)),
            f"it is longer than {xorgconf.MAX_TEMPLATE_BYTES} bytes",
        ),
    ],
)
def test_what_is_no_template(make: Callable[[Path], object], why: str, tmp_path: Path) -> None:
    make(tmp_path / "dummy.conf")
    with pytest.raises(FileSystemError, match=f"{why}; try installing vizproxy again, or another"):
        confs(WHOLE, config(Xorg(templates=tmp_path)))


@pytest.mark.parametrize("method", ["stat", "lstat"])
def test_templates_that_may_not_be_entered(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, **_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, method, refuse)
        with pytest.raises(FileSystemError, match=r"permission denied; try another xorg\.temp"):
            xorgconf._template(tmp_path, tmp_path, "dummy.conf")


# Names of options, as documented. Xorg passes over those that it does not know.
SERVER_FLAGS = """
    Debug DefaultServerLayout DontVTSwitch DontZap DontZoom DisableVidModeExtension
    AllowNonLocalXvidtune AllowMouseOpenFail BlankTime StandbyTime SuspendTime OffTime MaxClients NoPM
    Xinerama IndirectGLX DRI2 GlxVisuals UseDefaultFontPath IgnoreABI AutoAddDevices AutoEnableDevices
    AutoAddGPU AutoBindGPU Log
"""  # xorg.conf(5)
MONITOR = """
    DPMS SyncOnGreen Primary PreferredMode ZoomModes Position LeftOf RightOf Above Below Enable
    DefaultModes MinClock MaxClock Ignore Rotate
"""  # xorg.conf(5)
DEVICE = "ModeDebug NoOutputInitialSize PreferCloneMode"  # xorg.conf(5)
SCREEN = "Accel GlxVendorLibrary InitPrimary NoInt10"  # xorg.conf(5)
NVIDIA = """
    AllowEmptyInitialConfiguration AllowExternalGpus AllowIndirectGLXProtocol AllowSHMPixmaps
    AcpidSocketPath BaseMosaic ConnectToAcpid ConnectedMonitor CustomEDID DamageEvents
    ForceCompositionPipeline ForceFullCompositionPipeline HardDPMS IncludeImplicitMetaModes Interactive
    LimitFrameRateWhenHeadless MetaModeOrientation MetaModes ModeDebug ModeValidation NoFlip
    ProbeAllGpus SidebandSocketPath SLI TripleBuffer UseDisplayDevice UseEdid UseEdidDpi UseEdidFreqs
    UseHotplugEvents nvidiaXineramaInfo
"""  # NVIDIA's README, appendix B, "X Config Options"; each is for a Device or for a Screen
MODESETTING = """
    SWcursor kmsdev ShadowFB DoubleShadow AccelMethod PageFlip VariableRefresh AsyncFlipSecondaries
    ZaphodHeads UseGammaLUT TearFree Atomic
"""  # modesetting(4)
AMDGPU = """
    SWcursor Accel ZaphodHeads DRI EnablePageFlip TearFree AccelMethod ShadowPrimary VariableRefresh
    AsyncFlipSecondaries
"""  # amdgpu(4)
OF_DRIVER = {"nvidia": NVIDIA, "modesetting": MODESETTING, "amdgpu": AMDGPU, "dummy": ""}


def undocumented(text: str) -> list[str]:
    """The options of a configuration that nobody documents for their section."""
    (driver,) = re.findall(r'^ *Driver "(\w+)"$', text, re.MULTILINE)
    documented = {
        "ServerFlags": SERVER_FLAGS,
        "Monitor": MONITOR,
        "Device": DEVICE + OF_DRIVER[driver],
        "Screen": SCREEN + (NVIDIA if driver == "nvidia" else ""),
    }
    sections = re.findall(r'^Section "(\w+)"\n(.*?)^EndSection', text, re.MULTILINE | re.DOTALL)
    return [
        name
        for section, lines in sections
        for name in re.findall(r'^ *Option "([^"]*)"', lines, re.MULTILINE)
        if name not in documented.get(section, "").split()
    ]


@pytest.mark.parametrize("driver", [d for d in GpuDriver if d is not GpuDriver.AUTO])
def test_every_option_is_a_documented_one_of_its_section(driver: GpuDriver) -> None:
    of = nvidia(virtualgl=VIRTUALGL, dri_nodes=(dri("card0"), dri("renderD128")))
    for plan in (Plan.SOFTWARE, Plan.DIRECT, Plan.VIRTUALGL):
        for text in filter(None, confs(of, config(plan=plan, gpu_driver=driver))):
            assert undocumented(text) == []


def test_an_option_that_is_misspelt_or_misplaced_is_found() -> None:
    text = three_d(WHOLE, config())
    assert undocumented(text.replace('"HardDPMS"', '"HardDPM"')) == ["HardDPM"]
    assert undocumented(text.replace('"DontZap"', '"UseDisplayDevice"')) == ["UseDisplayDevice"]


@given(
    name=st.from_regex(r"[A-Z][A-Za-z0-9]{1,8}", fullmatch=True),
    value=st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters='"'), min_size=1),
)
def test_an_option_stands_in_its_section_once_whatever_it_is(name: str, value: str) -> None:
    text = desktop(machine(), config(Xorg(device=(XorgOption(name, value),))))
    assert text.count(f'Option "{name}" "{value}"  # from xorg.device') == 1
    assert text.count("EndSection") == 5
