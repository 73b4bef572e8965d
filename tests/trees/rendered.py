"""Rendered faces need no tree: `make` is there so that every corpus has one."""

from pathlib import Path

OPTIONS = {"count": 5, "frames_per_identity": 2, "render_size": 32}  # three people, the last with one face


def make(root: Path, **options) -> None:
    """Nothing to write and no data_dir to give; pass `OPTIONS` to the reader for a small corpus."""
    if options:
        raise TypeError(f"no such options: {', '.join(options)}")
