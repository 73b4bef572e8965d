"""Loading images, and the values that a checkpoint's `framing` may have.

All images are loaded here, so that Python, command line, datasets and Space get the same pixels of a file. This file needs Pillow
and numpy only: processes that merely load images start at once.
"""

import io
import os
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image, ImageOps

ImageSource = str | os.PathLike | bytes | np.ndarray | Image.Image

MIN_SIDE = 16  # pixels; below this a face has no features left
MAX_ASPECT = 10  # long side over short side
MAX_PIXELS = 89_478_485  # where Pillow starts to warn of decompression bombs
# Pillow opens more formats, but a face reader needs none that run other programs or render pages.
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "AVIF", "JPEG2000", "BMP", "GIF", "TIFF", "PPM")

# How a face is cropped if the checkpoint does not say. detection/framing.py explains the keys.
DEFAULT_FRAMING = {"detector": "haar", "margin": 0.25, "alignment": "none", "largest": False}
HIGHEST_MARGIN = 4


class ImageReadError(ValueError):
    """An image that cannot be read, or should not be: its name, what was found, and what was expected."""

    def __init__(self, name: str, found: str):
        self._given = name, found
        super().__init__(
            f"{name}: {found}; expected a readable image ({', '.join(FORMATS)}) with sides of at least {MIN_SIDE} "
            f"px, an aspect ratio of at most {MAX_ASPECT} and at most {MAX_PIXELS // 10**6} million pixels"
        )

    def __reduce__(self):
        return type(self), self._given  # so that it survives pickling on its way out of a worker process


def load_image(source: ImageSource, name: str | None = None) -> Image.Image:
    """An image as upright 8-bit RGB.

    EXIF rotation is applied, 16-bit grey is scaled to 8 bits over its full range, and transparent pixels are put on white.
    Palette, CMYK and grey become RGB. Of a file with several frames or pages the first is read.

    Args:
        source: path, encoded bytes, PIL image, or array: (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), uint8 or uint16.
        name: what error messages call it; default its path, or its type.

    Returns:
        A new PIL image of mode "RGB".

    Raises:
        ImageReadError: it is missing, not an image, truncated, too small, too long or too large.
    """
    if not name and isinstance(source, (str, os.PathLike)):
        name = os.fspath(source)
    name = name or getattr(source, "filename", None) or f"<{type(source).__name__}>"
    try:
        with _open(source, name) as image:
            short, long = sorted(image.size)
            if short < MIN_SIDE or long > MAX_ASPECT * short or short * long > MAX_PIXELS:
                raise ImageReadError(name, f"{image.width} x {image.height} px")
            return _to_rgb(ImageOps.exif_transpose(image), name)
    except ImageReadError:
        raise
    except Exception as error:  # on damaged files Pillow's decoders raise nearly every type of exception
        raise ImageReadError(name, f"cannot be decoded ({type(error).__name__}: {error})") from error


def _open(source: ImageSource, name: str) -> Image.Image:
    """The image; from a file or bytes it is not decoded yet."""
    if isinstance(source, Image.Image):
        return source.copy()
    if isinstance(source, np.ndarray):
        return _from_array(source, name)
    if not isinstance(source, (str, os.PathLike, bytes)):
        raise ImageReadError(name, "neither path, bytes, PIL image nor array")
    if isinstance(source, bytes):
        size, file = len(source), io.BytesIO(source)
    elif not os.path.isfile(source):
        raise ImageReadError(name, "not a file" if os.path.exists(source) else "no such file")
    else:
        size, file = os.path.getsize(source), source
    if not size:
        raise ImageReadError(name, "empty")
    Image.init()
    return Image.open(file, formats=[kind for kind in FORMATS if kind in Image.OPEN])


def _from_array(image_HWC: np.ndarray, name: str) -> Image.Image:
    shape, dtype = image_HWC.shape, image_HWC.dtype
    has_pixels = image_HWC.ndim == 2 or (image_HWC.ndim == 3 and shape[2] in (1, 3, 4))
    if not has_pixels or dtype not in (np.uint8, np.uint16):
        wanted = "(H, W), (H, W, 1), (H, W, 3) or (H, W, 4), uint8 or uint16"
        raise ImageReadError(name, f"an array of shape {shape}, {dtype}, and arrays are to be {wanted}")
    image_HWC = image_HWC[:, :, 0] if shape[2:] == (1,) else image_HWC
    return Image.fromarray(_to_8_bits(image_HWC) if dtype == np.uint16 else image_HWC)


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    if image.mode == "F":
        raise ImageReadError(name, "floating-point pixels, whose range is unknown")
    if image.mode.startswith("I"):
        grey_HW = np.asarray(image)
        if grey_HW.min() < 0 or grey_HW.max() > 65535:
            raise ImageReadError(name, f"pixels from {grey_HW.min()} to {grey_HW.max()}, which is beyond 16 bits")
        image = Image.fromarray(_to_8_bits(grey_HW))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _to_8_bits(image_16: np.ndarray) -> np.ndarray:
    """0..65535 to 0..255, rounded."""
    return ((image_16.astype(np.uint32) + 128) // 257).astype(np.uint8)


def check_framing(framing: Mapping[str, Any]) -> None:
    """Refuse a mapping that is not a framing, as a configuration holds it.

    Args:
        framing: detector (a name such as "haar", "none" or "yunet:WEIGHTS"; detection/framing.py knows which there are), margin
            (0 to 4; 0 with detector "none"), alignment ("none"), largest (true or false), and nothing else.

    Raises:
        ValueError: a key is missing or unknown, or a value out of range.
    """
    if not isinstance(framing, Mapping) or set(framing) != set(DEFAULT_FRAMING):
        raise ValueError(f"framing is {framing!r}: expected {', '.join(DEFAULT_FRAMING)}")
    detector, margin = framing["detector"], framing["margin"]
    if not isinstance(detector, str) or not re.fullmatch(r"(?!auto$)[a-z]\w*(:.+)?", detector):
        raise ValueError(
            f"the detector of framing is {detector!r}: expected a name such as haar, none, or yunet:WEIGHTS"
        )
    if isinstance(margin, bool) or not isinstance(margin, (int, float)) or not 0 <= margin <= HIGHEST_MARGIN:
        raise ValueError(f"the margin of framing is {margin!r}: expected a share from 0 to {HIGHEST_MARGIN}")
    if detector == "none" and margin:
        raise ValueError(f"the margin of framing is {margin:g} with detector none: an image that is not cropped has 0")
    if framing["alignment"] != "none":
        raise ValueError(f"the alignment of framing is {framing['alignment']!r}: expected none, the only one there is")
    if not isinstance(framing["largest"], bool):
        raise ValueError(f"largest of framing is {framing['largest']!r}: expected true or false")
