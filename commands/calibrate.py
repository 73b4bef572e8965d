"""`aullava calibrate`: fit temperatures and thresholds on validation subjects, and write them into a copy of a checkpoint.

The copy's training.json says under `calibration` what they were fitted on, and its card says so in a sentence; both travel with a
release.
"""

import argparse
import datetime
import hashlib
import json
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aullava.action_units import PROTOCOLS, SCALES, Protocol, resolve_protocol
from aullava.checkpoint.training_record import training_record
from aullava.commands.errors import UsageError, extra, named, path, positive, say
from aullava.common.scrub import portable_value
from aullava.common.versions import code_version, library_versions
from aullava.dataset_builder.corpora.registry import READERS, reader_class
from aullava.dataset_builder.rows.leaks import person
from aullava.dataset_builder.rows.seen import people_record
from aullava.detection.framing import AskedFraming, Framing

HELP = "fit temperatures and thresholds on validation subjects, into a copy of a checkpoint"
DESCRIPTION = (
    "Read validation subjects, never those that a fold tests, and write a copy of the checkpoint that holds a temperature for each "
    "scale and a threshold for each unit of protocols of occurrence. Exit code 0: written. 2: bad usage; nothing was written."
)
INTERRUPTED = "; nothing was written"

DONE = 0
_SHARE = 0.1  # of a fold's training subjects, where no training.json says how many were set aside


@dataclass(frozen=True)
class CalibrateRequest:
    """The arguments of `aullava calibrate`; `add_flags` explains each."""

    checkpoint: Path
    corpus: str
    out: Path
    data_dir: str | None = None
    fold: str | None = None
    protocol: tuple[str, ...] = ()
    scale: str | None = None
    mode: str = "joint"
    faces: str = "auto"
    framing: str | None = None
    temperatures_only: bool = False
    limit: int | None = None
    batch_size: int = 32
    device: str = "auto"
    option: tuple[str, ...] = ()


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--checkpoint", type=path, required=True, metavar="DIR", help="a whole checkpoint; it stays as it is"
    )
    parser.add_argument(
        "--corpus", required=True, choices=tuple(READERS), metavar="NAME", help=f"one of {', '.join(READERS)}"
    )
    parser.add_argument(
        "--data-dir", type=named, metavar="DIR", help="folder of the corpus; none for procedural and rendered"
    )
    parser.add_argument(
        "--out", type=path, required=True, metavar="NEW_DIR", help="the calibrated copy; must not exist yet"
    )
    parser.add_argument(
        "--fold", metavar="NAME", help="the fold that the checkpoint was trained on, such as fold1 (default: none)"
    )
    parser.add_argument(
        "--protocol",
        action="append",
        default=[],
        metavar="NAME",
        help="units and scale to fit on; may be repeated (default: what papers on the corpus report; drawn faces: bp4d and disfa)",
    )
    parser.add_argument("--scale", help="scale of a list of units: occurrence (default) or intensity")
    parser.add_argument("--mode", choices=("joint", "parallel"), default="joint", help="default: %(default)s")
    parser.add_argument(
        "--faces",
        default="auto",
        metavar="HOW",
        help="auto: crop as the checkpoint's framing says. none: the images are faces already (default: %(default)s)",
    )
    parser.add_argument(
        "--framing",
        metavar="KEY=VALUE,...",
        help="depart from the checkpoint's framing on purpose, as in `recognize`",
    )
    parser.add_argument(
        "--temperatures-only",
        action="store_true",
        help="fit no thresholds, so that the checkpoints of several folds can be scored together",
    )
    parser.add_argument("--limit", type=positive, metavar="N", help="at most N validation rows, evenly spread")
    parser.add_argument(
        "--batch-size", type=positive, default=32, metavar="N", help="images read together (default: %(default)s)"
    )
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, mps, or auto (default: %(default)s)")
    parser.add_argument(
        "--option", action="append", default=[], metavar="KEY=VALUE", help="option of the corpus; may be repeated"
    )


def run(args: argparse.Namespace) -> int:
    given = vars(args) | {"protocol": tuple(args.protocol), "option": tuple(args.option)}
    return calibrate(CalibrateRequest(**given))


def calibrate(request: CalibrateRequest) -> int:
    """Read validation subjects, fit, write the copy.

    Returns:
        0: done.

    Raises:
        UsageError: an argument is wrong or does not go with the corpus, an image cannot be read, or there is nothing to fit.
            No copy was written.
    """
    try:
        fit, origin = _fit(request)
        from aullava.evaluation.calibrate import write_calibrated

        written = write_calibrated(request.checkpoint, request.out, fit.calibration, origin=origin)
    except (ValueError, TypeError, OSError) as error:
        raise UsageError(str(error)) from error
    for name, found in origin["protocols"].items():
        before, after = (f"{found[key]:.4f}" if found[key] is not None else "-" for key in ("ece_before", "ece_after"))
        say(f"{name}: calibration error {before} before, {after} after, on the subjects it was fitted on")
    say(f"{json.dumps(fit.calibration)}; written to {written}")
    return DONE


