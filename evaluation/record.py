"""Everything an evaluation found, as one JSON object: scores, baselines, published figures, checks."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from aullava.action_units import CONTINUOUS, OCCURRENCE, Protocol
from aullava.evaluation.agreement import present_label
from aullava.evaluation.baselines import baselines
from aullava.evaluation.checks import Sample, batch_against_single, formats, free_answers, status_rates
from aullava.evaluation.corruption import KINDS, corrupt
from aullava.evaluation.groups import score_groups
from aullava.evaluation.predictions import UNREADABLE, Predictions, predict
from aullava.evaluation.published import published
from aullava.evaluation.rows import base_rates
from aullava.evaluation.run import Outcome, Task, by_row
from aullava.evaluation.views import PRESENT, Scored, View, score, views


@dataclass(frozen=True)
class Extras:
    """What is measured beside the scores.

    Attributes:
        group_by: labels of the rows. checks, corrupt: on so many rows; 0: not. draws: of the bootstrap.
    """

    group_by: tuple[str, ...] = ()
    checks: int = 64
    corrupt: int = 0
    draws: int = 1000


def score_views(outcome: Outcome, draws: int) -> list[Scored]:
    """The scores of everything that is scored of the protocol."""
    return [score(view, outcome.predictions, draws) for view in views(outcome.predictions, outcome.thresholds)]


def make_record(
    task: Task, outcome: Outcome, scored: Sequence[Scored], extras: Extras, say: Callable[[str], None]
) -> dict[str, Any]:
    """The content of the report; `finite` turns it into JSON.

    Args:
        say: called with one line per stage.

    Raises:
        ValueError: a label has fewer than two groups.
    """
    read, chosen, path = outcome.predictions, [one.view for one in scored], Path(task.checkpoint)
    rate_of = {PRESENT: _present_rates(read, outcome, task)}
    controls = {
        view.name: {
            name: score(other, read, 0).result
            for name, other in baselines(view, rate_of.get(view.name, outcome.rate_NU)).items()
        }
        for view in chosen
    }
    return {
        "checkpoint": {
            "name": path.name if path.is_dir() or path.is_absolute() else task.checkpoint,  # no place of this machine
            "id": {fold: found.id for fold, found in outcome.identities.items()},
            "settings": {fold: found.settings for fold, found in outcome.identities.items()},
            "revision": {fold: found.revision for fold, found in outcome.identities.items()},
        },
        "framing": {"used": outcome.framing.stored(), "checkpoint": outcome.trained_framing.stored()},
        "corpus": task.corpus,
        "split": task.split,
        "folds": [fold for fold in task.folds if fold],
        "protocol": {"name": read.protocol.name, "units": list(read.protocol.units), "scale": read.protocol.scale}
        | {"occurrence_threshold": read.protocol.occurrence_threshold},
        "mode": read.mode,
        "rows": len(read.rows),
        "people": len({*read.subjects}),
        "notes": [*outcome.notes],
        "answers": status_rates(read) | {UNREADABLE: read.status.count(UNREADABLE)},
        "thresholds": outcome.thresholds,
        "scores": {one.view.name: _as_json(one, read) for one in scored},
        "controls": controls,
        "published": _published(task, chosen, read),
        "groups": {label: _groups(read, chosen, label, extras.draws) for label in extras.group_by},
        "checks": _checks(extras.checks, task, outcome, say),
        "corruption": _corruption(extras.corrupt, task, outcome, say),
    }


def _present_rates(read: Predictions, outcome: Outcome, task: Task) -> np.ndarray | None:
    """(N, U) share of positives among each row's training subjects: given on the occurrence scale, looked up anew for levels."""
    if outcome.rate_NU is None or read.protocol.scale == OCCURRENCE:
        return outcome.rate_NU
    if read.protocol.scale == CONTINUOUS:
        return None
    present = Protocol(read.protocol.name, read.protocol.units, OCCURRENCE, read.protocol.occurrence_threshold)
    rates = [base_rates(task.corpus, task.data_dir, present, fold, **task.options) for fold in task.folds]
    return by_row(rates, [read.folds.count(fold) if read.folds else len(read.rows) for fold in task.folds])


