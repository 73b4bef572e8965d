"""What the page says about a unit: its part of the face, its muscle, and a drawn face that shows it at full strength."""

import base64
import io
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from PIL import Image

from aullava.action_units import ACTION_UNITS, FEAFA_UNITS, ActionUnit, unit
from aullava.dataset_builder.synthetic.drawn import ACTIONS, DrawnFace, Identity, Scene, draw_face
from aullava.dataset_builder.synthetic.drawn.labels import strength_of

# Heading on the page -> the regions of `action_units` that it holds, from the top of the face to its bottom.
PARTS_OF_FACE = {
    "Brows": ("brow",),
    "Eyes": ("eye", "cheek and eye"),
    "Nose and cheeks": ("nose", "cheek"),
    "Mouth": ("upper lip", "mouth corner", "mouth", "lower lip"),
    "Chin and jaw": ("chin", "jaw"),
    "Head and gaze": ("head", "gaze", "neck", "face"),
}
TILE = 144  # pixels a side of the drawn examples
_MODEL_OF_ATLAS = 3  # the seed of the person in the examples


@dataclass(frozen=True)
class Spot:
    """An ellipse on a drawn face where a unit acts, in percent of the picture's side."""

    left: float
    top: float
    width: float
    height: float


def part_of_face(code: str) -> str:
    """The heading under which a unit stands."""
    region = unit(code).region
    return next(part for part, regions in PARTS_OF_FACE.items() if region in regions)


def by_part(codes: tuple[str, ...]) -> dict[str, list[str]]:
    """The codes under their headings, headings in the order of the face."""
    return {part: found for part in PARTS_OF_FACE if (found := [c for c in codes if part_of_face(c) == part])}


def short_name(code: str) -> str:
    """ "AU12"; FEAFA's values have no number that FACS would understand."""
    return "" if code in FEAFA_UNITS else code


def muscle_of(code: str) -> str:
    """The muscle, for FEAFA's values that of the FACS unit they stand for; "" where the table names none."""
    found = unit(code)
    if isinstance(found, ActionUnit):
        return found.muscle
    first = found.facs.split(" ")[0].split("/")[
        0
    ]  # "AU1+2" names AU1 and AU2; of "AU43/45" and "AU28 (upper)" the first
    codes = [f"{first[:2]}{number}" for number in first[2:].split("+")]
    return "; ".join(dict.fromkeys(ACTION_UNITS[code].muscle for code in codes))


@cache
def actions_of(code: str) -> tuple[str, ...]:
    """The actions of the renderer that show a unit best; none where it cannot draw the unit."""
    rest = dict.fromkeys(ACTIONS, 0.0)
    try:
        strengths = {action: strength_of(rest | {action: 1.0}, code) for action in ACTIONS}
    except ValueError:
        return ()
    most = max(strengths.values())
    return tuple(action for action, strength in strengths.items() if most and strength == most)


@cache
def example(code: str) -> DrawnFace | None:
    """A neutral person who does nothing but this; None where it cannot be drawn."""
    if not (actions := actions_of(code)):
        return None
    person = Identity.sample(np.random.default_rng(_MODEL_OF_ATLAS), skin_tone=4)
    return draw_face(person, dict.fromkeys(actions, 1.0), Scene.neutral(), TILE)


@cache
def spots(code: str) -> tuple[Spot, ...]:
    """Where on the drawn example the unit acts."""
    face = example(code)
    if face is None:
        return ()
    masks, found = face.region_masks(), []
    for action in actions_of(code):
        count, _, stats, _ = cv2.connectedComponentsWithStats(masks[action].astype(np.uint8))
        found += [Spot(*(round(100 * float(v) / TILE, 1) for v in stats[area, :4])) for area in range(1, count)]
    return tuple(dict.fromkeys(found))


def drawable() -> tuple[str, ...]:
    """Every code of FACS and FEAFA that has an example, in a fixed order: their places in the sprite."""
    return tuple(code for code in (*ACTION_UNITS, *FEAFA_UNITS) if actions_of(code))


@cache
def atlas_css() -> str:
    """The examples as one picture in a style sheet, so that they are sent once and no answer carries any."""
    codes = drawable()
    strip_HWC = np.hstack([example(code).image_HWC for code in codes])
    places = "".join(
        f".au-example.{code}{{background-position:{100 * i / (len(codes) - 1):.4f}% 0}}"
        for i, code in enumerate(codes)
    )
    return (
        f".au-example{{background-image:url({data_uri(strip_HWC, quality=82)});background-size:{len(codes)}00% 100%}}"
        + places
    )


def data_uri(image: np.ndarray | Image.Image, quality: int = 90) -> str:
    """A picture as a WebP address, so that pages show it without a file on the server."""
    picture = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    held = io.BytesIO()
    picture.save(held, format="WEBP", quality=quality, method=0)
    return f"data:image/webp;base64,{base64.b64encode(held.getvalue()).decode()}"
