"""`aullava recognize`: from a request to files, a table and an exit code."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from aullava.commands.recognize_flags import Request
from aullava.commands.recognize_job import Job, prepare
from aullava.commands.recognize_results import Results, counted
from aullava.common.files import printable
from aullava.recognition.frames import frame_count
from aullava.recognition.inputs import Failure, Source
from aullava.recognition.pipeline import Block
from aullava.recognition.pipeline import read_items as read_units
from aullava.recognition.processes import Shard, join, open_shared
from aullava.recognition.store import Store, fill
from aullava.recognition.work import START, Position
from aullava.recognition.work import WorkItem as Unit
from aullava.video.decode import VideoReadError

ALL_READ, SOME_FAILED = 0, 1
_MOST_NOTES = 20  # told on the terminal; the sidecar has all
_MOST_OPENED = 1000  # videos that are looked into for the progress bar


class UsageError(ValueError):
    """What was asked for cannot be done; nothing was written."""


def recognize(request: Request) -> int:
    """Read the inputs, write what was asked for, show a table.

    Returns:
        0 if every input was read and everything written; else 1, and what failed is named on stderr.

    Raises:
        UsageError: an argument is wrong, or there is no input to read.
    """
    with join() as shard:
        try:
            job = prepare(request, shard)
            stored = _open(job, shard)
        except (ValueError, RuntimeError, OSError, ImportError) as error:
            raise UsageError(str(error)) from error
        if stored is None:
            return _read_only(job)
        store, work = stored
        with store:
            if not _fill(store, work, job, shard):
                return SOME_FAILED
            try:
                shard.wait()
            except RuntimeError:  # gloo's word for a process that is gone
                print(
                    "aullava recognize: another process stopped; the same command with --resume goes on",
                    file=sys.stderr,
                )
                return SOME_FAILED
            if not shard.is_first:
                return ALL_READ
            results = Results(job, [*job.inputs.failures, *store.failures()])
            try:
                results.write(store.rows)
            except KeyboardInterrupt:
                print(
                    "aullava recognize: stopped; all is read, the same command with --resume writes the rest",
                    file=sys.stderr,
                )
                return SOME_FAILED
            if not results.kept:
                store.delete()
    return _tell(results)


def _open(job: Job, shard: Shard):
    """The store and this process's part of the work; None where nothing is written and so nothing kept."""
    if job.place is None:
        if shard.world > 1:
            raise ValueError(
                f"{shard.world} processes and nothing to write: give --out, from which they share the work"
            )
        return None
    is_there = job.place.exists()
    shard.wait()  # none makes the folder before all have looked
    if is_there and not job.request.resume:
        raise ValueError(
            f"{job.place} holds what an interrupted run has read, or one that is under way: add --resume to go on with it, "
            "or, if no run is under way, delete that folder"
        )
    return open_shared(shard, job.place, job.units, job.options, job.request.resume)


def _fill(store: Store, work: list, job: Job, shard: Shard) -> bool:
    """Read into the store; whether all of it is there."""
    try:
        done = store.count() if shard.world == 1 else (0, 0)  # of several processes one shows its own share
        with _bar(job, work, shard.is_first, *done) as on_block:
            fill(store, work, job.settings, on_block)
    except KeyboardInterrupt:
        if not store.is_complete:  # else only a webcam was stopped
            print("aullava recognize: stopped; the same command with --resume goes on from here", file=sys.stderr)
            return False
    except (OSError, FloatingPointError) as error:
        print(
            f"aullava recognize: stopped: {error}; the same command with --resume goes on from here", file=sys.stderr
        )
        return False
    return True


def _read_only(job: Job) -> int:
    """Read for the terminal alone."""
    results, failures = Results(job, job.inputs.failures), []

    def rows() -> Iterator:
        work = [(unit, START) for unit in job.units]
        with _bar(job, work, True) as on_block:
            for block in read_units(work, job.settings):
                failures.extend(block.failures)
                on_block(block)
                yield from block.rows

    try:
        for _ in results.count(rows()):
            pass
    except KeyboardInterrupt:
        failures.append(Failure("aullava recognize", "stopped before all was read"))
    except (OSError, FloatingPointError) as error:
        failures.append(Failure("aullava recognize", f"stopped: {error}"))
    results.failures += failures
    results.tell_bad_frames()
    return _tell(results)


@contextmanager
def _bar(job: Job, work: list, shown: bool, frames: int = 0, faces: int = 0) -> Iterator[Callable[[Block], None]]:
    """A progress bar in frames on a terminal, with faces a second and the time left; gives what is to be called for each block."""
    console = Console(stderr=True)
    shown = shown and console.is_terminal
    columns = (TextColumn("reading"), BarColumn(), MofNCompleteColumn(), TextColumn("frames, {task.fields[faces]}"))
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=not shown) as progress:
        left = _frames_left(job, work) if shown else None
        total = None if left is None else frames + left
        task = progress.add_task("reading", total=total, completed=frames, faces="")
        began, found = time.monotonic(), 0

        def on_block(block: Block) -> None:
            nonlocal found
            found += block.faces
            rate = found / max(time.monotonic() - began, 1e-9)
            progress.update(task, advance=block.frames, faces=f"{faces + found} faces, {rate:.1f} a second,")

        yield on_block


def _frames_left(job: Job, work: list[tuple[Unit, Position]]) -> int | None:
    """How many frames are still to be read, as far as the files tell; None if one does not."""
    if sum(unit.kind != "image" for unit, _ in work) > _MOST_OPENED:
        return None
    counts = [_frames_in(source, job) for unit, start in work for source in unit.sources[start.source :]]
    if None in counts:
        return None
    return max(0, sum(counts) - sum(start.frame // job.settings.every for _, start in work))


def _frames_in(source: Source, job: Job) -> int | None:
    try:
        return frame_count(source, every=job.settings.every, fps=job.settings.fps)
    except (OSError, VideoReadError, ImportError):
        return 0  # it will be a failure of the run


def _tell(results: Results) -> int:
    """Show a table, name what failed, and say what was read and written."""
    with suppress(
        SystemExit
    ):  # rich's answer to a reader that closed the pipe, as `| head` does: the rest is told on stderr
        Console().print(results.table())
    for note in (results.job.transform.notes if results.job.transform else [])[:_MOST_NOTES]:
        print(f"note: {printable(note)}", file=sys.stderr)
    for failure in results.failures:
        print(f"failed: {failure}", file=sys.stderr)  # paths may hold what rich takes for markup
    print("; ".join([*_said(results), *results.written]), file=sys.stderr)
    if results.kept:
        place = results.job.place
        print(f"what was read is kept in {place}: the same command with --resume writes it", file=sys.stderr)
    return SOME_FAILED if results.failures else ALL_READ


def _said(results: Results) -> list[str]:
    """What was read and what was not, in numbers."""
    inputs, total = results.job.inputs, results.summary.total
    said = [f"read {total.inputs} of {counted(len(inputs.sources), 'input')}"]
    said += [counted(total.frames, "frame")] if total.frames > total.inputs else []
    said += [counted(total.faces, "face")]
    said += [f"{counted(total.without_face, 'frame')} without a face"] if total.without_face else []
    said += [f"{counted(total.unreadable, 'frame')} not decoded"] if total.unreadable else []
    said += [f"{counted(total.invalid, 'reading')} invalid"] if total.invalid else []
    said += [f"{len(results.failures)} failed"] if results.failures else []
    said += [f"skipped {counted(inputs.skipped, 'file')} not asked for"] if inputs.skipped else []
    said += [f"{counted(inputs.repeated, 'further name')} of the same inputs"] if inputs.repeated else []
    return said
