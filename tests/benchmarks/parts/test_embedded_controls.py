"""Controls do what their names say: other people's pictures, one unit that grows, views that training never drew."""

import importlib
from dataclasses import fields

import numpy as np
import pytest
from PIL import Image
from scipy.stats import spearmanr

from aullava.action_units import PROTOCOLS
from aullava.dataset_builder.synthetic.drawn import Scene, sample_face
from aullava.dataset_builder.synthetic.drawn.actions import PARTS
from aullava.dataset_builder.synthetic.drawn.labels import strength_of
from aullava.dataset_builder.synthetic.drawn.scene import MAX_PITCH, MAX_ROLL, MAX_YAW

from checkout import ROOT

with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(ROOT / "benchmarks")
    controls = importlib.import_module("parts.embedded_controls")
SHIFTS = controls.SHIFTS


@pytest.mark.parametrize("counts", [[1, 1], [1] * 50, [3, 3], [5, 2, 2, 1], [1, 4, 2, 2]])
def test_every_face_gets_another_persons_face_and_each_is_used_once(counts):
    subject_N = np.repeat([f"s{number}" for number in range(len(counts))], counts)
    for seed in range(5):
        shuffled_N = np.random.default_rng(seed).permutation(subject_N)
        found = controls.others(shuffled_N.tolist(), seed)
        assert sorted(found) == list(range(len(subject_N))) and (shuffled_N[found] != shuffled_N).all()


def test_one_person_with_most_of_the_faces_is_refused_and_the_seed_decides():
    with pytest.raises(ValueError, match="one person has 3 of 5 faces"):
        controls.others(list("aaabb"))
    subjects = [f"s{number}" for number in range(30)]
    assert (
        controls.others(subjects).tolist()
        == controls.others(subjects).tolist()
        != controls.others(subjects, 1).tolist()
    )


@pytest.mark.parametrize("code", PARTS)
def test_one_unit_grows_on_one_person_and_nothing_else_moves(code):
    [faces] = controls.dose_faces(code, 1, 3, size=32)
    assert [strength_of(face.actions, code) for face in faces] == [0, 0.5, 1]
    allowed = {*PARTS[code], "AU25"} if code == "AU27" else {*PARTS[code]}  # a stretched mouth parts the lips
    assert all(not strength for face in faces for name, strength in face.actions.items() if name not in allowed)
    assert len({face.subject for face in faces}) == 1 and faces[0].subject.startswith("test-")
    assert all(face.scene == faces[0].scene and face.identity == faces[0].identity for face in faces)
    assert len({face.image_HWC.tobytes() for face in faces}) > 1


def test_doses_are_of_different_people():
    rows = controls.dose_faces("AU12", 3, 2, size=32)
    assert len({row[0].subject for row in rows}) == 3


def test_the_truth_follows_its_own_dose():
    rows = controls.dose_faces("AU12", 2, 11, size=32)
    levels_NS = np.array([[face.values(PROTOCOLS["disfa"])["AU12"] for face in row] for row in rows])
    found = controls.score_dose(levels_NS)
    assert found.mean_S[0] == 0 and found.mean_S[-1] == 5
    assert found.spearman == pytest.approx(spearmanr(np.arange(11), levels_NS[0]).statistic) and found.spearman > 0.95
    assert found.rising == pytest.approx(5 / 10)


def test_rank_correlation_is_scipys_and_a_flat_reading_has_none():
    random = np.random.default_rng(0)
    reading_NS = random.integers(0, 5, (20, 6)).astype(float)
    reading_NS[0] = 2
    expected = [0.0] + [spearmanr(np.arange(6), row).statistic for row in reading_NS[1:]]
    assert controls.score_dose(reading_NS).spearman == pytest.approx(np.mean(expected))
    falling = controls.score_dose([[3.0, 2, 1]])
    assert falling.spearman == pytest.approx(-1) and falling.rising == 0
    assert controls.score_dose([[0.0, 1, 2], [0, np.nan, 0]]).spearman == pytest.approx(1)
    for nothing in ([[np.nan, 1.0]], [[1.0]]):
        with pytest.raises(ValueError, match="expected a face at two steps or more"):
            controls.score_dose(nothing)


@pytest.mark.parametrize("kind", SHIFTS)
def test_a_shift_leaves_what_training_draws_and_changes_nothing_else(kind):
    random, training = np.random.default_rng(0), [Scene.sample(np.random.default_rng(seed)) for seed in range(200)]
    names = ("shift_x", "shift_y") if kind == "translation" else (kind,)

    def amount(scene):
        return np.hypot(scene.shift_x, scene.shift_y) if kind == "translation" else abs(getattr(scene, kind))

    seen = max(amount(scene) for scene in training)
    for strength in SHIFTS[kind]:
        scenes = [controls.shifted(training[0], kind, strength, random) for _ in range(20)]
        assert all(amount(scene) > seen for scene in scenes)
        kept = [field.name for field in fields(Scene) if field.name not in names]
        assert all(getattr(scene, name) == getattr(training[0], name) for scene in scenes for name in kept)
        if kind != "noise":
            assert len({getattr(scene, names[0]) > 0 for scene in scenes}) == 2  # to either side
    assert {"yaw": MAX_YAW, "pitch": MAX_PITCH, "roll": MAX_ROLL}.get(kind, 0) <= amount(scenes[0])


def test_an_unknown_shift_is_refused():
    with pytest.raises(ValueError, match="shift is 'zoom'"):
        controls.shifted(Scene.neutral(), "zoom", 1.0, np.random.default_rng(0))


def test_losses_by_shift_are_of_the_same_persons_and_expressions():
    faces = [sample_face("test", index, size=48) for index in range(3)]
    clean = np.array([face.image_HWC for face in faces], float)

    def score(found):
        assert [face.actions for face in found] == [face.actions for face in faces]
        assert [face.identity for face in found] == [face.identity for face in faces]
        return -np.abs(np.array([face.image_HWC for face in found]) - clean).mean()

    losses = controls.shift_losses(score, faces)
    assert losses["clean"] == [0] and list(losses)[1:] == list(SHIFTS)
    assert all(len(losses[kind]) == 3 and min(losses[kind]) > 0 for kind in SHIFTS)
    assert all(losses[kind] == sorted(losses[kind]) for kind in ("yaw", "roll", "noise"))


def test_losses_are_against_the_clean_pictures_of_the_same_rows():
    images, rows = [Image.fromarray(sample_face("test", index).image_HWC) for index in (3, 4)], ["a", "b"]
    seen = []

    def score(found):
        seen.append([image.tobytes() for image in found])
        return 10 - np.mean(
            [np.abs(np.asarray(image, float) - clean).mean() for image, clean in zip(found, images, strict=True)]
        )

    losses = controls.corruption_losses(score, images, rows, ["noise", "jpeg"])
    assert list(losses) == ["clean", "noise", "jpeg"] and losses["clean"] == [10]
    assert all(
        len(losses[kind]) == 5 and losses[kind] == sorted(losses[kind]) and losses[kind][0] > 0
        for kind in ("noise", "jpeg")
    )
    assert seen[1] == [
        controls.corrupt(image, "noise", 1, row).tobytes() for image, row in zip(images, rows, strict=True)
    ]
