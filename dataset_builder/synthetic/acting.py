"""Scripts: units that rise, hold and fall again, at times and strengths drawn from a seed.

Conventions
    event     one or more actions from their onset over their apex to the end of their offset, as FACS divides an action in time.
    course    half a cosine up and half a cosine down, so that neither strength nor speed jumps.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

# Mean seconds of rest before an event; shorter for DISFA's twelve, so that a film of seconds shows most of them.
REST_OF_OFTEN, REST_OF_SELDOM = 9.0, 45.0
OFTEN = ("AU1", "AU2", "AU4", "AU5", "AU6", "AU9", "AU12", "AU15", "AU17", "AU20", "AU25", "AU26")

Span = tuple[float, float]


@dataclass(frozen=True)
class Event:
    """Actions from `start` on, in seconds; `strength`, 0 to 1, is that of their apex."""

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
        share = min((seconds - self.start) / self.onset, (self.end - seconds) / self.offset, 1.0)
        return self.strength * (1 - math.cos(math.pi * share)) / 2 if share > 0 else 0.0


def events_of_unit(
    rng: np.random.Generator,
    seconds: float,
    mean_rest: float,
    spans: tuple[Span, Span, Span, Span],
    draw_parts: Callable[[], tuple[str, ...]],
) -> list[Event]:
    """Events of one unit up to `seconds`, one after the other, with a rest before each.

    Args:
        mean_rest: in seconds. spans: from and to of onset, apex and offset in seconds, and of the strength.
        draw_parts: which actions an event moves; asked once an event.
    """
    found: list[Event] = []
    start = float(rng.exponential(mean_rest))
    while start < seconds:
        onset, apex, offset, strength = (float(rng.uniform(*span)) for span in spans)
        found.append(Event(draw_parts(), start, onset, apex, offset, strength))
        start = found[-1].end + float(rng.exponential(mean_rest))
    return found


def without_conflicts(proposed: Iterable[Event], conflicts: Sequence[tuple[str, str]]) -> list[Event]:
    """Events in the order of their start, without those that one face cannot show beside an earlier one.

    So neither of the two vanishes half-way.
    """

    def exclude(one: Event, other: Event) -> bool:
        return any(
            (a in one.parts and b in other.parts) or (b in one.parts and a in other.parts) for a, b in conflicts
        )

    events: list[Event] = []
    for event in sorted(proposed, key=lambda event: event.start):
        if not any(other.end > event.start and exclude(other, event) for other in events):
            events.append(event)
    return events


def strengths_at(events: Sequence[Event], seconds: float) -> dict[str, float]:
    """The strength 0..1 of every action that shows at a time, for `actions.resolve`; of two events the stronger."""
    shown: dict[str, float] = {}
    for event in events:
        if event.start < seconds < event.end:
            for part in event.parts:
                shown[part] = max(shown.get(part, 0.0), event.at(seconds))
    return shown
