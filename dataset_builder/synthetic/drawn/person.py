"""Who is drawn: the parts of a face that an expression does not change.

The skin tones are the ten of the Monk Skin Tone scale, hex values from memory of its published table.
"""

from dataclasses import dataclass

import numpy as np

MONK_HEX = ("f6ede4", "f3e7db", "f7ead0", "eadaba", "d7bd96", "a07e56", "825c43", "604134", "3a312a", "292420")
MONK_RGB = tuple(tuple(float(int(code[i : i + 2], 16)) for i in (0, 2, 4)) for code in MONK_HEX)

HAIR_STYLES = ("bald", "cropped", "short", "side", "curly", "long", "bob", "bun")
HAIR_RATES = (0.07, 0.15, 0.18, 0.12, 0.14, 0.14, 0.10, 0.10)
BEARDS = ("none", "stubble", "moustache", "goatee", "full")
BEARD_RATES = (0.68, 0.12, 0.06, 0.07, 0.07)
GLASSES = ("none", "round", "square")
GLASSES_RATES = (0.84, 0.08, 0.08)

HAIR_DARK = ((28, 22, 20), (40, 28, 22), (58, 38, 26), (20, 18, 20))
HAIR_LIGHT = ((92, 60, 36), (128, 84, 48), (176, 134, 82), (206, 172, 116), (140, 62, 34))
HAIR_GREY = (190, 182, 172)
IRIS_DARK = ((58, 36, 22), (78, 48, 26), (44, 28, 20))
IRIS_LIGHT = ((92, 118, 142), (76, 108, 84), (118, 104, 62), (108, 134, 160))


@dataclass(frozen=True)
class Identity:
    """A person. Lengths are in face units, `*_length`, `*_width` and `*_size` factors are relative to 1.

    Attributes:
        skin_tone: Monk tone 1 (lightest) to 10.
        skin: RGB 0..255 of the skin, near its Monk tone.
        age: 0 (young adult) to 1 (old): lines, thinner lips, grey hair.
        lid_fold: distance of the lid crease above the eye, 0 draws a lid without a crease.
        freckles: 0..1.
        texture_seed: seed of hair strands, freckles and stubble.
    """

    skin_tone: int
    skin: tuple[float, float, float]
    age: float
    face_width: float
    face_length: float
    jaw_width: float
    chin_width: float
    eye_size: float
    eye_open: float
    eye_spacing: float
    eye_tilt: float
    lid_fold: float
    iris: tuple[float, float, float]
    brow_thickness: float
    brow_height: float
    brow_arch: float
    nose_width: float
    nose_length: float
    mouth_width: float
    mouth_height: float
    upper_lip: float
    lower_lip: float
    lip_red: float
    corner: float
    hair: str
    hair_colour: tuple[float, float, float]
    hairline: float
    beard: str
    glasses: str
    freckles: float
    texture_seed: int

    @property
    def age_group(self) -> str:
        """ "young", "middle" or "older"."""
        return "young" if self.age < 0.35 else "middle" if self.age < 0.7 else "older"

    @property
    def groups(self) -> dict[str, int | str]:
        """The group labels that an evaluation may split by."""
        return {
            "skin_tone": self.skin_tone,
            "age": self.age_group,
            "hair": self.hair,
            "beard": self.beard,
            "glasses": self.glasses,
        }

    @staticmethod
    def sample(rng: np.random.Generator, skin_tone: int | None = None) -> "Identity":
        """Draw a person; every Monk tone is equally likely unless `skin_tone` (1..10) fixes it."""
        drawn_tone = int(rng.integers(1, 11))
        tone = drawn_tone if skin_tone is None else skin_tone
        skin = np.array(MONK_RGB[tone - 1]) * (1 + rng.normal(0, 0.03)) * (1 + rng.normal(0, 0.015, 3))
        age = float(rng.uniform() ** 1.2)
        dark = rng.uniform() < (0.45 if tone <= 4 else 0.8 if tone <= 6 else 0.96)
        palette = HAIR_DARK if dark else HAIR_LIGHT
        hair_colour = np.array(palette[rng.integers(len(palette))], dtype=float)
        grey = float(np.clip((age - 0.55) / 0.4 + rng.normal(0, 0.2), 0, 1)) if age > 0.5 else 0.0
        iris_palette = IRIS_DARK if tone >= 7 or rng.uniform() < (0.3 if tone <= 4 else 0.8) else IRIS_LIGHT
        z = np.clip(rng.standard_normal(18), -1.8, 1.8)
        beard = BEARDS[_choice(rng, BEARD_RATES)]
        hair = HAIR_STYLES[_choice(rng, HAIR_RATES)]
        return Identity(
            skin_tone=tone,
            skin=tuple(float(v) for v in np.clip(skin, 0, 252)),
            age=age,
            face_width=1 + 0.035 * z[0],
            face_length=1 + 0.03 * z[1],
            jaw_width=1 + 0.06 * z[2],
            chin_width=1 + 0.12 * z[3],
            eye_size=1 + 0.06 * z[4],
            eye_open=1 + 0.10 * z[5],
            eye_spacing=0.03 * z[6] * 0.6,
            eye_tilt=0.018 * z[7],
            lid_fold=0.0 if rng.uniform() < 0.15 else float(rng.uniform(0.035, 0.075)),
            iris=tuple(float(v) for v in iris_palette[rng.integers(len(iris_palette))]),
            brow_thickness=1 + 0.2 * z[8],
            brow_height=0.018 * z[9],
            brow_arch=1 + 0.35 * z[10],
            nose_width=1 + 0.12 * z[11],
            nose_length=1 + 0.05 * z[12],
            mouth_width=1 + 0.06 * z[13],
            mouth_height=0.02 * z[14],
            upper_lip=(1 + 0.18 * z[15]) * (1.08 - 0.25 * age),
            lower_lip=(1 + 0.15 * z[16]) * (1.05 - 0.15 * age),
            lip_red=float(rng.uniform(0.35, 1.0)),
            corner=0.012 + 0.01 * z[17],
            hair=hair,
            hair_colour=tuple(float(v) for v in hair_colour * (1 - grey) + np.array(HAIR_GREY) * grey),
            hairline=float(rng.normal(0, 0.03)),
            beard=beard,
            glasses=GLASSES[_choice(rng, GLASSES_RATES)],
            freckles=float(rng.uniform(0.4, 1.0)) if tone <= 5 and rng.uniform() < 0.2 else 0.0,
            texture_seed=int(rng.integers(2**31)),
        )


def _choice(rng: np.random.Generator, rates: tuple[float, ...]) -> int:
    return int(np.searchsorted(np.cumsum(rates[:-1]), rng.uniform(), side="right"))
