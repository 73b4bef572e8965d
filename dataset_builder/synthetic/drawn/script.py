"""What a drawn face does over time.

Both sides move alike, AD30 goes to one side, AU28 draws in both lips.
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
from aullava.dataset_builder.synthetic.drawn.actions import CONFLICTS, PARTS

# From and to: seconds of onset, apex and offset, and the strength of the apex.
_SPANS = ((0.4, 1.0), (0.5, 2.5), (0.5, 1.2), (0.35, 1.0))


def write_script(rng: np.random.Generator, seconds: float) -> tuple[Event, ...]:
    """Events of every unit up to `seconds`, in the order of their start, without what one face cannot show at once."""
    proposed: list[Event] = []
    for unit, parts in PARTS.items():

        def drawn(unit=unit, parts=parts):
            return (parts[int(rng.integers(2))],) if unit == "AD30" else parts

        rest = REST_OF_OFTEN if unit in OFTEN else REST_OF_SELDOM
        proposed += events_of_unit(rng, seconds, rest, _SPANS, drawn)
    return tuple(without_conflicts(proposed, CONFLICTS))
