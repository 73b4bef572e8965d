"""Augmented rows: off by default, repeatable through workers and resumed runs, geometry that keeps faces, sides that swap."""

import random
import zlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from torch import nn
from transformers import Trainer, TrainingArguments

from aullava.action_units import FEAFA_UNITS, PROTOCOLS, Protocol, parse
from aullava.dataset_builder.chat.drawn_faces import DrawnFaceArguments, drawn_faces
from aullava.dataset_builder.chat.mirror import mirror_turn
from aullava.dataset_builder.chat.turns import make_description, make_turn
from aullava.dataset_builder.synthetic.drawn import Identity, Scene, draw_face, sample_face
from aullava.dataset_builder.synthetic.drawn import geometry as shapes
from aullava.dataset_builder.synthetic.drawn.canvas import Canvas
from aullava.dataset_builder.synthetic.drawn.labels import values_of
from aullava.training.data import augmentation
from aullava.training.data.augmentation import (
    AugmentationArguments,
    EpochOfRun,
    augment,
    augment_row,
    augmented_rows,
    crop_box,
    flip_row,
)

STRONG = AugmentationArguments(
    augment_share=0.7,
    augment_flip=0.5,
    augment_crop=0.1,
    augment_blur=0.01,
    augment_brightness=0.3,
    augment_contrast=0.3,
    augment_saturation=0.5,
    augment_hue=0.03,
    augment_gamma=0.3,
    augment_gray=0.1,
    augment_noise=8.0,
    augment_jpeg=40,
)
ALONE = {
    "augment_crop": 0.1,
    "augment_blur": 0.01,
    "augment_brightness": 0.3,
    "augment_contrast": 0.5,
    "augment_saturation": 1.0,
    "augment_hue": 0.05,
    "augment_gamma": 0.5,
    "augment_gray": 1.0,
    "augment_noise": 25.0,
    "augment_jpeg": 30,
}
FACE = Image.fromarray(sample_face("train", 11, size=64).image_HWC)
ASYMMETRIC = {
    "AU12L": 0.9,
    "AU43R": 0.8,
    "AU2L": 0.7,
    "AU20R": 0.4,
    "AD30L": 0.6,
    "AU4R": 0.3,
    "AU5L": 0.5,
    "AU26": 0.4,
}


def said(row: dict) -> list[str]:
    return [turn.answer for turn in row["turns"]]


def training_row(image: Image.Image, *turns) -> dict:
    return {"images": [image], "turns": list(turns), "row": "procedural/0"}


def other_side(action: str) -> str:
    return action[:-1] + {"L": "R", "R": "L"}[action[-1]] if action[-1] in "LR" and action[:4] != "AU28" else action


# Off, on, and refused


def test_nothing_is_changed_unless_asked_for():
    rows = drawn_faces(DrawnFaceArguments(faces=2, draw_size=48))
    assert augmented_rows(rows, AugmentationArguments(), EpochOfRun()) is rows
    image = augment(FACE, AugmentationArguments(), random.Random(0))
    np.testing.assert_array_equal(np.asarray(image), np.asarray(FACE))


@pytest.mark.parametrize("name", ALONE)
def test_each_effect_changes_images_in_its_share_and_keeps_their_form(name):
    strength = ALONE[name]
    share = 0.4
    shares = {name: share} if name == "augment_gray" else {name: strength, "augment_share": share}
    arguments = AugmentationArguments(**shares)
    assert arguments.active
    made = [augment(FACE, arguments, random.Random(seed)) for seed in range(150)]
    changed = [np.asarray(image) for image in made if image.tobytes() != FACE.tobytes()]
    assert {(image.size, image.mode) for image in made} == {((64, 64), "RGB")}
    assert len(changed) / len(made) == pytest.approx(share, abs=0.13)
    if name != "augment_gray":
        assert len({image.tobytes() for image in changed}) > 20  # of hues there are 26
    else:
        assert np.ptp(changed[0], axis=2).max() == 0


