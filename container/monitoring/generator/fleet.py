"""The dashboard of all desktops."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import units

from container.monitoring.generator import session, states
from container.monitoring.generator.panels import (
    GREEN,
    RED,
    SOURCE,
    Column,
    Row,
    Series,
    Steps,
    built,
    graph,
    listing,
    number,
    one_of,
)

UID: Final = "vizproxy-fleet"

_IT: Final = 'job=~"$job"'


def _of(metric: str, *matchers: str) -> str:
    """A metric, or a recording rule, of the fleets that are chosen."""
    name = metric if ":" in metric else f"vizproxy_{metric}"
    return f"{name}{{{', '.join((*matchers, _IT))}}}"


def _sum(metric: str, by: str = "", matchers: str = "") -> str:
    of = _of(metric, *filter(None, [matchers]))
    return f"sum by ({by}) ({of})" if by else f"sum({of})"


def _quantile(share: float, buckets: str) -> str:
    return f"histogram_quantile({share}, {_sum(buckets, 'le')})"


_NOW = Row(
    "Now",
    [
        number("Desktops", "Desktops that answer.", units.Short, f"count({_of('build_info')})"),
        number(
            "Impaired",
            "Desktops that have failed, have lost their GPU, or do not answer.",
            units.Short,
            _sum("job:vizproxy_desktop_impaired:sum"),
            steps=Steps(1, 3),
        ),
        number(
            "Degraded",
            "Desktops that work, but less well.",
            units.Short,
            _sum("job_state:vizproxy_desktops:sum", matchers='state="degraded"'),
            steps=Steps(1),
        ),
        number("Viewers", "Viewers that are connected.", units.Short, _sum("viewers")),
        number("Apps", "Apps on all desktops.", units.Short, _sum("apps")),
        number(
            "Budget in use",
            "Share of the framebuffer of all budgets that apps use.",
            units.PercentUnit,
            f"{_sum('job:vizproxy_budget_used_bytes:sum')} / {_sum('job:vizproxy_budget_bytes:sum')}",
            steps=Steps(0.8, 0.95),
        ),
        number(
            "GPU framebuffer in use",
            "Share of the framebuffer of all GPUs that is used, by whomever.",
            units.PercentUnit,
            f"{_sum('job:vizproxy_gpu_framebuffer_used_bytes:sum')} / "
            f"{_sum('job:vizproxy_gpu_framebuffer_size_bytes:sum')}",
            steps=Steps(0.8, 0.95),
        ),
        number(
            "Alerts",
            "Alerts of vizproxy's that fire.",
            units.Short,
            f'count(ALERTS{{alertname=~"Vizproxy.*", alertstate="firing", {_IT}}}) or vector(0)',
            steps=Steps(1),
        ),
    ],
)

_DESKTOPS = Row(
    "Desktops",
    [
        graph(
            "By state",
            "Desktops in each state.",
            units.Short,
            Series(_sum("job_state:vizproxy_desktops:sum", "state"), "{{state}}"),
            stacked=True,
        ),
        graph(
            "By plan",
            "Desktops by their rendering plan: software on a node with GPUs means that one could "
            "not be used.",
            units.Short,
            Series(_sum("job_plan:vizproxy_desktops:count", "plan"), "{{plan}}"),
            stacked=True,
        ),
        graph(
            "By version",
            "Desktops by the version of vizproxy.",
            units.Short,
            Series(f"count by (version) ({_of('build_info')})", "{{version}}"),
            stacked=True,
        ),
    ],
)

_FRAMEBUFFER = Row(
    "Framebuffer",
    [
        graph(
            "Budgets",
            "Of all desktops: what leases were granted, and what apps use.",
            units.BytesIEC,
            Series(_sum("job:vizproxy_budget_bytes:sum"), "budget"),
            Series(_sum("job:vizproxy_budget_granted_bytes:sum"), "granted"),
            Series(_sum("job:vizproxy_budget_used_bytes:sum"), "used"),
        ),
        graph(
            "GPU framebuffer",
            "Of all GPUs, whoever uses it.",
            units.BytesIEC,
            Series(_sum("job:vizproxy_gpu_framebuffer_size_bytes:sum"), "size"),
            Series(_sum("job:vizproxy_gpu_framebuffer_used_bytes:sum"), "used"),
        ),
        graph(
            "Fullest GPUs",
            "Share of the framebuffer that is used, of the ten desktops with the least left.",
            units.PercentUnit,
            Series(
                f"topk(10, {_of('instance:vizproxy_gpu_framebuffer_used:ratio')})", "{{instance}}"
            ),
            most=1,
        ),
        graph(
            "Leases",
            "Leases granted and refused, in an hour.",
            units.Short,
            Series(_sum("job:vizproxy_leases_granted:increase1h"), "granted"),
            Series(
                _sum("job_reason:vizproxy_leases_refused:increase1h", "reason"),
                "refused: {{reason}}",
            ),
        ),
        graph(
            "Apps",
            "By their configured name.",
            units.Short,
            Series(_sum("job_app:vizproxy_app_instances:sum", "app"), "{{app}}"),
            stacked=True,
        ),
        graph(
            "Pixmaps by app",
            "Pixmaps in X servers.",
            units.BytesIEC,
            Series(_sum("app_pixmap_bytes", "app"), "{{app}}"),
            stacked=True,
        ),
    ],
)

_VIEWERS = Row(
    "Viewers",
    [
        graph(
            "Viewers",
            "By what they may do.",
            units.Short,
            Series(_sum("job_role:vizproxy_viewers:sum", "role"), "{{role}}"),
            stacked=True,
        ),
        graph(
            "First picture",
            "Time from a viewer's arrival until it has taken its first update, of the last 30 min.",
            units.Seconds,
            Series(
                _quantile(0.5, "job_le:vizproxy_viewer_first_picture_seconds_bucket:increase30m"),
                "median",
            ),
            Series(
                _quantile(0.9, "job_le:vizproxy_viewer_first_picture_seconds_bucket:increase30m"),
                "90 %",
            ),
        ),
        graph(
            "Round trip",
            "Of WebSocket pings, to browsers or to the proxy before them.",
            units.Seconds,
            Series(
                _quantile(0.5, "job_le:vizproxy_viewer_round_trip_seconds_bucket:rate5m"), "median"
            ),
            Series(
                _quantile(0.95, "job_le:vizproxy_viewer_round_trip_seconds_bucket:rate5m"), "95 %"
            ),
        ),
        graph(
            "Traffic",
            "Bytes a second to viewers.",
            units.BytesPerSecondIEC,
            Series(_sum("job:vizproxy_viewer_sent_bytes:rate5m"), "to viewers"),
        ),
        graph(
            "Viewers that were refused",
            "By the reason, in an hour.",
            units.Short,
            Series(f"sum by (reason) (increase({_of('viewers_refused_total')}[1h]))", "{{reason}}"),
            stacked=True,
        ),
        graph(
            "Sessions that ended",
            "By the reason, in an hour.",
            units.Short,
            Series(
                f"sum by (reason) (increase({_of('viewer_sessions_ended_total')}[1h]))",
                "{{reason}}",
            ),
            stacked=True,
        ),
    ],
)

_TROUBLE = Row(
    "Trouble and cost",
    [
        graph(
            "Restarts",
            "Of the desktops' programs, by what ended the run before, in an hour.",
            units.Short,
            Series(
                f"sum by (component, cause) (increase({_of('component_restarts_total')}[1h])) > 0",
                "{{component}}: {{cause}}",
            ),
            stacked=True,
        ),
        graph(
            "GPUs",
            "Errors (Xids) that drivers have reported, and losses of GPUs, since the desktops of now "
            "started; vGPUs without a licence.",
            units.Short,
            Series(_sum("gpu_xid_errors_total", "xid"), "Xid {{xid}}"),
            Series(_sum("gpu_losses_total"), "lost"),
            Series(f"count({_of('gpu_licensed')} == 0)", "without a licence"),
        ),
        graph(
            "CPU",
            "What desktops cost with the apps on them: cores.",
            units.Short,
            Series(_sum("job:vizproxy_cpu_seconds:rate5m", "job"), "{{job}}"),
            width=4,
        ),
        graph(
            "Memory",
            "What desktops cost with the apps on them; memory that is shared counts for each.",
            units.BytesIEC,
            Series(_sum("job:vizproxy_resident_memory_bytes:sum", "job"), "{{job}}"),
            width=4,
        ),
    ],
)


_KEYS: Final = ("job", "instance", "node", "uid")
"""What tells a desktop from others; Prometheus knows node and uid in Kubernetes alone."""


def _each(metric: str, *labels: str) -> str:
    return _by_desktop(_of(metric), *labels)


def _by_desktop(expr: str, *labels: str) -> str:
    return f"sum by ({', '.join((*_KEYS, *labels))}) ({expr})"


_LIST = Row(
    "Each desktop",
    [
        listing(
            "Desktops",
            "One row for each; its address leads to its dashboard. Impaired: it has failed, has lost "
            "its GPU, or does not answer; of those that do not, nothing else is known.",
            Column(
                "Impaired",
                f"{_each('instance:vizproxy_desktop_impaired:max')} + 1",
                names={"no": GREEN, "yes": RED},
            ),
            Column(
                "State",
                one_of("vizproxy_desktop_state", states.DESKTOP, " ".join((*_KEYS, "state")), _IT),
                names=states.DESKTOP,
            ),
            Column("Plan", _each("desktop_info", "plan"), label="plan"),
            Column("GPU", _each("gpu_info", "name"), label="name"),
            Column("Version", _each("build_info", "version"), label="version"),
            Column(
                "Started", f"{_each('process_start_time_seconds')} * 1000", units.DateTimeFromNow
            ),
            Column("Viewers", _each("viewers")),
            Column("Not used for", _each("input_idle_seconds"), units.Seconds),
            Column("Apps", _each("apps")),
            Column("Budget", _each("budget_bytes"), units.BytesIEC),
            Column("Used", _each("budget_used_bytes"), units.BytesIEC),
            Column("GPU framebuffer", _each("gpu_framebuffer_used_bytes"), units.BytesIEC),
            Column("GPU busy", _each("gpu_utilization_ratio"), units.PercentUnit),
            Column(
                "Restarts in an hour",
                _by_desktop(f"increase({_of('component_restarts_total')}[1h])"),
            ),
            keys=_KEYS,
            links={
                "instance": f"/d/{session.UID}?var-job=${{__data.fields.job}}"
                "&var-instance=${__data.fields.instance}&${datasource:queryparam}&${__url_time_range}"
            },
            last="uid",
            first="Impaired",
        )
    ],
)


def fleet() -> models.Dashboard:
    """Make the dashboard."""
    board = (
        dashboard.Dashboard("vizproxy: all desktops")
        .uid(UID)
        .description("All desktops: how many are well, and what they use.")
        .tags(["vizproxy"])
        .time("now-24h", "now")
        .refresh("1m")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .with_variable(
            dashboard.DatasourceVariable("datasource").label("Source").type("prometheus")
        )
        .with_variable(
            dashboard.QueryVariable("job")
            .label("Fleet")
            .query("label_values(vizproxy_build_info, job)")
            .datasource(SOURCE)
            .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(models.VariableSort.ALPHABETICAL_ASC)
            .multi(True)
            .include_all(True)
            .all_value(".+")
            .current(models.VariableOption(selected=True, text="All", value="$__all"))
        )
        .link(
            dashboard.DashboardLink("All vizproxy dashboards")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags(["vizproxy"])
            .as_dropdown(False)
            .keep_time(True)
        )
    )
    return built(board, [_NOW, _DESKTOPS, _FRAMEBUFFER, _VIEWERS, _TROUBLE, _LIST])
