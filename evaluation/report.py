"""The Markdown report of an evaluation: what was measured on what, by which conventions, and what it does not show."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from aullava.action_units import FEAFA_UNITS, unit
from aullava.detection.framing import Framing
from aullava.evaluation.views import HEADLINES, PRESENT

_SCORES = {
    PRESENT: ("f1", "f1_undetermined_wrong", "precision", "recall", "balanced_accuracy", "f1_skew_normalised")
    + ("roc_auc", "average_precision", "ece"),
    "numbers": ("icc_3_1", "mae", "mae_undetermined_worst", "rmse", "pcc", "ccc"),
}
_COUNTS = {PRESENT: ("frames", "positives", "undetermined"), "numbers": ("frames", "active", "undetermined")}
_TITLES = {
    PRESENT: "Present or not",
    "level": "Levels, as answered",
    "value": "Continuous values, as answered",
    "expected": "Expected values of the distributions",
}
_AVERAGES = {"pooled": "pooled frames", "mean_over_folds": "mean over folds"}
_CONVENTIONS = """\
* Not coded (NaN) labels are left out, unit by unit, and never read as 0. Undetermined answers are left out of every score and
  counted; `f1_undetermined_wrong` takes each for a wrong decision, `mae_undetermined_worst` for the largest possible error.
* An undefined score (F1 of a unit that no label shows, ICC of labels that do not differ) is NaN, "-" below, and counted, never 0.
* "Supported" averages the units whose score is defined; "missing as zero" averages all units and takes an undefined score for 0,
  as published tables do. Errors have no such average.
* "Pooled frames" scores all frames at once; "mean over folds" scores each fold on its own and averages. Papers use either.
* Intervals are 95%, subjects resampled with all their frames, of the pooled score. They cover who was tested, not another
  training run or fold.
