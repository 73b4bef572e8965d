"""What a person looks like apart from shape: skin, creases, hair, brows, beard, make-up, and what is worn.

Conventions
    colour    sRGB, 0..1, as the thing photographs in white light.
    share     0..1, how much of something there is.
    Everything is a number or a word, so that a row can record all of it. Which photograph or hair mesh of an assets folder
    is taken follows from the `*_pick` fields, 0..1, so the same person exists with and without the folder.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np

Colour = tuple[float, float, float]

# Faces of the ten Monk tones as they photograph: warmer than the printed swatches, which are flat paint (Monk 2019).
TONES = (
    *((0.93, 0.80, 0.73), (0.91, 0.76, 0.68), (0.88, 0.71, 0.60), (0.83, 0.65, 0.52), (0.75, 0.56, 0.42)),
    *((0.63, 0.45, 0.32), (0.51, 0.35, 0.25), (0.41, 0.275, 0.20), (0.315, 0.21, 0.155), (0.235, 0.16, 0.125)),
)
CREASES = (
    "forehead",
    "outer forehead",
    "glabella",
    "nose root",
    "crow's feet",
    "below the eye",
    "nasolabial",
    "marionette",
    "chin",
    "dimple",
)
HAIR = ("bald", "shaved", "short", "medium", "long", "curly", "tied")
_HAIR_RATES = {
    "female": (0.01, 0.03, 0.16, 0.22, 0.32, 0.12, 0.14),
    "male": (0.13, 0.17, 0.50, 0.05, 0.03, 0.10, 0.02),
}
BEARDS = ("none", "stubble", "moustache", "goatee", "short", "full")
_BEARD_RATES = (0.42, 0.24, 0.06, 0.09, 0.11, 0.08)
GLASSES = ("none", "thin", "thick", "rimless", "sunglasses")
_GLASSES_RATES = (0.76, 0.095, 0.095, 0.037, 0.013)
HEADWEAR = ("none", "cap", "beanie", "headscarf")
_HEADWEAR_RATES = {"female": (0.88, 0.02, 0.02, 0.08), "male": (0.88, 0.07, 0.05, 0.0)}
CLOTHES = ("crew neck", "v neck", "high collar", "bare")
_CLOTHES_RATES = (0.55, 0.22, 0.2, 0.03)
_HAIR_DARK = ((0.09, 0.07, 0.06), (0.14, 0.10, 0.08), (0.21, 0.14, 0.10), (0.29, 0.19, 0.12))
_HAIR_LIGHT = ((0.42, 0.28, 0.17), (0.58, 0.43, 0.26), (0.74, 0.60, 0.40), (0.48, 0.22, 0.10))
_HAIR_DYED = ((0.55, 0.10, 0.18), (0.25, 0.30, 0.60), (0.80, 0.45, 0.60))
_IRIS_DARK = ((0.20, 0.11, 0.06), (0.28, 0.16, 0.08), (0.36, 0.23, 0.11))
_IRIS_LIGHT = ((0.35, 0.48, 0.60), (0.42, 0.52, 0.55), (0.38, 0.46, 0.30), (0.45, 0.36, 0.18), (0.50, 0.54, 0.56))


@dataclass(frozen=True)
class Appearance:
    """The looks of one person. Lengths in millimetres on the base mesh.

    Attributes:
        age, tone: as in the identity. skin, lip, hair_colour, brow_colour, iris: colours.
        skin_pick, hair_pick, brow_pick, lash_pick, teeth_pick: which asset, 0..1.
        freckles, blotches, oil, redness, pores, dark_circles: shares. moles: x, y, radius of each, at most six.
        creases_at_rest, crease_gain: of `CREASES`: share shown by the face at rest; how strongly movement folds the skin.
        lip_gloss, lip_paint, eye_shadow, eye_liner, blush, lashes: shares; lip_colour, shadow_colour: of the make-up.
        brow_*: height over the usual, arch, slope, thickness, gap between them, density.
        hair, hairline (lowered where positive), fringe (length over the forehead; 0 none), hair_length, hair_volume.
        beard, beard_length; glasses, frame_colour, frame_size, reflection; headwear, headwear_colour; clothes, cloth_colour,
            cloth_second, cloth_stripes. teeth: yellowness; tooth_gap: width of a gap between the front teeth.
    """

    age: float
    sex: str
    tone: int
    skin: Colour
    skin_pick: float
    freckles: float
    blotches: float
    oil: float
    redness: float
    pores: float
    dark_circles: float
    moles: tuple[tuple[float, float, float], ...]
    creases_at_rest: tuple[float, ...]
    crease_gain: tuple[float, ...]
    lip: Colour
    lip_gloss: float
    lip_paint: float
    lip_colour: Colour
    eye_shadow: float
    shadow_colour: Colour
    eye_liner: float
    blush: float
    lashes: float
    lash_pick: float
    iris: Colour
    iris_radius: float
    pupil: float
    sclera: float
    brow_pick: float
    brow_colour: Colour
    brow_height: float
    brow_arch: float
    brow_slope: float
    brow_thickness: float
    brow_gap: float
    brow_density: float
    hair: str
    hair_pick: float
    hair_colour: Colour
    hairline: float
    fringe: float
    hair_length: float
    hair_volume: float
    beard: str
    beard_length: float
    glasses: str
    frame_colour: Colour
    frame_size: float
    reflection: float
    headwear: str
    headwear_colour: Colour
    clothes: str
    cloth_colour: Colour
    cloth_second: Colour
    cloth_stripes: float
    teeth: float
    teeth_pick: float
    tooth_gap: float

    def groups(self) -> dict[str, str]:
        """The group labels that an evaluation may split by."""
        painted = max(self.lip_paint, self.eye_shadow, self.eye_liner) > 0.3
        return {
            "hair": self.hair,
            "fringe": "yes" if self.fringe else "no",
            "beard": self.beard,
            "glasses": self.glasses,
            "headwear": self.headwear,
            "make_up": "yes" if painted else "no",
        }

    def record(self) -> dict:
        """Every field, as numbers, words and lists of them."""
        return dataclasses.asdict(self)


def sample_appearance(
    rng: np.random.Generator, age: float, sex: str, ancestry: tuple[float, float, float], tone: int
) -> Appearance:
    """Draw the looks of a person. Colours of hair and eyes follow the tone loosely, everything else is drawn apart from it.

    Args:
        rng: the person's stream.
        age: years. sex: "female" or "male". ancestry: unused but for the crease of the lid, part of the shape. tone: 1..10.
    """
    old = float(np.clip((age - 25) / 50, 0, 1))
    female, grown = sex == "female", age >= 18
    skin = np.array(TONES[tone - 1]) * (1 + rng.normal(0, 0.03)) * (1 + rng.normal(0, 0.012, 3))
    u = rng.uniform(size=48)
    dark_hair = u[0] < (0.5 if tone <= 4 else 0.85 if tone <= 6 else 0.98)
    hair_colour = np.array(_pick(u[1], _HAIR_DARK if dark_hair else _HAIR_LIGHT)) * (0.85 + 0.3 * u[2])
    if u[3] < 0.02 and grown:
        hair_colour = np.array(_pick(u[1], _HAIR_DYED))
    grey = float(np.clip((age - 40) / 35 + 0.5 * (u[4] - 0.5), 0, 1)) if age > 38 and u[5] < 0.8 else 0.0
    hair_colour = hair_colour * (1 - grey) + np.array((0.58, 0.58, 0.57)) * (0.75 + 0.3 * u[2]) * grey
    iris = _pick(u[6], _IRIS_DARK if u[7] < (0.35 if tone <= 4 else 0.9 if tone <= 6 else 0.99) else _IRIS_LIGHT)
    brow_colour = np.clip(hair_colour * 0.75, 0.04, 0.42) * (0.7 + 0.3 * (1 - grey))
    painted = female and age >= 15 and u[8] < 0.5
    paints = _LIP_PAINTS[int(u[9] * len(_LIP_PAINTS))]
    hair = HAIR[_choice(u[10], _HAIR_RATES[sex])]
    if age < 20 and hair == "bald":
        hair = "short"
    beard = BEARDS[_choice(u[11], _BEARD_RATES)] if not female and age >= 17 else "none"
    fringe = hair in ("short", "medium", "long", "curly", "tied") and u[12] < (0.3 if female else 0.16)
    at_rest = np.clip(old * (0.35 + 0.95 * rng.uniform(size=len(CREASES))) - 0.1, 0, 0.85) + 0.1 * rng.uniform(
        size=len(CREASES)
    )
    at_rest[CREASES.index("chin")] *= 0.5
    # How deep movement folds the skin differs between people and between one person's creases, at any age.
    gain = (0.4 + 0.7 * old) * np.exp(0.35 * (2 * u[47] - 1)) * (0.5 + rng.uniform(size=len(CREASES)))
    moles = rng.uniform((-58, -78, 0.7), (58, 55, 1.5), (6, 3))[: int(u[13] ** 2 * 6.99)]
    lip = skin * (0.86, 0.63, 0.66) * (1 - 0.1 * (tone >= 7)) + np.array((0.04, 0.0, 0.01)) * u[14]
    cloth = rng.uniform(0.08, 0.8) * (0.8 + 0.55 * (rng.uniform(size=3) - 0.5))
    return Appearance(
        age=float(age),
        sex=sex,
        tone=int(tone),
        skin=_rgb(skin),
        skin_pick=float(u[15]),
        freckles=float(0.4 + 0.6 * u[17]) if tone <= 5 and u[16] < 0.18 else 0.0,
        blotches=float(0.15 + 0.35 * u[18] + 0.5 * old * u[19]),
        oil=float(u[20]),
        redness=float(u[21] ** 2),
        pores=float(0.3 + 0.4 * u[22] + 0.3 * old),
        dark_circles=float(u[23] * (0.5 + 0.5 * old)),
        moles=tuple(tuple(round(float(v), 2) for v in mole) for mole in moles),
        creases_at_rest=tuple(round(float(v), 3) for v in at_rest),
        crease_gain=tuple(round(float(v), 3) for v in gain),
        lip=_rgb(lip),
        lip_gloss=float(u[24]),
        lip_paint=float(0.3 + 0.6 * u[25]) if painted and u[26] < 0.75 else 0.0,
        lip_colour=paints,
        eye_shadow=float(0.2 + 0.6 * u[27]) if painted and u[28] < 0.5 else 0.0,
        shadow_colour=_pick(u[29], _SHADOWS),
        eye_liner=float(0.4 + 0.6 * u[30]) if painted and u[31] < 0.55 else 0.0,
        blush=float(0.3 + 0.6 * u[32]) if painted and u[33] < 0.5 else 0.0,
        lashes=float((0.75 if painted else 0.45 if female else 0.3) + 0.25 * u[34]),
        lash_pick=float(u[35]),
        iris=_rgb(np.array(iris) * (0.85 + 0.3 * u[36])),
        iris_radius=float(5.9 + 0.7 * u[37]),
        pupil=float(0.26 + 0.22 * u[38]),
        sclera=float(u[39]),
        brow_pick=float(u[40]),
        brow_colour=_rgb(brow_colour),
        brow_height=float(np.clip(rng.normal(0.6, 1.2), -1.9, 3.1)),
        brow_arch=float(np.clip(rng.normal(2.6, 1.3), 0.2, 5.5)),
        brow_slope=float(np.clip(rng.normal(-0.4, 0.9), -2.2, 1.6)),
        brow_thickness=float(np.clip(rng.normal(2.4 if female else 3.3, 0.7), 1.2, 5.0)),
        brow_gap=float(np.clip(rng.normal(10.5, 2.0), 5.0, 15.0)),
        brow_density=float(0.5 + 0.5 * u[41]),
        hair=hair,
        hair_pick=float(u[42]),
        hair_colour=_rgb(hair_colour),
        hairline=float(rng.normal(0, 3.0) - (12 * old * u[43] if not female else 2 * old)),
        fringe=float(rng.uniform(28, 54)) if fringe else 0.0,
        hair_length=float(rng.uniform(40, 230)),
        hair_volume=float(rng.uniform(0.6, 1.4)),
        beard=beard,
        beard_length=float(rng.uniform(0.4, 1.0)),
        glasses=GLASSES[_choice(u[44], _GLASSES_RATES)],
        frame_colour=_pick(float(rng.uniform()), _FRAMES),
        frame_size=float(rng.uniform(0.85, 1.15)),
        reflection=float(rng.uniform() ** 2),
        headwear=HEADWEAR[_choice(u[45], _HEADWEAR_RATES[sex])] if grown else "none",
        headwear_colour=_rgb(rng.uniform(0.06, 0.8) * (0.6 + 0.8 * (rng.uniform(size=3) - 0.5))),
        clothes=CLOTHES[_choice(u[46], _CLOTHES_RATES)] if grown else "crew neck",
        cloth_colour=_rgb(cloth),
        cloth_second=_rgb(rng.uniform(0.1, 0.9) * (0.6 + 0.8 * (rng.uniform(size=3) - 0.5))),
        cloth_stripes=float(rng.uniform(6, 30)) if u[45] * 7 % 1 < 0.2 else 0.0,
        teeth=float(rng.uniform()),
        teeth_pick=float(rng.uniform()),
        tooth_gap=float(rng.uniform(0.8, 2.2)) if rng.uniform() < 0.12 else 0.0,
    )


_LIP_PAINTS = (
    (0.70, 0.12, 0.16),
    (0.62, 0.20, 0.28),
    (0.75, 0.36, 0.36),
    (0.48, 0.10, 0.18),
    (0.80, 0.42, 0.48),
    (0.55, 0.28, 0.24),
)
_SHADOWS = ((0.42, 0.28, 0.22), (0.30, 0.24, 0.24), (0.50, 0.32, 0.38), (0.30, 0.34, 0.44), (0.60, 0.46, 0.34))
_FRAMES = (
    (0.05, 0.05, 0.05),
    (0.20, 0.11, 0.06),
    (0.55, 0.50, 0.42),
    (0.30, 0.30, 0.33),
    (0.35, 0.08, 0.10),
    (0.10, 0.14, 0.30),
)


def _pick(share: float, rows: tuple) -> Colour:
    return rows[min(int(share * len(rows)), len(rows) - 1)]


def _choice(share: float, rates: tuple[float, ...]) -> int:
    return int(np.searchsorted(np.cumsum(rates[:-1]), share, side="right"))


def _rgb(colour) -> Colour:
    return tuple(round(float(c), 4) for c in np.clip(colour, 0.02, 0.97))
