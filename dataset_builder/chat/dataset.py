"""Datasets of the builder's rows become datasets of chat turns that TRL trains on, and text that a person reads.

Images are decoded when a turn is read, once for all turns of an image that are read together; nothing is copied.
"""

import io
import logging
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from datasets import Dataset, IterableDataset
from PIL import Image
from rich.console import Console
from rich.text import Text

from aullava.dataset_builder.chat.formats import ChatMix, can_ask, has_picture, row_key, turns_of
from aullava.dataset_builder.chat.mirror import mirror_row
from aullava.dataset_builder.chat.turns import to_conversation, to_messages
from aullava.dataset_builder.rows.derive import is_missing, known_columns
from aullava.dataset_builder.rows.schema import OK

_LOG = logging.getLogger(__name__)

OUTPUTS = ("prompt_completion", "messages")
_COLUMNS = {
    "prompt_completion": ("images", "prompt", "completion"),
    "messages": ("images", "messages"),
}
_BATCH = 10_000  # rows whose values, not images, are in memory while a dataset is gone through


def asked_row(row: Mapping[str, object], mix: ChatMix) -> Mapping[str, object]:
    """The row as it is asked: mirrored in `mix.mirror_share` of the cases, which follow from seed and row key."""
    if mix.mirror_share and random.Random(f"{mix.seed}-{row_key(row)}-mirror").random() < mix.mirror_share:
        return mirror_row(row)
    return row


def chat_dataset(
    dataset: Dataset | IterableDataset, mix: ChatMix, output: str = "prompt_completion"
) -> Dataset | IterableDataset:
    """Turns of a dataset's rows, made when they are read.

    Args:
        dataset: rows of the builder's schema.
        mix: what is asked.
        output: "prompt_completion": a row a turn, `images`, `prompt`, `completion`. "messages": a row an image, `images`,
            `messages`: all its turns in one conversation, where later answers see earlier ones.

    Returns:
        A Dataset has `turns_per_image` rows for each image that can be asked; an image with fewer different questions repeats
        them. An IterableDataset leaves the repetitions out.

    Raises:
        ValueError: unknown output, or not one row of a Dataset can be asked.
    """
    if output not in OUTPUTS:
        raise ValueError(f"output is {output!r}: expected one of {', '.join(OUTPUTS)}")
    if isinstance(dataset, IterableDataset):
        columns = dataset.column_names or list(next(iter(dataset)))  # a stream without a schema shows them in its rows
        return dataset.map(_Expand(mix, output), batched=True, batch_size=1, remove_columns=columns)
    rows = askable(dataset, mix)
    turns = mix.turns_per_image if output == "prompt_completion" else 1
    index = {"row": np.repeat(rows, turns), "turn": np.tile(np.arange(turns), len(rows))}
    return Dataset.from_dict(index).with_transform(_Read(dataset, mix, output))


# Classes, not closures: data loader workers that are spawned receive them pickled.
@dataclass(frozen=True)
class _Expand:
    """A batch of rows becomes a batch of turns, of any length."""

    mix: ChatMix
    output: str

    def __call__(self, batch: Mapping[str, list]) -> dict[str, list]:
        made = [asked for row in _rows_of(batch) for asked in _outputs(row, self.mix, self.output)]
        return {column: [asked[column] for asked in made] for column in _COLUMNS[self.output]}


@dataclass(frozen=True)
class _Read:
    """Numbers of rows and turns become turns; each row is read once a batch."""

    dataset: Dataset
    mix: ChatMix
    output: str

    def __call__(self, batch: Mapping[str, list[int]]) -> dict[str, list]:
        wanted = list(dict.fromkeys(batch["row"]))
        rows = _rows_of(self.dataset[wanted])
        made = {number: _outputs(row, self.mix, self.output) for number, row in zip(wanted, rows, strict=True)}
        pairs = zip(batch["row"], batch["turn"], strict=True)
        chosen = [made[number][turn % len(made[number])] for number, turn in pairs]
        return {column: [asked[column] for asked in chosen] for column in _COLUMNS[self.output]}


