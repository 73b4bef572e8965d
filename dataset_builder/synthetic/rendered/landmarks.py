"""The 68 landmarks of the iBUG scheme as vertices of the head, and a box as a face detector would give it.

Conventions
    order     iBUG 300-W: jaw 0-16 from the subject's right ear, brows 17-26, nose 27-35, eyes 36-47, mouth 48-67.
    box       x, y, w, h in pixels of the picture: a square around the landmarks from the brows to the chin, grown upwards to where
              OpenCV's frontal-face cascade begins, about as large as what the drawn faces' films state.
"""

import functools

import numpy as np

from aullava.dataset_builder.synthetic.rendered.mesh import load_head

COUNT = 68
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


def detector_box(landmarks_68_2: np.ndarray) -> tuple[float, float, float, float]:
    """x, y, w, h of the square that a detector would put around a face with these landmarks (68, 2)."""
    brows, chin = landmarks_68_2[17:27], landmarks_68_2[8]
    height = np.linalg.norm(chin - brows.mean(0))
    centre = landmarks_68_2[[30, 27, 33]].mean(0) * 0.5 + (landmarks_68_2.min(0) + landmarks_68_2.max(0)) / 4
    side = 1.22 * max(height, 0.72 * np.ptp(landmarks_68_2[:, 0]))
    up = (brows.mean(0) - chin) / max(height, 1e-6)
    x, y = centre + 0.15 * height * up - side / 2
    return float(x), float(y), float(side), float(side)
