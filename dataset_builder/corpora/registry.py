"""Every corpus by name.

A module of corpora/ is a corpus: corpora/disfa.py holds the reader whose `name` is "disfa". It is imported when it is asked for,
since some readers need libraries of an extra. A reader that lies elsewhere is made known by `register`.
"""

import importlib
import inspect
import os
import pkgutil

from aullava.dataset_builder import corpora
from aullava.dataset_builder.corpora.reader import CorpusReader
from aullava.dataset_builder.errors import CorpusError

_NO_CORPORA = ("formats", "reader", "registry")
# Name -> reader; None before it is asked for.
READERS: dict[str, type[CorpusReader] | None] = {
    module.name: None for module in pkgutil.iter_modules(corpora.__path__) if module.name not in _NO_CORPORA
}
# Corpora that people ask for and whose layout nobody could be found to describe: their labels go in as a table.
_NO_LAYOUT = ("gft", "sewa")


def register(reader: type[CorpusReader]) -> type[CorpusReader]:
    """Make a reader known by its `name`, wherever it is defined; usable as a decorator.

    Raises:
        CorpusError: another reader has that name.
    """
    own_module = READERS.get(reader.name) is None and reader.__module__ == f"{corpora.__name__}.{reader.name}"
    if reader.name in READERS and READERS[reader.name] is not reader and not own_module:
        raise CorpusError(f"there is a corpus {reader.name!r} already: give {reader.__qualname__} another name")
    READERS[reader.name] = reader
    return reader


def reader_class(name: str) -> type[CorpusReader]:
    """The reader of a corpus.

    Raises:
        CorpusError: no corpus of that name.
    """
    if name in _NO_LAYOUT and name not in READERS:
        raise CorpusError(
            f"{name} has no reader, because no public source describes its files: write its labels into a CSV file (image, "
            "subject, AU01_c, ...) and read that with the corpus 'table'"
        )
    if name not in READERS:
        raise CorpusError(f"unknown corpus {name!r}: expected one of {', '.join(READERS)}")
    if READERS[name] is None:
        module = importlib.import_module(f"{corpora.__name__}.{name}")
        things = vars(module).values()
        readers = (thing for thing in things if isinstance(thing, type) and issubclass(thing, CorpusReader))
        READERS[name] = next(reader for reader in readers if vars(reader).get("name") == name)
    return READERS[name]


def options_of(name: str) -> dict[str, inspect.Parameter]:
    """The options of a corpus's reader, each with its default."""
    parameters = inspect.signature(reader_class(name).__init__).parameters
    return {
        key: parameter for key, parameter in parameters.items() if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


def open_corpus(name: str, data_dir: str | os.PathLike | None = None, **options) -> CorpusReader:
    """The reader of a corpus on disk.

    Args:
        name: a key of READERS.
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
