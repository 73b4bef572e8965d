"""`aullava evaluate`: from command line arguments to FILE.json, FILE.md, FILE_plots/ and an exit code.

FILE_store/ keeps the readings: the same command goes on where it was interrupted, and is done at once when it was not.
"""

import json
import logging
import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from aullava.action_units import PROTOCOLS, resolve_protocol
from aullava.checkpoint.layout import embedded_checkpoint
from aullava.common.files import printable, replace_file
from aullava.dataset_builder.corpora.registry import reader_class
from aullava.dataset_builder.publish.request import parse_options
from aullava.dataset_builder.rows.folds import fold_names
from aullava.detection.framing import AskedFraming, without_folder
from aullava.evaluation.record import Extras, finite, make_record, score_views
from aullava.evaluation.report import markdown
from aullava.evaluation.run import FOLD, Outcome, Task, run
from aullava.evaluation.views import Scored

DONE, SOME_FAILED = 0, 1
ALL_FOLDS = "all"


class UsageError(ValueError):
    """What was asked for cannot be done; nothing was written but readings that a further run may use."""


@dataclass(frozen=True)
class Request:
    """The arguments of `aullava evaluate`; `cli.py` explains each."""

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
    options: tuple[str, ...] = ()


def evaluate(request: Request) -> int:
    """Read, score, write.

    Returns:
        0: every picture was read and every file written. 1: some failed, each is named on stderr.

    Raises:
        UsageError: an argument is wrong, or does not go with the corpus.
    """
    logging.basicConfig(format="%(message)s")
    try:
        task = _task(request)
        outcome = run(task, _beside(request.out, "_store"), _say, request.group_by)
        _say("scoring")
        scored = score_views(outcome, request.draws)
        extras = Extras(request.group_by, request.checks, request.corrupt, request.draws)
        record = {"command": _command(request)} | make_record(task, outcome, scored, extras, _say)
    except (ValueError, TypeError, OSError) as error:
        raise UsageError(str(error)) from error
    failures = [f"picture: {failure}" for failure in outcome.predictions.failures]
    failures += _write(request.out, record, outcome, scored)
    for failure in failures:
        print(f"failed: {printable(failure)}", file=sys.stderr)
    _say(f"{len(outcome.predictions.rows)} rows, {len(failures)} failed; report in {request.out.with_suffix('.md')}")
    return SOME_FAILED if failures else DONE


def _task(request: Request) -> Task:
    if request.out.suffix != ".json":
        raise ValueError(f"--out {request.out}: expected a name that ends in .json")
    _refuse_foreign(request.out)
    name = request.protocol or reader_class(request.corpus).protocol
    if name is None:
        raise ValueError(
            f"no protocol for {request.corpus}: give --protocol, one of {', '.join(PROTOCOLS)} or a list of units"
        )
    options = parse_options(request.corpus, request.options)
    if not reader_class(request.corpus).on_disk:
        options.setdefault("count", request.limit or 1000)
    checkpoint = request.checkpoint or str(embedded_checkpoint())
    folds = _folds(request)
    if FOLD in checkpoint and folds == (None,):
        raise ValueError(f"--checkpoint {checkpoint} names {FOLD}, but no fold was asked for: give --folds")
    protocol = resolve_protocol(name, request.scale)
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
        raise ValueError(f"--out {out}: {found[0]} is there and of no earlier evaluation; name another --out")


def _folds(request: Request) -> tuple[str | None, ...]:
    if request.folds == (ALL_FOLDS,):
        standard = tuple(name for name in fold_names(request.corpus) if name.removeprefix("fold").isdecimal())
        if not standard:
            raise ValueError(f"--folds all: {request.corpus} has no frozen folds; name one, such as loso:<subject>")
        return standard
    if len({name.removeprefix("fold") for name in request.folds}) < len(request.folds):
        raise ValueError(f"--folds {','.join(request.folds)}: expected each fold once")
    return request.folds or (None,)


def _write(out: Path, record: Mapping[str, Any], outcome: Outcome, scored: list[Scored]) -> list[str]:
    """Write the three outputs; what could not be written, and why."""
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


def _command(request: Request) -> str:
    """The command line that asks for the same, without places of this machine."""
    words = ["aullava", "evaluate"]
    for entry in fields(Request):
        value, flag = getattr(request, entry.name), f"--{entry.name.replace('_', '-')}"
        if value == entry.default:
            continue
        if entry.name == "options":
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


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
