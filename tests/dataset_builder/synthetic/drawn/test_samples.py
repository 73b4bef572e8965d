"""The stream of drawn faces is a function of its arguments, and its splits share nobody."""

import numpy as np
import pytest

from aullava.dataset_builder.synthetic.drawn import sample_face
from aullava.dataset_builder.synthetic.numbering import SPLITS


def test_the_same_arguments_give_the_same_face():
    first, again = sample_face("test", 5, seed=3), sample_face("test", 5, seed=3)
    assert np.array_equal(first.image_HWC, again.image_HWC)
    assert (first.actions, first.subject, first.identity) == (again.actions, again.subject, again.identity)
    assert sample_face("test", 5, seed=4).identity != first.identity


def test_splits_share_no_identity():
    people = {split: {sample_face(split, index, size=32).identity for index in range(40)} for split in SPLITS}
    assert all(len(people[split]) == 40 for split in SPLITS)
    assert len(set().union(*people.values())) == 3 * 40
    assert sample_face("validation", 17, size=32).subject == "validation-000017"


def test_frames_of_one_identity_differ_in_expression_and_scene_only():
    frames = [sample_face("train", index, frames_per_identity=3, size=32) for index in (6, 7, 8, 9)]
    assert frames[0].identity == frames[1].identity == frames[2].identity != frames[3].identity
    assert [frame.subject for frame in frames] == ["train-000002"] * 3 + ["train-000003"]
    assert frames[0].scene != frames[1].scene
    assert frames[0].actions != frames[1].actions


def test_a_style_changes_the_expression_and_nothing_else():
    mixed, uniform = sample_face("train", 3, size=32), sample_face("train", 3, style="uniform", size=32)
    assert (mixed.identity, mixed.scene) == (uniform.identity, uniform.scene)
    assert mixed.actions != uniform.actions


def test_groups_name_the_skin_tone_and_the_age():
    faces = [sample_face("train", index, size=32) for index in range(120)]
    assert {face.groups["skin_tone"] for face in faces} == set(range(1, 11))
    assert {face.groups["age"] for face in faces} == {"young", "middle", "older"}


@pytest.mark.parametrize(
    ("arguments", "options"),
    [(("dev", 0), {}), (("train", -1), {}), (("train", 10**9), {}), (("train", 0), {"frames_per_identity": 0})],
)
def test_meaningless_arguments_are_refused(arguments, options):
    with pytest.raises(ValueError, match="split|index|out of range"):
        sample_face(*arguments, **options)
