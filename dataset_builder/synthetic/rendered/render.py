"""A picture of a head: geometry, what is worn and grown, z-buffer, shading, sheets of hair, camera.

Conventions
    Two by two samples a pixel. Light is linear until `_developed`; the picture is sRGB.
    In a mirrored scene the head comes as it is seen in the mirror. It is drawn on the near side of the mirror, and the picture
    is turned over, so textures, light, background and noise are all mirrored.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from aullava.dataset_builder.synthetic.rendered import skin
from aullava.dataset_builder.synthetic.rendered.actions import mirrored
from aullava.dataset_builder.synthetic.rendered.appearance import Appearance
from aullava.dataset_builder.synthetic.rendered.assets import Library, chosen, load_library, skin_for
from aullava.dataset_builder.synthetic.rendered.background import background
from aullava.dataset_builder.synthetic.rendered.damage import damaged
from aullava.dataset_builder.synthetic.rendered.eyes import eye_frames, eye_numbers
from aullava.dataset_builder.synthetic.rendered.hair import LASHES, beard, head_hair, trimmed
from aullava.dataset_builder.synthetic.rendered.light import cast_shadow
from aullava.dataset_builder.synthetic.rendered.mesh import PARTS, load_head
from aullava.dataset_builder.synthetic.rendered.occluders import before_the_face
from aullava.dataset_builder.synthetic.rendered.pieces import Piece, join
from aullava.dataset_builder.synthetic.rendered.raster import FAR, rasterize, vertex_normals
from aullava.dataset_builder.synthetic.rendered.scene import Scene
from aullava.dataset_builder.synthetic.rendered.shade import MATERIALS, blend, shade, skin_numbers
from aullava.dataset_builder.synthetic.rendered.wear import worn
from aullava.dataset_builder.synthetic.rendered.wrinkles import crease_shares

SAMPLES = 2
_NO_SHADOW = [
    MATERIALS.index(name) for name in ("eye_l", "eye_r", "teeth_upper", "teeth_lower", "tongue", "lashes", "lens")
]


@dataclass(frozen=True, eq=False)
class Rendered:
    """A picture and what is seen where; the maps have `SAMPLES` samples a pixel.

    Attributes:
        image_HW3: sRGB, uint8. clean_HW3: the same before damage, float32 0..1.
        corners_HW3: the three vertices of the head between which a sample lies, -1 where there is none of it or something
            worn, grown or held covers it. weights_HW3: their shares. part_HW: which of `mesh.PARTS` it is, -1 as before.
        screen_V3: the head's vertices in pixels, and metres from the camera.
    """

    image_HW3: np.ndarray
    clean_HW3: np.ndarray
    weights_HW3: np.ndarray
    screen_V3: np.ndarray
    _buffers: tuple  # what the maps below are made of when they are asked for

    @functools.cached_property
    def corners_HW3(self) -> np.ndarray:
        bare_HW, index_HW, triangles_F3, _, mirror = self._buffers
        corners = np.where(bare_HW[..., None], triangles_F3[np.maximum(index_HW, 0)], -1)
        return np.where(corners >= 0, load_head().mirror_V[corners], -1).astype(np.int32) if mirror else corners

    @functools.cached_property
    def part_HW(self) -> np.ndarray:
        bare_HW, index_HW, _, material_F, mirror = self._buffers
        part = np.where(bare_HW, material_F[np.maximum(index_HW, 0)].astype(np.int8), -1)
        return np.array([0, 2, 1, *range(3, len(PARTS)), -1], np.int8)[part] if mirror else part


def render(
    vertices_V3: np.ndarray,
    look: Appearance,
    strengths: Mapping[str, float],
    scene: Scene,
    size: int,
    library: Library | None = None,
) -> Rendered:
    """Draw a head.

    Args:
        vertices_V3: the head as it is posed by its muscles, head axes, metres.
        look: the person's appearance. strengths: actions 0..1, which fold the skin. scene: everything else.
        size: of the picture's sides, pixels. library: of assets, none for drawn skin and hair.
    """
    library = load_library() if library is None else library
    head = load_head()
    if scene.mirror:
        vertices_V3 = vertices_V3[head.mirror_V] * np.array([-1, 1, 1], np.float32)
        strengths = mirrored(strengths)
    pieces = _pieces(np.ascontiguousarray(vertices_V3, np.float32), look, scene, library)
    mesh = join(pieces)
    camera, side = scene.camera, size * SAMPLES
    placed = camera.place(mesh.points_V3)
    rotation = camera.rotation_33
    normals = np.ascontiguousarray(mesh.normals_V3 @ rotation.T, np.float32)
    screen = camera.project(placed, side)
    solid = np.flatnonzero(~mesh.sheet_F)
    sheets = np.flatnonzero(mesh.sheet_F)
    index, depth, weights = rasterize(
        screen,
        solid,
        mesh.triangles_F3,
        mesh.two_sided_F,
        mesh.cut_V,
        mesh.page_F,
        mesh.uv_F32,
        library.pages,
        128,
        side,
        side,
    )
    lamps, sky, gain = _lights(scene, look)
    photo = skin_for(library, look.age, look.sex, look.tone, look.skin_pick)
    centre = camera.place(np.array([[0.0, -0.02, -0.03]]))[0]
    casting = np.flatnonzero(~np.isin(mesh.material_F, _NO_SHADOW))
    shadow, rows = cast_shadow(
        placed,
        casting,
        mesh.triangles_F3,
        mesh.two_sided_F,
        mesh.cut_V,
        mesh.page_F,
        mesh.uv_F32,
        library.pages,
        lamps[0, :3],
        centre,
    )
    p = skin_numbers(look, photo=photo is not None, brow_sheets=bool(library.brows))
    folds = crease_shares(strengths, look.creases_at_rest, look.crease_gain)
    if photo is None:
        photo = np.zeros((1, 1, 3), np.uint8)
    moles = np.array(look.moles, np.float32).reshape(-1, 3)
    step = 1000 * 0.2 / (camera.fill * side)
    pages, page = library.pages, mesh.page_F
    backdrop = background(scene.background, scene.background_seed, side)
    colour = backdrop / gain
    shade(
        index,
        weights,
        mesh.triangles_F3,
        placed,
        normals,
        mesh.traits_V7,
        mesh.uv_F32,
        mesh.material_F,
        page,
        mesh.tint_F3,
        skin.packed_maps(),
        folds,
        skin.grain(),
        photo,
        pages,
        eye_frames(placed[: len(vertices_V3)]),
        eye_numbers(look),
        p,
        moles,
        lamps,
        sky,
        shadow,
        rows,
        np.float32(step),
        colour,
    )
    covered = np.zeros((side, side), np.float32)
    if len(sheets):
        far = placed[mesh.triangles_F3[sheets], 2].mean(1)
        order = sheets[np.argsort(far, kind="stable")]
        down = (rotation @ np.array([0.0, -1.0, 0.0])).astype(np.float32)
        blend(
            colour,
            depth,
            covered,
            order,
            screen,
            mesh.triangles_F3,
            placed,
            normals,
            mesh.traits_V7,
            mesh.cut_V,
            mesh.uv_F32,
            mesh.material_F,
            page,
            mesh.tint_F3,
            pages,
            p,
            down,
            lamps,
            sky,
            shadow,
            rows,
        )
    clean = _developed(colour, gain)
    bare = (index >= 0) & (index < len(pieces[0].triangles_F3)) & (covered < 0.5)
    screen_V3 = screen[: len(vertices_V3)] / np.array([SAMPLES, SAMPLES, 1], np.float32)
    image = damaged(clean, scene.damage)
    if scene.mirror:
        screen_V3 = screen_V3[head.mirror_V] * np.array([-1, 1, 1], np.float32) + np.array([size, 0, 0], np.float32)
        image, clean, weights, bare, index = (
            np.ascontiguousarray(a[:, ::-1]) for a in (image, clean, weights, bare, index)
        )
    return Rendered(image, clean, weights, screen_V3, (bare, index, mesh.triangles_F3, mesh.material_F, scene.mirror))


def _pieces(vertices_V3: np.ndarray, look: Appearance, scene: Scene, library: Library) -> list[Piece]:
    """The head first, then everything on it and before it."""
    head = load_head()
    normals = vertex_normals(vertices_V3, head.triangles_F3)
    traits = base_traits()
    drawn = _drawn_triangles(bool(library.teeth))
    material = head.part_F[drawn]
    open_parts = (material > 2).astype(np.uint8)
    body = Piece(
        vertices_V3,
        normals,
        head.triangles_F3[drawn],
        material,
        traits_V7=traits,
        uv_F32=head.uv_F32[drawn],
        two_sided=open_parts,
        cut_V=1 - 2 * head.masks["ears"] if look.headwear == "headscarf" else None,
    )
    pieces = [body]
    if library.teeth:
        pieces.append(
            _fitted(chosen(library.teeth, look.teeth_pick), vertices_V3, "teeth_upper", (0.8, 0.78, 0.7), rest=True)
        )
    pieces += worn(head, vertices_V3, normals, traits, look)
    brow = tuple(np.array(look.brow_colour) ** 2.2)
    if library.brows:
        pieces.append(_fitted(chosen(library.brows, look.brow_pick), vertices_V3, "lashes", brow, sheet=True))
        # The meshes lie 4 mm below the ridge, where landmarks and folds are, and lower still at the bridge of the nose.
        lifted = 4.4 - 0.04 * np.abs(pieces[-1].points_V3[:, 0]) * 1000 + 0.6 * look.brow_height
        pieces[-1].points_V3 += np.stack([0 * lifted, lifted, 1 + 0 * lifted], axis=1).astype(np.float32) / 1000
    dark = (0.012, 0.010, 0.010)
    if library.lashes:
        pieces.append(_fitted(chosen(library.lashes, look.lash_pick), vertices_V3, "lashes", dark, sheet=True))
    else:
        part = head.part_F == PARTS.index("lashes")
        thin = np.full(len(vertices_V3), 0.5 + 0.26 * look.lashes, np.float32)
        thin[head.rest_V3[:, 1] < 0] -= 0.12 * look.lashes
        uv = np.stack([head.rest_V3[:, 0] * 1000 / 30, head.rest_V3[:, 2] * 10], axis=1)[head.triangles_F3[part]]
        pieces.append(
            Piece(vertices_V3, normals, head.triangles_F3[part], "lashes", dark, traits, thin, uv, LASHES, True)
        )
    meshes = [mesh for name in _STYLES.get(look.hair, ()) for mesh in library.hair if mesh.name == name]
    if meshes and look.headwear == "none":
        tint = tuple(np.array(look.hair_colour) ** 2.2)
        mesh = chosen(meshes, look.hair_pick)
        pieces.append(_fitted(mesh, vertices_V3, "hair", tint, sheet=True))
        pieces[-1].cut_V = trimmed(mesh.fit(load_head().rest_V3) * 1000, look)
    else:
        pieces += head_hair(head, vertices_V3, normals, traits, look)
    pieces += beard(head, vertices_V3, normals, traits, look, _beard_cover(look))
    return pieces + before_the_face(scene, look)


# Which hair meshes a style may have.
_STYLES = {
    "short": ("short01", "short02", "short04"),
    "medium": ("bob02", "short03", "braid01", "braid01"),
    "long": ("long01", "long01", "bob02"),
    "tied": ("ponytail01", "braid01"),
}


def _fitted(
    mesh,
    vertices_V3: np.ndarray,
    material: str,
    tint: tuple,
    *,
    sheet: bool = False,
    rest: bool = False,
) -> Piece:
    """An asset's mesh as a piece; hair and the like are lit as a rounded whole, by their direction from the head's middle."""
    points = np.ascontiguousarray(mesh.fit(vertices_V3), np.float32)
    normals = vertex_normals(points, mesh.triangles_F3)
    traits = np.zeros((len(points), 7), np.float32)
    traits[:, 3] = 0.9
    if rest:
        traits[:, :3] = mesh.fit(load_head().rest_V3) * 1000
    if material == "hair":
        outward = points - np.array([0.0, 0.0, -0.075], np.float32)
        length = np.linalg.norm(outward, axis=1, keepdims=True)
        outward /= length
        normals = np.where((normals * outward).sum(1, keepdims=True) < 0, -normals, normals)
        normals = 0.75 * outward + 0.45 * normals
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        traits[:, 3] = 0.85
    return Piece(
        points, normals, mesh.triangles_F3, material, tint, traits, uv_F32=mesh.uv_F32, page=mesh.page, sheet=sheet
    )


@functools.lru_cache(maxsize=1)
def base_traits() -> np.ndarray:
    """`shade`'s traits of the head's vertices, the share of the sky each sees worked out from 48 directions."""
    head = load_head()
    rest = head.rest_V3 * np.float32(1000)
    traits = np.zeros((len(rest), 7), np.float32)
    traits[:, :3] = rest
    traits[:, 3] = _openness(head.rest_V3)
    traits[:, 4], traits[:, 5] = head.masks["lips"], head.masks["inside-mouth"]
    traits[:, 6] = skin.scalp_field(rest[:, 0], rest[:, 1], rest[:, 2], 0.0)
    traits[head.masks["ears"] > 0.3, 6] = 0
    return traits


def _openness(points_V3: np.ndarray) -> np.ndarray:
    """Share of the directions around each vertex from which the resting head's skin does not hide it, weighted by the cosine."""
    head = load_head()
    skin_F = head.triangles_F3[head.part_F == PARTS.index("skin")]
    normals = vertex_normals(points_V3, head.triangles_F3)
    seen, total = np.zeros(len(points_V3)), np.full(len(points_V3), 1e-6)
    count, side = 48, 200
    blank = (
        np.full(len(skin_F), -1, np.int16),
        np.zeros((len(skin_F), 3, 2), np.float32),
        np.zeros((1, 1, 1, 4), np.uint8),
    )
    for i in range(count):
        height, turn = 1 - 2 * (i + 0.5) / count, i * np.pi * (3 - np.sqrt(5))  # evenly over the sphere
        flat = np.sqrt(1 - height * height)
        towards = np.array([flat * np.cos(turn), height, flat * np.sin(turn)])
        across = np.cross(towards, (0.0, 1.0, 0.1))
        across /= np.linalg.norm(across)
        axes = np.stack([across, np.cross(across, towards), -towards])
        seen_from = points_V3 @ axes.T * np.array([450, 450, 1]) + np.array([side / 2, side / 2, 1])
        seen_from = np.ascontiguousarray(seen_from, np.float32)
        _, depth, _ = rasterize(
            seen_from,
            np.arange(len(skin_F)),
            skin_F,
            np.ones(len(skin_F), np.uint8),
            np.ones(len(points_V3), np.float32),
            *blank,
            0,
            side,
            side,
        )
        column, row = (
            np.clip(seen_from[:, 0], 0, side - 1).astype(int),
            np.clip(seen_from[:, 1], 0, side - 1).astype(int),
        )
        cosine = np.clip(normals @ towards, 0, None)
        total += cosine
        seen += cosine * ((seen_from[:, 2] - 0.003 < depth[row, column]) | (depth[row, column] == FAR))
    share = seen / total
    return ((share + share[head.mirror_V]) / 2).astype(np.float32)


