"""Writing videos that browsers play: H.264 in MP4, every frame at its own time.

Needs PyAV (`pip install 'au-llava[video]'`), which brings its own FFmpeg.
"""

from collections.abc import Iterable
from fractions import Fraction
from itertools import chain
from pathlib import Path

import numpy as np

from aullava.common.files import replace_file

# One tick, in seconds. Frames at 24, 25, 30, 50, 60 and 30000/1001 per second last whole ticks; MPEG-4 allows at most 65535.
_CLOCK = Fraction(1, 60_000)
_MPEG4_BITS_PER_PIXEL = 0.3


def write_video(path: Path, frames: Iterable[tuple[float, np.ndarray]], rate: float) -> int:
    """Write a video, whole or not at all. If writing fails, an earlier file stays.

    If this FFmpeg has no H.264 encoder, the video is MPEG-4 part 2, which players show and browsers do not. A side with an odd
    number of pixels gets one more, since colours are stored for squares of two by two.

    Args:
        path: the file; MP4, whatever its suffix.
        frames: seconds from the first frame, ascending, and uint8 RGB image_HWC, all of one size. One is in memory at a time.
        rate: usual frames per second. It decides how long the last frame is shown and what players announce.

    Returns:
        How many frames were written.

    Raises:
        ValueError: no frame, frames of several sizes, or times that do not ascend.
        ImportError: PyAV is missing.
    """
    try:
        import av  # noqa: F401
    except ImportError as error:
        raise ImportError("videos need PyAV: pip install 'au-llava[video]'") from error
    if rate <= 0:
        raise ValueError(f"{path}: {rate} frames a second; expected more than 0")
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise ValueError(f"{path}: no frames to write; expected one or more")
    written = 0

    def write(temporary: Path) -> None:
        nonlocal written
        written = _encode(temporary, chain([first], frames), Fraction(rate).limit_denominator(1001), first[1].shape)

    replace_file(path, write)
    return written


def _encode(path: Path, frames: Iterable[tuple[float, np.ndarray]], rate: Fraction, shape: tuple[int, ...]) -> int:
    import av

    count, last = 0, -1
    # faststart: a browser can start before it has loaded the whole file.
    with av.open(f"file:{path.absolute()}", "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = _add_stream(container, rate, height=shape[0] + shape[0] % 2, width=shape[1] + shape[1] % 2)
        for seconds, image_HWC in frames:
            tick = round(seconds / _CLOCK)
            if tick <= last or image_HWC.shape != shape:
                raise ValueError(
                    f"frame {count} of a video is {image_HWC.shape} at {seconds} s, after {shape} at {float(last * _CLOCK)} s; "
                    "expected frames of one size at ascending times"
                )
            # The last row and column once more where their number is odd.
            even_HWC = np.pad(image_HWC, ((0, shape[0] % 2), (0, shape[1] % 2), (0, 0)), mode="edge")
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(even_HWC), format="rgb24")
            picture = picture.reformat(format="yuv420p", threads=1)
            picture.pts, picture.time_base = tick, _CLOCK
            container.mux(stream.encode(picture))
            count, last = count + 1, tick
        container.mux(stream.encode())
    return count


def _add_stream(container, rate: Fraction, height: int, width: int):
    import av

    if "libx264" in av.codecs_available:
        stream = container.add_stream("libx264", rate=rate, options={"preset": "veryfast", "crf": "20"})
    else:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.bit_rate = int(_MPEG4_BITS_PER_PIXEL * width * height * rate)
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    stream.codec_context.time_base = _CLOCK
    stream.codec_context.thread_count = 1
    return stream
