"""Who is rendered: age, sex, ancestry and shape of the head and habits of moving; `appearance` adds skin, hair and what is worn.

Conventions
    age       years, 12 to 85. MakeHuman has shapes for about 12, 25 and 90 years, which are blended.
    sex       "female" or "male"; the shape lies near one end and not at it.
    ancestry  shares of MakeHuman's three shapes, which sum to 1. They name modelled shapes and say nothing about people.
    tone      1 (lightest) to 10 of the Monk Skin Tone scale, drawn evenly and apart from the ancestry.
    shape     target name -> weight.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from aullava.dataset_builder.synthetic.rendered.appearance import Appearance, sample_appearance
from aullava.dataset_builder.synthetic.rendered.expression import Face
from aullava.dataset_builder.synthetic.rendered.lids import both_lids
from aullava.dataset_builder.synthetic.rendered.mesh import load_head

ANCESTRIES = ("african", "asian", "caucasian")
YOUNGEST, OLDEST = 12, 85
_STAGES = (("child", 12.0), ("young", 25.0), ("old", 90.0))
_UP_AND_DOWN = (("decr", "incr"), ("down", "up"), ("backward", "forward"), ("in", "out"), ("concave", "convex"))
# Resting shapes that look like an action get little spread: a mouth that slants at rest is seldom, and it exists.
_LOOKS_LIKE_ACTION = (
    "mouth-angles",
    "eyebrows-angle",
    "eyebrows-trans",
    "mouth-laugh-lines",
    "mouth-dimples",
    "eye-height",
)
_MORE_SPREAD = (
    "nose-",
    "head-scale",
    "head-fat",
    "cheek-volume",
    "chin-width",
    "chin-height",
    "chin-jaw",
    "cheek-bones",
    "mouth-scale-horiz",
    "lip-height",
)
# MakeHuman's middle is not people's: its faces are short for their width (nasion to chin 0.78 of the width over the cheekbones, not
# 0.86: Farkas 1994), its lids are narrow and its brows low, so that neutral faces look stern. Means of the weights, 0 for others.
_USUAL = {
    "head-scale-horiz-incr": -0.25,
    "chin-height-incr": 0.22,
    "l-cheek-volume-incr": -0.2,
    "head-fat-incr": -0.12,
    "eyebrows-trans-up": 0.45,
    "eyebrows-angle-up": 0.1,
    "l-eye-height1-incr": 0.2,
    "l-eye-height2-incr": 0.25,
    "l-eye-height3-incr": 0.2,
    "mouth-angles-up": 0.08,
}
_FACE_SHAPES = ("diamond", "invertedtriangular", "oval", "rectangular", "round", "square", "triangular")
_ASYMMETRY = 0.16  # standard deviation of the weights of MakeHuman's asymmetry targets
_LEFT_OUT = (
    "head-age",
    "head-trans",
    "neck-trans",
    "measure-",
    "ear-shape-pointed",
    "head-scale-vert",
    "head-angle",
    "nose-greek",
)


@dataclass(frozen=True, eq=False)
class Identity:
    """A person: shape and looks.

    Attributes:
        age, sex, ancestry, tone, shape: see the conventions.
        habit: share 0..1 of ARKit's form in the person's movements.
        droop: share 0..1 of the opening of the eyes that the resting lids close.
        look: skin, hair and what is worn.
    """

    age: float
    sex: str
    ancestry: tuple[float, float, float]
    tone: int
    shape: Mapping[str, float]
    habit: float
    droop: float
    look: Appearance

    @functools.cached_property
    def face(self) -> Face:
        """The geometry: base mesh and shape, moved so that the origin lies between the eyeballs."""
        head = load_head()
        vertices_V3 = head.add(head.rest_V3.copy(), self.shape)
        vertices_V3 -= np.mean([lids.centre(vertices_V3) for lids in both_lids().values()], axis=0)
        return Face(vertices_V3, self.habit, self.droop)

    def record(self) -> dict:
        """Every factor of the person as plain data; shape weights to four places."""
        shape = {name: round(weight, 4) for name, weight in self.shape.items()}
        own = {name: getattr(self, name) for name in ("age", "sex", "ancestry", "tone", "habit", "droop")}
        return own | {"shape": shape, "look": self.look.record()}

    @property
    def age_group(self) -> str:
        """ "child" (to 17), "young" (to 34), "middle" (to 59) or "older"."""
        return "child" if self.age < 18 else "young" if self.age < 35 else "middle" if self.age < 60 else "older"

    @property
    def groups(self) -> dict[str, str]:
        """The group labels that an evaluation may split by."""
        largest = ANCESTRIES[int(np.argmax(self.ancestry))]
        return {
            "skin_tone": str(self.tone),
            "age": self.age_group,
            "sex": self.sex,
            "ancestry": largest if max(self.ancestry) > 0.6 else "mixed",
        } | self.look.groups()


def sample_identity(
    rng: np.random.Generator, *, tone: int | None = None, age: float | None = None, sex: str | None = None
) -> Identity:
    """Draw a person.

    Args:
        rng: the person's stream.
        tone, age, sex: fixed instead of drawn; the rest stays the same.
    """
    drawn = rng.uniform(size=8)
    age = float(YOUNGEST + (OLDEST - YOUNGEST) * drawn[0] ** 1.15) if age is None else float(age)
    sex = ("female", "male")[int(drawn[1] < 0.5)] if sex is None else sex
    ancestry = tuple(float(share) for share in rng.dirichlet((0.45, 0.45, 0.45)))
    tone = 1 + int(drawn[2] * 10) if tone is None else tone
    maleness = 0.5 + (0.5 if sex == "male" else -0.5) * (0.55 + 0.45 * drawn[3] ** 0.5)
    weight, muscle = float(np.clip(rng.normal(0.5, 0.2), 0, 1)), float(np.clip(rng.normal(0.5, 0.18), 0, 1))
    shape = _macro_shape(age, maleness, ancestry, weight, muscle) | _local_shape(rng)
    habit, droop = 0.35 + 0.6 * float(drawn[4]), float(max(0.0, 0.26 * drawn[5] - 0.04))
    return Identity(age, sex, ancestry, tone, shape, habit, droop, sample_appearance(rng, age, sex, ancestry, tone))


def _macro_shape(age: float, maleness: float, ancestry: tuple, weight: float, muscle: float) -> dict[str, float]:
    """MakeHuman's products of age, sex, ancestry, weight and muscle."""
    stages = {
        name: float(np.interp(age, [year for _, year in _STAGES], row))
        for (name, _), row in zip(_STAGES, np.eye(3), strict=True)
    }
    sexes = {"female": 1 - maleness, "male": maleness}
    levels = [
        {
            f"{name}{kind}": float(np.interp(value, (0, 0.5, 1), row))
            for name, row in zip(("min", "average", "max"), np.eye(3), strict=True)
        }
        for kind, value in (("muscle", muscle), ("weight", weight))
    ]
    shape = {}
    for sex, of_sex in sexes.items():
        for stage, of_stage in stages.items():
            for name, share in zip(ANCESTRIES, ancestry, strict=True):
                shape[f"{name}-{sex}-{stage}"] = of_sex * of_stage * share
            for muscles, of_muscles in levels[0].items():
                for weights, of_weights in levels[1].items():
                    shape[f"universal-{sex}-{stage}-{muscles}-{weights}"] = of_sex * of_stage * of_muscles * of_weights
    known = load_head().targets
    return {name: share for name, share in shape.items() if share > 1e-4 and name in known}


