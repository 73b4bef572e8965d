"""Which actions one face can show at once."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aullava.dataset_builder.synthetic.drawn.actions import ACTIONS, CONFLICTS, PARTS, complete, resolve

strengths = st.dictionaries(st.sampled_from(ACTIONS), st.floats(0, 1))


@given(strengths)
def test_resolved_actions_are_complete_physical_and_stay_so(actions):
    resolved = resolve(actions)
    assert list(resolved) == list(ACTIONS)
    assert not any(resolved[first] and resolved[second] for first, second in CONFLICTS)
    assert resolve(resolved) == resolved
    raised = {name for name in ACTIONS if resolved[name] > actions.get(name, 0.0)}
    assert raised <= {"AU25"}


def test_the_stronger_of_two_contradictory_actions_stays():
    assert resolve({"AU43L": 0.4, "AU5L": 0.6, "AU5R": 0.2})["AU43L"] == 0.0
    assert resolve({"AU43L": 0.4, "AU5L": 0.6})["AU5L"] == 0.6
    assert resolve({"AU26": 0.5, "AU27": 0.5})["AU26"] == 0.5
    assert resolve({"AU27": 0.7, "AU25": 0.2})["AU25"] == 0.7


def test_a_smile_that_is_held_down_is_allowed():
    resolved = resolve({"AU12L": 0.6, "AU15L": 0.5})
    assert (resolved["AU12L"], resolved["AU15L"]) == (0.6, 0.5)


@pytest.mark.parametrize(
    ("actions", "message"),
    [({"AU12": 0.5}, "AU12"), ({"AU17": 1.01}, "AU17"), ({"AU17": -0.1}, "AU17"), ({"AU17": math.nan}, "AU17")],
)
def test_meaningless_actions_are_refused_by_name(actions, message):
    with pytest.raises(ValueError, match=message):
        complete(actions)


def test_every_action_belongs_to_one_unit():
    assert sorted(part for parts in PARTS.values() for part in parts) == sorted(ACTIONS)
