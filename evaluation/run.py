"""One evaluation: the checkpoint of each fold reads the subjects that the fold tests."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from aullava.action_units import Protocol
from aullava.checkpoint.identity import CheckpointIdentity
from aullava.checkpoint.training_record import training_record
from aullava.dataset_builder.corpora.registry import reader_class
from aullava.detection.framing import AskedFraming, Framing
from aullava.evaluation.predictions import Predictions, joined, predict
from aullava.evaluation.recognizer import Recognizer
from aullava.evaluation.rows import EvaluationRows, base_rates, evaluation_rows

FOLD = "{fold}"  # in the name of a checkpoint


@dataclass(frozen=True)
class Task:
    """What is evaluated.

    Attributes:
        checkpoint: folder or Hub id; "{fold}" in it stands for the fold's name.
        folds: names, or (None,) without folds.
        faces: the flags about how faces are cropped.
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
    faces: AskedFraming
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What was read.

    Attributes:
        predictions: of all folds together.
        rate_NU: base rates for each row, of the subjects its fold trains on; None if unknown.
        thresholds: code -> threshold on P(present).
        framing: how faces were cropped. trained_framing: as the checkpoint says.
        identities: fold -> its checkpoint.
        first: recognizer and rows of the first fold, on which the checks are made.
    """

    predictions: Predictions
    rate_NU: np.ndarray | None
    thresholds: dict[str, float]
    framing: Framing
    trained_framing: Framing
    identities: dict[str, CheckpointIdentity]
    notes: tuple[str, ...]
    first: tuple[Recognizer, EvaluationRows]


def run(task: Task, store: Path, say: Callable[[str], None], labels: Sequence[str] = ()) -> Outcome:
    """Read all rows of all folds.

    Args:
        labels: group labels that every row must have.
        store: folder of the readings; one folder a fold.
        say: called with one line per stage.

    Raises:
        ValueError: the checkpoint, corpus or store is wrong, the checkpoint has seen these subjects, or rows lack a group
            label.
    """
    parts, thresholds, identities, rates, notes, first = {}, [], {}, [], [], None
    trained_framings: list[Framing] = []
    for fold in task.folds:
        name = fold or ""
        checkpoint = task.checkpoint.replace(FOLD, name)
        recognizer = Recognizer.load(checkpoint, task.device)
        # Not before: of a checkpoint on the Hub the record is that of the commit which was loaded.
        refuse_calibrated(checkpoint, task.corpus, fold, task.split)
        trained_framings.append(Framing(**recognizer.model.config.framing))
        framing = corpus_framing(task.corpus, task.faces, trained_framings[-1])
        task = replace(task, options=picture_options(task.corpus, recognizer, framing, task.options))
        rows = evaluation_rows(task.corpus, task.data_dir, task.protocol, fold, task.split, task.limit, **task.options)
        notes.append(recognizer.refuse_seen(rows))
        if unknown := [label for label in labels if label not in rows.groups]:
            raise ValueError(
                f"--group-by {unknown[0]}: the rows have {', '.join(rows.groups) or 'no labels of groups'}"
            )
        say(f"{name or task.corpus}: reading {len(rows)} rows")
        parts[name] = predict(
            recognizer, rows, task.protocol, task.mode, task.batch_size, store / name if name else store
        )
        thresholds.append(recognizer.model.config.calibration.get("thresholds", {}).get(task.protocol.name, {}))
        identities[name] = recognizer.identity
        rates.append(base_rates(task.corpus, task.data_dir, task.protocol, fold, **task.options))
        first = first or (recognizer, rows)
    if any(found != thresholds[0] for found in thresholds):
        raise ValueError(
            "the folds' checkpoints have different thresholds: evaluate them one by one, with --fold, or calibrate each with "
            "--temperatures-only"
        )
    if any(found != trained_framings[0] for found in trained_framings):
        raise ValueError("the folds' checkpoints frame faces differently: evaluate them one by one, with --fold")
    predictions = parts[""] if "" in parts else joined(parts)
    return Outcome(
        predictions,
        by_row(rates, [len(part.rows) for part in parts.values()]),
        dict(thresholds[0]),
        framing,
        trained_framings[0],
        identities,
        (*first[1].notes, *dict.fromkeys(filter(None, notes))),
        first,
    )


def by_row(rates: Sequence[np.ndarray | None], counts: Sequence[int]) -> np.ndarray | None:
    """(N, U) base rates of the fold that tests each row, from each fold's rates (U,) and count of rows; None unless all are known.

    Rates averaged over folds would hold the tested subjects themselves, since each trains in all folds but one.
    """
    return None if any(rate_U is None for rate_U in rates) else np.repeat(rates, counts, axis=0)


def corpus_framing(corpus: str, asked: AskedFraming, trained: Framing) -> Framing:
    """How a corpus's images are cropped: as the checkpoint was trained, but not where they are faces already.

    Raises:
        ValueError: what is asked contradicts the checkpoint, or the images are not cropped.
    """
    if reader_class(corpus).framing is None:
        framing = asked.over(trained)
        return replace(framing, largest=framing.crops)  # a labelled frame is about one person
    if asked.override or asked.faces not in ("auto", "none"):
        raise ValueError(
            f"pictures of {corpus} are faces already and are not cropped: leave --faces and --framing out"
        )
    return Framing("none")


def picture_options(
    corpus: str, recognizer: Recognizer, framing: Framing, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Options of the rows with those that make their images: made in the size that the model takes unless another was asked
    for; else cropped as `framing` says."""
    if side := reader_class(corpus).side_option:
        return {side: recognizer.side} | dict(options)
    return {**options, "faces": framing}


def refuse_calibrated(checkpoint: str, corpus: str, fold: str | None, split: str) -> None:
    """Refuse to score a checkpoint on subjects that its calibration was fitted on, as its training.json says.

    Raises:
        ValueError: the rows may show some of them.
    """
    fitted = (training_record(checkpoint) or {}).get("calibration", {})
    if fitted.get("corpus") == corpus and (split != "test" or _number(fitted["fold"]) != _number(fold)):
        raise ValueError(
            f"{checkpoint} was calibrated on validation subjects of {corpus}, fold {fitted['fold']}, but fold {fold}, "
            f"split {split} is to test it and may show the same subjects; expected split test of the same fold"
        )


def _number(fold: str | int | None) -> str | None:
    """A fold by one name: "fold1", "1" and 1 are the same."""
    return None if fold is None else str(fold).removeprefix("fold")
