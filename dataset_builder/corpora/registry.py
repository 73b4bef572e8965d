"""Every corpus by name. A reader is imported when it is asked for, since some need libraries of an extra."""

import importlib
import inspect
import os
import pkgutil

from aullava.dataset_builder import corpora
from aullava.dataset_builder.corpora.reader import CorpusReader
from aullava.dataset_builder.errors import CorpusError

_NO_READERS = ("reader", "registry", "formats")
# Every other module of the folder reads the corpus that it is named after.
READERS = tuple(name for _, name, _ in pkgutil.iter_modules(corpora.__path__) if name not in _NO_READERS)
# Corpora that people ask for and whose layout nobody could be found to describe: their labels go in as a table.
_NO_LAYOUT = ("gft", "sewa")


def reader_class(name: str) -> type[CorpusReader]:
    """The reader of a corpus.

    Raises:
        CorpusError: no corpus of that name.
    """
    if name in _NO_LAYOUT:
        raise CorpusError(
            f"{name} has no reader, because no public source describes its files: write its labels into a CSV file (image, "
            "subject, AU01_c, ...) and read that with the corpus 'table'"
        )
    if name not in READERS:
        raise CorpusError(f"unknown corpus {name!r}: expected one of {', '.join(READERS)}")
    found = vars(importlib.import_module(f"{corpora.__name__}.{name}")).values()
    readers = (thing for thing in found if isinstance(thing, type) and issubclass(thing, CorpusReader))
    return next(reader for reader in readers if vars(reader).get("name") == name)


def options_of(name: str) -> dict[str, inspect.Parameter]:
    """The options of a corpus's reader, each with its default."""
    parameters = inspect.signature(reader_class(name).__init__).parameters
    return {
        key: parameter for key, parameter in parameters.items() if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


def open_corpus(name: str, data_dir: str | os.PathLike | None = None, **options) -> CorpusReader:
    """The reader of a corpus on disk.

    Args:
        name: one of READERS.
        data_dir: the corpus's folder; for "table" the file; not for "procedural" and "rendered", which lie on no disk.
        options: those of the reader's `__init__`.

    Raises:
        CorpusError: unknown corpus, wrong folder.
        TypeError: the corpus has no such option.
    """
    known = options_of(name)
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise TypeError(f"{name} has no option {', '.join(unknown)}: it has {', '.join(known) or 'none'}")
    return reader_class(name)(data_dir, **options)
