"""The 68 landmarks of the iBUG scheme on the head, and a box as a face detector would give it.

Conventions
    order     iBUG 300-W: jaw 0-16 from the subject's right ear, brows 17-26, nose 27-35, eyes 36-47, mouth 48-67.
    jaw       as annotators mark it: where the cheek of the side that is turned away hides the jaw, the points lie on the outline
              that is seen, at the same height of the face. All other points are vertices, hidden or not.
    box       x, y, w, h in pixels of the picture: a square around the landmarks from the brows to the chin, grown upwards to where
              OpenCV's frontal-face cascade begins, about as large as what the drawn faces' films state.
"""

import functools

import numpy as np

from aullava.dataset_builder.synthetic.rendered.camera import Camera
from aullava.dataset_builder.synthetic.rendered.mesh import load_head

COUNT = 68
_PATH = 12
# Numbers in base.obj. The subject's left side and the midline; the other side is their mirror image.
_LEFT = {
    **dict(zip(range(9, 17), (11831, 7593, 7457, 7455, 11817, 11815, 11812, 11806), strict=True)),
    **dict(zip(range(22, 27), (6984, 6983, 6996, 6998, 6982), strict=True)),
    **{34: 7077, 35: 7080},
    **dict(zip(range(42, 48), (7769, 7765, 7749, 7755, 7759, 7763), strict=True)),
    **{52: 7215, 53: 7170, 54: 10404, 55: 7165, 56: 7235, 63: 7226, 64: 10399, 65: 7236},
}
_MIDDLE = {8: 732, 27: 133, 28: 5063, 29: 291, 30: 297, 33: 343, 51: 455, 57: 492, 62: 474, 66: 493}
# A landmark on the left -> the one that mirrors it.
_PARTNER = {
    **{9 + i: 7 - i for i in range(8)},
    **{22 + i: 21 - i for i in range(5)},
    **{34: 32, 35: 31, 42: 39, 43: 38, 44: 37, 45: 36, 46: 41, 47: 40},
    **{52: 50, 53: 49, 54: 48, 55: 59, 56: 58, 63: 61, 64: 60, 65: 67},
}


@functools.lru_cache(maxsize=1)
def landmark_vertices() -> np.ndarray:
    """The vertex of each landmark, int (68,)."""
    head = load_head()
    vertex = np.full(COUNT, -1)
    for number, base in (_LEFT | _MIDDLE).items():
        vertex[number] = head.index_of_base[base]
    for left, right in _PARTNER.items():
        vertex[right] = head.mirror_V[vertex[left]]
    return vertex


@functools.lru_cache(maxsize=1)
def jaw_paths() -> np.ndarray:
    """The vertices from each jaw landmark forward over the cheek at its height, int (17, 12); the chin twelve times."""
    head, vertex = load_head(), landmark_vertices()
    skin = head.vertices_of["skin"]
    skin = skin[
        (head.masks["inside-mouth"][skin] < 0.5) & (head.masks["ears"][skin] < 0.3) & (head.rest_V3[skin, 0] >= 0)
    ]
    skin = skin[head.rest_V3[skin, 2] > -0.07]
    paths = np.repeat(vertex[:17, None], _PATH, axis=1)
    for number in range(9, 17):
        start = head.rest_V3[vertex[number]]
        for step, share in enumerate(np.linspace(1, 0.35, _PATH)[1:], 1):
            # The foremost skin there: what lies behind, below the jaw, is farther away.
            off = np.hypot(head.rest_V3[skin, 0] - share * start[0], head.rest_V3[skin, 1] - start[1])
            paths[number, step] = skin[np.argmin(off - 0.3 * head.rest_V3[skin, 2])]
        paths[16 - number] = head.mirror_V[paths[number]]
    return paths


def project_landmarks(vertices_V3: np.ndarray, camera: Camera, size: int) -> np.ndarray:
    """x, y in pixels (68, 2) of the landmarks of a head in a picture of side `size`, as the conventions say."""
    points_68_2 = camera.project(camera.place(vertices_V3[landmark_vertices()]), size)[:, :2]
    over_JP2 = camera.project(camera.place(vertices_V3[jaw_paths().ravel()]), size)[:, :2].reshape(17, _PATH, 2)
    up = (camera.rotation_33 @ np.array([0.0, 1.0, 0.0]))[:2]
    outward = np.array([-up[1], up[0]]) / np.linalg.norm(up)  # to the image's right where the head stands upright
    side = np.where(np.arange(17) < 8, -1, 1)[:, None]
    farthest = (over_JP2 @ outward * side).argmax(1)
    points_68_2[:17] = over_JP2[np.arange(17), farthest]
    return points_68_2


def detector_box(landmarks_68_2: np.ndarray) -> tuple[float, float, float, float]:
    """x, y, w, h of the square that a detector would put around a face with these landmarks (68, 2)."""
    brows, chin = landmarks_68_2[17:27], landmarks_68_2[8]
    height = np.linalg.norm(chin - brows.mean(0))
    centre = landmarks_68_2[[30, 27, 33]].mean(0) * 0.5 + (landmarks_68_2.min(0) + landmarks_68_2.max(0)) / 4
    side = 1.22 * max(height, 0.72 * np.ptp(landmarks_68_2[:, 0]))
    up = (brows.mean(0) - chin) / max(height, 1e-6)
    x, y = centre + 0.15 * height * up - side / 2
    return float(x), float(y), float(side), float(side)
