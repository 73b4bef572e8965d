"""Which expressions are drawn, what excludes what, and what the labels say of them."""

from collections import Counter

import numpy as np
import pytest

from aullava.action_units import ACTION_UNITS, PROTOCOLS, level_of
from aullava.dataset_builder.synthetic.acting import strengths_at
from aullava.dataset_builder.synthetic.rendered.actions import (
    ACTIONS,
    CONFLICTS,
    PARTS,
    SIDED_CODES,
    complete,
    mirrored,
    resolve,
)
from aullava.dataset_builder.synthetic.rendered.labels import JAW_DROP_OF_AU26, sides_of, strength_of, values_of
from aullava.dataset_builder.synthetic.rendered.samples import random_stream
from aullava.dataset_builder.synthetic.rendered.sampling import UNITS, draw_actions, one_sided_units
from aullava.dataset_builder.synthetic.rendered.script import write_script


@pytest.fixture(scope="module")
def drawn():
    return [draw_actions(random_stream(5, number)) for number in range(3000)]


def test_the_units_asked_for_are_there():
    for name in ("bp4d", "disfa", "feafa"):
        assert values_of(complete({}), PROTOCOLS[name])
    assert {f"AU{n}" for n in (11, 13, 16, 18, 22, 27, 28, 43, 61, 62, 63, 64)} <= set(PARTS)
    assert all(code in ACTION_UNITS for code in PARTS)
    for code, parts in PARTS.items():
        assert len(parts) == 1 or set(ACTION_UNITS[code].sides) or code == "AU28"


def test_no_unit_is_rare_and_a_quarter_of_the_faces_is_one_sided(drawn):
    shown = Counter(unit for actions in drawn for unit in UNITS if strength_of(actions, unit) >= 0.3)
    assert min(shown[unit] for unit in UNITS) >= 0.07 * len(drawn)  # 0.08 less what 3,000 draws may deviate by
    one_sided = Counter(unit for actions in drawn for unit in one_sided_units(actions))
    assert sum(bool(one_sided_units(actions)) for actions in drawn) >= 0.25 * len(drawn)
    assert all(one_sided[code] > 20 for code in SIDED_CODES)
    neutral = sum(not any(strength_of(actions, unit) >= 0.3 for unit in UNITS) for actions in drawn)
    assert 0.03 * len(drawn) < neutral < 0.15 * len(drawn)


def test_options_change_the_shares():
    few = [draw_actions(random_stream(6, n), least_share=0.0, one_sided=0.0) for n in range(500)]
    assert not any(one_sided_units(actions) for actions in few)
    assert not any(strength_of(actions, "AU13") >= 0.3 for actions in few)
    for options in ({"least_share": 0.2}, {"one_sided": 1.5}, {"least_share": -0.1}):
        with pytest.raises(ValueError, match="expected 0 to 0.12"):
            draw_actions(random_stream(6, 0), **options)


def test_drawn_expressions_are_physical_and_levels_are_spread(drawn):
    for actions in drawn:
        assert resolve(actions) == actions
        assert not any(actions[a] and actions[b] for a, b in CONFLICTS)
    levels = Counter(level_of(strength_of(actions, "AU12")) for actions in drawn)
    assert min(levels[level] for level in (2, 3, 4, 5)) > 30


def test_rules():
    assert resolve({"AU27": 0.8})["AU25"] == 0.8
    assert resolve({"AU26": 0.4})["AU25"] == 0.0 < resolve({"AU26": 0.8})["AU25"]  # a little behind closed lips
    assert resolve({"AU16L": 0.9})["AU25"] > 0.3
    assert resolve({"AU43L": 0.6, "AU5L": 0.4})["AU5L"] == 0.0
    assert resolve({"AU43L": 0.9, "AU43R": 0.9, "AU61": 0.5})["AU61"] == 0.0
    for wrong, message in (
        ({"AU99": 0.1}, "unknown action"),
        ({"AU1L": 1.2}, "strength"),
        ({"AU1L": float("nan")}, "strength"),
    ):
        with pytest.raises(ValueError, match=message):
            resolve(wrong)
    assert mirrored({"AU12L": 0.3, "AU61": 0.2, "AU25": 1}) == {"AU12R": 0.3, "AU62": 0.2, "AU25": 1}


def test_labels():
    actions = complete({"AU12L": 0.72, "AU12R": 0.05, "AU26": 0.8, "AU1R": 0.4, "AU28L": 0.5, "AU14R": 0.5})
    assert values_of(actions, PROTOCOLS["disfa"])["AU12"] == 4
    assert values_of(actions, PROTOCOLS["bp4d"])["AU12"] == 1
    assert strength_of(actions, "AU12R") == 0.05 and strength_of(actions, "AU28") == 0.5
    assert sides_of(actions) == "R1 L12 R14"
    feafa = values_of(actions, PROTOCOLS["feafa"])
    assert feafa["feafa_12_left_lip_corner_puller"] == 0.72 if "feafa_12_left_lip_corner_puller" in feafa else True
    assert list(feafa.values())[8] == pytest.approx(0.8 * JAW_DROP_OF_AU26, abs=0.006)
    with pytest.raises(ValueError, match="cannot show AU21"):
        strength_of(actions, "AU21")


def test_scripts_blink_speak_and_never_contradict_themselves():
    events = write_script(random_stream(8, 1), 60)
    blinks = [
        event for event in events if event.parts == PARTS["AU43"] and event.strength == 1.0 and event.onset == 0.1
    ]
    assert 6 < len(blinks) < 40
    shown = Counter()
    last = strengths_at(events, 0.0)
    for step in range(1, 600):
        now = strengths_at(events, step / 10)
        shown.update(name for name, strength in now.items() if strength > 0.3)
        assert set(now) <= set(ACTIONS) and all(0 <= strength <= 1 for strength in now.values())
        last = now
    assert {"AU25", "AU26", "AU43L"} <= set(shown) and len(shown) > 15
    assert last is not None and write_script(random_stream(8, 1), 60) == events
    rise = [strengths_at(events, blinks[0].start + t).get("AU43L", 0.0) for t in np.linspace(0.001, 0.1, 6)]
    assert all(np.diff(rise) >= 0) and rise[-1] > 0.95
