"""The request for a build, checked before anything is written: corpus, options, protocol, images."""

import inspect
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aullava.action_units import Protocol, resolve_protocol
from aullava.common.settings import key_values
from aullava.dataset_builder.corpora.reader import CorpusReader
from aullava.dataset_builder.corpora.registry import open_corpus, options_of, reader_class
from aullava.dataset_builder.errors import CorpusError
from aullava.dataset_builder.rows.images import ImageOptions
from aullava.dataset_builder.rows.schema import NO_FACE, OK

NO_FACE_CHOICES = ("drop", "keep")
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_REQUIRED = inspect.Parameter.empty
_SEVERAL = ("tuple", "list", "Sequence", "Iterable", "Collection")


@dataclass(frozen=True)
class BuildJob:
    """Everything but the subject on which the bytes of a shard depend. Small, as every worker process gets a copy.

    Args:
        corpus: a key of `registry.READERS`. data_dir: its folder; None if it needs none. options: the reader's own.
        protocol: whose units are the values; None: all that the corpus codes.
        pictures: how images are stored; always embedded.
        no_face: "drop" or "keep" frames in which no face was found.
    """

    corpus: str
    data_dir: str | None = None
    options: Mapping[str, object] = field(default_factory=dict)
    protocol: Protocol | None = None
    pictures: ImageOptions = field(default_factory=lambda: ImageOptions(embed=True))
    no_face: str = "drop"

    @property
    def usable(self) -> tuple[str, ...]:
        """Statuses of the rows to write."""
        return (OK, NO_FACE) if self.no_face == "keep" else (OK,)

    def places(self) -> list[str]:
        """The files and folders to read: the corpus's, and those named by options."""
        named = [value for key, value in self.options.items() if _is_place(options_of(self.corpus)[key])]
        return [str(place) for place in (self.data_dir, *named) if place]

    def open(self) -> CorpusReader:
        """The corpus's reader.

        Raises:
            CorpusError: unknown corpus, or the folder is not its folder.
        """
        return open_corpus(self.corpus, self.data_dir, **self.options)

    def settings(self) -> dict[str, object]:
        """The request as JSON holds it, without the folder's path and the subjects: both may change between runs."""
        protocol = self.protocol and {
            "name": self.protocol.name,
            "units": list(self.protocol.units),
            "scale": self.protocol.scale,
            "occurrence_threshold": self.protocol.occurrence_threshold,
        }
        return {
            "corpus": self.corpus,
            "protocol": protocol,
            "pictures": self.pictures.settings(),
            "no_face": self.no_face,
            "options": {
                key: Path(value).expanduser().resolve().name  # of a place the name alone
                if isinstance(value, str) and _is_place(options_of(self.corpus)[key])
                else _as_json(value)
                for key, value in sorted(self.options.items())
            },
        }


def make_job(
    corpus: str,
    data_dir: str | os.PathLike | None,
    option_texts: Iterable[str] = (),
    protocol: str | None = None,
    pictures: ImageOptions | None = None,
    no_face: str = "drop",
) -> BuildJob:
    """A job from command-line arguments.

    Args:
        option_texts: "key=value" each.

    Raises:
        CorpusError: an unknown corpus or option, or a value of the wrong type.
        ValueError: an unknown protocol.
    """
    needs_folder = inspect.signature(reader_class(corpus).__init__).parameters["data_dir"].default is _REQUIRED
    if data_dir is None and needs_folder:
        raise CorpusError(f"--data-dir is missing: name the folder of {reader_class(corpus).title}")
    options = parse_options(corpus, option_texts)
    resolved = None if protocol is None else resolve_protocol(protocol)
    folder = None if data_dir is None else str(Path(data_dir).expanduser().absolute())
    return BuildJob(corpus, folder, options, resolved, pictures or ImageOptions(embed=True), no_face)


def parse_options(corpus: str, texts: Iterable[str]) -> dict[str, object]:
    """The options of a corpus from "key=value" texts, each converted to the type of its default.

    Raises:
        CorpusError: no such corpus or option, one given twice, or a value of the wrong type.
    """
    known = options_of(corpus)
    try:
        given = key_values(texts, "--option", f"key=value, with a key of {describe_options(corpus)}")
    except ValueError as error:
        raise CorpusError(str(error)) from error
    if unknown := [key for key in given if key not in known]:
        raise CorpusError(f"{corpus} has no option {unknown[0]!r}: it has {describe_options(corpus)}")
    return {key: _convert(value, known[key]) for key, value in given.items()}


def describe_options(corpus: str) -> str:
    """The options of a corpus with their defaults, in one line."""
    shown = []
    for key, parameter in options_of(corpus).items():
        default = {_REQUIRED: "(required)", None: "(none)"}.get(parameter.default, parameter.default)
        shown.append(f"{key}={str(default).lower() if isinstance(default, bool) else default}")
    return ", ".join(shown) or "none"


def _convert(text: str, parameter: inspect.Parameter) -> object:
    """The text converted by the parameter's default and annotation: bool, several texts, int, float or text."""
    default, annotation = parameter.default, str(parameter.annotation)
    try:
        if isinstance(default, bool):
            return _BOOLEANS[text.lower()]
        if default is None and text.lower() in ("", "none"):
            return None
        if isinstance(default, tuple) or any(word in annotation for word in _SEVERAL):
            return tuple(part.strip() for part in text.split(",") if part.strip())
        if isinstance(default, int) or "int" in annotation:
            return int(text)
        if isinstance(default, float) or "float" in annotation:
            return float(text)
    except (ValueError, KeyError):
        expected = "true or false" if isinstance(default, bool) else "a number"
        raise CorpusError(f"--option {parameter.name}={text}: expected {expected}") from None
    return text


def _is_place(parameter: inspect.Parameter) -> bool:
    return "PathLike" in str(parameter.annotation)


def _as_json(value: object) -> object:
    if isinstance(value, (tuple, list)):
        return [_as_json(part) for part in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
