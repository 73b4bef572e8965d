"""Maps of the skin: regions and creases in the front view of the base mesh, and grain; made once, the same for everybody.

Conventions
    front map  float32 (ROWS, COLUMNS, channels): what lies at x = (column - COLUMNS / 2) / SCALE and y = TOP - row / SCALE,
               millimetres on the base mesh, on the foremost skin there.
    channel    an index into `CHANNELS`; the creases of `appearance.CREASES` follow.
    grain      float32 (GRAIN_SIDE, GRAIN_SIDE, 4): tiles of noise, mean 0 and deviation 1: mottled, pores, hairs, strokes.
"""

import functools

import cv2
import numpy as np

from aullava.dataset_builder.synthetic.rendered.mesh import PARTS, load_head
from aullava.dataset_builder.synthetic.rendered.raster import FAR, rasterize
from aullava.dataset_builder.synthetic.rendered.wrinkles import crease_heights

ROWS, COLUMNS, SCALE, TOP = 560, 400, 2.5, 96.0
GRAIN_SIDE = 256
PACKED = 60
CHANNELS = ("moustache", "goatee", "jaw", "eyelid", "rim", "blush", "rosy", "freckle", "socket", "lip lines")
_SEED = 20261201


@functools.lru_cache(maxsize=1)
def front_maps() -> np.ndarray:
    """All channels and creases, float32 (ROWS, COLUMNS, len(CHANNELS) + len(CREASES)); under a second on the first call."""
    column, row = np.meshgrid(np.arange(COLUMNS), np.arange(ROWS))
    x, y = ((column + 0.5 - COLUMNS / 2) / SCALE).astype(np.float32), (TOP - (row + 0.5) / SCALE).astype(np.float32)
    z, lips, eyelids, face = _foremost()
    side = np.abs(x)
    front = np.clip((z + 60) / 20, 0, 1)
    rng = np.random.Generator(np.random.Philox(_SEED))
    coarse = cv2.GaussianBlur(rng.standard_normal((ROWS, COLUMNS)).astype(np.float32), (0, 0), 5)
    coarse /= coarse.std()

    def spot(cx: float, cy: float, rx: float, ry: float) -> np.ndarray:
        return np.exp(-(((side - cx) / rx) ** 2) - ((y - cy) / ry) ** 2) * front

    bare = 1 - lips
    # Hair thins out towards the edge of a beard, and the edge is no line: it wanders by some millimetres.
    wander = cv2.GaussianBlur(coarse, (0, 0), 8)
    wander = 1.6 * wander / wander.std() + 1.2 * coarse
    ramp = lambda inside, width: np.clip(inside / width + 0.5, 0, 1)  # noqa: E731 (1 inside, over so many millimetres)
    neck = ramp(y + 117 + wander, 16)
    moustache = (
        ramp(-48.5 - y - 0.004 * side**2 + 0.4 * wander, 7) * ramp(y + 73 - 0.5 * wander, 8) * ramp(29 - side, 9)
    )
    moustache = moustache * (1 - 0.4 * np.exp(-((side / 2.5) ** 2)))
    goatee = ramp(-79 - y + 0.5 * wander, 6) * ramp(22 - side + 0.05 * (y + 76) + wander, 11)
    beside = np.exp(-(((side - 29 - 0.08 * (y + 76)) / 6) ** 2)) * ramp(-66 - y, 8) * ramp(y + 96, 16)
    goatee = np.maximum(goatee, 0.85 * beside)
    goatee = np.maximum(goatee, 0.6 * np.exp(-((side / 6) ** 2) - ((y + 83) / 5) ** 2)) * neck
    edge = np.interp(side, (0, 20, 32, 44, 55, 64, 72), (-82, -80, -70, -55, -42, -22, 14))
    dots = cv2.GaussianBlur((rng.uniform(size=(ROWS, COLUMNS)) > 0.993).astype(np.float32), (0, 0), 1.6)
    where = 0.2 + spot(26, -22, 24, 17) + spot(0, -18, 15, 22) + 0.4 * spot(0, 45, 45, 20)
    channels = {
        "moustache": moustache * bare * front,
        "goatee": goatee * bare * front,
        "jaw": ramp(edge - y + wander, 15) * ramp(70 - side, 6) * neck * bare,
        "eyelid": np.clip(eyelids * np.clip((y - 2) / 4, 0, 1) + spot(32, 11, 16, 4.5) * 0.6, 0, 1),
        "rim": np.exp(-(((y - 5.0 + ((side - 31) / 14) ** 2 * 4.5) / 1.4) ** 2)) * (np.abs(side - 32) < 17),
        "blush": spot(44, -30, 15, 11),
        "rosy": spot(0, -36, 13, 11) + 0.8 * spot(38, -30, 17, 14) + 0.35 * spot(0, -92, 14, 10),
        "freckle": np.clip(dots / 0.05, 0, 1) * np.clip(where, 0, 1),
        "socket": spot(28, -13, 14, 5.5) + 0.7 * spot(17, -2, 5, 9),
        "lip lines": np.sin(side * 2.6 + coarse * 0.7) * lips,
    }
    maps = np.stack([channels[name].astype(np.float32) for name in CHANNELS], axis=-1)
    creases = crease_heights(x, y, z, coarse) * (bare * np.clip(face * 3, 0, 1))[..., None]
    return np.ascontiguousarray(np.concatenate([maps, creases], axis=-1), np.float32)


