"""The stream of rendered faces: a function of its arguments, with a truth that fits the pixels."""

import json
from dataclasses import replace

import numpy as np
import pytest

from aullava.action_units import PROTOCOLS
from aullava.dataset_builder.synthetic.numbering import SPLITS
from aullava.dataset_builder.synthetic.rendered.actions import ACTIONS, mirrored
from aullava.dataset_builder.synthetic.rendered.expression import Face
from aullava.dataset_builder.synthetic.rendered.identity import sample_identity
from aullava.dataset_builder.synthetic.rendered.landmarks import landmark_vertices
from aullava.dataset_builder.synthetic.rendered.masks import changed_mask
from aullava.dataset_builder.synthetic.rendered.mesh import load_head
from aullava.dataset_builder.synthetic.rendered.pairs import sample_pair
from aullava.dataset_builder.synthetic.rendered.render import render
from aullava.dataset_builder.synthetic.rendered.samples import (
    GROUPS,
    describe_face,
    make_face,
    random_stream,
    sample_face,
)
from aullava.dataset_builder.synthetic.rendered.scene import Scene


def test_the_same_arguments_give_the_same_face():
    first, again = sample_face("test", 5, seed=3, size=64), sample_face("test", 5, seed=3, size=64)
    assert np.array_equal(first.image_HWC, again.image_HWC) and first.image_HWC.shape == (64, 64, 3)
    assert first.description.record(64) == again.description.record(64)
    assert describe_face("test", 5, seed=4).record(64) != first.description.record(64)


def test_splits_share_no_identity_and_frames_share_theirs():
    shapes = {(split, n): json.dumps(describe_face(split, n).identity.record()) for split in SPLITS for n in range(15)}
    assert len(set(shapes.values())) == len(shapes)
    frames = [describe_face("train", index, frames_per_identity=3) for index in (6, 7, 8, 9)]
    people = [json.dumps(frame.identity.record()) for frame in frames]
    assert people[0] == people[1] == people[2] != people[3]
    assert [frame.subject for frame in frames] == ["train-000002"] * 3 + ["train-000003"]
    assert frames[0].actions != frames[1].actions and frames[0].scene != frames[1].scene


def test_options_of_expressions_leave_person_and_scene_alone():
    usual, other = describe_face("train", 3), describe_face("train", 3, least_share=0.0, one_sided=0.0)
    assert usual.identity.record() == other.identity.record() and usual.scene == other.scene


def test_groups_and_ranges():
    faces = [describe_face("train", index) for index in range(150)]
    assert {face.groups["skin_tone"] for face in faces} == {str(tone) for tone in range(1, 11)}
    assert {face.groups["age"] for face in faces} == {"child", "young", "middle", "older"}
    assert all(tuple(face.groups) == GROUPS for face in faces)
    assert all(isinstance(value, str) for face in faces for value in face.groups.values())
    assert all(12 <= face.identity.age <= 85 and abs(face.scene.camera.yaw) <= 45 for face in faces)


def test_everything_that_made_a_face_is_recorded():
    record = json.loads(json.dumps(describe_face("validation", 2).record(96)))
    assert {"identity", "scene", "actions", "pulls", "sides", "gaze", "box", "landmarks"} == set(record)
    assert np.array(record["landmarks"]).shape == (68, 2)
    assert {"age", "sex", "ancestry", "tone", "habit", "droop", "shape", "look"} == set(record["identity"])


def test_landmarks_lie_where_ibug_puts_them():
    for number in range(6):
        points = make_face(sample_identity(random_stream(9, number)), {}, Scene()).landmarks(200)
        jaw = points[:17]  # from the subject's right ear, which is on the left of the picture
        assert (
            (np.diff(jaw[5:12, 0]) > 0).all() and (np.diff(jaw[:8, 1]) > 0).all() and (np.diff(jaw[9:, 1]) < 0).all()
        )
        assert points[36, 0] < points[39, 0] < points[42, 0] < points[45, 0]
        assert (
            points[17:27, 1].max()
            < points[36:48, 1].min()
            < points[36:48, 1].max()
            < points[33, 1]
            < points[48:68, 1].min()
        )
        assert points[8, 1] > points[57, 1] > points[66, 1] >= points[62, 1] > points[51, 1]
        assert points[48, 0] < points[60, 0] < points[64, 0] < points[54, 0]


def test_the_far_jaw_is_marked_on_the_outline():
    who = sample_identity(random_stream(9, 2))
    who = replace(
        who, look=replace(who.look, hair="bald", beard="none", headwear="none", glasses="none", clothes="bare")
    )
    for yaw, jaw in ((40.0, slice(9, 16)), (-40.0, slice(1, 8))):
        face = make_face(who, {}, replace(Scene(), camera=replace(Scene().camera, yaw=yaw))).render(200)
        there = face.rendered.part_HW >= 0
        outward = 1 if yaw > 0 else -1
        for x, y in 2 * face.landmarks_68_2[jaw]:  # the buffers have two samples a pixel
            row = np.flatnonzero(there[round(float(y))])
            edge = row.max() if outward > 0 else row.min()
            assert abs(edge - x) < 12, (yaw, x, y)
    frontal = make_face(who, {}, Scene())
    plain = frontal.scene.camera.project(frontal.scene.camera.place(frontal.vertices_V3[landmark_vertices()]), 200)[
        :, :2
    ]
    assert np.abs(plain - frontal.landmarks(200)).max() < 3


