"""The rendering plan of the desktop and of each app, as pure functions of facts."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizproxy import resources
from vizproxy.config import GpuDriver, Plan
from vizproxy.display.plan import (
    DUMMY_TEMPLATE,
    NVIDIA_TEMPLATE,
    Facts,
    choose,
    choose_for_app,
    possible,
    possible_for_app,
)
from vizproxy.errors import PlanError

NVIDIA = ("/dev/nvidia0",)
RENDER = ("/dev/dri/renderD128",)

NOTHING = Facts()
WHOLE = Facts(gpu_nodes=NVIDIA, render_nodes=RENDER, x_driver=True, virtualgl=True)
NO_VIRTUALGL = Facts(gpu_nodes=NVIDIA, x_driver=True)
NO_X_DRIVER = Facts(gpu_nodes=NVIDIA, virtualgl=True)
BARE_GPU = Facts(gpu_nodes=NVIDIA)
OTHER_GPU = Facts(render_nodes=RENDER, virtualgl=True)
BARE_OTHER_GPU = Facts(render_nodes=RENDER)
DUMMY = Facts(gpu_driver=GpuDriver.DUMMY, virtualgl=True)
BARE_DUMMY = Facts(gpu_driver=GpuDriver.DUMMY)

ALL_FACTS = [
    Facts(nodes, render, "", x_driver, virtualgl, None, driver)
    for nodes, render, x_driver, virtualgl, driver in itertools.product(
        ((), NVIDIA), ((), RENDER), (False, True), (False, True), GpuDriver
    )
]
facts_strategy = st.sampled_from(ALL_FACTS)
plans = st.sampled_from([plan for plan in Plan if plan is not Plan.AUTO])


@pytest.mark.parametrize(
    ("facts", "best", "rest"),
    [
        (NOTHING, Plan.SOFTWARE, set()),
        (WHOLE, Plan.VIRTUALGL, {Plan.DIRECT, Plan.EGL}),
        (NO_VIRTUALGL, Plan.DIRECT, set()),
        (NO_X_DRIVER, Plan.EGL, set()),
        (BARE_GPU, Plan.SOFTWARE, set()),
        (OTHER_GPU, Plan.EGL, set()),
        (BARE_OTHER_GPU, Plan.SOFTWARE, set()),
        (DUMMY, Plan.VIRTUALGL, {Plan.DIRECT, Plan.EGL}),
        (BARE_DUMMY, Plan.DIRECT, set()),
        (Facts(virtualgl=True), Plan.SOFTWARE, set()),
        (Facts(x_driver=True, virtualgl=True), Plan.SOFTWARE, set()),
    ],
)
def test_what_is_chosen_and_what_is_possible(facts: Facts, best: Plan, rest: set[Plan]) -> None:
    assert choose(Plan.AUTO, facts).name is best
    assert possible(facts)[0] is best
    assert set(possible(facts)) == {best, Plan.SOFTWARE} | rest


@given(requested=plans, facts=facts_strategy)
def test_a_plan_that_is_asked_for_is_carried_out_or_refused_never_replaced(
    requested: Plan, facts: Facts
) -> None:
    if requested in possible(facts):
        chosen = choose(requested, facts)
        assert (chosen.name, chosen.reason, chosen.warning) == (requested, "it was asked for", "")
        return
    with pytest.raises(PlanError) as refused:
        choose(requested, facts)
    assert refused.value.exit_code == 69
    assert str(refused.value).startswith(f"cannot use the rendering plan '{requested.value}': ")
    for plan in possible(facts):
        assert f"'{plan.value}'" in refused.value.hint


@given(facts=facts_strategy)
def test_auto_always_finds_a_plan_and_warns_of_every_degradation(facts: Facts) -> None:
    chosen = choose(Plan.AUTO, facts)
    assert chosen.reason
    nvidia = facts.gpu_nodes or facts.pretends
    best = Plan.VIRTUALGL if nvidia else Plan.EGL if facts.render_nodes else Plan.SOFTWARE
    assert bool(chosen.warning) == (chosen.name is not best)
    if chosen.warning:
        assert "; try " in chosen.warning


@given(facts=facts_strategy, requested=plans)
def test_the_x_servers_of_a_plan(facts: Facts, requested: Plan) -> None:
    if requested not in possible(facts):
        return
    chosen = choose(requested, facts)
    gpu = DUMMY_TEMPLATE if facts.pretends else NVIDIA_TEMPLATE
    assert chosen.gpu_template == (gpu if requested is Plan.VIRTUALGL else None)
    assert chosen.desktop_template == (gpu if requested is Plan.DIRECT else DUMMY_TEMPLATE)
    for template in {chosen.gpu_template or chosen.desktop_template, chosen.desktop_template}:
        assert (resources.xorg_configs() / template).is_file()


def test_a_plan_says_why_it_was_chosen() -> None:
    two = Facts(gpu_nodes=("/dev/nvidia0", "/dev/nvidia1"), x_driver=True, virtualgl=True)
    assert choose(Plan.AUTO, two).reason == "a GPU is there (/dev/nvidia0, /dev/nvidia1)"
    assert choose(Plan.AUTO, NOTHING).reason == "no GPU was found"
    assert choose(Plan.AUTO, DUMMY).reason == "the dummy driver stands in for a GPU"


@pytest.mark.parametrize(
    ("facts", "warning"),
    [
        (
            NO_VIRTUALGL,
            (
                "programs draw on the GPU's own X server, where viewers may see changes late: "
                "VirtualGL is not installed; try installing it (https://virtualgl.org)"
            ),
        ),
        (
            NO_X_DRIVER,
            (
                "programs draw by EGL, which lacks some of GLX: the GPU's X driver (nvidia_drv.so and "
                "libglxserver_nvidia.so) is not there; try NVIDIA_DRIVER_CAPABILITIES=all in the "
                "container, on a node whose driver has X modules"
            ),
        ),
        (
            Facts(render_nodes=RENDER, virtualgl_dir=Path("/srv/vgl")),
            (
                "programs draw in software although there is a GPU: VirtualGL is not in /srv/vgl; "
                "try another display.virtualgl_dir"
            ),
        ),
    ],
)
def test_a_degradation_says_what_is_missing_and_what_to_do(facts: Facts, warning: str) -> None:
    assert choose(Plan.AUTO, facts).warning == warning


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
            OTHER_GPU,
            (
                "cannot use the rendering plan 'direct': no NVIDIA GPU was found; try a machine with "
                "one, or the plan 'egl' or 'software'"
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
        choose(requested, facts)
    assert str(refused.value) == sentence


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
