"""What was read so far, on disk beside the output: an interrupted run resumes from it, and tables are made of it.

    .readings.csv.part/
        run.json        what was asked for, and the inputs with size and time: a run that differs is refused
        lock            held while a process reads
        000012.jsonl    rows of work item 12, a JSON object a line
        000012.json     how far work item 12 was read: bytes of valid rows, position after them, failures

Conventions
    order       rows are on disk before the file that counts them, which is replaced whole. Bytes after the count were left by
                a run that was killed; the next rows overwrite them.
    numbers     as Python writes them, which loses nothing: a row comes back equal to the one that went in.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from aullava.common.files import printable, replace_file
from aullava.recognition.inputs import Failure
from aullava.recognition.pipeline import Block, ReadSettings, read_items
from aullava.recognition.rows import FaceRow
from aullava.recognition.work import Position, WorkItem

_FORMAT = 2  # of the files
_SAVE_EVERY_S = 1.0  # a kill loses at most this much work; saving after every block would slow down fast devices
_NAME_BYTES = 240


def working_folder(out: Path) -> Path:
    """Where a run keeps what it reads while it writes `out`: a hidden folder beside it."""
    name = out.name
    if len(os.fsencode(name)) > _NAME_BYTES:  # file systems take 255
        name = hashlib.sha256(os.fsencode(name)).hexdigest()
    return out.parent / f".{name}.part"


@dataclass
class _Progress:
    """How far a work item was read. `bytes`: of its rows; `frames`, `faces`: how many are in them."""

    bytes: int = 0
    frames: int = 0
    faces: int = 0
    position: Position = Position()
    failures: list[Failure] = field(default_factory=list)
    done: bool = False


class Store:
    """Rows and progress of one run. `Store.open` makes a store; `Store.attach` uses one that another process has opened.

    Args:
        folder: where it is kept.
        items: all work items of the run.
    """

    def __init__(self, folder: Path, items: Sequence[WorkItem]):
        self.folder = folder
        self.items = items
        self._lock = FileLock(self.folder / "lock", blocking=False, thread_local=False)
        self._item: int | None = None  # the one that is being written
        self._progress = _Progress()
        self._lines: list[bytes] = []  # rows that are not yet on disk
        self._saved = 0.0

    @classmethod
    def open(cls, folder: Path, items: Sequence[WorkItem], options: Mapping, resume: bool = False) -> "Store":
        """Begin or resume the run that is kept in `folder`.

        Args:
            folder: made if it is missing.
            items: as `work_items` gives them.
            options: whatever changes the rows, including the checkpoint's id; JSON.
            resume: continue what is there. Default: delete it.

        Raises:
            ValueError: another process is using it; or what is there comes from other options or inputs, which are named.
            OSError: the folder cannot be written.
        """
        store = cls(folder, items)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            store._lock.acquire()
        except Timeout as error:
            raise ValueError(
                f"{folder} is in use: another run writes the same output. Wait for it, or name another output"
            ) from error
        try:
            asked = _identity(items, options)
            run = folder / "run.json"
            if resume and run.exists():
                _check_same(json.loads(run.read_text()), asked, folder)
            else:
                for path in folder.iterdir():
                    if path.name != "lock":
                        path.unlink()
                _write_json(run, asked)
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def attach(cls, folder: Path, items: Sequence[WorkItem]) -> "Store":
        """The run that another process has opened, to write work items that no other process writes.

        Raises:
            FileNotFoundError: there is no such run.
        """
        if not (folder / "run.json").exists():
            raise FileNotFoundError(f"{folder} is not there: all processes of a run need the same disk")
        return cls(folder, items)

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def pending(self) -> list[tuple[WorkItem, Position]]:
        """Work items that are not done, and where to continue in each. A webcam that was stopped is done: it cannot go back."""
        found = []
        for item in self.items:
            progress = self._read_progress(item)
            if not progress.done and not (item.kind == "webcam" and progress.frames):
                found.append((item, progress.position))
        return found

    @property
    def is_complete(self) -> bool:
        return not self.pending()

    def count(self) -> tuple[int, int]:
        """How many frames and faces have been read."""
        progress = [self._read_progress(item) for item in self.items]
        return sum(p.frames for p in progress), sum(p.faces for p in progress)

    def add(self, block: Block) -> None:
        """Keep what was read. It is saved at the end of a work item and, before that, once a second.

        Raises:
            OSError: it cannot be written; what was saved before is kept.
        """
        if self._item != block.item.number:
            self.save()
            self._item, self._progress = block.item.number, self._read_progress(block.item)
        before, lines = self._progress, self._lines + [row.to_line() for row in block.rows]
        progress = _Progress(
            before.bytes,
            before.frames + block.frames,
            before.faces + block.faces,
            block.after,
            [*before.failures, *block.failures],
            block.done,
        )
        self._progress, self._lines = progress, lines  # in one statement: Ctrl-C finds a whole block or nothing of it
        if block.done or time.monotonic() - self._saved > _SAVE_EVERY_S:
            self.save()

    def save(self) -> None:
        """Write what was added to disk.

        Raises:
            OSError: it cannot be written; what was saved before is kept.
        """
        if self._item is None:
            return
        rows, state = self._files(self._item)
        try:
            # Bytes after the count are those of a killed run.
            with open(rows, "r+b" if rows.exists() else "wb") as file:
                file.truncate(self._progress.bytes)
                file.seek(self._progress.bytes)
                file.write(data := b"".join(self._lines))
                file.flush()
                os.fsync(file.fileno())
            written = asdict(self._progress) | {"bytes": self._progress.bytes + len(data)}
            written["failures"] = [[str(failure.path), failure.reason] for failure in self._progress.failures]
            _write_json(state, written)
        except OSError as error:
            reason = (
                f"{error.strerror or error}: what was read before is kept there, and a resumed run continues from it"
            )
            raise OSError(error.errno, reason, str(self.folder)) from error
        self._progress.bytes += len(data)
        self._lines = []
        self._saved = time.monotonic()

    def rows(self) -> Iterator[FaceRow]:
        """All rows that were saved, in the order of the inputs, one in memory at a time."""
        for item in self.items:
            left = self._read_progress(item).bytes
            if not left:
                continue
            with open(self._files(item.number)[0], "rb") as file:
                while left > 0:
                    line = file.readline()
                    left -= len(line)
                    yield FaceRow.from_line(line)

    def failures(self) -> Iterator[Failure]:
        """All failures that were saved, in the order of the inputs."""
        for item in self.items:
            yield from self._read_progress(item).failures

    def close(self) -> None:
        """Release the lock. What was read stays on disk."""
        self._lock.release()

    def delete(self) -> None:
        """Delete the store, with all that was read."""
        self.close()
        shutil.rmtree(self.folder)

    def _files(self, number: int) -> tuple[Path, Path]:
        """Rows and progress of a work item."""
        return self.folder / f"{number:06}.jsonl", self.folder / f"{number:06}.json"

    def _read_progress(self, item: WorkItem) -> _Progress:
        try:
            found = json.loads(self._files(item.number)[1].read_text())
        except FileNotFoundError:
            return _Progress()
        found["position"] = Position(**found["position"])
        found["failures"] = [Failure(Path(path), reason) for path, reason in found["failures"]]
        return _Progress(**found)


def _identity(items: Sequence[WorkItem], options: Mapping) -> dict:
    """What two runs must share for one to resume the other, as JSON gives it back."""
    inputs = []
    for source in (source for item in items for source in item.sources):
        size = changed = None
        if source.kind != "webcam":
            with suppress(OSError):  # reading it will be a failure of the run
                size, changed = (stat := os.stat(source.path)).st_size, stat.st_mtime_ns
        inputs.append([source.name, source.kind, size, changed])
    return json.loads(json.dumps({"format": _FORMAT, "options": dict(options), "inputs": inputs}))


def _check_same(kept: dict, asked: dict, folder: Path) -> None:
    """Raise ValueError and name what differs."""
    before, now = ({"format": run["format"], **run["options"]} for run in (kept, asked))
    differ = [f"{n} was {before.get(n)!r}, is {now.get(n)!r}" for n in before | now if before.get(n) != now.get(n)]
    if kept["inputs"] != asked["inputs"]:
        old, new = ({tuple(entry) for entry in run["inputs"]} for run in (kept, asked))
        names = sorted({entry[0] for entry in old ^ new}) or ["their order"]
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        differ.append(f"the inputs differ or have changed: {printable(names[0])}{more}")
    if differ:
        raise ValueError(
            f"the run that was interrupted in {folder} was another one: {'; '.join(differ)}. Ask for the same, or delete "
            "that folder to begin anew"
        )


def _write_json(path: Path, content: dict) -> None:
    replace_file(path, lambda temporary: temporary.write_text(json.dumps(content)), durable=True)


def fill(
    store: Store,
    work: Sequence[tuple[WorkItem, Position]],
    settings: ReadSettings,
    on_block: Callable[[Block], None] | None = None,
) -> None:
    """Read work items into a store.

    Args:
        store: keeps what is read.
        work: those of `store.pending()` that this process reads.
        settings: how.
        on_block: called with every block that was kept, for a progress bar.

    Raises:
        KeyboardInterrupt: Ctrl-C, after all that was read has been saved. A webcam ends this way: `store.is_complete` says
            whether anything is left to be read.
        OSError: the store cannot be written.
    """
    try:
        with closing(read_items(work, settings)) as blocks:
            for block in blocks:
                store.add(block)
                if on_block is not None:
                    on_block(block)
    except KeyboardInterrupt:
        store.save()
        raise
