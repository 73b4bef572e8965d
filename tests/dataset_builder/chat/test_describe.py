"""Active muscles in words."""

import math
import re

import pytest

from aullava.action_units import ACTION_UNITS, FEAFA_UNITS, SCALES, Protocol
from aullava.dataset_builder.chat.describe import DESCRIPTION_WORDINGS, NOTHING_ACTIVE, sides_of
from aullava.dataset_builder.chat.turns import make_description

FEELINGS = (
    "happ|joy|sad|anger|angry|fear|afraid|scare|disgust|surpris|contempt|smil|frown|grin|sneer|laugh|cry|pain|emotion|feel|mood|"
    "affect|neutral|pout|sulk|worr|anxi|threat|embarrass|express"
)
FACS = tuple(ACTION_UNITS)


def test_units_letters_and_muscles():
    protocol = Protocol("custom", ("AU4", "AU12", "AU6", "AD29", "AU1"), "intensity")
    turn = make_description({"AU4": 2, "AU12": 5, "AU6": 0, "AD29": 1, "AU1": math.nan}, protocol)
    assert turn.answer == (
        "AU4 brow lowerer, slight (B): corrugator supercilii, depressor supercilii, procerus; "
        "AU12 lip corner puller, maximum (E): zygomaticus major; AD29 jaw thrust, trace (A)."
    )
    assert "AU4, AU12, AU6, AD29." in turn.question and "AU1." not in turn.question
    assert (turn.kind, turn.protocol.units) == ("description", ("AU4", "AU12", "AU6", "AD29"))


def test_occurrence_has_no_letters_and_continuous_has_shares():
    assert (
        make_description({"AU12": 1}, Protocol("c", ("AU12",), "occurrence")).answer
        == "AU12 lip corner puller: zygomaticus major."
    )
    feafa = Protocol("f", tuple(FEAFA_UNITS), "continuous")
    values = dict.fromkeys(FEAFA_UNITS, 0.0) | {"feafa_01_left_eye_close": 0.534, "feafa_09_jaw_drop": 0.09}
    assert make_description(values, feafa).answer == "left eye close, 0.53."
    assert make_description(values, feafa, wording=3).answer == "left eye close, 0.53: left lids shut."


@pytest.mark.parametrize("wording", range(DESCRIPTION_WORDINGS))
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("units", [FACS, tuple(FEAFA_UNITS)], ids=["facs", "feafa"])
def test_no_word_is_about_feelings(units, scale, wording):
    protocol = Protocol("all", units, scale)
    turn = make_description(dict.fromkeys(units, 1.0), protocol, "R12 L14", wording)
    assert re.search(rf"\b(?:{FEELINGS})\w*", turn.question + turn.answer, re.IGNORECASE) is None
    named = turn.answer.count("\n" if wording in (2, 4) else ";") + 1
    assert named == len(units) - ("AU0" in units)


def test_the_list_of_feelings_would_be_found():
    assert re.search(rf"\b(?:{FEELINGS})\w*", "a happy smile")


@pytest.mark.parametrize("wording", range(DESCRIPTION_WORDINGS))
def test_a_face_at_rest_is_spoken_of_only_as_far_as_it_is_coded(wording):
    protocol = Protocol("custom", ("AU1", "AU4"), "occurrence")
    turn = make_description({"AU1": 0, "AU4": math.nan}, protocol, wording=wording)
    assert turn.answer == NOTHING_ACTIVE == "No coded action unit is active."
    assert "AU4" not in turn.question
    assert make_description({"AU1": None}, protocol) is None


def test_wordings_differ():
    protocol = Protocol("custom", ("AU1", "AU4"), "occurrence")
    assert len({make_description({"AU1": 1}, protocol, wording=w).question for w in range(DESCRIPTION_WORDINGS)}) == 5
    with pytest.raises(ValueError, match="wording"):
        make_description({"AU1": 1}, protocol, wording=DESCRIPTION_WORDINGS)


def test_sides_are_said():
    turn = make_description(
        {"AU12": 1, "AU14": 1, "AU4": 1}, Protocol("c", ("AU4", "AU12", "AU14"), "occurrence"), "R12 L14 R14"
    )
    assert "AU12 lip corner puller, right side: zyg" in turn.answer
    assert turn.answer.count("side") == 1
    assert sides_of("L12+R14, AU4 R99") == {"AU12": "left", "AU14": "right"}


@pytest.mark.parametrize(
    "scale, value", [("occurrence", 0.5), ("intensity", 7), ("intensity", -3), ("continuous", -0.2)]
)
def test_a_value_outside_the_scale_is_refused(scale, value):
    with pytest.raises(ValueError, match="scale|strength"):
        make_description({"AU12": value}, Protocol("c", ("AU12",), scale))
