"""Images of records become what a row stores: a path that is opened when the row is read, or encoded bytes.

An image in a file of its own stays a path, so that the cache holds no copy of a corpus. Frames of videos, drawings, face crops
and images that are turned by EXIF data, transparent or of 16 bits are stored as bytes: JPEG where the source has lost detail
already, PNG where it has not.
"""

import io
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from aullava.dataset_builder.rows.records import ImageFile, ImageSource, VideoFrame
from aullava.dataset_builder.rows.schema import NO_FACE, NO_PICTURE, OK, UNREADABLE
from aullava.detection.crop import FaceBox
from aullava.detection.framing import Framing, make_detector, weights_hash
from aullava.image_aullava import ImageReadError, load_image
from aullava.video.decode import VideoEnd, VideoFrames, VideoReadError

ENCODINGS = ("auto", "jpeg", "png")
_LOSSY = (".jpg", ".jpeg")
_EXIF_ORIENTATION, _UPRIGHT = 274, 1
_PLAIN_MODES = ("RGB", "L", "P", "1", "CMYK", "YCbCr")  # the others lose bits, or show what transparency hides
# How a whole file ends. One that ends otherwise may be cut off, or carry something behind the image: it is decoded to see.
_ENDS = {"JPEG": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82"}


@dataclass(frozen=True)
class ImageOptions:
    """How images are stored.

    Args:
        framing: how faces are cropped; with detector "none" images stay as they are. Of several faces the largest is taken: a
            labelled frame is about one person.
        size: side of a crop in pixels; None keeps the source's pixels.
        encoding: "jpeg" (quality 95, full colour resolution), "png", or "auto": by the source.
        embed: whether images in files are stored as bytes, too; then each is decoded once to see that it can be.
    """

    framing: Framing = Framing("none")
    size: int | None = None
    encoding: str = "auto"
    embed: bool = False

    def __post_init__(self):
        if self.encoding not in ENCODINGS:
            raise ValueError(f"encoding is {self.encoding!r}: expected one of {', '.join(ENCODINGS)}")
        if self.size is not None and not self.framing.crops:
            raise ValueError(
                f"size is {self.size} with faces='none': only crops are resized; leave it out or take faces='auto'"
            )
        if self.size is not None and not 16 <= self.size <= 4096:
            raise ValueError(f"size is {self.size}: expected 16 to 4096 pixels")

    def settings(self) -> dict[str, object]:
        """As JSON holds it, without places of this machine; of YuNet's weights their SHA-256."""
        given = {"framing": self.framing.stored(), "size": self.size, "encoding": self.encoding}
        digest = weights_hash(self.framing)
        return given | ({"weights_sha256": digest} if digest else {})


@dataclass(frozen=True)
class Stored:
    """What a row holds of an image: `image` as `datasets.Image` takes it, or None; the face if one was found."""

    status: str
    image: dict | None = None
    face: FaceBox | None = None
    timestamp: float | None = None


class ImageReader:
    """Reads the images of one subject, one after the other; a video stays open as long as its frames are asked for in order.

    Use as a context manager.
    """

    def __init__(self, options: ImageOptions):
        self.options = options
        self._detector = make_detector(options.framing) if options.framing.crops else None
        self._video: VideoFrames | None = None
        self._damaged: Path | None = None

    def __enter__(self) -> "ImageReader":
        return self

    def __exit__(self, *_) -> None:
        self._close_video()

    def store(self, source: ImageSource | None) -> Stored:
        """The image as a row holds it; what cannot be read is told by the status and never raised."""
        if source is None:
            return Stored(NO_PICTURE)
        try:
            if isinstance(source, ImageFile):
                return self._store_file(source.path)
            if isinstance(source, VideoFrame):
                image_HWC, timestamp = self._video_frame(source)
                return self._encode(Image.fromarray(image_HWC), lossy=True, timestamp=timestamp)
            return self._encode(source.draw(), lossy=False)
        except FileNotFoundError:
            return Stored(NO_PICTURE)
        except VideoEnd:
            return Stored(NO_PICTURE)
        except (ImageReadError, VideoReadError, PermissionError, IsADirectoryError):
            return Stored(UNREADABLE)

    def _store_file(self, path: Path) -> Stored:
        if not path.is_file():
            return Stored(NO_PICTURE)
        if self._detector is not None:
            return self._encode(load_image(path), lossy=path.suffix.lower() in _LOSSY)
        if not _shown_as_it_lies(path):
            return self._encode(load_image(path), lossy=path.suffix.lower() in _LOSSY)
        if self.options.embed:
            load_image(path)
            return Stored(OK, {"bytes": path.read_bytes(), "path": path.name})
        return Stored(OK, {"bytes": None, "path": str(path)})

    def _encode(self, image: Image.Image, lossy: bool, timestamp: float | None = None) -> Stored:
        face, status = None, OK
        if self._detector is not None:
            faces = self._detector.detect(np.asarray(image))
            if faces:
                face = faces[0]
                image = self._detector.crop(image, face)
                if self.options.size:
                    image = image.resize((self.options.size, self.options.size), Image.Resampling.LANCZOS)
            else:
                status = NO_FACE
        return Stored(status, {"bytes": self._bytes(image, lossy), "path": None}, face, timestamp)

    def _bytes(self, image: Image.Image, lossy: bool) -> bytes:
        as_jpeg = self.options.encoding == "jpeg" or (self.options.encoding == "auto" and lossy)
        buffer = io.BytesIO()
        if as_jpeg:
            image.save(buffer, "JPEG", quality=95, subsampling=0)
        else:
            image.save(buffer, "PNG", compress_level=3)
        return buffer.getvalue()

    def _video_frame(self, source: VideoFrame) -> tuple[np.ndarray, float | None]:
        if self._damaged == source.path:
            raise VideoReadError(f"{source.path}: damaged before frame {source.index}")
        if self._video is None or self._video.path != source.path:
            self._close_video()
            self._video = VideoFrames(source.path)
        try:
            return self._video.frame(source.index), self._video.timestamp
        except VideoReadError:
            self._damaged = source.path  # what lies behind the damage is not tried frame by frame
            raise

    def _close_video(self) -> None:
        if self._video is not None:
            self._video.close()
        self._video = None


def _shown_as_it_lies(path: Path) -> bool:
    """Whether `datasets` decodes an image file as `load_image` does: it is upright, has 8 bits a channel and no transparency.

    That it is whole is checked as far as its first and last bytes tell.

    Raises:
        ImageReadError: it is no image, cut off, or of a size that `load_image` refuses.
    """
    try:
        with Image.open(path) as image, open(path, "rb") as file:
            end = _ENDS.get(image.format)
            if end:
                file.seek(-min(len(end), os.path.getsize(path)), os.SEEK_END)
            if end is None or file.read() != end:
                load_image(path)
            elif min(image.size) < 16:
                load_image(path)  # says what is wrong with the size
            plain = image.mode in _PLAIN_MODES and "transparency" not in image.info
            return plain and image.getexif().get(_EXIF_ORIENTATION, _UPRIGHT) == _UPRIGHT
    except ImageReadError:
        raise
    except Exception as error:  # Pillow's readers raise nearly every type there is
        raise ImageReadError(str(path), f"cannot be opened ({type(error).__name__}: {error})") from error
