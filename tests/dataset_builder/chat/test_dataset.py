"""Rows become chat turns of every kind, datasets of turns, and a preview."""

import io
import math
import pickle
from collections import Counter

import numpy as np
import pytest
from datasets import Dataset
from datasets import Image as ImageFeature
from PIL import Image
from rich.console import Console

from aullava.action_units import FEAFA_UNITS, PROTOCOLS, parse, value_of, value_strings
from aullava.dataset_builder.chat.dataset import ChatMix, chat_dataset, preview
from aullava.dataset_builder.chat.formats import KINDS, turns_of
from aullava.dataset_builder.rows.derive import as_protocol, values_from_columns
from aullava.dataset_builder.rows.schema import features_of, value_columns

BP4D_LIKE = {"occurrence": PROTOCOLS["bp4d"].units, "intensity": PROTOCOLS["bp4d_intensity"].units}
DISFA = {"intensity": PROTOCOLS["disfa"].units}
FEAFA = {"continuous": tuple(FEAFA_UNITS)}


def only(kind, **options):
    return ChatMix(**{name: float(name == kind) for name in KINDS}, **options)


def row(units, number=0, seed=0, missing=(), **more):
    """A row of the builder's schema with values as float32 holds them."""
    generator = np.random.default_rng([seed, number])
    values = {
        column: float(np.float32(value_of(generator.choice(value_strings(scale)), scale)))
        for column, (scale, _) in value_columns(units).items()
    }
    pixels = generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    head = dict.fromkeys(features_of({})) | {
        "corpus": "made",
        "subject": f"S{number}",
        "sequence": "T1",
        "frame": number,
    }
    head |= {"camera": "", "sides": "", "status": "ok", "image": Image.fromarray(pixels)}
    return head | values | dict.fromkeys(missing, math.nan) | more


def check(turn, values):
    """Whether a turn says what the row's values are, and asks nothing that is not coded."""
    wanted = as_protocol(values, turn.protocol)
    assert not any(map(math.isnan, wanted.values()))
    if turn.kind != "description":
        found = parse(turn.answer, turn.protocol)
        assert found.status == "ok"
        assert found.values == wanted


@pytest.mark.parametrize("units", [BP4D_LIKE, DISFA, FEAFA], ids=["bp4d", "disfa", "feafa"])
def test_every_turn_is_true_and_asks_only_what_is_coded(units):
    seen = Counter()
    columns = list(value_columns(units))
    for number in range(60):
        missing = columns[number % 5 :: 3]
        given = row(units, number, missing=missing)
        turns = turns_of(given, ChatMix(turns_per_image=3))
        assert len(turns) == 3 == len({turn.question for turn in turns})
        for turn in turns:
            check(turn, values_from_columns(given))
            seen[turn.kind] += 1
    assert set(seen) == set(KINDS) - ({"derived"} if units is BP4D_LIKE and not seen["derived"] else set())


def test_kinds_are_what_they_are_called():
    given = row(DISFA)
    [whole] = turns_of(given, only("whole"))
    assert (whole.protocol, whole.kind) == (PROTOCOLS["disfa"], "whole")
    [derived] = turns_of(given, only("derived"))
    assert derived.protocol.scale == "occurrence" and derived.protocol.units == PROTOCOLS["disfa"].units
    sizes = set()
    for number in range(60):
        [single] = turns_of(row(DISFA, number), only("single"))
        [subset] = turns_of(row(DISFA, number), only("subset"))
        assert len(single.protocol.units) == 1
        sizes.add(len(subset.protocol.units))
        order = [PROTOCOLS["disfa"].units.index(code) for code in subset.protocol.units]
        assert order == sorted(order)
    assert sizes == set(range(2, 12))


def test_a_row_of_two_scales_is_asked_in_both_as_a_whole():
    asked = {turns_of(row(BP4D_LIKE, n), only("whole"))[0].protocol.name for n in range(30)}
    assert asked == {"bp4d", "bp4d_intensity"}
    assert turns_of(row(BP4D_LIKE), only("derived")) == []  # all that intensities give is coded already


