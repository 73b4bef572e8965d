"""What a rendered person does over time: units that rise, hold and fall again, blinks, and bursts of speech.

Conventions
    event     one unit from its onset over its apex to the end of its offset, as FACS divides an action in time.
    strength  0..1 as in `actions`; of two events of one action the stronger shows.
    blink     AU43 of both eyes for a third of a second. FACS calls that AU45; what is stated is how far the lids are closed.
    speech    jaw and lips that open and close about four times a second, each syllable of another strength and shape.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aullava.dataset_builder.synthetic.rendered.actions import CONFLICTS, GAZE_CODES, PARTS, SIDED_CODES

# Mean seconds of rest before an event; shorter for DISFA's twelve, so that a film of seconds shows most of them.
_REST_OF_OFTEN, _REST_OF_SELDOM = 9.0, 45.0
_OFTEN = ("AU1", "AU2", "AU4", "AU5", "AU6", "AU9", "AU12", "AU15", "AU17", "AU20", "AU25", "AU26")
_ONSET, _APEX, _OFFSET = (0.3, 0.9), (0.5, 2.5), (0.4, 1.2)  # seconds, from and to
_STRENGTH = (0.35, 1.0)
_ONE_SIDED = 0.3  # share of the events of sided units
_BLINK_REST, _BLINK = 3.5, (0.10, 0.04, 0.18)  # seconds: mean between blinks; onset, apex, offset
_SPEECH_REST, _SPEECH, _SYLLABLE = 7.0, (1.5, 4.0), (0.16, 0.32)  # seconds
_SPOKEN = (
    ("AU25", "AU26"),
    ("AU25", "AU26"),
    ("AU25", "AU22"),
    ("AU25", "AU16L", "AU16R"),
    ("AU25", "AU20L", "AU20R"),
    ("AU18",),
)


@dataclass(frozen=True)
class Event:
    """Actions from `start` on, in seconds; `strength` is that of their apex."""

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
        """The strength at a time, 0 before and after: half a cosine up and half a cosine down."""
        share = min((seconds - self.start) / self.onset, (self.end - seconds) / self.offset, 1.0)
        return self.strength * (1 - math.cos(math.pi * share)) / 2 if share > 0 else 0.0


def write_script(rng: np.random.Generator, seconds: float) -> tuple[Event, ...]:
    """Events up to `seconds`, in the order of their start.

    Of two actions that one face cannot show at once only the one that comes first is in the script, so that neither vanishes
    half-way; blinks come whatever else is shown.
    """
    proposed = [event for unit in PARTS for event in _events_of(rng, unit, seconds)] + _speech(rng, seconds)
    events: list[Event] = []
    for event in sorted(proposed, key=lambda event: event.start):
        if not any(other.end > event.start and _exclude(other, event) for other in events):
            events.append(event)
    start = float(rng.exponential(_BLINK_REST))
    while start < seconds:
        events.append(Event(PARTS["AU43"], start, *_BLINK, 1.0))
        start = events[-1].end + 0.3 + float(rng.exponential(_BLINK_REST))
    return tuple(sorted(events, key=lambda event: event.start))


def strengths_at(events: Sequence[Event], seconds: float) -> dict[str, float]:
    """The strength 0..1 of every action that shows at a time, for `actions.resolve`."""
    shown: dict[str, float] = {}
    for event in events:
        if event.start < seconds < event.end:
            for part in event.parts:
                shown[part] = max(shown.get(part, 0.0), event.at(seconds))
    return shown


def _events_of(rng: np.random.Generator, unit: str, seconds: float) -> list[Event]:
    """One after the other, with a rest before each."""
    found: list[Event] = []
    mean_rest = _REST_OF_OFTEN if unit in _OFTEN or unit in GAZE_CODES else _REST_OF_SELDOM
    start = float(rng.exponential(mean_rest))
    while start < seconds:
        onset, apex, offset, strength = (float(rng.uniform(*span)) for span in (_ONSET, _APEX, _OFFSET, _STRENGTH))
        parts, side = PARTS[unit], int(rng.integers(2))
        if unit == "AD30" or unit in SIDED_CODES and rng.uniform() < _ONE_SIDED:
            parts = (parts[side],)
        found.append(Event(parts, start, onset, apex, offset, strength))
        start = found[-1].end + float(rng.exponential(mean_rest))
    return found


def _speech(rng: np.random.Generator, seconds: float) -> list[Event]:
    found: list[Event] = []
    start = float(rng.exponential(_SPEECH_REST))
    while start < seconds:
        end = start + float(rng.uniform(*_SPEECH))
        while start < min(end, seconds):
            length = float(rng.uniform(*_SYLLABLE))
            shape = _SPOKEN[int(rng.integers(len(_SPOKEN)))]
            found.append(Event(shape, start, 0.4 * length, 0.2 * length, 0.4 * length, float(rng.uniform(0.2, 0.75))))
            start += 0.9 * length
        start += float(rng.exponential(_SPEECH_REST))
    return found


def _exclude(one: Event, other: Event) -> bool:
    return any((a in one.parts and b in other.parts) or (b in one.parts and a in other.parts) for a, b in CONFLICTS)
