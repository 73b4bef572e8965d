"""Scores of the model's own readings of validation faces, during training.

    validation = Validation(drawn_rows(drawing, 200, ["bp4d", "disfa", "feafa"]), processor)
    AUTrainer(..., validation=validation)          # logs eval_macro_f1, eval_icc, eval_mae_intensity, ... at every evaluation

Conventions
    macro_f1    mean over the occurrence and intensity protocols that are read; also logged by protocol ("disfa_macro_f1"). Of a
                protocol: mean over the units whose F1 is defined. An intensity counts as present from the protocol's
                occurrence_threshold (2) on, in label and reading alike.
    icc         mean ICC(3,1) over the units of an intensity protocol, then over protocols.
    mae         _intensity in levels 0 to 5, _continuous in 0 to 1: mean over units, then over protocols.
    missing     NaN in a label is not coded and left out. A row without any coded unit of a protocol is not read for it.
    undefined   an undefined score (metrics/) is NaN, left out of the means and counted; so is an undetermined value.
A mean over nothing is not logged.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from accelerate import Accelerator
from datasets import Dataset

from aullava.action_units import CONTINUOUS, OCCURRENCE, Protocol, resolve_protocol
from aullava.dataset_builder.chat.drawn_faces import DrawnFaceArguments
from aullava.dataset_builder.rows.derive import answerable, as_protocol, is_missing, values_from_columns
from aullava.image_aullava import ImageSource
from aullava.metrics.au_detection.averages import supported
from aullava.metrics.au_detection.scores import occurrence, score_detection
from aullava.metrics.au_intensity.scores import score_intensity
from aullava.training.data.reading import read_image, undecoded

READING_MODES = ("parallel", "joint")


@dataclass
class ReadingArguments:
    """Which validation faces are read during training, and how; and which loss stops it."""

    read_rows: int = field(default=200, metadata={"help": "Validation rows to read at each evaluation; 0: none."})
    read_protocols: list[str] = field(
        default_factory=lambda: ["bp4d", "disfa", "feafa"],
        metadata={
            "help": "Protocols to read, by name or as units: AU1,AU4. Rows that code none of the units are skipped."
        },
    )
    read_mode: str = field(default="parallel", metadata={"help": f"How values are read: {READING_MODES}."})
    max_loss_ratio: float = field(
        default=10.0,
        metadata={
            "help": "Stop at a loss this many times the running median (at least 1 nat); 0: only if not finite."
        },
    )

    def __post_init__(self):
        if self.read_rows < 0:
            raise ValueError(f"read_rows is {self.read_rows}: expected 0 or more")
        if self.read_rows and not self.read_protocols:
            raise ValueError(
                f"read_protocols is empty with read_rows={self.read_rows}: give protocols, or set read_rows to 0"
            )
        for protocol in self.read_protocols:
            resolve_protocol(protocol)
        if self.read_mode not in READING_MODES:
            raise ValueError(f"read_mode is {self.read_mode!r}: expected one of {', '.join(READING_MODES)}")
        if self.max_loss_ratio != 0 and not self.max_loss_ratio > 1:
            raise ValueError(f"max_loss_ratio is {self.max_loss_ratio}: expected 0, or a number above 1")


@dataclass(frozen=True, eq=False)
class ValidationRows:
    """Faces with their labels.

    Args:
        truth: protocol, as given -> (N faces, U units of the protocol), NaN where not coded.
        image: index of a face, 0 to N - 1 -> its image.
    """

    truth: Mapping[str, np.ndarray]
    image: Callable[[int], ImageSource]


def drawn_rows(
    arguments: DrawnFaceArguments, rows: int, protocols: Sequence[str], split: str = "validation"
) -> ValidationRows:
    """The first faces of a split, drawn once."""
    faces = [arguments.face(split, index) for index in range(rows)]
    truth = _truth(protocols, lambda protocol: [face.values(protocol) for face in faces])
    return ValidationRows(truth, lambda index: faces[index].image_HWC)


def corpus_rows(labels: Mapping[str, Dataset], rows: int, protocols: Sequence[str]) -> ValidationRows:
    """Rows of the builder, evenly spaced over all of them; values that a corpus does not code are derived where possible.

    Args:
        labels: corpus -> its rows (`MixedData.validation_labels`), whose images can be read.
    """
    parts = [(undecoded(part), part.remove_columns("image")) for part in labels.values()]
    places = [(*part, number) for part in parts for number in range(len(part[0]))]
    chosen = np.linspace(0, len(places) - 1, min(rows, len(places))).round().astype(int)
    shown = [places[place] for place in chosen]
    found = [values_from_columns(coded[number]) for _, coded, number in shown]

    def values(protocol: Protocol) -> list[dict[str, float]]:
        """In the form of an answer."""
        asked = [as_protocol(row, protocol) for row in found]
        return [{c: v if is_missing(v) else answerable(v, protocol.scale) for c, v in row.items()} for row in asked]

    def image(index: int) -> ImageSource:
        images, _, number = shown[index]
        return read_image(images[number])

    return ValidationRows(_truth(protocols, values), image)


def _truth(
    protocols: Sequence[str], values: Callable[[Protocol], Sequence[Mapping[str, float]]]
) -> dict[str, np.ndarray]:
    truth = {}
    for name in protocols:
        protocol = resolve_protocol(name)
        rows = [[row[code] for code in protocol.units] for row in values(protocol)]
        truth[name] = np.array(rows, dtype=float).reshape(-1, len(protocol.units))
    return truth


class Validation:
    """Callable: reads the rows with a model and scores the readings. Processes share the rows; each gets all scores.

    Args:
        rows: the faces to read.
        processor: the model's.
        mode: "parallel" or "joint".
        batch_size: images per batch and process.

    Raises:
        ValueError: no row codes a unit of the protocols.
    """

    def __init__(self, rows: ValidationRows, processor, mode: str = "parallel", batch_size: int = 32):
        self.rows, self.processor, self.mode, self.batch_size = rows, processor, mode, batch_size
        coded_NP = np.stack([~np.isnan(table).all(1) for table in rows.truth.values()], axis=1)
        if not coded_NP.any():
            raise ValueError(
                f"none of {len(coded_NP)} validation rows codes a unit of {', '.join(rows.truth)}: choose other read_protocols, or "
                "set read_rows to 0"
            )
        groups: dict[tuple[str, ...], list[int]] = {}  # rows grouped by the protocols that are read
        for number, coded_P in enumerate(coded_NP):
            groups.setdefault(tuple(np.array(list(rows.truth))[coded_P].tolist()), []).append(number)
        self._groups = {names: np.array(numbers) for names, numbers in groups.items() if names}

    def __call__(self, model: torch.nn.Module, accelerator: Accelerator) -> dict[str, float]:
        """Scores by name; see the conventions above.

        Args:
            model: with `recognize_many`.
            accelerator: all of its processes call this.
        """
        predicted = {name: np.full_like(table, np.nan) for name, table in self.rows.truth.items()}
        for names, numbers in self._groups.items():
            self._read(model, accelerator, names, numbers, predicted)
        return score_readings(self.rows.truth, predicted)

    def _read(
        self, model, accelerator, names: tuple[str, ...], number_N: np.ndarray, predicted: dict[str, np.ndarray]
    ):
        """Read some rows and put the values into `predicted`.

        All processes read equally many rows, some of them twice if need be: with sharded weights, every process takes part in
        each forward pass. A row that is read twice is written twice, not counted twice.
        """
        processes = accelerator.num_processes
        number_CP = np.resize(number_N, -(-len(number_N) // processes) * processes).reshape(-1, processes)
        images = map(self.rows.image, number_CP[:, accelerator.process_index])
        readings = model.recognize_many(images, self.processor, names, self.mode, self.batch_size)
        units = [(name, code) for name in names for code in resolve_protocol(name).units]
        values = [[reading[name].values[code] for name, code in units] for reading in readings]
        values_NU = torch.tensor(np.array(values, dtype=np.float32), device=accelerator.device)  # None becomes NaN
        values_NU = accelerator.gather(values_NU).cpu().numpy()
        first = 0
        for name in names:
            width = predicted[name].shape[1]
            predicted[name][number_CP.T.ravel()] = values_NU[:, first : first + width]
            first += width


def score_readings(truth: Mapping[str, np.ndarray], predicted: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Scores of predicted values, each (N, U) by protocol, NaN where not coded or undetermined; conventions above."""
    found: dict[str, list[float]] = {}
    scores, undefined, undetermined = {}, 0, 0
    for name, truth_NU in truth.items():
        if np.isnan(truth_NU).all():
            continue
        for score, score_U in _scores_per_unit(resolve_protocol(name), truth_NU, predicted[name]).items():
            mean = supported(score_U[None])
            scores[f"{name}_{score}"] = mean
            found.setdefault(score, []).append(mean)
            undefined += int(np.isnan(score_U).sum())
        undetermined += int((np.isnan(predicted[name]) & ~np.isnan(truth_NU)).sum())
    means = {score: supported(np.array(values)[:, None]) for score, values in found.items()}
    return means | scores | {"undefined_scores": undefined, "undetermined_values": undetermined}


def _scores_per_unit(protocol: Protocol, truth_NU: np.ndarray, predicted_NU: np.ndarray) -> dict[str, np.ndarray]:
    if protocol.scale == OCCURRENCE:
        return {"macro_f1": score_detection(truth_NU, predicted_NU)["f1"]}
    table = score_intensity(truth_NU, predicted_NU, protocol.scale)
    if protocol.scale == CONTINUOUS:
        return {"mae_continuous": table["mae"]}
    present = [occurrence(levels_NU, protocol.occurrence_threshold) for levels_NU in (truth_NU, predicted_NU)]
    return {"macro_f1": score_detection(*present)["f1"], "icc": table["icc_3_1"], "mae_intensity": table["mae"]}
