"""The stream of drawn faces: split and index -> one face, always the same one.

Identity numbers of the splits are disjoint ranges: train from 0, validation from 10**9, test from 2 * 10**9. An identity
depends on (seed, identity number), its expression and scene on (seed, identity number, frame) in streams of their own, so a
change of style leaves persons and scenes alone.
"""

from dataclasses import dataclass

import numpy as np

from aullava.dataset_builder.synthetic.drawn.identity import Identity
from aullava.dataset_builder.synthetic.drawn.renderer import DrawnFace, draw_face
from aullava.dataset_builder.synthetic.drawn.sampling import draw_actions
from aullava.dataset_builder.synthetic.drawn.scene import Scene

IDENTITIES_PER_SPLIT = 10**9
SPLITS = ("train", "validation", "test")
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
        style, rare_boost: how expressions are drawn, see `sampling.draw_actions`.
        frames_per_identity: consecutive faces that share a person.

    Raises:
        ValueError: an unknown split or style, or a number out of its range.
    """
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}; the splits are {', '.join(SPLITS)}")
    if index < 0 or seed < 0 or frames_per_identity < 1:
        raise ValueError(
            f"index {index} and seed {seed} must be 0 or more and frames_per_identity {frames_per_identity} 1 or more"
        )
    number, frame = divmod(index, frames_per_identity)
    if number >= IDENTITIES_PER_SPLIT:
        raise ValueError(f"identity {number} is out of range: a split has {IDENTITIES_PER_SPLIT} identities")
    person = SPLITS.index(split) * IDENTITIES_PER_SPLIT + number
    identity = Identity.sample(random_stream(seed, person, _IDENTITY))
    actions = draw_actions(random_stream(seed, person, _EXPRESSION, frame), style, rare_boost)
    scene = Scene.sample(random_stream(seed, person, _SCENE, frame))
    return FaceDescription(subject_name(split, number), identity, actions, scene)


def subject_name(split: str, number: int) -> str:
    """The name of a split's identity, such as "train-000017"."""
    return f"{split}-{number:06d}"


def random_stream(*key: int) -> np.random.Generator:
    """The random numbers that belong to a key, the same on every machine."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))
