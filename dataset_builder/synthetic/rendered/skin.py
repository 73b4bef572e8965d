"""Maps of the skin in the base mesh's texture plane: regions, grain and creases; made once from the mesh, the same for all.

Conventions
    map       float32 (ROWS, COLUMNS, channels); the head's part of the texture plane, u from `LEFT` to 1, v from 1 (top) to 0.
    channel   an index into `CHANNELS`; the creases of `appearance.CREASES` follow.
"""

import functools

import cv2
import numpy as np

from aullava.dataset_builder.synthetic.rendered.appearance import CREASES
from aullava.dataset_builder.synthetic.rendered.mesh import PARTS, load_head
from aullava.dataset_builder.synthetic.rendered.raster import rasterize
from aullava.dataset_builder.synthetic.rendered.wrinkles import crease_heights

ROWS, COLUMNS, LEFT = 1024, 410, 0.6
CHANNELS = (
    *("lips", "mouth", "scalp", "moustache", "goatee", "jaw", "eyelid", "rim", "blush", "rosy", "mottle", "pore"),
    *("freckle", "stubble", "socket", "lip lines"),
)
_SEED = 20261201


@functools.lru_cache(maxsize=1)
def skin_maps() -> np.ndarray:
    """All channels and creases, float32 (ROWS, COLUMNS, len(CHANNELS) + len(CREASES)). About a second on the first call."""
    x, y, z, masks = _texels()
    lips, mouth, eyelids, face = (masks[..., i] for i in range(4))
    rng = np.random.Generator(np.random.Philox(_SEED))
    side, front = np.abs(x), np.clip((z + 60) / 20, 0, 1)

    def noise(sigma: float) -> np.ndarray:
        plane = cv2.GaussianBlur(rng.standard_normal((ROWS, COLUMNS)).astype(np.float32), (0, 0), sigma)
        return plane / plane.std()

    def spot(cx: float, cy: float, rx: float, ry: float) -> np.ndarray:
        return np.exp(-(((side - cx) / rx) ** 2) - ((y - cy) / ry) ** 2) * front

    mottle, fine, coarse = noise(9) * 0.6 + noise(4) * 0.4, noise(0.8), noise(2.2)
    upper = np.clip((y + 54) / 2.0 + 0.5, 0, 1)
    below_nose = np.clip((-47 - y) / 4, 0, 1) * np.clip((y + 70) / 4, 0, 1) * np.clip((31 - side) / 6, 0, 1)
    goatee = np.clip((-76 - y) / 3, 0, 1) * np.clip((24 - side + 0.05 * (y + 76)) / 6, 0, 1)
    goatee = np.maximum(goatee, np.clip((-66 - y) / 4, 0, 1) * np.exp(-(((side - 31) / 4.5) ** 2)))
    edge = np.interp(side, (0, 24, 36, 55, 64, 72), (-78, -74, -62, -42, -25, 18))
    jaw = np.clip((edge - y) / 7, 0, 1) * np.clip((y + 128) / 12, 0, 1) * np.clip((z + 78) / 10, 0, 1)
    bare = (1 - lips) * (1 - mouth)
    dots = cv2.GaussianBlur((rng.uniform(size=(ROWS, COLUMNS)) > 0.985).astype(np.float32), (0, 0), 1.1)
    freckle = np.clip(dots / 0.09, 0, 1) * (0.25 + spot(26, -22, 22, 16) + spot(0, -18, 14, 22) + 0.5 * spot(0, 45, 40, 20))
    channels = {
        "lips": lips * (1 - mouth),
        "mouth": mouth,
        "scalp": scalp_field(x, y, z, 0.0),
        "moustache": below_nose * bare * (1 - 0.5 * np.exp(-((side / 2.5) ** 2)) * upper) * front,
        "goatee": goatee * bare * front * np.clip((y + 122) / 10, 0, 1),
        "jaw": jaw * bare,
        "eyelid": eyelids * np.clip((y - 1) / 4, 0, 1) + spot(32, 12, 15, 4.5) * 0.55,
        "rim": np.exp(-(((y - _lid_edge(side)) / 1.3) ** 2)) * eyelids,
        "blush": spot(44, -30, 15, 11),
        "rosy": spot(0, -36, 13, 11) + 0.8 * spot(38, -30, 17, 14) + 0.35 * spot(0, -92, 14, 10),
        "mottle": mottle,
        "pore": 0.7 * fine + 0.3 * coarse,
        "freckle": freckle,
        "stubble": noise(0.7),
        "socket": spot(28, -13, 14, 5.5) + 0.7 * spot(17, -2, 5, 9),
        "lip lines": np.sin(side * 2.6 + coarse * 0.7) * lips,
    }
    maps = [channels[name].astype(np.float32) for name in CHANNELS]
    creases = crease_heights(x, y, z, coarse) * (bare * np.clip(face * 3, 0, 1))[..., None]
    return np.ascontiguousarray(np.concatenate([np.stack(maps, axis=-1), creases], axis=-1), np.float32)


