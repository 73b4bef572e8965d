"""Work items in, rows out: frames are decoded, their faces found and numbered, and read a block at a time.

Conventions
    block       whole consecutive frames of one work item with up to `batch_size` faces, or one frame with more. A frame
                without a face keeps its place among the others.
    order       blocks, rows and failures come in the order of work items, inputs, frames and faces.
    bad input   an input that cannot be read gives a `Failure`, and a frame that cannot be decoded a row with a fault; the
                rest is read. An error of the model is neither, and ends the run.
    equality    a block depends on the frames from its first one on, and on nothing before them. A run that is resumed
                where a block ended gives the same blocks, and each batch holds the same faces.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby, islice

from aullava.action_units import Protocol
from aullava.detection.detector import Detector
from aullava.detection.tracking import Tracker
from aullava.recognition.frames import Frame
from aullava.recognition.inputs import Failure
from aullava.recognition.prefetch import Choice, Step, steps_ahead
from aullava.recognition.rows import Face, FaceRow, number_faces, rows_of
from aullava.recognition.work import Position, WorkItem

_BLOCK_BYTES = 512 * 2**20  # of crops; thirty faces that fill an image of 2160 lines
_FRAMES_A_FACE = 4  # most frames of a block for each face that it may hold: long videos without faces must not pile up


@dataclass(frozen=True)
class ReadSettings:
    """How inputs are read.

    model, processor: a loaded checkpoint.
    protocols: units and scales, each with a name of its own.
    detector: finds and crops the faces.
    mode: "joint", "parallel" or "generate", as for `model.recognize`.
    batch_size: faces the model reads at a time, 1 or more.
    every, fps: which frames of videos and webcams are read, as for `read_frames`.
    workers: threads that find faces; None for half of the cores, at most 4.

    Raises:
        ValueError: a number is out of range, there is no protocol, or two have the same name.
    """

    model: object
    processor: object
    protocols: tuple[Protocol, ...]
    detector: Detector
    mode: str = "joint"
    batch_size: int = 32
    every: int = 1
    fps: float | None = None
    workers: int | None = None

    def __post_init__(self):
        for name in ("batch_size", "every", "workers"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ValueError(f"{name} is {value}: expected 1 or more")
        names = [protocol.name for protocol in self.protocols]
        if not names or len(set(names)) < len(names):
            raise ValueError(
                f"protocols are {', '.join(names) or 'none'}: expected at least one, each of another name"
            )


@dataclass(frozen=True)
class Block:
    """What was read together.

    rows: those of its frames.
    failures: of inputs met between its first frame and its last; in the last block of a work item, also after that.
    frames, faces: how many it holds.
    after: where reading continues.
    done: whether this is the last block of the work item; it may be empty.
    """

    item: WorkItem
    rows: tuple[FaceRow, ...]
    failures: tuple[Failure, ...]
    frames: int
    faces: int
    after: Position
    done: bool


def read_items(work: Sequence[tuple[WorkItem, Position]], settings: ReadSettings) -> Iterator[Block]:
    """Read work items one after the other, while the frames of the next blocks are prepared.

    Only a few blocks are in memory, however long the inputs are. Closing the generator stops its threads.

    Args:
        work: work items, and where to begin in each.
        settings: how.

    Yields:
        The blocks of each item; the last one of each is `done`.
    """
    starts = {item.number: position for item, position in work}
    choice = Choice(settings.detector, settings.every, settings.fps)
    with closing(steps_ahead(work, choice, 2 * settings.batch_size, settings.workers)) as steps:
        for item, steps_of_item in groupby(steps, key=lambda step: step.item):
            # A camera shows nothing twice. Each face is read at once, so that Ctrl-C loses none that was seen.
            together = 1 if item.kind == "webcam" else settings.batch_size
            for draft in _drafts(steps_of_item, starts[item.number], together):
                yield _read(item, draft, settings)


@dataclass
class _Draft:
    """A block before it is read."""

    after: Position
    frames: list[tuple[Frame, list[Face]]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    faces: int = 0
    size: int = 0
    done: bool = False

    def has_room(self, step: Step, batch_size: int) -> bool:
        """Whether a step may join. The first one always may, and so may the end of the work item."""
        few = self.faces + len(step.found) <= batch_size and len(self.frames) < _FRAMES_A_FACE * batch_size
        return not self.frames or step.is_end or (few and self.size + step.size <= _BLOCK_BYTES)

    def add(self, step: Step, tracker: Tracker | None) -> None:
        """Take in a step. The frames of a video come in order."""
        self.size += step.size
        self.faces += len(step.found)
        if step.is_end:
            self.done = True
            return
        self.after = Position(step.source + 1)
        if step.failure is not None:
            self.failures.append(step.failure)
        else:
            # A damaged frame was not searched, so the tracker must not count its faces as missing.
            faces = [] if step.frame.fault else number_faces(step.frame, step.found, tracker)
            self.frames.append((step.frame, faces))
            if tracker is not None:
                self.after = Position(step.source, step.frame.index + 1, tracker.state())


def _drafts(steps: Iterator[Step], start: Position, batch_size: int) -> Iterator[_Draft]:
    """The steps of one work item as blocks, each yielded as soon as it is full."""
    draft, tracker = _Draft(start), None
    for step in steps:
        if tracker is None and step.item.kind != "image":
            tracker = Tracker.from_state(start.tracker) if start.tracker else Tracker()
        if not draft.has_room(step, batch_size):
            yield draft
            draft = _Draft(draft.after)
        draft.add(step, tracker)
        if draft.faces >= batch_size:
            yield draft
            draft = _Draft(draft.after)
    yield draft


def _read(item: WorkItem, draft: _Draft, settings: ReadSettings) -> Block:
    crops = [face.crop for _, faces in draft.frames for face in faces]
    options = {"mode": settings.mode, "batch_size": settings.batch_size}
    found = iter(
        settings.model.recognize_many(crops, settings.processor, settings.protocols, **options) if crops else ()
    )
    rows: list[FaceRow] = []
    for frame, faces in draft.frames:
        rows += rows_of(frame, faces, list(islice(found, len(faces))), settings.protocols)
    frames, failures = len(draft.frames), tuple(draft.failures)
    return Block(item, tuple(rows), failures, frames, draft.faces, draft.after, draft.done)
