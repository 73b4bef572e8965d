"""`aullava build`: from command line arguments to a folder of Parquet files, a summary and an exit code."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from rich.console import Console

from aullava.common.files import printable
from aullava.common.upload import PushError, PushRefused
from aullava.dataset_builder.chat.dataset import preview
from aullava.dataset_builder.chat.formats import ChatMix
from aullava.dataset_builder.corpora.reader import CorpusReader
from aullava.dataset_builder.errors import CorpusError
from aullava.dataset_builder.publish.card import make_card
from aullava.dataset_builder.publish.folder import OutFolder
from aullava.dataset_builder.publish.manifest import configurations, make_manifest, total_census
from aullava.dataset_builder.publish.push import check_right, push
from aullava.dataset_builder.publish.request import NO_FACE_CHOICES, Job, make_job
from aullava.dataset_builder.publish.shards import Plan, ShardReport, ShardWriteError, plan_shards
from aullava.dataset_builder.publish.sources import Sources
from aullava.dataset_builder.publish.summary import failed, progress, resumed, written
from aullava.dataset_builder.publish.workers import Failure, Task, WorkerDied, build_shards
from aullava.dataset_builder.rows.builder import chosen_subjects, rows_of_subject, units_asked
from aullava.dataset_builder.rows.images import PictureOptions
from aullava.dataset_builder.rows.schema import OK
from aullava.dataset_builder.rows.self_check import Check, compare, table
from aullava.dataset_builder.rows.splits import split_subjects
from aullava.detection.framing import AskedFraming

ALL_WRITTEN, SOME_FAILED = 0, 1
_TURNS_SHOWN = 3  # of each row of a preview
_TABLE_WIDTH = 120  # characters; the longest row of a self-check needs no more
_UNSAID = {MemoryError: "out of memory"}
_STOPS = (ShardWriteError, WorkerDied, ImportError, MemoryError, KeyboardInterrupt)  # ImportError: no decoder


class UsageError(ValueError):
    """What was asked for cannot be done; nothing was written."""


@dataclass(frozen=True)
class Request:
    """The arguments of `aullava build`; `cli.py` explains each."""

    corpus: str
    data_dir: str | None = None
    out: Path | None = None
    protocol: str | None = None
    faces: str = "none"
    margin: float | None = None
    size: int | None = None
    encoding: str = "auto"
    no_face: str = "drop"
    subjects: tuple[str, ...] | None = None
    exclude_subjects: tuple[str, ...] = ()
    folds: tuple[str, ...] | None = None
    options: tuple[str, ...] = ()
    num_proc: int = 1
    preview: int = 0
    push: str | None = None
    right: str = ""


@dataclass(frozen=True)
class _Work:
    """What a request comes to once it is checked."""

    job: Job
    reader: CorpusReader
    subjects: tuple[str, ...]


def build(request: Request) -> int:
    """Build what was asked for, or show a preview of it.

    Returns:
        0 if every subject was written; else 1, and what failed is named on stderr.

    Raises:
        UsageError: an argument is wrong, or the corpus or the output folder is not what it should be.
    """
    with ExitStack() as stack:
        try:
            work = _checked(request)
            if request.preview:
                return _preview(work, request.preview)
            folder = stack.enter_context(OutFolder(request.out, work.job.settings()))
            plans = plan_shards(work.reader, work.subjects)
            state = _finished(work.reader, folder, plans)
            removed = folder.begin(state[0], [plan.name for plan in plans])
        except (CorpusError, ValueError, ImportError) as error:  # ImportError: an extra is not installed
            raise UsageError(str(error)) from error
        for told in resumed(state[0], removed, len(plans)):
            print(printable(told), file=sys.stderr)
        return _build(work, folder, request, plans, *state)


def _checked(request: Request) -> _Work:
    """Everything that can be wrong before the first row is read."""
    if request.no_face not in NO_FACE_CHOICES:
        raise UsageError(f"--no-face {request.no_face}: expected one of {', '.join(NO_FACE_CHOICES)}")
    framing = AskedFraming(request.faces, request.margin, largest=True).over(None)
    pictures = PictureOptions(framing, request.size, request.encoding, embed=True)
    job = make_job(request.corpus, request.data_dir, request.options, request.protocol, pictures, request.no_face)
    reader = job.open()
    units_asked(reader, job.protocol)
    kept = _without(reader, chosen_subjects(reader, request.subjects), request.exclude_subjects)
    if request.preview:
        return _Work(job, reader, kept)
    if request.out is None:
        raise UsageError("--out is missing: name the folder to write, or take --preview 5 to look at some rows first")
    _check_place(request, job, reader)
    for fold in request.folds or ():
        split_subjects(reader, kept, fold_name=fold)
    if request.push:
        check_right(reader, request.push, request.right)
    elif request.right:
        raise UsageError("--i-hold-the-right is said of an upload: add --push ORG/NAME, or leave it out")
    return _Work(job, reader, kept)


def _without(reader: CorpusReader, subjects: tuple[str, ...], excluded: tuple[str, ...]) -> tuple[str, ...]:
    left_out = set(chosen_subjects(reader, excluded)) if excluded else set()
    kept = tuple(subject for subject in subjects if subject not in left_out)
    if not kept:
        raise UsageError(f"--exclude-subjects leaves nobody of the {len(subjects)} subjects of {reader.name}")
    return kept


def _check_place(request: Request, job: Job, reader: CorpusReader) -> None:
    """A corpus's folder stays as its owners gave it, and nothing that is read lies where shards are written and removed."""
    out = request.out.resolve()
    for place in job.places():
        source = Path(place).expanduser().resolve()
        if source.is_dir() and out.is_relative_to(source):
            raise UsageError(
                f"--out {request.out} lies in {place}, a folder of {reader.title}: name a folder outside of it"
            )
        if source.is_relative_to(out):
            raise UsageError(
                f"--out {request.out} holds {place}, which is read: name a folder that holds only the rows"
            )


