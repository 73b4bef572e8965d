"""`aullava recognize` before anything is read and after everything is: `prepare` checks what was asked for, `Results` writes it.

Whatever can be known to fail fails in `prepare`, so that nobody waits for hours and is then told that a folder cannot be written.
"""

import math
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import pandas as pd
from rich.table import Table

from aullava.action_units import FEAFA_UNITS, OCCURRENCE, PROTOCOLS, Protocol, resolve_protocol
from aullava.analysis.activity import activity_table, pairs_path
from aullava.analysis.baseline import neutral_from
from aullava.analysis.blendshapes import NOT_READ
from aullava.analysis.outputs import SeriesOutputs
from aullava.analysis.smoothing import Smoothing
from aullava.analysis.transform import Transform
from aullava.checkpoint.identity import CheckpointIdentity, identify
from aullava.checkpoint.layout import embedded_checkpoint
from aullava.checkpoint.load import load_checkpoint
from aullava.common.files import FileNames
from aullava.detection.detector import Detector
from aullava.detection.framing import AskedFraming, Framing, make_detector
from aullava.recognition.inputs import Failure, Inputs, collect
from aullava.recognition.overlay import write_overlays
from aullava.recognition.pipeline import ReadSettings
from aullava.recognition.processes import Shard
from aullava.recognition.rows import FaceRow
from aullava.recognition.served import ServedModel
from aullava.recognition.sidecar import Circumstances, sidecar_path, write_sidecar
from aullava.recognition.store import working_folder
from aullava.recognition.summary import Summary
from aullava.recognition.tables import Layout
from aullava.recognition.work import WorkItem, work_items
from aullava.recognition.writers import Target, write_table

Rows = Callable[[], Iterable[FaceRow]]  # all rows from the first one on; may be called again

# Options that change no row: two runs that differ in them may go on with each other's work.
_AFTERWARDS = (
    "out",
    "format",
    "intensities",
    "resume",
    "overlay",
    "smooth",
    "baseline",
    "summary",
    "blendshapes",
    "plot",
)


@dataclass(frozen=True)
class RecognizeRequest:
    """What `aullava recognize` is asked to do; the flags of commands/recognize.py explain each field."""

    inputs: tuple[str, ...]
    pattern: tuple[str, ...] = ()
    every: int | None = None
    fps: float | None = None
    faces: str = "auto"
    largest: bool = False
    min_confidence: float = 0.0
    min_face: float | None = None
    margin: float | None = None
    framing: str | None = None
    checkpoint: str | None = None
    server: str | None = None
    protocol: tuple[str, ...] = ("disfa",)
    scale: str | None = None
    mode: str | None = None
    batch_size: int = 32
    device: str = "auto"
    out: str | None = None
    format: str | None = None
    intensities: str = "level"
    resume: bool = False
    smooth: str | None = None
    baseline: str | None = None
    summary: Path | None = None
    blendshapes: Path | None = None
    plot: Path | None = None
    overlay: Path | None = None


@dataclass(frozen=True)
class Job:
    """All that a run needs. `target`: None without --out. `transform`: None where values are written as they were read.
    `framing`: how faces are framed here, `trained_framing`: as the checkpoint says."""

    request: RecognizeRequest
    inputs: Inputs
    layout: Layout
    settings: ReadSettings
    framing: Framing
    trained_framing: Framing
    identity: CheckpointIdentity
    device: str
    target: Target | None
    transform: Transform | None
    started: datetime

    @cached_property
    def items(self) -> list[WorkItem]:
        return work_items(self.inputs.sources, self.request.batch_size)

    @property
    def names(self) -> FileNames:
        """Of the files that are written for each input."""
        return FileNames(source.name for source in self.inputs.sources)

    @property
    def place(self) -> Path | None:
        """Where rows are kept until the outputs are written: beside the first output. None without any."""
        asked, target = self.request, self.target
        # Of a folder inside it: the one above may be nobody's to write to, or another disk.
        inside = [folder / folder.name for folder in (asked.plot, asked.overlay) if folder]
        out = target and (target.path / target.path.absolute().name if target.one_an_input else target.path)
        outputs = (out, asked.summary, asked.blendshapes, *inside)
        return next((working_folder(path.absolute()) for path in outputs if path), None)

    @property
    def options(self) -> dict:
        """What changes rows, for the store."""
        given = {
            name: value
            for name, value in asdict(self.request).items()
            if name not in (*_AFTERWARDS, "inputs", "pattern")
        }
        kind = self.device.partition(":")[0]  # which of several GPUs changes nothing
        return given | {
            "mode": self.settings.mode,
            "device": kind,
            # Behind a server no file can be read: its name has to do.
            "checkpoint": self.identity.fingerprint if self.identity.id else self.identity.given,
            "framing": str(self.framing),
        }


