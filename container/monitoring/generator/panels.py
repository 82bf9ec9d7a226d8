"""The few kinds of panels that the dashboards are made of.

A dashboard is written by rows of these; where a panel lies follows from its width (24 units are a row
of the grid). Colours are Grafana's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import (
    dashboard,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.models import common, units
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

Panel: TypeAlias = stat.Panel | statetimeline.Panel | table.Panel | timeseries.Panel

GREEN, YELLOW, RED, BLUE, GREY = "green", "yellow", "red", "blue", "#808080"

SOURCE: Final = models.DataSourceRef(type_val="prometheus", uid="${datasource}")

FRAMES_PER_SECOND: Final = "fps"

GRAPH_HEIGHT: Final = 8
STAT_HEIGHT: Final = 4


@dataclass(frozen=True, slots=True)
class Series:
    """What one query gives: ``legend`` may name labels, ``{{component}}``."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Steps:
    """From which values on a number turns yellow and red; None: never."""

    yellow: float | None = None
    red: float | None = None


def one_of(metric: str, states: Iterable[str], by: str, selector: str) -> str:
    """An expression that numbers the state in which something is, by the order of ``states``.

    ``metric`` is 1 for one value of its label, the last word of ``by``, and 0 for the others.
    """
    *kept, label = by.split()
    terms = (
        f'{number} * {metric}{{{label}="{state}", {selector}}}'
        for number, state in enumerate(states, start=1)
    )
    grouping = f"by ({', '.join(kept)}) " if kept else ""
    return f"sum {grouping}({' or '.join(terms)})"


def mapping(colours: Mapping[str, str]) -> list[models.ValueMapping]:
    """Name the numbers of :func:`one_of`: ``colours`` has the states, in their order."""
    return [
        models.ValueMap(
            options={
                str(number): models.ValueMappingResult(text=state, color=colour, index=number - 1)
                for number, (state, colour) in enumerate(colours.items(), start=1)
            }
        )
    ]


def graph(
    title: str,
    about: str,
    unit: str,
    *series: Series,
    width: int = 8,
    stacked: bool = False,
    most: float | None = None,
) -> Panel:
    """Lines over time, from 0 on; ``most`` is the end of a scale that has one."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(about)
        .unit(unit)
        .min(0)
        .datasource(SOURCE)
        .span(width)
        .height(GRAPH_HEIGHT)
        .line_width(1)
        .fill_opacity(30 if stacked else 8)
        .show_points(common.VisibilityMode.NEVER)
        .legend(
            common_builders.VizLegendOptions()
            .display_mode(common.LegendDisplayMode.LIST)
            .placement(common.LegendPlacement.BOTTOM)
            .show_legend(True)
            .calcs([])
        )
        .tooltip(
            common_builders.VizTooltipOptions()
            .mode(common.TooltipDisplayMode.MULTI)
            .sort(common.SortOrder.DESCENDING)
        )
    )
    if stacked:
        panel.stacking(common_builders.StackingConfig().mode(common.StackingMode.NORMAL).group("A"))
    if most is not None:
        panel.max(most)
    return _queried(panel, series)


def number(
    title: str,
    about: str,
    unit: str,
    expr: str,
    *,
    width: int = 3,
    steps: Steps = Steps(),
    names: Mapping[str, str] | None = None,
    nothing: str = "-",
) -> Panel:
    """One number as it is now, or a state if ``names`` has states and their colours.

    It is asked for at the end of the dashboard's time alone: what was true earlier is not now.
    ``nothing`` is shown where there is no value, for whatever reason.
    """
    panel = (
        stat.Panel()
        .title(title)
        .description(about)
        .unit(unit)
        .datasource(SOURCE)
        .span(width)
        .height(STAT_HEIGHT)
        .no_value(nothing)
        .graph_mode(common.BigValueGraphMode.NONE)
        .color_mode(common.BigValueColorMode.VALUE)
        .reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(_thresholds(steps))
        .mappings(mapping(names) if names else [])
    )
    return _queried(panel, [Series(expr)], instant=True)


def text(title: str, about: str, expr: str, legend: str, *, width: int = 3) -> Panel:
    """What the labels of one series say now."""
    panel = (
        stat.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .span(width)
        .height(STAT_HEIGHT)
        .no_value("-")
        .graph_mode(common.BigValueGraphMode.NONE)
        .color_mode(common.BigValueColorMode.NONE)
        .text_mode(common.BigValueTextMode.NAME)
        .reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]))
    )
    return _queried(panel, [Series(expr, legend)], instant=True)


def timeline(
    title: str, about: str, names: Mapping[str, str], *series: Series, width: int = 12
) -> Panel:
    """States over time, as coloured bars; ``names`` has the states and their colours."""
    panel = (
        statetimeline.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .span(width)
        .height(GRAPH_HEIGHT)
        .merge_values(True)
        .show_value(common.VisibilityMode.NEVER)
        .row_height(0.8)
        .line_width(0)
        .fill_opacity(80)
        .mappings(mapping(names))
        .legend(
            common_builders.VizLegendOptions()
            .display_mode(common.LegendDisplayMode.LIST)
            .placement(common.LegendPlacement.BOTTOM)
            .show_legend(True)
            .calcs([])
        )
    )
    return _queried(panel, series)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table, from a query that gives one value for each row.

    Where ``label`` names one of the query's labels, that is shown rather than the value.
    """

    title: str
    expr: str
    unit: str = units.Short
    names: Mapping[str, str] | None = None
    label: str = ""


