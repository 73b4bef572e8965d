"""Hair drawn without assets: raised copies of the scalp and the beard with strands on them, and MakeHuman's hull for long hair."""

import numpy as np

from aullava.dataset_builder.synthetic.rendered.appearance import Appearance
from aullava.dataset_builder.synthetic.rendered.mesh import HeadMesh
from aullava.dataset_builder.synthetic.rendered.pieces import Piece, shell
from aullava.dataset_builder.synthetic.rendered.skin import scalp_field

PAGE_SIDE = 512
STRANDS, CURLS, FUR, LASHES = range(4)  # the drawn pages, the first of a library's
_CROWN = np.array([0.0, -80.0])  # x and z of where hair spreads from, millimetres
_HEADGEAR_LINE = {"cap": 44.0, "beanie": 36.0}


def drawn_pages() -> np.ndarray:
    """The pictures on the sheets, uint8 (4, PAGE_SIDE, PAGE_SIDE, 4): strands, curls, fur and lashes. They tile."""
    rng = np.random.Generator(np.random.Philox(20261202))
    frequency = np.fft.fftfreq(PAGE_SIDE)

    def tile(across: float, down: float) -> np.ndarray:
        soften = np.exp(-2 * np.pi**2 * ((frequency[None] * across) ** 2 + (frequency[:, None] * down) ** 2))
        plane = np.fft.ifft2(np.fft.fft2(rng.standard_normal((PAGE_SIDE, PAGE_SIDE))) * soften).real
        return plane / plane.std()

    pages = np.zeros((4, PAGE_SIDE, PAGE_SIDE, 4))
    strands = 0.6 * tile(1.0, 70) + 0.5 * tile(3.5, 110) + 0.35 * tile(12, 160)
    pages[STRANDS, ..., :3] = (0.52 + 0.17 * strands)[..., None]
    pages[STRANDS, ..., 3] = 0.82 + 0.45 * (0.7 * tile(1.1, 80) + 0.6 * tile(4, 120))
    curls = 0.7 * tile(5, 5) + 0.6 * tile(2.2, 2.2)
    pages[CURLS, ..., :3] = (0.50 + 0.2 * curls)[..., None]
    pages[CURLS, ..., 3] = 0.62 + 0.75 * curls
    fur = 0.8 * tile(1.0, 4.5) + 0.6 * tile(2.2, 8)
    pages[FUR, ..., :3] = (0.50 + 0.15 * fur)[..., None]
    pages[FUR, ..., 3] = 0.55 + 0.7 * fur
    pages[LASHES, ..., :3] = 0.5
    pages[LASHES, ..., 3] = 0.4 + 0.6 * tile(2.5, 400)
    return (np.clip(pages, 0, 1) * 255).round().astype(np.uint8)


def head_hair(
    head: HeadMesh, points_V3: np.ndarray, normals_V3: np.ndarray, traits_V7: np.ndarray, look: Appearance
) -> list[Piece]:
    """The sheets of a hair style, inner ones first; none for bald and shaved heads and below a headscarf.

    Args:
        points_V3, normals_V3: the head in head axes. traits_V7: see `shade`.
    """
    if look.hair in ("bald", "shaved") or look.headwear == "headscarf":
        return []
    x, y, z = traits_V7[:, 0], traits_V7[:, 1], traits_V7[:, 2]
    ears = head.masks["ears"] > 0.3
    field = scalp_field(x, y, z, look.hairline)
    top = _HEADGEAR_LINE.get(look.headwear)
    tint = tuple(np.array(look.hair_colour) ** 2.2)
    around, out = np.arctan2(x - _CROWN[0], z - _CROWN[1]), np.hypot(x, z - _CROWN[1])
    along = (130 - y) * 0.6 + out * 0.7
    curly = look.hair == "curly"
    uv = np.stack([around / (2 * np.pi) * (10 if not curly else 8), along / (150 if not curly else 70)], axis=1)
    page = CURLS if curly else FUR if look.hair == "short" else STRANDS
    thick = {"short": 9.0, "medium": 13.0, "long": 9.0, "curly": 30.0, "tied": 4.0}[look.hair] * look.hair_volume
    if top is not None:
        thick = min(thick, 5.0)
    grow = np.clip((field - 0.5) * 1.6, 0.12, 1) * (0.55 + 0.45 * np.clip((y - 10) / 60, 0, 1))
    layers = 7 if curly else 4
    pieces = []

    def under_gear(values: np.ndarray) -> np.ndarray:
        return values if top is None else np.minimum(values, 0.5 + (top + 4 - y) / 8)

    for layer in range(1, layers + 1):
        share = layer / layers
        inside = np.where(ears, 0.0, field - 0.10 * share)
        pieces.append(
            shell(
                head,
                points_V3,
                normals_V3,
                traits_V7,
                under_gear(inside),
                thick * share * grow,
                "hair",
                tint,
                uv_V2=uv + 0.037 * layer,
                open_=0.35 + 0.65 * share,
                page=page,
                sheet=True,
            )
        )
    if look.fringe and top is None:
        for layer in (1, 2, 3):
            lowered = scalp_field(x, y, z, look.hairline + look.fringe * (1 - 0.07 * layer))
            inside = np.where((np.abs(x) < 62) & (z > -60) & (y > 11), np.minimum(lowered, field + 8), 0)
            raised = (3.0 + 2.2 * layer) + np.clip((y - 30) / 30, 0, 1) * thick * 0.6
            flat = np.stack([x / 65, (y + 0.15 * np.abs(x)) / 150], axis=1)
            pieces.append(
                shell(
                    head,
                    points_V3,
                    normals_V3,
                    traits_V7,
                    inside,
                    raised,
                    "hair",
                    tint,
                    uv_V2=flat + 0.21 * layer,
                    open_=0.55 + 0.15 * layer,
                    page=STRANDS,
                    sheet=True,
                )
            )
    if look.hair in ("long", "medium"):
        pieces += _hull(head, points_V3, normals_V3, look, tint)
    return pieces


