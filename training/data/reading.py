"""Rows of corpora become training rows when they are read: images decoded, questions asked, unreadable images skipped.

A training row depends on (seed, epoch, position) only: workers, other machines and resumed runs read the same rows. A row that
comes again, in the same epoch or the next, is asked other questions.

An image that cannot be read is logged, once per process, and the next readable row of its corpus takes its place. The counts lie in
memory that the data loader's workers share, so the limit holds for all workers together. Each process of a distributed run counts
for itself.
"""

import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from datasets import Dataset
from datasets import Image as ImageFeature
from PIL import Image
from torch.utils.data import get_worker_info

from aullava.dataset_builder.chat.formats import ChatMix, can_ask, row_key, turns_of
from aullava.dataset_builder.chat.turns import Turn
from aullava.dataset_builder.errors import CorpusError
from aullava.dataset_builder.rows.derive import is_missing, values_from_columns
from aullava.image_aullava import ImageReadError, load_image
from aullava.training.data.draws import Plan

_LOG = logging.getLogger(__name__)

FIRST_READS = 1000  # the limit is applied to at least this many, so that a few bad images early on do not stop a run
WORKER_PLACES = 257  # the main process and up to 256 workers


@dataclass(frozen=True)
class Asking:
    """What is asked: a mix, and relative shares of the scales among the turns; empty: the mix decides."""

    mix: ChatMix
    format_shares: Mapping[str, float]

    def turns(self, row: Mapping[str, object], key: str) -> list[Turn]:
        """The turns about a row of the builder; another key gives other turns."""
        if not self.format_shares:
            return turns_of(row, self.mix, key)
        coded = tuple(
            (scale, tuple(code for code, value in values.items() if not is_missing(value)))
            for scale, values in values_from_columns(row).items()
        )
        mixes = {scale: replace(self.mix, scales=(scale,)) for scale, share in self.format_shares.items() if share}
        able = [scale for scale, mix in mixes.items() if _can_ask(coded, mix)]
        generator = random.Random(f"{self.mix.seed}-{key}-formats")
        drawn = generator.choices(able, [self.format_shares[scale] for scale in able], k=self.mix.turns_per_image)
        return [
            turn
            for scale in dict.fromkeys(drawn)
            for turn in turns_of(row, replace(mixes[scale], turns_per_image=drawn.count(scale)), key)
        ]


@lru_cache(maxsize=4096)
def _can_ask(coded: tuple[tuple[str, tuple[str, ...]], ...], mix: ChatMix) -> bool:
    return can_ask(dict(coded), mix)


class ImageCount:
    """Images read and unreadable, by corpus, over all workers of this process.

    Args:
        names: the corpora. rows: rows of each.
        limit: fraction of a corpus's images that may be unreadable, 0 to 1.
    """

    def __init__(self, names: Sequence[str], rows: Sequence[int], limit: float):
        self.names, self.rows, self.limit = tuple(names), tuple(rows), limit
        self._counts_PC2 = torch.zeros((WORKER_PLACES, len(names), 2), dtype=torch.int64).share_memory_()
        self._named: set[str] = set()

    def total(self) -> dict[str, tuple[int, int]]:
        """Corpus -> images read, and how many of them were unreadable; an image counts each time it is read."""
        return {name: tuple(pair) for name, pair in zip(self.names, self._counts_PC2.sum(0).tolist(), strict=True)}

    def good(self, corpus: int) -> None:
        """Count an image that was read."""
        self._counts_PC2[worker_place(), corpus, 0] += 1

    def bad(self, corpus: int, row: str, error: ImageReadError) -> None:
        """Count and log an image that could not be read.

        Raises:
            CorpusError: there are now more than the limit allows.
        """
        self._counts_PC2[worker_place(), corpus] += 1
        reads, unreadable = self._counts_PC2[:, corpus].sum(0).tolist()
        name = self.names[corpus]
        if unreadable > self.limit * max(reads, min(FIRST_READS, self.rows[corpus])):
            raise CorpusError(
                f"{unreadable} of {reads} images read of {name} ({self.rows[corpus]} rows) are unreadable, most recently "
                f"row {row} ({error}); max_bad_images is {self.limit:g}. Get fresh copies of the files, or raise max_bad_images"
            )
        if row not in self._named:
            self._named.add(row)
            _LOG.warning("row %s is skipped (%d of %d read of %s so far): %s", row, unreadable, reads, name, error)


