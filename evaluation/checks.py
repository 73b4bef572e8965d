"""Checks that any checkpoint should pass, on some rows: single and batched readings agree, answers are well-formed, formats agree.

Conventions
    batch and single    the same rows, read together and one by one: share of equal values, largest difference of P(present).
    invalid             share of freely written answers (mode "generate") that determine no value; repaired: those that deviate
                        from the asked form.
    formats             the protocol's FACS units asked as a plain list on each scale; see agreement.py for what counts as present.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from aullava.action_units import FEAFA_UNITS, SCALES, Protocol
from aullava.evaluation.agreement import agreement, decisions_of
from aullava.evaluation.predictions import Predictions, Source, predict

SINGLY = 8  # rows read one by one


@dataclass(frozen=True)
class Sample:
    """Some rows of a source.

    Args:
        source: where the rows come from. places: their numbers there.
        change: what is done to each image, given its row's name.
    """

    source: Source
    places: tuple[int, ...]
    change: Callable[[Image.Image, str], Image.Image] = field(default=lambda image, row: image)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fingerprint: str = "sample"  # never stored

    @classmethod
    def spread(cls, source: Source, rows: int) -> "Sample":
        """At most `rows` rows, evenly spaced."""
        total = len(source.rows)
        return cls(source, tuple(range(total)) if rows >= total else tuple(i * total // rows for i in range(rows)))

    @property
    def corpus(self) -> str:
        return self.source.corpus

    @property
    def rows(self) -> tuple[str, ...]:
        return tuple(self.source.rows[place] for place in self.places)

    @property
    def subjects(self) -> tuple[str, ...]:
        return tuple(self.source.subjects[place] for place in self.places)

    def image_at(self, row: int) -> Image.Image:
        return self.change(self.source.image_at(self.places[row]), self.rows[row])

    def truth(self, protocol: Protocol) -> np.ndarray:
        return self.source.truth(protocol)[list(self.places)]


def batch_against_single(recognizer, sample: Sample, protocol: Protocol, mode: str, batch_size: int) -> dict:
    """How reading the sample's first rows together differs from reading each on its own."""
    few = Sample(sample.source, sample.places[:SINGLY])
    together = predict(recognizer, few, protocol, mode, max(batch_size, len(few.places)))
    singly = predict(recognizer, few, protocol, mode, 1)
    same = (together.value_NU == singly.value_NU) | (np.isnan(together.value_NU) & np.isnan(singly.value_NU))
    difference = np.abs(together.probability_NU - singly.probability_NU)
    largest = float(np.nanmax(difference)) if not np.isnan(difference).all() else float("nan")
    return {"rows": len(few.places), "same_values": float(same.mean()), "largest_difference": largest}


def free_answers(recognizer, sample: Sample, protocol: Protocol, batch_size: int) -> dict:
    """How well-formed freely written answers are."""
    return status_rates(predict(recognizer, sample, protocol, "generate", batch_size))


def status_rates(predictions: Predictions) -> dict:
    """Shares of the statuses of what was read."""
    status = [found for found in predictions.status if found != "unreadable"]
    share = {name: status.count(name) / len(status) if status else float("nan") for name in ("invalid", "repaired")}
    return {"rows": len(status), **share}


def formats(recognizer, sample: Sample, protocol: Protocol, mode: str, batch_size: int) -> dict | None:
    """Agreement of the three formats about the protocol's units; None for FEAFA's units, which are not FACS units."""
    if set(protocol.units) & set(FEAFA_UNITS):
        return None
    asked = [Protocol(scale, protocol.units, scale, protocol.occurrence_threshold) for scale in SCALES]
    read = {one.name: predict(recognizer, sample, one, mode, batch_size) for one in asked}
    found = agreement({one.name: decisions_of(read[one.name].probability_NU, one) for one in asked})
    pairs = {" and ".join(pair): share for pair, share in found.pairs.items()}
    return {
        "rows": len(sample.places),
        "share": found.share,
        "pairs": pairs,
        "units": found.units,
        "undetermined": found.undetermined,
    }
