"""The stream of rendered faces: split and index -> one face with its truth, always the same one.

Conventions
    splits    identity numbers are those of numbering.py.
    streams   an identity depends on (seed, identity number), its expression, scene and gaze on (seed, identity number, frame) in
              streams of their own, so that a change of options leaves persons and scenes alone.
    pixels    the same arguments give the same pixels with the same versions of numpy, numba and OpenCV on the same kind of
              processor; elsewhere single grey levels may differ by rounding.
"""

import functools
import math
from dataclasses import dataclass, replace

import numpy as np

from aullava.action_units import Protocol
from aullava.dataset_builder.synthetic.numbering import place_of
from aullava.dataset_builder.synthetic.rendered.actions import complete, resolve
from aullava.dataset_builder.synthetic.rendered.assets import Library
from aullava.dataset_builder.synthetic.rendered.expression import gaze_of, strength_of_gaze
from aullava.dataset_builder.synthetic.rendered.identity import Identity, sample_identity
from aullava.dataset_builder.synthetic.rendered.labels import sides_of, values_of
from aullava.dataset_builder.synthetic.rendered.landmarks import detector_box, project_landmarks
from aullava.dataset_builder.synthetic.rendered.masks import changed_mask, displacement_masks
from aullava.dataset_builder.synthetic.rendered.render import Rendered, render
from aullava.dataset_builder.synthetic.rendered.sampling import LEAST_SHARE, ONE_SIDED, draw_actions
from aullava.dataset_builder.synthetic.rendered.scene import Scene, sample_scene

MINIMUM_SIZE = 32
GROUPS = (
    *("skin_tone", "age", "sex", "ancestry", "hair", "fringe", "beard", "glasses", "headwear", "make_up"),
    *("pose", "occluder", "background", "blur", "grey", "low_resolution"),
)
_IDENTITY, _EXPRESSION, _SCENE, _GAZE = range(10, 14)  # beside the streams of the drawn faces
_AT_CAMERA, _ASIDE = 0.5, 0.25  # shares of faces that look into the camera, and somewhere else; the rest looks ahead


@dataclass(frozen=True, eq=False)
class FaceDescription:
    """A face of the stream before it is rendered: enough for its labels.

    Attributes:
        subject: the identity's name, such as "test-000017"; "" for one made by hand.
        identity, scene: who is seen, and how.
        pulls: strength 0..1 of every action as the muscles pull, physical already; AU61 to AU64 say where the eyes look.
    """

    subject: str
    identity: Identity
    pulls: dict[str, float]
    scene: Scene

    @property
    def groups(self) -> dict[str, str]:
        """The group labels of person and scene, with the keys `GROUPS`."""
        return self.identity.groups | self.scene.groups()

    @functools.cached_property
    def vertices_V3(self) -> np.ndarray:
        """The head's vertices, metres, in the frame of `mesh`."""
        return self.identity.face.move(self.pulls)

    @functools.cached_property
    def actions(self) -> dict[str, float]:
        """What can be seen of the pulls, and what the labels say: as `expression.Face.shown`."""
        return self.identity.face.shown(self.pulls, self.vertices_V3)

    def landmarks(self, size: int) -> np.ndarray:
        """x, y in pixels (68, 2) of the iBUG landmarks; hidden ones and those outside of the picture included."""
        return project_landmarks(self.vertices_V3, self.scene.seen_camera, size)

    @property
    def gaze(self) -> tuple[float, float]:
        """Degrees by which the eyes turn in the head, to the subject's left and up."""
        left, up = gaze_of(self.pulls)
        return math.degrees(left), math.degrees(up)

    def record(self, size: int) -> dict:
        """Every factor and the truth in a picture of a side of `size` pixels, as plain data."""
        points = self.landmarks(size)
        return {
            "identity": self.identity.record(),
            "scene": self.scene.record(),
            "actions": {name: strength for name, strength in self.actions.items() if strength},
            "pulls": {name: strength for name, strength in self.pulls.items() if strength},
            "sides": sides_of(self.actions),
            "gaze": [round(angle, 2) for angle in self.gaze],
            "box": [round(value, 2) for value in detector_box(points)],
            "landmarks": np.round(points.astype(float), 2).tolist(),
        }

    def render(self, size: int = 96, library: Library | None = None) -> "RenderedFace":
        """The face itself, `size` pixels wide and high.

        Raises:
            ValueError: the size is below 32, or an asset of the library is broken.
        """
        if size < MINIMUM_SIZE:
            raise ValueError(f"size is {size} pixels; a face needs at least {MINIMUM_SIZE}")
        rendered = render(self.vertices_V3, self.identity.look, self.pulls, self.scene, size, library)
        return RenderedFace(rendered.image_HW3, self, rendered, library)

    def with_action(self, action: str, strength: float) -> "FaceDescription":
        """The counterfactual: the same person and scene, noise included, with one pull changed.

        The other pulls stay unless the rules of `actions.resolve` demand otherwise; `actions` tells.
        """
        return replace(self, pulls=resolve(self.pulls | {action: strength}))


