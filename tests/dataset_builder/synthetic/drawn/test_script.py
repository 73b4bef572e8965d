"""What drawn faces act: events rise and fall without a jump, and nothing contradicts itself half-way."""

import numpy as np
import pytest

from aullava.dataset_builder.synthetic.acting import Event, strengths_at
from aullava.dataset_builder.synthetic.drawn.actions import ACTIONS, CONFLICTS, PARTS, resolve
from aullava.dataset_builder.synthetic.drawn.script import write_script

MINUTES = 5


@pytest.fixture(scope="module")
def events():
    return write_script(np.random.default_rng(3), 60 * MINUTES)


def test_an_event_rises_holds_and_falls():
    event = Event(("AU12L", "AU12R"), start=2.0, onset=1.0, apex=2.0, offset=0.5, strength=0.8)
    times = (1.9, 2.0, 2.5, 3.0, 4.0, 5.0, 5.25, 5.5, 6.0)
    assert [event.at(t) for t in times] == pytest.approx([0, 0, 0.4, 0.8, 0.8, 0.8, 0.4, 0, 0])
    assert event.at(2.01) < 0.001 and event.at(2.99) > 0.799  # no jump of speed either


def test_every_unit_acts_in_minutes_and_both_sides_alike(events):
    assert {part for event in events for part in event.parts} == set(ACTIONS)
    assert all(event.parts in PARTS.values() for event in events if not event.parts[0].startswith("AD30"))
    assert [event.start for event in events] == sorted(event.start for event in events)
    assert all(0.35 <= event.strength <= 1 and event.start < 60 * MINUTES for event in events)


def test_what_is_acted_is_what_is_drawn(events):
    """No two actions at once that exclude each other: `resolve`, which would silence one, finds nothing to do."""
    for seconds in np.arange(0, 60 * MINUTES, 0.05):
        shown = strengths_at(events, seconds)
        assert not [pair for pair in CONFLICTS if shown.get(pair[0]) and shown.get(pair[1])]
        drawn = resolve(shown)
        assert {name: value for name, value in drawn.items() if name != "AU25"} == {
            name: shown.get(name, 0.0) for name in ACTIONS if name != "AU25"
        }


def test_faces_change_smoothly(events):
    def strengths(seconds):
        drawn = resolve(strengths_at(events, seconds))
        return np.array([drawn[name] for name in ACTIONS])

    times = np.arange(0, 60, 0.02)
    steps = np.abs(np.diff([strengths(seconds) for seconds in times], axis=0))
    fastest = np.pi / 2 / 0.4 * 0.02  # half a cosine up to 1 in the shortest onset
    assert 0.3 * fastest < steps.max() <= fastest * 1.001


def test_the_same_seed_gives_the_same_script(events):
    assert write_script(np.random.default_rng(3), 60 * MINUTES) == events
    assert write_script(np.random.default_rng(4), 60 * MINUTES) != events