def _fit(request: CalibrateRequest):
    """The fit, and what training.json says of it."""
    with extra("evaluation"):
        from aullava.evaluation.calibrate import Read, fit_calibration, without_calibration
        from aullava.evaluation.predictions import predict
        from aullava.evaluation.recognizer import Recognizer
        from aullava.evaluation.rows import evaluation_rows
        from aullava.evaluation.run import corpus_framing, picture_options
    protocols = _protocols(request)
    options = _options(request)
    _refuse_unfit(request)
    recognizer = Recognizer.load(request.checkpoint, request.device)
    trained = Framing(**recognizer.model.config.framing)
    framing = corpus_framing(request.corpus, AskedFraming(request.faces, override=request.framing), trained)
    options = picture_options(request.corpus, recognizer, framing, options)
    if not reader_class(request.corpus).on_disk:
        options.setdefault("count", request.limit or 1000)
    reads, described, people, rows_read = [], {}, set(), set()
    for protocol in protocols:
        rows = evaluation_rows(
            request.corpus, request.data_dir, protocol, request.fold, "validation", request.limit, **options
        )
        if unknown := recognizer.refuse_seen(rows):
            say(unknown)
        say(f"{protocol.name}: reading {len(rows)} rows of {len({*rows.subjects})} validation subjects")
        with without_calibration(recognizer.model):
            read = predict(recognizer, rows, protocol, request.mode, request.batch_size, keep_distribution=True)
        if read.failures:
            raise ValueError(f"{len(read.failures)} images cannot be read: {'; '.join(read.failures[:3])}")
        reads.append(Read(protocol, read.truth_NU, read.distribution_NUV))
        described[protocol.name] = {"scale": protocol.scale, "units": [*protocol.units], "rows": len(rows)}
        people |= {(request.corpus, subject) for subject in rows.subjects}
        rows_read |= {*rows.rows}
    fit = fit_calibration(reads, rows.split, thresholds=not request.temperatures_only)
    fit.calibration.get("thresholds", {}).pop("custom", None)  # they would be those of every list of units
    for name, found in described.items():
        found |= {"ece_before": fit.before[name], "ece_after": fit.after[name]}
    origin = {
        "corpus": request.corpus,
        "fold": request.fold,
        "split": rows.split,
        "people": people_record(request.corpus, {rows.split: people}),
        "people_count": len(people),
        "people_sha256": hashlib.sha256("\n".join(sorted(person(*pair) for pair in people)).encode()).hexdigest(),
        "rows": len(rows_read),
        "protocols": described,
        "mode": request.mode,
        "framing": framing.stored(),
        "options": {name: value for name, value in options.items() if name != "faces"},
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "code": code_version(),
        "versions": {"python": platform.python_version()} | library_versions(),
    }
    return fit, portable_value(origin)


def _protocols(request: CalibrateRequest) -> list[Protocol]:
    reader = reader_class(request.corpus)
    names = request.protocol or ((reader.protocol,) if reader.on_disk else ("bp4d", "disfa"))
    if None in names:
        raise ValueError(
            f"no protocol for {request.corpus}: give --protocol, one of {', '.join(PROTOCOLS)} or a list of units"
        )
    protocols = [resolve_protocol(name, None if name in PROTOCOLS else request.scale) for name in names]
    if graded := [protocol.name for protocol in protocols if not SCALES[protocol.scale].has_levels]:
        raise ValueError(
            f"protocol {graded[0]} is on the continuous scale, which has no temperature: give --protocol of another scale"
        )
    return protocols


def _options(request: CalibrateRequest) -> dict[str, Any]:
    """Of the rows: the corpus's own, and whom the run that trained the checkpoint set aside."""
    from aullava.dataset_builder.publish.request import parse_options

    options = parse_options(request.corpus, request.option)
    if options.pop("split", None) not in (None, "validation"):
        raise ValueError(
            "--option split: a calibration is fitted on validation subjects, never on those it is tested on"
        )
    if request.fold is not None:
        mix = (training_record(request.checkpoint) or {}).get("data", {}).get("mix", {})
        options["validation_share"] = mix.get("validation_share", _SHARE)
        options["seed"] = mix.get("data_mix_seed", 0)
        if not options["validation_share"]:
            raise ValueError(
                f"{request.checkpoint} was trained with validation_share 0: it has seen everybody of fold {request.fold} whom "
                "the fold does not test, so nobody is left to calibrate on. Train with validation people"
            )
    return options


def _refuse_unfit(request: CalibrateRequest) -> None:
    if not (request.checkpoint / "config.json").is_file():
        merged = (request.checkpoint / "adapter_config.json").is_file()
        raise ValueError(
            f"{request.checkpoint} "
            + (
                "holds adapters: merge them first, python -m aullava.training.run.saving ADAPTERS OUT, or train with --merge_lora"
                if merged
                else "holds no config.json: expected the folder of a whole checkpoint"
            )
        )
    if request.out.exists():
        raise ValueError(f"--out {request.out} exists: expected a folder that does not exist yet")
