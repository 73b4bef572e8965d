"""The manifest: what was written, from which sources, by which code; and the configurations for `load_dataset`.

It holds no absolute path and no time: the same build gives the same manifest.
"""

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from aullava.common.scrub import shorten_paths
from aullava.common.versions import code_version
from aullava.dataset_builder.corpora.reader import CorpusReader
from aullava.dataset_builder.errors import CorpusError
from aullava.dataset_builder.publish.folder import DATA
from aullava.dataset_builder.publish.request import BuildJob
from aullava.dataset_builder.publish.shards import ShardReport
from aullava.dataset_builder.publish.sources import row_versions
from aullava.dataset_builder.publish.workers import Failure
from aullava.dataset_builder.rows.census import Census
from aullava.dataset_builder.rows.folds import LEAVE_ONE_OUT, fold_names
from aullava.dataset_builder.rows.self_check import Check
from aullava.dataset_builder.rows.splits import split_subjects

FORMAT = 1  # of the manifest; goes up when a key changes its meaning
_NAME_LENGTH = 80
DEFAULT, OWNERS = "default", "owners"

Configurations = dict[str, dict[str, list[str]]]  # configuration -> split -> files


def make_manifest(
    reader: CorpusReader,
    job: BuildJob,
    reports: Sequence[ShardReport],
    failures: Sequence[Failure],
    folds: Configurations,
    checks: Sequence[Check],
    right: str = "",
) -> dict:
    """The manifest as JSON holds it.

    Args:
        reports: of all finished shards, earlier runs included. failures: of the others.
        folds: from `configurations`. checks: counts found and published.
        right: the statement of right for uploading a licensed corpus.
    """
    return {
        "format": FORMAT,
        "corpus": reader.name,
        "title": reader.title,
        "licensed": reader.licensed,
        "people_known": reader.people_known,
        "settings": job.settings(),
        "code": code_version(),
        "libraries": row_versions(),
        "totals": {
            "subjects": sum(len(report.subjects) for report in reports),
            "rows": sum(report.rows for report in reports),
            "bytes": sum(report.bytes for report in reports),
            "labelled_frames": dict(sorted(total_statuses(reports).items())),
        },
        "self_check": [_as_json(check) for check in checks],
        "configurations": {DEFAULT: {"train": [f"{DATA}/*.parquet"]}, **folds} if any(r.rows for r in reports) else {},
        "shards": [
            {"file": f"{DATA}/{report.name}.parquet" if report.rows else None, **vars(report)} for report in reports
        ],
        "failed": [
            {"subjects": list(failure.plan.subjects), "error": _without_place(failure.message, job)}
            for failure in failures
        ],
        "right": right,
    }


def total_statuses(reports: Iterable[ShardReport]) -> Counter:
    """Status -> labelled frames of all shards."""
    return sum((Counter(report.statuses) for report in reports), Counter())


def total_census(reports: Iterable[ShardReport]) -> Census:
    """Label counts of all shards."""
    return sum((Census.from_dict(report.census) for report in reports), Census())


def configurations(
    reader: CorpusReader, reports: Sequence[ShardReport], wanted: Sequence[str] | None
) -> tuple[Configurations, dict[str, str]]:
    """Folds and owners' splits as lists of shards, so nothing is stored twice.

    Args:
        wanted: names of folds; None: all frozen folds of the corpus.

    Returns:
        The configurations, and the reason for every fold that cannot be made from these shards.
    """
    written = [report for report in reports if report.rows]
    subjects = [subject for report in written for subject in report.subjects]
    found, left_out = {}, {}
    for name in (None, *(fold_names(reader.name) if wanted is None else wanted)) if subjects else ():
        try:
            people = split_subjects(reader, subjects, fold_name=name)
            splits = {split: _files(written, set(members), str(name)) for split, members in people.items()}
        except CorpusError as error:
            left_out[name or OWNERS] = str(error)
            continue
        if splits:
            found[config_name(name) if name else OWNERS] = splits
    return found, left_out


def config_name(fold: str) -> str:
    """A fold's name as `datasets` takes it for a configuration: "loso:F001" -> "loso_F001", "1" -> "fold1". Other changed
    names get part of their hash, so that all stay distinct."""
    if fold.isdecimal():
        return f"fold{fold}"
    plain = fold.replace(":", "_", 1) if fold.startswith(LEAVE_ONE_OUT) else fold
    clean = re.sub(r"[^A-Za-z0-9_.-]+", "_", plain)[:_NAME_LENGTH]
    return clean if clean == plain else f"{clean}-{hashlib.sha256(fold.encode()).hexdigest()[:10]}"


def _files(reports: Sequence[ShardReport], members: set[str], fold: str) -> list[str]:
    files = []
    for report in reports:
        inside = members.intersection(report.subjects)
        if inside and len(inside) < len(report.subjects):
            raise CorpusError(
                f"{fold} cuts through shard {report.name}, which holds many subjects of this corpus together"
            )
        files += [f"{DATA}/{report.name}.parquet"] if inside else []
    return files


def _as_json(check: Check) -> dict:
    found = None if math.isnan(check.found) else check.found
    return {
        "quantity": check.label,
        "expected": check.expected,
        "found": found,
        "evidence": check.tag,
        "verdict": check.verdict,
    }


def _without_place(message: str, job: BuildJob) -> str:
    """A message without absolute paths: sources become "DATA_DIR", other paths their last name."""
    places = [str(form) for place in job.places() for form in (Path(place).expanduser().resolve(), place)]
    for place in sorted(places, key=len, reverse=True):
        message = message.replace(place, "DATA_DIR")
    return shorten_paths(message)
