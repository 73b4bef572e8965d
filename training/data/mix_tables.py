"""What a mix of corpora amounts to, as tables: rows and subjects, actual shares, tokens and steps. Loads no weights."""

import math
import statistics
from collections import Counter
from collections.abc import Iterable

import numpy as np
from datasets import Dataset
from rich.console import Group
from rich.table import Table
from transformers import TrainingArguments

from aullava.training.data.collator import IGNORED, TurnCollator
from aullava.training.data.length_limit import LengthLimit
from aullava.training.data.mix import MixedData

_ROWS_ASKED, _TURNS_TOKENISED = 1000, 200  # an even sample of the first epoch


def sampling_tables(data: MixedData) -> Group:
    """What the first epoch draws: shares of corpora, formats, kinds and active units, for rich to print."""
    reading = data.reading
    rows = _table("Rows", "corpus", "split", "rows", "subjects", "rows per epoch", "share")
    total = sum(reading.plan.counts)
    for corpus, drawn in zip(data.corpora, reading.plan.counts, strict=True):
        for split, counts in data.counts[corpus.name].items():
            epoch = (f"{drawn:,}", f"{drawn / total:.1%}") if split == "train" else ("", "")
            rows.add_row(corpus.name, split, f"{counts['rows']:,}", f"{counts['subjects']:,}", *epoch)

    asked = Counter()
    for position in _spread(len(data.train), _ROWS_ASKED):
        name = data.corpora[reading.corpus_at(position)].name
        asked.update((name, turn.protocol.scale, turn.kind) for turn in reading.turns(position))
    sampled = min(_ROWS_ASKED, len(data.train))
    formats = _table(f"Turns, of {sampled:,} rows", "corpus", "format", "kind", "turns", "share")
    for what, count in sorted(asked.items()):
        formats.add_row(*what, f"{count:,}", f"{count / asked.total():.1%}")

    units = _table(
        "Active units, among the rows that code them", "corpus", "column", "rows coded", "in the corpus", "drawn"
    )
    for corpus, drawn_N in zip(data.corpora, reading.times_drawn(), strict=True):
        states = corpus.states
        columns = zip(states.columns, states.coded_NK.sum(0), states.rates(), states.rates(drawn_N), strict=True)
        for column, coded, rate, drawn in columns:
            if coded:
                units.add_row(corpus.name, column, f"{coded:,}", f"{rate:.2%}", f"{drawn:.2%}")
    return Group(rows, formats, units)


def print_left_out(limit: LengthLimit | None) -> None:
    """What `max_length` cost a run: nothing is printed where it cost nothing."""
    met, left = (0, 0) if limit is None else limit.total()
    if left:
        print(f"{left:,} of {met:,} turns met were longer than max_length {limit.max_length} and left out")


def print_unreadable(data: MixedData) -> None:
    """Print how many training images could not be read in this process, if any; each was logged by name at the time."""
    for corpus, (reads, unreadable) in data.reading.images.total().items():
        if unreadable:
            print(f"{corpus}: {unreadable:,} of {reads:,} images read were unreadable and replaced")


def count_steps(training: TrainingArguments, rows: int) -> tuple[int, int]:
    """Optimiser steps of one pass over the rows, and of the run, counted as transformers' Trainer does."""
    batches = math.ceil(rows / (training.per_device_train_batch_size * training.world_size))
    epoch = math.ceil(batches / training.gradient_accumulation_steps)
    return epoch, training.max_steps if training.max_steps > 0 else math.ceil(training.num_train_epochs * epoch)


def length_table(train: Dataset, collator: TurnCollator, training: TrainingArguments) -> Table:
    """Turns, tokens and steps per epoch and of the whole run, from a sample of the training rows.

    Args:
        collator: the run's; it needs no model.
        training: batch size, accumulation, processes, epochs and steps.
    """
    lengths = []  # each image is collated alone, so that padding does not count
    for position in _spread(len(train), math.ceil(_TURNS_TOKENISED / len(train[0]["turns"]))):
        row = train[position]
        batch = collator([row])
        tokens = batch["input_ids"].numel() if collator.packed else int(batch["attention_mask"].sum())
        lengths.append((len(row["turns"]), tokens, int((batch["labels"] != IGNORED).sum())))
    turns, tokens, learnt = zip(*lengths, strict=True)
    rows, (epoch, run) = len(train), count_steps(training, len(train))
    table = _table(f"Length, of {sum(turns)} turns about {len(turns)} images", "", "per image", "per epoch", "run")
    for name, sample in (("turns", turns), ("tokens", tokens), ("tokens learnt", learnt)):
        mean = statistics.fmean(sample)
        table.add_row(name, f"{mean:,.1f}", f"{mean * rows:,.0f}", f"{mean * rows * run / epoch:,.0f}")
    table.add_row("longest, tokens", f"{max(tokens):,}", "", "")
    batch = (training.per_device_train_batch_size, training.gradient_accumulation_steps, training.world_size)
    table.add_row(f"steps of {' x '.join(map(str, batch))}", "", f"{epoch:,}", f"{run:,}")
    return table


def _spread(length: int, count: int) -> Iterable[int]:
    """At most `count` positions, evenly over the length; draws are shuffled, so this is a fair sample."""
    return np.unique(np.linspace(0, length - 1, min(count, length)).astype(int)).tolist()


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        words = column in ("", "corpus", "split", "format", "kind", "column")
        table.add_column(column, justify="left" if words else "right")
    return table