def prepare(request: RecognizeRequest, shard: Shard) -> Job:
    """Check a request and load what it needs.

    Raises:
        ValueError, OSError, RuntimeError, ImportError: something cannot be done; nothing was written.
    """
    started = datetime.now(UTC)
    protocols = _protocols(request)
    _check_flags(request, protocols)
    layout = Layout(protocols, request.intensities)
    target = Target.parse(request.out, request.format) if request.out is not None else None
    if target and (request.smooth or request.baseline):
        target.check_transform()
    asked = AskedFraming(request.faces, request.margin, request.largest, request.framing)
    _detector(asked.over(None), request)  # whatever is wrong with it is said before a checkpoint is loaded
    inputs = collect(request.inputs, request.pattern)
    if not inputs.sources:
        raise ValueError("nothing to read:\n" + "\n".join(f"  {failure}" for failure in inputs.failures))
    _check_places(request, target, inputs)
    model, processor, identity = _load(request, shard.device(request.device))
    trained_framing = Framing(**model.config.framing)
    framing = asked.over(trained_framing)
    detector = _detector(framing, request)
    device = str(getattr(model, "device", "server"))
    settings = ReadSettings(
        model, processor, protocols, detector, _mode(request), request.batch_size, request.every or 1, request.fps
    )
    transform = None
    if request.smooth or request.baseline:
        smoothing = Smoothing.parse(request.smooth) if request.smooth else None
        transform = Transform(smoothing, request.baseline and neutral_from(request.baseline, settings, layout))
    return Job(
        request, inputs, layout, settings, framing, trained_framing, identity, device, target, transform, started
    )


def _protocols(request: RecognizeRequest) -> tuple[Protocol, ...]:
    """The protocols asked for. `--scale` is that of lists of units; a named protocol has its own. Further lists of units are
    custom_2, custom_3, ..."""
    asked = request.protocol
    found = [resolve_protocol(n, None if n in PROTOCOLS and len(asked) > 1 else request.scale) for n in asked]
    lists = [place for place, name in enumerate(asked) if name not in PROTOCOLS]
    for number, place in enumerate(lists[1:], start=2):
        found[place] = replace(found[place], name=f"{found[place].name}_{number}")
    return tuple(found)


def _mode(request: RecognizeRequest) -> str:
    return request.mode or ("generate" if request.server else "joint")


def _check_flags(request: RecognizeRequest, protocols: tuple[Protocol, ...]) -> None:
    outputs = (request.out, request.summary, request.blendshapes, request.plot, request.overlay)
    if request.every and request.fps:
        raise ValueError(f"--every {request.every} and --fps {request.fps:g}: give one of them")
    if request.fps is not None and not 0 < request.fps < math.inf:
        raise ValueError(f"--fps {request.fps:g}: expected a number above 0")
    if request.resume and not any(outputs):
        raise ValueError("--resume: a run that writes nothing keeps nothing; give --out")
    if request.format and not request.out:
        raise ValueError(f"--format {request.format} without --out: name a folder to write to")
    if request.server and not request.checkpoint:
        raise ValueError("--server: give --checkpoint, the name by which the server knows the model")
    if request.server and _mode(request) != "generate":
        raise ValueError(f"--server answers as text: expected --mode generate, not {request.mode}")
    if request.intensities == "expected" and _mode(request) == "generate":
        raise ValueError("--intensities expected: mode generate gives no probabilities, so no expected level")
    if request.blendshapes and not any(set(protocol.units) & set(FEAFA_UNITS) for protocol in protocols):
        raise ValueError("--blendshapes are made from FEAFA's values: add --protocol feafa")
    if request.plot:
        import aullava.analysis.plots  # noqa: F401 (says what to install where its libraries are missing)
    graded = any(protocol.scale != OCCURRENCE for protocol in protocols)
    changed = [f"--{name}" for name in ("smooth", "baseline") if getattr(request, name)]
    if changed and not (request.out or request.summary or request.blendshapes or request.plot):
        raise ValueError(f"{' and '.join(changed)}: changes nothing, as nothing is written; give --out")
    if request.baseline and not graded:
        raise ValueError("--baseline: there is none for occurrences; read intensities or continuous values")
    if request.smooth:
        Smoothing.parse(request.smooth).check(protocol.scale for protocol in protocols)


