"""The check-up: all checks, applied to a case."""

from __future__ import annotations

from typing import Final

from vizproxy.doctor import (
    checks_desktop,
    checks_driver,
    checks_gpu,
    checks_jupyter,
    checks_system,
)
from vizproxy.doctor.case import Case
from vizproxy.doctor.check import Check
from vizproxy.doctor.model import Report
from vizproxy.facts.reading import printable

CHECKS: Final = (
    Check("gpu", "GPU", checks_gpu.gpu),
    Check("driver", "Driver", checks_gpu.driver),
    Check("capabilities", "Capabilities", checks_driver.capabilities),
    Check("nodes", "Device nodes", checks_driver.nodes),
    Check("x-modules", "Xorg's modules", checks_driver.x_modules),
    Check("licence", "vGPU licence", checks_gpu.licence),
    Check("profile", "GPU profile", checks_gpu.profile),
    Check("frame-rate", "Frame rate", checks_desktop.frame_rate),
    Check("virtualgl", "VirtualGL", checks_driver.virtualgl),
    Check("egl", "EGL", checks_driver.egl),
    Check("programs", "Programs", checks_system.programs),
    Check("shared-memory", "Shared memory", checks_system.shared_memory),
    Check("x-sockets", "X sockets", checks_system.x_sockets),
    Check("cookie", "X cookie", checks_desktop.cookie),
    Check("disk", "Disk", checks_system.disk),
    Check("limits", "Limits", checks_system.limits),
    Check("jupyter", "Jupyter", checks_jupyter.jupyter),
    Check("desktop", "Desktop", checks_desktop.desktop),
    Check("plan", "Rendering plan", checks_desktop.plan),
    Check("version", "Version", checks_desktop.version),
)
"""Every check, in the order in which people read their findings."""


def examine(case: Case) -> Report:
    """Apply every check to a case."""
    name, reason, warning = checks_desktop.told(case)
    return Report(
        machine=describe(case),
        plan=printable(name),
        plan_reason=printable(reason),
        plan_warning=printable(warning),
        findings=tuple(finding for check in CHECKS for finding in check.findings(case)),
    )


def describe(case: Case) -> str:
    """The machine in a few words: system, GPU, driver."""
    return printable(_described(case))


def _described(case: Case) -> str:
    machine = case.machine
    system = machine.system.name.get("an unknown system")
    where = f"a container of {system}" if case.in_container else system
    gpu = case.gpu
    if gpu is not None and gpu.name.value is not None:
        driver = machine.nvml.driver.value
        return f"{where}, {gpu.name.value}" + (f", driver {driver}" if driver else "")
    chosen = case.facts.gpu
    if chosen is not None:
        return f"{where}, {chosen}"
    models = [known.model for known in machine.files.kernel_gpus.get(()) if case.given]
    return f"{where}, {models[0] if models and models[0] else 'no GPU'}"
