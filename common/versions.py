"""Versions of this package and of the libraries it runs on, as records of runs, tables and datasets state them."""

import subprocess
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

LIBRARIES = (
    "torch",
    "transformers",
    "huggingface_hub",
    "trl",
    "peft",
    "accelerate",
    "datasets",
    "tokenizers",
    "bitsandbytes",
    "deepspeed",
    "numpy",
    "pandas",
    "pyarrow",
    "pillow",
    "opencv-python-headless",
    "av",
)
_PACKAGE = Path(__file__).resolve().parents[1]


def library_versions(names: Iterable[str] = LIBRARIES) -> dict[str, str]:
    """Library -> its version; a library that is not installed is left out."""
    return {name: found for name in names if (found := _version(name))}


def package_version() -> str:
    """Version of this package, "unknown" if it is not installed."""
    return _version("au-llava") or "unknown"


def code_version() -> dict[str, object]:
    """Version of the package; in a clone also the commit, and whether files differ from it."""
    known = {"version": package_version()}
    if not (_PACKAGE / ".git").exists():
        return known
    commit, changes = _git("rev-parse", "HEAD"), _git("status", "--porcelain", "--untracked-files=no")
    return known if commit is None else known | {"commit": commit, "modified": bool(changes)}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _git(*arguments: str) -> str | None:
    try:
        command = ["git", "--no-optional-locks", "-C", _PACKAGE, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
