"""The geometry network that ships, on rendered faces of test identities, which its training never saw."""

import math
import subprocess
import sys

import cv2
import numpy as np
import pytest

from aullava.dataset_builder.synthetic.rendered.camera import Camera
from aullava.dataset_builder.synthetic.rendered.landmarks import landmark_vertices
from aullava.dataset_builder.synthetic.rendered.mesh import load_head
from aullava.dataset_builder.synthetic.rendered.store import render_heads
from aullava.detection.crop import FaceBox
from aullava.detection.finder import overlap
from aullava.detection.geometry import (
    GROWTH,
    MIRRORED,
    SIDE,
    FaceGeometry,
    angles_of,
    crop_map,
    cut,
    face_geometry,
    rotation,
    square_of_haar,
    turned_pose,
)
from aullava.training.geometry.crops import square_of
from aullava.training.geometry.textures import texture

HEADS = 24


@pytest.fixture(scope="module")
def heads():
    return render_heads("test", 300, HEADS, 112)


def rough_box(landmarks, shift=(0.0, 0.0), size=1.0) -> FaceBox:
    x, y, side = square_of(landmarks.astype(float))
    width = round(side * size)
    return FaceBox(round(x + shift[0] * side - width / 2), round(y + shift[1] * side - width / 2), width, width)


@pytest.fixture(scope="module")
def found(heads):
    return [
        face_geometry(image, [rough_box(true, (0.05, -0.05), 1.1)])[0]
        for image, true in zip(heads.images_NHWC, heads.landmarks_N68_2, strict=True)
    ]


def test_landmarks_pose_and_score_of_people_it_never_saw(heads, found):
    errors = []
    for seen, true in zip(found, heads.landmarks_N68_2, strict=True):
        eyes = np.linalg.norm(true[36] - true[45])
        errors.append(np.linalg.norm(seen.landmarks_68_2 - true, axis=1).mean() / eyes)
    assert np.median(errors) < 0.08
    said = np.array([[seen.yaw, seen.pitch, seen.roll] for seen in found])
    assert np.abs(said - heads.angles_N5[:, :3]).mean(0).max() < 6
    assert np.corrcoef(said[:, 0], heads.angles_N5[:, 0])[0, 1] > 0.9
    assert np.mean([seen.score > 0.5 for seen in found]) >= 0.95


def test_it_refuses_pictures_without_a_face():
    drawn = np.random.default_rng(11)
    pictures = [texture(drawn, 96) for _ in range(60)] + [np.full((96, 96, 3), 128, np.uint8)]
    scores = [face_geometry(picture, [FaceBox(20, 20, 50, 50)])[0].score for picture in pictures]
    assert np.mean(np.array(scores) < 0.5) >= 0.95


def test_rough_boxes_of_one_face_end_in_one_box(heads):
    before, after = [], []
    for image, true in zip(heads.images_NHWC, heads.landmarks_N68_2, strict=True):
        rough = [rough_box(true, (0.1, 0.08), 0.88), rough_box(true, (-0.08, -0.1), 1.15)]
        first, second = (seen.box for seen in face_geometry(image, rough))
        before.append(overlap(*rough))
        after.append(overlap(first, second))
    assert np.mean(after) > 0.88 > np.mean(before) + 0.2


def test_a_mirrored_picture_has_mirrored_landmarks_pose_and_gaze(heads, found):
    offs, turns = [], []
    for image, true, seen in zip(heads.images_NHWC, heads.landmarks_N68_2, found, strict=True):
        box = rough_box(true, (0.05, -0.05), 1.1)
        other = FaceBox(112 - box.x - box.w, box.y, box.w, box.h)
        [mirrored] = face_geometry(np.ascontiguousarray(image[:, ::-1]), [other])
        points = (mirrored.landmarks_68_2 * (-1, 1) + (112, 0))[MIRRORED]
        offs.append(np.linalg.norm(points - seen.landmarks_68_2, axis=1).mean() / seen.square[2])
        turns.append(np.abs([mirrored.yaw + seen.yaw, mirrored.pitch - seen.pitch, mirrored.roll + seen.roll]))
    assert np.median(offs) < 0.03
    assert np.median(turns, axis=0).max() < 4


def test_partners_are_those_of_the_rendered_heads():
    head, vertices = load_head(), landmark_vertices()
    assert (head.mirror_V[vertices] == vertices[MIRRORED]).all()
    assert (MIRRORED[MIRRORED] == np.arange(68)).all()


def test_rotation_is_that_of_the_camera_that_renders():
    for yaw, pitch, roll in ((0, 0, 0), (30, -20, 10), (-44, 24, -19)):
        assert np.allclose(rotation(np.array([yaw, pitch, roll])), Camera(yaw, pitch, roll).rotation_33)
    angles = np.random.default_rng(0).uniform(-60, 60, (100, 3))
    assert np.allclose(angles_of(rotation(angles)), angles)


def test_turning_the_picture_turns_the_pose():
    """By the renderer's own projection: what a head looks like from far away, turned in the picture plane."""
    points = np.random.default_rng(1).normal(0, 0.05, (20, 3))
    before, after = (
        Camera(*pose, distance=1000.0) for pose in ((25, -15, 5), turned_pose(np.array([25.0, -15, 5]), 12))
    )
    centre = np.array([[0.0, -0.025, 0.0]])
    one, other = (camera.project(camera.place(np.vstack([centre, points])), 1000)[:, :2] for camera in (before, after))
    c, s = math.cos(math.radians(12)), math.sin(math.radians(12))
    assert np.allclose((one[1:] - one[0]) @ np.array([[c, s], [-s, c]]), other[1:] - other[0], atol=0.5)


