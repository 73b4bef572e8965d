"""Clothes, headwear and glasses, shaped on the head that wears them."""

import numpy as np

from aullava.dataset_builder.synthetic.rendered.appearance import Appearance
from aullava.dataset_builder.synthetic.rendered.mesh import HeadMesh
from aullava.dataset_builder.synthetic.rendered.pieces import Piece, rod, shell


def worn(
    head: HeadMesh, points_V3: np.ndarray, normals_V3: np.ndarray, traits_V7: np.ndarray, look: Appearance
) -> list[Piece]:
    """All that a person wears, as pieces."""
    x, y, z = traits_V7[:, 0], traits_V7[:, 1], traits_V7[:, 2]
    linear = lambda colour: tuple(np.array(colour) ** 2.2)  # noqa: E731
    pieces = []
    if look.clothes != "bare":
        line = -140 + 14 * np.clip((-60 - z) / 60, 0, 1)
        if look.clothes == "v neck":
            line = line - np.clip(62 - 1.2 * np.abs(x), 0, 62) * (z > -75)
        lift = 6.0 + 3.0 * np.exp(-(((y - line) / 6) ** 2))
        if look.clothes == "high collar":
            line = -112 + 8 * np.clip((-60 - z) / 60, 0, 1)
            lift = 7.0 + 5 * np.clip((y + 150) / 30, 0, 1)
        field = 0.5 + (line - y) / 12
        pieces.append(shell(head, points_V3, normals_V3, traits_V7, field, lift, "cloth", linear(look.cloth_colour)))
    colour = linear(look.headwear_colour)
    if look.headwear in ("cap", "beanie"):
        low = 42 if look.headwear == "cap" else 34
        field = 0.5 + (y - low + 0.12 * np.clip(-z, 0, 200)) / 10
        lift = 11 + 4 * np.exp(-(((y - low) / 7) ** 2)) * (look.headwear == "beanie")
        pieces.append(shell(head, points_V3, normals_V3, traits_V7, field, lift, "cloth", colour))
        if look.headwear == "cap":
            pieces.append(_visor(points_V3, traits_V7, colour))
    if look.headwear == "headscarf":
        oval = np.sqrt((x / 63) ** 2 + ((y + 22) / 86) ** 2)
        field = np.where(z > -62, 0.5 + (oval - 1) * 2.2, 1.5)
        field = np.minimum(field, 0.5 + (y + 215) / 14)
        folds = 1.6 * np.sin(y * 0.16 + 0.05 * np.abs(x)) * (y < -60)
        pieces.append(
            shell(
                head,
                points_V3,
                normals_V3,
                traits_V7,
                field,
                10 + folds + 7 * np.exp(-(((y + 120) / 30) ** 2)),
                "cloth",
                colour,
            )
        )
        scarf = pieces[-1]  # cloth does not follow the ears
        wide, above = np.abs(scarf.points_V3[:, 0]), scarf.traits_V7[:, 1] > -60
        held = np.where(above, np.minimum(wide, 0.076 + 0.1 * np.maximum(wide - 0.076, 0)), wide)
        scarf.points_V3[:, 0] = np.sign(scarf.points_V3[:, 0]) * held
    if look.glasses != "none":
        pieces += _glasses(head, points_V3, look)
    return pieces


def _visor(points_V3: np.ndarray, traits_V7: np.ndarray, colour: tuple) -> Piece:
    """The peak of a cap, fixed to the forehead."""
    front = (np.abs(traits_V7[:, 1] - 44) < 8) & (np.abs(traits_V7[:, 0]) < 10) & (traits_V7[:, 2] > 0)
    base = points_V3[front].mean(0)
    across, out = np.meshgrid(np.linspace(-1, 1, 13), np.linspace(0, 1, 4), indexing="ij")
    reach = 0.066 * np.sqrt(np.clip(1 - 0.8 * across**2, 0, 1))
    points = np.stack(
        [across * 0.066, 0.010 - 0.018 * across**2 - 0.010 * out, 0.008 - 0.032 * across**2 + out * reach], axis=-1
    ).reshape(-1, 3)
    i, j = (grid.ravel() for grid in np.meshgrid(np.arange(12), np.arange(3), indexing="ij"))
    a, b, c, d = i * 4 + j, i * 4 + j + 1, (i + 1) * 4 + j, (i + 1) * 4 + j + 1
    normals = np.tile(np.array([0.0, 0.96, 0.28]), (len(points), 1))
    normals[:, 0] = across.ravel() * 0.4
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return Piece(
        points + base, normals, np.concatenate([np.stack([a, b, c], 1), np.stack([b, d, c], 1)]), "cloth", colour
    )