def test_the_box_holds_the_landmarks_between_brows_and_lips():
    for number in range(20):
        face = describe_face("train", number)
        x, y, w, h = face.record(100)["box"]
        inner = face.landmarks(100)[17:68]
        near = 0.1 * w  # the far side of a face that is turned away reaches a little over
        assert w == h > 10 and (inner >= (x - near, y - near)).all() and (inner <= (x + w + near, y + h + near)).all()


def test_a_turn_moves_the_landmarks_and_gaze_follows_its_units():
    who = sample_identity(random_stream(9, 1))
    left = make_face(who, {"AU61": 0.6}, Scene())
    assert left.gaze[0] > 10 and left.gaze[1] == 0 and make_face(who, {"AU64": 0.6}, Scene()).gaze[1] < -8


def test_an_action_shows_in_its_mask_and_nowhere_else():
    """On a plain scene: the pixels that an action changes lie in or beside the mask of the skin that it moves."""
    import cv2

    who = sample_identity(random_stream(9, 4), age=30)
    for action in ("AU12L", "AU2R", "AU43L", "AU27", "AU17"):
        face = make_face(who, {action: 1.0}, Scene()).render(128)
        mask, changed = face.masks()[action], face.changed(action)
        assert 10 < mask.sum() < 0.4 * mask.size and changed.any(), action
        near = cv2.dilate(mask.astype(np.uint8), np.ones((15, 15))) > 0
        assert (changed & near).sum() > 0.6 * changed.sum(), action
    masks = face.masks()
    assert set(masks) == set(ACTIONS)
    half = masks["AU12L"][:, :64].sum(), masks["AU12L"][:, 64:].sum()
    assert half[1] > 5 * half[0]  # the subject's left is on the right of the picture


def test_pairs_differ_in_one_action_and_share_the_noise():
    for index in range(4):
        pair = sample_pair("train", index, size=64)
        assert pair.without.actions[pair.action] == 0 < pair.with_it.actions[pair.action]
        assert set(pair.tied) <= {"AU25", "AU27", "AU43L", "AU43R", "AU61", "AU62", "AU63", "AU64"}
        assert pair.without.description.scene == pair.with_it.description.scene
        assert not pair.changed_HW.all()


def test_without_an_action_nothing_changes():
    face = sample_face("train", 11, size=48)
    again = face.description.with_action("AU2L", face.description.pulls["AU2L"]).render(48)
    assert not changed_mask(face.image_HWC, again.image_HWC).any()


def test_labels_say_what_is_seen_and_not_what_pulls():
    faces = [describe_face("train", index) for index in range(60)]
    differ = [face for face in faces if abs(face.actions["AU25"] - face.pulls["AU25"]) > 0.2]
    assert 5 < len(differ) < 30
    for face in faces:
        assert {name for name in ACTIONS if face.actions[name] != face.pulls[name]} <= {"AU25", "AU43L", "AU43R"}


def test_a_mirrored_face_in_a_mirrored_scene_is_the_mirrored_picture():
    head, described = load_head(), describe_face("train", 0)
    flip = np.array([-1, 1, 1], np.float32)
    face, look = described.identity.face, described.identity.look
    other = Face(np.ascontiguousarray(face.rest_V3[head.mirror_V] * flip), face.habit, face.droop)
    pulls = mirrored(described.pulls)
    picture = render(face.move(described.pulls), look, described.pulls, described.scene, 96).image_HW3
    image = render(other.move(pulls), look, pulls, described.scene.mirrored(), 96).image_HW3[:, ::-1]
    assert np.abs(picture.astype(int) - image).mean() < 1.0  # grey levels


@pytest.mark.parametrize(
    ("arguments", "options"),
    [(("dev", 0), {}), (("train", -1), {}), (("train", 10**9), {}), (("train", 0), {"frames_per_identity": 0})],
)
def test_meaningless_arguments_are_refused(arguments, options):
    with pytest.raises(ValueError, match="split|index|out of range"):
        describe_face(*arguments, **options)


def test_a_picture_too_small_for_a_face_is_refused():
    with pytest.raises(ValueError, match="at least 32"):
        describe_face("train", 0).render(31)


def test_values_are_those_of_the_actions():
    face = sample_face("train", 1, size=32)
    assert set(face.values(PROTOCOLS["disfa"])) == set(PROTOCOLS["disfa"].units)
    assert face.sides == face.description.record(32)["sides"]
