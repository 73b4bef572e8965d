"""MakeHuman's assets from a folder: photographed skins, hair, brows, lashes and teeth, fitted to the head by their .mhclo files.

Conventions
    folder    laid out as MakeHuman's system assets: hair/NAME/NAME.mhclo, NAME.obj and NAME_diffuse.png, and so on.
              skins/*_head.jpg is the right part of a skin, columns 1228 to 2047 of 2048; skins/*_diffuse*.png a whole one.
    fitted    each vertex is a weighted sum of three vertices of the base mesh and an offset, which is scaled with the head
              (MakeHuman's documentation of .mhclo); so it follows the person's shape and expression.

Nothing is downloaded. What the folder lacks is drawn as without one; a file that is there and cannot be read is an error.
"""

import functools
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from aullava.dataset_builder.synthetic.rendered.hair import PAGE_SIDE, drawn_pages
from aullava.dataset_builder.synthetic.rendered.mesh import load_head

_SKIN_ROWS, _SKIN_LEFT = 1024, 0.6
_WHOLE_SKIN = 0.6
# Left out: on a face at rest they frown.
_STERN_BROWS = ("eyebrow002", "eyebrow003", "eyebrow004", "eyebrow005", "eyebrow007", "eyebrow011")


@dataclass(frozen=True, eq=False)
class Fitted:
    """A mesh tied to the head.

    Attributes:
        name: of the asset. page: its picture in the library. triangles_F3, uv_F32: see `pieces`.
        base_V3, weight_V3: three vertices of the head and their shares; offset_V3: metres at the scale of the base mesh.
        scale: for x, y and z two vertices whose distance in metres is 1.
    """

    name: str
    page: int
    triangles_F3: np.ndarray
    uv_F32: np.ndarray
    base_V3: np.ndarray
    weight_V3: np.ndarray
    offset_V3: np.ndarray
    scale: tuple[tuple[int, int, float], ...]

    def fit(self, points_V3: np.ndarray) -> np.ndarray:
        """The asset's vertices on a head, metres (n, 3)."""
        ratios = [
            abs(points_V3[a, axis] - points_V3[b, axis]) / length for axis, (a, b, length) in enumerate(self.scale)
        ]
        return (points_V3[self.base_V3] * self.weight_V3[..., None]).sum(1) + self.offset_V3 * ratios


@dataclass(frozen=True, eq=False)
class Library:
    """Pictures and meshes to draw people with.

    Attributes:
        pages: uint8 (N, PAGE_SIDE, PAGE_SIDE, 4), the drawn ones first.
        skins: name -> detail of a photographed skin, uint8 (1024, 410, 3): 180 times the square root of its linear RGB
            divided by the face's mean.
        hair, brows, lashes, teeth: fitted meshes, by name.
    """

    pages: np.ndarray
    skins: dict[str, np.ndarray]
    hair: tuple[Fitted, ...] = ()
    brows: tuple[Fitted, ...] = ()
    lashes: tuple[Fitted, ...] = ()
    teeth: tuple[Fitted, ...] = ()


@functools.lru_cache(maxsize=4)
def load_library(folder: str | None = None) -> Library:
    """Read an assets folder, or none; the next call with the same name returns the same library.

    Raises:
        FileNotFoundError: the folder, or a file that one of its files names, is missing.
        ValueError: a file cannot be read, named with what was expected.
    """
    pages = list(drawn_pages())
    if folder is None:
        return Library(np.stack(pages), {})
    root = Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(
            f"{root} is no folder: expected MakeHuman's assets (skins, hair, eyebrows, eyelashes, teeth)"
        )
    skins = {path.name.split("_diffuse")[0] + str(i): _read_skin(path) for i, path in enumerate(_skin_files(root))}
    kinds = {}
    for kind, place, opaque in (
        ("hair", "hair", False),
        ("brows", "eyebrows", False),
        ("lashes", "eyelashes", False),
        ("teeth", "teeth", True),
    ):
        shared, meshes = {}, []
        for path in sorted(root.glob(f"{place}/*/*.mhclo")):
            if path.stem in _STERN_BROWS:
                continue
            picture = next(
                (
                    found
                    for found in (
                        path.with_name(f"{path.stem}_diffuse.png"),
                        path.with_suffix(".png"),
                        root / place / "materials" / f"{place}.png",
                    )
                    if found.is_file()
                ),
                None,
            )
            if picture is None:  # a few of MakeHuman's hair meshes come without one; hair is drawn instead
                continue
            if picture not in shared:
                shared[picture] = len(pages)
                pages.append(_read_page(picture, opaque))
            meshes.append(_read_fitted(path, shared[picture]))
        kinds[kind] = tuple(meshes)
    if not skins and not any(kinds.values()):
        raise ValueError(
            f"{root} holds no asset that is known: expected skins/*.jpg or hair/NAME/NAME.mhclo and the like"
        )
    return Library(np.stack(pages), skins, **kinds)


def chosen(choices, share: float):
    """The one of several that a person's pick, 0..1, names."""
    return choices[min(int(share * len(choices)), len(choices) - 1)]


def skin_for(library: Library, age: float, sex: str, tone: int, pick: float) -> np.ndarray | None:
    """The detail of a photographed skin of about that age and tone; None without one."""
    if not library.skins:
        return None
    stage = "young" if age < 36 else "middleage" if age < 58 else "old"
    light = "light" if tone <= 6 else "dark"

    def misfit(name: str) -> int:
        ages = ("young", "middleage", "old")
        own = next((i for i, word in enumerate(ages) if word in name), 0)
        female = "female" in name
        return 4 * abs(own - ages.index(stage)) + 6 * (light not in name) + 3 * (female != (sex == "female"))

    fits = {name: misfit(name) for name in library.skins}
    best = sorted(name for name, value in fits.items() if value <= min(fits.values()))
    return library.skins[chosen(best, pick)]


