"""A checkpoint on photographs whose faces a rater labelled: found or not, and AUC and F1 of each unit. See photographs/README.md.

Conventions
    found       a detected box whose centre lies in the labelled box (brow to chin), and whose longer side is 0.6 to 2.2 times the
                labelled one's.
    false       any other detected box; counted a picture.
    crop        of the found box; where no box was found, the crop around the labelled box that the checkpoint's framing would make
                of a detector's box `BOX_OF_LABEL` times as large around the same centre, so that reading is measured on all faces.
    units       those with at least five faces of each kind; the others are counted and not scored.
    AU26        counts AU27: P(AU26 or AU27), the two taken as independent.
    intervals   95%, pictures drawn again (percentiles of 1,000 draws).
"""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from parts.embedded_readings import Reader
from PIL import Image

from aullava.action_units import OCCURRENCE, Protocol
from aullava.detection.crop import FaceBox, crop_face
from aullava.detection.framing import Framing, make_detector
from aullava.metrics.au_detection.scores import score_detection
from aullava.metrics.bootstrap import subject_bootstrap

UNITS = ("AU1", "AU2", "AU4", "AU5", "AU6", "AU9", "AU10", "AU12", "AU15", "AU17", "AU20", "AU25", "AU26", "AU43")
FIGURES = ("photo_mean_auc", "photo_min_auc", "photo_f1", "photo_found", "photo_false", "photo_ece")
LEAST_FACES = 5
BOX_OF_LABEL = 1.19  # the cascade's box against a box from brow to chin, on frontal rendered heads
_ASKED = Protocol("photographs", (*UNITS, "AU27"), OCCURRENCE)


@dataclass(frozen=True)
class Photograph:
    """One labelled face: its picture (RGB), the box from brow to chin, and a label a unit (NaN: cannot tell)."""

    file: str
    image: Image.Image
    box: FaceBox
    label_U: np.ndarray


@dataclass(frozen=True)
class PhotographScores:
    """Of N faces and the units U.

    Attributes:
        found: share of the faces. false: boxes a picture that are none of the labelled faces.
        positives_U, negatives_U: labelled faces. scored_U: whether there are enough of both.
        auc_U, low_U, high_U, f1_U, ece_U: NaN where not scored.
        mean_auc_low, mean_auc_high: interval of the mean.
    """

    faces: int
    found: float
    false: float
    positives_U: np.ndarray
    negatives_U: np.ndarray
    auc_U: np.ndarray
    low_U: np.ndarray
    high_U: np.ndarray
    f1_U: np.ndarray
    ece_U: np.ndarray
    mean_auc_low: float
    mean_auc_high: float

    @property
    def figures(self) -> dict[str, float]:
        auc, least, f1, ece = (
            float(figure)
            for figure in (
                np.nanmean(self.auc_U),
                np.nanmin(self.auc_U),
                np.nanmean(self.f1_U),
                np.nanmean(self.ece_U),
            )
        )
        return dict(zip(FIGURES, (auc, least, f1, self.found, self.false, ece), strict=True))


def load_photographs(folder: Path) -> list[Photograph]:
    """The faces of a folder that photographs/fetch.py wrote.

    Raises:
        FileNotFoundError: the folder has no labels.csv, or a picture is missing.
    """
    loaded = []
    for row in csv.DictReader((folder / "labels.csv").open()):
        image = Image.open(folder / "faces" / row["file"]).convert("RGB")
        box = FaceBox(*(round(float(row[f"face_{name}"])) for name in "xywh"))
        labels = np.array([float(row[unit]) if row[unit] else np.nan for unit in UNITS])
        loaded.append(Photograph(row["file"], image, box, labels))
    return loaded


def is_found(box: FaceBox, label: FaceBox) -> bool:
    """Whether a detected box is the labelled face, as the conventions say."""
    x, y = box.x + box.w / 2, box.y + box.h / 2
    inside = label.x <= x <= label.x + label.w and label.y <= y <= label.y + label.h
    return inside and 0.6 <= max(box.w, box.h) / max(label.w, label.h) <= 2.2


