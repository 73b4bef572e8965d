"""What a worse picture costs: eight ways to spoil a face at five strengths each.

Conventions
    scale       lengths are shares of the picture's width or height, and resolution is the width that is left: a strength means the
                same at every size. Grain and JPEG's blocks are of single pixels.
    seed        what is random (grain, direction, side) is drawn from the row's name and the kind: the same in every run, for every
                checkpoint, and at every strength, so that a stronger one spoils what a weaker one does.
    framing     occlusion takes the picture for an upright face crop as `aullava recognize` and the drawn faces have it: eyes
                about 43% and mouth about 75% down.
    loss        score of the clean pictures minus score of the spoilt ones, on the same rows.
"""

import hashlib
import io
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from PIL import Image, ImageFilter

KINDS: dict[str, tuple[float, ...]] = {  # kind -> its five strengths
    "blur": (0.005, 0.010, 0.016, 0.026, 0.042),  # sigma of a Gaussian, share of the width
    "noise": (5, 10, 20, 35, 55),  # standard deviation of the grain, grey levels
    "jpeg": (50, 30, 18, 10, 5),  # quality
    "brightness": (
        1.25,
        1.5,
        2.0,
        2.8,
        4.0,
    ),  # factor by which it is made darker, or brighter: each in half of the rows
    "occlude_eyes": (0.2, 0.4, 0.6, 0.8, 1.0),  # share of the eye band's width under a grey bar, from one side
    "occlude_mouth": (0.2, 0.4, 0.6, 0.8, 1.0),  # the same of the mouth band
    "rotation": (8, 15, 25, 40, 60),  # degrees, to either side
    "resolution": (64, 48, 32, 24, 16),  # width in pixels it is shrunk to, then enlarged again; smaller pictures stay
}
_BANDS = {"occlude_eyes": (0.32, 0.54), "occlude_mouth": (0.63, 0.88)}  # top and bottom, share of the height
_SIDES = (0.12, 0.88)  # left and right end of both bands, share of the width


def corrupt(image: Image.Image, kind: str, strength: int, row: str) -> Image.Image:
    """The picture, spoilt; the given one stays as it is.

    Args:
        image: RGB.
        kind: a name of KINDS.
        strength: 1, the weakest, to 5.
        row: name of the row, from which the randomness is drawn.

    Returns:
        RGB, of the same size.

    Raises:
        ValueError: an unknown kind or strength.
    """
    if kind not in KINDS or strength not in range(1, 6):
        raise ValueError(f"corruption {kind!r} at {strength}: expected a strength from 1 to 5 of {', '.join(KINDS)}")
    seed = hashlib.sha256(f"{row}/{kind}".encode()).digest()[:8]
    random = np.random.default_rng(int.from_bytes(seed, "little"))
    amount = KINDS[kind][strength - 1]
    return _SPOIL[kind](image.convert("RGB"), amount, random)


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


def _blur(image: Image.Image, share: float, random: np.random.Generator) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(share * image.width))


def _noise(image: Image.Image, deviation: float, random: np.random.Generator) -> Image.Image:
    pixels_HWC = np.asarray(image, float)
    return _as_image(pixels_HWC + random.normal(0, deviation, pixels_HWC.shape))


def _jpeg(image: Image.Image, quality: float, random: np.random.Generator) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=int(quality))
    return Image.open(file).convert("RGB")


def _brightness(image: Image.Image, factor: float, random: np.random.Generator) -> Image.Image:
    return _as_image(np.asarray(image, float) * (factor if random.random() < 0.5 else 1 / factor))


def _occlude(band: str) -> Callable[[Image.Image, float, np.random.Generator], Image.Image]:
    top, bottom = _BANDS[band]

    def cover(image: Image.Image, share: float, random: np.random.Generator) -> Image.Image:
        pixels_HWC = np.array(image)
        height, width = pixels_HWC.shape[:2]
        left, right = _SIDES
        left, right = (
            (left, left + share * (right - left)) if random.random() < 0.5 else (right - share * (right - left), right)
        )
        pixels_HWC[round(top * height) : round(bottom * height), round(left * width) : round(right * width)] = 128
        return Image.fromarray(pixels_HWC)

    return cover


def _rotation(image: Image.Image, degrees: float, random: np.random.Generator) -> Image.Image:
    """About the centre; the corners that come free take the mean colour of the picture's edge."""
    pixels_HWC = np.asarray(image)
    edge_EC = np.concatenate((pixels_HWC[0], pixels_HWC[-1], pixels_HWC[:, 0], pixels_HWC[:, -1]))
    turned = degrees if random.random() < 0.5 else -degrees
    return image.rotate(turned, Image.Resampling.BICUBIC, fillcolor=tuple(int(c) for c in edge_EC.mean(0)))


def _resolution(image: Image.Image, width: float, random: np.random.Generator) -> Image.Image:
    share = min(1, width / image.width)
    small = tuple(max(1, round(share * side)) for side in image.size)
    return image.resize(small, Image.Resampling.BOX).resize(image.size, Image.Resampling.BICUBIC)


def _as_image(pixels_HWC: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels_HWC.round().clip(0, 255).astype(np.uint8))


_SPOIL = {
    "blur": _blur,
    "noise": _noise,
    "jpeg": _jpeg,
    "brightness": _brightness,
    "occlude_eyes": _occlude("occlude_eyes"),
    "occlude_mouth": _occlude("occlude_mouth"),
    "rotation": _rotation,
    "resolution": _resolution,
}
