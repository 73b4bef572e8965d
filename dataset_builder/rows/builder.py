"""The `datasets` builder of every corpus: rows are written once, to a cache that notices when the source changes.

    builder = AUDatasetBuilder("bp4d", data_dir="BP4D")
    builder.download_and_prepare(num_proc=2)
    rows = builder.as_dataset(split="rows")    # every labelled frame, subject by subject; `status` says which are usable

`load.load_au_dataset` does this and cuts folds and splits out of it.
"""

import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass

import datasets
from datasets.exceptions import DatasetGenerationError

from aullava.action_units import Protocol, resolve_protocol
from aullava.dataset_builder.corpora.reader import CorpusReader
from aullava.dataset_builder.corpora.registry import open_corpus
from aullava.dataset_builder.errors import CorpusError
from aullava.dataset_builder.rows.derive import as_protocol
from aullava.dataset_builder.rows.fingerprint import fingerprint
from aullava.dataset_builder.rows.folds import part_of
from aullava.dataset_builder.rows.images import ImageOptions, ImageReader, Stored
from aullava.dataset_builder.rows.records import FrameRecord
from aullava.dataset_builder.rows.schema import (
    BOX_COLUMNS,
    NOT_CODED,
    Units,
    features_of,
    group_column,
    units_of,
    value_columns,
)

SPLIT = "rows"  # one split of everything; "all" is a word of `datasets` itself


@dataclass
class AUConfig(datasets.BuilderConfig):
    """Everything the rows depend on; `datasets` names the cache folder after it. All values are text or numbers."""

    settings: str = ""
    fingerprint: str = ""


class AUDatasetBuilder(datasets.GeneratorBasedBuilder):
    """One corpus as rows.

    Args:
        corpus: a name of `corpora.registry.READERS`.
        data_dir: its folder.
        protocol: name, list of units, or Protocol: its units on its scale are the values. None: all that the corpus codes.
        images: how images are stored.
        subjects: only these people; None: all.
        cache_dir: where `datasets` keeps the rows.
        content_checked: whether source files are looked through for changes. Not needed for streaming, which keeps nothing.
        options: the corpus's own, such as camera="right" for disfa.

    Raises:
        CorpusError: wrong folder, unknown corpus or subject, a protocol of which the corpus codes nothing.
        TypeError: an option that the corpus does not have.
    """

    VERSION = datasets.Version("1.0.0")
    BUILDER_CONFIG_CLASS = AUConfig
    DEFAULT_WRITER_BATCH_SIZE = 256  # rows in memory; embedded images are about 0.1 MB each

    def __init__(
        self,
        corpus: str,
        data_dir: str | os.PathLike | None = None,
        *,
        protocol: str | Protocol | None = None,
        pictures: ImageOptions | None = None,
        subjects: tuple[str, ...] | None = None,
        cache_dir: str | os.PathLike | None = None,
        content_checked: bool = True,
        **options,
    ):
        self.reader: CorpusReader = open_corpus(corpus, data_dir, **options)
        self.protocol = None if protocol is None else resolve_protocol(protocol)
        self.pictures = pictures or ImageOptions()
        self.subjects = chosen_subjects(self.reader, subjects)
        self.settings = _settings(self, None if subjects is None else list(self.subjects), options)
        super().__init__(
            cache_dir=cache_dir,
            dataset_name=f"au_{corpus}",
            config_name=corpus,
            data_dir=str(data_dir or ""),
            settings=json.dumps(self.settings, sort_keys=True),
            fingerprint=fingerprint(self.reader, self.subjects) if content_checked else "",
        )

    def _info(self) -> datasets.DatasetInfo:
        reader = self.reader
        return datasets.DatasetInfo(
            description=describe(reader, self.settings),
            homepage="" if reader.request.startswith("(") else reader.request,
            features=features_of(units_asked(reader, self.protocol), reader.groups),
        )

    def _split_generators(self, dl_manager) -> list[datasets.SplitGenerator]:
        return [datasets.SplitGenerator(name=SPLIT, gen_kwargs={"subjects": list(self.subjects)})]

    def _generate_examples(self, subjects: list[str]) -> Iterator[tuple[str, dict]]:
        for subject in subjects:
            yield from rows_of_subject(self.reader, subject, self.pictures, self.protocol)

    def _prepare_split_single(self, *args, **kwargs) -> Iterator:
        """As `datasets` does it, but errors that say what is wrong, here or in a worker, come out as themselves."""
        try:
            yield from super()._prepare_split_single(*args, **kwargs)
        except DatasetGenerationError as error:  # "An error occurred while generating the dataset"
            if isinstance(error.__cause__, (CorpusError, OSError, ImportError)):
                raise error.__cause__ from None
            raise