def _detector(framing: Framing, request: RecognizeRequest) -> Detector:
    return make_detector(framing, min_confidence=request.min_confidence, min_face=request.min_face)


def _check_places(request: RecognizeRequest, target: Target | None, inputs: Inputs) -> None:
    """Find a place that cannot be written to before the work, not after it."""
    read = {file.resolve() for file in inputs.files}
    given = {Path(name).resolve() for name in (*request.inputs, request.baseline) if name}
    folders = {"--overlay": request.overlay, "--plot": request.plot}
    files = {"--summary": request.summary, "--blendshapes": request.blendshapes}
    if request.summary:
        files["the pairs of --summary"] = pairs_path(request.summary)
    if target:
        (folders if target.one_an_input else files)["--out"] = target.path
        files["the metadata of --out"] = sidecar_path(target)
    tables = set()  # the files that --out FOLDER writes
    if target and target.one_an_input:
        names = FileNames(source.name for source in inputs.sources)
        stems = [names.stem(source.name) for source in inputs.sources]
        tables = {target.path.resolve() / f"{stem}.{target.format}" for stem in stems}
    places = {flag: path for flag, path in (folders | files).items() if path}
    for flag, path in places.items():
        if flag in files and path.is_dir():
            raise ValueError(f"{flag} {path} is a folder: name a file")
        if flag in files and path.resolve() in tables:
            raise ValueError(f"{flag} {path} is the table of an input in --out {target.path}: name another file")
        if flag in files and path.resolve() in read | given:
            raise ValueError(f"{flag} {path} is an input of this run: name another file")
        if other := next((f for f, p in places.items() if f != flag and p.resolve() == path.resolve()), None):
            raise ValueError(f"{flag} and {other} name the same place, {path}")
        _check_writable(flag, path if flag in folders else path.parent)
    if request.overlay and any(source.kind == "webcam" for source in inputs.sources):
        raise ValueError(
            "--overlay: a webcam's frames are gone by the time overlays are drawn; record a video and read that"
        )
    if request.overlay:
        _check_apart("--overlay", request.overlay, request, {file.parent for file in read})
    if request.plot:
        _check_apart("--plot", request.plot, request, set())


def _check_apart(flag: str, place: Path, request: RecognizeRequest, beside: set[Path]) -> None:
    """Outputs must not be written where inputs are searched for, nor into the folders `beside`."""
    searched = [Path(path).resolve() for path in request.inputs if os.path.isdir(path)]
    if place.resolve() in beside or any(place.resolve().is_relative_to(folder) for folder in searched):
        raise ValueError(
            f"{flag} {place} lies among the inputs, where an output could overwrite an input or be read as "
            "one: name another folder"
        )


def _check_writable(flag: str, folder: Path) -> None:
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    try:
        tempfile.TemporaryFile(dir=existing).close()
    except OSError as error:
        raise OSError(f"{flag}: cannot write to {folder}: {error.strerror or error}") from error


def _load(request: RecognizeRequest, device: str):
    checkpoint = request.checkpoint or embedded_checkpoint()
    if request.server:
        model = ServedModel(request.server, checkpoint, request.batch_size)
        return model, None, CheckpointIdentity(f"{checkpoint} at {request.server}", None, None, None, {}, "served")
    model, processor = load_checkpoint(checkpoint, device)
    return model, processor, identify(checkpoint, model)


