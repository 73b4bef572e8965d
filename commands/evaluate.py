"""`aullava evaluate`: score a checkpoint on a corpus, into FILE.json, FILE.md and FILE_plots/.

FILE_store/ keeps the readings: the same command resumes an interrupted run, and is done at once when there is nothing left to read.
"""

import argparse
import json
import logging
import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aullava.action_units import PROTOCOLS, SCALES, resolve_protocol
from aullava.commands.errors import UsageError, count, extra, named, names, path, positive, say
from aullava.common.files import printable, replace_file
from aullava.dataset_builder.corpora.registry import READERS, reader_class
from aullava.dataset_builder.rows.folds import fold_names
from aullava.detection.framing import AskedFraming, without_folder

if TYPE_CHECKING:
    from aullava.evaluation.run import Outcome, Task
    from aullava.evaluation.scores import Scored

HELP = "score a checkpoint on a corpus: tables, bootstrap intervals, baselines, plots"
DESCRIPTION = (
    "Read the subjects that a fold or split tests, score the readings, write FILE.json, FILE.md and FILE_plots/. FILE_store/ keeps "
    "the readings: the same command resumes an interrupted run. Exit code 0: all read and written. 1: some images or outputs "
    "failed; each is named on stderr. 2: bad usage."
)
INTERRUPTED = "; run the same command again to resume"

DONE, SOME_FAILED = 0, 1
ALL_FOLDS = "all"


