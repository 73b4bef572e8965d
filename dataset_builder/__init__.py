"""Corpora on disk, or drawn, become rows of one schema and chat turns."""

__all__ = ["load_au_dataset"]


def __getattr__(name: str):
    """`load_au_dataset`, imported when it is asked for: drawing faces needs no `datasets` library."""
    if name == "load_au_dataset":
        from aullava.dataset_builder.rows.load import load_au_dataset

        return load_au_dataset
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