def test_the_threshold_of_the_mix_is_used():
    given = row({"intensity": ("AU1", "AU2")}) | {"AU01_r": 2.0, "AU02_r": 3.0}
    assert [turns_of(given, only("derived", occurrence_threshold=t))[0].answer for t in (2, 3, 4)] == [
        "AU1=1 AU2=1",
        "AU1=0 AU2=1",
        "AU1=0 AU2=0",
    ]


def test_a_fractional_intensity_is_asked_as_its_level():
    given = row({"intensity": ("AU1", "AU2")}) | {"AU01_r": float(np.float32(2.37)), "AU02_r": 2.5}
    assert turns_of(given, only("whole"))[0].answer == "AU1=2 AU2=3"


def test_nothing_coded_or_no_picture_makes_no_turn():
    given = row(DISFA, missing=value_columns(DISFA))
    assert turns_of(given, ChatMix()) == []
    assert turns_of({**given, **dict.fromkeys(value_columns(DISFA))}, ChatMix()) == []
    for status in ("no_picture", "no_face", "unreadable", "not_coded"):
        assert turns_of(row(DISFA, status=status), ChatMix()) == []


def test_single_questions_are_balanced_as_asked():
    def active(share):
        asked = [
            turns_of(rare(n), only("single", active_share=share, scales=("occurrence",)))[0].answer for n in range(400)
        ]
        return sum(answer.endswith("=1") for answer in asked) / 400

    def rare(number):
        codes = dict.fromkeys(value_columns({"occurrence": PROTOCOLS["bp4d"].units}), 0.0)
        return row({}, number) | codes | {"AU12_c": 1.0}

    assert active(0.5) == pytest.approx(0.5, abs=0.08)
    assert active(None) == pytest.approx(1 / 12, abs=0.05)
    assert (active(1.0), active(0.0)) == (1, 0)


def test_turns_follow_from_seed_and_row_alone():
    mix = ChatMix(turns_per_image=4)
    given = row(DISFA)
    assert turns_of(given, mix) == turns_of(dict(reversed(given.items())), mix)
    assert turns_of(given, mix) != turns_of(given, ChatMix(turns_per_image=4, seed=1))
    assert turns_of(given, mix) != turns_of({**given, "frame": 1}, mix)
    questions = {turns_of(given, only("whole", full_share=1.0, seed=seed))[0].question for seed in range(60)}
    assert len(questions) == 8
    words = {turns_of(given, only("description", seed=seed))[0].question for seed in range(60)}
    assert len(words) == 10  # five wordings in each of two scales


def test_one_question_is_not_asked_twice():
    given = row({"occurrence": ("AU12",)})
    assert len(turns_of(given, only("whole", turns_per_image=4, full_share=0.0))) == 1
    turns = turns_of(given, only("whole", turns_per_image=4, full_share=1.0))
    assert len({turn.question for turn in turns}) == 4


@pytest.mark.parametrize(
    "wrong, said",
    [
        (dict.fromkeys(KINDS, 0.0), "weights"),
        ({"whole": -1.0}, "weights"),
        ({"single": math.nan}, "weights"),
        ({"full_share": 1.5}, "full_share"),
        ({"active_share": -0.1}, "active_share"),
        ({"mirror_share": 2.0}, "mirror_share"),
        ({"turns_per_image": 0}, "turns_per_image"),
        ({"scales": ("levels",)}, "scales"),
        ({"scales": ()}, "scales"),
        ({"occurrence_threshold": 0}, "occurrence_threshold"),
    ],
)
def test_a_mix_that_cannot_be_is_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        ChatMix(**wrong)


@pytest.fixture
def rows():
    made = [row(DISFA, number) for number in range(6)]
    made[1] |= {"status": "no_picture", "image": None}
    made[3] |= dict.fromkeys(value_columns(DISFA))
    return Dataset.from_list(made, features=features_of(DISFA))


