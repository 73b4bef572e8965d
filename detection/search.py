"""What the face detectors share: at which size a picture is searched, and how threads share a detector."""

import threading
from collections.abc import Callable


class PerThread:
    """An object for each thread that asks: OpenCV's detectors keep in themselves what they are working on.

    Args:
        make: makes one; called once a thread.
    """

    def __init__(self, make: Callable[[], object]):
        self._make = make
        self._local = threading.local()

    def get(self):
        if not hasattr(self._local, "made"):
            self._local.made = self._make()
        return self._local.made


def checked_min_face(min_face: float | None) -> float | None:
    """`min_face` as it came.

    Raises:
        ValueError: neither None, nor an int of 1 or more, nor a float between 0 and 1.
    """
    pixels = isinstance(min_face, int) and not isinstance(min_face, bool) and min_face >= 1
    if min_face is None or pixels or (isinstance(min_face, float) and 0 < min_face < 1):
        return min_face
    raise ValueError(f"min_face is {min_face}: expected a whole number of pixels, or a share between 0 and 1")


def smallest_face(min_face: float | None, height: int, width: int) -> float:
    """`min_face` in pixels of a picture; 0.0 for None."""
    if min_face is None:
        return 0.0
    return min_face * min(height, width) if min_face < 1 else float(min_face)


def search_scale(height: int, width: int, side: int, smallest: float, findable: int) -> float:
    """By how much a picture is shrunk before it is searched: 0 < scale <= 1.

    Args:
        height, width: of the picture, in pixels.
        side: pixels that the longer side is shrunk to,
        smallest: unless a face of so many pixels of the picture
        findable: had fewer than these afterwards.
    """
    return min(1.0, max(side / max(height, width), findable / smallest if smallest else 0.0))
