"""Pictures of an evaluation, as PNG files: scores by unit, co-occurrence, reliability, confusion of levels.

Drawn on figures of their own, without a display and without matplotlib's global state.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from aullava.action_units import FEAFA_UNITS, unit
from aullava.common.files import replace_file
from aullava.evaluation.predictions import Predictions
from aullava.evaluation.views import PRESENT, Scored, View
from aullava.metrics.au_detection.scores import reliability

BLUE, ORANGE, GREY = "#2b6cb0", "#c05621", "#4a5568"
_TITLES = {"f1_undetermined_wrong": "F1", "icc_3_1": "ICC(3,1)", "mae": "mean absolute error"}
_DPI = 110


def write_plots(
    folder: Path, predictions: Predictions, scored: Sequence[Scored], controls: Mapping[str, Mapping[str, dict]]
) -> list[Path]:
    """Draw everything there is to draw.

    Args:
        folder: made if it is not there; plots of an earlier run are replaced.
        controls: view -> name of a predictor -> its result, whose scores are marked beside the bars.

    Returns:
        The files.
    """
    units = predictions.protocol.units
    figures: dict[str, Figure] = {}
    for one in scored:
        for headline in one.intervals:
            others = controls.get(one.view.name, {})
            figures[f"{one.view.name}_{headline}"] = bars(one, headline, units, others)
        if one.view.name == PRESENT:
            figures["co_occurrence"] = co_occurrence(one.view, units)
            if predictions.mode != "generate":
                figures["reliability"] = reliability_curve(one.view)
        elif one.view.name == "level":
            figures["levels"] = level_confusion(one.view)
    written = []
    for name, figure in figures.items():
        file = folder / f"{name}.png"
        replace_file(file, lambda path, figure=figure: figure.savefig(path, format="png", dpi=_DPI))
        written.append(file)
    return written


def bars(scored: Scored, headline: str, units: Sequence[str], controls: Mapping[str, dict]) -> Figure:
    """The headline of each unit with its interval; what predictors without an image reach is marked."""
    found = scored.intervals[headline]
    names = [short_name(code) for code in units] + ["mean"]
    place = np.arange(len(names))
    figure = Figure(figsize=(max(6.0, 0.55 * len(names) + 1.5), 4.2), layout="constrained")
    axes = figure.subplots()
    value, low, high = (np.asarray(ends, float) for ends in (found.value, found.low, found.high))
    reach = np.nan_to_num(np.abs(np.stack((value - low, high - value))))
    colours = [BLUE] * len(units) + [GREY]
    axes.bar(place, np.nan_to_num(value), 0.7, color=colours)
    axes.errorbar(place, value, reach, fmt="none", ecolor="black", elinewidth=1, capsize=2.5)
    for p in place[np.isnan(value)]:
        axes.text(p, 0, "undefined", rotation=90, ha="center", va="bottom", fontsize=7)
    for (name, result), mark in zip(controls.items(), ("_", "x"), strict=False):
        per_unit = result["pooled"]["per_unit"]
        marks = [per_unit[code][headline] for code in units]
        axes.plot(place[:-1], marks, mark, color=ORANGE, markersize=9, markeredgewidth=2, linestyle="", label=name)
    axes.set_xticks(place, names, rotation=60 if len(names) > 14 else 0, ha="right" if len(names) > 14 else "center")
    axes.set_ylabel(_TITLES.get(headline, headline))
    axes.set_ylim(np.nanmin([0, *value, *low]), None if headline == "mae" else 1)
    axes.set_title(
        f"{scored.view.name}: {found.subjects} subjects, {found.level:.0%} intervals, bootstrap by subject",
        fontsize=10,
    )
    if controls:
        figure.legend(fontsize=8, loc="outside lower center", ncols=2, frameon=False)
    return figure


def co_occurrence(view: View, units: Sequence[str]) -> Figure:
    """P(column present, given that the row is) among the labels and among the answers, on one colour scale."""
    said_NU = np.where(np.isnan(view.said_NU), np.nan, view.said_NU >= view.threshold_U)
    figure = Figure(
        figsize=(max(5.0, 1.6 + 0.7 * len(units)), max(2.6, 1.2 + 0.38 * len(units))), layout="constrained"
    )
    names, shown = [short_name(code) for code in units], None
    for axes, (title, present_NU) in zip(
        figure.subplots(1, 2), (("labels", view.truth_NU), ("answers", said_NU)), strict=True
    ):
        share_UU = conditional(present_NU)
        shown = axes.imshow(share_UU, vmin=0, vmax=1, cmap="viridis")
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
        axes.set_yticks(range(len(names)), names, fontsize=7)
        axes.set_title(f"{title}: P(column | row)", fontsize=9)
    figure.colorbar(shown, ax=figure.axes, shrink=0.8)
    return figure


def conditional(present_NU: np.ndarray) -> np.ndarray:
    """(U, U) share of the rows with the first unit present in which the second is; NaN where the first never is.

    Rows in which one of the two is NaN do not count.
    """
    known_NU = ~np.isnan(present_NU)
    present_NU = np.where(known_NU, present_NU, 0)
    both_UU, given_UU = present_NU.T @ present_NU, present_NU.T @ known_NU
    return np.divide(both_UU, given_UU, out=np.full(both_UU.shape, np.nan), where=given_UU > 0)


def reliability_curve(view: View) -> Figure:
    """Share of present frames against P(present), all units together, and how many answers each bin holds."""
    known = ~(np.isnan(view.truth_NU) | np.isnan(view.said_NU))
    counts_B, probability_B, share_B = reliability(view.truth_NU[known] == 1, view.said_NU[known])
    figure = Figure(figsize=(4.6, 5.0), layout="constrained")
    curve, histogram = figure.subplots(2, 1, height_ratios=(3, 1), sharex=True)
    curve.plot((0, 1), (0, 1), color=GREY, linewidth=0.8, linestyle="--", label="as often as said")
    shown = counts_B > 0
    curve.plot(probability_B[shown], share_B[shown], "o-", color=BLUE, markersize=4, label="read")
    curve.set(xlim=(0, 1), ylim=(0, 1), ylabel="share present")
    curve.legend(fontsize=8, loc="upper left")
    curve.set_title("reliability of P(present), all units", fontsize=10)
    edges = np.linspace(0, 1, len(counts_B) + 1)
    histogram.bar(edges[:-1], counts_B, np.diff(edges), align="edge", color=BLUE)
    histogram.set(yscale="log", xlabel="P(present)", ylabel="answers")
    return figure


def level_confusion(view: View) -> Figure:
    """Share of the answers at each labelled level, all units together; the count of labels beside each row."""
    share_LL, counts_L = confusion_of_levels(view.truth_NU, view.said_NU)
    figure = Figure(figsize=(5.4, 4.4), layout="constrained")
    axes = figure.subplots()
    shown = axes.imshow(share_LL, vmin=0, vmax=1, cmap="Blues")
    for row, column in np.ndindex(share_LL.shape):
        if not np.isnan(share_LL[row, column]):
            colour = "white" if share_LL[row, column] > 0.6 else "black"
            axes.text(column, row, f"{share_LL[row, column]:.2f}", ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(6))
    axes.set_yticks(range(6), [f"{level}  (n={count})" for level, count in enumerate(counts_L)])
    axes.set(xlabel="answered level", ylabel="labelled level")
    axes.set_title("levels, all units; rows add up to 1", fontsize=10)
    figure.colorbar(shown, ax=axes)
    return figure


def confusion_of_levels(truth_NU: np.ndarray, said_NU: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(6, 6) share of each answer among the labels of a level, NaN in the row of a level that is not there; (6,) counts.

    Labels with a fraction are rounded half up; undetermined answers do not count.
    """
    known = ~(np.isnan(truth_NU) | np.isnan(said_NU))
    rows, columns = (np.floor(values[known] + 0.5).astype(int) for values in (truth_NU, said_NU))
    counts_LL = np.bincount(6 * rows + columns, minlength=36).reshape(6, 6)
    counts_L = counts_LL.sum(1)
    share_LL = np.divide(counts_LL, counts_L[:, None], out=np.full((6, 6), np.nan), where=counts_L[:, None] > 0)
    return share_LL, counts_L


def short_name(code: str) -> str:
    """A unit as an axis has room for: "AU12", "left eye close"."""
    return unit(code).key if code in FEAFA_UNITS else code