def _skin_files(root: Path) -> list[Path]:
    return sorted(
        [*root.glob("skins/*_head.jpg"), *root.glob("skins/*_diffuse*.png"), *root.glob("skins/*/*_diffuse*.png")]
    )


def _read_skin(path: Path) -> np.ndarray:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError(f"{path} cannot be read as a picture: expected a skin of the base mesh; copy it again")
    if picture.shape[0] == picture.shape[1]:
        picture = picture[:, int(picture.shape[1] * _WHOLE_SKIN) :]
    picture = cv2.resize(picture, (round(_SKIN_ROWS * (1 - _SKIN_LEFT)), _SKIN_ROWS), interpolation=cv2.INTER_AREA)
    linear = (picture[..., ::-1].astype(np.float32) / 255) ** 2.2
    mean = linear[400:640, 190:280].reshape(-1, 3).mean(0)  # cheeks, nose and brow
    return np.clip(180 * np.sqrt(linear / np.maximum(mean, 1e-3)), 0, 255).astype(np.uint8)


def _read_page(path: Path, opaque: bool) -> np.ndarray:
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if picture is None:
        raise ValueError(f"{path} cannot be read as a picture: expected a PNG; copy it again")
    if picture.ndim != 3 or picture.shape[2] != 4:
        if not opaque:
            raise ValueError(
                f"{path} has the shape {picture.shape}: expected four channels, the last of which lets light through"
            )
        picture = np.dstack([picture[..., :3], np.full(picture.shape[:2], 255, np.uint8)])
    weight = picture[..., 3:].astype(np.float32) / 255
    colour = cv2.resize(picture[..., :3] * weight, (PAGE_SIDE, PAGE_SIDE), interpolation=cv2.INTER_AREA)
    alpha = cv2.resize(weight, (PAGE_SIDE, PAGE_SIDE), interpolation=cv2.INTER_AREA)
    colour = colour / np.maximum(alpha[..., None], 1e-3)
    visible = alpha > 0.3
    if not opaque and visible.any():  # its brightness becomes the tint's, whatever colour the hair was painted in
        grey = colour.mean(-1)
        low, high = np.percentile(grey[visible], (2, 98))
        colour = np.repeat(
            (0.22 + 0.62 * np.clip((grey - low) / max(high - low, 1), 0, 1.2))[..., None] * 255, 3, axis=-1
        )
    page = np.dstack([np.clip(colour[..., ::-1], 0, 255), np.clip(alpha * 255, 0, 255)])
    if opaque:
        page[..., 3] = 255
    return page.round().astype(np.uint8)


def _read_fitted(path: Path, page: int) -> Fitted:
    head = load_head()
    rows, scale, obj, reading = [], {}, path.with_suffix(".obj"), False
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] == "obj_file":
            obj = path.with_name(words[1])
        elif words[0] in ("x_scale", "y_scale", "z_scale"):
            a, b = (int(head.index_of_base[int(word)]) for word in words[1:3])
            scale["xyz".index(words[0][0])] = (a, b, float(words[3]) / 10)
        elif words[0] == "verts":
            reading = True
        elif reading and words[0].lstrip("-").isdigit():
            if len(words) not in (1, 9):
                raise ValueError(
                    f"{path}, line {number}: found {len(words)} numbers, expected 9 of a fitted vertex, or 1; copy it again"
                )
            rows.append(
                [float(word) for word in words] if len(words) == 9 else [float(words[0])] * 3 + [1, 0, 0, 0, 0, 0]
            )
    if not rows or len(scale) != 3 or min(min(pair[:2]) for pair in scale.values()) < 0:
        raise ValueError(
            f"{path} has {len(rows)} fitted vertices and {len(scale)} scales: expected an .mhclo for hm08's head; copy it again"
        )
    if not obj.is_file():
        raise FileNotFoundError(f"{path} names {obj.name}, which is not beside it")
    table = np.array(rows)
    base = head.index_of_base[table[:, :3].astype(np.int64)]
    uvs, corners, uv_corners = [], [], []
    count = 0
    for line in obj.read_text(encoding="utf-8", errors="replace").splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "v":
            count += 1
        elif kind == "vt":
            uvs.append([float(word) for word in rest.split()[:2]])
        elif kind == "f":
            face = [corner.split("/")[:2] for corner in rest.split()]
            if any(len(corner) < 2 or not corner[1] for corner in face):
                raise ValueError(f"{obj}: the face {rest.strip()!r} has no texture coordinates; copy it again")
            for i in range(1, len(face) - 1):
                corners.append([int(face[k][0]) - 1 for k in (0, i, i + 1)])
                uv_corners.append([int(face[k][1]) - 1 for k in (0, i, i + 1)])
    if count != len(rows):
        raise ValueError(
            f"{obj} has {count} vertices and {path.name} fits {len(rows)}: expected as many; copy both again"
        )
    triangles = np.array(corners, np.int32)
    kept = (base >= 0).all(1)[triangles].all(1)  # what hangs on parts below the cut is left out
    return Fitted(
        name=path.stem,
        page=page,
        triangles_F3=triangles[kept],
        uv_F32=np.array(uvs, np.float32)[np.array(uv_corners)][kept],
        base_V3=np.maximum(base, 0),
        weight_V3=table[:, 3:6].astype(np.float32),
        offset_V3=(table[:, 6:] / 10).astype(np.float32),
        scale=tuple(scale[axis] for axis in range(3)),
    )
