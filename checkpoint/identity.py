"""Which checkpoint it is: the id of its weights, and the hash of the settings that change how they read.

Conventions
    id           the first 32 hexadecimal digits of a SHA-256 over every tensor in the folder's *.safetensors files, in the order of
                 their names (as UTF-8). Each tensor adds one line of JSON, [name, dtype, shape], and a newline, then its bytes as
                 safetensors stores them: little-endian, row-major. dtype is safetensors' own word, such as "F32" or "BF16".
                 File names, shards, the order within a file and metadata do not count, nor do configuration and card.
    settings     the first 32 digits of a SHA-256 over the configuration's keys but those that only say who wrote it or how it is
                 loaded (`_NOT_READ`), and over the other files that the processor is loaded from: tokenizer, images, template.
                 JSON is compared by content, so spaces and the order of keys do not count. Of a loaded model its calibration
                 counts as it is now, in place of the file's.
    fingerprint  of both and of the precision that the model was loaded in: what a stored reading depends on.
A folder, its release, its upload and its download share id and settings, as long as nobody changes tensors or settings.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import try_to_load_from_cache
from safetensors import safe_open

# What a configuration says of its origin and of the loader, and nothing of a reading.
_NOT_READ = ("transformers_version", "auto_map", "custom_pipelines", "architectures", "_name_or_path")
_READ = (
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
)
_LOADER_KEYS = {*_NOT_READ, "processor_class"}


@dataclass(frozen=True)
class CheckpointIdentity:
    """A checkpoint as it was loaded.

    Attributes:
        given: the folder or Hub id that was asked for.
        revision: the commit on the Hub, None for a folder.
        id, settings: see above; None where a server holds the weights, and no file can be read.
        calibration, dtype: of the loaded model.
    """

    given: str
    revision: str | None
    id: str | None
    settings: str | None
    calibration: dict[str, Any]
    dtype: str

    @property
    def fingerprint(self) -> str:
        """32 hexadecimal digits: of id, settings and precision."""
        depends_on = (self.id, self.settings, self.dtype)
        return hashlib.sha256(json.dumps(depends_on).encode()).hexdigest()[:32]


def identify(checkpoint: str | Path, model: Any, known_id: str | None = None) -> CheckpointIdentity:
    """The identity of a loaded model. Its weights are read once, at the speed of the disk.

    Args:
        checkpoint: the folder or Hub id that `model` was loaded from.
        known_id: of its weights, where they were read before.

    Raises:
        FileNotFoundError: its files are gone.
    """
    folder = Path(checkpoint)
    if not folder.is_dir():  # the Hub's cache keeps it in models--ORG--NAME/snapshots/COMMIT
        config = try_to_load_from_cache(str(checkpoint), "config.json")
        folder = Path(config).parent if isinstance(config, str) else folder
    if not any(folder.glob("*.safetensors")):
        raise FileNotFoundError(
            f"the weights of {checkpoint} are gone: expected *.safetensors where it was loaded from"
        )
    revision = folder.name if folder.parent.name == "snapshots" else None
    calibration = dict(model.config.calibration)
    settings = settings_hash(folder, calibration)
    return CheckpointIdentity(
        str(checkpoint), revision, known_id or weights_id(folder), settings, calibration, str(model.dtype)
    )


def weights_id(folder: str | Path) -> str:
    """The id of the weights in a folder, read once from its safetensors files, one tensor at a time.

    Returns:
        32 hexadecimal digits.

    Raises:
        FileNotFoundError: there is no *.safetensors file.
        ValueError: two files hold a tensor of the same name, so which one is loaded is open.
    """
    paths = sorted(Path(folder).glob("*.safetensors"))
    if not paths:
        raise FileNotFoundError(f"{folder} holds no weights: expected *.safetensors")
    places: dict[str, Path] = {}
    for path in paths:
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 (not a dictionary)
                if name in places:
                    raise ValueError(
                        f"{places[name].name} and {path.name} in {folder} both hold {name}: remove the file that is not loaded"
                    )
                places[name] = path
    digest = hashlib.sha256()
    files = {path: safe_open(path, framework="pt") for path in paths}
    for name in sorted(places, key=str.encode):
        file = files[places[name]]
        stored = file.get_slice(name)
        head = [name, stored.get_dtype(), list(stored.get_shape())]
        digest.update(json.dumps(head, ensure_ascii=True).encode() + b"\n")
        tensor = file.get_tensor(name).contiguous().reshape(-1)
        digest.update(tensor.view(torch.uint8).numpy().tobytes() if tensor.numel() else b"")
    return digest.hexdigest()[:32]


def settings_hash(folder: str | Path, calibration: Mapping[str, Any] | None = None) -> str:
    """The hash of a folder's settings that change readings; see the conventions on top.

    Args:
        calibration: counts in place of the configuration's own.

    Returns:
        32 hexadecimal digits.

    Raises:
        FileNotFoundError: there is no config.json.
    """
    folder = Path(folder)
    config = folder / "config.json"
    if not config.is_file():
        raise FileNotFoundError(f"{folder} holds no config.json: expected the folder of a checkpoint")
    written = _without_loader_keys(json.loads(config.read_text(encoding="utf-8")))
    # No calibration and an empty one read alike.
    written["calibration"] = dict(written.get("calibration") or {} if calibration is None else calibration)
    content = {"config.json": written}
    for name in _READ:
        if (path := folder / name).is_file():
            text = path.read_text(encoding="utf-8")
            content[name] = _without_loader_keys(json.loads(text)) if path.suffix == ".json" else text
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def _without_loader_keys(settings):
    if not isinstance(settings, dict):
        return settings
    return {key: value for key, value in settings.items() if key not in _LOADER_KEYS}
