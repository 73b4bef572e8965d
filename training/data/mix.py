"""Corpora become the training and validation rows of a run: loaded, split by subject, checked for leaks, mixed.

    data = training_rows(DataArguments(corpora=["disfa"], data_dirs=["DISFA"], folds=["fold1"]))
    data.train[0]            # {"images": [image], "turns": [...], "row": "disfa/SN003/..."}

Conventions
    validation  the corpus's own validation subjects; else a share of its training subjects, chosen by a hash of their id.
    test        the test data of a fold, or of the owners' split, are never read; only their subjects are looked up, so that none of
                them is in training or validation data.
"""

import hashlib
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from datasets import Dataset, DatasetDict

from aullava.dataset_builder.chat.dataset import askable
from aullava.dataset_builder.chat.formats import row_key
from aullava.dataset_builder.corpora.registry import reader_class
from aullava.dataset_builder.errors import CorpusError, LeakError
from aullava.dataset_builder.rows.builder import SPLIT
from aullava.dataset_builder.rows.folds import validation_subjects
from aullava.dataset_builder.rows.leaks import Person, people_of, person, refuse_leaks
from aullava.dataset_builder.rows.load import load_au_dataset
from aullava.dataset_builder.rows.schema import UNREADABLE
from aullava.dataset_builder.rows.seen import people_record
from aullava.detection.framing import without_folder
from aullava.image_aullava import ImageReadError
from aullava.training.data.draws import Plan, UnitStates, counts_of_shares, even_rows, row_weights, unit_states
from aullava.training.data.reading import Asking, ImageCount, Reading, read_image, undecoded
from aullava.training.data_arguments import DataArguments

_LOG = logging.getLogger(__name__)
_ROWS_AT_ONCE = 50_000


@dataclass(frozen=True, eq=False)
class Corpus:
    """Rows of one corpus that questions can be asked about. validation: None without one; states: of the training rows."""

    name: str
    train: Dataset
    validation: Dataset | None
    test_subjects: set[Person]
    states: UnitStates


@dataclass(frozen=True, eq=False)
class MixedData:
    """What a run is trained and validated on.

    Args:
        train: training rows, one for each image of an epoch.
        validation: rows of validation subjects, each once; None without any.
        validation_labels: corpus -> the builder's rows behind `validation`, to score readings by; their images can be read.
        manifest: what the data are, for JSON; holds no path of this machine.
        corpora, reading: what `train` is made from.
    """

    train: Dataset
    validation: Dataset | None
    validation_labels: Mapping[str, Dataset]
    manifest: Mapping[str, object]
    corpora: tuple[Corpus, ...]
    reading: Reading

    @property
    def counts(self) -> dict[str, dict[str, dict[str, int]]]:
        """Corpus -> split -> "rows" that can be asked about (in validation: that are) and their "subjects"."""
        return {entry["corpus"]: entry["splits"] for entry in self.manifest["corpora"]}


def training_rows(arguments: DataArguments, epoch: torch.Tensor | None = None) -> MixedData:
    """Load and mix the corpora.

    Args:
        arguments: at least one corpus.
        epoch: () int64 in shared memory, such as `augmentation.EpochOfRun().number`: every epoch draws other rows and asks other
            questions. None: every epoch repeats the first.

    Raises:
        CorpusError: a corpus cannot be read, has nothing to ask about, or no validation subjects. LeakError: a training subject is
            also a validation or test subject. ValueError: no corpus is given.
    """
    if not arguments.corpora:
        raise ValueError("corpora is empty: give corpora, or draw faces with aullava.dataset_builder.chat.drawn_faces")
    corpora = tuple(_load(arguments, place) for place in range(len(arguments.corpora)))
    _refuse_leaks(corpora)  # before images are read, which takes long
    rows = [corpus.train for corpus in corpora]
    images = ImageCount(arguments.corpora, [len(part) for part in rows], arguments.max_bad_images)
    asking = Asking(arguments.chat_mix(), arguments.format_shares)
    reading = Reading(list(map(undecoded, rows)), _plan(arguments, corpora), asking, images, epoch)
    labels = _validation_labels(arguments, corpora)
    return MixedData(
        reading.dataset(),
        _validation_rows(arguments, labels),
        labels,
        _manifest(arguments, corpora, labels),
        corpora,
        reading,
    )


