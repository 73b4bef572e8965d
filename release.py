"""A checkpoint made into a model folder for the Hub: weights, the code that reads them, a card and a licence.

The folder is a dual checkpoint. With trust_remote_code=True its auto_map leads to this project's classes. Without, and
in serving engines, it is a stock LLaVA: architectures and processor_class name the stock classes, no tensor is extra.
"""

import json
import os
import shutil
import tempfile
from fnmatch import fnmatch
from pathlib import Path

from aullava.configuration_aullava import AUTO_MAP, CUSTOM_PIPELINES

ROOT = Path(__file__).resolve().parent
EMBEDDED = ROOT / "checkpoints" / "au-llava-tiny"

# The code that travels with every checkpoint; nothing else of the package does.
REMOTE_FILES = (
    "action_units.py",
    "configuration_aullava.py",
    "processing_aullava.py",
    "readout_aullava.py",
    "modeling_aullava.py",
    "pipeline_aullava.py",
)
# What is taken from a checkpoint. Everything else stays behind: optimizer states, training arguments (a pickle), logs.
CHECKPOINT_FILES = (
    "README.md",
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "model-*-of-*.safetensors",
    "model.safetensors.index.json",
    "processor_config.json",
    "preprocessor_config.json",
    "chat_template.jinja",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)
_REQUIRED = ("config.json", "processor_config.json", "tokenizer.json", "tokenizer_config.json")
_PROCESSOR_MAP = {"AutoProcessor": "processing_aullava.AULlavaProcessor"}


def embedded_checkpoint() -> Path:
    """The checkpoint that comes with the package.

    Raises:
        FileNotFoundError: this copy of the package has none.
    """
    if not (EMBEDDED / "config.json").is_file():
        raise FileNotFoundError(
            f"this copy has no embedded checkpoint: expected {EMBEDDED}. Pass --checkpoint with a folder or a Hub id, "
            "or take a complete copy of the repository"
        )
    return EMBEDDED


def assemble(checkpoint: str | Path, out_dir: str | Path) -> Path:
    """Write the Hub folder of a checkpoint. It appears whole or not at all, and replaces an earlier release.

    Args:
        checkpoint: folder with config, safetensors weights, processor and tokenizer.
        out_dir: the folder to write; missing, empty, or an earlier release.

    Returns:
        `out_dir`.

    Raises:
        FileNotFoundError: the checkpoint lacks a file.
        FileExistsError: `out_dir` holds something else than a release.
        ValueError: the checkpoint is no LLaVA model.
    """
    checkpoint, out_dir = Path(checkpoint), Path(out_dir)
    _check_complete(checkpoint)
    _check_free(out_dir, checkpoint)
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out_dir.name}.", dir=out_dir.parent) as scratch:
        staged = Path(scratch) / "new"
        staged.mkdir()
        for file in taken_files(checkpoint):
            shutil.copyfile(checkpoint / file, staged / file)
        for file in (*REMOTE_FILES, "LICENSE"):
            shutil.copyfile(ROOT / file, staged / file)
        _make_dual(staged)
        if not (staged / "README.md").exists():
            (staged / "README.md").write_text(_plain_card(out_dir.name), encoding="utf-8")
        if out_dir.exists():
            os.replace(out_dir, Path(scratch) / "old")
        os.replace(staged, out_dir)
    return out_dir


def taken_files(checkpoint: Path) -> list[str]:
    """Names of the files a release takes from a checkpoint folder."""
    return [name for name in _names(checkpoint) if _is_taken(name)]


def left_files(checkpoint: Path) -> list[str]:
    """Names of the files and folders a release leaves behind."""
    return [name for name in _names(checkpoint) if not _is_taken(name)]


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _is_taken(name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in CHECKPOINT_FILES)


def _check_complete(checkpoint: Path) -> None:
    if not checkpoint.is_dir():
        raise FileNotFoundError(f"no checkpoint folder {checkpoint}: save or download the checkpoint first")
    names = set(_names(checkpoint))
    if "adapter_config.json" in names:
        raise ValueError(f"{checkpoint} holds an adapter: merge it into its base model and save that")
    missing = [name for name in _REQUIRED if name not in names]
    index = checkpoint / "model.safetensors.index.json"
    if index.is_file():
        shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        missing += sorted(shards - names)
    elif "model.safetensors" not in names:
        missing.append("model.safetensors")
    if missing:
        raise FileNotFoundError(f"checkpoint {checkpoint} lacks {', '.join(missing)}: save model and processor")
    model_type = _read(checkpoint / "config.json").get("model_type")
    if model_type != "llava":
        raise ValueError(f"{checkpoint}/config.json has model_type {model_type!r}: expected 'llava'")


def _check_free(out_dir: Path, checkpoint: Path) -> None:
    """Refuse every place whose contents somebody may miss."""
    if out_dir.resolve() == checkpoint.resolve():
        raise FileExistsError(f"{out_dir} is the checkpoint itself: name another folder")
    if not out_dir.exists():
        return
    if not out_dir.is_dir():
        raise FileExistsError(f"{out_dir} is a file: name a folder")
    names = _names(out_dir)
    foreign = [name for name in names if not (_is_taken(name) or name in REMOTE_FILES or name == "LICENSE")]
    earlier_release = not foreign and set(REMOTE_FILES) <= set(names)
    if names and not earlier_release:
        about = f"holds {', '.join(foreign[:3])}" if foreign else "holds files that are no release"
        raise FileExistsError(f"{out_dir} {about}: name a new folder, an empty one, or one of an earlier release")


def _make_dual(folder: Path) -> None:
    """Name the stock classes where stock loaders look, and ours in the auto_maps. Doing it twice changes nothing."""
    edits = {
        "config.json": {
            "architectures": ["LlavaForConditionalGeneration"],
            "auto_map": AUTO_MAP,
            "custom_pipelines": CUSTOM_PIPELINES,
        },
        "processor_config.json": {"processor_class": "LlavaProcessor", "auto_map": _PROCESSOR_MAP},
        "tokenizer_config.json": {"processor_class": "LlavaProcessor"},
    }
    for name, edit in edits.items():
        content = _read(folder / name) | edit
        (folder / name).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def _plain_card(name: str) -> str:
    """The card of a checkpoint that brings none: how to use it, and that nothing was measured."""
    return f"""---
license: apache-2.0
library_name: transformers
pipeline_tag: image-text-to-text
tags: [facial-action-units, facs, llava]
---

# {name}

Reads facial action units (FACS) from a cropped face as text, with the classes of AU-LLaVA.

```python
from transformers import AutoModel, AutoProcessor

model = AutoModel.from_pretrained("{name}", trust_remote_code=True)
processor = AutoProcessor.from_pretrained("{name}", trust_remote_code=True)
readings = model.recognize("face.png", processor=processor, protocol="disfa", mode="joint")
```

Without `trust_remote_code` the folder loads as a stock LLaVA model.

**Training data:** not stated. **Accuracy:** not measured. **Results per group:** not measured.
Readings describe visible muscle action; they do not say what a person feels.
"""
