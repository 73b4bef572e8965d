"""Every corpus by name. Readers are imported when they are asked for, since some need libraries of an extra."""

import importlib
import inspect
import os

from aullava.dataset_builder.corpora.reader import CorpusReader
from aullava.dataset_builder.errors import CorpusError

READERS = {
    "bp4d": "bp4d:Bp4dReader",
    "bp4d_plus": "bp4d_plus:Bp4dPlusReader",
    "disfa": "disfa:DisfaReader",
    "disfa_plus": "disfa_plus:DisfaPlusReader",
    "feafa": "feafa:FeafaReader",
    "feafa_plus": "feafa_plus:FeafaPlusReader",
    "unbc": "unbc:UnbcReader",
    "ck_plus": "ck_plus:CkPlusReader",
    "aff_wild2": "aff_wild2:AffWild2Reader",
    "emotionet": "emotionet:EmotionetReader",
    "raf_au": "raf_au:RafAuReader",
    "casme2": "casme2:Casme2Reader",
    "samm": "samm:SammReader",
    "procedural": "procedural:ProceduralReader",
    "rendered": "rendered:RenderedReader",
    "table": "table.reader:TableReader",
}
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
    module, _, attribute = READERS[name].partition(":")
    return getattr(importlib.import_module(f"aullava.dataset_builder.corpora.{module}"), attribute)


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
