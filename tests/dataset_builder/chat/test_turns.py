"""Chat turns and the mix of formats."""

import math
import random
from collections import Counter

import pytest

from aullava.action_units import PROTOCOLS, parse
from aullava.dataset_builder.chat.turns import FormatMix, make_turn, to_messages


def test_units_that_are_not_coded_are_neither_asked_nor_answered():
    protocol = PROTOCOLS["bp4d"]
    values = dict.fromkeys(protocol.units, 1) | {"AU4": math.nan, "AU6": None}
    del values["AU24"]
    turn = make_turn(values, protocol)
    assert set(protocol.units) - set(turn.protocol.units) == {"AU4", "AU6", "AU24"}
    assert parse(turn.answer, turn.protocol).status == "ok"
    assert "AU4 " not in turn.question
    assert "AU12 " in turn.question


def test_a_face_without_codes_makes_no_turn():
    assert make_turn({"AU1": math.nan}, PROTOCOLS["bp4d"]) is None


def test_messages_are_what_trl_reads():
    turn = make_turn(dict.fromkeys(PROTOCOLS["disfa"].units, 2), PROTOCOLS["disfa"], "short")
    messages = to_messages(turn)
    assert [part["type"] for part in messages["prompt"][0]["content"]] == ["image", "text"]
    assert messages["completion"][0]["content"][0]["text"] == turn.answer


def test_mix_keeps_its_shares():
    names = ("bp4d", "disfa", "feafa")
    mix = FormatMix(tuple(PROTOCOLS[n] for n in names), (2, 1, 1), 0.2, ("AU1", "AU4", "AU12"), full_share=0.25)
    generator = random.Random(0)
    chosen = [mix.choose(generator) for _ in range(4000)]
    shares = Counter(protocol.name for protocol, _, _ in chosen)
    assert shares["custom"] / 4000 == pytest.approx(0.2, abs=0.03)
    assert shares["bp4d"] / shares["feafa"] == pytest.approx(2, abs=0.3)
    assert sum(form == "full" for _, form, _ in chosen) / 4000 == pytest.approx(0.25, abs=0.03)
    custom = [protocol for protocol, _, _ in chosen if protocol.name == "custom"]
    assert {len(p.units) for p in custom} == {1, 2, 3}
    assert {p.scale for p in custom} == {"occurrence", "intensity", "continuous"}


def test_mix_refuses_contradictions():
    with pytest.raises(ValueError, match="weights"):
        FormatMix((PROTOCOLS["bp4d"],), (1, 2))
    with pytest.raises(ValueError, match="custom_units"):
        FormatMix((PROTOCOLS["bp4d"],), (1,), custom_share=0.5)
