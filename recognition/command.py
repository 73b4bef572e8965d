"""`aullava recognize`: from command line arguments to files, a table and an exit code."""

import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track

from aullava.action_units import Protocol, resolve_protocol
from aullava.media.detection import make_detector
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
    protocol: str = "disfa"
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
        0 if every input was read and everything written; else 1, and what failed is named on stderr.

    Raises:
        UsageError: an argument is wrong, or there is no input to read.
    """
    say = Console(stderr=True, soft_wrap=True, highlight=False)
    try:
        protocol = resolve_protocol(request.protocol, request.scale)
        if request.out:
            writer_for(request.out)
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
    invalid = [row for row in rows if row.reading.status == "invalid"]
    failures += [Failure(Path(row.input), f"face {row.face_id}: the model wrote no valid answer") for row in invalid]
    written = _write(rows, request, protocol, failures)
    Console().print(summary_table(rows, protocol))
    for failure in failures:
        print(f"failed: {failure}", file=sys.stderr)  # paths may hold what rich takes for markup
    print("; ".join([*_summary(inputs, rows, failures), *written]), file=sys.stderr)
    return SOME_FAILED if failures else ALL_READ


def _write(rows: list[FaceRow], request: Request, protocol: Protocol, failures: list[Failure]) -> list[str]:
    """Write what was asked for and say what that was; what cannot be written is appended to `failures`."""
    written = []
    if request.out:
        try:
            writer_for(request.out)(rows, request.out, protocol)
            written.append(f"{_count(len(rows), 'row')} in {request.out}")
        except OSError as error:
            failures.append(Failure(request.out, f"not written: {error}"))
    if request.overlay:
        pictures = sum(1 for _ in write_overlays(rows, request.overlay, protocol, failures))
        written.append(f"{_count(pictures, 'picture')} in {request.overlay}")
    return written


def _check_targets(request: Request, inputs: Inputs) -> None:
    """Wrong places to write to are found before the work and not after it."""
    if request.overlay:
        searched = [Path(path).resolve() for path in request.inputs if os.path.isdir(path)]
        beside = {file.resolve().parent for file in inputs.files}
        place = request.overlay.resolve()
        if place in beside or any(place.is_relative_to(folder) for folder in searched):
            raise UsageError(
                f"--overlay {request.overlay} lies among the inputs, where a picture could overwrite one or be read as "
                "one: name another folder"
            )
    if request.out and request.out.is_dir():
        raise UsageError(f"--out {request.out} is a folder: name a file")
    for option, folder in (("--out", request.out and request.out.parent), ("--overlay", request.overlay)):
        if folder is None:
            continue
        existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
        try:
            tempfile.TemporaryFile(dir=existing).close()
        except OSError as error:
            raise UsageError(f"{option}: cannot write to {folder}: {error}") from error


def _found(request: Request) -> Inputs:
    inputs = collect(list(request.inputs))
    if not inputs.files:
        raise UsageError("nothing to read:\n" + "\n".join(f"  {failure}" for failure in inputs.failures))
    return inputs


def _with_progress(files: Iterable[Path], console: Console) -> Iterator[Path]:
    return track(files, "reading", console=console, transient=True, disable=not console.is_terminal)


def _summary(inputs: Inputs, rows: list[FaceRow], failures: list[Failure]) -> list[str]:
    """What was read and what was not, in numbers."""
    faces = sum(row.has_face for row in rows)
    without = len(rows) - faces
    invalid = sum(row.reading.status == "invalid" for row in rows)
    read = len({row.input for row in rows})
    said = [f"read {read} of {_count(len(inputs.files), 'file')}", _count(faces, "face")]
    said += [f"{_count(without, 'picture')} without a face"] if without else []
    said += [f"{_count(invalid, 'reading')} invalid"] if invalid else []
    said += [f"{len(failures)} failed"] if failures else []
    said += [f"skipped {_count(inputs.skipped, 'file')} not named like an image"] if inputs.skipped else []
    said += [f"{_count(inputs.repeated, 'further name')} of the same files"] if inputs.repeated else []
    return said


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