def _as_json(scored: Scored, read: Predictions) -> dict[str, Any]:
    names = [*read.protocol.units, "mean"]
    intervals = {
        headline: {
            "level": found.level,
            "people": found.subjects,
            "draws": found.draws,
            **{
                name: {
                    "value": float(value),
                    "low": float(low),
                    "high": float(high),
                    "undefined_draws": int(undefined),
                }
                for name, value, low, high, undefined in zip(
                    names, found.value, found.low, found.high, found.undefined, strict=True
                )
            },
        }
        for headline, found in scored.intervals.items()
    }
    return scored.result | {"intervals": intervals}


def _published(task: Task, chosen, read: Predictions) -> dict[str, Any]:
    """View -> the published block, and our row on its units by the papers' conventions."""
    found = {}
    for view in chosen:
        block = published(task.corpus, view.name)
        units = [code for code in block.units if code in read.protocol.units] if block else []
        if not units:
            continue
        convention = {"convention": "published"} if view.name == PRESENT else {}
        ours = score(view, read, 0, **convention).result
        of_units = {
            kind: {code: ours[kind]["per_unit"][code] for code in units}
            for kind in ("pooled", "mean_over_folds")
            if kind in ours
        }
        found[view.name] = vars(block) | {
            "ours": of_units,
            "missing_units": [c for c in block.units if c not in units],
        }
    return found


def _groups(read: Predictions, chosen: Sequence[View], label: str, draws: int) -> dict[str, Any]:
    said_NU, truth_NU = (present_label(values_NU, read.protocol) for values_NU in (read.value_NU, read.truth_NU))
    for view in chosen:
        if view.name == PRESENT:  # by probabilities, as in the table of the view
            said_NU = np.where(np.isnan(view.said_NU), np.nan, view.said_NU >= view.threshold_U)
    names = read.groups[label]
    if all(name.isdecimal() for name in names):
        names = tuple(int(name) for name in names)  # so that 10 follows 9
    found = score_groups(truth_NU, said_NU, read.subjects, names, read.protocol.units, draws=draws)
    groups = [
        vars(group) | {"f1_U": group.f1_U.tolist(), "positives_U": group.positives_U.tolist()}
        for group in found.groups
    ]
    return vars(found) | {"groups": groups}


def _checks(count: int, task: Task, outcome: Outcome, say: Callable[[str], None]) -> dict[str, Any]:
    if not count:
        return {}
    recognizer, rows = outcome.first
    say(f"checks on {min(count, len(rows))} rows")
    sample = Sample.spread(rows, count)
    found = {
        "batch_against_single": batch_against_single(recognizer, sample, task.protocol, task.mode, task.batch_size)
    }
    if task.mode != "generate":
        found["free_answers"] = free_answers(recognizer, sample, task.protocol, task.batch_size)
        if agreed := formats(recognizer, sample, task.protocol, task.mode, task.batch_size):
            found["formats"] = agreed
    return found


def _corruption(count: int, task: Task, outcome: Outcome, say: Callable[[str], None]) -> dict[str, Any]:
    """Headline of the first view, mean over supported units, of clean and of corrupted images."""
    if not count:
        return {}
    recognizer, rows = outcome.first
    sample = Sample.spread(rows, count)
    say(f"corruptions on {len(sample.places)} rows")

    def reached(kind: str | None = None, severity: int = 0) -> float:
        worse = replace(sample, change=lambda image, row: corrupt(image, kind, severity, row)) if kind else sample
        read = predict(recognizer, worse, task.protocol, task.mode, task.batch_size)
        view = views(read, outcome.thresholds)[0]
        return score(view, read, 0).result["pooled"][f"{view.headlines[0]}_supported"]

    clean = reached()
    view = views(outcome.predictions)[0]
    return {
        "rows": len(sample.places),
        "score": f"{view.headlines[0]} of {view.name}",
        "clean": clean,
        "losses": {kind: [clean - reached(kind, severity) for severity in range(1, 6)] for kind in KINDS},
    }


def finite(value: Any) -> Any:
    """As JSON holds it: NaN becomes null, arrays lists."""
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return finite(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value
