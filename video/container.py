"""Opening video files, and what they announce about themselves. PyAV is loaded when the first video is opened."""

import os
import re
from pathlib import Path

# Formats that FFmpeg may recognise. Playlists (HLS, concat) are left out: they would make it open other files and addresses.
_CONTAINERS = "avi,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,asf,mpeg,mpegts,mpegvideo,h264,m4v,flv,ogg,mxf,dv,gif"
# Brands of images in a container for videos. Their streams are tiles, and none of them is the whole image.
_STILLS = {"avif", "heic", "heif", "heim", "heis", "heix", "mif1"}
ADVICE = "Get a fresh copy of it, or see whether a player shows it to the end."


class VideoReadError(ValueError):
    """A file is not a video, or is damaged or cut off before the frame that was asked for."""


def is_video(path: str | os.PathLike) -> bool:
    """Whether a file is a video, whatever its name.

    Raises:
        ImportError: PyAV is missing.
    """
    try:
        with open_container(Path(path)) as container:
            return container.metadata.get("major_brand", "").strip() not in _STILLS
    except (VideoReadError, OSError):
        return False


def load_pyav():
    """PyAV, imported when the first video is opened.

    Raises:
        ImportError: it is missing; says what to install.
    """
    try:
        import av
    except ImportError as error:
        raise ImportError("videos need PyAV: pip install 'au-llava[video]'") from error
    return av


def open_container(path: Path):
    """PyAV's container of a video file.

    Raises:
        FileNotFoundError, PermissionError: as for `open`.
        VideoReadError: it is not a video, or is damaged from the beginning.
        ImportError: PyAV is missing.
    """
    av = load_pyav()
    if path.is_dir():
        raise VideoReadError(f"{path}: a folder; expected a video file")
    try:
        # "file:" keeps FFmpeg from taking a name such as "concat:a" for an address.
        return av.open(f"file:{path.absolute()}", options={"format_whitelist": _CONTAINERS})
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file; expected a video") from None
    except PermissionError:
        raise
    except (av.error.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        size = f"{path.stat().st_size} bytes that are not" if path.is_file() else "not"
        raise VideoReadError(f"{path}: {size} a video that can be opened ({reason}). {ADVICE}") from error


def announced_count(container, stream) -> int | None:
    """How many frames the container says it holds; None if it does not say."""
    count = stream.frames or None
    if count and "mp4" in container.format.name.split(","):
        # Frames before the point at which an edit list starts the video are counted but never shown.
        count = min(count, len(stream.index_entries)) or None
    return count


def announced_seconds(container, stream) -> float | None:
    """How long the container says the video is; None if it does not say."""
    if (tag := re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", ""))) is not None:
        hours, minutes, seconds = map(float, tag.groups())
        return 3600 * hours + 60 * minutes + seconds
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    return None if container.duration is None else container.duration / 1e6  # stored in microseconds
