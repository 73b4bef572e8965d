"""The output folder of a build: its owner, what is finished, and what must be removed.

README.md, manifest.json    exist only while they agree with the shards: a build that changes shards removes them first
data/<subject>.parquet      the shards; each appears whole
.build/settings.json        settings of the build; others are refused
.build/shards/<subject>.json    the report of a finished shard, written after it
.build/cards                hashes of the cards written here, so that a card edited by hand is not overwritten
.build/lock                 held while a build runs
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from filelock import FileLock, Timeout

from aullava.common.files import TEMPORARY, replace_file
from aullava.common.hashing import file_hash
from aullava.dataset_builder.errors import CorpusError
from aullava.dataset_builder.publish.shards import Plan, ShardReport
from aullava.dataset_builder.rows.census import Census

STATE, DATA, CARD, MANIFEST = ".build", "data", "README.md", "manifest.json"


class FolderError(CorpusError):
    """The output folder cannot be used for this build; nothing was changed."""


class OutFolder:
    """A context manager that gives this process the folder to itself.

    Args:
        path: missing, empty, or an earlier build's with the same settings.
        settings: `BuildJob.settings()`.

    Raises:
        FolderError: not a folder of a build, built with other settings, in use, or not writable.
    """

    def __init__(self, path: Path, settings: dict):
        self.path = path
        self._settings = settings
        self._state = path / STATE
        self._lock = FileLock(self._state / "lock", blocking=False, thread_local=False)

    def __enter__(self) -> "OutFolder":
        self._check()
        try:
            for folder in (self._state / "shards", self.path / DATA):
                folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
            self._check()  # another build may have begun and ended since
            if not self._settings_file.exists():
                _write_json(self._settings_file, self._settings)
        except FolderError:
            self.__exit__()
            raise
        except Timeout:
            raise FolderError(
                f"--out {self.path}: another build is writing there: wait for it, or name another folder"
            ) from None
        except OSError as error:
            self.__exit__()
            raise FolderError(
                f"--out {self.path}: cannot be written to ({error}): name a folder that can be, on a disk with room"
            ) from error
        return self

    def __exit__(self, *_) -> None:
        self._lock.release()

    def shard_file(self, name: str) -> Path:
        """Where a shard lies."""
        return self.path / DATA / f"{name}.parquet"

    def finished(self, plan: Plan, fingerprint: str) -> ShardReport | None:
        """The report of a finished shard, unchanged and from exactly this source; None if there is none."""
        try:
            report = ShardReport(**json.loads(self._report_file(plan.name).read_text("utf-8")))
            Census.from_dict(report.census)
            Counter(report.statuses).total()
        except (OSError, ValueError, TypeError, KeyError, AttributeError):  # damaged: the shard is written again
            return None
        file = self.shard_file(plan.name)
        if report.fingerprint != fingerprint or tuple(report.subjects) != plan.subjects:
            return None
        if file.exists() != bool(report.rows) or (report.rows and file_hash(file) != report.sha256):
            return None
        return report

    def record(self, report: ShardReport) -> None:
        """Record that a shard is finished."""
        _write_json(self._report_file(report.name), asdict(report))

    def begin(self, keep: Iterable[str], planned: Iterable[str]) -> list[str]:
        """Remove leftovers of interrupted runs and all shards but those to keep. If anything changes, card and manifest go first,
        as they would no longer be true.

        Args:
            keep: names of finished shards that stay.
            planned: names of all planned shards.

        Returns:
            Names of the shards that were removed.

        Raises:
            FolderError: there are Parquet files of other origin; nothing was changed.
        """
        keep, planned = set(keep), set(planned)
        stale = [file for file in (self.path / DATA).glob("*.parquet") if file.stem not in keep]
        reports = [file for file in (self._state / "shards").glob("*.json") if file.stem not in keep]
        known = planned | {file.stem for file in reports}
        if strange := sorted(file.name for file in stale if file.stem not in known or not file.is_file()):
            raise FolderError(
                f"{self.path / DATA} holds {_some(strange)}, which no build wrote: move what is yours elsewhere, since every "
                "Parquet file there is loaded as rows"
            )
        changes = bool(planned - keep)
        if changes or stale or reports:
            for name in (MANIFEST, CARD):
                (self.path / name).unlink(missing_ok=True)
        self.sweep()
        for file in (*stale, *reports):  # in this order: a file without a report would count as foreign
            file.unlink()
        return sorted(file.stem for file in stale)

    def sweep(self) -> None:
        """Remove partial files of killed processes."""
        for folder in (self.path, self.path / DATA, self._state, self._state / "shards"):
            for left in (*folder.glob(f"{TEMPORARY}*"), *folder.glob("*.parquet.part")):
                left.unlink(missing_ok=True)

    def finish(self, card: str, manifest: dict) -> None:
        """Write card and manifest, the manifest last, as it marks the folder complete."""
        with open(self._state / "cards", "a") as file:
            file.write(hashlib.sha256(card.encode()).hexdigest() + "\n")
        replace_file(self.path / CARD, lambda path: path.write_bytes(card.encode()))
        _write_json(self.path / MANIFEST, manifest)

    def _check(self) -> None:
        """Refuse a folder before anything in it is changed."""
        if self.path.exists() and not self.path.is_dir():
            raise FolderError(f"--out {self.path} is a file: name a folder")
        if not self._settings_file.is_file():
            if inside := _files_in(self.path):
                raise FolderError(
                    f"--out {self.path} is not empty ({_some(inside)}) and no earlier build's: name a new folder or an empty one"
                )
            return
        try:
            earlier = json.loads(self._settings_file.read_text("utf-8"))
            if not isinstance(earlier, dict):
                raise ValueError(f"expected an object, found {type(earlier).__name__}")
        except ValueError as error:
            raise FolderError(f"{self._settings_file} is damaged ({error}): name another folder") from error
        if earlier != self._settings:
            there, now = _flat(earlier), _flat(self._settings)
            keys = sorted(key for key in there | now if there.get(key) != now.get(key))
            shown = [[json.dumps(flat[key]) if key in flat else "not given" for flat in (there, now)] for key in keys]
            different = [
                f"{key}: there {before}, now {after}" for key, (before, after) in zip(keys, shown, strict=True)
            ]
            raise FolderError(
                f"--out {self.path} was built with other settings ({'; '.join(different)}): name another folder, or repeat the "
                "earlier settings"
            )
        card, written = self.path / CARD, self._state / "cards"
        if card.exists() and file_hash(card) not in (written.read_text().split() if written.exists() else ()):
            raise FolderError(f"{card} was edited since it was written: move it away, since this build writes it anew")

    @property
    def _settings_file(self) -> Path:
        return self._state / "settings.json"

    def _report_file(self, name: str) -> Path:
        return self._state / "shards" / f"{name}.json"


def _files_in(out: Path) -> list[str]:
    """What a folder holds, except leftovers of a build that ended before it wrote its settings."""
    if not out.exists():
        return []
    ours = ["lock", "shards"]
    begun = sorted(os.listdir(out / STATE)) if (out / STATE).is_dir() else []
    begun = [name for name in begun if not name.startswith(TEMPORARY)]
    empty = {STATE} if begun in ([], ["lock"], ["shards"], ours) else set()
    if (out / DATA).is_dir() and not os.listdir(out / DATA):
        empty.add(DATA)
    return sorted({*os.listdir(out)} - empty)


def _some(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _flat(settings: dict, prefix: str = "") -> dict[str, object]:
    flat = {}
    for key, value in settings.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) and value else {prefix + key: value}
    return flat


def _write_json(path: Path, content: dict) -> None:
    text = json.dumps(content, indent=1, ensure_ascii=True) + "\n"
    replace_file(path, lambda temporary: temporary.write_text(text, "utf-8"))
