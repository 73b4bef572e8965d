"""`aullava recognize`: from command line arguments to files, a table and an exit code."""

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track

from aullava.action_units import resolve_protocol
from aullava.recognition.detection import make_detector
from aullava.recognition.inputs import Failure, Inputs, collect
from aullava.recognition.load import load_checkpoint
from aullava.recognition.outputs import summary_table, writer_for
from aullava.recognition.overlay import write_overlays
from aullava.recognition.run import FaceRow, read_faces
from aullava.release import embedded_checkpoint

ALL_READ, SOME_FAILED = 0, 1


class UsageError(ValueError):
    """What was asked for cannot be done; nothing was written."""


@dataclass(frozen=True)
class Request:
    """The arguments of `aullava recognize`; `cli.py` explains each."""

    inputs: tuple[str, ...]
    checkpoint: str | None = None
    protocol: str = "bp4d"
    scale: str | None = None
    mode: str = "joint"
    faces: str = "auto"
    batch_size: int = 32
    device: str = "auto"
    out: Path | None = None
    overlay: Path | None = None


def recognize(request: Request) -> int:
    """Read the inputs, write what was asked for, show a table.

    Returns:
        0 if every input was read, 1 if some failed; those are named on stderr and the rest is written.

    Raises:
        UsageError: an argument is wrong, or there is no input to read.
    """
    say = Console(stderr=True, soft_wrap=True, highlight=False)
    try:
        protocol = resolve_protocol(request.protocol, request.scale)
        write = writer_for(request.out) if request.out else None
        detector = make_detector(request.faces)
        inputs = _found(request)
        _check_targets(request, inputs)
        model, processor = load_checkpoint(request.checkpoint or embedded_checkpoint(), request.device)
    except (ValueError, RuntimeError, OSError) as error:
        raise UsageError(str(error)) from error

    failures = list(inputs.failures)
    found = read_faces(
        _with_progress(inputs.files, say),
        model,
        processor,
        protocol,
        mode=request.mode,
        detector=detector,
        batch_size=request.batch_size,
        failures=failures,
    )
    rows = list(found)
    if write:
        write(rows, request.out, protocol)
    pictures = sum(1 for _ in write_overlays(rows, request.overlay, protocol)) if request.overlay else 0
    Console().print(summary_table(rows, protocol))
    _report(say, request, inputs, rows, failures, pictures)
    return SOME_FAILED if failures else ALL_READ


def _check_targets(request: Request, inputs: Inputs) -> None:
    """Wrong places to write to are found before the work and not after it."""
    if request.overlay and request.overlay.resolve() in {file.resolve().parent for file in inputs.files}:
        raise UsageError(f"--overlay {request.overlay} holds inputs, which would be overwritten: name another folder")
    if request.out and request.out.is_dir():
        raise UsageError(f"--out {request.out} is a folder: name a file")
    for option, folder in (("--out", request.out and request.out.parent), ("--overlay", request.overlay)):
        if folder is None:
            continue
        existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
        if not existing.is_dir() or not os.access(existing, os.W_OK):
            raise UsageError(f"{option}: cannot write to {folder}: {existing} is no folder that may be written to")


def _found(request: Request) -> Inputs:
    inputs = collect(list(request.inputs))
    if not inputs.files:
        raise UsageError("nothing to read:\n" + "\n".join(f"  {failure}" for failure in inputs.failures))
    return inputs


def _with_progress(files: Iterable[Path], console: Console) -> Iterator[Path]:
    return track(files, "reading", console=console, transient=True, disable=not console.is_terminal)


def _report(
    say: Console, request: Request, inputs: Inputs, rows: list[FaceRow], failures: list[Failure], pictures: int
) -> None:
    """One line a failure, then what was read and written."""
    for failure in failures:
        print(f"failed: {failure}", file=sys.stderr)  # paths may hold what rich takes for markup
    faces = sum(row.has_face for row in rows)
    without = sum(not row.has_face for row in rows)
    read = len({row.input for row in rows})
    said = [f"read {read} of {_count(len(inputs.files), 'file')}", _count(faces, "face")]
    said += [f"{_count(without, 'picture')} without a face"] if without else []
    said += [f"{_count(len(failures), 'input')} failed"] if failures else []
    said += [f"skipped {_count(inputs.skipped, 'file')} not named like an image"] if inputs.skipped else []
    said += [f"{_count(len(rows), 'row')} in {request.out}"] if request.out else []
    said += [f"{_count(pictures, 'picture')} in {request.overlay}"] if request.overlay else []
    print("; ".join(said), file=sys.stderr)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
