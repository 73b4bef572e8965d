"""Rows of drawn faces: repeatable, in the formats asked for, with answers that hold the face's values."""

import numpy as np
import pytest

from aullava.action_units import PROTOCOLS, Protocol, parse
from aullava.dataset_builder.chat.drawn_faces import ASKED_UNITS, DrawnFaceArguments, drawn_faces, format_mix
from aullava.dataset_builder.synthetic.drawn import sample_face


def answer_of(row: dict, turn: int = 0) -> str:
    return row["turns"][turn].answer


def test_rows_are_the_same_whoever_reads_them():
    arguments = DrawnFaceArguments(faces=6, draw_size=48)
    rows, again = drawn_faces(arguments), drawn_faces(arguments).select([4, 2])
    for place, index in enumerate((4, 2)):
        assert answer_of(rows[index]) == answer_of(again[place])
        assert np.array_equal(np.asarray(rows[index]["images"][0]), np.asarray(again[place]["images"][0]))


def test_the_answer_holds_the_values_of_the_picture():
    for name in ("bp4d", "disfa", "feafa"):
        arguments = DrawnFaceArguments(
            faces=4,
            first_face=7,
            draw_size=48,
            protocols=[name],
            protocol_weights=[1],
            custom_share=0,
            frames_per_identity=2,
        )
        for offset, row in enumerate(drawn_faces(arguments, "validation")):
            face = arguments.face("validation", 7 + offset)
            assert np.array_equal(np.asarray(row["images"][0]), face.image_HWC)
            read = parse(answer_of(row), PROTOCOLS[name])
            assert read.status == "ok"
            assert read.values == pytest.approx(face.values(PROTOCOLS[name]))


def test_turns_about_a_face_ask_different_things():
    arguments = DrawnFaceArguments(faces=5, draw_size=48, turns_per_face=5, custom_share=0.0)
    for row in drawn_faces(arguments):
        asked = [(turn.protocol.scale, turn.protocol.units) for turn in row["turns"]]
        protocols = {(p.scale, p.units) for p in map(PROTOCOLS.get, arguments.protocols)}
        assert len(set(asked)) == 5 and set(asked[:3]) == protocols
        assert row["row"].startswith("procedural/train/")


def test_protocols_of_weight_zero_are_not_asked():
    arguments = DrawnFaceArguments(faces=4, draw_size=48, turns_per_face=2, protocol_weights=[1, 0, 0], custom_share=0)
    for row in drawn_faces(arguments):
        assert row["turns"][0].protocol.scale == "occurrence"
        assert row["turns"][1].protocol.units not in (PROTOCOLS["disfa"].units, PROTOCOLS["feafa"].units)


def test_stages_take_disjoint_faces():
    first = drawn_faces(DrawnFaceArguments(faces=3, draw_size=48))
    second = drawn_faces(DrawnFaceArguments(faces=3, first_face=3, draw_size=48))
    pictures = [np.asarray(row["images"][0]).tobytes() for rows in (first, second) for row in rows]
    assert len(set(pictures)) == 6


def test_every_drawn_unit_can_be_asked_on_every_scale():
    face = sample_face("train", 0, size=48)
    assert {"AU1", "AU12", "AU27", "AU43"} <= set(ASKED_UNITS)
    mix = format_mix(DrawnFaceArguments(custom_share=1.0))
    assert mix.custom_units == ASKED_UNITS
    for scale in ("occurrence", "intensity", "continuous"):
        protocol = Protocol("all", ASKED_UNITS, scale)
        assert set(face.values(protocol)) == set(ASKED_UNITS)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"protocols": ["dista"]}, "dista"),
        ({"protocols": []}, "protocols"),
        ({"protocol_weights": [1.0]}, "one weight each"),
        ({"protocol_weights": [0.0, 0.0, 0.0]}, "not all 0"),
        ({"custom_share": 5.0}, "custom_share is 5.0"),
        ({"full_share": -3.0}, "full_share is -3.0"),
        ({"faces": 0}, "faces is 0"),
        ({"first_face": -4}, "first_face is -4"),
        ({"frames_per_identity": 0}, "frames_per_identity is 0"),
        ({"style": "nope"}, "style is 'nope'"),
    ],
)
def test_impossible_arguments_are_refused_at_once(wrong, named):
    with pytest.raises(ValueError, match=named):
        DrawnFaceArguments(**wrong)


def test_weights_may_be_left_out_and_the_usual_form_follows_the_share():
    assert format_mix(DrawnFaceArguments(protocols=["bp4d"])).weights == (1.0,)
    assert [DrawnFaceArguments(full_share=share).usual_form for share in (0.02, 0.98)] == ["short", "full"]
