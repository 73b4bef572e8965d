"""Each face over time: one row per unit, as PNG and as an HTML file that needs no network.

Conventions
    time    timestamps in seconds; frame numbers if the input has no times.
    scale   each row shows its whole scale: 0 to 1, or 0 to 5.
    gaps    the line stops where a value is missing. Grey: the face was not found, or not read.
    needs   the extra `plots` (matplotlib and plotly).
"""

import html
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from aullava.analysis.series import Series, ValueColumn, as_floats, runs, series_of, value_columns
from aullava.common.files import printable, replace_file

try:
    import plotly.graph_objects as go
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from plotly.io import to_html
except ImportError as error:
    raise ImportError("plots need matplotlib and plotly: pip install 'au-llava[plots]'") from error

MIN_SAMPLES = 2
_COLOURS = {
    "c": "#0072b2",
    "r": "#d55e00",
    "v": "#009e73",
}  # of Okabe and Ito's, which colour-blind people can tell apart
_GREY, _INK = "#e2e5ea", "#18202c"
_FEW = 100  # up to so many samples, each is marked
_MARGIN, _FILLED = 0.06, 0.84  # of a scale, above and below it; of a row's height on the page
_DPI, _INCHES, _ROW_INCHES = 110, 12.0, 0.52
_ROW_PIXELS, _SVG_POINTS = 56, 50_000  # with more points, a browser draws on the graphics card: SVG gets slow


def write_plots(table: pd.DataFrame, folder: Path, stem: str) -> list[Path]:
    """Draw every face of one input. A face with fewer than two samples has no course over time and is left out.

    Args:
        table: rows of one input.
        folder: made if it is missing; files of the same names are replaced.
        stem: beginning of the files' names: `<stem>_face0.png` and `<stem>_face0.html`.

    Returns:
        The files.
    """
    columns = value_columns(table)
    written = []
    for one in series_of(table):
        if len(one.rows_S) < MIN_SAMPLES:
            continue
        title = f"{printable(Path(table['input'].iloc[0]).name)}, face {one.face_id}"
        values_US = np.stack([one.values(as_floats(table, column.name)) for column in columns])
        shown = title, columns, one, values_US
        for ending, save in ((".png", _save_png), (".html", _save_html)):
            written.append(folder / f"{stem}_face{one.face_id}{ending}")
            replace_file(written[-1], partial(save, *shown))
    return written


