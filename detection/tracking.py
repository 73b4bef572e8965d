"""Tracks: which face of a frame is which face of the frames before.

Conventions
    face_id     0, 1, ... in the order in which faces appear; of faces that appear together, the largest first. An id is never
                given to another face, and never twice in a frame.
    time        seconds. A frame without a timestamp counts as one of 25 frames a second.
    missing     a face without a box keeps its id for `max_gap_s` seconds or `max_gap_frames` frames that were read, whichever is
                longer. Detectors lose faces for single frames, and at one frame per second a single frame is a second.
    matching    a face is expected where it was last, moved by its speed. Boxes are assigned to faces by intersection over
                union, best first. What is left is matched once more, with each face where it was last and all boxes at twice
                their size: between sparse frames a face may move by its own width and turn back (buffered IoU: Yang and
                others, arXiv 2211.14317).
    limits      only place and motion tell faces apart. Someone who leaves for longer, or is covered while turning back, returns
                as a new face. After a cut, whoever sits in the same place counts as the same face.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from aullava.detection.crop import FaceBox

_FRAME_S = 1 / 25
# Speed is averaged, and trusted, over about this long: heads turn back.
_MEMORY_S = 0.5

_Area = tuple[float, float, float, float]  # left, top, width, height


@dataclass
class _Track:
    """A face: its last box, when that was (in seconds, and in updates of the tracker), and its speed in pixels per second."""

    face_id: int
    box: _Area
    time: float
    update: int
    speed: tuple[float, float] = (0.0, 0.0)

    def expected(self, time: float) -> _Area:
        """Where its box should be now."""
        horizon = _MEMORY_S * (1 - math.exp((self.time - time) / _MEMORY_S))
        x, y, w, h = self.box
        return x + self.speed[0] * horizon, y + self.speed[1] * horizon, w, h

    def see(self, box: _Area, time: float, update: int) -> None:
        """Take in a new box."""
        elapsed = time - self.time
        if elapsed > 0:
            weight = 1 - math.exp(-elapsed / _MEMORY_S)
            moved = [(_centre(box)[i] - _centre(self.box)[i]) / elapsed for i in (0, 1)]
            self.speed = tuple(old + weight * (new - old) for old, new in zip(self.speed, moved, strict=True))
        self.box, self.time, self.update = box, time, update


class Tracker:
    """Numbers the faces of one video, frame after frame. Each video needs a tracker of its own, used by one thread.

    Args:
        max_gap_s: how long a face may be missing and keep its id, in seconds,
        max_gap_frames: and in frames read; the longer one counts.
        min_iou: least intersection over union, 0..1, at which a box may be the same face.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(self, max_gap_s: float = 1.0, max_gap_frames: int = 2, min_iou: float = 0.3):
        if max_gap_s < 0 or max_gap_frames < 0 or not 0 < min_iou <= 1:
            raise ValueError(
                f"max_gap_s is {max_gap_s}, max_gap_frames {max_gap_frames}, min_iou {min_iou}: expected 0 or more, "
                "0 or more, and above 0 up to 1"
            )
        self.max_gap_s = max_gap_s
        self.max_gap_frames = max_gap_frames
        self.min_iou = min_iou
        self._tracks: list[_Track] = []
        self._next_id = 0
        self._updates = 0
        self._time = 0.0
        self._index = 0

    def update(self, boxes: Sequence[FaceBox], timestamp: float | None, index: int) -> list[int]:
        """The ids of a frame's faces, in the order of `boxes`.

        Args:
            boxes: in any order; empty for a frame without a face.
            timestamp: seconds, or None.
            index: of the frame in the video; frames come in order.
        """
        now = self._time + (index - self._index) * _FRAME_S if timestamp is None else timestamp
        self._time, self._index = max(self._time, now), index
        self._updates += 1
        tracks = {}
        for track in self._tracks:
            missed = self._updates - track.update - 1
            if self._time - track.time <= self.max_gap_s or missed <= self.max_gap_frames:
                tracks[track.face_id] = track
        # Sorted, so that the order in which boxes are given changes nothing.
        keys = [(-box.w * box.h, box.x, box.y, box.w, -(box.score or 0.0)) for box in boxes]
        order = sorted(range(len(boxes)), key=keys.__getitem__)
        areas = {place: (boxes[place].x, boxes[place].y, boxes[place].w, boxes[place].h) for place in order}
        ids = self._matched({face_id: track.expected(self._time) for face_id, track in tracks.items()}, areas)
        absent = {face_id: _widened(track.box) for face_id, track in tracks.items() if face_id not in ids.values()}
        ids |= self._matched(absent, {place: _widened(areas[place]) for place in order if place not in ids})
        for place in order:
            if place in ids:
                tracks[ids[place]].see(areas[place], self._time, self._updates)
            else:
                ids[place] = self._next_id
                tracks[self._next_id] = _Track(self._next_id, areas[place], self._time, self._updates)
                self._next_id += 1
        self._tracks = list(tracks.values())
        return [ids[place] for place in range(len(boxes))]

    def _matched(self, faces: dict[int, _Area], boxes: dict[int, _Area]) -> dict[int, int]:
        """Place of a box -> face_id, best pairs first; no box and no face is used twice."""
        pairs = [(_iou(face, box), face_id, place) for face_id, face in faces.items() for place, box in boxes.items()]
        matched: dict[int, int] = {}
        for iou, face_id, place in sorted(pairs, key=lambda pair: (-pair[0], pair[1])):
            if iou >= self.min_iou and place not in matched and face_id not in matched.values():
                matched[place] = face_id
        return matched

    def state(self) -> dict:
        """Everything that the next frames depend on, as JSON can hold it."""
        return {
            "max_gap_s": self.max_gap_s,
            "max_gap_frames": self.max_gap_frames,
            "min_iou": self.min_iou,
            "next_id": self._next_id,
            "updates": self._updates,
            "time": self._time,
            "index": self._index,
            "tracks": [asdict(track) for track in self._tracks],
        }

    @classmethod
    def from_state(cls, state: dict) -> "Tracker":
        """The tracker that gave this state; it continues as if it had never stopped."""
        tracker = cls(state["max_gap_s"], state["max_gap_frames"], state["min_iou"])
        tracker._next_id = state["next_id"]
        tracker._updates = state["updates"]
        tracker._time = state["time"]
        tracker._index = state["index"]
        tracker._tracks = [
            _Track(**track | {"box": tuple(track["box"]), "speed": tuple(track["speed"])}) for track in state["tracks"]
        ]
        return tracker


def _centre(area: _Area) -> tuple[float, float]:
    x, y, w, h = area
    return x + w / 2, y + h / 2


def _widened(area: _Area) -> _Area:
    """Twice as wide and as high, about the same centre."""
    x, y, w, h = area
    return x - w / 2, y - h / 2, 2 * w, 2 * h


def _iou(one: _Area, other: _Area) -> float:
    """Intersection over union, 0..1."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    shared = max(width, 0.0) * max(height, 0.0)
    return shared / (one[2] * one[3] + other[2] * other[3] - shared) if shared else 0.0
