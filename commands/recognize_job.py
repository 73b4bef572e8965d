"""`aullava recognize` before anything is read: flags that contradict each other, inputs, places to write to, the checkpoint.

Whatever can be known to fail fails here, so that nobody waits for hours and is then told that a folder cannot be written.
"""

import math
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from aullava.action_units import FEAFA_UNITS, OCCURRENCE, PROTOCOLS, Protocol, resolve_protocol
from aullava.analysis.activity import pairs_path
from aullava.analysis.baseline import AUTO, neutral_of, read_neutral
from aullava.analysis.smoothing import Smoothing
from aullava.analysis.transform import Transform
from aullava.checkpoint.identity import CheckpointIdentity, identify
from aullava.checkpoint.layout import embedded_checkpoint
from aullava.checkpoint.load import load_checkpoint
from aullava.commands.recognize_flags import Request
from aullava.common.files import FileNames
from aullava.detection.detector import Detector
from aullava.detection.framing import AskedFraming, Framing, make_detector
from aullava.recognition.inputs import Inputs, collect
from aullava.recognition.pipeline import ReadSettings
from aullava.recognition.pipeline import read_items as read_units
from aullava.recognition.processes import Shard
from aullava.recognition.served import ServedModel
from aullava.recognition.sidecar import sidecar_path
from aullava.recognition.store import working_folder
from aullava.recognition.tables import Layout
from aullava.recognition.work import START
from aullava.recognition.work import WorkItem as Unit
from aullava.recognition.work import work_items as units_of
from aullava.recognition.writers import Target

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
class Job:
    """All that a run needs. `target`: None without --out. `transform`: None where values are written as they were read.
    `framing`: how faces are framed here, `trained_framing`: as the checkpoint says."""

    request: Request
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
    def units(self) -> list[Unit]:
        return units_of(self.inputs.sources, self.request.batch_size)

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


def prepare(request: Request, shard: Shard) -> Job:
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
    inputs = _found(request)
    _check_places(request, target, inputs)
    model, processor, identity = _load(request, shard.device(request.device))
    trained_framing = Framing(**model.config.framing)
    framing = asked.over(trained_framing)
    detector = _detector(framing, request)
    device = str(getattr(model, "device", "server"))
    settings = ReadSettings(
        model, processor, protocols, detector, _mode(request), request.batch_size, request.every or 1, request.fps
    )
    transform = _transform(request, settings, layout)
    return Job(
        request, inputs, layout, settings, framing, trained_framing, identity, device, target, transform, started
    )


def _protocols(request: Request) -> tuple[Protocol, ...]:
    """The protocols asked for. `--scale` is that of lists of units; a named protocol has its own. Further lists of units are
    custom_2, custom_3, ..."""
    asked = request.protocol
    found = [resolve_protocol(n, None if n in PROTOCOLS and len(asked) > 1 else request.scale) for n in asked]
    lists = [place for place, name in enumerate(asked) if name not in PROTOCOLS]
    for number, place in enumerate(lists[1:], start=2):
        found[place] = replace(found[place], name=f"{found[place].name}_{number}")
    return tuple(found)


def _mode(request: Request) -> str:
    return request.mode or ("generate" if request.server else "joint")


def _check_flags(request: Request, protocols: tuple[Protocol, ...]) -> None:
    outputs = (request.out, request.summary, request.blendshapes, request.plot, request.overlay)
    if request.every and request.fps:
        raise ValueError(f"--every {request.every} and --fps {request.fps:g}: give one of them")
    if request.fps is not None and not 0 < request.fps < math.inf:
        raise ValueError(f"--fps {request.fps:g}: expected a number above 0")
    if request.resume and not any(outputs):
        raise ValueError("--resume: nothing is kept of a run that writes nothing; give --out")
    if request.format and not request.out:
        raise ValueError(f"--format {request.format} without --out: name a folder to write to")
    if request.server and not request.checkpoint:
        raise ValueError("--server: give the --checkpoint by which the server knows the model")
    if request.server and _mode(request) != "generate":
        raise ValueError(f"--server answers in text: expected --mode generate, not {request.mode}")
    if request.intensities == "expected" and _mode(request) == "generate":
        raise ValueError("--intensities expected: mode generate gives no probabilities to expect a level from")
    if request.blendshapes and not any(set(protocol.units) & set(FEAFA_UNITS) for protocol in protocols):
        raise ValueError("--blendshapes are made of FEAFA's values: add --protocol feafa")
    if request.plot:
        import aullava.analysis.plots  # noqa: F401 (says what to install where its libraries are missing)
    _check_series_flags(request, protocols)


