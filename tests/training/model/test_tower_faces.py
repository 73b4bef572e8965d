"""Crops of rendered heads carry their truth through cropping, turning and mirroring."""

import numpy as np
import pytest

pytest.importorskip("anny")

from aullava.dataset_builder.chat.drawn_faces import DrawnFaceArguments
from aullava.dataset_builder.synthetic.rendered.sampling import one_sided_units
from aullava.dataset_builder.synthetic.rendered.store import render_heads
from aullava.training.model.tower_faces import ACTIONS, CROP, SIDES, TowerFaces

SIDE = 64


@pytest.fixture(scope="module")
def heads():
    return render_heads("train", 0, 12, SIDE, zoom=(1.0, 1.0))


@pytest.fixture(scope="module")
def drawing():
    return DrawnFaceArguments(draw_size=SIDE)


def landmarks(row):
    return row["geometry_G"][:136].reshape(68, 2)


def test_a_clean_crop_holds_the_face_at_one_size(heads, drawing):
    faces = TowerFaces(drawing, 0.0, 12, heads, clean=True)
    for index in range(12):
        points = landmarks(faces[index])
        assert np.ptp(points, axis=0).max() == pytest.approx(1 / CROP, abs=1e-3)
        np.testing.assert_array_equal(faces[index]["strengths_A"], heads.strengths_NA[index])


def test_the_same_number_gives_the_same_sample_and_each_pass_another(heads, drawing):
    faces, again = (TowerFaces(drawing, 0.0, 48, heads, seed=3) for _ in range(2))
    first = faces[5]
    assert all((first[name] == again[5][name]).all() for name in first)
    shown = {row["image_HWC"].tobytes() for row in (faces[index] for index in range(48))}
    assert len(shown) == 48  # four passes over twelve heads
    values = [tuple(sorted(faces[index]["strengths_A"])) for index in range(12)]
    assert sorted(values) == sorted(tuple(sorted(row)) for row in heads.strengths_NA)  # each once in a pass


def test_mirrored_faces_swap_sides_and_keep_landmarks_in_order(heads, drawing):
    faces = TowerFaces(drawing, 0.0, 200, heads, seed=1)
    asymmetric = [n for n in range(12) if one_sided_units(dict(zip(ACTIONS, heads.strengths_NA[n], strict=True)))]
    assert asymmetric  # one face in three
    left, right = map(list, zip(*SIDES, strict=True))
    swapped = kept = 0
    for index in range(200):
        row = faces[index]
        for number in asymmetric:
            true = heads.strengths_NA[number]
            swapped += (row["strengths_A"][left] == true[right]).all() and (
                row["strengths_A"][right] == true[left]
            ).all()
            kept += (row["strengths_A"] == true).all()
        points = landmarks(row)
        assert points[36, 0] < points[45, 0] and points[48, 0] < points[54, 0]  # the subject's right is on the left
    assert swapped > 5 and kept > 5


def test_roll_follows_the_line_of_the_eyes(heads, drawing):
    faces = TowerFaces(drawing, 0.0, 60, heads, seed=2)
    apart = []
    for index in range(60):
        row = faces[index]
        yaw, pitch, roll = row["geometry_G"][136:139] * 30
        if abs(yaw) < 15 and abs(pitch) < 12:
            across = landmarks(row)[45] - landmarks(row)[36]
            apart.append(np.degrees(np.arctan2(across[1], across[0])) - roll)
    assert len(apart) > 10 and np.abs(apart).mean() < 3
