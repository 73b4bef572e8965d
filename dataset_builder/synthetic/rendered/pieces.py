"""Pieces of geometry that are drawn together: the head, and whatever is grown on it, worn or held before it.

Conventions
    points    head axes, metres (see `mesh`). uv of each corner of each triangle.
    sheet     a piece that lets light through and is laid over the picture; the others are opaque.
"""

import functools
from dataclasses import dataclass

import numpy as np

from aullava.dataset_builder.synthetic.rendered.mesh import PARTS, HeadMesh
from aullava.dataset_builder.synthetic.rendered.shade import MATERIALS


@dataclass(eq=False)
class Piece:
    """Geometry of one material.

    Attributes:
        points_V3, normals_V3, traits_V7, cut_V: of each vertex (`shade`, `raster`).
        triangles_F3, uv_F32: of each triangle. page: -1 or the page of all of them. tint: linear RGB.
        material: a name of `MATERIALS`, or the index of each triangle's. sheet: see above.
        two_sided: whether the back is seen, of all or of each triangle.
    """

    points_V3: np.ndarray
    normals_V3: np.ndarray
    triangles_F3: np.ndarray
    material: str | np.ndarray
    tint: tuple[float, float, float] = (0.5, 0.5, 0.5)
    traits_V7: np.ndarray | None = None
    cut_V: np.ndarray | None = None
    uv_F32: np.ndarray | None = None
    page: int = -1
    sheet: bool = False
    two_sided: bool | np.ndarray = True


@dataclass(eq=False)
class Joined:
    """All pieces as one mesh; the fields are `Piece`'s, of each vertex or triangle."""

    points_V3: np.ndarray
    normals_V3: np.ndarray
    traits_V7: np.ndarray
    cut_V: np.ndarray
    triangles_F3: np.ndarray
    uv_F32: np.ndarray
    material_F: np.ndarray
    page_F: np.ndarray
    tint_F3: np.ndarray
    sheet_F: np.ndarray
    two_sided_F: np.ndarray


def join(pieces: list[Piece]) -> Joined:
    """One mesh of several pieces, in their order."""
    starts = np.cumsum([0, *(len(piece.points_V3) for piece in pieces)])
    open_traits = np.array([0, 0, 0, 1, 0, 0, 0], np.float32)

    def of_triangles(values: list, dtype, *width: int) -> np.ndarray:
        return np.concatenate(
            [
                np.broadcast_to(np.asarray(v, dtype), (len(p.triangles_F3), *width))
                for p, v in zip(pieces, values, strict=True)
            ]
        )

    numbers = [MATERIALS.index(p.material) if isinstance(p.material, str) else p.material for p in pieces]
    return Joined(
        points_V3=np.concatenate([piece.points_V3 for piece in pieces]).astype(np.float32),
        normals_V3=np.concatenate([piece.normals_V3 for piece in pieces]).astype(np.float32),
        traits_V7=np.concatenate(
            [
                np.broadcast_to(open_traits, (len(p.points_V3), 7))
                if p.traits_V7 is None
                else p.traits_V7.astype(np.float32)
                for p in pieces
            ]
        ),
        cut_V=np.concatenate(
            [np.ones(len(p.points_V3), np.float32) if p.cut_V is None else p.cut_V.astype(np.float32) for p in pieces]
        ),
        triangles_F3=np.concatenate(
            [p.triangles_F3 + start for p, start in zip(pieces, starts[:-1], strict=True)]
        ).astype(np.int32),
        uv_F32=np.concatenate(
            [np.zeros((len(p.triangles_F3), 3, 2), np.float32) if p.uv_F32 is None else p.uv_F32 for p in pieces]
        ).astype(np.float32),
        material_F=of_triangles(numbers, np.uint8),
        page_F=of_triangles([p.page for p in pieces], np.int16),
        tint_F3=of_triangles([p.tint for p in pieces], np.float32, 3),
        sheet_F=of_triangles([p.sheet for p in pieces], bool),
        two_sided_F=of_triangles([p.two_sided for p in pieces], np.uint8),
    )


