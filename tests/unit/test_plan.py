"""The rendering plan of the desktop and of each app, as pure functions of facts."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizproxy import resources
from vizproxy.config import Display, GpuDriver, Plan, Size
from vizproxy.display.plan import (
    DUMMY_TEMPLATE,
    TEMPLATES,
    ChosenGpu,
    Facts,
    Lack,
    RenderingPlan,
    choose,
    choose_for_app,
    possible,
    possible_for_app,
)
from vizproxy.errors import PlanError
from vizproxy.facts.vgpu import Limits

NVIDIA = ChosenGpu(GpuDriver.NVIDIA, "/dev/nvidia0", "NVIDIA A40", "GPU-1", "0000:3b:00.0")
OTHER = ChosenGpu(GpuDriver.MODESETTING, "/dev/dri/card0", "i915 GPU")
MODULES = (Lack("Xorg's modules are not there", "another driver"),)
NO_EGL = (Lack("NVIDIA's EGL is not there", "another image"),)
MIG = (Lack("it is in MIG mode", "another GPU"),)

NOTHING = Facts()
WHOLE = Facts(gpu=NVIDIA, virtualgl=True)
NO_VIRTUALGL = Facts(gpu=NVIDIA)
NO_X_DRIVER = Facts(gpu=NVIDIA, x_lacks=MODULES, virtualgl=True)
BARE_GPU = Facts(gpu=NVIDIA, x_lacks=MODULES)
USELESS_GPU = Facts(x_lacks=MIG, egl_lacks=MIG, virtualgl=True, signs=("NVIDIA A100",))
SIGNS = Facts(virtualgl=True, signs=("NVIDIA_VISIBLE_DEVICES=all",))
OTHER_GPU = Facts(gpu=OTHER, virtualgl=True)
BARE_OTHER_GPU = Facts(gpu=OTHER)
DUMMY = Facts(gpu_driver=GpuDriver.DUMMY, virtualgl=True)
BARE_DUMMY = Facts(gpu_driver=GpuDriver.DUMMY)

ALL_FACTS = [
    Facts(gpu, x_lacks, egl_lacks, virtualgl, None, driver)
    for gpu, x_lacks, egl_lacks, virtualgl, driver in itertools.product(
        (None, NVIDIA, OTHER), ((), MODULES), ((), NO_EGL), (False, True), GpuDriver
    )
]
facts_strategy = st.sampled_from(ALL_FACTS)
plans = st.sampled_from([plan for plan in Plan if plan is not Plan.AUTO])
failures = st.dictionaries(plans, st.just("the X server gave up"))


def chosen_for(plan: Plan, facts: Facts, failed: dict[Plan, str] | None = None) -> RenderingPlan:
    return choose(Display(plan=plan), facts, failed or {})


@pytest.mark.parametrize(
    ("facts", "best", "rest"),
    [
        (NOTHING, Plan.SOFTWARE, set()),
        (WHOLE, Plan.VIRTUALGL, {Plan.DIRECT, Plan.EGL}),
        (NO_VIRTUALGL, Plan.DIRECT, set()),
        (NO_X_DRIVER, Plan.EGL, set()),
        (BARE_GPU, Plan.SOFTWARE, set()),
        (USELESS_GPU, Plan.SOFTWARE, set()),
        (SIGNS, Plan.SOFTWARE, set()),
        (OTHER_GPU, Plan.EGL, {Plan.VIRTUALGL, Plan.DIRECT}),
        (BARE_OTHER_GPU, Plan.SOFTWARE, {Plan.DIRECT}),
        (DUMMY, Plan.VIRTUALGL, {Plan.DIRECT, Plan.EGL}),
        (BARE_DUMMY, Plan.DIRECT, set()),
        (Facts(virtualgl=True), Plan.SOFTWARE, set()),
    ],
)
def test_what_is_chosen_and_what_is_possible(facts: Facts, best: Plan, rest: set[Plan]) -> None:
    assert chosen_for(Plan.AUTO, facts).name is best
    assert set(possible(facts)) == {best, Plan.SOFTWARE} | rest


@given(requested=plans, facts=facts_strategy, failed=failures)
def test_a_plan_that_is_asked_for_is_carried_out_or_refused_never_replaced(
    requested: Plan, facts: Facts, failed: dict[Plan, str]
) -> None:
    if requested in possible(facts, failed):
        chosen = chosen_for(requested, facts, failed)
        assert (chosen.name, chosen.reason, chosen.warning) == (requested, "it was asked for", "")
        return
    with pytest.raises(PlanError) as refused:
        chosen_for(requested, facts, failed)
    assert refused.value.exit_code == 69
    assert str(refused.value).startswith(f"cannot use the rendering plan '{requested.value}': ")
    for plan in possible(facts, failed):
        assert f"'{plan.value}'" in refused.value.hint


@given(facts=facts_strategy, failed=failures)
def test_auto_always_finds_a_plan_and_warns_of_every_degradation(
    facts: Facts, failed: dict[Plan, str]
) -> None:
    chosen = chosen_for(Plan.AUTO, facts, failed)
    assert chosen.name in possible(facts, failed)
    assert chosen.reason
    gpu = facts.drawing
    if gpu is None and not facts.x_lacks and not facts.egl_lacks and not facts.named:
        assert (chosen.name, chosen.warning) == (Plan.SOFTWARE, "")
        return
    meant = facts.gpu_driver is GpuDriver.NVIDIA and facts.x_lacks
    best = Plan.EGL if gpu is OTHER and not meant else Plan.VIRTUALGL
    assert bool(chosen.warning) == (chosen.name is not best)
    if chosen.warning:
        assert "; try " in chosen.warning


@given(facts=facts_strategy)
def test_auto_leaves_the_card_of_another_maker_to_whoever_has_it(facts: Facts) -> None:
    gpu = facts.drawing
    if gpu is not None and gpu.driver is GpuDriver.MODESETTING:
        assert chosen_for(Plan.AUTO, facts).name in {Plan.EGL, Plan.SOFTWARE}


@given(facts=facts_strategy, requested=plans)
def test_the_x_servers_of_a_plan(facts: Facts, requested: Plan) -> None:
    if requested not in possible(facts):
        return
    chosen = chosen_for(requested, facts)
    gpu = DUMMY_TEMPLATE if facts.drawing is None else TEMPLATES[facts.drawing.driver]
    assert chosen.gpu_template == (gpu if requested is Plan.VIRTUALGL else None)
    assert chosen.desktop_template == (gpu if requested is Plan.DIRECT else DUMMY_TEMPLATE)
    assert chosen.gpu == (None if requested is Plan.SOFTWARE else facts.drawing)


def test_every_driver_has_a_template() -> None:
    assert set(TEMPLATES) == set(GpuDriver) - {GpuDriver.AUTO}
    for template in TEMPLATES.values():
        assert (resources.xorg_configs() / template).is_file()


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (WHOLE, "a GPU is there (NVIDIA A40, /dev/nvidia0)"),
        (NOTHING, "no GPU was found"),
        (DUMMY, "the dummy driver stands in for a GPU"),
        (USELESS_GPU, "a GPU is there and cannot be used (NVIDIA A100)"),
        (
            SIGNS,
            "no GPU was found, though there are signs of one (NVIDIA_VISIBLE_DEVICES=all)",
        ),
    ],
)
def test_a_plan_says_why_it_was_chosen(facts: Facts, reason: str) -> None:
    assert chosen_for(Plan.AUTO, facts).reason == reason


FAILED = {Plan.VIRTUALGL: "the X server on the GPU gave up"}


@pytest.mark.parametrize(
    ("facts", "failed", "warning"),
    [
        (
            NO_VIRTUALGL,
            {},
            (
                "programs draw on the GPU's own X server, where viewers may see changes late: "
                "VirtualGL is not installed; try installing it (https://virtualgl.org)"
            ),
        ),
        (
            NO_X_DRIVER,
            {},
            (
                "programs draw by EGL, which lacks some of GLX: Xorg's modules are not there; try "
                "another driver"
            ),
        ),
        (
            WHOLE,
            FAILED,
            (
                "programs draw by EGL, which lacks some of GLX: the X server on the GPU gave up; try "
                "`vizproxy doctor`"
            ),
        ),
        (
            NO_VIRTUALGL,
            {Plan.DIRECT: "the X server gave up"},
            (
                "programs draw in software although there is a GPU: VirtualGL is not installed and "
                "the X server gave up; try installing it (https://virtualgl.org) and `vizproxy doctor`"
            ),
        ),
        (
            USELESS_GPU,
            {},
            (
                "programs draw in software although there is a GPU: it is in MIG mode; try another "
                "GPU"
            ),
        ),
        (
            Facts(gpu=OTHER, virtualgl_dir=Path("/srv/vgl")),
            {},
            (
                "programs draw in software although there is a GPU: VirtualGL is not in /srv/vgl; "
                "try another display.virtualgl_dir"
            ),
        ),
        (SIGNS, {}, ""),
        (
            Facts(gpu=OTHER, x_lacks=MODULES, virtualgl=True, gpu_driver=GpuDriver.NVIDIA),
            {},
            (
                "programs draw by EGL, which lacks some of GLX: Xorg's modules are not there; try "
                "another driver"
            ),
        ),
        (
            Facts(virtualgl=True, gpu_driver=GpuDriver.NVIDIA),
            {},
            (
                "programs draw in software although a GPU's driver is configured: no GPU was found "
                "for the driver 'nvidia'; try display.gpu_driver = 'auto'"
            ),
        ),
        (
            Facts(virtualgl=True, gpu_driver=GpuDriver.AMDGPU, signs=("Tesla T4",)),
            {},
            (
                "programs draw in software although a GPU's driver is configured: no GPU was found "
                "for the driver 'amdgpu'; try display.gpu_driver = 'auto'"
            ),
        ),
        (
            replace(SIGNS, gpu_driver=GpuDriver.NVIDIA),
            {},
            (
                "programs draw in software although a GPU's driver is configured: no GPU was found, "
                "though there are signs of one (NVIDIA_VISIBLE_DEVICES=all); try giving the "
                "container a GPU (a resource nvidia.com/gpu, or docker's --gpus)"
            ),
        ),
    ],
)
def test_a_degradation_says_what_is_missing_and_what_to_do(
    facts: Facts, failed: dict[Plan, str], warning: str
) -> None:
    assert chosen_for(Plan.AUTO, facts, failed).warning == warning


def test_what_failed_one_x_server_on_the_gpu_fails_the_other() -> None:
    for failed in (Plan.VIRTUALGL, Plan.DIRECT):
        assert chosen_for(Plan.AUTO, WHOLE, {failed: "why"}).name is Plan.EGL
    assert chosen_for(Plan.AUTO, WHOLE, {Plan.EGL: "why"}).name is Plan.VIRTUALGL
    both = {Plan.VIRTUALGL: "why", Plan.EGL: "why"}
    assert chosen_for(Plan.AUTO, WHOLE, both).name is Plan.SOFTWARE


@pytest.mark.parametrize(
    ("requested", "facts", "sentence"),
    [
        (
            Plan.VIRTUALGL,
            NO_VIRTUALGL,
            (
                "cannot use the rendering plan 'virtualgl': VirtualGL is not installed; try installing "
                "it (https://virtualgl.org), or the plan 'direct' or 'software'"
            ),
        ),
        (
            Plan.DIRECT,
            NO_X_DRIVER,
            (
                "cannot use the rendering plan 'direct': Xorg's modules are not there; try another "
                "driver, or the plan 'egl' or 'software'"
            ),
        ),
        (
            Plan.DIRECT,
            SIGNS,
            (
                "cannot use the rendering plan 'direct': no GPU was found, though there are signs of "
                "one (NVIDIA_VISIBLE_DEVICES=all); try giving the container a GPU (a resource "
                "nvidia.com/gpu, or docker's --gpus), or the plan 'software'"
            ),
        ),
        (
            Plan.EGL,
            NOTHING,
            (
                "cannot use the rendering plan 'egl': no GPU was found and VirtualGL is not installed; "
                "try a machine with one or installing it (https://virtualgl.org), or the plan "
                "'software'"
            ),
        ),
    ],
)
def test_a_refusal_says_what_is_missing_and_what_is_possible(
    requested: Plan, facts: Facts, sentence: str
) -> None:
    with pytest.raises(PlanError) as refused:
        chosen_for(requested, facts)
    assert str(refused.value) == sentence


# --------------------------------------------------------------------------------------- sizes


def on_vgpu(requested: Plan, limits: Limits | None, **sizes: Any) -> RenderingPlan:
    gpu = ChosenGpu(GpuDriver.NVIDIA, "/dev/nvidia0", "GRID T4-1A", limits=limits)
    return choose(Display(plan=requested, **sizes), Facts(gpu=gpu, virtualgl=True))


APPLICATIONS = Limits(1280 * 1024, 1, 1280, 1024, 60, draws=True)


def test_a_desktop_on_a_vgpu_is_no_larger_than_it_can_show() -> None:
    plan = on_vgpu(Plan.DIRECT, APPLICATIONS)
    assert (plan.size, plan.max_size) == (Size(1280, 900), Size(1280, 1024))
    assert plan.size_reason == (
        "the vGPU GRID T4-1A shows at most 1280x1024 on a head and 1310720 pixels in all"
    )


@pytest.mark.parametrize("requested", [Plan.VIRTUALGL, Plan.EGL, Plan.SOFTWARE])
def test_a_desktop_beside_a_vgpu_is_as_it_was_configured(requested: Plan) -> None:
    plan = on_vgpu(requested, APPLICATIONS)
    assert (plan.size, plan.max_size, plan.size_reason) == (Size(1600, 900), Size(7680, 4320), "")


sides = st.integers(64, 16384)
SIZES = st.builds(Size, sides, sides)


@given(size=SIZES, most=SIZES, pixels=st.integers(10_000, 70_000_000), width=sides, height=sides)
def test_sizes_on_a_vgpu_are_within_its_limits_and_the_configured_ones(
    size: Size, most: Size, pixels: int, width: int, height: int
) -> None:
    limits = Limits(pixels, 4, width, height, 60, draws=True)
    most = Size(max(size.width, most.width), max(size.height, most.height))
    plan = on_vgpu(Plan.DIRECT, limits, size=size, max_size=most)
    for cut, wanted in ((plan.size, size), (plan.max_size, most)):
        assert cut.fits_in(wanted)
        assert cut.fits_in(Size(width, height))
        assert 0 < cut.width * cut.height <= pixels
    assert plan.size.fits_in(plan.max_size)
    unchanged = (plan.size, plan.max_size) == (size, most)
    assert bool(plan.size_reason) != unchanged


# ---------------------------------------------------------------------------------------- apps


@pytest.mark.parametrize(
    ("plan", "facts", "apps"),
    [
        (Plan.SOFTWARE, NOTHING, [Plan.SOFTWARE]),
        (Plan.SOFTWARE, WHOLE, [Plan.EGL, Plan.SOFTWARE]),
        (Plan.EGL, WHOLE, [Plan.EGL, Plan.SOFTWARE]),
        (Plan.VIRTUALGL, WHOLE, [Plan.VIRTUALGL, Plan.EGL, Plan.SOFTWARE]),
        (Plan.VIRTUALGL, DUMMY, [Plan.VIRTUALGL, Plan.EGL, Plan.SOFTWARE]),
        (Plan.DIRECT, WHOLE, [Plan.DIRECT, Plan.EGL, Plan.SOFTWARE]),
        (Plan.DIRECT, NO_VIRTUALGL, [Plan.DIRECT, Plan.SOFTWARE]),
    ],
)
def test_how_apps_can_draw(plan: Plan, facts: Facts, apps: list[Plan]) -> None:
    assert list(possible_for_app(plan, facts)) == apps


@given(requested=st.sampled_from(Plan) | st.none(), plan=plans, facts=facts_strategy)
def test_an_app_draws_as_it_asks_or_is_told_how_it_can(
    requested: Plan | None, plan: Plan, facts: Facts
) -> None:
    if plan not in possible(facts):
        return
    if requested in {None, Plan.AUTO}:
        assert choose_for_app(requested, plan, facts) is plan
    elif requested in possible_for_app(plan, facts):
        assert choose_for_app(requested, plan, facts) is requested
    else:
        with pytest.raises(PlanError) as refused:
            choose_for_app(requested, plan, facts)
        assert all(p.value in refused.value.hint for p in possible_for_app(plan, facts))


def test_a_refusal_names_the_desktops_plan() -> None:
    with pytest.raises(PlanError) as refused:
        choose_for_app(Plan.VIRTUALGL, Plan.SOFTWARE, WHOLE)
    assert str(refused.value) == (
        "cannot draw by the plan 'virtualgl': the desktop's plan is 'software', which has no 3D X "
        "server; try --plan egl or software"
    )
    with pytest.raises(PlanError) as refused:
        choose_for_app(Plan.DIRECT, Plan.VIRTUALGL, WHOLE)
    assert "whose X server does not draw on a GPU" in str(refused.value)
    with pytest.raises(PlanError, match="VirtualGL is not installed"):
        choose_for_app(Plan.EGL, Plan.DIRECT, NO_VIRTUALGL)