def texts(asked):
    return asked["prompt"][0]["content"][1]["text"], asked["completion"][0]["content"][0]["text"]


def test_a_dataset_of_turns(rows, caplog):
    mix = ChatMix(turns_per_image=2)
    turns = chat_dataset(rows, mix)
    assert "4 of 6 rows make turns; left out: 1 no_picture, 1 nothing to ask" in caplog.text
    assert len(turns) == 8
    expected = [turn for number in (0, 2, 4, 5) for turn in turns_of(rows[number], mix)]
    assert [texts(asked) for asked in turns] == [(turn.question, turn.answer) for turn in expected]
    assert set(turns[0]) == {"images", "prompt", "completion"}
    for place, number in enumerate((0, 0, 2, 2, 4, 4, 5, 5)):
        [picture] = turns[place]["images"]
        np.testing.assert_array_equal(np.asarray(picture), np.asarray(rows[number]["image"]))
    again = pickle.loads(pickle.dumps(turns.shuffle(seed=1)))
    assert sorted(texts(asked) for asked in again) == sorted(texts(asked) for asked in turns)


def test_a_picture_is_decoded_once_for_turns_that_are_read_together(rows, monkeypatch):
    decoded = []
    decode = ImageFeature.decode_example
    monkeypatch.setattr(ImageFeature, "decode_example", lambda *a, **k: decoded.append(1) or decode(*a, **k))
    turns = chat_dataset(rows, ChatMix(turns_per_image=5))
    assert decoded == []  # values alone say which rows are asked
    assert len(turns[0:5]["prompt"]) == 5
    assert len(decoded) == 1
    stream = chat_dataset(rows.to_iterable_dataset(), ChatMix(turns_per_image=5))
    decoded.clear()
    assert len(list(stream)) == 20
    assert len(decoded) == 5  # six rows, one of them without an image


@pytest.mark.parametrize("output", ["prompt_completion", "messages"])
def test_a_stream_gives_the_same_turns(rows, output):
    mix = ChatMix(turns_per_image=2)
    stream = list(chat_dataset(rows.to_iterable_dataset(num_shards=2), mix, output))
    assert [{**r, "images": 0} for r in stream] == [{**r, "images": 0} for r in chat_dataset(rows, mix, output)]
    assert all(isinstance(r["images"][0], Image.Image) for r in stream)


def test_conversations(rows):
    mix = ChatMix(turns_per_image=3)
    expected = turns_of(rows[0], mix)
    conversation = chat_dataset(rows, mix, "messages")[0]
    said = [(m["role"], m["content"][-1]["text"]) for m in conversation["messages"]]
    assert said == [pair for t in expected for pair in (("user", t.question), ("assistant", t.answer))]
    kinds = [part["type"] for m in conversation["messages"] for part in m["content"]]
    assert kinds.count("image") == 1 == len(conversation["images"]) and kinds[0] == "image"


def test_a_dataset_without_turns_is_refused(rows):
    with pytest.raises(ValueError, match="no row of 1"):
        chat_dataset(rows.select([1]), ChatMix())
    with pytest.raises(ValueError, match="no value column"):
        chat_dataset(rows.select_columns(["subject"]), ChatMix())
    with pytest.raises(ValueError, match="output"):
        chat_dataset(rows, ChatMix(), "text")


def test_the_preview_can_be_read(rows):
    shown = io.StringIO()
    preview(rows, only("whole", full_share=1.0), Console(file=shown, width=100))
    text = shown.getvalue()
    assert "made/S0/T1//0" in text and "[whole, intensity, 12 units]" in text and "32x32 pixels, 12 of 12" in text
    assert turns_of(rows[0], only("whole"))[0].answer.split()[0] in text
    assert "no turn: no_picture" in text and "no turn: nothing that the mix asks is coded" in text
    shown.truncate(0)
    preview(
        [row({"occurrence": ("AU51", "AU52")}, sides="R12")], ChatMix(mirror_share=1.0), Console(file=shown, width=100)
    )
    assert "sides L12, mirrored" in shown.getvalue()
