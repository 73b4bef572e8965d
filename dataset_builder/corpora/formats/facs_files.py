"""Corpora with one text file of active units a frame, in a folder a subject and sequence: CK+ and UNBC-McMaster."""

import os
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from aullava.dataset_builder.corpora.formats.frame_files import FRAME_NUMBER, label_files_by_frame
from aullava.dataset_builder.corpora.reader import CorpusReader
from aullava.dataset_builder.errors import LayoutError
from aullava.dataset_builder.rows.records import FrameRecord, ImageFile


class FacsFilesReader(CorpusReader):
    """Labels in <labels_at>/<subject>/<sequence>/<frame>_facs.txt, images in <images_at>/<subject>/<sequence>/<frame>.png.

    Attributes:
        labels_at, images_at: folders below data_dir.
        subject_folders: which folders of labels_at are subjects, with `*`.
        example: path of one label file below labels_at, for messages.

    Args:
        data_dir: the folder with both in it.
        follow_links: whether links in it may lead out of it.
    """

    labels_at: ClassVar[str]
    images_at: ClassVar[str]
    subject_folders: ClassVar[str] = "*"
    example: ClassVar[str]

    def __init__(self, data_dir: str | os.PathLike, *, follow_links: bool = False):
        super().__init__(data_dir, follow_links=follow_links)
        self._labels = self.root.require(self.labels_at)

    @staticmethod
    @abstractmethod
    def values_in(path: Path) -> Mapping[str, Mapping[str, float]]:
        """Scale -> code -> value of one label file."""

    def subjects(self) -> tuple[str, ...]:
        folders = self.root.folders(self._labels, self.subject_folders)
        found = tuple(folder.name for folder in folders if self.root.find("*/*_facs.txt", under=folder))
        if not found:
            raise LayoutError(
                f"{self._labels}: no label file in it; expected such as {self.example}. Get the FACS labels"
            )
        return found

    def read(self, subject: str) -> Iterator[FrameRecord]:
        for sequence in self._sequences(subject):
            place = self.root.find(f"{self.images_at}/{subject}/{sequence.name}")
            images = self.root.numbered_images(place, FRAME_NUMBER) if place else {}
            for frame, path in self._files(sequence).items():
                image = ImageFile(images[frame]) if frame in images else None
                yield FrameRecord(image, subject, sequence.name, frame, self.values_in(path))

    def label_files(self, subject: str) -> Iterator[Path]:
        for sequence in self._sequences(subject):
            yield from self._files(sequence).values()

    def image_places(self, subject: str) -> Iterator[Path]:
        if place := self.root.find(f"{self.images_at}/{subject}"):
            yield place

    def _sequences(self, subject: str) -> list[Path]:
        folder = self.root.find(subject, under=self._labels)
        if folder is None:
            example = self.example.partition("/")[0]
            raise LayoutError(f"{self._labels}: no folder of subject {subject!r}; expected a name such as {example}")
        return self.root.folders(folder)

    def _files(self, sequence: Path) -> dict[int, Path]:
        return label_files_by_frame(self.root, sequence, "*_facs.txt", stem=FRAME_NUMBER + "_facs")