def worker_place() -> int:
    """Where a DataLoader's worker counts in a shared array of WORKER_PLACES; 0 for the process itself."""
    worker = get_worker_info()
    return 0 if worker is None else min(worker.id + 1, WORKER_PLACES - 1)


class Reading:
    """Positions become training rows: `images` (one RGB image), `turns` (a list of `turns.Turn`), `row` (its name).

    Args:
        rows: the builder's rows of each corpus, images not decoded (`undecoded`).
        plan: which rows an epoch draws.
        asking: what is asked.
        images: counts what is read.
        epoch: () int64 in shared memory, the trainer's epoch; None: always the first.
    """

    def __init__(
        self,
        rows: Sequence[Dataset],
        plan: Plan,
        asking: Asking,
        images: ImageCount,
        epoch: torch.Tensor | None = None,
    ):
        self.rows, self.plan, self.asking, self.images, self._epoch = tuple(rows), plan, asking, images, epoch
        self._drawn: tuple[int, np.ndarray] | None = None

    def __deepcopy__(self, memo) -> "Reading":
        return self  # datasets copies what it is given; a copied tensor would no longer be shared

    def __call__(self, batch: Mapping[str, list[int]]) -> dict[str, list]:
        made = [self.row(position) for position in batch["position"]]
        return {column: [row[column] for row in made] for column in ("images", "turns", "row")}

    def dataset(self) -> Dataset:
        """The training rows, made when they are read."""
        return Dataset.from_dict({"position": np.arange(sum(self.plan.counts))}).with_transform(self)

    def row(self, position: int) -> dict[str, object]:
        """The training row at a position of the epoch.

        Raises:
            CorpusError: too many images of the corpus are unreadable.
        """
        corpus, first, visit = self._draws()[position]
        rows = self.rows[corpus]
        for step in range(len(rows)):  # the row itself, then the next ones until an image can be read
            row = rows[int(first + step) % len(rows)]
            try:
                image = read_image(row)
            except ImageReadError as error:
                self.images.bad(corpus, row_key(row), error)
                continue
            self.images.good(corpus)
            turns = self.asking.turns(row, self._key(row, visit))
            return {"images": [image], "turns": turns, "row": row_key(row)}
        raise CorpusError(
            f"not one of {len(rows)} images of {self.images.names[corpus]} can be read: is the corpus complete?"
        )

    def turns(self, position: int) -> list[Turn]:
        """The turns at a position; its image is not decoded."""
        corpus, number, visit = self._draws()[position]
        row = self.rows[corpus][int(number)]
        return self.asking.turns(row, self._key(row, visit))

    def corpus_at(self, position: int) -> int:
        """Index of the corpus that a position is drawn from."""
        return int(self._draws()[position, 0])

    def times_drawn(self) -> list[np.ndarray]:
        """For each corpus an array (N,): how often the epoch draws each row."""
        draws = self._draws()
        numbers = (draws[draws[:, 0] == corpus, 1] for corpus in range(len(self.rows)))
        return [np.bincount(drawn, minlength=len(rows)) for drawn, rows in zip(numbers, self.rows, strict=True)]

    def _draws(self) -> np.ndarray:
        epoch = 0 if self._epoch is None else int(self._epoch.item())
        if self._drawn is None or self._drawn[0] != epoch:
            self._drawn = (epoch, self.plan.draws(epoch))
        return self._drawn[1]

    def _key(self, row: Mapping[str, object], visit: int) -> str:
        epoch = 0 if self._epoch is None else int(self._epoch.item())
        return f"{row_key(row)}-{epoch}-{visit}"


def undecoded(rows: Dataset) -> Dataset:
    """The builder's rows with images as paths or bytes, so that a damaged image does not fail the row."""
    return rows.cast_column("image", ImageFeature(decode=False))


def read_image(row: Mapping[str, object]) -> Image.Image:
    """The image of an undecoded row.

    Raises:
        ImageReadError: it cannot be read.
    """
    stored = row["image"]
    return load_image(stored["path"]) if stored["bytes"] is None else load_image(stored["bytes"], row_key(row))