def _check_series_flags(request: Request, protocols: tuple[Protocol, ...]) -> None:
    graded = any(protocol.scale != OCCURRENCE for protocol in protocols)
    named = [f"--{name}" for name in ("smooth", "baseline") if getattr(request, name)]
    if named and not (request.out or request.summary or request.blendshapes or request.plot):
        raise ValueError(f"{' and '.join(named)}: nothing is written that it could change; give --out")
    if request.baseline and not graded:
        raise ValueError("--baseline: occurrences have none; read intensities or continuous values")
    if request.smooth:
        Smoothing.parse(request.smooth).check(protocol.scale for protocol in protocols)


def _detector(framing: Framing, request: Request) -> Detector:
    return make_detector(framing, min_confidence=request.min_confidence, min_face=request.min_face)


def _found(request: Request) -> Inputs:
    inputs = collect(request.inputs, request.pattern)
    if not inputs.sources:
        raise ValueError("nothing to read:\n" + "\n".join(f"  {failure}" for failure in inputs.failures))
    return inputs


def _check_places(request: Request, target: Target | None, inputs: Inputs) -> None:
    """Wrong places to write to are found before the work and not after it."""
    read = {file.resolve() for file in inputs.files}
    given = {Path(name).resolve() for name in (*request.inputs, request.baseline) if name}
    folders = {"--overlay": request.overlay, "--plot": request.plot}
    files = {"--summary": request.summary, "--blendshapes": request.blendshapes}
    if request.summary:
        files["the pairs of --summary"] = pairs_path(request.summary)
    if target:
        (folders if target.one_an_input else files)["--out"] = target.path
        files["the metadata of --out"] = sidecar_path(target)
    tables = _tables(target, inputs)
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
            "--overlay: what a webcam showed is gone when it is drawn; record it to a video and read that"
        )
    if request.overlay:
        _check_apart("--overlay", request.overlay, request, {file.parent for file in read})
    if request.plot:
        _check_apart("--plot", request.plot, request, set())


def _tables(target: Target | None, inputs: Inputs) -> set[Path]:
    """The files that --out FOLDER writes."""
    if not (target and target.one_an_input):
        return set()
    names, folder = FileNames(source.name for source in inputs.sources), target.path.resolve()
    return {folder / f"{names.stem(source.name)}.{target.format}" for source in inputs.sources}


def _check_apart(flag: str, place: Path, request: Request, beside: set[Path]) -> None:
    """Pictures must not come to lie where pictures are looked for, nor in the folders `beside`."""
    searched = [Path(path).resolve() for path in request.inputs if os.path.isdir(path)]
    if place.resolve() in beside or any(place.resolve().is_relative_to(folder) for folder in searched):
        raise ValueError(
            f"{flag} {place} lies among the inputs, where a picture could overwrite one or be read as "
            "one: name another folder"
        )


def _check_writable(flag: str, folder: Path) -> None:
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    try:
        tempfile.TemporaryFile(dir=existing).close()
    except OSError as error:
        raise OSError(f"{flag}: cannot write to {folder}: {error.strerror or error}") from error


def _load(request: Request, device: str):
    checkpoint = request.checkpoint or embedded_checkpoint()
    if request.server:
        model = ServedModel(request.server, checkpoint, request.batch_size)
        return model, None, CheckpointIdentity(f"{checkpoint} at {request.server}", None, None, None, {}, "served")
    model, processor = load_checkpoint(checkpoint, device)
    return model, processor, identify(checkpoint, model)


def _transform(request: Request, settings: ReadSettings, layout: Layout) -> Transform | None:
    if not (request.smooth or request.baseline):
        return None
    smoothing = Smoothing.parse(request.smooth) if request.smooth else None
    return Transform(smoothing, request.baseline and _baseline(request.baseline, settings, layout))


def _baseline(given: str, settings: ReadSettings, layout: Layout) -> str | Mapping[str, float]:
    """ "auto", or neutral values: from an earlier table, or read now from pictures or a video."""
    if given == AUTO:
        return AUTO
    if Path(given).suffix.lower() in (".csv", ".parquet"):
        return read_neutral(Path(given))
    inputs = collect([given])
    if inputs.failures or not inputs.sources:
        raise ValueError(f"--baseline {given}: {inputs.failures[0].reason if inputs.failures else 'nothing to read'}")
    work = [(unit, START) for unit in units_of(inputs.sources, settings.batch_size)]
    blocks = list(read_units(work, settings))
    if failures := [failure for block in blocks for failure in block.failures]:
        raise ValueError(f"--baseline {failures[0]}")
    try:
        return neutral_of(layout.frame(row for block in blocks for row in block.rows))
    except ValueError as error:
        raise ValueError(f"--baseline {given}: {error}") from error
