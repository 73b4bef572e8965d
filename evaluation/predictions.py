"""What a checkpoint reads of the rows of a corpus, as arrays, stored so that an interrupted run can resume.

Conventions
    value         what was answered: by the checkpoint's value rule and calibration. NaN: undetermined (the answer was invalid, or
                  the image unreadable).
    probability   P(present): P(1), P(level >= the protocol's threshold) or P(value >= 0.30), see agreement.py. NaN where the mode
                  gives none: "generate" writes text and no more.
    expected      the mean of the distribution over the scale's values; P(present) on the occurrence scale.
    distribution  (N, U, V) float32; on the continuous scale kept on request only: it holds 101 numbers a value.
    status        "ok", "repaired", "invalid", or "unreadable" for an image that could not be read. Such a row counts as
                  undetermined; it never ends the run.
    store         a folder: settings.json says what the readings depend on, shard-000000.npz holds the first CHUNK rows, and so on.
                  Each file appears whole. A store of other settings is refused, with the settings that differ.
Suffixes: N rows, U units, V values of a scale.
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any
from typing import Protocol as Interface

import numpy as np
from PIL import Image

from aullava.action_units import CONTINUOUS, OCCURRENCE, Protocol, value_strings
from aullava.common.files import replace_file
from aullava.evaluation.agreement import present_probability
from aullava.image_aullava import ImageReadError

CHUNK = 256  # rows a shard
UNREADABLE = "unreadable"
_ARRAYS = ("value_NU", "probability_NU", "expected_NU", "distribution_NUV", "status")


class Recognizer(Interface):
    """Reads images: `evaluation.recognizer.Recognizer`, or anything like it."""

    fingerprint: str

    def recognize(self, images: Sequence[Image.Image], protocol: Protocol, mode: str, batch_size: int) -> list: ...


class Source(Interface):
    """Holds the rows to read: `evaluation.rows.EvaluationRows`, or anything like it."""

    corpus: str
    rows: tuple[str, ...]
    subjects: tuple[str, ...]
    groups: Mapping[str, tuple[str, ...]]
    fingerprint: str

    def image_at(self, row: int) -> Image.Image: ...

    def truth(self, protocol: Protocol) -> np.ndarray: ...


@dataclass(frozen=True)
class Predictions:
    """Labels and readings of the same rows; the conventions on top say what the arrays hold.

    Attributes:
        rows: their names, each once. subjects: who is in each. folds: which fold tests each, "" where there are no folds.
        truth_NU: labels on the protocol's scale, NaN = not coded.
        groups: label such as "skin_tone" -> its value in each row.
        failures: "row: reason" of every image that could not be read.
    """

    protocol: Protocol
    mode: str
    corpus: str
    rows: tuple[str, ...]
    subjects: tuple[str, ...]
    truth_NU: np.ndarray
    value_NU: np.ndarray
    probability_NU: np.ndarray
    expected_NU: np.ndarray
    status: tuple[str, ...]
    distribution_NUV: np.ndarray | None = None
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    folds: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()

    def __post_init__(self):
        if len({*self.rows}) < len(self.rows):
            twice = next(row for row in self.rows if self.rows.count(row) > 1)
            raise ValueError(
                f"row {twice} comes more than once: expected each row once, for instance in one fold only"
            )


def predict(
    recognizer: Recognizer,
    source: Source,
    protocol: Protocol,
    mode: str = "joint",
    batch_size: int = 32,
    store: Path | None = None,
    keep_distribution: bool | None = None,
) -> Predictions:
    """Read every row.

    Args:
        recognizer, source: see there.
        protocol: units and scale that are asked.
        mode: "joint", "parallel" or "generate".
        batch_size: images read at once.
        store: folder for the readings; rows already there are not read again. None: nothing is stored.
        keep_distribution: whether the predictions hold the whole distributions; None: on the occurrence and the intensity scale.

    Raises:
        ValueError: the store holds readings made with other settings.
    """
    keep = protocol.scale != CONTINUOUS if keep_distribution is None else keep_distribution
    settings = {
        "checkpoint": recognizer.identity.fingerprint,
        "corpus": source.corpus,
        "rows": source.fingerprint,
        "protocol": [protocol.name, *protocol.units, protocol.scale, protocol.occurrence_threshold],
        "mode": mode,
        "distribution": keep and mode != "generate",
        "chunk": CHUNK,
    }
    if store is not None:
        _open_store(store, settings)
    shards, failures = [], []
    for first in range(0, len(source.rows), CHUNK):
        file = store and store / f"shard-{first // CHUNK:06d}.npz"
        if file is None or not file.exists():
            wanted = range(first, min(first + CHUNK, len(source.rows)))
            shard = _read_chunk(recognizer, source, wanted, protocol, mode, batch_size, settings["distribution"])
            if file is not None:
                packed = io.BytesIO()  # given a name, numpy would add .npz to it
                np.savez_compressed(packed, **shard)
                replace_file(file, lambda path, packed=packed: path.write_bytes(packed.getbuffer()))
        if file is not None:
            with np.load(file, allow_pickle=False) as held:
                shard = dict(held)
        shards.append(shard)
        failures += [str(reason) for reason in shard["failures"]]
    arrays = {name: np.concatenate([shard[name] for shard in shards]) for name in shards[0] if name in _ARRAYS}
    arrays["status"] = tuple(arrays["status"].tolist())
    return Predictions(
        protocol,
        mode,
        source.corpus,
        source.rows,
        source.subjects,
        source.truth(protocol),
        groups=dict(source.groups),
        failures=tuple(failures),
        **arrays,
    )


def joined(parts: Mapping[str, Predictions]) -> Predictions:
    """The predictions of several folds as one.

    Args:
        parts: fold -> what was read of the subjects it tests; the same protocol, mode and corpus.

    Raises:
        ValueError: a row is in two folds.
    """
    every = [*parts.values()]
    merged: dict[str, Any] = {}
    for name in (entry.name for entry in fields(Predictions)):
        values = [getattr(part, name) for part in every]
        if isinstance(values[0], np.ndarray):
            merged[name] = np.concatenate(values)
        elif isinstance(values[0], tuple):
            merged[name] = tuple(item for value in values for item in value)
    groups = {label: tuple(g for part in every for g in part.groups[label]) for label in every[0].groups}
    folds = tuple(fold for fold, part in parts.items() for _ in part.rows)
    return replace(every[0], **merged | {"groups": groups, "folds": folds})


def _open_store(store: Path, settings: dict[str, Any]) -> None:
    """Make the store, or see that it was made with the same settings."""
    file = store / "settings.json"
    wanted = json.loads(json.dumps(settings))
    if not file.exists():
        if store.exists() and any(store.iterdir()):
            raise ValueError(f"{store} holds files but no settings.json: expected a new folder or an earlier store")
        replace_file(file, lambda path: path.write_text(json.dumps(settings, indent=2) + "\n"))
        return
    held = json.loads(file.read_text())
    different = [name for name in wanted if held.get(name) != wanted[name]]
    if different:
        said = "; ".join(f"{name}: {held.get(name)} there, {wanted[name]} now" for name in different)
        raise ValueError(f"{store} holds readings made otherwise ({said}): remove it, or name another --out")


def _read_chunk(
    recognizer, source, wanted: range, protocol: Protocol, mode: str, batch_size: int, keep: bool
) -> dict[str, np.ndarray]:
    """The arrays of some rows."""
    units, values = len(protocol.units), len(value_strings(protocol.scale))
    distribution_NUV = np.full((len(wanted), units, values), np.nan, np.float32)
    probability_NU, value_NU, expected_NU = np.full((3, len(wanted), units), np.nan)
    status, failures = [UNREADABLE] * len(wanted), []
    places, pictures = [], []
    for place, row in enumerate(wanted):
        try:
            pictures.append(source.image_at(row))
            places.append(place)
        except (ImageReadError, OSError, SyntaxError) as error:  # Pillow raises SyntaxError on some broken PNG files
            failures.append(f"{source.rows[row]}: {error}")
    readings = recognizer.recognize(pictures, protocol, mode, batch_size) if pictures else []
    for place, reading in zip(places, readings, strict=True):
        status[place] = reading.status
        value_NU[place] = np.array([reading.values[code] for code in protocol.units], float)  # None becomes NaN
        for u, code in enumerate(protocol.units):
            distribution_NUV[place, u] = reading.distributions.get(code, np.nan)
            expected_NU[place, u] = reading.expected.get(code, np.nan)
        if protocol.scale == OCCURRENCE:  # known even where a value takes several tokens
            probability_NU[place] = [reading.probabilities.get(code, np.nan) for code in protocol.units]
    if protocol.scale == OCCURRENCE:
        expected_NU = probability_NU
    else:
        probability_NU = present_probability(distribution_NUV, protocol)
    found = {
        "value_NU": value_NU,
        "probability_NU": probability_NU,
        "expected_NU": expected_NU,
        "status": np.array(status, "U12"),
        "failures": np.array(failures, str),
    }
    return found | ({"distribution_NUV": distribution_NUV} if keep else {})
