"""One evaluation: every fold's people read by its checkpoint, calibrated on validation people where that is asked."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from aullava.action_units import CONTINUOUS, Protocol
from aullava.dataset_builder.corpora.registry import reader_class
from aullava.dataset_builder.errors import CorpusError
from aullava.detection.framing import AskedFraming, Framing
from aullava.evaluation.calibrate import Fit, Read, fit_calibration, without_calibration
from aullava.evaluation.predictions import Predictions, joined, predict
from aullava.evaluation.recognizer import Recognizer
from aullava.evaluation.rows import EVERY, PROCEDURAL, EvaluationRows, base_rates, evaluation_rows

FOLD = "{fold}"  # in the name of a checkpoint


@dataclass(frozen=True)
class Task:
    """What is evaluated.

    Attributes:
        checkpoint: folder or Hub id; "{fold}" in it stands for the fold's name.
        folds: names, or (None,) without folds.
        calibrate: whether a calibration is fitted on validation people first, for this run only.
        faces: what the command says of how faces are cropped.
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
    faces: AskedFraming
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What was read.

    Attributes:
        predictions: of all folds together.
        rate_NU: base rates for each row, of the people its fold trains on; None if unknown.
        fits: fold -> the calibration that was fitted. thresholds: code -> threshold on P(present).
        framing: how faces were cropped. trained_framing: as the checkpoint says.
        weights: fold -> hash of its checkpoint's files, or name and commit on the Hub.
        first: recognizer and rows of the first fold, on which the checks are made.
    """

    predictions: Predictions
    rate_NU: np.ndarray | None
    fits: dict[str, Fit]
    thresholds: dict[str, float]
    framing: Framing
    trained_framing: Framing
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
    parts, fits, thresholds, weights, rates, first = {}, {}, [], {}, [], None
    trained_framings: list[Framing] = []
    for fold in task.folds:
        name = fold or ""
        checkpoint = task.checkpoint.replace(FOLD, name)
        refuse_seen(checkpoint, task.corpus, fold, task.split)
        recognizer = Recognizer.load(checkpoint, task.device)
        trained_framings.append(Framing(**recognizer.model.config.framing))
        framing = _framing(task, trained_framings[-1])
        task = _with_pictures(task, recognizer, framing)
        rows = evaluation_rows(task.corpus, task.data_dir, task.protocol, fold, task.split, task.limit, **task.options)
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
    if any(found != trained_framings[0] for found in trained_framings):
        raise ValueError("the folds' checkpoints frame faces differently: evaluate them one by one, with --fold")
    predictions = parts[""] if "" in parts else joined(parts)
    return Outcome(
        predictions,
        by_row(rates, [len(part.rows) for part in parts.values()]),
        fits,
        dict(thresholds[0]),
        framing,
        trained_framings[0],
        weights,
        first[1].notes,
        first,
    )


def by_row(rates: Sequence[np.ndarray | None], counts: Sequence[int]) -> np.ndarray | None:
    """(N, U) base rates of the fold that tests each row, from each fold's rates (U,) and count of rows; None unless all are known.

    Rates averaged over folds would hold the tested people themselves, since each trains in all folds but one.
    """
    return None if any(rate_U is None for rate_U in rates) else np.repeat(rates, counts, axis=0)


def _framing(task: Task, trained: Framing) -> Framing:
    """How the corpus's pictures are cropped: as the checkpoint was trained, but not where they are faces already."""
    if reader_class(task.corpus).framing is None:
        framing = task.faces.over(trained)
        return replace(framing, largest=framing.crops)  # a labelled frame is about one person
    if task.faces.override or task.faces.faces not in ("auto", "none"):
        raise ValueError(
            f"pictures of {task.corpus} are faces already and are not cropped: leave --faces and --framing out"
        )
    return Framing("none")


def _with_pictures(task: Task, recognizer: Recognizer, framing: Framing) -> Task:
    """The task with the options that make its pictures: drawn in the size that the model takes unless another was asked for;
    else cropped as `framing` says."""
    if task.corpus == PROCEDURAL:
        return replace(task, options={"draw_size": recognizer.side} | dict(task.options))
    return replace(task, options={**task.options, "faces": framing})


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


def refuse_seen(checkpoint: str, corpus: str, fold: str | None, split: str) -> None:
    """Refuse a checkpoint whose training.json says that it was trained on the people who are to test it.

    It knows the corpus's own name only: whoever trains on DISFA and tests on DISFA+ is told by `dataset_builder.leaks` in training.

    Raises:
        ValueError: it was trained on this corpus with another fold than the one tested.
    """
    file = Path(checkpoint) / "training.json"
    if corpus == PROCEDURAL or not file.is_file():
        return
    for entry in json.loads(file.read_text()).get("data", {}).get("corpora", ()):
        if entry.get("corpus") != corpus:
            continue
        if split == EVERY or split == "train" or _number(entry.get("fold")) != _number(fold):
            raise ValueError(
                f"{checkpoint} was trained on {corpus} with fold {entry.get('fold')}, but fold {fold}, split {split} is to test "
                f"it: it has seen people of it; expected split test of the same fold, or one checkpoint a fold ({FOLD} in its name)"
            )


def _number(fold: str | int | None) -> str | None:
    """A fold by one name: "fold1", "1" and 1 are the same."""
    return None if fold is None else str(fold).removeprefix("fold")
