"""Things before the face: a hand at the mouth, a microphone, another person's shoulder and head."""

import numpy as np

from aullava.dataset_builder.synthetic.rendered.appearance import TONES, Appearance
from aullava.dataset_builder.synthetic.rendered.pieces import Piece, ellipsoid, rod
from aullava.dataset_builder.synthetic.rendered.scene import Scene

_MOUTH = np.array([0.0, -0.068, 0.032])  # metres


def before_the_face(scene: Scene, look: Appearance) -> list[Piece]:
    """The pieces of a scene's occluder, in head axes; none if there is none."""
    rng = np.random.Generator(np.random.Philox(scene.occluder_seed))
    at = _MOUTH + np.array([0.14 * scene.occluder_x, 0.2 * scene.occluder_y, 0.0])
    if scene.occluder == "hand":
        skin = tuple(np.array(look.skin) ** 2.2 * 0.95)
        side = 1.0 if scene.occluder_x >= 0 else -1.0
        at = at + (side * 0.012, -0.018, 0.012)
        pieces = []
        lean = rng.uniform(0.1, 0.6)
        for i in range(4):
            root = at + np.array([side * (0.030 - 0.002 * i), -0.030 - 0.017 * (i - 1.5) * 0.7, 0.012 - 0.002 * i])
            knuckle = root + np.array([-side * 0.034, 0.020 + 0.012 * lean - 0.004 * i, 0.006])
            tip = knuckle + np.array([-side * 0.026, 0.010 + 0.010 * lean - 0.006 * i, -0.006])
            pieces += [
                rod(root, knuckle, 0.0100, "plain", skin, 0.0092),
                rod(knuckle, tip, 0.0092, "plain", skin, 0.0080),
            ]
            pieces += [
                ellipsoid(knuckle, (0.0094, 0.0094, 0.0094), "plain", skin),
                ellipsoid(tip, (0.0081, 0.0085, 0.0081), "plain", skin),
            ]
        palm = at + (side * 0.050, -0.048, 0.006)
        turn = np.array([[0.8, -side * 0.6, 0], [side * 0.6, 0.8, 0], [0, 0, 1.0]])
        pieces.append(ellipsoid(palm, (0.040, 0.036, 0.017), "plain", skin, turn))
        pieces.append(rod(palm, palm + (side * 0.05, -0.14, -0.02), 0.028, "plain", skin, 0.034))
        return pieces
    if scene.occluder == "microphone":
        grey = float(rng.uniform(0.01, 0.12))
        centre = at + (0.0, -0.028, 0.045)
        handle = centre + (rng.uniform(-0.06, 0.06), -0.17, 0.03)
        head = ellipsoid(centre, (0.024, 0.026, 0.024), "cloth", (grey, grey, grey))
        return [head, rod(centre, handle, 0.0135, "plain", (grey * 0.6,) * 3, 0.012)]
    if scene.occluder == "shoulder":
        side = 1.0 if scene.occluder_x >= 0 else -1.0
        cloth = tuple(rng.uniform(0.02, 0.5) * (0.5 + rng.uniform(size=3)))
        skin = tuple(np.array(TONES[int(rng.integers(10))]) ** 2.2)
        low = np.array([side * (0.13 + 0.1 * abs(scene.occluder_x)), -0.21, 0.16])
        neck = low + (side * 0.06, 0.11, 0.0)
        hair = (0.02, 0.014, 0.01)
        return [
            ellipsoid(low, (0.13, 0.09, 0.08), "cloth", cloth),
            ellipsoid(neck, (0.05, 0.07, 0.05), "plain", skin),
            ellipsoid(neck + (side * 0.03, 0.10, 0), (0.075, 0.10, 0.085), "plain", hair),
        ]
    return []