def test_every_effect_is_tried_above():
    assert list(augmentation._EFFECTS) == list(ALONE)


def test_effects_do_not_change_each_other():
    """Turning blur on leaves brightness as it was, so that trials differ in one thing."""
    bright = AugmentationArguments(augment_share=1.0, augment_brightness=0.3)
    both = replace(bright, augment_blur=0.001)
    for seed in range(5):
        one, two = (np.asarray(augment(FACE, a, random.Random(seed)), float) for a in (bright, both))
        assert one.mean() == pytest.approx(two.mean(), abs=1.5)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"augment_flip": 1.2}, "augment_flip is 1.2: expected a number from 0 to 1"),
        ({"augment_crop": 0.3}, "augment_crop is 0.3: expected a number from 0 to 0.1"),
        ({"augment_hue": -0.01}, "augment_hue is -0.01"),
        ({"augment_noise": float("nan")}, "augment_noise is nan"),
        ({"augment_jpeg": 5}, "augment_jpeg is 5: expected 0 or a quality from 30 to 95"),
        ({"augment_crop": 0.05, "augment_share": 0.0}, "augment_crop is 0.05 with augment_share=0"),
    ],
)
def test_what_contradicts_itself_is_refused(wrong, named):
    with pytest.raises(ValueError, match=named):
        AugmentationArguments(**wrong)


# Geometry


@given(
    st.tuples(st.integers(32, 600), st.integers(32, 600)),
    st.floats(0.001, 0.1),
    st.floats(-1, 1),
    st.floats(-1, 1),
    st.floats(-1, 1),
)
def test_points_move_little_and_alike(size, largest, power, right, down):
    left, top, r, bottom = crop_box(size, (1 + largest) ** power, right * largest / 2, down * largest / 2)
    grid_N2 = np.stack(np.meshgrid(*(np.linspace(0, length, 5) for length in size)), -1).reshape(-1, 2)
    moved_N2 = (grid_N2 - (left, top)) * (np.array(size) / (r - left, bottom - top))
    assert np.abs(moved_N2 - grid_N2).max() <= largest * max(size) + 1e-6
    factors = np.array(size) / (r - left, bottom - top)
    assert factors[0] == pytest.approx(factors[1])  # the aspect stays
    assert factors[0] == pytest.approx((1 + largest) ** power)


def test_the_crop_stays_in_its_limits_and_reflects_past_the_border(monkeypatch):
    boxes = []
    monkeypatch.setattr(augmentation, "crop_box", lambda *a: boxes.append(a) or crop_box(*a))
    grey = Image.new("RGB", (40, 30), (90, 120, 150))
    arguments = AugmentationArguments(augment_share=1.0, augment_crop=0.1)
    for seed in range(200):
        image = np.asarray(augment(grey, arguments, random.Random(seed)))
        assert (image == (90, 120, 150)).all()  # no black border
    factors, rights, downs = (np.array([box[place] for box in boxes]) for place in (1, 2, 3))
    assert 1 / 1.1 <= factors.min() < 0.93 and 1.07 < factors.max() <= 1.1
    for shifts in (rights, downs):
        assert -0.05 <= shifts.min() < -0.04 and 0.04 < shifts.max() <= 0.05


