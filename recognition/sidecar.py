"""How a table was made, as JSON beside it: readings.csv -> readings.meta.json, a folder -> meta.json in it.

Contents
    format      2; goes up when a key changes its meaning.
    started, finished   in UTC. seconds: between the two.
    options     of the command, as given.
    checkpoint  given: folder or Hub id. revision: commit on the Hub, null for a folder. id: of the weights. settings: hash of
                everything else that changes readings (see checkpoint/identity.py). calibration, dtype: of the loaded model. With a
                server, id and settings are null.
    protocols   name, scale, units with their names; of intensities occurrence_threshold, the level from which a unit counts as
                present in AU01_p; of occurrences thresholds, the P(present) above which AU01_c is 1, if not 0.5.
    framing     used: how faces were found and cropped (keys in detection/framing.py). checkpoint: how they were cropped in its
                training.
    mode, intensities, device, versions   of the run. A library that is not installed is left out.
    counts      total, of all images together (stills) and of each video (films); see `summary`.
    failures    what could not be read or written, and why.
    notes       what else was done to the values, or should be known about them.
    columns     name -> what it holds; for a unit its code and FACS name, protocol, scale and range.

File names that are not UTF-8: bytes are the escapes \\udc80 to \\udcff, as Python's os.fsdecode writes them.
"""

import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aullava.action_units import SCALES, Protocol, unit
from aullava.checkpoint.identity import CheckpointIdentity
from aullava.common.files import replace_file
from aullava.common.versions import library_versions, package_version
from aullava.detection.framing import Framing
from aullava.recognition.summary import Summary
from aullava.recognition.tables import Layout
from aullava.recognition.writers import Target

FORMAT = 2


@dataclass(frozen=True)
class Circumstances:
    """How rows were read.

    Args:
        options: of the command, name -> value.
        checkpoint: which one. mode: as for `model.recognize`. device: in words.
        framing: of the faces that were read. trained_framing: of the checkpoint's training.
        started: with its time zone.
    """

    options: Mapping[str, Any]
    checkpoint: CheckpointIdentity
    layout: Layout
    mode: str
    framing: Framing
    trained_framing: Framing
    device: str
    started: datetime


def sidecar_path(target: Target) -> Path:
    """The path of a table's sidecar."""
    return target.path / "meta.json" if target.one_an_input else target.path.with_suffix(".meta.json")


def write_sidecar(
    path: Path, run: Circumstances, summary: Summary, failures: Iterable, notes: Sequence[str] = ()
) -> None:
    """Write the sidecar. The run counts as finished now.

    Args:
        summary: of the rows. failures: each with a `path` and a `reason`. notes: sentences.
    """
    content = _describe(run, summary, datetime.now(UTC)) | {
        "failures": [{"path": str(failure.path), "reason": failure.reason} for failure in failures],
        "notes": list(notes),
        "columns": {column.name: dict(column.about) for column in run.layout.columns},
    }
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False, default=str) + "\n"
    data = text.encode(errors="backslashreplace")  # what UTF-8 cannot hold becomes JSON's own escape
    replace_file(path, lambda temporary: temporary.write_bytes(data))


def _describe(run: Circumstances, summary: Summary, finished: datetime) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "started": run.started.astimezone(UTC).isoformat(timespec="seconds"),
        "finished": finished.isoformat(timespec="seconds"),
        "seconds": round((finished - run.started).total_seconds(), 3),
        "options": dict(run.options),
        "checkpoint": asdict(run.checkpoint),
        "protocols": [_of_protocol(protocol, run.checkpoint.calibration) for protocol in run.layout.protocols],
        "mode": run.mode,
        "intensities": run.layout.intensities,
        "framing": {"used": run.framing.stored(), "checkpoint": run.trained_framing.stored()},
        "device": run.device,
        "versions": {"aullava": package_version(), "python": platform.python_version()} | library_versions(),
        "counts": {
            "rows": summary.rows,
            "total": asdict(summary.total),
            "stills": asdict(summary.stills),
            "films": [{"input": name} | asdict(counts) for name, counts in summary.films],
        },
    }


def _of_protocol(protocol: Protocol, calibration: Mapping[str, Any]) -> dict[str, Any]:
    described = {
        "name": protocol.name,
        "scale": protocol.scale,
        "units": {code: unit(code).name for code in protocol.units},
    }
    if not SCALES[protocol.scale].is_graded:
        described["thresholds"] = calibration.get("thresholds", {}).get(protocol.name, {})
    elif SCALES[protocol.scale].has_levels:
        described["occurrence_threshold"] = protocol.occurrence_threshold
    return described
