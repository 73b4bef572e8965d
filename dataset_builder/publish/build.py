"""A build under way: the shards that are missing are written, then card and manifest. What happens is told on stderr."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from aullava.common.files import printable
from aullava.dataset_builder.corpora.reader import CorpusReader
from aullava.dataset_builder.errors import CorpusError
from aullava.dataset_builder.publish.dataset_card import make_card
from aullava.dataset_builder.publish.folder import OutFolder
from aullava.dataset_builder.publish.manifest import configurations, make_manifest, total_census
from aullava.dataset_builder.publish.request import BuildJob
from aullava.dataset_builder.publish.shards import Plan, ShardReport, ShardWriteError
from aullava.dataset_builder.publish.sources import Sources
from aullava.dataset_builder.publish.summary import failed, progress, written
from aullava.dataset_builder.publish.workers import Failure, Task, WorkerDied, build_shards
from aullava.dataset_builder.rows.self_check import Check, compare, table

_TABLE_WIDTH = 120  # characters; the longest row of a self-check needs no more
_UNSAID = {MemoryError: "out of memory"}
_STOPS = (ShardWriteError, WorkerDied, ImportError, MemoryError, KeyboardInterrupt)  # ImportError: no decoder


@dataclass(frozen=True)
class Build:
    """What is built, after every check.

    Args:
        out: the folder. folds: those to offer; None for all. right: why a licensed corpus may be uploaded, or "".
    """

    reader: CorpusReader
    job: BuildJob
    subjects: tuple[str, ...]
    out: Path | None
    folds: tuple[str, ...] | None = None
    processes: int = 1
    right: str = ""


def sort_shards(
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


def write_build(
    build: Build,
    folder: OutFolder,
    plans: Sequence[Plan],
    finished: Mapping[str, ShardReport],
    tasks: Sequence[Task],
    failures: Sequence[Failure],
) -> list[ShardReport] | None:
    """Write what is missing, in a folder that is ours alone while it lasts.

    Args:
        finished, tasks, failures: as `sort_shards` finds them.

    Returns:
        The shards, in the order of the plans. None if the build was stopped, a subject failed, or there is no row.
    """
    reports, failures = dict(finished), list(failures)
    try:
        say = Console(stderr=True, soft_wrap=True, highlight=False)
        with progress(say, len(tasks)) as (advance, shard_done):
            for outcome in build_shards(build.reader, build.job, folder, tasks, build.processes, advance):
                shard_done()
                if isinstance(outcome, Failure):
                    failures.append(outcome)
                else:
                    reports[outcome.name] = outcome
        ordered = [reports[plan.name] for plan in plans if plan.name in reports]
        checks, left_out = _finish(build, folder, ordered, failures)
    except _STOPS as error:
        folder.sweep()
        reason = (
            error.strerror if isinstance(error, OSError) else str(error) or _UNSAID.get(type(error), "interrupted")
        )
        print(f"stopped: {build.out}: {reason}", file=sys.stderr)
        done = f"{len(reports)} of {len(plans)} shards are finished"
        print(f"{done}; run the same command again to resume", file=sys.stderr)
        return None
    _print_checks(checks)
    for line in (*failed(failures), *written(build.out, build.job.usable, ordered, left_out)):
        print(printable(line), file=sys.stderr)
    return None if failures or not any(report.rows for report in ordered) else ordered


def _finish(
    build: Build, folder: OutFolder, reports: Sequence[ShardReport], failures: Sequence[Failure]
) -> tuple[list[Check], dict[str, str]]:
    """Write card and manifest.

    Returns:
        Counts read beside published ones, and folds that cannot be cut, with the reason.
    """
    reader, job = build.reader, build.job
    folds, left_out = configurations(reader, reports, build.folds)
    checks = compare(reader.name, total_census(reports), job.options)
    manifest = make_manifest(reader, job, reports, failures, folds, checks, " ".join(build.right.split()))
    try:
        folder.finish(make_card(reader, manifest, checks), manifest)
    except OSError as error:
        raise ShardWriteError(
            error.errno, f"card and manifest: cannot be written: {error.strerror or error}"
        ) from error
    return checks, left_out


def _print_checks(checks: Sequence[Check]) -> None:
    """The table on stdout, at its full width where nobody looks at a terminal. A closed pipe does not end a build."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=max(console.width, _TABLE_WIDTH))
    try:
        console.print(table(checks))
    except (OSError, SystemExit) as error:  # SystemExit: rich's answer to a pipe that is closed
        reason = error if isinstance(error, OSError) else "nobody reads it"
        print(f"self-check: not printed ({reason}); README.md has it", file=sys.stderr)