def test_mouth_corners_keep_their_place_to_the_eyes():
    """Eyes and mouth corners of a drawn half smile are marked, found again after the crop, and compared up to size and place."""
    who, scene, size = Identity.sample(np.random.default_rng(4)), Scene.neutral(), 512
    face = draw_face(who, {"AU12L": 0.7}, scene, size)
    mouth = shapes.mouth(who, face.actions)
    eyes = [shapes.eye(who, face.actions, side).centre for side in (-1, 1)]
    points_N2 = Canvas(size, scene).project(np.array([*eyes, mouth.corners[-1], mouth.corners[1]])) / 2
    marked = Image.fromarray((face.image_HWC * 0.3).astype(np.uint8))
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)]
    for (x, y), colour in zip(points_N2, colours, strict=True):
        ImageDraw.Draw(marked).ellipse((x - 8, y - 8, x + 8, y + 8), fill=colour)

    def relative(image: Image.Image) -> np.ndarray:
        found = []
        for colour in colours:
            near_HW = np.abs(np.asarray(image, float) - colour).sum(2) < 120
            assert near_HW.sum() > 20
            found.append(np.argwhere(near_HW).mean(0)[::-1])
        z = [complex(*point) for point in found]
        return np.array([(point - z[0]) / (z[1] - z[0]) for point in z[2:]])  # of a similarity, nothing is left

    before = relative(marked)
    assert abs(before[0].imag - before[1].imag) > 0.02  # one corner is lifted
    moved = 0
    for seed in range(20):
        after = augment(marked, AugmentationArguments(augment_share=1.0, augment_crop=0.1), random.Random(seed))
        moved += after.tobytes() != marked.tobytes()
        np.testing.assert_allclose(relative(after), before, atol=0.006)
    assert moved == 20


# Flips


def test_feafas_sides_swap_as_the_face_does():
    """The mirrored image of an asymmetric face carries the values of the face drawn with its sides exchanged."""
    who = Identity.sample(np.random.default_rng(1))
    scene = replace(Scene.neutral(), light=(0.0, -0.6, 1.0))
    face, twin = (
        draw_face(who, actions, scene, 96)
        for actions in (ASYMMETRIC, {other_side(action): strength for action, strength in ASYMMETRIC.items()})
    )
    protocol = PROTOCOLS["feafa"]
    assert (
        len(protocol.units) == 24
        and sum(face.values(protocol)[c] != twin.values(protocol)[c] for c in FEAFA_UNITS) == 14
    )
    row = training_row(Image.fromarray(face.image_HWC), make_turn(face.values(protocol), protocol, "short"))
    flipped = flip_row(row)
    read = parse(said(flipped)[0], protocol)
    assert read.status == "ok" and read.values == pytest.approx(twin.values(protocol))
    image = np.asarray(flipped["images"][0], float)
    to_twin, to_face = (np.abs(image - other.image_HWC).mean() for other in (twin, face))
    assert to_twin < 0.4 * to_face
    assert flipped["turns"][0].protocol == row["turns"][0].protocol
    assert flipped["turns"][0].question == row["turns"][0].question
    assert said(row)[0] != said(flipped)[0]


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from([*FEAFA_UNITS]), min_size=1, max_size=8, unique=True),
    st.sampled_from(["short", "full"]),
    st.integers(0, 7),
    st.integers(0, 2**32),
)
def test_flipping_twice_gives_the_turn_back(units, form, wording, seed):
    values = {code: random.Random(f"{seed}{code}").randint(0, 100) / 100 for code in FEAFA_UNITS}
    protocol = Protocol("custom", tuple(units), "continuous")
    turn = make_turn(values, protocol, form, wording)
    once = mirror_turn(turn)
    assert mirror_turn(once) == turn
    # What the mirrored turn says is what a turn made of the mirrored values says.
    mirrored = PROTOCOLS["feafa"].flip(values)
    assert once == make_turn(mirrored, once.protocol, form, wording)


def test_a_side_asked_alone_becomes_the_other_one():
    protocol = Protocol("custom", ("AU12", "AU51"), "occurrence")
    turn = mirror_turn(make_turn({"AU12": 1, "AU51": 0}, protocol, "full", 3))
    assert turn.protocol.units == ("AU12", "AU52")
    assert turn.answer == "AU12=1 AU52=0"
    assert "AU52 head turn right" in turn.question and "AU51" not in turn.question


