"""What is filled into the templates of the X servers' configuration."""

from __future__ import annotations

import re
from typing import Final

from vizproxy.config import GpuDriver, Size
from vizproxy.display.plan import ChosenGpu

_MM_PER_INCH: Final = 25.4
_BYTES_PER_PIXEL: Final = 4
_REFRESH_HZ: Final = 60
_H_SYNC: Final = 16
"""Pixels from the picture's edge to the sync pulse, of the pulse, and after it. Xorg wants some."""

_USUAL_SIZES: Final = (
    *(Size(7680, 4320), Size(5120, 2880), Size(3840, 2400), Size(3840, 2160), Size(2560, 1600)),
    *(Size(2560, 1440), Size(1920, 1200), Size(1920, 1080), Size(1680, 1050), Size(1600, 1200)),
    *(Size(1600, 900), Size(1440, 900), Size(1366, 768), Size(1280, 1024), Size(1280, 800)),
    *(Size(1280, 720), Size(1024, 768), Size(800, 600)),
)


_CARD: Final = re.compile(r"/dev/dri/card[0-9]+")


def screen(size: Size, max_size: Size, dpi: int) -> dict[str, str]:
    """A screen: sizes in pixels, memory in KiB, timing of the first mode, millimetres."""
    memory = max_size.width * max_size.height * _BYTES_PER_PIXEL
    values: dict[str, object] = {
        "width": size.width,
        "height": size.height,
        "max_width": max_size.width,
        "max_height": max_size.height,
        "video_ram": memory // 1024 + 1,  # the driver refuses a screen that fills it
        **_timing(size),
        "width_mm": round(size.width * _MM_PER_INCH / dpi),
        "height_mm": round(size.height * _MM_PER_INCH / dpi),
    }
    return {name: str(value) for name, value in values.items()}


def modes(size: Size, max_size: Size, gpu: ChosenGpu | None, *, shown: bool) -> dict[str, str]:
    """The sizes that the server knows from the start: the first, and usual ones that it may get."""
    pixels = gpu.limits.max_pixels if gpu is not None and gpu.limits is not None else None
    usual = [
        other
        for other in _USUAL_SIZES
        if other != size and other.fits_in(max_size) and (pixels is None or _area(other) <= pixels)
    ]
    sizes = [size, *(usual if shown else ())]
    return {
        "modes": "\n".join(_modeline(each) for each in sizes),
        "mode_names": " ".join(f'"{each}"' for each in sizes),
    }


def _area(size: Size) -> int:
    return size.width * size.height


def _timing(size: Size) -> dict[str, object]:
    """A mode's timing at 60 Hz, with as little blanking as Xorg takes: no monitor needs more."""
    width, height = size.width, size.height
    h_total, v_total = width + 3 * _H_SYNC, height + 3
    return {
        "mode_clock": f"{h_total * v_total * _REFRESH_HZ / 1e6:.3f}",
        "h_sync_start": width + _H_SYNC,
        "h_sync_end": width + 2 * _H_SYNC,
        "h_total": h_total,
        "v_sync_start": height + 1,
        "v_sync_end": height + 2,
        "v_total": v_total,
    }


def _modeline(size: Size) -> str:
    time = _timing(size)
    horizontal = f"{size.width} {time['h_sync_start']} {time['h_sync_end']} {time['h_total']}"
    vertical = f"{size.height} {time['v_sync_start']} {time['v_sync_end']} {time['v_total']}"
    return f'Modeline "{size}" {time["mode_clock"]} {horizontal} {vertical}'


def gpu(gpu: ChosenGpu | None, module_paths: tuple[str, ...], *, shown: bool) -> dict[str, str]:
    """What is said of a GPU, each with its reason; ``shown`` if its screen is the desktop."""
    return {
        "bus_id": _bus_id(gpu),
        "monitor": _monitor(gpu, shown=shown),
        "kms_device": _kms_device(gpu),
        "files": _files(module_paths if gpu is not None and gpu.driver is GpuDriver.NVIDIA else ()),
    }


def _bus_id(gpu: ChosenGpu | None) -> str:
    if gpu is None:
        return ""
    if not gpu.bus_id:
        return (
            "# No BusID: where the GPU is on the PCI bus is not known. The driver takes the first."
        )
    which = " ".join(str(gpu).split())  # a line break in its name would end the comment
    return f'# {which}: at {gpu.address}, which is written in decimal here.\nBusID "{gpu.bus_id}"'


def _monitor(gpu: ChosenGpu | None, *, shown: bool) -> str:
    if not shown:
        return (
            "# Nobody sees this screen. Without mode setting it needs no output of the GPU's.\n"
            'Option "UseDisplayDevice" "none"'
        )
    heads = gpu.limits.heads if gpu is not None and gpu.limits is not None else 0
    which = f"one of the vGPU's {heads} heads" if heads > 1 else "the GPU"
    return (
        f"# No monitor is there. The driver is asked to take it that {which} has one:\n"
        "# without it there is no RandR, and so no other size than the first.\n"
        'Option "ConnectedMonitor" "DFP"'
    )


def _kms_device(gpu: ChosenGpu | None) -> str:
    if gpu is None or not _CARD.fullmatch(gpu.node):
        return ""
    why = "# The GPU's own node: by itself, the driver would open card0."
    return f'{why}\nOption "kmsdev" "{gpu.node}"'


def _files(module_paths: tuple[str, ...]) -> str:
    if not module_paths:
        return ""
    paths = "\n".join(f'    ModulePath "{path}"' for path in module_paths)
    return (
        'Section "Files"\n'
        f"    # NVIDIA's modules are in {module_paths[0]}. What is\n"
        "    # named here takes the place of the directories that Xorg looks in by itself; so these\n"
        "    # follow.\n"
        f"{paths}\nEndSection"
    )
