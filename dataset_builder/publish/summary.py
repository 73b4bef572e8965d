"""Messages of a build: progress, what was left out and why, what failed."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from aullava.dataset_builder.publish.manifest import total_statuses
from aullava.dataset_builder.publish.shards import ShardReport
from aullava.dataset_builder.publish.workers import Failure

_NAMED = 10  # shards named in one line


def resumed(finished: Mapping, removed: Sequence[str], shards: int) -> Iterator[str]:
    """Shards of an earlier build that are kept, and those removed."""
    if finished:
        yield f"{len(finished)} of {shards} shards are finished and unchanged: skipped"
    if removed:
        yield (
            f"removed shards no longer asked for, or made from other files or another version: {', '.join(removed[:_NAMED])}"
            + (f" and {len(removed) - _NAMED} more" if len(removed) > _NAMED else "")
        )


def failed(failures: Iterable[Failure]) -> Iterator[str]:
    """Subjects whose source is broken, and why."""
    for failure in failures:
        first, *others = failure.plan.subjects
        yield f"failed: {first}{f' and {len(others)} more' if others else ''}: {failure.message}"


def written(
    out: Path, usable: Sequence[str], reports: Sequence[ShardReport], folds_left_out: Mapping[str, str]
) -> Iterator[str]:
    """Counts of what was written and left out, with examples."""
    for fold, reason in folds_left_out.items():
        yield f"no configuration {fold}: {reason}"
    statuses = total_statuses(reports)
    for status in statuses:
        if status not in usable:
            examples = [key for report in reports for key in report.examples.get(status, [])][:3]
            yield f"left out: {statuses[status]} {status}, such as {', '.join(examples)}"
    rows, size = sum(report.rows for report in reports), sum(report.bytes for report in reports)
    subjects = sum(len(report.subjects) for report in reports)
    yield f"{rows} rows of {statuses.total()} labelled frames, {subjects} subjects, {size / 1e6:.1f} MB in {out}"
    if not rows:
        yield "no row is usable: are the images there, and do the labels code the units of the protocol?"


@contextmanager
def progress(console: Console, shards: int) -> Iterator[tuple[Callable[[int], None], Callable[[], None]]]:
    """Two functions to call: one with a number of frames processed, one when a shard is done."""
    columns = (
        TextColumn("building"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("subjects, {task.fields[frames]} frames"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("building", total=shards, frames=0)

        def advance(frames: int) -> None:
            bar.update(task, frames=bar.tasks[0].fields["frames"] + frames)

        yield advance, lambda: bar.advance(task)
