"""Tables of one's own, and those that OpenFace writes."""

from aullava.dataset_builder.corpora.table.reader import TableReader

__all__ = ["TableReader"]