class Results:
    """Writes what was asked for, one output after the other; what cannot be written is a failure and ends none of the others.

    Attributes:
        summary: counts of the rows, once the table was written or `count` was called.
        failures: inputs, readings and outputs, in this order as they are met.
        written: what was written, in words.
        kept: whether rows have to be kept, because the table, series or metadata could not be written.
    """

    def __init__(self, job: Job, failures: Iterable[Failure]):
        self.job, self.failures = job, list(failures)
        self.summary = Summary(job.layout)
        self.written: list[str] = []
        self.kept = False
        self._invalid: Counter[str] = Counter()
        self._activity: list[pd.DataFrame] = []

    def count(self, rows: Iterable[FaceRow]) -> Iterator[FaceRow]:
        """The same rows, counted as they pass."""
        for row in self.summary.watch(rows):
            if row.status == "invalid":
                self._invalid[row.input] += 1
            yield row

    def write(self, rows: Rows) -> None:
        """All outputs of the request."""
        asked = self.job.request
        tabled = bool(self.job.target) and self._write(self._write_table, rows)
        if not self.job.target:
            for _ in self.count(rows()):
                pass
        self.tell_bad_frames()
        if asked.summary or asked.blendshapes or asked.plot or self.summary.films:
            films = {name for name, _ in self.summary.films}
            outputs = asked.summary, asked.blendshapes, asked.plot
            series = SeriesOutputs(self.job.layout, self.job.transform, films, self.job.names.stem, *outputs)
            self._write(lambda: series.write(rows()))
            self.written += series.written
            self._activity = series.activity
        if asked.overlay:
            kinds = {source.name: source.kind for source in self.job.inputs.sources}
            pictures = write_overlays(rows, asked.overlay, self.job.layout.protocols, self.failures, kinds)
            self.written.append(f"{counted(sum(1 for _ in pictures), 'overlay')} in {asked.overlay}")
        if tabled:
            self._write(self._write_sidecar)

    def table(self) -> Table:
        """What to show on the terminal: activity over time where there are videos, else the first rows."""
        return activity_table(pd.concat(self._activity)) if self._activity else self.summary.table()

    def tell_bad_frames(self) -> None:
        """Frames that were not decoded and answers that are none become failures, one an input."""
        for name, counts in self.summary.films:
            if counts.unreadable:
                reason = f"{counts.unreadable} of {counts.frames} frames could not be decoded; their rows are empty"
                self.failures.append(Failure(Path(name), reason))
        for name, number in self._invalid.items():
            reason = f"the model wrote no valid answer for {counted(number, 'face')}"
            self.failures.append(Failure(Path(name), reason))

    def said(self) -> list[str]:
        """What was read and what was not, in numbers."""
        inputs, total = self.job.inputs, self.summary.total
        said = [f"read {total.inputs} of {counted(len(inputs.sources), 'input')}"]
        said += [counted(total.frames, "frame")] if total.frames > total.inputs else []
        said += [counted(total.faces, "face")]
        said += [f"{counted(total.without_face, 'frame')} without a face"] if total.without_face else []
        said += [f"{counted(total.unreadable, 'frame')} not decoded"] if total.unreadable else []
        said += [f"{counted(total.invalid, 'reading')} invalid"] if total.invalid else []
        said += [f"{len(self.failures)} failed"] if self.failures else []
        said += [f"skipped {counted(inputs.skipped, 'file')} not asked for"] if inputs.skipped else []
        said += [f"{counted(inputs.repeated, 'further name')} of the same inputs"] if inputs.repeated else []
        return said

    def _write(self, write: Callable, *arguments) -> bool:
        """Whether it could be written."""
        try:
            write(*arguments)
        except OSError as error:
            self.kept = True
            # Of a failed renaming the second name is the one that was asked for.
            path = error.filename2 or error.filename or self.job.place.parent
            self.failures.append(Failure(Path(path), f"not written: {error.strerror or error}"))
            return False
        return True

    def _write_table(self, rows: Rows) -> None:
        target, job = self.job.target, self.job
        try:
            files = write_table(self.count(rows()), target, job.layout, job.transform, job.names)
        except OSError:
            self.summary = Summary(job.layout)  # it may have counted half of the rows
            self._invalid.clear()
            for _ in self.count(rows()):
                pass
            raise
        where = target.path if target.one_an_input else files[0]
        self.written.append(f"{counted(self.summary.rows, 'row')} in {where}")

    def _write_sidecar(self) -> None:
        job = self.job
        asked = vars(job.request).items()
        options = {name: value for name, value in asked if value not in (None, ()) and value is not False}
        run = Circumstances(
            options,
            job.identity,
            job.layout,
            job.settings.mode,
            job.framing,
            job.trained_framing,
            job.device,
            job.started,
        )
        notes = list(job.transform.notes) if job.transform else []
        if job.request.blendshapes:
            notes.append(f"blendshapes that are not read, and have no column: {', '.join(NOT_READ)}")
        write_sidecar(sidecar_path(job.target), run, self.summary, self.failures, notes)


def counted(number: int, noun: str) -> str:
    """ "1 row", "2 rows"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