@functools.lru_cache(maxsize=2)
def _drawn_triangles(fitted_teeth: bool) -> np.ndarray:
    """The head's triangles that are drawn as they are."""
    left_out = ("lashes", "hair", *(("teeth_upper", "teeth_lower") if fitted_teeth else ()))
    return np.flatnonzero(~np.isin(load_head().part_F, [PARTS.index(name) for name in left_out]))


def _beard_cover(look: Appearance) -> np.ndarray:
    """How bearded each vertex of the head is, from the front maps."""
    x, y, z = base_traits()[:, 0], base_traits()[:, 1], base_traits()[:, 2]
    column = np.clip(x * skin.SCALE + skin.COLUMNS / 2, 0, skin.COLUMNS - 1).astype(int)
    row = np.clip((skin.TOP - y) * skin.SCALE, 0, skin.ROWS - 1).astype(int)
    areas = {"moustache": (0,), "goatee": (0, 1), "short": (0, 1, 2), "full": (0, 1, 2)}.get(look.beard, ())
    cover = np.zeros(len(x), np.float32)
    for channel in areas:
        cover = np.maximum(cover, skin.front_maps()[row, column, channel])
    bare = (1 - base_traits()[:, 5]) * (1 - base_traits()[:, 4]) * (load_head().masks["ears"] < 0.3)
    return cover * (z > -75) * bare


