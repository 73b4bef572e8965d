"""What a rendered person does over time: units that rise, hold and fall again, blinks, and bursts of speech.

Conventions
    event     as in acting.py.
    blink     AU43 of both eyes for a third of a second. FACS calls that AU45; what is stated is how far the lids are closed.
    speech    jaw and lips that open and close about four times a second, each syllable of another strength and shape.
"""

import numpy as np

from aullava.dataset_builder.synthetic.acting import (
    OFTEN,
    REST_OF_OFTEN,
    REST_OF_SELDOM,
    Event,
    events_of_unit,
    without_conflicts,
)
from aullava.dataset_builder.synthetic.rendered.actions import CONFLICTS, GAZE_CODES, PARTS, SIDED_CODES

# From and to: seconds of onset, apex and offset, and the strength of the apex.
_SPANS = ((0.3, 0.9), (0.5, 2.5), (0.4, 1.2), (0.35, 1.0))
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


def write_script(rng: np.random.Generator, seconds: float) -> tuple[Event, ...]:
    """Events up to `seconds`, in the order of their start.

    Of two actions that one face cannot show at once only the one that comes first is in the script, so that neither vanishes
    half-way; blinks come whatever else is shown.
    """
    proposed: list[Event] = []
    for unit, parts in PARTS.items():

        def drawn(unit=unit, parts=parts):
            side = int(rng.integers(2))
            one = unit == "AD30" or unit in SIDED_CODES and rng.uniform() < _ONE_SIDED
            return (parts[side],) if one else parts

        rest = REST_OF_OFTEN if unit in OFTEN or unit in GAZE_CODES else REST_OF_SELDOM
        proposed += events_of_unit(rng, seconds, rest, _SPANS, drawn)
    events = without_conflicts([*proposed, *_speech(rng, seconds)], CONFLICTS)
    start = float(rng.exponential(_BLINK_REST))
    while start < seconds:
        events.append(Event(PARTS["AU43"], start, *_BLINK, 1.0))
        start = events[-1].end + 0.3 + float(rng.exponential(_BLINK_REST))
    return tuple(sorted(events, key=lambda event: event.start))


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