@dataclass(frozen=True, eq=False)
class RenderedFace:
    """A rendered face with its truth.

    Attributes:
        image_HWC: uint8 RGB, (size, size, 3).
        description: who and what was rendered.
        rendered: the renderer's buffers.
        library: the assets that it was rendered with.
    """

    image_HWC: np.ndarray
    description: FaceDescription
    rendered: Rendered
    library: Library | None

    @property
    def actions(self) -> dict[str, float]:
        """Strength 0..1 of every action, as far as it can be seen."""
        return self.description.actions

    @property
    def subject(self) -> str:
        return self.description.subject

    @property
    def groups(self) -> dict[str, str]:
        return self.description.groups

    @property
    def sides(self) -> str:
        """The one-sided actions, such as "L12 R14"."""
        return sides_of(self.actions)

    @property
    def pose(self) -> tuple[float, float, float]:
        """Yaw, pitch and roll in degrees, as in `camera`."""
        camera = self.description.scene.seen_camera
        return camera.yaw, camera.pitch, camera.roll

    @property
    def gaze(self) -> tuple[float, float]:
        """Degrees by which the eyes turn in the head, to the subject's left and up."""
        return self.description.gaze

    @functools.cached_property
    def landmarks_68_2(self) -> np.ndarray:
        """As `FaceDescription.landmarks`."""
        return self.description.landmarks(self.image_HWC.shape[0])

    @property
    def box(self) -> tuple[float, float, float, float]:
        """x, y, w, h in pixels, as `landmarks.detector_box`."""
        return detector_box(self.landmarks_68_2)

    def values(self, protocol: Protocol) -> dict[str, int | float]:
        """The labels of a protocol, as `labels.values_of`."""
        return values_of(self.actions, protocol)

    def masks(self) -> dict[str, np.ndarray]:
        """Where each action acts: action -> bool (size, size), as `masks.displacement_masks`."""
        described = self.description
        return displacement_masks(
            described.identity.face, described.vertices_V3, described.scene.seen_camera, self.image_HWC.shape[0]
        )

    def changed(self, action: str) -> np.ndarray:
        """The pixels that an action changes: bool (size, size), against the same face without it.

        Where the action is absent, against the same face with it at full strength.
        """
        other = self.description.with_action(action, 0.0 if self.actions[action] else 1.0)
        return changed_mask(self.image_HWC, other.render(self.image_HWC.shape[0], self.library).image_HWC)


def sample_face(split: str, index: int, *, size: int = 96, library: Library | None = None, **options) -> RenderedFace:
    """Render face number `index` of a split; the same arguments give the same pixels.

    Args:
        size: side of the square image in pixels.
        library: assets, see `assets.load_library`; None: everything is procedural.
        split, index, options: as `describe_face`.

    Raises:
        ValueError: as `describe_face` and `FaceDescription.render`.
    """
    return describe_face(split, index, **options).render(size, library)


def describe_face(
    split: str,
    index: int,
    *,
    seed: int = 0,
    least_share: float = LEAST_SHARE,
    one_sided: float = ONE_SIDED,
    frames_per_identity: int = 1,
) -> FaceDescription:
    """What face number `index` of a split shows, without rendering it.

    Args:
        split: "train", "validation" or "test"; no identity is in two of them.
        index: number of the face, from 0.
        seed: another seed gives other persons, expressions and scenes.
        least_share, one_sided: how expressions are drawn, see `sampling.draw_actions`.
        frames_per_identity: consecutive faces that share a person.

    Raises:
        ValueError: an unknown split, or a number out of its range.
    """
    subject, person, frame = place_of(split, index, seed, frames_per_identity)
    scene = sample_scene(random_stream(seed, person, _SCENE, frame))
    actions = draw_actions(random_stream(seed, person, _EXPRESSION, frame), least_share, one_sided)
    actions |= _look(random_stream(seed, person, _GAZE, frame), scene)
    return FaceDescription(subject, _identity(seed, person), resolve(actions), scene)


def make_face(identity: Identity, actions: dict[str, float], scene: Scene) -> FaceDescription:
    """A face of one's own choosing; contradictory actions are resolved as in `actions.resolve`.

    Raises:
        ValueError: an unknown action, or a strength outside [0, 1].
    """
    return FaceDescription("", identity, resolve(complete(actions)), scene)


@functools.lru_cache(maxsize=4)
def _identity(seed: int, person: int) -> Identity:
    return sample_identity(random_stream(seed, person, _IDENTITY))


def _look(rng: np.random.Generator, scene: Scene) -> dict[str, float]:
    """AU61 to AU64: into the camera, somewhere else, or ahead."""
    kind, left, up = rng.uniform(size=3)
    jitter_left, jitter_up = rng.normal(0, math.radians(2.0), 2)
    if kind < _AT_CAMERA:
        left, up = -math.radians(scene.camera.yaw) + jitter_left, math.radians(scene.camera.pitch) + jitter_up
    elif kind < _AT_CAMERA + _ASIDE:
        left, up = math.radians(60) * (left - 0.5), math.radians(44) * (up - 0.5)
    else:
        left, up = jitter_left, jitter_up
    return strength_of_gaze(left, up)


def random_stream(*key: int) -> np.random.Generator:
    """The random numbers that belong to a key, the same on every machine."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))
