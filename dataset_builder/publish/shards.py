"""One shard: the rows of one subject, streamed into one Parquet file with the pictures' bytes inside.

The same source, settings and libraries give the same bytes, whichever process writes them and however often it is interrupted.
"""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Features

from aullava.common.hashing import file_hash
from aullava.dataset_builder.corpora.reader import CorpusReader
from aullava.dataset_builder.publish.request import BuildJob
from aullava.dataset_builder.rows.builder import rows_of_subject, units_asked
from aullava.dataset_builder.rows.census import Census
from aullava.dataset_builder.rows.schema import features_of

ROWS_AT_ONCE, BYTES_AT_ONCE = 100, 8 << 20  # of one row group, whichever comes first; no more is held in memory
EXAMPLES = 5  # frames named per reason for leaving rows out
MOST_ALONE, TOGETHER = 1000, 100  # of more subjects, a hundred share a shard: they are mostly single images
_NAME_LENGTH = 80
_COMPRESSION = "snappy"


@dataclass(frozen=True)
class Plan:
    """A planned shard: the name of its file without suffix, and the subjects whose rows it holds."""

    name: str
    subjects: tuple[str, ...]


@dataclass
class ShardReport:
    """What a shard holds and what was left out.

    Args:
        name, subjects: of its plan. fingerprint: of all its sources.
        rows: rows written. A shard without any has no file; then `bytes` is 0 and `sha256` "".
        statuses: status -> number of labelled frames, those written included.
        examples: status of rows left out -> keys of the first few of them.
        census: counts of the labels of all labelled frames, as `Census.to_dict` writes them.
    """

    name: str
    subjects: list[str]
    fingerprint: str
    rows: int = 0
    bytes: int = 0
    sha256: str = ""
    statuses: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)
    census: dict = field(default_factory=dict)


class ShardWriteError(OSError):
    """A shard cannot be written: the disk is full or read-only."""


def plan_shards(reader: CorpusReader, subjects: Sequence[str]) -> list[Plan]:
    """One shard per subject. If there are thousands of subjects, a hundred neighbours of one owners' split share a shard."""
    if len(subjects) <= MOST_ALONE:
        names = _file_names(reader.subjects())
        return [Plan(names[subject], (subject,)) for subject in subjects]
    plans = []
    of_split: dict[str, list[str]] = {}
    for subject in subjects:
        of_split.setdefault(reader.native_split(subject), []).append(subject)
    for split, members in of_split.items():
        for start in range(0, len(members), TOGETHER):
            name = "-".join(filter(None, (reader.name, split, f"{len(plans):05d}")))
            plans.append(Plan(name, tuple(members[start : start + TOGETHER])))
    return plans


def _file_names(subjects: Sequence[str]) -> dict[str, str]:
    """Subject -> a name valid on every file system; a name that had to be changed, or differs from another only in case, gets
    part of the id's hash."""
    clean = {s: re.sub(r"[^A-Za-z0-9_.-]+", "_", s)[:_NAME_LENGTH].strip("._-") for s in subjects}
    alike = Counter(name.lower() for name in clean.values())
    names = {}
    for subject, name in clean.items():
        piece = hashlib.sha256(subject.encode(errors="surrogateescape")).hexdigest()[:10]
        unchanged = name == subject and alike[name.lower()] == 1
        names[subject] = name if unchanged else "-".join(filter(None, (name, piece)))
    return names


def write_shard(
    reader: CorpusReader, plan: Plan, job: BuildJob, fingerprint: str, target: Path, advance: Callable[[int], None]
) -> ShardReport:
    """Write a shard whole or not at all.

    Args:
        fingerprint: for the report.
        target: the file; its rows go into `target` + ".part" first. A subject without usable rows leaves no file.
        advance: called with numbers of labelled frames processed since the last call.

    Raises:
        CorpusError: a label file is malformed.
        ShardWriteError: it cannot be written.
    """
    report = ShardReport(plan.name, list(plan.subjects), fingerprint)
    # Not `replace_file`: a subject without usable rows must leave no file, and errors of the disk are told by `_writing`.
    part = target.with_name(target.name + ".part")
    units = units_asked(reader, job.protocol)
    features = features_of(units, reader.groups)
    census, statuses = Census.expecting(units), Counter()
    try:
        with _RowWriter(part, features) as writer:
            for subject in plan.subjects:
                for key, row in rows_of_subject(reader, subject, job.pictures, job.protocol):
                    statuses[row["status"]] += 1
                    census.add(row)
                    if row["status"] in job.usable:
                        writer.write(row)
                    else:
                        examples = report.examples.setdefault(row["status"], [])
                        examples += [key] if len(examples) < EXAMPLES else []
                    advance(1)
        report.rows, report.statuses, report.census = writer.rows, dict(sorted(statuses.items())), census.to_dict()
        if writer.rows:
            with _writing(part):
                report.bytes, report.sha256 = part.stat().st_size, file_hash(part)
                os.replace(part, target)
        else:
            target.unlink(missing_ok=True)
    finally:
        part.unlink(missing_ok=True)
    return report


class _RowWriter:
    """Rows to one Parquet file in small row groups; the file is begun with the first row."""

    def __init__(self, path: Path, features: Features):
        self.rows = 0
        self._path = path
        self._schema = features.arrow_schema  # its metadata tells `datasets` that the bytes are images
        self._waiting: list[dict] = []
        self._waiting_bytes = 0
        self._file: pq.ParquetWriter | None = None

    def __enter__(self) -> "_RowWriter":
        return self

    def __exit__(self, kind, *_) -> None:
        if kind is None:
            self._flush()
            if self._file is not None:
                with _writing(self._path):
                    self._file.close()
        elif self._file is not None:
            with suppress(OSError):  # the earlier error is the one to report
                self._file.close()

    def write(self, row: dict) -> None:
        self._waiting.append(row)
        self._waiting_bytes += len(row["image"]["bytes"])
        self.rows += 1
        if len(self._waiting) >= ROWS_AT_ONCE or self._waiting_bytes >= BYTES_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        table = pa.Table.from_pylist(self._waiting, schema=self._schema)
        with _writing(self._path):
            if self._file is None:
                labels = [name for name in self._schema.names if name != "image"]
                # No dictionary and no statistics of images: they cost memory and are useless.
                self._file = pq.ParquetWriter(
                    self._path, self._schema, compression=_COMPRESSION, use_dictionary=labels, write_statistics=labels
                )
            self._file.write_table(table)
        self._waiting.clear()
        self._waiting_bytes = 0


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Tells a failed write from an unreadable source: both are OSErrors."""
    try:
        yield
    except OSError as error:
        raise ShardWriteError(error.errno, f"{path.name}: cannot be written: {error.strerror or error}") from error
