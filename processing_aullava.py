"""Pictures and questions into tensors, answers into values.

`load_image` is the one place where a picture becomes pixels, so that Python, command line and Space read the same file to the
same numbers. `AULlavaProcessor` is the stock LlavaProcessor with the PIL image backend pinned, because the torchvision backend
resizes differently (up to 0.015 after normalisation), and with three methods: `prompt`, `encode` and `decode_answer`.
"""

import io
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageOps
from transformers import BatchFeature, LlavaProcessor

from .action_units import ParsedAnswer, Protocol, parse, sanitize

ImageSource = str | os.PathLike | bytes | np.ndarray | Image.Image

MIN_SIDE = 16  # pixels; below this a face has no features left
MAX_ASPECT = 10  # long side over short side
MAX_PIXELS = 89_478_485  # Pillow's own bound against decompression bombs
# Pillow opens more than this; formats that run other programs or render pages have no business in a face reader.
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "AVIF", "JPEG2000", "BMP", "GIF", "TIFF", "PPM")


class ImageReadError(ValueError):
    """A picture that cannot be read, or should not be. The message names it, says what was found and what is expected."""

    def __init__(self, name: str, found: str):
        super().__init__(
            f"{name}: {found}; expected a readable picture ({', '.join(FORMATS)}) with sides of at least {MIN_SIDE} px, an "
            f"aspect ratio of at most {MAX_ASPECT} and at most {MAX_PIXELS // 10**6} million pixels"
        )


def load_image(source: ImageSource, name: str | None = None) -> Image.Image:
    """A picture as upright 8-bit RGB.

    EXIF rotation is applied, 16-bit grey is scaled to 8 bits over its full range, transparency is laid on white, palette,
    CMYK and grey become RGB. Of an animated or paged file the first frame is read.

    Args:
        source: path, encoded bytes, PIL image, or array: (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), uint8 or uint16.
        name: what to call it in an error message; default its path, or its kind.

    Returns:
        PIL image of mode "RGB"; a new one, never `source` itself.

    Raises:
        ImageReadError: missing, no picture, truncated, or too small, too long or too large.
    """
    name = name or _name_of(source)
    try:
        with _open(source, name) as image:
            _check_size(image.size, name)
            return _to_rgb(ImageOps.exif_transpose(image), name)
    except ImageReadError:
        raise
    except Exception as error:  # on damaged files Pillow's decoders raise nearly every type there is
        raise ImageReadError(name, f"cannot be decoded ({type(error).__name__}: {error})") from error


def _name_of(source: ImageSource) -> str:
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    return getattr(source, "filename", None) or f"<{type(source).__name__}>"


def _open(source: ImageSource, name: str) -> Image.Image:
    """The picture, not yet decoded where it comes from a file."""
    if isinstance(source, Image.Image):
        return source.copy()
    if isinstance(source, np.ndarray):
        return _from_array(source, name)
    if isinstance(source, bytes):
        found, file = ("no bytes" if not source else None), io.BytesIO(source)
    elif isinstance(source, (str, os.PathLike)):
        found, file = _problem_of_path(source), source
    else:
        found, file = f"a {type(source).__name__} and no path, bytes, PIL image or array", None
    if found:
        raise ImageReadError(name, found)
    Image.init()
    return Image.open(file, formats=[kind for kind in FORMATS if kind in Image.OPEN])


def _problem_of_path(path: str | os.PathLike) -> str | None:
    if not os.path.exists(path):
        return "no such file"
    if not os.path.isfile(path):
        return "not a file"
    return None if os.path.getsize(path) else "an empty file"


def _from_array(image_HWC: np.ndarray, name: str) -> Image.Image:
    shape, dtype = image_HWC.shape, image_HWC.dtype
    if image_HWC.ndim == 3 and shape[2] == 1:
        image_HWC = image_HWC[:, :, 0]
    if dtype not in (np.uint8, np.uint16) or not (image_HWC.ndim == 2 or (image_HWC.ndim == 3 and shape[2] in (3, 4))):
        raise ImageReadError(
            name,
            f"an array of shape {shape} and type {dtype}, and no (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) uint8 or uint16",
        )
    if dtype == np.uint16:
        image_HWC = _to_8_bits(image_HWC)
    return Image.fromarray(np.ascontiguousarray(image_HWC))


def _check_size(size: tuple[int, int], name: str) -> None:
    width, height = size
    if min(size) < MIN_SIDE or max(size) > MAX_ASPECT * min(size) or width * height > MAX_PIXELS:
        raise ImageReadError(name, f"{width} x {height} px")


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    if image.mode == "F":
        raise ImageReadError(name, "a picture of floating-point pixels, whose range is unknown")
    if image.mode.startswith("I"):
        grey_HW = np.asarray(image)
        if grey_HW.min() < 0 or grey_HW.max() > 65535:
            raise ImageReadError(name, f"pixels from {grey_HW.min()} to {grey_HW.max()}, beyond 16 bits")
        image = Image.fromarray(_to_8_bits(grey_HW))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def _to_8_bits(image_16: np.ndarray) -> np.ndarray:
    """0..65535 to 0..255, rounded."""
    return ((image_16.astype(np.uint32) + 128) // 257).astype(np.uint8)


class AULlavaProcessor(LlavaProcessor):
    """Stock LlavaProcessor that loads pictures itself, asks by the chat template and reads answers back."""

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, *args, backend: str = "pil", **kwargs):
        return super().from_pretrained(pretrained_model_name_or_path, *args, backend=backend, **kwargs)

    def prompt(self, text: str) -> str:
        """One picture and a question as the chat template writes them, up to where the answer begins. Control tokens a user
        typed are defused, so that the text can neither add a picture nor end the turn."""
        special = {token.content for token in self.tokenizer.added_tokens_decoder.values() if token.special}
        text = sanitize(text, special.union(self.tokenizer.all_special_tokens, [self.image_token]))
        turn = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}
        return self.apply_chat_template([turn], add_generation_prompt=True)

    def encode(self, images: Sequence[ImageSource], texts: str | Sequence[str]) -> BatchFeature:
        """A batch for the model, one question a picture.

        Args:
            images: B pictures, anything `load_image` takes.
            texts: one question for all, or B questions.

        Returns:
            input_ids and attention_mask (B, T), padded on the left so that every answer begins at T; pixel_values (B, 3, H, W).

        Raises:
            ImageReadError: a picture cannot be read.
            ValueError: as many pictures as questions are needed.
        """
        prompts = (
            [self.prompt(texts)] * len(images) if isinstance(texts, str) else [self.prompt(text) for text in texts]
        )
        if len(prompts) != len(images) or not prompts:
            raise ValueError(
                f"{len(images)} pictures, {len(prompts)} questions: give at least one, and as many of each"
            )
        return self(
            images=[load_image(image) for image in images],
            text=prompts,
            padding=True,
            padding_side="left",
            add_special_tokens=False,  # the chat template writes them
            return_tensors="pt",
        )

    def decode_answer(self, token_ids: Any, protocol: Protocol, strict: bool = False) -> tuple[str, ParsedAnswer]:
        """The text a model wrote, without control tokens, and what it says (lenient by default: see action_units.parse)."""
        text = self.tokenizer.decode(token_ids, skip_special_tokens=True).strip()
        return text, parse(text, protocol, strict)