def _load(arguments: DataArguments, place: int) -> Corpus:
    name, counts = arguments.corpora[place], Counter()
    loaded = load_au_dataset(
        name,
        arguments.folder_of(place),
        fold=arguments.fold_of(place),
        faces=arguments.framing if reader_class(name).framing is None else "none",
        cache_dir=arguments.cache_dir,
        num_proc=arguments.build_processes,
        counts=counts,
        **arguments.corpus_options.get(name, {}),
    )
    parts = loaded if isinstance(loaded, DatasetDict) else {SPLIT: loaded}
    for part in (part for part in parts if part != "test"):
        usable, unreadable = len(parts[part]), counts[part, UNREADABLE]
        if unreadable > arguments.max_bad_images * (usable + unreadable):
            raise CorpusError(
                f"{unreadable} images of {name} are unreadable and {usable} are not; max_bad_images is "
                f"{arguments.max_bad_images:g}. Get fresh copies of the files (`aullava build` names some), or raise max_bad_images"
            )
    train, validation = parts.get("train", parts.get(SPLIT)), parts.get("validation")
    if train is None:
        raise CorpusError(
            f"{name} has no training subjects here, only {', '.join(parts)}: give another fold, or leave it out"
        )
    if validation is None and arguments.validation_share:
        train, validation = _set_aside(name, train, arguments)
    train = _askable(name, train, arguments)
    validation = None if validation is None else _askable(name, validation, arguments)
    test_subjects = people_of(parts["test"]) if "test" in parts else set()
    return Corpus(name, train, validation, test_subjects, unit_states(train))


def _set_aside(name: str, train: Dataset, arguments: DataArguments) -> tuple[Dataset, Dataset]:
    """Training and validation rows; no subject is in both."""
    if not reader_class(name).people_known:
        _LOG.warning("%s does not identify subjects: training and validation may share some (validation_share)", name)
    subject_N = np.asarray(train.with_format("arrow")["subject"].to_numpy(), dtype=str)
    try:
        held = validation_subjects(set(subject_N.tolist()), arguments.validation_share, arguments.data_mix_seed)
    except CorpusError as error:
        raise CorpusError(f"{name}, validation_share={arguments.validation_share}: {error}") from None
    validates_N = np.isin(subject_N, sorted(held))
    return train.select(np.flatnonzero(~validates_N)), train.select(np.flatnonzero(validates_N))


def _askable(name: str, rows: Dataset, arguments: DataArguments) -> Dataset:
    """The rows that give turns; chat/dataset.py logs how many do not."""
    try:
        return rows.select(askable(rows, arguments.chat_mix()))
    except ValueError as error:
        asked = f"kind_shares={arguments.kind_shares} and format_shares={arguments.format_shares}"
        raise CorpusError(f"{name} has nothing to ask about with {asked}: {error}") from None


def _refuse_leaks(corpora: tuple[Corpus, ...]) -> None:
    """Raises LeakError if training, validation and test data of any corpora share a subject."""
    train = [corpus.train for corpus in corpora]
    validation = [corpus.validation for corpus in corpora if corpus.validation is not None]
    test = [corpus.test_subjects for corpus in corpora]
    try:
        for first, second in ((train, validation), (train, test), (validation, test)):
            refuse_leaks(first, second)
    except LeakError as error:
        raise LeakError(f"{error}. A run gives exclude_subjects in corpus_options, and folds in folds") from None


def _plan(arguments: DataArguments, corpora: tuple[Corpus, ...]) -> Plan:
    rows = [len(corpus.train) for corpus in corpora]
    total = sum(rows) if arguments.epoch_rows is None else arguments.epoch_rows
    counts = counts_of_shares(total, arguments.corpus_weights or rows)
    if empty := [corpus.name for corpus, count in zip(corpora, counts, strict=True) if not count]:
        raise CorpusError(
            f"{', '.join(empty)} would have no row in an epoch of epoch_rows={total} with corpus_weights="
            f"{arguments.corpus_weights} and {rows} rows: raise epoch_rows, or its weight"
        )
    weights = tuple(row_weights(corpus.states, arguments.balance_units) for corpus in corpora)
    return Plan(weights, tuple(counts), arguments.data_mix_seed)