def _hull(head: HeadMesh, points_V3: np.ndarray, normals_V3: np.ndarray, look: Appearance, tint: tuple) -> list[Piece]:
    """Long hair: MakeHuman's helper around the head, cut to length, in two layers."""
    part = head.vertices_of["hair"]
    triangles = head.triangles_F3[head.part_F == 7]
    local = np.full(len(points_V3), -1)
    local[part] = np.arange(len(part))
    rest = head.rest_V3[part] * 1000
    end = -40 - look.hair_length * (0.35 if look.hair == "medium" else 1.0)
    around = np.arctan2(rest[:, 0], rest[:, 2] + 80)
    pieces = []
    for layer in (0, 1):
        away = normals_V3[part] * (-0.010 + 0.008 * layer)
        uv = np.stack([around / (2 * np.pi) * 11 + 0.31 * layer, rest[:, 1] / 210], axis=1)[local[triangles]]
        cut = 0.5 + (rest[:, 1] - end - 14 * layer) / 50
        if look.headwear in _HEADGEAR_LINE:
            cut = np.minimum(cut, 0.5 + (_HEADGEAR_LINE[look.headwear] - 6 - rest[:, 1]) / 8)
        # The helper hangs over the face: there is an opening as wide as the hairline.
        cut = np.minimum(cut, 0.5 + (np.abs(around) - 0.95 + 0.5 * np.clip((rest[:, 1] - 40) / 40, 0, 1)) * 3)
        traits = np.zeros((len(part), 7), np.float32)
        traits[:, 3] = 0.55 + 0.4 * layer
        pieces.append(
            Piece(
                points_V3[part] + away,
                normals_V3[part],
                local[triangles],
                "hair",
                tint,
                traits,
                cut,
                uv,
                STRANDS,
                True,
            )
        )
    return pieces


def trimmed(rest_V3: np.ndarray, look: Appearance) -> np.ndarray:
    """How far each vertex of a fitted hair mesh is from an opening before the eyes and the face, a half at its edge: the cut.

    Args:
        rest_V3: the mesh on the base mesh, millimetres. What hangs lower than `look.fringe` allows is cut off.
    """
    x, y, z = rest_V3.T
    line = 40.0 - 0.48 * look.fringe + 0.1 * x * (2 * look.hair_pick - 1)
    return 0.5 + np.maximum(np.maximum(y - line, np.abs(x) - 53), -28 - z) / 10


def beard(
    head: HeadMesh,
    points_V3: np.ndarray,
    normals_V3: np.ndarray,
    traits_V7: np.ndarray,
    look: Appearance,
    cover_V: np.ndarray,
) -> list[Piece]:
    """Raised layers of a beard that is longer than stubble.

    Args:
        cover_V: how bearded each vertex is, 0..1.
    """
    if look.beard in ("none", "stubble"):
        return []
    longest = {"moustache": 2.5, "goatee": 5.0, "short": 4.0, "full": 13.0}[look.beard] * look.beard_length
    tint = tuple((np.array(look.hair_colour) * 0.9) ** 2.2)
    uv = np.stack([traits_V7[:, 0] / 60, traits_V7[:, 1] / 60], axis=1)
    chin = 0.35 + 0.65 * np.clip((-78 - traits_V7[:, 1]) / 25, 0, 1)
    return [
        shell(
            head,
            points_V3,
            normals_V3,
            traits_V7,
            cover_V * 1.15 - 0.08 * layer,
            longest * layer / 3 * chin * cover_V,
            "hair",
            tint,
            uv_V2=uv + 0.19 * layer,
            open_=0.4 + 0.2 * layer,
            page=FUR,
            sheet=True,
        )
        for layer in (1, 2, 3)
    ]