@pytest.mark.parametrize("side, roll", [(64, 0), (40, 30), (300, -20), (97.3, 10)])
def test_a_crop_shows_what_its_map_says(side, roll):
    image = np.zeros((400, 400, 3), np.uint8)
    matrix = crop_map(200, 210, side, roll)
    spot = np.array([0.3, 0.6]) * SIDE
    at = cv2.invertAffineTransform(matrix) @ (*spot, 1)
    cv2.circle(
        image,
        tuple(np.round((at - 0.5) * 16).astype(int).tolist()),
        max(3, int(side / 20)) * 16,
        (255, 255, 255),
        -1,
        shift=4,
    )
    seen = cut(image, matrix)[..., 0].astype(float)
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    centre = (seen * columns).sum() / seen.sum(), (seen * rows).sum() / seen.sum()
    assert np.allclose(centre, spot, atol=0.35)


def test_a_head_that_leans_is_upright_in_the_crop_of_its_roll():
    camera = Camera(roll=20, distance=50.0)
    crown, chin = camera.project(camera.place(np.array([[0, 0.1, 0], [0, -0.1, 0]])), 100)[:, :2]
    matrix = crop_map(50, 50, 100, 20)
    (top, bottom) = np.array([crown, chin]) @ matrix[:, :2].T + matrix[:, 2]
    assert abs(top[0] - bottom[0]) < 0.5 and top[1] < bottom[1] - 20


def looking(yaw=0.0, pitch=0.0, roll=0.0, left=0.0, up=0.0) -> dict[str, float]:
    return FaceGeometry(np.arange(136.0).reshape(68, 2), yaw, pitch, roll, left, up, 0.9).openface(landmarks=True)


def test_columns_are_openfaces():
    values = looking(yaw=20)
    assert [name for name in values if name.startswith("pose")] == ["pose_Rx", "pose_Ry", "pose_Rz"]
    assert [name for name in values if name.startswith("gaze")] == [
        *(f"gaze_{eye}_{axis}" for eye in (0, 1) for axis in "xyz"),
        *("gaze_angle_x", "gaze_angle_y"),
    ]
    assert [name for name in values if name[:2] in ("x_", "y_")] == [f"{axis}_{n}" for axis in "xy" for n in range(68)]
    assert values["x_0"] == 0 and values["y_0"] == 1 and values["x_67"] == 134


def test_signs_of_pose_and_gaze_are_openfaces():
    """A head that turns to its own left turns to the image's right: negative about an axis that points down."""
    assert looking(yaw=20)["pose_Ry"] == pytest.approx(-math.radians(20))
    assert looking(pitch=10)["pose_Rx"] == pytest.approx(math.radians(10))
    assert looking(roll=15)["pose_Rz"] == pytest.approx(math.radians(15))
    ahead = looking()
    assert [ahead[f"gaze_0_{axis}"] for axis in "xyz"] == pytest.approx([0, 0, -1])
    assert looking(left=30)["gaze_angle_x"] == pytest.approx(
        math.radians(30)
    )  # the subject's left is the image's right
    assert looking(up=20)["gaze_angle_y"] == pytest.approx(-math.radians(20))
    assert looking(yaw=20, left=-20)["gaze_angle_x"] == pytest.approx(
        0, abs=1e-9
    )  # the head turns away, the eyes stay


def test_pose_is_the_rotation_in_openfaces_order():
    values = looking(yaw=25, pitch=-12, roll=8)
    x, y, z = (values[f"pose_R{axis}"] for axis in "xyz")
    about_x = np.array([[1, 0, 0], [0, math.cos(x), -math.sin(x)], [0, math.sin(x), math.cos(x)]])
    about_y = np.array([[math.cos(y), 0, math.sin(y)], [0, 1, 0], [-math.sin(y), 0, math.cos(y)]])
    about_z = np.array([[math.cos(z), -math.sin(z), 0], [math.sin(z), math.cos(z), 0], [0, 0, 1]])
    upright = np.diag([1.0, -1.0, -1.0])  # head axes to the camera's, for a head that faces it
    assert np.allclose(about_x @ about_y @ about_z @ upright, rotation(np.array([25.0, -12, 8])))


def test_boxes_without_pixels_are_refused():
    image = np.zeros((50, 50, 3), np.uint8)
    assert face_geometry(image, []) == []
    with pytest.raises(ValueError, match="boxes with pixels"):
        face_geometry(image, [FaceBox(0, 0, 0, 4)])
    with pytest.raises(ValueError, match="passes is 0"):
        face_geometry(image, [FaceBox(0, 0, 4, 4)], passes=0)


def test_a_cascades_box_becomes_the_landmarks_square():
    box = square_of_haar(FaceBox(100, 100, 100, 100, 0.7))
    assert (box.w, box.h, box.score) == (85, 85, 0.7)
    assert box.x + box.w / 2 == pytest.approx(150, abs=1) and box.y + box.h / 2 == pytest.approx(165, abs=1)
    assert GROWTH > 1


def test_importing_detection_needs_no_torch():
    code = "import sys, aullava.detection.framing, aullava.detection.geometry; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