def askable(dataset: Dataset, mix: ChatMix) -> np.ndarray:
    """(N,) int64: which rows make turns; the others are counted in the log. No image is read.

    Raises:
        ValueError: none does.
    """
    columns = [column for column in dataset.column_names if column in known_columns()]
    if not columns:
        raise ValueError(
            f"no value column such as AU01_c among {', '.join(dataset.column_names)}: nothing can be asked"
        )
    status = ["status"] if "status" in dataset.column_names else []
    kept, left_out, known = [], Counter(), {}
    for start, table in enumerate(dataset.select_columns(columns + status).with_format("arrow").iter(_BATCH)):
        coded_NU = np.stack([~np.isnan(table[column].to_numpy().astype(float)) for column in columns], axis=1)
        states = table["status"].to_pylist() if status else [OK] * len(table)
        for place, (state, coded_U) in enumerate(zip(states, coded_NU, strict=True)):
            pattern = coded_U.tobytes()
            if state == OK and pattern not in known:
                known[pattern] = can_ask(_units(columns, coded_U), mix)
            if state == OK and known[pattern]:
                kept.append(start * _BATCH + place)
            else:
                left_out[state if state != OK else "nothing to ask"] += 1
    counts = ", ".join(f"{count} {reason}" for reason, count in sorted(left_out.items()))
    if not kept:
        raise ValueError(
            f"no row of {len(dataset)} makes a turn ({counts or 'no rows'}): check the mix and the rows' status"
        )
    if counts:
        _LOG.warning("%d of %d rows make turns; left out: %s", len(kept), len(dataset), counts)
    return np.asarray(kept, dtype=np.int64)


def _units(columns: list[str], coded_U: np.ndarray) -> dict[str, tuple[str, ...]]:
    units: dict[str, tuple[str, ...]] = {}
    for column, coded in zip(columns, coded_U, strict=True):
        if coded:
            scale, code = known_columns()[column]
            units[scale] = (*units.get(scale, ()), code)
    return units


def _rows_of(batch: Mapping[str, list]) -> Iterable[dict[str, object]]:
    return (dict(zip(batch, values, strict=True)) for values in zip(*batch.values(), strict=True))


def _outputs(row: Mapping[str, object], mix: ChatMix, output: str) -> list[dict[str, list]]:
    """The rows that an image becomes; they share its image."""
    if not has_picture(row):
        return []
    row = asked_row(row, mix)
    turns = turns_of(row, mix)
    if not turns:
        return []
    if row.get("image") is None:
        raise ValueError(f"row {row_key(row)} has no image but status 'ok': build the dataset again")
    images = [row["image"]]
    if output == "prompt_completion":
        return [{"images": images, **to_messages(turn)} for turn in turns]
    return [{"images": images, **to_conversation(turns)}]


def preview(rows: Iterable[Mapping[str, object]], mix: ChatMix, console: Console) -> None:
    """Print the turns of rows for a person to read, and say of a row without turns why it has none."""
    for number, row in enumerate(rows, 1):
        asked = asked_row(row, mix)
        console.rule(Text(f"{number}  {row_key(row)}"), align="left")
        console.print(Text(_about(asked, mirrored=asked is not row), style="dim"))
        turns = turns_of(asked, mix)
        for turn in turns:
            count = len(turn.protocol.units)
            console.print(Text(f"[{turn.kind}, {turn.protocol.scale}, {count} unit{'s' * (count > 1)}]", style="bold"))
            console.print(Text("Q  ", style="cyan") + Text(turn.question.replace("\n", "\n   ")))
            console.print(Text("A  ", style="green") + Text(turn.answer.replace("\n", "\n   ")))
        if not turns:
            status = row.get("status", OK)
            console.print(Text(f"no turn: {'nothing that the mix asks is coded' if status == OK else status}"))


def _about(row: Mapping[str, object], mirrored: bool) -> str:
    columns = [column for column in row if column in known_columns()]
    coded = sum(not is_missing(row[column]) for column in columns)
    size = _size(row.get("image"))
    parts = [f"{size[0]}x{size[1]} pixels" if size else "image not shown", f"{coded} of {len(columns)} values coded"]
    return ", ".join(
        parts + ([f"sides {row['sides']}"] if row.get("sides") else []) + (["mirrored"] if mirrored else [])
    )


def _size(image: object) -> tuple[int, int] | None:
    """Width and height of an image, opened or still encoded; None if there is none."""
    if isinstance(image, dict):
        source = image.get("path") if image.get("bytes") is None else io.BytesIO(image["bytes"])
        if source is None:
            return None
        with Image.open(source) as opened:
            return opened.size
    return getattr(image, "size", None)