def shell(
    head: HeadMesh,
    points_V3: np.ndarray,
    normals_V3: np.ndarray,
    traits_V7: np.ndarray,
    field_V: np.ndarray,
    lift_V: np.ndarray | float,
    material: str,
    tint: tuple,
    *,
    uv_V2: np.ndarray | None = None,
    open_: float = 1.0,
    page: int = -1,
    sheet: bool = False,
) -> Piece:
    """A copy of the skin raised along its normals by `lift_V` millimetres, where `field_V` is above a half."""
    triangles, columns = _outer_skin(head)
    inside = field_V > 0.5
    triangles = triangles[inside[columns[0]] | inside[columns[1]] | inside[columns[2]]]
    used = np.zeros(len(points_V3), bool)
    used[triangles.ravel()] = True
    local = np.cumsum(used) - 1
    lift = np.broadcast_to(np.asarray(lift_V, np.float32), len(points_V3))[used, None] / 1000
    traits = traits_V7[used].copy()
    traits[:, 3] = open_ if sheet else 0.4 + 0.6 * traits[:, 3]
    uv = None
    if uv_V2 is not None:
        uv = uv_V2[triangles].copy()
        first, second, third = uv[:, 0, 0], uv[:, 1, 0], uv[:, 2, 0]
        period = np.round(np.ptp(uv_V2[:, 0]))
        wide = np.abs(first - second) + np.abs(second - third) > 0.8 * period  # across the seam at the back
        uv[wide, :, 0] += np.where(uv[wide, :, 0] < 0, period, 0)
    return Piece(
        points_V3[used] + normals_V3[used] * lift,
        normals_V3[used],
        local[triangles],
        material,
        tint,
        traits,
        field_V[used],
        uv,
        page,
        sheet,
    )


@functools.lru_cache(maxsize=1)
def _outer_skin(head: HeadMesh) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Triangles of the skin that are not inside the mouth, and their three columns."""
    skin = head.part_F == PARTS.index("skin")
    triangles = head.triangles_F3[skin & (head.masks["inside-mouth"][head.triangles_F3].max(1) < 0.5)]
    return triangles, tuple(np.ascontiguousarray(triangles[:, corner]) for corner in range(3))


def ellipsoid(centre, axes, material: str, tint: tuple, turn_33: np.ndarray | None = None) -> Piece:
    """An ellipsoid; centre and half axes in metres."""
    rings, around = 10, 16
    polar, azimuth = np.meshgrid(np.linspace(0, np.pi, rings), np.arange(around) * 2 * np.pi / around, indexing="ij")
    unit = np.stack([np.sin(polar) * np.cos(azimuth), np.cos(polar), np.sin(polar) * np.sin(azimuth)], -1).reshape(
        -1, 3
    )
    turn = np.eye(3) if turn_33 is None else turn_33
    normals = unit / np.asarray(axes)
    normals = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    i, j = (grid.ravel() for grid in np.meshgrid(np.arange(rings - 1), np.arange(around), indexing="ij"))
    k = (j + 1) % around
    a, b, c, d = i * around + j, i * around + k, (i + 1) * around + j, (i + 1) * around + k
    triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([b, d, c], 1)])
    return Piece((unit * axes) @ turn.T + centre, normals @ turn.T, triangles, material, tint)


def rod(start, end, radius: float, material: str, tint: tuple, radius_end: float | None = None) -> Piece:
    """A round rod with open ends, metres."""
    start, end = np.asarray(start, float), np.asarray(end, float)
    way = (end - start) / np.linalg.norm(end - start)
    first = np.cross(way, (0, 1, 0) if abs(way[1]) < 0.9 else (1, 0, 0))
    first /= np.linalg.norm(first)
    second = np.cross(way, first)
    angle = np.arange(8) * 2 * np.pi / 8
    normals = np.cos(angle)[:, None] * first + np.sin(angle)[:, None] * second
    points = np.concatenate([start + normals * radius, end + normals * (radius if radius_end is None else radius_end)])
    j = np.arange(8)
    k = (j + 1) % 8
    triangles = np.concatenate([np.stack([j, k, j + 8], 1), np.stack([k, k + 8, j + 8], 1)])
    return Piece(points, np.concatenate([normals, normals]), triangles, material, tint)
