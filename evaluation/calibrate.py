"""Fit a checkpoint's `calibration`: one temperature per scale, and thresholds per protocol and unit.

Conventions
    data        validation rows only; any other split is refused. Read without a calibration (`without_calibration`).
    temperature of a scale T minimises the mean negative log likelihood of the labels under p^(1/T), normalised: dividing the logits
                by T, as the read-out does. Convex in 1/T, so there is one minimum: the root of the derivative, by bisection
                within T = 1/8 to 8. Guo et al., "On calibration of modern neural networks", 2017.
    continuous  gets no temperature: its readings show no probability, and that of the likelihood made medians worse (mean absolute
                error 0.0292 without, 0.0301 with it, on 160 validation faces of the embedded checkpoint).
    joint mode  a value's distribution was read behind the values chosen before it, which a temperature leaves alone and
                a threshold may change; that is not fitted.
    threshold   of a unit of an occurrence protocol: the one with the highest F1 on the validation rows, behind the temperature;
                its distance from 0.5 is then shrunk by n / (n + 50), n the fewer of its positive and negative labels. Left out,
                so 0.5, where n < 20 or the shrunk one is no better than 0.5.
    ece         mean over units of the calibration error of P(present), 15 bins (metrics/au_detection/scores.py); in sample here.
Suffixes: N faces, U units, V values, R labels.
"""

import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aullava.action_units import SCALES, Protocol, value_of, value_strings
from aullava.common.files import replace_file, replaced_folder
from aullava.configuration_aullava import AULlavaConfig
from aullava.evaluation.agreement import present_label, present_probability
from aullava.metrics.au_detection.scores import confusion, f1, score_detection

HOTTEST = 8.0  # temperatures from 1 / HOTTEST to HOTTEST
FEWEST_LABELS, SHRINKAGE = 20, 50
_LEAST = 1e-12  # a probability may have underflowed to 0


@dataclass(frozen=True)
class Read:
    """What a model without calibration says of labelled faces: protocol, labels (N, U), distributions (N, U, V)."""

    protocol: Protocol
    truth_NU: np.ndarray
    distribution_NUV: np.ndarray


@dataclass(frozen=True)
class Fit:
    """`calibration` as the configuration holds it; before, after: protocol -> mean ECE of the rows it was fitted on."""

    calibration: dict[str, Any]
    before: dict[str, float]
    after: dict[str, float]


@contextmanager
def without_calibration(model: Any) -> Iterator[None]:
    """Inside the context the model reads without its calibration."""
    kept, model.config.calibration = model.config.calibration, {}
    try:
        yield
    finally:
        model.config.calibration = kept


def fit_calibration(reads: Sequence[Read], split: str, thresholds: bool = False) -> Fit:
    """A calibration from what was read of validation faces.

    Args:
        reads: one a protocol.
        split: whose rows they are; only "validation" will do.
        thresholds: whether to fit thresholds of the occurrence protocols, too.

    Raises:
        ValueError: another split, two reads of one protocol name, or a scale without a known label.
    """
    if split != "validation":
        raise ValueError(
            f"split is {split!r}: a calibration is fitted on validation rows, never on those it is tested on"
        )
    names = [read.protocol.name for read in reads]
    if len({*names}) < len(names) or not names:
        raise ValueError(f"protocols are {', '.join(names) or 'none'}: expected at least one, each of another name")
    scales = dict.fromkeys(read.protocol.scale for read in reads if SCALES[read.protocol.scale].has_levels)
    temperature = {
        scale: fit_temperature(*_pooled([read for read in reads if read.protocol.scale == scale])) for scale in scales
    }
    calibration: dict[str, Any] = {"temperature": temperature}
    before, after = {}, {}
    for read in reads:
        labels_NU, heat = present_label(read.truth_NU, read.protocol), temperature.get(read.protocol.scale, 1.0)
        raw_NU = present_probability(read.distribution_NUV, read.protocol)
        tempered_NU = present_probability(tempered(read.distribution_NUV, heat), read.protocol)
        before[read.protocol.name] = mean_ece(labels_NU, raw_NU)
        after[read.protocol.name] = mean_ece(labels_NU, tempered_NU)
        if thresholds and not SCALES[read.protocol.scale].is_graded:
            found = fit_thresholds(labels_NU, tempered_NU, read.protocol.units)
            calibration.setdefault("thresholds", {})[read.protocol.name] = found
    return Fit(calibration, before, after)


def tempered(distribution_NUV: np.ndarray, temperature: float) -> np.ndarray:
    """p^(1 / temperature), normalised over the last axis; NaN stays."""
    powered = np.asarray(distribution_NUV, float) ** (1 / temperature)
    return powered / powered.sum(-1, keepdims=True)


def fit_temperature(distribution_RV: np.ndarray, label_R: np.ndarray) -> float:
    """The temperature with the least mean negative log likelihood.

    Args:
        distribution_RV: probability of every value.
        label_R: index of the true one.

    Returns:
        1 / HOTTEST to HOTTEST; an end where the minimum lies beyond.

    Raises:
        ValueError: no label.
    """
    if not len(label_R):
        raise ValueError("no label with a known distribution: expected at least one to fit a temperature on")
    log_RV = np.log(np.asarray(distribution_RV, float).clip(_LEAST))
    said_R = log_RV[np.arange(len(label_R)), label_R]
    low, high = 1 / HOTTEST, HOTTEST  # of the inverse temperature
    for _ in range(50):
        inverse = (low * high) ** 0.5
        weight_RV = np.exp(inverse * (log_RV - log_RV.max(-1, keepdims=True)))
        expected_R = (weight_RV * log_RV).sum(-1) / weight_RV.sum(-1)
        if (expected_R - said_R).mean() > 0:  # the derivative: the minimum lies at a smaller 1/T
            high = inverse
        else:
            low = inverse
    return float(1 / (low * high) ** 0.5)


