"""What a mix of corpora amounts to, as tables: rows and people, realised shares, tokens and steps. No weights are loaded."""

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from datasets import Dataset
from rich.console import Console
from rich.table import Table
from transformers import TrainingArguments

from aullava.training.data.collator import IGNORED, TurnCollator
from aullava.training.data.mix import MixedData

_ROWS_ASKED, _TURNS_TOKENISED = 1000, 200  # an even sample of the first epoch


@dataclass(frozen=True)
class Steps:
    """How a run goes through its rows, counted as transformers' Trainer does.

    Args:
        batch: rows a device and step. accumulation: batches that make one step. processes: devices.
        epochs: passes over the rows, may have a fraction. most: steps after which the run ends in any case; 0 or less: none.
    """

    batch: int
    accumulation: int = 1
    processes: int = 1
    epochs: float = 1.0
    most: int = -1

    @classmethod
    def of_training(cls, training: TrainingArguments) -> "Steps":
        """Those of the trainer's arguments."""
        return cls(
            training.per_device_train_batch_size,
            training.gradient_accumulation_steps,
            training.world_size,
            training.num_train_epochs,
            training.max_steps,
        )

    def of_epoch(self, rows: int) -> int:
        """Optimiser steps of one pass over the rows."""
        batches = math.ceil(rows / (self.batch * self.processes))
        return math.ceil(batches / self.accumulation)

    def of_run(self, rows: int) -> int:
        """Optimiser steps of the run."""
        return self.most if self.most > 0 else math.ceil(self.epochs * self.of_epoch(rows))


def print_sampling(data: MixedData, console: Console | None = None) -> None:
    """Say what the first epoch draws: shares of corpora, of formats and kinds, of active units. For the log of a run."""
    for table in (_rows_table(data), _formats_table(data), _units_table(data)):
        (console or Console()).print(table)


def print_unreadable(data: MixedData, console: Console | None = None) -> None:
    """Say how many pictures of this process's training rows could not be read, if any; each was named when it was met."""
    for corpus, (reads, unreadable) in data.pictures.total().items():
        if unreadable:
            (console or Console()).print(
                f"{corpus}: {unreadable:,} of {reads:,} pictures read were unreadable and replaced"
            )


def describe_data(data: MixedData, collator: TurnCollator, steps: Steps) -> list[Table]:
    """The tables of a dry run: those of `print_sampling`, then turns, tokens and steps.

    Args:
        collator: as the run will use it; a processor without a model is enough.
        steps: how the run goes through the rows.
    """
    return [_rows_table(data), _formats_table(data), _units_table(data), length_table(data.train, collator, steps)]


def _rows_table(data: MixedData) -> Table:
    table = _table("Rows", "corpus", "split", "rows", "people", "rows an epoch", "share")
    total = sum(data.reading.plan.counts)
    for corpus, drawn in zip(data.corpora, data.reading.plan.counts, strict=True):
        for split, counts in data.counts[corpus.name].items():
            epoch = (f"{drawn:,}", f"{drawn / total:.1%}") if split == "train" else ("", "")
            table.add_row(corpus.name, split, f"{counts['rows']:,}", f"{counts['subjects']:,}", *epoch)
    return table


def _formats_table(data: MixedData) -> Table:
    asked = Counter()
    for position in _spread(len(data.train), _ROWS_ASKED):
        corpus = data.corpora[data.reading.corpus_at(position)].name
        asked.update((corpus, turn.protocol.scale, turn.kind) for turn in data.reading.turns(position))
    table = _table(
        f"Turns, of {min(_ROWS_ASKED, len(data.train)):,} rows", "corpus", "format", "kind", "turns", "share"
    )
    for (corpus, scale, kind), count in sorted(asked.items()):
        table.add_row(corpus, scale, kind, f"{count:,}", f"{count / asked.total():.1%}")
    return table


def _units_table(data: MixedData) -> Table:
    table = _table(
        "Active units, of the rows that code them", "corpus", "column", "rows coded", "in the corpus", "drawn"
    )
    for corpus, drawn_N in zip(data.corpora, data.reading.times_drawn(), strict=True):
        states = corpus.states
        columns = zip(states.columns, states.coded_NK.sum(0), states.rates(), states.rates(drawn_N), strict=True)
        for column, coded, rate, drawn in columns:
            if coded:
                table.add_row(corpus.name, column, f"{coded:,}", f"{rate:.2%}", f"{drawn:.2%}")
    return table


def length_table(train: Dataset, collator: TurnCollator, steps: Steps) -> Table:
    """Turns, tokens and steps of an epoch and of the run, from a sample of the training rows of any source."""
    turns, tokens, learnt = zip(*_lengths(train, collator), strict=True)
    rows, epoch, run = len(train), steps.of_epoch(len(train)), steps.of_run(len(train))
    table = _table(
        f"Length, of {sum(turns)} turns about {len(turns)} pictures", "", "a picture", "an epoch", "the run"
    )
    for name, sample in (("turns", turns), ("tokens", tokens), ("tokens learnt", learnt)):
        mean = statistics.fmean(sample)
        table.add_row(name, f"{mean:,.1f}", f"{mean * rows:,.0f}", f"{mean * rows * run / epoch:,.0f}")
    table.add_row("longest, tokens", f"{max(tokens):,}", "", "")
    table.add_row(f"steps of {steps.batch} x {steps.accumulation} x {steps.processes}", "", f"{epoch:,}", f"{run:,}")
    return table


def _lengths(train: Dataset, collator: TurnCollator) -> Iterator[tuple[int, int, int]]:
    """Turns, tokens and learnt tokens of a sample of pictures, each collated by itself: padding does not count."""
    pictures = math.ceil(_TURNS_TOKENISED / len(train[0]["turns"]))
    for position in _spread(len(train), pictures):
        row = train[position]
        batch = collator([row])
        tokens = batch["input_ids"].numel() if collator.packed else int(batch["attention_mask"].sum())
        yield len(row["turns"]), tokens, int((batch["labels"] != IGNORED).sum())


def _spread(length: int, count: int) -> Iterable[int]:
    """At most `count` positions, evenly over the length; draws are shuffled, so this is a fair sample."""
    return np.unique(np.linspace(0, length - 1, min(count, length)).astype(int)).tolist()


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        words = column in ("", "corpus", "split", "format", "kind", "column")
        table.add_column(column, justify="left" if words else "right")
    return table
