"""What a checkpoint says of drawn faces, as arrays. Suffixes: N faces, U units, V values of a scale."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from parts.embedded_scores import BP4D, DISFA, FEAFA, Reading
from PIL import Image

from aullava.action_units import Protocol, value_of, value_strings
from aullava.evaluation.agreement import present_probability

BATCH = 50


@dataclass(frozen=True)
class Said:
    """Readings of one protocol: chosen values (N, U), probabilities of all values (N, U, V); NaN where there are none."""

    protocol: Protocol
    value_NU: np.ndarray
    distribution_NUV: np.ndarray

    @property
    def present_NU(self) -> np.ndarray:
        """P(present), P(level >= 2) or P(value >= 0.30)."""
        return present_probability(self.distribution_NUV, self.protocol)

    @property
    def expected_NU(self) -> np.ndarray:
        return self.distribution_NUV @ _numbers(self.protocol)

    @property
    def median_NU(self) -> np.ndarray:
        """The least value with which half of the probability is reached."""
        below_NU = (self.distribution_NUV.cumsum(-1) < 0.5).sum(-1)
        median_NU = _numbers(self.protocol)[below_NU.clip(max=self.distribution_NUV.shape[-1] - 1)]
        return np.where(np.isnan(self.distribution_NUV[..., 0]), np.nan, median_NU)


@dataclass(frozen=True)
class Reader:
    """A checkpoint that reads pictures in one mode."""

    model: Any
    processor: Any
    mode: str = "joint"

    @property
    def side(self) -> int:
        """Of the pictures it takes, in pixels."""
        return self.processor.image_processor.size["height"]

    def read(self, images: Sequence[Image.Image | np.ndarray], protocols: Sequence[Protocol]) -> dict[str, Said]:
        """Protocol name -> what is said of all pictures; each picture is looked at once."""
        readings = self.model.recognize_many(images, self.processor, protocols, self.mode, BATCH, distributions=True)
        return {p.name: _collect([of_picture[p.name] for of_picture in readings], p) for p in protocols}

    def thresholds(self, protocol: Protocol) -> bool:
        """Whether the checkpoint has thresholds of its own for the protocol."""
        return bool(self.model.config.calibration.get("thresholds", {}).get(protocol.name))


def as_reading(said: dict[str, Said], decided: bool = False) -> Reading:
    """For `embedded_scores`: expected values for ICC and sides, medians for errors.

    Args:
        said: of the protocols bp4d, disfa and feafa.
        decided: whether BP4D's presence is what was answered, by the checkpoint's own thresholds, instead of P(present).
    """
    bp4d, disfa, feafa = (said[protocol.name] for protocol in (BP4D, DISFA, FEAFA))
    presence_NU = bp4d.value_NU if decided else bp4d.present_NU
    return Reading(
        presence_NU, disfa.present_NU, disfa.expected_NU, disfa.median_NU, feafa.value_NU, feafa.expected_NU
    )


def _collect(readings: Sequence[Any], protocol: Protocol) -> Said:
    missing = [np.nan] * len(value_strings(protocol.scale))
    values = [[reading.values[code] for code in protocol.units] for reading in readings]
    shares = [[reading.distributions.get(code, missing) for code in protocol.units] for reading in readings]
    return Said(protocol, np.array(values, float), np.array(shares, np.float64))


def _numbers(protocol: Protocol) -> np.ndarray:
    return np.array([value_of(text, protocol.scale) for text in value_strings(protocol.scale)], float)
