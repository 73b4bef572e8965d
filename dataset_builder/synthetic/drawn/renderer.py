"""Draw one face: identity + actions + scene -> image and truth."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from aullava.action_units import Protocol
from aullava.dataset_builder.synthetic.drawn import geometry, head, lower_face, mouth, upper_face
from aullava.dataset_builder.synthetic.drawn.actions import resolve
from aullava.dataset_builder.synthetic.drawn.canvas import Canvas
from aullava.dataset_builder.synthetic.drawn.labels import values_of
from aullava.dataset_builder.synthetic.drawn.palette import palette_of
from aullava.dataset_builder.synthetic.drawn.person import Identity
from aullava.dataset_builder.synthetic.drawn.regions import region_masks
from aullava.dataset_builder.synthetic.drawn.scene import Scene
from aullava.dataset_builder.synthetic.drawn.shading import light

MINIMUM_SIZE = 32


@dataclass(frozen=True, eq=False)
class DrawnFace:
    """A drawn face with its truth.

    Attributes:
        image_HWC: uint8 RGB, (size, size, 3).
        actions: strength 0..1 of every action in `ACTIONS`, as drawn (after `resolve`).
        subject: the identity's name, such as "test-000017"; "" for a face drawn by hand.
        groups: group labels of the identity: skin_tone (Monk 1..10), age, hair, beard, glasses.
        identity, scene: what was drawn.
    """

    image_HWC: np.ndarray
    actions: dict[str, float]
    subject: str
    groups: dict[str, int | str]
    identity: Identity = field(repr=False)
    scene: Scene = field(repr=False)

    def values(self, protocol: Protocol) -> dict[str, int | float]:
        """The labels of a protocol, as `labels.values_of`."""
        return values_of(self.actions, protocol)

    def region_masks(self) -> dict[str, np.ndarray]:
        """Where each action acts: action -> bool (size, size)."""
        return region_masks(self.scene, self.image_HWC.shape[0])


def draw_face(
    identity: Identity, actions: Mapping[str, float], scene: Scene, size: int = 96, subject: str = ""
) -> DrawnFace:
    """Draw a face.

    Contradictory actions (an eye shut and wide) are resolved as in `actions.resolve`; the face's `actions` are the drawn ones.

    Args:
        identity: the person.
        actions: action -> strength 0..1; absent ones are 0.
        scene: pose, light, lens and background.
        size: side of the square image in pixels, at least 32.
        subject: name of the identity.

    Raises:
        ValueError: an unknown action, a strength outside [0, 1] or NaN, or too small a size.
    """
    if size < MINIMUM_SIZE:
        raise ValueError(f"size is {size} pixels; a face needs at least {MINIMUM_SIZE}")
    drawn = resolve(actions)
    image_HWC = light(paint(identity, drawn, scene, size), scene)
    return DrawnFace(image_HWC, drawn, subject, identity.groups, identity, scene)


def paint(who: Identity, actions: Mapping[str, float], scene: Scene, size: int) -> Canvas:
    """Paint every part from back to front."""
    canvas, palette = Canvas(size, scene), palette_of(who)
    outline, lips = geometry.outline(who, actions), geometry.mouth(who, actions)
    head.paint_behind(canvas, who, palette, scene, outline)
    head.paint_freckles(canvas, who, palette)
    head.paint_beard(canvas, who, palette, outline, lips)
    lower_face.paint_cheeks(canvas, who, actions, lips)
    lower_face.paint_nose(canvas, who, palette, actions)
    lower_face.paint_chin(canvas, who, actions, lips)
    mouth.paint_mouth(canvas, palette, actions, lips)
    mouth.paint_mouth_folds(canvas, actions, lips)
    upper_face.paint_forehead(canvas, who, actions)
    for side in (-1, 1):
        upper_face.paint_eye(canvas, who, palette, actions, side, (scene.gaze_x, scene.gaze_y))
        upper_face.paint_brow(canvas, who, palette, actions, side)
    head.paint_hair(canvas, who, palette)
    head.paint_glasses(canvas, who)
    return canvas