def _preview(work: _Work, count: int) -> int:
    rows = list(islice(_some_rows(work, count), count))
    if not rows:
        print(f"{work.reader.name}: no usable row among the first of every subject", file=sys.stderr)
        return SOME_FAILED
    preview(rows, ChatMix(turns_per_image=_TURNS_SHOWN), Console())
    return ALL_WRITTEN


def _some_rows(work: _Work, count: int) -> Iterator[dict]:
    """The first usable rows of as many subjects as are needed, as many of each as are needed."""
    of_each = -(-count // len(work.subjects))
    for subject in work.subjects:
        rows = rows_of_subject(work.reader, subject, work.job.pictures, work.job.protocol)
        yield from islice((row for _, row in rows if row["status"] == OK), of_each)


def _build(
    work: _Work,
    folder: OutFolder,
    request: Request,
    plans: Sequence[Plan],
    finished: Mapping[str, ShardReport],
    tasks: Sequence[Task],
    failures: list[Failure],
) -> int:
    """The work itself, in a folder that is ours alone while it lasts."""
    reports = dict(finished)
    try:
        _write_shards(work, folder, request, tasks, reports, failures)
        ordered = [reports[plan.name] for plan in plans if plan.name in reports]
        checks, left_out = _finish(work, folder, request, ordered, failures)
    except _STOPS as error:
        folder.sweep()
        reason = (
            error.strerror if isinstance(error, OSError) else str(error) or _UNSAID.get(type(error), "interrupted")
        )
        print(f"stopped: {request.out}: {reason}", file=sys.stderr)
        done = f"{len(reports)} of {len(plans)} shards are finished"
        print(f"{done}; the same command goes on with the rest", file=sys.stderr)
        return SOME_FAILED
    _print_checks(checks)
    for line in (*failed(failures), *written(request.out, work.job.usable, ordered, left_out)):
        print(printable(line), file=sys.stderr)
    if failures or not any(report.rows for report in ordered):
        if request.push:
            print("not uploaded: only a build without failures is", file=sys.stderr)
        return SOME_FAILED
    return _push(work, folder, request, ordered) if request.push else ALL_WRITTEN


def _print_checks(checks: Sequence[Check]) -> None:
    """The table on stdout, at its full width where nobody looks at a terminal. That nobody reads it does not end a build."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=max(console.width, _TABLE_WIDTH))
    try:
        console.print(table(checks))
    except (OSError, SystemExit) as error:  # SystemExit: rich's answer to a pipe that is closed
        reason = error if isinstance(error, OSError) else "nobody reads it"
        print(f"self-check: not printed ({reason}); README.md has it", file=sys.stderr)


def _write_shards(
    work: _Work,
    folder: OutFolder,
    request: Request,
    tasks: Sequence[Task],
    reports: dict[str, ShardReport],
    failures: list[Failure],
) -> None:
    """Write what is missing; its outcome is added to `reports` and `failures` as it comes."""
    say = Console(stderr=True, soft_wrap=True, highlight=False)
    with progress(say, len(tasks)) as (advance, shard_done):
        for outcome in build_shards(work.reader, work.job, folder, tasks, request.num_proc, advance):
            shard_done()
            if isinstance(outcome, Failure):
                failures.append(outcome)
            else:
                reports[outcome.name] = outcome


def _finished(
    reader: CorpusReader, folder: OutFolder, plans: Sequence[Plan]
) -> tuple[dict[str, ShardReport], list[Task], list[Failure]]:
    """Shards that are there already, those to write, and those whose source cannot even be looked at."""
    sources = Sources(reader)
    finished, tasks, failures = {}, [], []
    for plan in plans:
        try:
            fingerprint = sources.fingerprint(plan.subjects)
        except (CorpusError, OSError) as error:
            failures.append(Failure(plan, str(error)))
            continue
        if report := folder.finished(plan, fingerprint):
            finished[plan.name] = report
        else:
            tasks.append(Task(plan, fingerprint))
    return finished, tasks, failures


def _finish(
    work: _Work, folder: OutFolder, request: Request, reports: Sequence[ShardReport], failures: Sequence[Failure]
) -> tuple[list[Check], dict[str, str]]:
    """Write card and manifest.

    Returns:
        Counts read beside published ones, and folds that cannot be cut, with the reason.
    """
    folds, left_out = configurations(work.reader, reports, request.folds)
    checks = compare(work.reader.name, total_census(reports), work.job.options)
    manifest = make_manifest(work.reader, work.job, reports, failures, folds, checks, " ".join(request.right.split()))
    try:
        folder.finish(make_card(work.reader, manifest, checks), manifest)
    except OSError as error:
        raise ShardWriteError(
            error.errno, f"card and manifest: cannot be written: {error.strerror or error}"
        ) from error
    return checks, left_out


def _push(work: _Work, folder: OutFolder, request: Request, reports: Sequence[ShardReport]) -> int:
    try:
        done = push(folder, work.reader, request.push, [report.name for report in reports if report.rows])
    except (PushError, PushRefused) as error:
        print(f"built, but not uploaded: {error}", file=sys.stderr)
        return SOME_FAILED
    seen = "private" if done.private else "public"
    print(f'uploaded to {done.url} ({seen}); load exactly this with revision="{done.commit}"', file=sys.stderr)
    return ALL_WRITTEN
