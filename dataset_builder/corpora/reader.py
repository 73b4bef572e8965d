"""What every corpus reader is: a folder on disk in, records of labelled frames out.

A reader names images and reads labels; it opens no image. It yields subject by subject, so that work can be shared out,
interrupted and repeated by subject, and within a subject sequence by sequence with frame numbers ascending.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from aullava.action_units import canonical_code
from aullava.dataset_builder.corpora.formats.paths import Root
from aullava.dataset_builder.errors import LayoutError
from aullava.dataset_builder.rows.records import FrameRecord

_DEPTH_SEARCHED = 3  # levels above and below a wrong folder in which the right one is looked for
_FOLDERS_SEARCHED = 2000


class CorpusReader(ABC):
    """One corpus on disk.

    A subclass sets the class attributes, opens the folder in `__init__` (keyword arguments are the corpus's options, each with a
    default) and implements `subjects`, `read` and `label_files`.

    Attributes:
        name: how `load_au_dataset` calls the corpus.
        title: its full name.
        request: where to ask for it.
        licensed: whether its owners give it out by request only.
        on_disk: whether there is a folder. Where not, the package makes the images when they are looked at.
        side_option: where the package makes them, the option that says how many pixels wide they are.
        anchors: places that tell the corpus's folder from any other; one of them is enough. As in `Root.find`.
        units: scale -> unit codes that the corpus can code, in numerical order. A unit a file lacks is NaN.
        protocol: name of the protocol that papers report on the corpus; None where there is none.
        groups: keys of `FrameRecord.groups`.
        people_known: whether `subject` tells people apart. Where not (images from the web, whole videos) it names the image or
            video, and a split by subject may still share people.
        shares_subjects_with: prefix of subject ids -> the corpus that shows the same people under the same ids. Ids without one
            of these prefixes are people of this corpus alone; see leaks.py.
        folds: files of frozen/ that its subjects are partitioned by, without "_folds.json". Parts of one name are joined, and the
            folds are those of the first file. Empty: there is no frozen partition.
        ids_published: whether the ids are the owners', known to all who have the corpus. Where not, training.json holds hashes.
        framing: for images that are faces already and are not cropped again: how faces elsewhere are cropped to look like them,
            as keyword arguments of `Framing`. None: images show more than a face.
        notes: what a reader of its data must know, one sentence each; they go into the dataset's description.

    Args:
        data_dir: the corpus's folder.
        follow_links: whether links in it may lead out of it.

    Raises:
        LayoutError: the folder is missing or is not the corpus's; the message names the nearest one that is.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    request: ClassVar[str]
    licensed: ClassVar[bool] = True
    on_disk: ClassVar[bool] = True
    side_option: ClassVar[str] = ""
    anchors: ClassVar[tuple[str, ...]]
    units: Mapping[str, tuple[str, ...]]
    protocol: ClassVar[str | None] = None
    groups: tuple[str, ...] = ()
    people_known: bool = True
    shares_subjects_with: ClassVar[Mapping[str, str]] = MappingProxyType({})
    folds: ClassVar[tuple[str, ...]] = ()
    ids_published: ClassVar[bool] = True
    framing: ClassVar[Mapping[str, Any] | None] = None
    notes: tuple[str, ...] = ()

    def __init__(self, data_dir: str | os.PathLike, *, follow_links: bool = False):
        if data_dir is None or not str(data_dir).strip():
            raise LayoutError(f"data_dir is empty: expected the folder of {self.title}")
        self.root = Root(data_dir, follow_links)
        if self.root.find(*self.anchors) is None:
            raise LayoutError(self._wrong_folder(Path(data_dir)))

    @abstractmethod
    def subjects(self) -> tuple[str, ...]:
        """Ids of the people with labels on disk, in natural order.

        Raises:
            LayoutError: there is none.
        """

    @abstractmethod
    def read(self, subject: str) -> Iterator[FrameRecord]:
        """Every labelled frame of a subject, those without an image included.

        Raises:
            LabelError: a label file breaks its format.
        """

    @abstractmethod
    def label_files(self, subject: str) -> Iterator[Path]:
        """The files that hold the subject's labels, for a fingerprint of their content."""

    def image_places(self, subject: str) -> Iterator[Path]:
        """Files and folders that hold the subject's images, for a fingerprint of names, sizes and times."""
        return iter(())

    def native_split(self, subject: str) -> str:
        """The split ("train", "validation", "test") to which the corpus's owners assigned a subject; "" if they did not."""
        return ""

    def _wrong_folder(self, given: Path) -> str:
        wanted = " or ".join(self.anchors)
        advice = f"Ask for {self.title} at: {self.request}."
        if not given.exists():
            return (
                f"{given}: no such folder; expected the folder of {self.title}, the one with {wanted} in it. {advice}"
            )
        if not given.is_dir():
            return f"{given}: a file; expected the folder of {self.title}, the one with {wanted} in it. {advice}"
        inside = ", ".join(sorted(os.listdir(given))[:8]) or "nothing"
        nearest = _nearest(given, self.anchors, self.root.follow_links)
        hint = f"{nearest} has it: give that folder. " if nearest else ""
        return f"{given}: no {wanted} in it, but {inside}; expected the folder of {self.title}. {hint}{advice}"


def _nearest(given: Path, anchors: tuple[str, ...], follow_links: bool) -> Path | None:
    """The closest folder above or below the given one that has an anchor in it."""

    def fits(folder: Path) -> bool:
        try:
            return Root(folder, follow_links).find(*anchors) is not None
        except (OSError, ValueError):
            return False

    level, seen = [given.resolve()], 0
    for _ in range(_DEPTH_SEARCHED):
        deeper = []
        for folder in level:
            try:
                deeper += sorted(child for child in folder.iterdir() if child.is_dir() and not child.is_symlink())
            except OSError:
                continue
        seen += len(deeper)
        if seen > _FOLDERS_SEARCHED:
            break
        if found := next(filter(fits, deeper), None):
            return found
        level = deeper
    return next(filter(fits, list(given.resolve().parents)[:_DEPTH_SEARCHED]), None)


def facs(*numbers: int) -> tuple[str, ...]:
    """Canonical codes of FACS numbers, such as (1, 30) -> ("AU1", "AD30")."""
    return tuple(canonical_code(number) for number in numbers)