def _save_png(title: str, columns: list[ValueColumn], one: Series, values_US: np.ndarray, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # a file name may hold any letter
        draw_png(title, columns, one, values_US).savefig(path, format="png", dpi=_DPI)


def _save_html(title: str, columns: list[ValueColumn], one: Series, values_US: np.ndarray, path: Path) -> None:
    figure = draw_html(title, columns, one, values_US)
    body = to_html(figure, include_plotlyjs=True, full_html=False, config={"displaylogo": False, "responsive": True})
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title>'
    path.write_text(f"<!DOCTYPE html>\n<html><head>{head}</head><body>{body}</body></html>\n", encoding="utf-8")


def draw_png(title: str, columns: list[ValueColumn], one: Series, values_US: np.ndarray) -> Figure:
    """One row per unit over a shared time axis.

    Args:
        values_US: values of each column at each sample, NaN in gaps.
    """
    figure = Figure(figsize=(_INCHES, 1.0 + _ROW_INCHES * len(columns)), layout="constrained")
    every = figure.subplots(len(columns), 1, sharex=True, squeeze=False)[:, 0]
    time_S, name = _time(one)
    for axes, column, values_S in zip(every, columns, values_US, strict=True):
        _draw_row(axes, column, time_S, values_S)
        for start, end in _unread(one, time_S):
            axes.axvspan(start, end, color=_GREY, linewidth=0, zorder=0)
        axes.tick_params(bottom=axes is every[-1])
    margin = 0.005 * (time_S[-1] - time_S[0])
    every[-1].set_xlim(time_S[0] - margin, time_S[-1] + margin)
    every[-1].set_xlabel(name)
    figure.suptitle(f"{title}: {_about(columns, one)}", fontsize=10, x=0.01, ha="left", parse_math=False)
    return figure


def _draw_row(axes: Axes, column: ValueColumn, time_S: np.ndarray, values_S: np.ndarray) -> None:
    colour = _COLOURS[column.kind]
    step, style = ("post", "steps-post") if column.kind == "c" else (None, "default")
    axes.fill_between(time_S, values_S, step=step, color=colour, alpha=0.18, linewidth=0)
    axes.plot(time_S, values_S, color=colour, linewidth=1.0, drawstyle=style)
    dots = _dots(values_S)
    axes.plot(time_S[dots], values_S[dots], ".", color=colour, markersize=4)
    axes.set_ylim(-_MARGIN * column.highest, (1 + _MARGIN) * column.highest)
    axes.set_yticks([0, column.highest])
    axes.set_yticks(range(1, column.highest), minor=True)
    axes.tick_params(which="minor", length=0)
    axes.grid(which="minor", axis="y", color=_GREY, linewidth=0.4)
    axes.grid(axis="x", color=_GREY, linewidth=0.6)
    axes.tick_params(labelsize=7)
    axes.set_ylabel(column.label, rotation=0, ha="right", va="center", fontsize=9, color=_INK, parse_math=False)
    axes.spines[["top", "right", "bottom"]].set_visible(False)


def draw_html(title: str, columns: list[ValueColumn], one: Series, values_US: np.ndarray) -> go.Figure:
    """The same, to zoom into and to read values from; arguments as for `draw_png`."""
    time_S, name = _time(one)
    trace_type = go.Scattergl if values_US.size > _SVG_POINTS else go.Scatter
    figure = go.Figure(layout=_layout(title, columns, one, name))
    for row, (column, values_S) in enumerate(zip(columns, values_US, strict=True), start=1):
        dots = _dots(values_S)
        sizes = {"size": np.where(dots, 4, 0), "line": {"width": 0}}
        trace = trace_type(
            x=time_S.astype(np.float32),
            y=values_S.astype(np.float32),
            yaxis=f"y{row}",
            name=html.escape(column.label),
            mode="lines+markers" if dots.any() else "lines",
            marker=sizes if dots.any() else None,
            line={"color": _COLOURS[column.kind], "width": 1.3, "shape": "hv" if column.kind == "c" else "linear"},
            hovertemplate="%{y:.4~f}",
        )
        figure.add_trace(trace)
    for start, end in _unread(one, time_S):
        figure.add_shape(
            x0=start,
            x1=end,
            y0=(1 - _FILLED) / len(columns),
            y1=1,
            yref="paper",
            fillcolor=_GREY,
            line_width=0,
            layer="below",
        )
    return figure


def _layout(title: str, columns: list[ValueColumn], one: Series, time_name: str) -> dict:
    """Rows from the top, all over one time axis, so that pointing at one shows the values of all."""
    height = 1 / len(columns)
    layout: dict = {
        "title": {"text": html.escape(f"{title}: {_about(columns, one)}"), "font": {"size": 14}, "x": 0.01},
        "xaxis": {"title": {"text": time_name}, "anchor": f"y{len(columns)}", "gridcolor": _GREY},
        "height": 140 + _ROW_PIXELS * len(columns),
        "margin": {"l": 230, "r": 20, "t": 60, "b": 60},
        "template": "plotly_white",
        "showlegend": False,
        "hovermode": "x unified",
        "hoversubplots": "axis",
        "annotations": [],
    }
    for row, column in enumerate(columns):
        top = 1 - row * height
        limits = [-_MARGIN * column.highest, (1 + _MARGIN) * column.highest]
        axis = {
            "domain": [top - _FILLED * height, top],
            "range": limits,
            "tickvals": [0, column.highest],
            "fixedrange": True,
        }
        layout[f"yaxis{row + 1}"] = axis | {"zeroline": False, "gridcolor": _GREY, "anchor": "x"}
        text = {
            "text": html.escape(column.label),
            "x": 0,
            "y": top - _FILLED / 2 * height,
            "xshift": -24,
            "showarrow": False,
        }
        layout["annotations"].append(
            text | {"xref": "paper", "yref": "paper", "xanchor": "right", "yanchor": "middle"}
        )
    return layout


def _time(one: Series) -> tuple[np.ndarray, str]:
    """Where each sample is on the time axis, and the axis' name."""
    if np.isnan(one.seconds_S).any():
        return one.frames_S.astype(float), "frame"
    return one.seconds_S, "seconds"


def _dots(values_S: np.ndarray) -> np.ndarray:
    """The samples that are marked: all if they are few, else those alone between gaps, which no line shows."""
    if len(values_S) <= _FEW:
        return ~np.isnan(values_S)
    dots = np.zeros(len(values_S), bool)
    dots[[start for start, end in runs(~np.isnan(values_S)) if end - start == 1]] = True
    return dots


def _unread(one: Series, time_S: np.ndarray) -> list[tuple[float, float]]:
    """For each run of samples in which the face was not read: the span between the samples read before and after it."""
    last = len(time_S) - 1
    return [(time_S[max(start - 1, 0)], time_S[min(end, last)]) for start, end in runs(~one.read_S)]


def _about(columns: list[ValueColumn], one: Series) -> str:
    scales = "; ".join(f"{scale.name}, {scale.label}" for scale in dict.fromkeys(column.scale for column in columns))
    unread = int((~one.read_S).sum())
    return f"{scales}; {len(one.rows_S)} frames" + (f", {unread} of them without a reading (grey)" if unread else "")
