"""What a figure is worth: pictures that belong to other labels, a dose that grows, and views that training never showed.

Conventions
    shuffled    every face's labels against the reading of another person's face. What is left comes from base rates alone.
    dose        one person, one scene, one action from strength 0 to 1 in equal steps, all else at rest; sided actions on both
                sides. Read on each scale that names the unit: P(present), expected level, or expected value (of FEAFA's two sides
                the mean).
    spearman    rank correlation of strength and reading over the steps of a face, mean over faces; a reading that never changes has
                none, and counts as 0.
    rising      share of the steps, over all faces, in which the reading rises.
    shifts      the same persons and expressions under a scene beyond those of training (synthetic/drawn/scene.py): pose to
                `strength` times the largest that training shows, translation as a share of the picture, grain in grey levels.
Suffixes: N faces, S steps, U units.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from PIL import Image

from aullava.dataset_builder.synthetic.drawn.actions import PARTS
from aullava.dataset_builder.synthetic.drawn.renderer import DrawnFace, draw_face
from aullava.dataset_builder.synthetic.drawn.samples import describe_face
from aullava.dataset_builder.synthetic.drawn.scene import MAX_PITCH, MAX_ROLL, MAX_YAW, Scene
from aullava.evaluation.corruption import KINDS, corrupt

SHIFTS: dict[str, tuple[float, ...]] = {
    "yaw": (1.5, 2.0, 2.5),  # times the largest of training, 17 degrees
    "pitch": (1.5, 2.0, 2.5),  # 10 degrees
    "roll": (1.5, 2.5, 4.0),  # 9 degrees
    "translation": (0.05, 0.10, 0.15),  # training: up to 0.025 in x and in y
    "noise": (6.0, 12.0, 24.0),  # training: up to 3
}


@dataclass(frozen=True)
class Dose:
    """How a reading follows a growing action: mean reading at each step (S,), Spearman, share of rising steps."""

    mean_S: np.ndarray
    spearman: float
    rising: float


def others(subject_N: Sequence[Hashable], seed: int = 0) -> np.ndarray:
    """(N,) for each face the number of another person's face, each used once.

    Raises:
        ValueError: a person has more than half of the faces, so that there is no such order.
    """
    number_N = np.unique(np.asarray(subject_N, str), return_inverse=True)[1]
    most = int(np.bincount(number_N).max())
    if 2 * most > len(number_N):
        raise ValueError(f"one person has {most} of {len(number_N)} faces: expected at most half")
    random = np.random.default_rng(seed)
    # People in random order, each person's faces together: a step of `most` faces always leads to another person.
    order = np.lexsort((random.permutation(len(number_N)), random.permutation(number_N.max() + 1)[number_N]))
    found = np.empty_like(order)
    found[order] = np.roll(order, -most)
    return found


def dose_faces(code: str, faces: int, steps: int, size: int = 96) -> list[list[DrawnFace]]:
    """Test persons that show one unit at 0, ..., 1 and nothing else: `faces` lists of `steps`.

    Args:
        code: a FACS unit that the renderer draws; of AD30 and AU28, which have two directions or lips, the first.
    """
    parts = PARTS[code][:1] if code in ("AD30", "AU28") else PARTS[code]
    found = []
    for index in range(faces):
        seen = describe_face("test", index)
        strengths = np.linspace(0, 1, steps)
        found.append(
            [draw_face(seen.identity, dict.fromkeys(parts, s), seen.scene, size, seen.subject) for s in strengths]
        )
    return found


def score_dose(reading_NS: np.ndarray) -> Dose:
    """How readings follow the dose; a face with an undetermined step is left out.

    Raises:
        ValueError: no face is left, or there is one step only.
    """
    reading_NS = np.asarray(reading_NS, float)
    known_NS = reading_NS[~np.isnan(reading_NS).any(1)]
    if not len(known_NS) or known_NS.shape[1] < 2:
        raise ValueError(
            f"{len(known_NS)} faces read at {reading_NS.shape[1]} steps: expected a face at two steps or more"
        )
    rank_NS = pd.DataFrame(known_NS).rank(axis=1).to_numpy()
    dose_S = np.arange(rank_NS.shape[1]) - (rank_NS.shape[1] - 1) / 2
    centred_NS = rank_NS - rank_NS.mean(1, keepdims=True)
    length_N = np.linalg.norm(centred_NS, axis=1) * np.linalg.norm(dose_S)
    spearman_N = np.divide(centred_NS @ dose_S, length_N, out=np.zeros(len(rank_NS)), where=length_N > 0)
    return Dose(known_NS.mean(0), float(spearman_N.mean()), float((np.diff(known_NS) > 0).mean()))


def shifted(scene: Scene, kind: str, strength: float, random: np.random.Generator) -> Scene:
    """The scene with one thing beyond training, in a random direction.

    Raises:
        ValueError: an unknown kind.
    """
    sign = 1 if random.random() < 0.5 else -1
    if kind == "translation":
        angle = random.uniform(0, 2 * np.pi)
        return replace(scene, shift_x=strength * float(np.cos(angle)), shift_y=strength * float(np.sin(angle)))
    if kind == "noise":
        return replace(scene, noise=strength)
    largest = {"yaw": MAX_YAW, "pitch": MAX_PITCH, "roll": MAX_ROLL}
    if kind not in largest:
        raise ValueError(f"shift is {kind!r}: expected one of {', '.join(SHIFTS)}")
    return replace(scene, **{kind: sign * strength * largest[kind]})


def shift_losses(
    score: Callable[[Sequence[DrawnFace]], float], faces: Sequence[DrawnFace], kinds: Iterable[str] = tuple(SHIFTS)
) -> dict[str, list[float]]:
    """What is lost by a view beyond training: "clean" -> [score], then each kind -> a loss for each of its strengths.

    Args:
        score: reads faces and scores the readings: more is better.
        faces: those that are drawn anew.
    """
    clean = score(faces)
    losses = {"clean": [clean]}
    for kind in kinds:
        losses[kind] = []
        for strength in SHIFTS[kind]:
            random = np.random.default_rng(0)
            size = faces[0].image_HWC.shape[0]
            moved = [
                draw_face(f.identity, f.actions, shifted(f.scene, kind, strength, random), size, f.subject)
                for f in faces
            ]
            losses[kind].append(clean - score(moved))
    return losses


def corruption_losses(
    score: Callable[[Sequence[Image.Image]], float],
    images: Sequence[Image.Image],
    rows: Sequence[str],
    kinds: Iterable[str] = tuple(KINDS),
) -> dict[str, list[float]]:
    """What is lost at each strength.

    Args:
        score: reads the pictures, in the order given, and scores the readings: more is better.
        images, rows: clean pictures and their names.
        kinds: which corruptions.

    Returns:
        "clean" -> [score], then each kind -> its five losses.
    """
    clean = score(images)
    losses = {"clean": [clean]}
    for kind in kinds:
        losses[kind] = [
            clean - score([corrupt(image, kind, strength, row) for image, row in zip(images, rows, strict=True)])
            for strength in range(1, 6)
        ]
    return losses