def _lights(scene: Scene, look: Appearance) -> tuple[np.ndarray, np.ndarray, np.float32]:
    """Lamps and sky as `light` takes them, and the gain that a camera's meter would choose for the face."""
    lamps = np.zeros((len(scene.lamps), 6), np.float32)
    for row, (azimuth, elevation, strength, warmth) in zip(lamps, scene.lamps, strict=True):
        a, e = np.deg2rad([azimuth, elevation])
        row[:3] = np.sin(a) * np.cos(e), -np.sin(e), -np.cos(a) * np.cos(e)
        row[3:] = strength * np.array([1 + 0.18 * warmth, 1.0, 1 - 0.3 * warmth])
    sky = np.array([*scene.sky, *scene.ground, 0.12], np.float32)
    arriving = 0.5 * (np.mean(scene.sky) + np.mean(scene.ground)) * 0.8
    arriving += sum(row[4] * max(0.0, (-row[2] + 0.2) / 1.2) for row in lamps) * 0.8
    albedo = float(np.mean(np.array(look.skin) ** 2.2))
    aim = 0.40 * (albedo / 0.42) ** 0.62  # meters lift dark faces and hold light ones back, though not wholly
    return lamps, sky, np.float32(scene.exposure * aim / (albedo * max(arriving, 0.05)))


def _developed(linear_HW3: np.ndarray, gain: np.float32) -> np.ndarray:
    """Pixels from samples: mean, exposure, a soft shoulder for what is too bright, sRGB; float32 0..1."""
    height, width = (n // SAMPLES for n in linear_HW3.shape[:2])
    pixels = cv2.resize(linear_HW3, (width, height), interpolation=cv2.INTER_AREA) * gain
    pixels = np.where(pixels > 0.55, 0.55 + 0.45 * (1 - np.exp(-(pixels - 0.55) / 0.45)), pixels)
    return np.power(np.clip(pixels, 0, 1), np.float32(1 / 2.2)).astype(np.float32)
