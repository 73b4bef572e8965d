"""What a drawn face does over time: units that rise, hold and fall again, at times and strengths drawn from a seed.

Conventions
    event     one unit from its onset over its apex to the end of its offset, as FACS divides an action in time.
    strength  0..1 as in `actions`; both sides move alike, AD30 goes to one side, AU28 draws in both lips.
    course    half a cosine up and half a cosine down, so that neither strength nor speed jumps.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aullava.dataset_builder.synthetic.drawn.actions import CONFLICTS, PARTS

# Mean seconds of rest before an event; shorter for DISFA's twelve, so that a film of seconds shows most of them.
_REST_OF_OFTEN, _REST_OF_SELDOM = 9.0, 45.0
_OFTEN = ("AU1", "AU2", "AU4", "AU5", "AU6", "AU9", "AU12", "AU15", "AU17", "AU20", "AU25", "AU26")
_ONSET, _APEX, _OFFSET = (0.4, 1.0), (0.5, 2.5), (0.5, 1.2)  # seconds, from and to
_STRENGTH = (0.35, 1.0)


@dataclass(frozen=True)
class Event:
    """One action from `start` on, in seconds; `strength` is that of its apex."""

    parts: tuple[str, ...]
    start: float
    onset: float
    apex: float
    offset: float
    strength: float

    @property
    def end(self) -> float:
        return self.start + self.onset + self.apex + self.offset

    def at(self, seconds: float) -> float:
        """The strength at a time; 0 before and after."""
        since, left = seconds - self.start, self.end - seconds
        share = min(since / self.onset, left / self.offset, 1.0)
        return self.strength * (1 - math.cos(math.pi * share)) / 2 if share > 0 else 0.0


def write_script(rng: np.random.Generator, seconds: float) -> tuple[Event, ...]:
    """Events of every unit up to `seconds`, in the order of their start.

    Of two actions that one face cannot show at once only the one that comes first is in the script, so that neither vanishes
    half-way.
    """
    proposed = [event for unit in PARTS for event in _events_of(rng, unit, seconds)]
    events: list[Event] = []
    for event in sorted(proposed, key=lambda event: event.start):
        if not any(other.end > event.start and _exclude(other, event) for other in events):
            events.append(event)
    return tuple(events)


def strengths_at(events: Sequence[Event], seconds: float) -> dict[str, float]:
    """The strength 0..1 of every action that shows at a time, for `actions.resolve`."""
    shown: dict[str, float] = {}
    for event in events:
        if event.start < seconds < event.end:
            shown |= dict.fromkeys(event.parts, event.at(seconds))
    return shown


def _events_of(rng: np.random.Generator, unit: str, seconds: float) -> list[Event]:
    """One after the other, with a rest before each."""
    found, mean_rest = [], _REST_OF_OFTEN if unit in _OFTEN else _REST_OF_SELDOM
    start = float(rng.exponential(mean_rest))
    while start < seconds:
        onset, apex, offset, strength = (float(rng.uniform(*span)) for span in (_ONSET, _APEX, _OFFSET, _STRENGTH))
        parts = (PARTS[unit][int(rng.integers(2))],) if unit == "AD30" else PARTS[unit]
        found.append(Event(parts, start, onset, apex, offset, strength))
        start = found[-1].end + float(rng.exponential(mean_rest))
    return found


def _exclude(one: Event, other: Event) -> bool:
    return any((a in one.parts and b in other.parts) or (b in one.parts and a in other.parts) for a, b in CONFLICTS)
