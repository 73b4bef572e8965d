"""One evaluation: every fold's people read by its checkpoint, calibrated on validation people where that is asked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from aullava.action_units import CONTINUOUS, Protocol
from aullava.dataset_builder.errors import CorpusError
from aullava.evaluation.calibrate import Fit, Read, fit_calibration, without_calibration
from aullava.evaluation.predictions import Predictions, joined, predict
from aullava.evaluation.recognizer import Recognizer
from aullava.evaluation.rows import PROCEDURAL, EvaluationRows, base_rates, evaluation_rows

FOLD = "{fold}"  # in the name of a checkpoint


@dataclass(frozen=True)
class Task:
    """What is evaluated.

    Attributes:
        checkpoint: folder or Hub id; "{fold}" in it stands for the fold's name.
        folds: names, or (None,) without folds.
        calibrate: whether a calibration is fitted on validation people first, for this run only.
        options: of the rows, as `evaluation_rows` takes them.
    """

    checkpoint: str
    corpus: str
    data_dir: str | None
    protocol: Protocol
    mode: str
    folds: tuple[str | None, ...]
    split: str
    limit: int | None
    batch_size: int
    device: str
    calibrate: bool
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What was read.

    Attributes:
        predictions: of all folds together.
        rate_NU: base rates for each row, of the people its fold trains on; None if unknown.
        fits: fold -> the calibration that was fitted. thresholds: code -> threshold on P(present).
        weights: fold -> hash of its checkpoint's files, or name and commit on the Hub.
        first: recognizer and rows of the first fold, on which the checks are made.
    """

    predictions: Predictions
    rate_NU: np.ndarray | None
    fits: dict[str, Fit]
    thresholds: dict[str, float]
    weights: dict[str, str]
    notes: tuple[str, ...]
    first: tuple[Recognizer, EvaluationRows]


def run(task: Task, store: Path, say: Callable[[str], None], labels: Sequence[str] = ()) -> Outcome:
    """Read everything.

    Args:
        labels: of groups of people; every row has to have them.
        store: folder of the readings; one folder a fold.
        say: takes a line on each stage.

    Raises:
        ValueError: the checkpoint, the corpus or the store is not what it should be, the checkpoint has seen these people, or rows
            lack a label of groups.
    """
    parts, fits, thresholds, weights, rates, notes, first = {}, {}, [], {}, [], [], None
    for fold in task.folds:
        name = fold or ""
        checkpoint = task.checkpoint.replace(FOLD, name)
        recognizer = Recognizer.load(checkpoint, task.device)
        task = _drawn_to_size(task, recognizer)
        rows = evaluation_rows(task.corpus, task.data_dir, task.protocol, fold, task.split, task.limit, **task.options)
        notes.append(recognizer.refuse_seen(rows))
        if unknown := [label for label in labels if label not in rows.groups]:
            raise ValueError(
                f"--group-by {unknown[0]}: the rows have {', '.join(rows.groups) or 'no labels of groups'}"
            )
        if task.calibrate:
            say(f"{name or task.corpus}: calibrating on validation people")
            fits[name] = calibrate(recognizer, task, fold)
            recognizer.model.config.calibration = fits[name].calibration
        say(f"{name or task.corpus}: reading {len(rows)} rows")
        parts[name] = predict(
            recognizer, rows, task.protocol, task.mode, task.batch_size, store / name if name else store
        )
        thresholds.append(recognizer.model.config.calibration.get("thresholds", {}).get(task.protocol.name, {}))
        weights[name] = recognizer.weights
        rates.append(base_rates(task.corpus, task.data_dir, task.protocol, fold, **task.options))
        first = first or (recognizer, rows)
    if any(found != thresholds[0] for found in thresholds):
        raise ValueError("the folds' checkpoints have different thresholds: evaluate them one by one, with --fold")
    predictions = parts[""] if "" in parts else joined(parts)
    return Outcome(
        predictions,
        by_row(rates, [len(part.rows) for part in parts.values()]),
        fits,
        dict(thresholds[0]),
        weights,
        (*first[1].notes, *dict.fromkeys(filter(None, notes))),
        first,
    )


def by_row(rates: Sequence[np.ndarray | None], counts: Sequence[int]) -> np.ndarray | None:
    """(N, U) base rates of the fold that tests each row, from each fold's rates (U,) and count of rows; None unless all are known.

    Rates averaged over folds would hold the tested people themselves, since each trains in all folds but one.
    """
    return None if any(rate_U is None for rate_U in rates) else np.repeat(rates, counts, axis=0)


def _drawn_to_size(task: Task, recognizer: Recognizer) -> Task:
    """Drawn faces come in the size of the model's pictures unless another was asked for."""
    if task.corpus != PROCEDURAL:
        return task
    return replace(task, options={"draw_size": recognizer.side} | dict(task.options))


def calibrate(recognizer: Recognizer, task: Task, fold: str | None) -> Fit:
    """Temperatures, and with one fold thresholds, from validation people; see calibrate.py.

    Raises:
        ValueError: the split may hold validation people, or there is nothing to fit: no probabilities, or no temperature.

    With a frozen fold they are the tenth of its training people that `train_sft.py` sets aside by default.
    """
    if task.split != "test":
        raise ValueError(
            f"--calibrate with --split {task.split}: it would be fitted on people it is tested on; expected split test"
        )
    if task.mode == "generate" or task.protocol.scale == CONTINUOUS:
        what = (
            "mode generate gives no probabilities"
            if task.mode == "generate"
            else "the continuous scale has no temperature"
        )
        raise ValueError(f"--calibrate: {what}; leave it out")
    options = dict(task.options)
    if fold is not None:
        options.setdefault("validation_share", 0.1)
    try:
        rows = evaluation_rows(task.corpus, task.data_dir, task.protocol, fold, "validation", task.limit, **options)
    except CorpusError as error:
        raise CorpusError(f"--calibrate needs validation people: {error}") from error
    with without_calibration(recognizer.model):
        read = predict(recognizer, rows, task.protocol, task.mode, task.batch_size, keep_distribution=True)
    reads = [Read(task.protocol, read.truth_NU, read.distribution_NUV)]
    return fit_calibration(reads, rows.split, thresholds=len(task.folds) == 1)
