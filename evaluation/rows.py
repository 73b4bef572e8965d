"""The rows of an evaluation: images, opened one at a time, labels, subjects, groups.

Conventions
    labels      of a protocol on its scale, derived where the corpus codes a richer one (dataset_builder/rows/derive.py).
                NaN: not coded.
    row         named corpus/subject/sequence/camera/frame.
    limit       rows evenly spread over the split, in its order; the first ones would all be of one subject.
    base rates  means of the labels of the TRAINING subjects of the same fold: the share of positives, or the mean level or value.
                None if the training subjects are unknown.
"""

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, DatasetDict, concatenate_datasets
from PIL import Image

from aullava.action_units import Protocol
from aullava.dataset_builder import load_au_dataset
from aullava.dataset_builder.corpora.registry import open_corpus, reader_class
from aullava.dataset_builder.errors import CorpusError
from aullava.dataset_builder.rows.derive import as_protocol, values_from_columns
from aullava.dataset_builder.rows.records import FrameRecord

EVERY = "all"  # a split: all usable rows of all subjects
RATE_FACES = 4000  # drawn training faces that base rates are taken from
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EvaluationRows:
    """Rows of one split.

    Attributes:
        rows: their names. subjects: who is in each. groups: label -> its value in each row.
        values: of each row, scale -> code -> value.
        fingerprint: of names, labels, and how images are made.
        notes: what the corpus and the loader say of the rows.
    """

    corpus: str
    split: str
    fold: str
    rows: tuple[str, ...]
    subjects: tuple[str, ...]
    groups: dict[str, tuple[str, ...]]
    values: tuple[Mapping[str, Mapping[str, float]], ...] = field(repr=False)
    fingerprint: str
    notes: tuple[str, ...]
    open_image: Callable[[int], Image.Image] = field(repr=False)

    def __len__(self) -> int:
        return len(self.rows)

    def image_at(self, row: int) -> Image.Image:
        """The image of a row, RGB. Raises what reading a damaged image raises."""
        image = self.open_image(row)
        image.load()
        return image.convert("RGB")

    def truth(self, protocol: Protocol) -> np.ndarray:
        """(N, U) labels of a protocol."""
        return _table(self.values, protocol)