def fit_thresholds(labels_NU: np.ndarray, probability_NU: np.ndarray, units: Sequence[str]) -> dict[str, float]:
    """Code -> threshold on P(present); units whose threshold stays 0.5 are left out. See the conventions on top."""
    found = {}
    for code, label_N, probability_N in zip(units, labels_NU.T, probability_NU.T, strict=True):
        known = ~(np.isnan(label_N) | np.isnan(probability_N))
        label_N, probability_N = label_N[known] == 1, probability_N[known]
        fewer = int(min(label_N.sum(), (~label_N).sum()))
        if fewer < FEWEST_LABELS:
            continue
        shrunk = 0.5 + (_best_threshold(label_N, probability_N) - 0.5) * fewer / (fewer + SHRINKAGE)
        if _f1_above(label_N, probability_N, shrunk) > _f1_above(label_N, probability_N, 0.5):
            found[code] = round(float(shrunk), 4)
    return found


def mean_ece(labels_NU: np.ndarray, probability_NU: np.ndarray) -> float:
    """Mean over units of the expected calibration error; NaN without a coded unit."""
    ece_U = score_detection(labels_NU, probability_NU)["ece"]
    return float(np.nanmean(ece_U)) if not np.isnan(ece_U).all() else float("nan")


def write_calibrated(
    checkpoint: str | Path,
    out: str | Path,
    calibration: dict[str, Any],
    in_place: bool = False,
    origin: Mapping[str, Any] | None = None,
) -> Path:
    """Write a copy of a checkpoint that holds the calibration; its decision files, if it has any, are made anew.

    Args:
        checkpoint: folder. out: a folder that does not exist yet, or the checkpoint itself with `in_place`.
        origin: what it was fitted on, as JSON holds it: corpus, fold, people, rows, date among it. It goes into training.json
            under "calibration", and as a sentence into the card.

    Raises:
        ValueError: `out` exists, or the configuration refuses the calibration. Nothing is written then.
    """
    checkpoint, out = Path(checkpoint), Path(out)
    same = out.resolve() == checkpoint.resolve()
    if out.exists() and not (same and in_place):
        wanted = "in_place=True to change the checkpoint itself" if same else "a folder that does not exist yet"
        raise ValueError(f"{out} exists: expected {wanted}")
    settings = json.loads((checkpoint / "config.json").read_text())
    settings["calibration"] = calibration
    AULlavaConfig.from_dict(settings)  # refuses what it does not know
    with nullcontext(checkpoint) if same else replaced_folder(out) as folder:
        if not same:
            shutil.copytree(checkpoint, folder, dirs_exist_ok=True)
        text = json.dumps(settings, indent=2) + "\n"
        replace_file(folder / "config.json", lambda path: path.write_text(text))
        if (folder / "decision.json").exists():
            # Imported only where there are such files: it needs the processor.
            from aullava.checkpoint.decision import write_decision_files

            write_decision_files(folder)
        if origin is not None:
            _record_origin(folder, origin)
    return out


def _record_origin(folder: Path, origin: Mapping[str, Any]) -> None:
    file, card = folder / "training.json", folder / "README.md"
    told = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    text = json.dumps(told | {"calibration": origin}, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    replace_file(file, lambda path: path.write_text(text, encoding="utf-8"))
    if card.is_file():
        line = calibration_line(origin) + "\n\n"
        bare = re.sub(r"^Calibrated on .*\n\n", "", card.read_text(encoding="utf-8"), flags=re.MULTILINE)
        said = re.sub(r"^## Training\n\n", lambda found: found.group() + line, bare, count=1, flags=re.MULTILINE)
        replace_file(card, lambda path: path.write_text(said, encoding="utf-8"))


def calibration_line(origin: Mapping[str, Any]) -> str:
    """What a card says of a calibration."""
    fold = f", fold {origin['fold']}" if origin["fold"] else ""
    return (
        f"Calibrated on {origin['corpus']}{fold}, {origin['rows']:,} rows of {origin['people_count']:,} validation subjects "
        f"({', '.join(origin['protocols'])}; {origin['date']})."
    )


def _pooled(reads: Sequence[Read]) -> tuple[np.ndarray, np.ndarray]:
    """All labels of a scale whose distribution is known: distributions (R, V), indices (R,)."""
    distributions, labels = [], []
    for read in reads:
        values = np.array([value_of(text, read.protocol.scale) for text in value_strings(read.protocol.scale)])
        known_NU = ~(np.isnan(read.truth_NU) | np.isnan(read.distribution_NUV).any(-1))
        distributions.append(read.distribution_NUV[known_NU])
        labels.append(np.abs(read.truth_NU[known_NU][:, None] - values).argmin(-1))
    return np.concatenate(distributions), np.concatenate(labels)


def _best_threshold(label_N: np.ndarray, probability_N: np.ndarray) -> float:
    """The middle between the two neighbouring probabilities with the highest F1; of several the one nearest to 0.5."""
    levels = np.unique(probability_N)
    middles = (levels[1:] + levels[:-1]) / 2
    if not middles.size:
        return 0.5
    scores = np.array([_f1_above(label_N, probability_N, middle) for middle in middles])
    best = middles[scores == scores.max()]
    return float(best[np.abs(best - 0.5).argmin()])


def _f1_above(label_N: np.ndarray, probability_N: np.ndarray, threshold: float) -> float:
    return f1(*confusion(label_N, probability_N > threshold))
