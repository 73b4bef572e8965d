"""Labels follow from the drawn strengths under every protocol."""

import pytest

from aullava.action_units import CONTINUOUS, PROTOCOLS, Protocol, render, resolve_protocol
from aullava.dataset_builder.synthetic.drawn.actions import ACTIONS, complete
from aullava.dataset_builder.synthetic.drawn.expressions import draw_actions
from aullava.dataset_builder.synthetic.drawn.labels import values_of
from aullava.dataset_builder.synthetic.drawn.samples import random_stream


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_is_covered_with_values_that_an_answer_can_hold(name):
    protocol = PROTOCOLS[name]
    for index in range(20):
        values = values_of(draw_actions(random_stream(index), "uniform"), protocol)
        assert tuple(values) == protocol.units
        assert render(values, protocol)


def test_a_unit_is_as_strong_as_its_stronger_side_and_present_from_level_two():
    actions = complete({"AU12L": 0.31, "AU12R": 0.1, "AU4R": 0.29})
    intensity = values_of(actions, PROTOCOLS["disfa"])
    occurrence = values_of(actions, PROTOCOLS["bp4d"])
    assert (intensity["AU12"], intensity["AU4"]) == (2, 1)
    assert (occurrence["AU12"], occurrence["AU4"]) == (1, 0)
    assert values_of(actions, resolve_protocol("AU12", CONTINUOUS)) == {"AU12": 0.31}


def test_feafa_reads_each_side_the_jaw_and_the_lips():
    parts = {"AU43L": 0.8, "AU5R": 0.6, "AU4L": 0.5, "AU1R": 0.4, "AU2R": 0.6, "AU26": 0.5, "AD30L": 0.7, "AU12R": 0.3}
    parts |= {"AU20L": 0.2, "AU28U": 0.9, "AU28L": 0.1, "AD29": 0.15, "AU10L": 0.25, "AU16": 0.35, "AU17": 0.45}
    parts |= {"AU18": 0.55, "AD34": 0.65, "AU9": 0.75}
    shown = {code[6:8]: value for code, value in values_of(complete(parts), PROTOCOLS["feafa"]).items() if value}
    assert shown == {
        **{"01": 0.8, "04": 0.6, "05": 0.5, "08": 0.5, "09": 0.25, "10": 0.7, "13": 0.3, "14": 0.2, "16": 0.9},
        **{"17": 0.1, "18": 0.15, "19": 0.25, "20": 0.35, "21": 0.45, "22": 0.55, "23": 0.65, "24": 0.75},
    }


def test_a_mirrored_face_swaps_the_values_of_feafas_pairs():
    protocol = PROTOCOLS["feafa"]
    swap = {
        name: name[:-1] + {"L": "R", "R": "L"}[name[-1]] for name in ACTIONS if name[-1] in "LR" and "28" not in name
    }
    for index in range(30):
        actions = draw_actions(random_stream(index), "uniform")
        values = values_of(actions, protocol)
        mirrored = values_of({swap.get(name, name): strength for name, strength in actions.items()}, protocol)
        pairs = dict(protocol.flip_pairs) | {right: left for left, right in protocol.flip_pairs}
        assert {pairs.get(code, code): value for code, value in values.items()} == mirrored


def test_a_unit_that_cannot_be_drawn_is_refused_by_name():
    with pytest.raises(ValueError, match="AU8"):
        values_of(complete({}), Protocol("custom", ("AU12", "AU8"), "occurrence"))
