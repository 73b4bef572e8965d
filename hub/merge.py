"""LoRA adapters merged into their base as a whole checkpoint, with the record and card of their run."""

import json
import shutil
from pathlib import Path

ADAPTERS = "adapter_config.json"
_RECORDS = ("training.json", "config.yaml", "CHANGELOG.md")


def is_adapters(folder: Path) -> bool:
    return (folder / ADAPTERS).is_file()


def merge(adapters: Path, folder: Path, base: str | None = None, title: str | None = None) -> Path:
    """Write the whole checkpoint of adapters that `train_sft.py` saved.

    Args:
        adapters: their folder.
        folder: where to write.
        base: folder or Hub id of their base, if it is no longer where they say.
        title: of its card; default: the name of the adapters' folder.

    Returns:
        `folder`.

    Raises:
        ValueError: not adapters of `train_sft.py`, or the base cannot be used.
        ImportError: the extra `train` is not installed.
    """
    from aullava.training.run.run_card import write_card
    from aullava.training.run.saving import merge_adapters

    merge_adapters(adapters, folder, checkpoint=base)
    for name in _RECORDS:
        if (adapters / name).is_file():
            shutil.copyfile(adapters / name, folder / name)
    if (record := folder / _RECORDS[0]).is_file():
        write_card(
            folder,
            json.loads(record.read_text(encoding="utf-8")),
            _licence(adapters / "README.md"),
            title or adapters.name,
        )
    return folder


def _licence(card: Path) -> str | None:
    """The licence in the adapters' own card."""
    from huggingface_hub import ModelCard

    if not card.is_file():
        return None
    stated = ModelCard(card.read_text(encoding="utf-8"), ignore_metadata_errors=True).data.license
    return stated if stated != "other" else None
