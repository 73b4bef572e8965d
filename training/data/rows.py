"""Rows of corpora become training rows when they are read: pictures decoded, questions asked, unreadable pictures passed over.

A training row follows from (seed, epoch, position) alone: workers, other machines and resumed runs read the same ones. A row that
comes again, in an epoch or in the next, is asked other questions.

A picture that cannot be read is named in the log, once in each process, and the next readable row of its corpus takes its place.
Reads are counted in memory that the data loader's workers share, each in a place of its own, so the limit holds for all workers
together. Processes of a distributed run count each for itself.
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

from aullava.dataset_builder.chat_turns import ChatMix, can_ask, row_key, turns_of
from aullava.dataset_builder.derive import is_missing, values_from_columns
from aullava.dataset_builder.errors import CorpusError
from aullava.dataset_builder.turns import Turn
from aullava.image_aullava import ImageReadError, load_image
from aullava.training.data.sampling import Plan

_LOG = logging.getLogger(__name__)

FIRST_READS = 1000  # fewer are counted as so many, so that a few bad pictures early on do not stop a run
_PLACES = 257  # the main process and up to 256 workers


@dataclass(frozen=True)
class Asking:
    """What is asked: a mix, and relative shares of the scales among the turns, or none to take them as they come."""

    mix: ChatMix
    format_shares: Mapping[str, float]

    def turns(self, row: Mapping[str, object], key: str) -> list[Turn]:
        """The turns of a row of the builder; another key gives others."""
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


class PictureCount:
    """Pictures read, and those of them that were unreadable, by corpus, over all workers of this process.

    Args:
        names: the corpora. rows: rows of each.
        limit: the share of a corpus's pictures that may be unreadable, 0 to 1.
    """

    def __init__(self, names: Sequence[str], rows: Sequence[int], limit: float):
        self.names, self.rows, self.limit = tuple(names), tuple(rows), limit
        self._counts_PC2 = torch.zeros((_PLACES, len(names), 2), dtype=torch.int64).share_memory_()
        self._named: set[str] = set()

    def total(self) -> dict[str, tuple[int, int]]:
        """Corpus -> pictures read, and unreadable ones among them; one that is met again counts again."""
        return {name: tuple(pair) for name, pair in zip(self.names, self._counts_PC2.sum(0).tolist(), strict=True)}

    def good(self, corpus: int) -> None:
        """Count a picture that was read."""
        self._counts_PC2[self._place(), corpus, 0] += 1

    def bad(self, corpus: int, row: str, error: ImageReadError) -> None:
        """Count and name one that could not be read.

        Raises:
            CorpusError: those are now more than the limit allows.
        """
        self._counts_PC2[self._place(), corpus] += 1
        reads, unreadable = self._counts_PC2[:, corpus].sum(0).tolist()
        name = self.names[corpus]
        if unreadable > self.limit * max(reads, min(FIRST_READS, self.rows[corpus])):
            raise CorpusError(
                f"{unreadable} of {reads} pictures read of {name} ({self.rows[corpus]} rows) are unreadable, the last one that of "
                f"row {row} ({error}); max_bad_images is {self.limit:g}. Get fresh copies of the files, or raise max_bad_images"
            )
        if row not in self._named:
            self._named.add(row)
            _LOG.warning("row %s is passed over, %d of %d read of %s so far: %s", row, unreadable, reads, name, error)

    def _place(self) -> int:
        worker = get_worker_info()
        return 0 if worker is None else min(worker.id + 1, _PLACES - 1)


class Reading:
    """Positions become training rows: `images` (one RGB picture), `turns` (a list of `turns.Turn`), `row` (its name).

    Args:
        rows: the builder's rows of each corpus, pictures not decoded (`undecoded`).
        plan: which of them an epoch draws.
        asking: what is asked.
        pictures: counts what is read.
        epoch: () int64 in shared memory, the epoch that the trainer is in; None: always the first.
    """

    def __init__(
        self,
        rows: Sequence[Dataset],
        plan: Plan,
        asking: Asking,
        pictures: PictureCount,
        epoch: torch.Tensor | None = None,
    ):
        self.rows, self.plan, self.asking, self.pictures, self._epoch = tuple(rows), plan, asking, pictures, epoch
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
            CorpusError: too many pictures of the corpus are unreadable.
        """
        corpus, first, visit = self._draws()[position]
        rows = self.rows[corpus]
        for step in range(len(rows)):
            row = rows[int(first + step) % len(rows)]
            try:
                picture = read_picture(row)
            except ImageReadError as error:
                self.pictures.bad(corpus, row_key(row), error)
                continue
            self.pictures.good(corpus)
            turns = self.asking.turns(row, self._key(row, visit))
            return {"images": [picture], "turns": turns, "row": row_key(row)}
        raise CorpusError(
            f"not one of {len(rows)} pictures of {self.pictures.names[corpus]} can be read: is it all there?"
        )

    def turns(self, position: int) -> list[Turn]:
        """The turns at a position; its picture is not decoded."""
        corpus, number, visit = self._draws()[position]
        row = self.rows[corpus][int(number)]
        return self.asking.turns(row, self._key(row, visit))

    def corpus_at(self, position: int) -> int:
        """Which corpus a position is drawn from."""
        return int(self._draws()[position, 0])

    def times_drawn(self) -> list[np.ndarray]:
        """One array (N,) a corpus: how often the epoch draws each of its rows."""
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
    """The builder's rows with their pictures as paths or bytes, so that one that is damaged does not fail the row."""
    return rows.cast_column("image", ImageFeature(decode=False))


def read_picture(row: Mapping[str, object]) -> Image.Image:
    """The picture of an undecoded row.

    Raises:
        ImageReadError: it cannot be read.
    """
    stored = row["image"]
    return load_image(stored["path"]) if stored["bytes"] is None else load_image(stored["bytes"], row_key(row))
