"""How many frames, sequences and positive labels some labels hold, counted as they stream by.

Memory grows with subjects, sequences and units, not with frames. Censuses of parts of a corpus add up to that of the whole.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from aullava.action_units import ACTION_UNITS, FEAFA_UNITS, INTENSITY, SCALES
from aullava.dataset_builder.rows.records import FrameRecord

_POSITIVE_FROM = 2  # the intensity from which DISFA's benchmark counts a unit as present [V2]

_VALUE_COLUMNS = {
    f"{unit.column}_{scale.suffix}": (scale.name, code)
    for code, unit in (ACTION_UNITS | FEAFA_UNITS).items()
    for scale in SCALES.values()
}


@dataclass
class UnitCount:
    """Of one unit on one scale: frames in which it is coded, and of these the positive ones.

    Positive as the corpora's papers count, to compare with their numbers: an occurrence of 1, an intensity of 2 or more, a
    continuous value above 0. Not `Scale.is_active`, which begins with a trace.
    """

    coded: int = 0
    positive: int = 0

    @property
    def rate(self) -> float:
        """Share of the coded frames in which it is positive; NaN if none is coded."""
        return self.positive / self.coded if self.coded else math.nan


@dataclass
class Census:
    """Counts of labelled frames, those without an image included.

    Args:
        frames: subject -> labelled frames.
        sequences: subject -> names of its sequences.
        coded_frames: scale -> subject -> frames with at least one unit coded on that scale.
        units: scale -> code -> its count; a unit that is asked for but never coded has zeros.
    """

    frames: Counter[str] = field(default_factory=Counter)
    sequences: dict[str, set[str]] = field(default_factory=dict)
    coded_frames: dict[str, Counter[str]] = field(default_factory=dict)
    units: dict[str, dict[str, UnitCount]] = field(default_factory=dict)

    @classmethod
    def expecting(cls, units: Mapping[str, tuple[str, ...]]) -> "Census":
        """An empty census of the units that a reader codes: records may leave one out that no file codes."""
        census = cls()
        for scale, codes in units.items():
            census.coded_frames[scale] = Counter()
            census.units[scale] = {code: UnitCount() for code in codes}
        return census

    def add(self, frame: FrameRecord | Mapping) -> None:
        """Count one labelled frame: a reader's record, or a row of schema.py, of which no image is looked at."""
        if isinstance(frame, FrameRecord):
            subject, sequence = frame.subject, frame.sequence
            values = ((scale, *pair) for scale, of_scale in frame.values.items() for pair in of_scale.items())
        else:
            subject, sequence = frame["subject"], frame["sequence"]
            known = ((_VALUE_COLUMNS.get(column), value) for column, value in frame.items())
            values = ((*place, value) for place, value in known if place)
        self.frames[subject] += 1
        self.sequences.setdefault(subject, set()).add(sequence)
        coded_scales = set()
        for scale, code, value in values:
            counts = self.units.setdefault(scale, {}).setdefault(code, UnitCount())
            if value is not None and not math.isnan(value):
                counts.coded += 1
                counts.positive += bool(value >= _POSITIVE_FROM if scale == INTENSITY else value > 0)
                coded_scales.add(scale)
        for scale in coded_scales:
            self.coded_frames.setdefault(scale, Counter())[subject] += 1

    def __add__(self, other: "Census") -> "Census":
        """What both hold together; they must hold different frames. Neither changes."""
        if not isinstance(other, Census):
            return NotImplemented
        both = Census(self.frames + other.frames)
        for part in (self, other):
            for subject, names in part.sequences.items():
                both.sequences.setdefault(subject, set()).update(names)
            for scale, frames in part.coded_frames.items():
                both.coded_frames.setdefault(scale, Counter()).update(frames)
            for scale, units in part.units.items():
                for code, counts in units.items():
                    sums = both.units.setdefault(scale, {}).setdefault(code, UnitCount())
                    sums.coded += counts.coded
                    sums.positive += counts.positive
        return both

    def to_dict(self) -> dict:
        """As JSON can hold it; equal censuses give equal text."""
        return {
            "frames": dict(sorted(self.frames.items())),
            "sequences": {subject: sorted(names) for subject, names in sorted(self.sequences.items())},
            "coded_frames": {
                scale: dict(sorted(frames.items())) for scale, frames in sorted(self.coded_frames.items())
            },
            "units": {
                scale: {code: [counts.coded, counts.positive] for code, counts in sorted(units.items())}
                for scale, units in sorted(self.units.items())
            },
        }

    @classmethod
    def from_dict(cls, saved: Mapping) -> "Census":
        """What `to_dict` gave."""
        return cls(
            Counter(saved["frames"]),
            {subject: set(names) for subject, names in saved["sequences"].items()},
            {scale: Counter(frames) for scale, frames in saved["coded_frames"].items()},
            {
                scale: {code: UnitCount(*counts) for code, counts in units.items()}
                for scale, units in saved["units"].items()
            },
        )
