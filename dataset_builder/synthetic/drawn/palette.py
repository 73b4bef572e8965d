"""The colours that follow from an identity. RGB, 0 to 255, before light."""

from dataclasses import dataclass

import numpy as np

from aullava.dataset_builder.synthetic.drawn.person import Identity

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Palette:
    """Paint for one person."""

    skin: Colour
    neck: Colour
    lip: Colour
    lip_dark: Colour
    line: Colour
    lash: Colour
    brow: Colour
    hair: Colour
    hair_dark: Colour
    hair_light: Colour
    beard: Colour
    sclera: Colour
    lid: Colour


def mix(first, second, share: float) -> Colour:
    """`share` of the second colour in the first, 0..1."""
    rest = 1 - share
    return (
        first[0] * rest + second[0] * share,
        first[1] * rest + second[1] * share,
        first[2] * rest + second[2] * share,
    )


def _brow(hair: Colour, skin: Colour) -> Colour:
    """Brows are darker than the hair; where that is the skin's own brightness they keep the hair's, so that they can be seen."""
    dark = tuple(0.8 * c for c in mix(hair, (46.0, 34.0, 28.0), 0.45))
    if abs(sum(dark) - sum(skin)) > 150:
        return dark
    return hair if sum(hair) > sum(skin) + 120 else tuple(0.3 * c for c in skin)


def palette_of(who: Identity) -> Palette:
    """Derive every colour of a person from the skin, the hair and the age."""
    skin = who.skin
    # A camera exposes for the face: without it the darkest tones would keep no shading to read.
    brightness = sum(skin) / 3 / 255
    skin = tuple(c * (0.94 + 1.2 * (1 - brightness) ** 1.9) for c in skin)
    # The printed tones are greyer than lit skin: blood below it warms the light ones, melanin the dark ones.
    skin = mix(mix(skin, (232.0, 172.0, 138.0), 0.42 * brightness), (128.0, 74.0, 48.0), 0.34 * (1 - brightness))
    rosy = np.array(skin) * (0.93, 0.66, 0.64) + (6, 2, 4)
    pale = np.array(skin) * (0.9, 0.76, 0.73)
    lip = mix(pale, rosy, who.lip_red)
    lip = mix(lip, (168.0, 62.0, 70.0), 0.12 + 0.14 * brightness)
    hair = who.hair_colour
    return Palette(
        skin=skin,
        neck=mix(skin, tuple(c * 0.62 for c in skin), 0.6),
        lip=lip,
        lip_dark=tuple(c * s for c, s in zip(lip, (0.42, 0.32, 0.32), strict=True)),
        line=tuple(c * s for c, s in zip(skin, (0.45, 0.36, 0.34), strict=True)),
        lash=(24.0, 16.0, 15.0),
        brow=_brow(hair, skin),
        hair=hair,
        hair_dark=tuple(c * 0.66 for c in hair),
        hair_light=mix(hair, (255, 236, 200), 0.2),
        beard=mix(hair, (40, 30, 26), 0.25),
        sclera=mix((240.0, 236.0, 230.0), skin, 0.06),
        lid=tuple(c * s for c, s in zip(skin, (0.93, 0.86, 0.85), strict=True)),
    )
