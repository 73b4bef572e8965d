"""The tables below the figures of evaluate_embedded.py, in Markdown."""

from typing import Any

import numpy as np
from parts.embedded_controls import SHIFTS
from parts.embedded_scores import BP4D, DISFA, FEAFA
from reporting import markdown_table

from aullava.evaluation.corruption import KINDS
from aullava.evaluation.groups import GroupScores


def details(note: str, measured: Any, robust: int) -> str:
    """All tables, each under its heading.

    Args:
        note: what stands on top of them. measured: an evaluate_embedded.Measured. robust: faces of corruptions and shifts.
    """
    sections = {
        "Units": units(measured.scores, measured.sides),
        "Controls": controls(measured.scores),
        "Calibration, in sample": calibration(measured.fit),
        "Agreement of formats": agreements(measured),
        "Dose: reading of a unit that grows from 0 to 1 while all else rests": doses(measured.doses),
        f"Corruptions: macro F1 over BP4D's units on {robust} faces, and the change by each strength (setting)": losses(
            measured.corruptions, KINDS
        ),
        f"Views beyond training: the same on {robust} faces": losses(measured.shifts, SHIFTS),
        "Skin tone (Monk scale): F1 of BP4D's units": by_group(measured.groups["skin_tone"]),
        "Gaps between groups: macro F1 over BP4D's units": gaps(measured.groups),
    }
    return "\n\n".join([note, *(f"## {heading}\n\n{table}" for heading, table in sections.items())])


def units(scores: dict[str, dict[str, float]], asymmetric: dict[str, int]) -> str:
    read, present = scores["read"], scores["all present"]
    rows = [
        (
            code,
            _number(read.get(f"f1_bp4d_{code}")),
            _number(present.get(f"f1_bp4d_{code}")),
            _number(read.get(f"f1_disfa_{code}")),
            _number(present.get(f"f1_disfa_{code}")),
            _number(read.get(f"icc_disfa_{code}")),
        )
        for code in sorted({*BP4D.units, *DISFA.units}, key=lambda code: int(code[2:]))
    ]
    values = [(code, _number(read[f"mae_{code}"]), _number(scores["all zero"][f"mae_{code}"])) for code in FEAFA.units]
    sides = [(pair, str(faces), _number(read[f"side_correct_{pair}"])) for pair, faces in asymmetric.items()]
    return "\n\n".join(
        (
            markdown_table(
                ("unit", "F1 (bp4d)", "all present", "F1 of level >= 2 (disfa)", "all present", "ICC (disfa)"), rows
            ),
            markdown_table(("value (feafa)", "mean absolute error", "all zero"), values),
            markdown_table(("pair (feafa)", "asymmetric faces", "side found"), sides),
        )
    )


def controls(scores: dict[str, dict[str, float]]) -> str:
    names = ("f1_bp4d12", "f1_disfa8", "min_au_f1", "icc_disfa12", "mae_disfa12", "mae_feafa24", "min_side_correct")
    return markdown_table(
        ("reading", *names), [(who, *(_number(found[name]) for name in names)) for who, found in scores.items()]
    )


def calibration(fit: Any) -> str:
    temperatures = [(scale, _number(value)) for scale, value in fit.calibration["temperature"].items()]
    errors = [(name, _number(fit.before[name]), _number(fit.after[name])) for name in fit.before]
    thresholds = [(code, _number(value)) for code, value in fit.calibration["thresholds"].get("bp4d", {}).items()]
    return "\n\n".join(
        (
            markdown_table(("scale", "temperature"), temperatures),
            markdown_table(("protocol", "ECE before", "ECE after"), errors),
            markdown_table(("unit of bp4d", "threshold, 0.5 if not named"), thresholds),
        )
    )


def agreements(measured: Any) -> str:
    rows = []
    for name, found in {"bp4d, disfa, feafa": measured.named, **measured.lists}.items():
        pairs = ", ".join(f"{first} and {second} {share:.3f}" for (first, second), share in found.pairs.items())
        lowest = sorted(found.units.items(), key=lambda item: item[1])[:3]
        least = ", ".join(f"{code} {share:.3f}" for code, share in lowest)
        rows.append((name, f"{found.share:.4f}", str(found.decisions), str(found.undetermined), pairs, least))
    return markdown_table(("asked", "agree", "decisions", "undetermined", "pairs", "least"), rows)


def doses(found: dict[tuple[str, str], Any]) -> str:
    steps = len(next(iter(found.values())).mean_S)
    columns = ("unit", "read as", *(f"{step:.1f}" for step in np.linspace(0, 1, steps)), "Spearman", "steps that rise")
    rows = [
        (code, protocol, *(_number(v) for v in dose.mean_S), _number(dose.spearman), _number(dose.rising))
        for (code, protocol), dose in found.items()
    ]
    return markdown_table(columns, rows)


def losses(found: dict[str, list[float]], strengths: dict[str, tuple[float, ...]]) -> str:
    most = max(len(values) for values in strengths.values())
    rows = [("clean", _number(found["clean"][0]), *[""] * (most - 1))]
    for kind, lost in found.items():
        if kind != "clean":
            cells = [f"{-loss:+.3f} ({strength:g})" for loss, strength in zip(lost, strengths[kind], strict=True)]
            rows.append((kind, *cells, *[""] * (most - len(cells))))
    return markdown_table(("kind", *(f"strength {number}" for number in range(1, most + 1))), rows)


def by_group(scores: GroupScores) -> str:
    columns = ("group", "people", "macro F1", *BP4D.units)
    rows = [
        (str(group.name), str(group.people), _number(group.macro_f1), *map(_number, group.f1_U))
        for group in scores.groups
    ]
    return markdown_table(columns, rows)


def gaps(found: dict[str, GroupScores]) -> str:
    columns = (
        "label",
        "groups",
        "gap",
        "95% interval",
        "gap by chance",
        "share of chance gaps as large",
        "units left out",
    )
    rows = [
        (
            label,
            str(len(scores.groups)),
            _number(scores.gap),
            f"{scores.low:.3f} to {scores.high:.3f}",
            _number(scores.chance),
            _number(scores.p),
            ", ".join(scores.left_out) or "none",
        )
        for label, scores in found.items()
    ]
    return markdown_table(columns, rows)


def _number(value: float | None) -> str:
    return "" if value is None else "undefined" if np.isnan(value) else f"{value:.3f}"
