"""The folder a build writes to: whose it is, what in it is finished, and what must go.

README.md, manifest.json    there only while they agree with the shards: a build that changes shards removes them first
data/<subject>.parquet      the shards; each appears whole
.build/settings.json        what the folder was built with; another build is refused
.build/shards/<subject>.json    the report of a finished shard, written after it
.build/cards                hashes of the cards written here, so that one edited by hand is not overwritten
.build/lock                 held while a build runs
"""

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from aullava.dataset_builder.errors import CorpusError
from aullava.dataset_builder.export.shards import Plan, ShardReport, file_hash
from aullava.media.files import replace_file

try:
    import fcntl
except ImportError:  # Windows: two builds at a time into one folder are not noticed there
    fcntl = None

STATE, DATA, CARD, MANIFEST = ".build", "data", "README.md", "manifest.json"


class FolderError(CorpusError):
    """The output folder cannot be used for this build; nothing in it was changed."""


class OutFolder:
    """Use as a context manager; inside, this process alone builds here.

    Args:
        path: missing, empty, or an earlier build's with the same settings.
        settings: `Job.settings()`.

    Raises:
        FolderError: it is somebody else's, of other settings, in use, or cannot be written to.
    """

    def __init__(self, path: Path, settings: dict):
        self.path = path
        self._settings = settings
        self._state = path / STATE
        self._lock = None

    def __enter__(self) -> "OutFolder":
        self._check()
        try:
            for folder in (self._state / "shards", self.path / DATA):
                folder.mkdir(parents=True, exist_ok=True)
            self._take_lock()
            if not self._settings_file.exists():
                _write_json(self._settings_file, self._settings)
        except OSError as error:
            self.__exit__()
            raise FolderError(
                f"--out {self.path}: cannot be written to ({error}): name a folder that can be, on a disk with room"
            ) from error
        return self

    def __exit__(self, *_) -> None:
        if self._lock is not None:
            os.close(self._lock)
        self._lock = None

    def shard_file(self, name: str) -> Path:
        """Where a shard lies."""
        return self.path / DATA / f"{name}.parquet"

    def finished(self, plan: Plan, fingerprint: str) -> ShardReport | None:
        """The report of a shard that is there as it was written, from this very source; None if there is none."""
        try:
            report = ShardReport(**json.loads(self._report_file(plan.name).read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        file = self.shard_file(plan.name)
        if report.fingerprint != fingerprint or tuple(report.subjects) != plan.subjects:
            return None
        if file.exists() != bool(report.rows) or (report.rows and file_hash(file) != report.sha256):
            return None
        return report

    def record(self, report: ShardReport) -> None:
        """Remember that a shard is finished."""
        _write_json(self._report_file(report.name), asdict(report))

    def begin(self, keep: Iterable[str], changes: bool) -> list[str]:
        """Remove what interrupted runs left behind, and all shards but those to keep. If anything changes, card and manifest go
        first, which would no longer be true.

        Args:
            keep: names of finished shards that stay.
            changes: whether shards will be written.

        Returns:
            Names of the shards that were removed.
        """
        keep = set(keep)
        stale = [file for file in (self.path / DATA).glob("*.parquet") if file.stem not in keep]
        reports = [file for file in (self._state / "shards").glob("*.json") if file.stem not in keep]
        if changes or stale or reports:
            for name in (MANIFEST, CARD):
                (self.path / name).unlink(missing_ok=True)
        self.sweep()
        for file in (*reports, *stale):
            file.unlink()
        return sorted(file.stem for file in stale)

    def sweep(self) -> None:
        """Remove what was being written when a process was ended."""
        for folder in (self.path, self.path / DATA, self._state, self._state / "shards"):
            for left in (*folder.glob(".aullava-*"), *folder.glob("*.part")):
                left.unlink(missing_ok=True)

    def finish(self, card: str, manifest: dict) -> None:
        """Write card and manifest, the manifest last: it says that the folder is complete."""
        with open(self._state / "cards", "a") as file:
            file.write(_hash(card.encode()) + "\n")
        replace_file(self.path / CARD, lambda path: path.write_bytes(card.encode()))
        _write_json(self.path / MANIFEST, manifest)

    def _check(self) -> None:
        """Look before anything is touched."""
        if self.path.exists() and not self.path.is_dir():
            raise FolderError(f"--out {self.path} is a file: name a folder")
        if not self._settings_file.is_file():
            if not self.path.exists() or not {*os.listdir(self.path)} - {STATE, DATA}:
                return
            inside = ", ".join(sorted(os.listdir(self.path))[:8])
            raise FolderError(
                f"--out {self.path} is not empty ({inside}) and no earlier build's: name a new folder or an empty one"
            )
        try:
            earlier = json.loads(self._settings_file.read_text("utf-8"))
        except ValueError as error:
            raise FolderError(f"{self._settings_file} is damaged ({error}): name another folder") from error
        if earlier != self._settings:
            raise FolderError(
                f"--out {self.path} was built with other settings ({_difference(earlier, self._settings)}): name another folder, "
                "or repeat the earlier settings"
            )
        card = self.path / CARD
        if card.exists() and file_hash(card) not in self._cards():
            raise FolderError(f"{card} was edited since it was written: move it away, since this build writes it anew")

    def _cards(self) -> set[str]:
        file = self._state / "cards"
        return set(file.read_text().split()) if file.exists() else set()

    def _take_lock(self) -> None:
        self._lock = os.open(self._state / "lock", os.O_RDWR | os.O_CREAT, 0o666)
        if fcntl is None:
            return
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.__exit__()
            raise FolderError(
                f"--out {self.path}: another build is writing there: wait for it, or name another folder"
            ) from None

    @property
    def _settings_file(self) -> Path:
        return self._state / "settings.json"

    def _report_file(self, name: str) -> Path:
        return self._state / "shards" / f"{name}.json"


def _difference(earlier: dict, now: dict) -> str:
    """Every setting that is not the same, both ways."""
    flat_earlier, flat_now = _flat(earlier), _flat(now)
    keys = sorted(key for key in flat_earlier | flat_now if flat_earlier.get(key) != flat_now.get(key))
    return "; ".join(f"{key}: there {_shown(flat_earlier, key)}, now {_shown(flat_now, key)}" for key in keys)


def _flat(settings: dict, prefix: str = "") -> dict[str, object]:
    flat = {}
    for key, value in settings.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) and value else {prefix + key: value}
    return flat


def _shown(flat: dict, key: str) -> str:
    return json.dumps(flat[key]) if key in flat else "not given"


def _write_json(path: Path, content: dict) -> None:
    text = json.dumps(content, indent=1, ensure_ascii=True) + "\n"
    replace_file(path, lambda temporary: temporary.write_text(text, "utf-8"))


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