@functools.lru_cache(maxsize=1)
def packed_maps() -> np.ndarray:
    """`front_maps` in steps of 1 / PACKED, int8: a quarter of the memory, which decides how fast samples are shaded."""
    return np.clip(np.round(front_maps() * PACKED), -127, 127).astype(np.int8)


@functools.lru_cache(maxsize=1)
def grain() -> np.ndarray:
    """The tiles of noise."""
    rng = np.random.Generator(np.random.Philox(_SEED + 1))

    def tile(across: float, down: float) -> np.ndarray:
        white = np.tile(rng.standard_normal((GRAIN_SIDE, GRAIN_SIDE)).astype(np.float32), (3, 3))
        blurred = cv2.GaussianBlur(white, (0, 0), sigmaX=across, sigmaY=down)[
            GRAIN_SIDE:-GRAIN_SIDE, GRAIN_SIDE:-GRAIN_SIDE
        ]
        return (blurred - blurred.mean()) / blurred.std()

    mottled = tile(16, 16) * 0.6 + tile(7, 7) * 0.5 + tile(3, 3) * 0.25
    return np.ascontiguousarray(np.stack([mottled, tile(1.1, 1.1), tile(0.8, 0.8), tile(0.8, 4)], axis=-1), np.float32)


def scalp_field(x: np.ndarray, y: np.ndarray, z: np.ndarray, lowered: float) -> np.ndarray:
    """How far inside the hairy scalp a point of the base mesh lies: 0.5 at the hairline, rising by 1 each 14 mm.

    Args:
        x, y, z: millimetres on the base mesh.
        lowered: by how much the hairline at the forehead lies below the usual one, millimetres.
    """
    around = np.arctan2(np.abs(x), z + 75)  # 0 at the front, pi at the back
    line = np.interp(
        around, (0, 0.35, 0.62, 0.82, 1.0, 1.25, 1.42, 1.75, 2.1, 3.2), (66, 68, 57, 40, 28, 6, 12, 2, -38, -60)
    )
    return 0.5 + (y - line + lowered * np.clip(1.2 - around, 0, 1)) / 14


def _foremost() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """z of the foremost skin at every texel, millimetres, -200 where there is none, and the masks lips, eyelids and face."""
    head = load_head()
    outside = (head.part_F == PARTS.index("skin")) & (head.masks["inside-mouth"][head.triangles_F3].max(1) < 0.5)
    triangles = np.ascontiguousarray(head.triangles_F3[outside])
    flat = head.rest_V3 * np.float32(1000)
    screen = np.stack([flat[:, 0] * SCALE + COLUMNS / 2, (TOP - flat[:, 1]) * SCALE, 10000 - flat[:, 2]], axis=1)
    index, depth, weights = rasterize(
        screen.astype(np.float32),
        np.arange(len(triangles)),
        triangles,
        np.zeros(len(triangles), np.uint8),
        np.ones(len(flat), np.float32),
        np.full(len(triangles), -1, np.int16),
        np.zeros((len(triangles), 3, 2), np.float32),
        np.zeros((1, 1, 1, 4), np.uint8),
        0,
        ROWS,
        COLUMNS,
    )
    seen = depth < FAR
    masks = np.column_stack([head.masks[name] for name in ("lips", "eyelids", "face")]).astype(np.float32)
    values = (masks[triangles[np.maximum(index, 0)]] * weights[..., None]).sum(2) * seen[..., None]
    values = cv2.GaussianBlur(values, (0, 0), 1.5)
    return np.where(seen, 10000 - depth, -200).astype(np.float32), values[..., 0], values[..., 1], values[..., 2]