def scalp_field(x: np.ndarray, y: np.ndarray, z: np.ndarray, lowered: float) -> np.ndarray:
    """How far inside the hairy scalp a point of the base mesh lies: 0.5 at the hairline, rising by 1 each 14 mm.

    Args:
        x, y, z: millimetres on the base mesh.
        lowered: by how much the hairline at the forehead lies below the usual one, millimetres.
    """
    around = np.arctan2(np.abs(x), z + 75)  # 0 at the front, pi at the back
    line = np.interp(around, (0, 0.35, 0.62, 0.82, 1.0, 1.25, 1.42, 1.75, 2.1, 3.2), (66, 68, 57, 40, 28, 6, 12, 2, -38, -60))
    return 0.5 + (y - line + lowered * np.clip(1.2 - around, 0, 1)) / 14


def _lid_edge(side: np.ndarray) -> np.ndarray:
    """Height of the upper lid's edge in the base mesh at a distance from the midline, millimetres."""
    return 5.0 - ((side - 31) / 14) ** 2 * 4.5


def _texels() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """x, y, z of every texel on the base mesh, millimetres, and the masks lips, mouth, eyelids, face; gaps take the nearest."""
    head = load_head()
    skin = (head.part_F == PARTS.index("skin")) & (head.uv_F32[..., 0].min(1) > LEFT)
    corners = head.triangles_F3[skin].ravel()
    where = head.uv_F32[skin].reshape(-1, 2)
    flat = np.stack([(where[:, 0] - LEFT) * 1024, (1 - where[:, 1]) * 1024, np.ones(len(where))], axis=1).astype(np.float32)
    triangles = np.arange(len(corners), dtype=np.int32).reshape(-1, 3)
    count = len(triangles)
    nothing = np.zeros((1, 1, 1, 4), np.uint8)
    index, _, weights = rasterize(
        flat,
        triangles,
        np.ones(count, np.uint8),
        np.ones(len(flat), np.float32),
        np.full(count, -1, np.int16),
        np.zeros((count, 3, 2), np.float32),
        nothing,
        0,
        ROWS,
        COLUMNS,
    )
    names = ("lips", "inside-mouth", "eyelids", "face")
    values = np.column_stack([head.rest_V3 * 1000, *(head.masks[name] for name in names)]).astype(np.float32)[corners]
    texels = (values[triangles[np.maximum(index, 0)]] * weights[..., None]).sum(2)
    _, labels = cv2.distanceTransformWithLabels((index < 0).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    lookup = np.zeros(labels.max() + 1, np.int64)
    inside = np.flatnonzero(index.ravel() >= 0)
    lookup[labels.ravel()[inside]] = inside
    texels = texels.reshape(-1, texels.shape[-1])[lookup[labels.ravel()]].reshape(ROWS, COLUMNS, -1)
    smooth = cv2.GaussianBlur(np.ascontiguousarray(texels[..., 3:]), (0, 0), 1.2)
    return texels[..., 0], texels[..., 1], texels[..., 2], smooth