* Baselines see no image: a figure that does not beat them says nothing. Base rates are those of the training subjects."""


def markdown(record: Mapping[str, Any], plots: Sequence[str]) -> str:
    """The report.

    Args:
        record: as `evaluation.record.make_record` gives it.
        plots: names of PNG files, relative to the report.
    """
    parts = [_head(record)]
    for view, result in record["scores"].items():
        parts.append(_view(record, view, result))
    parts += [_published(view, block) for view, block in record["published"].items()]
    parts += [_group(label, found, record["protocol"]["units"]) for label, found in record["groups"].items()]
    parts += filter(None, (_checks(record), _corruption(record)))
    if plots:
        parts.append("## Plots\n\n" + "\n\n".join(f"![{name}]({name.replace(' ', '%20')})" for name in plots))
    return "\n\n".join(parts) + "\n"


def _head(record: Mapping[str, Any]) -> str:
    protocol, answers = record["protocol"], record["answers"]
    folds = ", ".join(record["folds"]) or "none"
    ids = dict.fromkeys(record["checkpoint"]["id"].values())
    if len(record["folds"]) > 1 and len(ids) == 1:
        folds += " (one checkpoint for all of them: it must not have seen any of these subjects)"
    threshold = (
        f"level {protocol['occurrence_threshold']} or more" if protocol["scale"] != "occurrence" else "P >= 0.5"
    )
    if protocol["scale"] == "continuous":
        threshold = f"not scored; groups: {threshold}"
    if record["thresholds"]:
        threshold += f"; calibrated: {', '.join(f'{code} {value:g}' for code, value in record['thresholds'].items())}"
    used, trained = (Framing(**record["framing"][which]) for which in ("used", "checkpoint"))
    same = used == replace(trained, largest=used.largest)
    facts = {
        "checkpoint": record["checkpoint"]["name"],
        "checkpoint id": ", ".join(ids),
        "settings": ", ".join(dict.fromkeys(record["checkpoint"]["settings"].values())),
        "corpus": f"{record['corpus']}, split {record['split']}, {record['rows']} rows of {record['people']} people",
        "faces": f"{used}, as in the checkpoint's training"
        if same
        else f"{used}; the checkpoint's own framing is: {trained}",
        "folds": folds,
        "protocol": f"{protocol['name']}, {protocol['scale']}, {len(protocol['units'])} units",
        "mode": record["mode"],
        "present": threshold,
        "answers": f"invalid {_percent(answers['invalid'])}, repaired {_percent(answers['repaired'])}, images that could not be "
        f"read {answers['unreadable']}",
        "command": f"`{record['command']}`" if record["command"] else "-",
    }
    said = "\n".join(f"* {note}" for note in record["notes"] if not note.startswith("settings:"))
    return "\n\n".join(
        (
            f"# {record['checkpoint']['name']} on {record['corpus']}",
            _table(("", ""), facts.items()),
            f"What the corpus says:\n\n{said}",
            f"## Conventions\n\n{_CONVENTIONS}",
        )
    )


def _view(record: Mapping[str, Any], view: str, result: Mapping[str, Any]) -> str:
    kind = PRESENT if view == PRESENT else "numbers"
    headlines = HEADLINES.get(view, ("icc_3_1", "mae"))
    intervals = {name: result["intervals"][name] for name in headlines if name in result["intervals"]}
    rows = []
    for code, cells in result["pooled"]["per_unit"].items():
        counts = [str(cells[name]) for name in _COUNTS[kind]]
        ends = [_interval(found[code]) for found in intervals.values()]
        rows.append((_name(code), *counts, *(_number(cells[name]) for name in _SCORES[kind]), *ends))
    head = ("unit", *_COUNTS[kind], *_SCORES[kind], *(f"95% of {name}" for name in intervals))
    parts = [f"## {_TITLES[view]}", "Pooled frames.", _table(head, rows), _averages(kind, result)]
    parts += [
        f"Mean of {name} over supported units, pooled: {_number(found['mean']['value'])}, 95% {_interval(found['mean'])}, "
        f"{found['people']} subjects."
        for name, found in intervals.items()
    ]
    parts.append(_controls(kind, headlines, record["controls"].get(view, {}), result))
    return "\n\n".join(filter(None, parts))


def _averages(kind: str, result: Mapping[str, Any]) -> str:
    rows = []
    for name in _SCORES[kind]:
        for how, title in _AVERAGES.items():
            if how in result:
                cells = (result[how].get(f"{name}_{average}") for average in ("supported", "missing_as_zero"))
                rows.append((name, title, *map(_number, cells), str(result[how][f"{name}_undefined"])))
    return _table(("score", "of", "supported", "missing as zero", "undefined"), rows)


def _controls(kind: str, headlines, controls: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    if not controls:
        return ""
    shown = (*headlines, "ece", "roc_auc") if kind == PRESENT else (*headlines, "rmse")
    rows = [
        (name, *(_number(found["pooled"][f"{score}_supported"]) for score in shown))
        for name, found in {"this checkpoint": result, **controls}.items()
    ]
    return "Compared with baselines that see no image, pooled, supported units:\n\n" + _table(
        ("baseline", *shown), rows
    )


def _published(view: str, block: Mapping[str, Any]) -> str:
    factor = 100 if block["percent"] else 1
    units = [code for code in block["units"] if code not in block["missing_units"]]
    rows = []
    by_unit = block["score"] == "f1"
    us = "**this checkpoint**" + (f", {len(units)} of {len(block['units'])} units" if block["missing_units"] else "")
    for how, ours in block["ours"].items():
        if by_unit:
            values = [ours[code]["f1"] for code in units]
            values = [0.0 if _missing(value) else value for value in values]
            cells = dict(zip(units, values, strict=True))
            mean = _number(factor * sum(values) / len(values), block["decimals"])
            shown = [
                _number(factor * cells[code], block["decimals"]) if code in cells else "-" for code in block["units"]
            ]
            rows.append((f"{us}, {_AVERAGES[how]}", *shown, mean, "this report", ""))
        else:
            names = ("icc_3_1", "pcc", "mae", "mse")
            known = [[ours[code][name] for code in units if not _missing(ours[code][name])] for name in names]
            means = [sum(values) / len(values) if values else None for values in known]
            shown = [_number(value, block["decimals"]) for value in means]
            rows.append((f"{us}, {_AVERAGES[how]}", *shown, "this report", ""))
    for row in block["rows"]:
        if by_unit:
            cells = (
                [_number(v, block["decimals"]) for v in row["values"]]
                if "values" in row
                else ["-"] * len(block["units"])
            )
            figures = (*cells, str(row["average"]))
        else:
            figures = tuple(_number(row.get(name), block["decimals"]) for name in ("icc_3_1", "pcc", "mae", "mse"))
        rows.append((row["name"], *figures, f"{row['source']} ({row['evidence']})", row.get("note", "")))
    names = (*map(_name, block["units"]), "printed average") if by_unit else ("ICC", "PCC", "MAE", "MSE")
    missing = f" Units not asked here: {', '.join(block['missing_units'])}." if block["missing_units"] else ""
    return (
        f"## Published figures: {_TITLES[view].lower()}\n\nHow the papers measured: {block['protocol']}{missing} Our rows follow "
        "the papers' convention (an undefined F1 is 0, an undetermined answer counts as absent). Compare only where subjects, "
        "frames and folds are the same; fold noise alone is several points.\n\n"
        + _table(("", *names, "source (evidence)", "note"), rows)
    )


def _group(label: str, found: Mapping[str, Any], units: Sequence[str]) -> str:
    rows = [
        (str(g["name"]), str(g["people"]), str(g["faces"]), _number(g["macro_f1"]), *map(_number, g["f1_U"]))
        for g in found["groups"]
    ]
    left_out = (
        f" Left out of the macro F1, as some group never shows them: {', '.join(found['left_out'])}."
        if found["left_out"]
        else ""
    )
    gap = (
        "There is no gap to report: no unit is shown by every group."
        if _missing(found["gap"])
        else f"Gap of macro F1 {_number(found['gap'])}, 95% {_interval(found)}. By chance alone it is {_number(found['chance'])} "
        f"on average; a gap at least as large comes in {_percent(found['p'])} of random deals."
    )
    return f"## Groups by {label}\n\n{gap}{left_out}\n\n" + _table(
        (label, "people", "rows", "macro F1", *map(_name, units)), rows
    )


def _checks(record: Mapping[str, Any]) -> str:
    checks, lines = record["checks"], []
    if found := checks.get("batch_against_single"):
        lines.append(
            f"* {found['rows']} rows read together and one by one: {_percent(found['same_values'])} of the values are the same, "
            f"P(present) differs by {found['largest_difference']:.1g} at most."
        )
    if found := checks.get("free_answers"):
        lines.append(
            f"* {found['rows']} rows answered freely (mode generate): {_percent(found['invalid'])} of the answers are invalid, "
            f"{_percent(found['repaired'])} had to be repaired."
        )
    if found := checks.get("formats"):
        pairs = "; ".join(f"{pair} {_percent(share)}" for pair, share in found["pairs"].items())
        lines.append(
            f"* {found['rows']} rows asked on all three scales: {_percent(found['share'])} of the decisions about a unit agree "
            f"({pairs}), {found['undetermined']} undetermined."
        )
    return f"## Checks\n\n{_whose(record)}" + "\n".join(lines) if lines else ""


def _whose(record: Mapping[str, Any]) -> str:
    """Which rows a check read, where there are several folds."""
    folds = record["folds"]
    return f"Rows and checkpoint of {folds[0]}, the first of {len(folds)} folds.\n\n" if len(folds) > 1 else ""


def _corruption(record: Mapping[str, Any]) -> str:
    found = record["corruption"]
    if not found:
        return ""
    rows = [(kind, *map(_number, losses)) for kind, losses in found["losses"].items()]
    return (
        f"## Corrupted images\n\n{_whose(record)}"
        f"Loss of {found['score']} (supported units) at severities 1 to 5, on {found['rows']} rows; "
        f"clean {_number(found['clean'])}.\n\n" + _table(("corruption", "1", "2", "3", "4", "5"), rows)
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = ([str(cell).replace("|", r"\|").replace("\n", " ") for cell in row] for row in (head, *rows))
    lines = [f"| {' | '.join(row)} |" for row in cells]
    return "\n".join([lines[0], f"|{'---|' * len(head)}", *lines[1:]])


def _name(code: str) -> str:
    return unit(code).key if code in FEAFA_UNITS else code


def _missing(value: float | None) -> bool:
    return value is None or math.isnan(value)


def _number(value: float | None, decimals: int = 3) -> str:
    return "-" if _missing(value) else f"{round(value, decimals) + 0.0:.{decimals}f}"  # + 0.0: never "-0.000"


def _percent(value: float | None) -> str:
    return "-" if _missing(value) else f"{100 * value:.1f}%"


def _interval(found: Mapping[str, float]) -> str:
    return f"[{_number(found['low'])}, {_number(found['high'])}]"