@dataclass(frozen=True)
class EvaluateRequest:
    """The arguments of `aullava evaluate`; `add_flags` explains each."""

    corpus: str
    out: Path
    checkpoint: str | None = None
    data_dir: str | None = None
    protocol: str | None = None
    scale: str | None = None
    mode: str = "joint"
    folds: tuple[str, ...] = ()
    split: str = "test"
    faces: str = "auto"
    framing: str | None = None
    limit: int | None = None
    group_by: tuple[str, ...] = ()
    corrupt: int = 0
    checks: int = 64
    draws: int = 1000
    batch_size: int = 32
    device: str = "auto"
    option: tuple[str, ...] = ()


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--checkpoint", metavar="DIR|HUB_ID", help="{fold} in it stands for the fold (default: the embedded one)"
    )
    parser.add_argument(
        "--corpus", required=True, choices=tuple(READERS), metavar="NAME", help=f"one of {', '.join(READERS)}"
    )
    parser.add_argument(
        "--data-dir", type=named, metavar="DIR", help="folder of the corpus; none for procedural and rendered"
    )
    parser.add_argument(
        "--out", type=path, required=True, metavar="FILE.json", help="report; the other outputs are named after it"
    )
    parser.add_argument(
        "--folds",
        "--fold",
        type=names,
        default=(),
        metavar="A,B",
        help="such as fold1, loso:F001, or all: every standard fold",
    )
    parser.add_argument(
        "--split",
        choices=("train", "validation", "test", "all"),
        default="test",
        help="whose rows; all: every usable row, for a checkpoint that never saw the corpus (default: %(default)s)",
    )
    parser.add_argument(
        "--protocol", metavar="NAME", help="units and scale (default: what papers on the corpus report)"
    )
    parser.add_argument("--scale", choices=SCALES, help="scale of a list of units (default: occurrence)")
    parser.add_argument(
        "--mode", choices=("joint", "parallel", "generate"), default="joint", help="default: %(default)s"
    )
    parser.add_argument(
        "--faces",
        type=named,
        default="auto",
        metavar="HOW",
        help="auto: crop the largest face of each frame as the checkpoint was trained; drawn faces stay whole. none: whole frames. "
        "haar, yunet:FILE.onnx, yunet:ORG/NAME: the checkpoint's detector by name (default: %(default)s)",
    )
    parser.add_argument(
        "--framing",
        type=named,
        metavar="KEY=VALUE,...",
        help="depart from the checkpoint's framing on purpose, as in `recognize`",
    )
    parser.add_argument("--limit", type=positive, metavar="N", help="at most N rows, evenly spread")
    parser.add_argument(
        "--group-by",
        type=names,
        default=(),
        metavar="LABEL",
        help="F1 by group and the gap, such as skin_tone of drawn faces",
    )
    # Of 0.1; `run` says what has taken its place.
    parser.add_argument("--calibrate", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument(
        "--corrupt",
        type=positive,
        default=0,
        metavar="N",
        help="corrupt N rows in eight ways at five severities",
    )
    parser.add_argument(
        "--checks", type=count, default=64, metavar="N", help="rows for the checks; 0: none (default: %(default)s)"
    )
    parser.add_argument(
        "--draws",
        type=positive,
        default=1000,
        metavar="N",
        help="bootstrap samples of subjects, for intervals (default: %(default)s)",
    )
    parser.add_argument(
        "--batch-size", type=positive, default=32, metavar="N", help="images read together (default: 32)"
    )
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, mps, or auto (default: %(default)s)")
    parser.add_argument(
        "--option", action="append", default=[], metavar="KEY=VALUE", help="option of the corpus; may be repeated"
    )


def run(args: argparse.Namespace) -> int:
    given = vars(args)
    if given.pop("calibrate"):
        raise UsageError(
            "--calibrate: figures are those of a checkpoint as it is. Run `aullava calibrate --checkpoint DIR --out NEW_DIR` "
            "first, and evaluate --checkpoint NEW_DIR"
        )
    return evaluate(EvaluateRequest(**given | {"option": tuple(args.option)}))


def evaluate(request: EvaluateRequest) -> int:
    """Read, score, write.

    Returns:
        0: every image was read and every file written. 1: some failed, each is named on stderr.

    Raises:
        UsageError: an argument is wrong, or does not go with the corpus.
    """
    with extra("evaluation"):
        from aullava.evaluation import run as evaluation
        from aullava.evaluation.record import Extras, make_record, score_views
    logging.basicConfig(format="%(message)s")
    try:
        task = _task(request)
        outcome = evaluation.run(task, _beside(request.out, "_store"), say, request.group_by)
        say("scoring")
        scored = score_views(outcome, request.draws)
        extras = Extras(request.group_by, request.checks, request.corrupt, request.draws)
        record = {"command": _command(request)} | make_record(task, outcome, scored, extras, say)
    except (ValueError, TypeError, OSError) as error:
        raise UsageError(str(error)) from error
    failures = [f"picture: {failure}" for failure in outcome.predictions.failures]
    failures += _write(request.out, record, outcome, scored)
    for failure in failures:
        print(f"failed: {printable(failure)}", file=sys.stderr)
    say(f"{len(outcome.predictions.rows)} rows, {len(failures)} failed; report in {request.out.with_suffix('.md')}")
    return SOME_FAILED if failures else DONE


def _task(request: EvaluateRequest) -> "Task":
    from aullava.checkpoint.layout import embedded_checkpoint
    from aullava.dataset_builder.publish.request import parse_options
    from aullava.evaluation.run import FOLD, Task

    if request.out.suffix != ".json":
        raise ValueError(f"--out {request.out}: expected a name that ends in .json")
    _refuse_foreign(request.out)
    reader = reader_class(request.corpus)
    if not request.protocol and not reader.protocol:
        raise ValueError(
            f"no protocol for {request.corpus}: give --protocol, one of {', '.join(PROTOCOLS)} or a list of units"
        )
    protocol = resolve_protocol(request.protocol or reader.protocol, request.scale)
    options = parse_options(request.corpus, request.option)
    if not reader.on_disk:
        options.setdefault("count", request.limit or 1000)
    checkpoint = request.checkpoint or str(embedded_checkpoint())
    folds = _folds(request)
    if FOLD in checkpoint and folds == (None,):
        raise ValueError(f"--checkpoint {checkpoint} names {FOLD}, but no fold was asked for: give --folds")
    return Task(
        checkpoint,
        request.corpus,
        request.data_dir,
        protocol,
        request.mode,
        folds,
        request.split,
        request.limit,
        request.batch_size,
        request.device,
        AskedFraming(request.faces, override=request.framing),
        options,
    )


def _refuse_foreign(out: Path) -> None:
    """Keep what no evaluation wrote: config.json of a checkpoint, README.md beside --out README.json."""
    found = [file for file in (out, out.with_suffix(".md")) if file.exists()]
    try:
        ours = json.loads(out.read_text(encoding="utf-8"))["command"].startswith("aullava evaluate")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        ours = False
    if found and not ours:
        raise ValueError(f"--out {out}: {found[0]} exists, and no evaluation wrote it; name another --out")


def _folds(request: EvaluateRequest) -> tuple[str | None, ...]:
    if request.folds == (ALL_FOLDS,):
        standard = tuple(name for name in fold_names(request.corpus) if name.removeprefix("fold").isdecimal())
        if not standard:
            raise ValueError(f"--folds all: {request.corpus} has no frozen folds; name one, such as loso:<subject>")
        return standard
    if len({name.removeprefix("fold") for name in request.folds}) < len(request.folds):
        raise ValueError(f"--folds {','.join(request.folds)}: expected each fold once")
    return request.folds or (None,)


def _write(out: Path, record: Mapping[str, Any], outcome: "Outcome", scored: "list[Scored]") -> list[str]:
    """Write the three outputs; returns what could not be written, and why."""
    from aullava.evaluation.record import finite
    from aullava.evaluation.report import markdown

    failures, plots = [], []
    try:
        from aullava.evaluation.plots import write_plots

        plots = write_plots(_beside(out, "_plots"), outcome.predictions, scored, record["controls"])
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise
        failures.append("plots need matplotlib: pip install 'au-llava[evaluation]'")
    except OSError as error:
        failures.append(f"plots: {error}")
    shown = [plot.relative_to(out.parent).as_posix() for plot in plots]
    texts = {
        out: json.dumps(finite(record), indent=1, allow_nan=False, ensure_ascii=False) + "\n",
        out.with_suffix(".md"): markdown(record, shown),
    }
    for file, text in texts.items():
        try:
            replace_file(file, lambda path, text=text: path.write_text(text, encoding="utf-8"))
        except OSError as error:
            failures.append(f"{file}: {error}")
    return failures


def _command(request: EvaluateRequest) -> str:
    """The command line that asks for the same, without places of this machine."""
    words = ["aullava", "evaluate"]
    for entry in fields(EvaluateRequest):
        value, flag = getattr(request, entry.name), f"--{entry.name.replace('_', '-')}"
        if value == entry.default:
            continue
        if entry.name == "option":
            words += [word for option in value for word in ("--option", option)]
        elif isinstance(value, bool):
            words.append(flag)
        else:
            text = ",".join(value) if isinstance(value, tuple) else str(value)
            text = re.sub("yunet:[^,]+", lambda found: without_folder(found[0]), text)
            words += [flag, Path(text).name if Path(text).is_absolute() else text]
    return shlex.join(words)


def _beside(out: Path, ending: str) -> Path:
    return out.with_name(out.stem + ending)
