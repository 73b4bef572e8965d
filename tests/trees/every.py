"""A small tree of every corpus there is a reader for."""

import importlib
from pathlib import Path

from aullava.dataset_builder.corpora.registry import READERS

CORPORA = tuple(READERS)


def make(name: str, root: Path) -> tuple[Path | None, dict]:
    """Write the corpus; what to give a reader: data_dir (None for drawn faces) and options."""
    if name == "feafa_plus":  # part B takes its pictures from DISFA's videos
        folder = importlib.import_module("trees.feafa_plus").make(root / "feafa_plus")
        return folder, {"disfa_dir": str(importlib.import_module("trees.disfa").make(root / "disfa"))}
    module = importlib.import_module(f"trees.{name}")
    return module.make(root / name), dict(getattr(module, "OPTIONS", {}))
