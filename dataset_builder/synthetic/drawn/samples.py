"""The stream of drawn faces: split and index -> one face, always the same one.

Identity numbers are those of numbering.py. An identity depends on (seed, identity number), its expression and scene on (seed,
identity number, frame) in streams of their own, so a change of style leaves persons and scenes alone.
"""

from dataclasses import dataclass

import numpy as np

from aullava.dataset_builder.synthetic.drawn.expressions import draw_actions
from aullava.dataset_builder.synthetic.drawn.person import Identity
from aullava.dataset_builder.synthetic.drawn.renderer import DrawnFace, draw_face
from aullava.dataset_builder.synthetic.drawn.scene import Scene
from aullava.dataset_builder.synthetic.numbering import place_of

_IDENTITY, _EXPRESSION, _SCENE = range(3)


@dataclass(frozen=True)
class FaceDescription:
    """A face of the stream before it is painted: enough for its labels, and some hundred times cheaper.

    Attributes:
        subject: the identity's name, such as "test-000017".
        identity, scene: what would be drawn.
        actions: strength 0..1 of every action, physical already, so the same as `DrawnFace.actions`.
    """

    subject: str
    identity: Identity
    actions: dict[str, float]
    scene: Scene

    def draw(self, size: int = 96) -> DrawnFace:
        """The face itself, `size` pixels wide and high."""
        return draw_face(self.identity, self.actions, self.scene, size, self.subject)


def sample_face(
    split: str,
    index: int,
    *,
    seed: int = 0,
    style: str = "mixed",
    rare_boost: float = 0.0,
    size: int = 96,
    frames_per_identity: int = 1,
) -> DrawnFace:
    """Draw face number `index` of a split; the same arguments give the same pixels.

    Args:
        size: side of the square image in pixels.
        split, index, seed, style, rare_boost, frames_per_identity: as `describe_face`.

    Raises:
        ValueError: an unknown split or style, or a number out of its range.
    """
    face = describe_face(
        split, index, seed=seed, style=style, rare_boost=rare_boost, frames_per_identity=frames_per_identity
    )
    return face.draw(size)


def describe_face(
    split: str,
    index: int,
    *,
    seed: int = 0,
    style: str = "mixed",
    rare_boost: float = 0.0,
    frames_per_identity: int = 1,
) -> FaceDescription:
    """What face number `index` of a split shows, without painting it.

    Args:
        split: "train", "validation" or "test"; no identity is in two of them.
        index: number of the face, from 0.
        seed: another seed gives other persons, expressions and scenes.
        style, rare_boost: how expressions are drawn, see `expressions.draw_actions`.
        frames_per_identity: consecutive faces that share a person.

    Raises:
        ValueError: an unknown split or style, or a number out of its range.
    """
    subject, person, frame = place_of(split, index, seed, frames_per_identity)
    identity = Identity.sample(random_stream(seed, person, _IDENTITY))
    actions = draw_actions(random_stream(seed, person, _EXPRESSION, frame), style, rare_boost)
    scene = Scene.sample(random_stream(seed, person, _SCENE, frame))
    return FaceDescription(subject, identity, actions, scene)


def random_stream(*key: int) -> np.random.Generator:
    """The random numbers that belong to a key, the same on every machine."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))