def test_descriptions_that_name_a_side_keep_their_image():
    plain = make_description({"AU12": 1}, Protocol("custom", ("AU12",), "occurrence"))
    sided = make_description({"AU12": 1}, Protocol("custom", ("AU12",), "occurrence"), sides="R12")
    head = make_description({"AU51": 1, "AU1": 0}, Protocol("custom", ("AU1", "AU51"), "occurrence"), wording=3)
    for turn, mirrored in ((plain, True), (sided, False), (head, False)):
        flipped = flip_row(training_row(FACE, turn))
        expected = np.asarray(FACE)[:, ::-1] if mirrored else np.asarray(FACE)
        np.testing.assert_array_equal(np.asarray(flipped["images"][0]), expected)


def test_rows_are_mirrored_in_their_share_with_all_their_turns():
    values = values_of(sample_face("train", 3, size=48).actions, PROTOCOLS["feafa"])
    values |= {"feafa_01_left_eye_close": 0.11, "feafa_02_right_eye_close": 0.77}
    row = training_row(FACE, make_turn(values, PROTOCOLS["feafa"], "short"))
    row["turns"] *= 3
    arguments = AugmentationArguments(augment_flip=0.3)
    flips = 0
    for visit in range(300):
        made = augment_row(row, arguments, str(visit))
        mirrored = made["images"][0].tobytes() != FACE.tobytes()
        assert said(made) == ([said(flip_row(row))[0]] * 3 if mirrored else said(row))
        flips += mirrored
    assert flips / 300 == pytest.approx(0.3, abs=0.08)


# Repeatable


def face_rows(faces: int = 6):
    return drawn_faces(DrawnFaceArguments(faces=faces, draw_size=32, protocols=["feafa"], custom_share=0.0))


def test_a_row_changes_with_epoch_and_place_and_with_nothing_else():
    epoch = EpochOfRun()
    rows, twice = augmented_rows(face_rows(), STRONG, epoch), augmented_rows(face_rows().select([0, 0]), STRONG, epoch)
    first = [row["images"][0].tobytes() for row in rows]
    assert [rows[i]["images"][0].tobytes() for i in (5, 0, 3)] == [first[i] for i in (5, 0, 3)]  # in any order
    assert twice[0]["images"][0].tobytes() == first[0] != twice[1]["images"][0].tobytes()
    assert [row["row"] for row in rows] == [row["row"] for row in face_rows()]
    epoch.number.fill_(1)
    second = [row["images"][0].tobytes() for row in rows]
    assert not set(first) & set(second)
    other_seed = augmented_rows(face_rows(), replace(STRONG, augment_seed=1), EpochOfRun())
    assert not {row["images"][0].tobytes() for row in other_seed} & set(first)


class Seen(nn.Module):
    """A model that learns next to nothing and remembers which images it was given."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.images: list[int] = []

    def forward(self, image):
        self.images += image.tolist()
        return {"loss": self.weight**2}


def collate(rows: list[dict]) -> dict[str, torch.Tensor]:
    return {"image": torch.tensor([zlib.crc32(row["images"][0].tobytes()) for row in rows])}


@pytest.mark.parametrize("workers", [0, 2])
def test_a_resumed_run_sees_the_images_of_an_uninterrupted_one(tmp_path, workers):
    def run(folder, resume=None):
        epoch, model = EpochOfRun(), Seen()
        arguments = TrainingArguments(
            output_dir=str(folder),
            per_device_train_batch_size=2,
            num_train_epochs=3,
            save_steps=4,  # of 3 an epoch: within the second one
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
            remove_unused_columns=False,
            dataloader_num_workers=workers,
            dataloader_persistent_workers=bool(workers),
        )
        rows = augmented_rows(face_rows(), STRONG, epoch)
        Trainer(model, arguments, data_collator=collate, train_dataset=rows, callbacks=[epoch]).train(resume)
        return model.images

    whole = run(tmp_path / "run")
    assert len(set(whole)) == len(whole) == 18  # every image anew in every epoch
    assert run(tmp_path / "run", str(tmp_path / "run" / "checkpoint-4")) == whole[8:]