def crops(photographs: Sequence[Photograph], framing: Framing) -> tuple[list[Image.Image], np.ndarray, int]:
    """What the checkpoint is shown of each face, which faces were found (N,), and how many boxes were false."""
    detector, shown, found, false = make_detector(framing), [], [], 0
    for photograph in photographs:
        boxes = detector.detect(np.asarray(photograph.image)) if framing.crops else []
        right = [box for box in boxes if is_found(box, photograph.box)]
        false += len(boxes) - min(1, len(right))
        found.append(bool(right))
        if right:
            shown.append(detector.crop(photograph.image, max(right, key=lambda box: box.score or 0)))
        else:
            label = photograph.box
            side = round(BOX_OF_LABEL * max(label.w, label.h))
            around = FaceBox(label.x + (label.w - side) // 2, label.y + (label.h - side) // 2, side, side)
            shown.append(crop_face(photograph.image, around, framing.margin if framing.crops else 0.1))
    return shown, np.array(found), false


def score_photographs(
    photographs: Sequence[Photograph], probability_NU: np.ndarray, found_N, false: int
) -> PhotographScores:
    """Scores of P(present), (N, units of `UNITS`)."""
    truth_NU = np.stack([photograph.label_U for photograph in photographs])
    positives_U, negatives_U = (truth_NU == 1).sum(0), (truth_NU == 0).sum(0)
    scored_U = np.minimum(positives_U, negatives_U) >= LEAST_FACES

    def aucs(rows: np.ndarray) -> np.ndarray:
        auc_U = np.full(len(UNITS) + 1, np.nan)
        auc_U[:-1][scored_U] = score_detection(truth_NU[rows][:, scored_U], probability_NU[rows][:, scored_U])[
            "roc_auc"
        ]
        auc_U[-1] = np.nanmean(auc_U[:-1]) if (~np.isnan(auc_U[:-1])).any() else np.nan
        return auc_U

    intervals = subject_bootstrap(aucs, [photograph.file for photograph in photographs])
    table = score_detection(truth_NU, probability_NU)
    hidden = lambda values_U: np.where(scored_U, values_U, np.nan)  # noqa: E731
    return PhotographScores(
        len(photographs),
        float(np.mean(found_N)),
        false / len(photographs),
        positives_U,
        negatives_U,
        intervals.value[:-1],
        intervals.low[:-1],
        intervals.high[:-1],
        hidden(table["f1_undetermined_wrong"]),
        hidden(table["ece"]),
        intervals.low[-1],
        intervals.high[-1],
    )


def measure_photographs(reader: Reader, folder: Path, framing: Framing) -> PhotographScores:
    """A checkpoint on the photographs of a folder."""
    photographs = load_photographs(folder)
    shown, found_N, false = crops(photographs, framing)
    return score_photographs(photographs, joined(reader.read(shown, [_ASKED])[_ASKED.name].present_NU), found_N, false)


def joined(present_NU: np.ndarray) -> np.ndarray:
    """P(present) of `UNITS` from that of `UNITS` and AU27."""
    present_NU = present_NU.copy()
    jaw = UNITS.index("AU26")
    present_NU[:, jaw] = 1 - (1 - present_NU[:, jaw]) * (1 - present_NU[:, -1])
    return present_NU[:, :-1]


def photograph_table(scores: PhotographScores, table: Callable[[tuple, list], str]) -> str:
    """The section of a report: a row a unit, and what the figures rest on."""
    rows = [
        (unit, str(p), str(n), *("" if np.isnan(v) else f"{v:.3f}" for v in (auc, low, high, f1, ece)))
        for unit, p, n, auc, low, high, f1, ece in zip(
            UNITS,
            scores.positives_U,
            scores.negatives_U,
            scores.auc_U,
            scores.low_U,
            scores.high_U,
            scores.f1_U,
            scores.ece_U,
            strict=True,
        )
    ]
    return (
        f"{scores.faces} public photographs, one rater, not certified; nothing was trained or fitted on them. Mean AUC 95% "
        f"{scores.mean_auc_low:.3f} to {scores.mean_auc_high:.3f}.\n\n"
        + table(("unit", "present", "absent", "AUC", "low", "high", "F1 at 0.5", "ECE"), rows)
    )