def listing(
    title: str,
    about: str,
    *columns: Column,
    keys: Sequence[str],
    links: Mapping[str, str],
    last: str,
    first: str,
) -> Panel:
    """A table with a row for each combination of the labels ``keys``.

    ``links`` has where a label leads to, ``last`` is the label that stands at the end, and ``first``
    the title of the column whose largest values are on top.
    """
    panel = (
        table.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .span(24)
        .height(12)
        .show_header(True)
        .sort_by([common_builders.TableSortByFieldState().display_name(first).desc(True)])
    )
    renamed: dict[str, str] = {}
    hidden = {"Time": True}
    order = {key: place for place, key in enumerate(keys)}
    order[last] = len(keys) + len(columns)
    for position, column in enumerate(columns):
        ref = chr(ord("A") + position)
        panel.with_target(
            prometheus.Dataquery()
            .expr(column.expr)
            .instant()
            .format(PromQueryFormat.TABLE)
            .ref_id(ref)
            .datasource(SOURCE)
        )
        shown = column.label or f"Value #{ref}"
        renamed[shown] = column.title
        order[shown] = len(keys) + position
        if column.label:
            hidden[f"Value #{ref}"] = True
            continue
        properties = [models.DynamicConfigValue(id_val="unit", value=column.unit)]
        if column.names:
            properties += [
                models.DynamicConfigValue(id_val="mappings", value=mapping(column.names)),
                models.DynamicConfigValue(
                    id_val="custom.cellOptions", value={"type": "color-text"}
                ),
            ]
        panel.override_by_name(column.title, properties)
    for label, url in links.items():
        link = {"title": "This desktop", "url": url, "targetBlank": False}
        panel.override_by_name(label, [models.DynamicConfigValue(id_val="links", value=[link])])
    panel.with_transformation(models.DataTransformerConfig(id_val="merge", options={}))
    panel.with_transformation(
        models.DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": hidden,
                "indexByName": order,
                "renameByName": renamed,
            },
        )
    )
    return panel


@dataclass(frozen=True, slots=True)
class Row:
    """Panels below a heading."""

    title: str
    panels: Sequence[Panel]


def built(board: dashboard.Dashboard, rows: Iterable[Row]) -> models.Dashboard:
    """The dashboard with its rows; each panel gets the number that its place gives it."""
    for row in rows:
        board.with_row(dashboard.Row(row.title))
        for panel in row.panels:
            board.with_panel(panel)
    made = board.build()
    for place, each in enumerate(made.panels or (), start=1):
        each.id_val = place
    return made


def _queried(panel: Panel, series: Iterable[Series], *, instant: bool = False) -> Panel:
    for position, one in enumerate(series):
        query = prometheus.Dataquery().expr(one.expr).legend_format(one.legend)
        query = query.instant() if instant else query.range()
        panel.with_target(query.ref_id(chr(ord("A") + position)).datasource(SOURCE))
    return panel


def _thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    values = [(None, GREEN), (steps.yellow, YELLOW), (steps.red, RED)]
    return (
        dashboard.ThresholdsConfig()
        .mode(models.ThresholdsMode.ABSOLUTE)
        .steps(
            [
                models.Threshold(value=value, color=colour)
                for value, colour in values
                if colour == GREEN or value is not None
            ]
        )
    )