def _glasses(head: HeadMesh, points_V3: np.ndarray, look: Appearance) -> list[Piece]:
    """Frame, bridge, arms and the two lenses."""
    frame = tuple(np.array(look.frame_colour) ** 2.2)
    half_width, half_height = 0.0255 * look.frame_size, 0.0195 * look.frame_size
    width = {"thin": 0.0009, "thick": 0.0021, "rimless": 0.0004, "sunglasses": 0.0018}[look.glasses]
    rest = head.rest_V3 * 1000
    bridge = (np.abs(rest[:, 0]) < 4) & (np.abs(rest[:, 1] + 2) < 5) & (rest[:, 2] > 5) & (rest[:, 2] < 60)
    front = float(points_V3[bridge, 2].max()) + 0.004
    angle = np.linspace(0, 2 * np.pi, 33)[:-1]
    square = np.abs(np.cos(angle)) ** 4 + np.abs(np.sin(angle)) ** 4
    outline = np.stack([np.cos(angle), np.sin(angle)], 1) / (square**0.25)[:, None]
    pieces, centres = [], {}
    for part, sign in (("eye_l", 1.0), ("eye_r", -1.0)):
        eye = points_V3[head.vertices_of[part]]
        centre = (eye.min(0) + eye.max(0)) / 2
        centre = np.array([sign * max(abs(centre[0]), half_width + 0.006), centre[1] - 0.003, front])
        centres[sign] = centre
        ring = centre + np.column_stack(
            [outline * (half_width, half_height), -0.004 * (outline[:, 0] * sign) ** 2 * (outline[:, 0] * sign > 0)]
        )
        if look.glasses != "rimless":
            pieces.append(_rim(ring, outline, width, frame))
        points = np.concatenate([centre[None], ring])
        normals = np.column_stack([outline * 0.25, np.ones(32)])
        normals = np.concatenate([np.array([[0, 0, 1.0]]), normals / np.linalg.norm(normals, axis=1, keepdims=True)])
        traits = np.zeros((33, 7), np.float32)
        traits[:, :2] = (points - centre)[:, :2] * 1000
        traits[:, 3] = 1
        triangles = np.array([(0, 1 + i, 1 + (i + 1) % 32) for i in range(32)])
        tint = (0.012, 0.012, 0.014) if look.glasses == "sunglasses" else (0.6, 0.62, 0.64)
        pieces.append(Piece(points, normals, triangles, "lens", tint, traits, sheet=True))
        hinge = centre + (sign * half_width, half_height * 0.35, -0.004)
        ear = points_V3[
            (np.abs(rest[:, 0] - sign * 76) < 8) & (np.abs(rest[:, 1] - 3) < 8) & (np.abs(rest[:, 2] + 68) < 14)
        ]
        end = ear.mean(0) + (sign * 0.003, 0.002, 0) if len(ear) else np.array([sign * 0.08, 0.003, -0.07])
        pieces.append(rod(hinge, end, max(width, 0.0011), "plain", frame))
    inner = [centres[s] + (-s * half_width, 0.004, 0.001) for s in (1.0, -1.0)]
    pieces.append(rod(inner[0], inner[1], max(width, 0.0011), "plain", frame))
    return pieces


def _rim(ring_N3: np.ndarray, outline_N2: np.ndarray, width: float, colour: tuple) -> Piece:
    """A rod along a closed line; `outline_N2` points outwards at each of its points."""
    count = len(ring_N3)
    outward = np.column_stack([outline_N2 / np.linalg.norm(outline_N2, axis=1, keepdims=True), np.zeros(count)])
    ahead = np.array([0.0, 0.0, 1.0])
    turns = np.arange(6) * np.pi / 3
    normals = np.stack([np.cos(t) * outward + np.sin(t) * ahead for t in turns], axis=1)
    i, j = (grid.ravel() for grid in np.meshgrid(np.arange(count), np.arange(6), indexing="ij"))
    a, b = i * 6 + j, i * 6 + (j + 1) % 6
    c, d = (i + 1) % count * 6 + j, (i + 1) % count * 6 + (j + 1) % 6
    triangles = np.concatenate([np.stack([a, c, b], 1), np.stack([b, c, d], 1)])
    points = ring_N3[:, None] + normals * width
    return Piece(points.reshape(-1, 3), normals.reshape(-1, 3), triangles, "plain", colour)
