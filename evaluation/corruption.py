"""Eight corruptions of a face image, each at five severities.

Conventions
    scale       lengths are shares of the image's width or height, and resolution is the remaining width, so a severity means the
                same at every size. Noise and JPEG blocks are in pixels.
    seed        randomness (noise, direction, side) is seeded by the row's name and the kind: the same in every run, for every
                checkpoint and at every severity, so a higher severity corrupts what a lower one does, and more.
    framing     occlusion takes the image for an upright face crop as `aullava recognize` and the drawn faces have it: eyes
                about 43% and mouth about 75% down.
    loss        score on clean images minus score on corrupted ones, same rows.
"""

import hashlib
import io

import numpy as np
from PIL import Image, ImageFilter

KINDS: dict[str, tuple[float, ...]] = {  # kind -> its five severities
    "blur": (0.005, 0.010, 0.016, 0.026, 0.042),  # sigma of a Gaussian, share of the width
    "noise": (5, 10, 20, 35, 55),  # standard deviation, grey levels
    "jpeg": (50, 30, 18, 10, 5),  # quality
    "brightness": (1.25, 1.5, 2.0, 2.8, 4.0),  # factor; half of the rows become darker, the others brighter
    "occlude_eyes": (0.2, 0.4, 0.6, 0.8, 1.0),  # share of the eye band's width under a grey bar, from one side
    "occlude_mouth": (0.2, 0.4, 0.6, 0.8, 1.0),  # the same of the mouth band
    "rotation": (8, 15, 25, 40, 60),  # degrees, to either side
    "resolution": (
        64,
        48,
        32,
        24,
        16,
    ),  # width in pixels; shrunk to it and enlarged again, smaller images stay as they are
}
_BANDS = {"occlude_eyes": (0.32, 0.54), "occlude_mouth": (0.63, 0.88)}  # top and bottom, share of the height
_SIDES = (0.12, 0.88)  # left and right end of both bands, share of the width


def corrupt(image: Image.Image, kind: str, severity: int, row: str) -> Image.Image:
    """A corrupted copy of an image.

    Args:
        image: RGB.
        kind: a name of KINDS.
        severity: 1, the mildest, to 5.
        row: name of the row, which seeds the randomness.

    Returns:
        RGB, of the same size.

    Raises:
        ValueError: unknown kind or severity.
    """
    if kind not in KINDS or severity not in range(1, 6):
        raise ValueError(f"corruption {kind!r} at {severity}: expected a severity from 1 to 5 of {', '.join(KINDS)}")
    seed = hashlib.sha256(f"{row}/{kind}".encode()).digest()[:8]
    random = np.random.default_rng(int.from_bytes(seed, "little"))
    amount, image = KINDS[kind][severity - 1], image.convert("RGB")
    pixels_HWC = np.array(image, float)
    match kind:
        case "blur":
            return image.filter(ImageFilter.GaussianBlur(amount * image.width))
        case "jpeg":
            file = io.BytesIO()
            image.save(file, "JPEG", quality=int(amount))
            return Image.open(file).convert("RGB")
        case "rotation":  # about the centre; empty corners take the mean colour of the image's border
            edge_EC = np.concatenate((pixels_HWC[0], pixels_HWC[-1], pixels_HWC[:, 0], pixels_HWC[:, -1]))
            turned = amount if random.random() < 0.5 else -amount
            return image.rotate(turned, Image.Resampling.BICUBIC, fillcolor=tuple(int(c) for c in edge_EC.mean(0)))
        case "resolution":
            share = min(1, amount / image.width)
            small = tuple(max(1, round(share * side)) for side in image.size)
            return image.resize(small, Image.Resampling.BOX).resize(image.size, Image.Resampling.BICUBIC)
        case "noise":
            pixels_HWC += random.normal(0, amount, pixels_HWC.shape)
        case "brightness":
            pixels_HWC *= amount if random.random() < 0.5 else 1 / amount
        case "occlude_eyes" | "occlude_mouth":
            height, width = pixels_HWC.shape[:2]
            (top, bottom), (left, right) = _BANDS[kind], _SIDES
            length = amount * (right - left)
            left, right = (left, left + length) if random.random() < 0.5 else (right - length, right)
            pixels_HWC[round(top * height) : round(bottom * height), round(left * width) : round(right * width)] = 128
    return Image.fromarray(pixels_HWC.round().clip(0, 255).astype(np.uint8))