def _local_shape(rng: np.random.Generator) -> dict[str, float]:
    """Deviations from the macro shape: both sides alike, then a little asymmetry."""
    shape = {}
    pairs, asymmetries = _local_pairs(), _asymmetries()
    usual = [_USUAL.get(f"{stem[0]}-{high}", 0.0) for stem, _, high, _ in pairs]
    values = np.clip(rng.normal(usual, [spread for *_, spread in pairs]), -0.9, 0.9).tolist()
    for (stem, low, high, _), value in zip(pairs, values, strict=True):
        for name in stem:
            shape[f"{name}-{high if value > 0 else low}"] = abs(value)
    values = np.clip(rng.normal(0, _ASYMMETRY, len(asymmetries)), -0.4, 0.4).tolist()
    for name, value in zip(asymmetries, values, strict=True):
        shape[f"{name}-{'l' if value > 0 else 'r'}"] = abs(value)
    shape[f"head-{_FACE_SHAPES[int(rng.integers(len(_FACE_SHAPES)))]}"] = float(rng.uniform(0, 0.6))
    return shape


@functools.lru_cache(maxsize=1)
def _local_pairs() -> tuple[tuple[tuple[str, ...], str, str, float], ...]:
    """(names of one or both sides, low ending, high ending, standard deviation) of every pair of opposite targets."""
    targets = load_head().targets
    pairs = []
    for name in sorted(targets):
        stem, _, ending = name.rpartition("-")
        match = next((pair for pair in _UP_AND_DOWN if pair[1] == ending), None)
        if match is None or f"{stem}-{match[0]}" not in targets or stem.startswith("r-") or "/" in name:
            continue
        if stem.startswith(_LEFT_OUT) or stem[2:].startswith(_LEFT_OUT) or "trans" in stem and match[0] == "in":
            continue
        plain = stem.removeprefix("l-")
        spread = 0.25 if plain.startswith(_MORE_SPREAD) else 0.08 if plain.startswith(_LOOKS_LIKE_ACTION) else 0.17
        pairs.append(((stem, f"r-{plain}") if stem.startswith("l-") else (stem,), *match, spread))
    return tuple(pairs)


@functools.lru_cache(maxsize=1)
def _asymmetries() -> tuple[str, ...]:
    return tuple(sorted(name[:-2] for name in load_head().targets if name.startswith("asym-") and name.endswith("-l")))