def chosen_subjects(reader: CorpusReader, wanted: tuple[str, ...] | None) -> tuple[str, ...]:
    """The wanted subjects in the reader's order, all of them if None.

    Raises:
        CorpusError: a wanted one is not on disk, or none is wanted.
    """
    found = reader.subjects()
    if wanted is None:
        return found
    if isinstance(wanted, str):
        raise CorpusError(f"subjects is {wanted!r}: expected a list of ids, such as [{wanted!r}]")
    wanted = frozenset(wanted)
    if not wanted:
        raise CorpusError(f"subjects is empty: expected ids, such as [{found[0]!r}], or None for everybody")
    unknown = sorted(wanted - set(found))
    if unknown:
        raise CorpusError(
            f"{reader.name} has no subject {', '.join(unknown)} on disk: it has {', '.join(found[:10])}"
            f"{', ...' if len(found) > 10 else ''} ({len(found)} in all)"
        )
    return tuple(subject for subject in found if subject in wanted)


def describe(reader: CorpusReader, settings: dict) -> str:
    """What the rows are, for a person and, in the last line, for a program."""
    by_request = f"Given out by request only: {reader.request}." if reader.licensed else ""
    people = (
        ""
        if reader.people_known
        else "Subjects are images or videos, not people: a split by subject may share people."
    )
    lines = [
        f"{reader.title}.",
        by_request,
        people,
        *reader.notes,
        f"settings: {json.dumps(settings, sort_keys=True)}",
    ]
    return "\n".join(filter(None, lines))


def _settings(builder: AUDatasetBuilder, subjects: list[str] | None, options: dict) -> dict:
    """What was asked for, as JSON can hold it; `subjects` is None where all were."""
    protocol, pictures = builder.protocol, builder.pictures
    asked = protocol and {
        "name": protocol.name,
        "units": list(protocol.units),
        "scale": protocol.scale,
        "occurrence_threshold": protocol.occurrence_threshold,
    }
    return {
        "corpus": builder.reader.name,
        "protocol": asked,
        "pictures": pictures.settings() | {"embed": pictures.embed},
        "subjects": subjects,
        "options": {
            key: value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
            for key, value in options.items()
        },
    }


def units_asked(reader: CorpusReader, protocol: Protocol | None) -> Units:
    """The units whose values a row holds: the protocol's, or all that the corpus codes.

    Raises:
        CorpusError: the corpus codes no unit of the protocol.
    """
    if protocol is None:
        return reader.units
    nothing = {scale: dict.fromkeys(codes, 0.0) for scale, codes in reader.units.items()}
    if all(math.isnan(value) for value in as_protocol(nothing, protocol).values()):
        coded = "; ".join(f"{scale}: {', '.join(codes)}" for scale, codes in reader.units.items())
        raise CorpusError(
            f"{reader.name} codes nothing of protocol {protocol.name!r} ({protocol.scale} of {', '.join(protocol.units)}); "
            f"it codes {coded}: choose a protocol that shares a unit and can be derived from these scales"
        )
    return units_of(protocol)


def rows_of_subject(
    reader: CorpusReader, subject: str, options: ImageOptions, protocol: Protocol | None = None
) -> Iterator[tuple[str, dict]]:
    """Key and row of every labelled frame of a subject, whatever its status.

    Raises:
        LabelError: a label file breaks its format.
        CorpusError: the reader gives a frame twice.
    """
    columns = value_columns(units_asked(reader, protocol))
    seen = _Seen(reader.name, subject)
    with ImageReader(options) as pictures:
        for record in reader.read(subject):
            key = seen.key(record)
            values = {protocol.scale: as_protocol(record.values, protocol)} if protocol else record.values
            numbers = {column: values.get(scale, {}).get(code, math.nan) for column, (scale, code) in columns.items()}
            coded = not all(math.isnan(number) for number in numbers.values())
            stored = pictures.store(record.image) if coded else Stored(NOT_CODED)
            yield key, _head(reader, record, stored) | numbers


def _head(reader: CorpusReader, record: FrameRecord, stored: Stored) -> dict:
    box = stored.face and (stored.face.x, stored.face.y, stored.face.w, stored.face.h)
    timestamp = record.timestamp
    if math.isnan(timestamp) and stored.timestamp is not None:
        timestamp = stored.timestamp
    return {
        "image": stored.image,
        "corpus": reader.name,
        "subject": record.subject,
        "sequence": record.sequence,
        "frame": record.frame,
        "timestamp": timestamp,
        "camera": record.camera,
        "part": part_of(reader.name, record.subject),
        "sides": record.sides,
        "status": stored.status,
        **dict(zip(BOX_COLUMNS, box or (None,) * 4, strict=True)),
        "face_score": stored.face and stored.face.score,
        **{group_column(key): record.groups.get(key) for key in reader.groups},
    }


class _Seen:
    """Keys of a subject's frames; `datasets` itself does not notice one that comes twice.

    Frames ascend within a sequence, so the last one of each sequence is all that must be remembered.
    """

    def __init__(self, corpus: str, subject: str):
        self._prefix = f"{corpus}/{subject}"
        self._last: dict[tuple[str, str], int] = {}

    def key(self, record: FrameRecord) -> str:
        sequence = (record.sequence, record.camera)
        last = self._last.get(sequence)
        if last is not None and record.frame <= last:
            raise CorpusError(
                f"{self._prefix}, sequence {record.sequence!r}: frame {record.frame} comes after frame {last}; expected each frame "
                "once, in ascending order. Are there two copies of the sequence's labels?"
            )
        self._last[sequence] = record.frame
        return "/".join((self._prefix, record.sequence, record.camera, str(record.frame)))
