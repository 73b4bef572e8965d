"""Pictures and videos of random blocks with two "faces", a detector that finds them, and the settings to read them with."""

from pathlib import Path

import numpy as np
from PIL import Image

from aullava.action_units import resolve_protocol
from aullava.detection.crop import FaceBox, crop_face
from aullava.recognition.inputs import Source
from aullava.recognition.pipeline import ReadSettings
from aullava.recognition.work import START, work_items

from trees.videos import write_video

HEIGHT, WIDTH = 48, 64
UNITS = "AU1,AU4,AU12"  # a protocol that is read quickly


class TwoFacesInLight:
    """Finds a face in each half of a picture that is bright, the left one larger."""

    def detect(self, image_HWC):
        faces = [FaceBox(0, 0, 32, 32, 0.9), FaceBox(34, 16, 30, 30, 0.5)]
        return [face for face in faces if image_HWC[:, face.x : face.x + face.w].mean() > 60]

    def crop(self, image, box):
        return crop_face(image, box, margin=0)


def scenes(count: int, dark=(), left_dark=(), seed: int = 0) -> list[np.ndarray]:
    """Pictures, all different, uint8 RGB; those numbered `dark` are, those numbered `left_dark` in their left half."""
    blocks_NHWC = np.random.default_rng(seed).integers(60, 256, (count, HEIGHT // 8, WIDTH // 8, 3), np.uint8)
    for number in dark:
        blocks_NHWC[number] //= 8
    for number in left_dark:
        blocks_NHWC[number, :, : WIDTH // 16] //= 8
    return [blocks.repeat(8, 0).repeat(8, 1) for blocks in blocks_NHWC]


def save_pictures(folder: Path, count: int, dark=()) -> list[Path]:
    """0.png, 1.png, ..."""
    paths = [folder / f"{number}.png" for number in range(count)]
    for path, picture in zip(paths, scenes(count, dark), strict=True):
        Image.fromarray(picture).save(path)
    return paths


def save_video(path: Path, count: int, dark=(), left_dark=(), seed: int = 0) -> Path:
    """A video of 20 frames a second, each of which can be decoded without the others."""
    return write_video(path, codec="mjpeg", pictures=scenes(count, dark, left_dark, seed))


def sources_of(*paths: Path) -> list[Source]:
    return [Source(path, "image" if path.suffix == ".png" else "video") for path in paths]


def work_on(paths: list[Path], batch_size: int) -> list:
    """All work items of some files, from their beginning."""
    return [(item, START) for item in work_items(sources_of(*paths), batch_size)]


def settings_for(checkpoint, detector=None, batch_size=4, protocols=(UNITS,), **more) -> ReadSettings:
    protocols = tuple(resolve_protocol(name) for name in protocols)
    return ReadSettings(*checkpoint, protocols, detector or TwoFacesInLight(), batch_size=batch_size, **more)
