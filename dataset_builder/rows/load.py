"""`load_au_dataset`: a corpus on disk, or drawn, as `datasets` rows, cut into splits that share nobody.

For example:
    rows = load_au_dataset("disfa", "DISFA", camera="right")                         # every usable labelled frame
    train = load_au_dataset("bp4d", "BP4D", fold="fold1", split="train")
    both = load_au_dataset("bp4d", "BP4D", fold=1, protocol="bp4d", faces="auto")     # a DatasetDict
    stream = load_au_dataset("disfa", "DISFA", streaming=True)                       # read as it is iterated over, nothing kept
"""

import logging
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from datasets import Dataset, DatasetDict, IterableDataset, IterableDatasetDict

from aullava.action_units import Protocol
from aullava.dataset_builder.corpora.registry import options_of
from aullava.dataset_builder.errors import CorpusError
from aullava.dataset_builder.rows.builder import SPLIT, AUDatasetBuilder
from aullava.dataset_builder.rows.images import ImageOptions
from aullava.dataset_builder.rows.schema import NO_FACE, OK
from aullava.dataset_builder.rows.splits import no_split, split_subjects
from aullava.detection.framing import AskedFraming, Framing

_log = logging.getLogger(__name__)


def load_au_dataset(
    name: str,
    data_dir: str | os.PathLike | None = None,
    protocol: str | Protocol | None = None,
    fold: str | int | None = None,
    split: str | None = None,
    streaming: bool = False,
    faces: str | Framing = "none",
    *,
    subjects: Sequence[str] | None = None,
    exclude_subjects: Sequence[str] = (),
    validation_share: float = 0.0,
    seed: int = 0,
    no_face: str = "drop",
    margin: float | None = None,
    size: int | None = None,
    encoding: str = "auto",
    cache_dir: str | os.PathLike | None = None,
    num_proc: int | None = None,
    counts: Counter | None = None,
    **options,
) -> Dataset | DatasetDict | IterableDataset | IterableDatasetDict:
    """Rows of one corpus, as schema.py describes them.

    Rows without a usable image or without any coded unit are left out and counted: in a warning of this module's logger, and in
    the dataset's `info.description` beside the options. Images in files stay where they are and are opened when a row is read;
    `aullava build` writes Parquet files that hold them.

    Args:
        name: a corpus of `corpora.registry.READERS`.
        data_dir: its folder; the file for "table"; nothing for "procedural" and "rendered".
        protocol: the units and the scale of the values (name, list such as "AU1,AU12", or Protocol); other scales are derived as
            derive.py says. None: everything that the corpus codes.
        fold: a frozen fold such as "fold1" or 1, "megraphau_fold1", "loso:S010"; None: no fold.
        split: "train", "validation" or "test"; None: with a fold or the owners' splits a DatasetDict of all, else every row.
        streaming: rows come as they are iterated over; nothing is cached, and dropped rows are not counted.
        faces: "none": images as they are. "auto" or "haar", or "yunet:FILE.onnx": the largest face of each, found by OpenCV's
            cascade or by YuNet. Or a Framing, such as a checkpoint's.
        margin: share of a face's side added on each side of its crop; None: the detector's own.
        size, encoding: see `images.ImageOptions`.
        subjects: build only these people.
        exclude_subjects: people left out, for instance those of a test corpus.
        validation_share, seed: share of the training people set aside as split "validation".
        no_face: "drop" or "keep" frames in which no face was found (status "no_face", the whole frame as image).
        cache_dir: where rows are kept. num_proc: processes that build them, by subject.
        counts: filled with (split, status) -> labelled frames, those that are left out among them; nothing while streaming.
        options: the corpus's own.

    Raises:
        CorpusError: wrong folder, unknown fold or split, nothing left. LeakError: splits share people.
        TypeError: an unknown option. ValueError: an option's value is not allowed.
    """
    if num_proc is not None and num_proc < 1:
        raise ValueError(f"num_proc is {num_proc}: expected 1 or more")
    if no_face not in ("drop", "keep"):
        raise ValueError(f"no_face is {no_face!r}: expected 'drop' or 'keep'")
    if split is not None and "split" in options_of(name):
        options["split"] = split  # drawn faces: there are as many in each split as are asked for
    framing = faces if isinstance(faces, Framing) else AskedFraming(faces, margin, largest=True).over(None)
    exclude_subjects = exclude_subjects if isinstance(exclude_subjects, str) else tuple(exclude_subjects)
    common = {
        "protocol": protocol,
        "pictures": ImageOptions(framing, size, encoding),
        "cache_dir": cache_dir,
        **options,
    }
    builder = AUDatasetBuilder(name, data_dir, subjects=subjects, content_checked=not streaming, **common)
    people = split_subjects(
        builder.reader,
        builder.subjects,
        fold_name=fold,
        validation_share=validation_share,
        seed=seed,
        exclude=exclude_subjects,
    )
    if split is not None and split not in people:
        raise no_split(builder.reader, split, people)
    if not people:
        people = {SPLIT: tuple(s for s in builder.subjects if s not in set(exclude_subjects))}
        split = SPLIT
    usable = (OK, NO_FACE) if no_face == "keep" else (OK,)
    wanted = people if split is None else {split: people[split]}
    if streaming:
        streams = {
            part: AUDatasetBuilder(name, data_dir, subjects=who, content_checked=False, **common)
            .as_streaming_dataset(split=SPLIT)
            .filter(_Usable(usable), input_columns="status")
            for part, who in wanted.items()
        }
        return streams[split] if split else IterableDatasetDict(streams)
    builder.download_and_prepare(num_proc=num_proc)
    rows = builder.as_dataset(split=SPLIT)
    parts = {part: _select(rows, name, part, who, usable, counts) for part, who in wanted.items()}
    return parts[split] if split else DatasetDict(parts)


@dataclass(frozen=True)
class _Usable:
    """Whether a row is wanted, by its status; a class and no closure, so that spawned data loader workers can be given it."""

    states: tuple[str, ...]

    def __call__(self, status: str) -> bool:
        return status in self.states


def _select(
    rows: Dataset, name: str, part: str, people: Iterable[str], usable: tuple[str, ...], report: Counter | None
) -> Dataset:
    """The usable rows of some people; what is left out is counted and reported."""
    columns = rows.select_columns(["subject", "status"]).with_format("arrow")[:]
    of_people = np.isin(columns["subject"].to_numpy(zero_copy_only=False), list(people))
    status = columns["status"].to_numpy(zero_copy_only=False)
    kept = np.flatnonzero(of_people & np.isin(status, usable))
    counts = Counter(status[of_people].tolist())
    if report is not None:
        report.update({(part, state): count for state, count in counts.items()})
    said = f"{name}, {part}: {len(kept)} rows of {sum(counts.values())} labelled frames"
    left_out = {state: count for state, count in sorted(counts.items()) if state not in usable}
    if left_out:
        said += "; left out: " + ", ".join(f"{count} {state}" for state, count in left_out.items())
    if not len(kept) and set(counts) == {NO_FACE}:
        raise CorpusError(f"{said}. Images that are faces already, cropped before, take faces 'none'")
    if not len(kept):
        raise CorpusError(f"{said}. Are the images there, and do the labels code the units of the protocol?")
    if left_out:
        _log.warning(said)
    chosen = rows.select(kept)
    chosen.info.description = f"{rows.info.description}\nrows: {said}"
    return chosen
