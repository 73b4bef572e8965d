"""What the face detectors share: the size at which an image is searched, and one detector for several threads."""

import threading
from collections.abc import Callable


class PerThread:
    """One object per thread, since OpenCV's detectors hold the state of the image they are working on.

    Args:
        make: makes one; called once per thread.
    """

    def __init__(self, make: Callable[[], object]):
        self._make = make
        self._local = threading.local()

    def get(self):
        if not hasattr(self._local, "made"):
            self._local.made = self._make()
        return self._local.made


def checked_min_face(min_face: float | None) -> float | None:
    """`min_face`, unchanged.

    Raises:
        ValueError: neither None, nor an int of 1 or more, nor a float between 0 and 1.
    """
    pixels = isinstance(min_face, int) and not isinstance(min_face, bool) and min_face >= 1
    if min_face is None or pixels or (isinstance(min_face, float) and 0 < min_face < 1):
        return min_face
    raise ValueError(f"min_face is {min_face}: expected a whole number of pixels, or a share between 0 and 1")


def smallest_face(min_face: float | None, height: int, width: int) -> float:
    """`min_face` in pixels of an image; 0.0 for None."""
    if min_face is None:
        return 0.0
    return min_face * min(height, width) if min_face < 1 else float(min_face)


def search_scale(height: int, width: int, side: int, smallest: float, findable: int) -> float:
    """The scale at which an image is searched: 0 < scale <= 1.

    Args:
        height, width: of the image, in pixels.
        side: pixels to which the longer side is shrunk, unless faces get too small by that.
        smallest: side in pixels of the smallest face wanted; 0 for none.
        findable: side in pixels of the smallest face that the detector can find.
    """
    return min(1.0, max(side / max(height, width), findable / smallest if smallest else 0.0))