def evaluation_rows(
    corpus: str,
    data_dir: str | Path | None,
    protocol: Protocol,
    fold: str | None = None,
    split: str = "test",
    limit: int | None = None,
    **options: Any,
) -> EvaluationRows:
    """The usable rows of a split that code a unit of the protocol.

    Args:
        corpus: a name of `corpora.registry.READERS`. data_dir: its folder; None for drawn and rendered faces.
        protocol: whose units a row must code at least one of.
        fold: a frozen fold such as "fold1"; None: the owners' splits, or for split "all" everybody.
        split: "train", "validation", "test" or "all".
        limit: at most so many rows.
        options: of `load_au_dataset`, those of the corpus among them; drawn and rendered faces take those of their reader.

    Raises:
        CorpusError: wrong folder, unknown fold or split, nothing left. TypeError: an unknown option.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit is {limit}: expected 1 or more")
    if not reader_class(corpus).on_disk:
        return _made(corpus, data_dir, protocol, fold, split, limit, options)
    return _stored(_split_of(corpus, data_dir, protocol, fold, split, options), corpus, protocol, fold, split, limit)


def base_rates(
    corpus: str, data_dir: str | Path | None, protocol: Protocol, fold: str | None = None, **options: Any
) -> np.ndarray | None:
    """(U,) mean label of the training subjects, NaN for a unit that is not coded; None if the training subjects are unknown.

    Args: as `evaluation_rows`.
    """
    if not reader_class(corpus).on_disk:
        options = {name: value for name, value in options.items() if name not in ("count", "first")}
        records = _records(open_corpus(corpus, data_dir, split="train", count=RATE_FACES, **options))
        return _means(_table([record.values for record in records], protocol))
    try:
        rows = _split_of(corpus, data_dir, protocol, fold, "train", options)
    except CorpusError as error:
        _log.warning("no base rates: %s", error)
        return None
    return _means(_table(_values(rows), protocol))


def _split_of(corpus, data_dir, protocol, fold, split, options) -> Dataset:
    if split != EVERY:
        return load_au_dataset(corpus, data_dir, protocol, fold, split, **options)
    parts = load_au_dataset(corpus, data_dir, protocol, fold, None, **options)
    return concatenate_datasets([*parts.values()]) if isinstance(parts, DatasetDict) else parts


def _stored(dataset: Dataset, corpus, protocol: Protocol, fold, split, limit) -> EvaluationRows:
    source = Path(dataset.cache_files[0]["filename"]).parent.parent.name if dataset.cache_files else ""
    total = len(dataset)
    if limit is not None:
        dataset = dataset.select(_spread(total, limit))
    heads = dataset.remove_columns(
        [name for name in dataset.column_names if name == "image" or name[:2] in ("AU", "AD")]
    )
    rows = tuple("/".join((corpus, r["subject"], r["sequence"], r["camera"], str(r["frame"]))) for r in heads)
    labels = [name for name in heads.column_names if name.startswith("group_")]
    return _evaluation_rows(
        (corpus, split, fold),
        rows,
        tuple(heads["subject"]),
        {
            name.removeprefix("group_"): tuple("unknown" if value is None else value for value in heads[name])
            for name in labels
        },
        tuple(_values(dataset)),
        source,
        (*dataset.info.description.splitlines(), *_limited(len(rows), total)),
        lambda row: dataset[row]["image"],
    )


def _made(corpus: str, data_dir, protocol: Protocol, fold, split, limit, options) -> EvaluationRows:
    if fold is not None or split == EVERY:
        raise CorpusError(
            f"fold {fold}, split {split} of {corpus} faces: they have no folds; expected train, validation or test"
        )
    reader = open_corpus(corpus, data_dir, split=split, **options)
    records = _records(reader)
    total = len(records)
    if limit is not None:
        records = [records[i] for i in _spread(total, limit)]
    if not (~np.isnan(_table([records[0].values], protocol))).any():
        raise CorpusError(f"{corpus} faces show no unit of protocol {protocol.name!r} on the scale {protocol.scale!r}")
    return _evaluation_rows(
        (corpus, split, fold),
        tuple(f"{corpus}/{r.subject}/{r.sequence}/{r.camera}/{r.frame}" for r in records),
        tuple(record.subject for record in records),
        {label: tuple(record.groups[label] for record in records) for label in reader.groups},
        tuple(record.values for record in records),
        repr(sorted(options.items())),
        (reader.title, *reader.notes, f"options: {options or 'none'}", *_limited(len(records), total)),
        lambda row: records[row].image.draw(),
    )


def _evaluation_rows(place, rows, subjects, groups, values, source: str, notes, open_image) -> EvaluationRows:
    corpus, split, fold = place
    digest = hashlib.sha256(repr((place, source, rows)).encode(errors="surrogateescape"))
    digest.update(repr(values).encode())
    stamp = digest.hexdigest()[:32]
    return EvaluationRows(corpus, split, fold or "", rows, subjects, groups, values, stamp, notes, open_image)


def _records(reader) -> list[FrameRecord]:
    return [record for subject in reader.subjects() for record in reader.read(subject)]


def _values(dataset: Dataset) -> list[dict[str, dict[str, float]]]:
    """Scale -> code -> value of every row, without opening its image."""
    return [values_from_columns(row) for row in dataset.remove_columns("image")]


def _table(values: Sequence[Mapping], protocol: Protocol) -> np.ndarray:
    return np.array([list(as_protocol(of_row, protocol).values()) for of_row in values], float)


def _means(truth_NU: np.ndarray) -> np.ndarray:
    coded_U = (~np.isnan(truth_NU)).sum(0)
    return np.divide(np.nansum(truth_NU, 0), coded_U, out=np.full(coded_U.shape, np.nan), where=coded_U > 0)


def _spread(total: int, limit: int) -> list[int]:
    """`limit` of `total` row numbers at even distances, each once."""
    return [*range(total)] if limit >= total else [i * total // limit for i in range(limit)]


def _limited(kept: int, total: int) -> tuple[str, ...]:
    return (f"{kept} of {total} rows, evenly spread",) if kept < total else ()
