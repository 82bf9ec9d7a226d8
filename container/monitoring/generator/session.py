"""The dashboard of one desktop."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import units

from container.monitoring.generator import states
from container.monitoring.generator.chosen import IT, of, quantile, rate
from container.monitoring.generator.machine import APPS, GPU, PROGRAMS, VIZPROXY
from container.monitoring.generator.panels import (
    FRAMES_PER_SECOND,
    GREY,
    SOURCE,
    YELLOW,
    Row,
    Series,
    Steps,
    built,
    graph,
    number,
    one_of,
    text,
)

UID: Final = "vizproxy-session"

_GPU: Final = {**states.GPU, "given up": YELLOW, "none in use": GREY}
"""How the GPU is; the last two are told by what else there is."""


def _gpu() -> str:
    condition = one_of("vizproxy_gpu_condition", states.GPU, "condition", IT)
    *_, given_up, unused = range(1, len(_GPU) + 1)
    without = of("desktop_info", 'plan="software"')
    return f"{condition} or {given_up} * count({of('gpu_info')}) or {unused} * count({without})"


_NOW = Row(
    "Now",
    [
        number(
            "Desktop",
            "The desktop as a whole. Degraded: it works, but less well.",
            units.Short,
            one_of("vizproxy_desktop_state", states.DESKTOP, "state", IT),
            names=states.DESKTOP,
        ),
        text("Plan", "The rendering plan in force.", of("desktop_info"), "{{plan}}"),
        number("Viewers", "Viewers that are connected.", units.Short, f"sum({of('viewers')})"),
        number(
            "Not used for",
            "Time since anybody has used the desktop: keys, pointer, a program that counts.",
            units.Seconds,
            of("input_idle_seconds"),
        ),
        number(
            "Drawn",
            "Frames a second in which something was drawn.",
            FRAMES_PER_SECOND,
            rate("display_damage_events_total"),
        ),
        number(
            "Budget in use",
            "Share of the framebuffer for all apps that they use.",
            units.PercentUnit,
            f"{of('budget_used_bytes')} / {of('budget_bytes')}",
            steps=Steps(0.8, 0.95),
        ),
        number(
            "GPU framebuffer in use",
            "Share of the GPU's framebuffer that is used, by whomever.",
            units.PercentUnit,
            f"{of('gpu_framebuffer_used_bytes')} / {of('gpu_framebuffer_size_bytes')}",
            steps=Steps(0.8, 0.95),
        ),
        number(
            "GPU",
            "Silent: it does not answer. Given up: it was lost, and since then programs are drawn by "
            "the processor. None in use: the plan is software.",
            units.Short,
            _gpu(),
            names=_GPU,
            nothing="not known",
        ),
    ],
)

_FRAMEBUFFER = Row(
    "Framebuffer",
    [
        graph(
            "Budget",
            "Framebuffer that all apps share: what leases were granted, and what apps use.",
            units.BytesIEC,
            Series(of("budget_bytes"), "budget"),
            Series(of("budget_granted_bytes"), "granted"),
            Series(of("budget_used_bytes"), "used"),
        ),
        graph(
            "GPU framebuffer",
            "All of the GPU's, whoever uses it: apps, the X server, a notebook's CUDA.",
            units.BytesIEC,
            Series(of("gpu_framebuffer_size_bytes"), "size"),
            Series(of("gpu_framebuffer_used_bytes"), "used"),
            Series(f"sum({of('app_gpu_framebuffer_bytes')})", "of apps"),
        ),
        graph(
            "GPU framebuffer by app",
            "Where the driver tells it by process.",
            units.BytesIEC,
            Series(of("app_gpu_framebuffer_bytes"), "{{app}}"),
            stacked=True,
        ),
        graph(
            "Granted by app",
            "What the leases of an app's name were granted.",
            units.BytesIEC,
            Series(of("app_granted_bytes"), "{{app}}"),
            stacked=True,
        ),
        graph(
            "Pixmaps by app",
            "Pixmaps in the X server.",
            units.BytesIEC,
            Series(of("app_pixmap_bytes"), "{{app}}"),
            Series(of("unattributed_pixmap_bytes"), "of nobody"),
            stacked=True,
        ),
        graph(
            "Leases",
            "Leases granted and refused, and times that an app used more than its grant, in an hour.",
            units.Short,
            Series(f"increase({of('leases_granted_total')}[1h])", "granted"),
            Series(f"increase({of('leases_refused_total')}[1h])", "refused: {{reason}}"),
            Series(f"increase({of('app_over_uses_total')}[1h])", "over their grant"),
        ),
    ],
)

_PICTURE = Row(
    "Picture and viewers",
    [
        graph(
            "Drawn and delivered",
            "Frames a second that were drawn, and framebuffer updates a second that viewers have "
            "taken, all together.",
            FRAMES_PER_SECOND,
            Series(rate("display_damage_events_total"), "drawn"),
            Series(rate("viewer_updates_total"), "delivered"),
        ),
        graph(
            "Drawn area",
            "Pixels a second that were drawn, against the pixels of the screen.",
            units.Short,
            Series(rate("display_damaged_pixels_total"), "drawn a second"),
            Series(
                f"{of('display_width_pixels')} * {of('display_height_pixels')}", "on the screen"
            ),
        ),
        graph(
            "Traffic",
            "Bytes a second to and from viewers.",
            units.BytesPerSecondIEC,
            Series(rate("viewer_sent_bytes_total"), "to viewers"),
            Series(rate("viewer_received_bytes_total"), "from viewers"),
        ),
        graph(
            "Round trip",
            "Of WebSocket pings, to the browser or to the proxy before it.",
            units.Seconds,
            Series(quantile(0.5, "viewer_round_trip_seconds"), "median"),
            Series(quantile(0.95, "viewer_round_trip_seconds"), "95 %"),
        ),
        graph(
            "Slow viewers",
            "Share of time in which the gateway waited for viewers to take what was sent, and in "
            "which a full buffer kept the VNC server waiting (then all viewers wait). Several "
            "viewers add up.",
            units.PercentUnit,
            Series(rate("viewer_send_wait_seconds_total"), "sending"),
            Series(rate("viewer_blocked_seconds_total"), "VNC server kept waiting"),
        ),
        graph(
            "Viewers",
            "Viewers by what they may do.",
            units.Short,
            Series(of("viewers"), "{{role}}"),
            stacked=True,
        ),
        graph(
            "First picture",
            "Time from a viewer's arrival until it has taken its first update, of the last 30 min.",
            units.Seconds,
            Series(
                "histogram_quantile(0.5, sum by (le) (increase("
                f"{of('viewer_first_picture_seconds_bucket')}[30m])))",
                "median",
            ),
            Series(
                "histogram_quantile(0.9, sum by (le) (increase("
                f"{of('viewer_first_picture_seconds_bucket')}[30m])))",
                "90 %",
            ),
        ),
        graph(
            "Sessions that ended",
            "By the reason, in an hour.",
            units.Short,
            Series(f"increase({of('viewer_sessions_ended_total')}[1h])", "{{reason}}"),
            stacked=True,
        ),
        graph(
            "Viewers that were refused",
            "By the reason, in an hour.",
            units.Short,
            Series(f"increase({of('viewers_refused_total')}[1h])", "{{reason}}"),
            stacked=True,
        ),
    ],
)


def session() -> models.Dashboard:
    """Make the dashboard."""
    board = (
        dashboard.Dashboard("vizproxy: one desktop")
        .uid(UID)
        .description("One desktop: its framebuffer, picture, GPU, programs and apps.")
        .tags(["vizproxy"])
        .time("now-3h", "now")
        .refresh("30s")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .with_variable(
            dashboard.DatasourceVariable("datasource").label("Source").type("prometheus")
        )
        .with_variable(_variable("job", "Fleet", "label_values(vizproxy_build_info, job)"))
        .with_variable(
            _variable(
                "instance", "Desktop", 'label_values(vizproxy_build_info{job="$job"}, instance)'
            )
        )
        .link(
            dashboard.DashboardLink("All vizproxy dashboards")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags(["vizproxy"])
            .as_dropdown(False)
            .keep_time(True)
        )
    )
    return built(board, [_NOW, _FRAMEBUFFER, _PICTURE, GPU, PROGRAMS, APPS, VIZPROXY])


def _variable(name: str, label: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .query(query)
        .datasource(SOURCE)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
    )