def _validation_labels(arguments: DataArguments, corpora: tuple[Corpus, ...]) -> dict[str, Dataset]:
    """Corpus -> at most validation_rows rows in all, evenly over subjects. Each image is read once to see that it can be."""
    validating = [corpus for corpus in corpora if corpus.validation is not None]
    if not validating:
        return {}
    subjects = [
        person(corpus.name, subject)
        for corpus in validating
        for subject in corpus.validation.with_format("arrow")["subject"].to_pylist()
    ]
    generator = np.random.default_rng([arguments.data_mix_seed, 0])
    chosen = even_rows(subjects, arguments.validation_rows, generator)
    labels, first = {}, 0
    for corpus in validating:
        rows = corpus.validation
        mine = chosen[(chosen >= first) & (chosen < first + len(rows))] - first
        first += len(rows)
        # The limit is a fraction of the whole corpus, of which these are few rows.
        images = ImageCount([corpus.name], [len(corpus.train) + len(rows)], arguments.max_bad_images)
        readable = []
        for number, row in zip(mine, undecoded(rows.select(mine)), strict=True):
            try:
                read_image(row)
            except ImageReadError as error:
                images.bad(0, row_key(row), error)
            else:
                images.good(0)
                readable.append(number)
        if readable:
            labels[corpus.name] = rows.select(readable)
    return labels


def _validation_rows(arguments: DataArguments, labels: Mapping[str, Dataset]) -> Dataset | None:
    """Each row once, asked about units at the corpus's own rates."""
    if not labels:
        return None
    counts = [len(rows) for rows in labels.values()]
    plan = Plan(tuple(map(np.ones, counts)), tuple(counts), arguments.data_mix_seed)
    asking = Asking(replace(arguments.chat_mix(), active_share=None), arguments.format_shares)
    images = ImageCount(list(labels), counts, arguments.max_bad_images)
    return Reading(list(map(undecoded, labels.values())), plan, asking, images).dataset()


def _manifest(arguments: DataArguments, corpora: tuple[Corpus, ...], labels: Mapping[str, Dataset]) -> dict:
    entries = []
    for place, corpus in enumerate(corpora):
        options = arguments.corpus_options.get(corpus.name, {})
        splits = {"train": corpus.train} | ({"validation": labels[corpus.name]} if corpus.name in labels else {})
        entries.append(
            {
                "corpus": corpus.name,
                # Only the name of a path: the corpus may lie elsewhere on another machine.
                "options": {
                    key: Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value
                    for key, value in options.items()
                },
                "fold": arguments.fold_of(place),
                "crop_faces": "none" if reader_class(corpus.name).framing else without_folder(arguments.crop_faces),
                "splits": {
                    split: {"rows": len(rows), "subjects": len(people_of(rows))} for split, rows in splits.items()
                },
                "people": people_record(corpus.name, splits),
                "fingerprints": {split: content_hash(rows) for split, rows in splits.items()},
            }
        )
    names = ("corpus_weights", "epoch_rows", "balance_units", "kind_shares", "format_shares", "turns_per_image")
    names += ("full_question_share", "active_share", "validation_share", "validation_rows", "data_mix_seed")
    return {"corpora": entries, "mix": {name: getattr(arguments, name) for name in names}}


def content_hash(rows: Dataset) -> str:
    """SHA-256 of the rows' columns without images: the same on every machine for the same labels of the same frames."""
    digest = hashlib.sha256(" ".join(rows.column_names).encode())
    for table in rows.remove_columns("image").with_format("arrow").iter(_ROWS_AT_ONCE):
        digest.update(pd.util.hash_pandas_object(table.to_pandas(), index=False).to_numpy().tobytes())
    return digest.hexdigest()
