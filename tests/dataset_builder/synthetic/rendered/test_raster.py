"""The z-buffer and the camera, against what geometry says."""

import numpy as np
import pytest

pytest.importorskip("numba")

from aullava.dataset_builder.synthetic.rendered.camera import Camera
from aullava.dataset_builder.synthetic.rendered.raster import FAR, rasterize, vertex_normals


def _drawn(screen, triangles, *, two_sided=1, cut=None, page=-1, alpha=255, least=128):
    screen, triangles = np.array(screen, np.float32), np.array(triangles, np.int32)
    count = len(triangles)
    uv = np.tile(np.array([[0, 0], [1, 0], [0, 1]], np.float32), (count, 1, 1)) * 0.98
    pages = np.full((1, 4, 4, 4), alpha, np.uint8)
    return rasterize(
        screen,
        np.arange(count),
        triangles,
        np.full(count, two_sided, np.uint8),
        np.ones(len(screen), np.float32) if cut is None else np.array(cut, np.float32),
        np.full(count, page, np.int16),
        uv,
        pages,
        least,
        20,
        20,
    )


def test_a_triangle_covers_the_samples_whose_centres_lie_in_it():
    index, depth, weights = _drawn([[2, 2, 1], [2, 12, 1], [12, 2, 1]], [[0, 1, 2]])
    y, x = np.mgrid[:20, :20] + 0.5
    expected = (x >= 2) & (y >= 2) & (x + y <= 14)
    np.testing.assert_array_equal(index >= 0, expected)
    assert (depth[~expected] == FAR).all()
    place = (weights[..., None] * np.array([[2, 2], [2, 12], [12, 2]])).sum(2)
    np.testing.assert_allclose(place[expected], np.stack([x, y], -1)[expected], atol=1e-4)


def test_the_nearer_triangle_is_seen_whatever_the_order():
    far, near = [[0, 0, 2], [0, 20, 2], [20, 0, 2]], [[0, 0, 1], [0, 10, 1], [10, 0, 1]]
    first, _, _ = _drawn(far + near, [[0, 1, 2], [3, 4, 5]])
    second, _, _ = _drawn(near + far, [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(first == 1, second == 0)
    assert (first == 1).sum() == 55


def test_weights_are_corrected_for_perspective():
    index, depth, weights = _drawn([[0, 0, 1], [0, 20, 1], [20, 0, 3]], [[0, 1, 2]])
    y, x = 0, 9
    share = (x + 0.5) / 20
    expected = (share / 3) / (share / 3 + (1 - share))
    assert index[y, x] == 0
    assert weights[y, x, 2] == pytest.approx(expected, rel=1e-3)
    assert depth[y, x] == pytest.approx(1 / (share / 3 + (1 - share)), rel=1e-3)


@pytest.mark.parametrize(
    ("options", "seen"),
    [
        ({}, True),
        ({"two_sided": 0}, False),
        ({"cut": [0, 0, 0]}, False),
        ({"page": 0, "alpha": 20}, False),
        ({"page": 0}, True),
    ],
)
def test_backs_cut_parts_and_clear_pages_are_not_drawn(options, seen):
    index, _, _ = _drawn([[2, 2, 1], [12, 2, 1], [2, 12, 1]], [[0, 1, 2]], **options)
    assert (index >= 0).any() == seen


def test_a_cut_between_corners_lies_where_the_value_is_a_half():
    whole, _, _ = _drawn([[0, 0, 1], [0, 20, 1], [20, 0, 1]], [[0, 1, 2]])
    index, _, _ = _drawn([[0, 0, 1], [0, 20, 1], [20, 0, 1]], [[0, 1, 2]], cut=[0, 0, 1])
    x = np.arange(20) + 0.5
    np.testing.assert_array_equal(index >= 0, (whole >= 0) & (x[None] > 10))


def test_normals_of_a_tetrahedron_point_outwards():
    points = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], np.float32)
    triangles = np.array([[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]], np.int32)
    normals = vertex_normals(points, triangles)
    np.testing.assert_allclose(normals, points / np.sqrt(3), atol=1e-5)


@pytest.mark.parametrize(
    ("pose", "axis", "sign"),
    [({"yaw": 20}, 0, 1), ({"pitch": 15}, 1, 1), ({"roll": 15}, 0, 1), ({"shift_x": 0.1}, 0, 1)],
)
def test_a_head_turns_the_way_the_names_say(pose, axis, sign):
    """Yaw takes the nose to the image's right (the person's left), pitch takes it down, roll takes the crown to the right."""
    point = np.array([[0, 0.12, -0.02]]) if "roll" in pose else np.array([[0, -0.04, 0.04]])
    still, moved = Camera(), Camera(**pose)
    change = moved.project(moved.place(point), 100) - still.project(still.place(point), 100)
    assert sign * change[0, axis] > 2


def test_the_left_eye_lies_on_the_images_right_and_a_near_camera_swells_the_nose():
    camera = Camera()
    eye = camera.project(camera.place(np.array([[0.031, 0, 0.0]])), 100)
    assert eye[0, 0] > 55

    def spread(distance):
        nose = np.array([[-0.02, -0.04, 0.04], [0.02, -0.04, 0.04]])
        view = Camera(distance=distance)
        return np.ptp(view.project(view.place(nose), 100)[:, 0])

    assert spread(0.4) > 1.05 * spread(1.6)
