"""Which checkpoint it was: the commit on the Hub, hashes of its files, and one fingerprint of all that readings depend on."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import try_to_load_from_cache

from aullava.common.hashing import file_hash

_LOADED = ("*.json", "*.jinja", "*.safetensors")  # what model and processor are loaded from, but for
_ASIDE = ("training.json", "decision.json", "decision_template.jinja")  # where weights come from; what others ask them


@dataclass(frozen=True)
class CheckpointIdentity:
    """A checkpoint as it was loaded.

    Attributes:
        given: the folder or Hub id that was asked for.
        revision: the commit on the Hub, None for a folder of one's own.
        files: name -> SHA-256 of every file that the model and its processor are loaded from.
        calibration, dtype: of the loaded model, whose calibration may be changed after loading.
    """

    given: str
    revision: str | None
    files: dict[str, str]
    calibration: dict[str, Any]
    dtype: str

    @property
    def fingerprint(self) -> str:
        """32 hexadecimal digits: other weights, configuration, calibration, words or precision give others; another place of the
        same files does not."""
        depends_on = {"files": self.files, "calibration": self.calibration, "dtype": self.dtype}
        return hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()[:32]


def identify(checkpoint: str | Path, model) -> CheckpointIdentity:
    """Look at the files a model was loaded from. They are read once, at the speed of the disk.

    Args:
        checkpoint: the folder or Hub id that `model` was loaded from.

    Raises:
        FileNotFoundError: they are gone.
    """
    folder = _folder_of(checkpoint)
    paths = {path for pattern in _LOADED for path in folder.glob(pattern) if path.name not in _ASIDE}
    if not any(path.suffix == ".safetensors" for path in paths):
        raise FileNotFoundError(
            f"the weights of {checkpoint} are gone: expected *.safetensors where it was loaded from"
        )
    revision = folder.name if folder.parent.name == "snapshots" else None
    files = {path.name: file_hash(path) for path in sorted(paths)}
    return CheckpointIdentity(str(checkpoint), revision, files, dict(model.config.calibration), str(model.dtype))


def checkpoint_fingerprint(checkpoint: str | Path, model) -> str:
    """The fingerprint alone; see `CheckpointIdentity`."""
    return identify(checkpoint, model).fingerprint


def _folder_of(checkpoint: str | Path) -> Path:
    """The folder itself, or where the Hub's cache keeps the checkpoint: in models--ORG--NAME/snapshots/COMMIT."""
    if Path(checkpoint).is_dir():
        return Path(checkpoint)
    config = try_to_load_from_cache(str(checkpoint), "config.json")
    return Path(config).parent if isinstance(config, str) else Path(checkpoint)
