"""DISFA+: nine people of DISFA, posed and spontaneous trials, 12 units coded in every image.

Evidence: [V1] one public source (py-feat, two loaders): layout, people, 57,150 frames.

    Labels/SN001/<trial>/AU1.txt         one file a unit; two lines that start with "#", then rows "<frame.jpg>   <intensity>"
    Images/SN001/<trial>/<frame>.jpg     images
    Aligned/SN001/<trial>/<frame>.jpg    the same, faces aligned
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from aullava.action_units import INTENSITY
from aullava.dataset_builder.corpora.disfa import DISFA_UNITS, HIGHEST, subject_folders, unit_files
from aullava.dataset_builder.corpora.formats.label_text import coded_value, read_lines
from aullava.dataset_builder.corpora.formats.paths import IMAGE_SUFFIXES
from aullava.dataset_builder.corpora.reader import CorpusReader
from aullava.dataset_builder.errors import CorpusError, LabelError, LayoutError
from aullava.dataset_builder.rows.records import FrameRecord, ImageFile

IMAGES = ("images", "aligned")
_NUMBER = r".*?(\d{1,9})"  # the last digits of a name without suffix


class DisfaPlusReader(CorpusReader):
    """DISFA+ on disk.

    The frame is the last number in the image's name; an image is found by that number, whatever its padding and suffix. A frame
    that some of a trial's label files lack is NaN for their units. Trials have no known frame rate, so timestamps are NaN.

    Args:
        data_dir, follow_links: as for every corpus.
        images: "images" for the original images, "aligned" for those with aligned faces.

    Raises:
        CorpusError: no such kind of images.
        LayoutError: also if the folder of the images is missing.
    """

    name: ClassVar[str] = "disfa_plus"
    title: ClassVar[str] = "DISFA+ (Extended Denver Intensity of Spontaneous Facial Action)"
    request: ClassVar[str] = "http://mohammadmahoor.com/disfa/"
    protocol: ClassVar[str] = "disfa"
    folds: ClassVar[tuple[str, ...]] = ("disfa_plus",)
    anchors: ClassVar[tuple[str, ...]] = ("Labels/SN*",)
    units: Mapping[str, tuple[str, ...]] = {INTENSITY: DISFA_UNITS}
    shares_subjects_with: ClassVar[Mapping[str, str]] = {"SN": "disfa"}  # [V1]

    def __init__(self, data_dir: str | os.PathLike, *, follow_links: bool = False, images: str = "images"):
        if images not in IMAGES:
            raise CorpusError(f"images is {images!r}: expected {' or '.join(IMAGES)}")
        super().__init__(data_dir, follow_links=follow_links)
        folder = images.capitalize()
        other = next(name for name in IMAGES if name != images)
        advice = f"or pass images={other!r}" if self.root.find(other.capitalize()) else "Unpack the images there."
        self._images = self.root.require(folder, advice=advice)
        place = self.root.require("Labels")
        self._trials: dict[str, dict[str, dict[str, Path]]] = {}  # subject -> trial -> unit -> label file
        for subject, where in subject_folders(self.root, place).items():
            trials = {trial.name: unit_files(self.root, trial, r"AU0*(\d+)") for trial in self.root.folders(where)}
            if found := {trial: files for trial, files in trials.items() if files}:
                self._trials[subject] = found
        if not self._trials:
            raise LayoutError(f"{place}: no label files in it; expected SN001/<trial>/AU1.txt and so on")
        self.notes = (
            f"Images: those of the folder {folder}. [V1]",
            "All nine people are also in DISFA: one of the two must not be trained on if the other is tested on. [V1]",
        )

    def subjects(self) -> tuple[str, ...]:
        return tuple(self._trials)

    def read(self, subject: str) -> Iterator[FrameRecord]:
        for trial, files in self._of(subject).items():
            levels = {code: self._levels(path) for code, path in files.items()}
            folder = self._folder(subject, trial)
            by_number = self.root.numbered_images(folder, _NUMBER) if folder else {}
            for frame in sorted(set().union(*levels.values())):
                path = by_number.get(frame)
                yield FrameRecord(
                    image=path and ImageFile(path),
                    subject=subject,
                    sequence=trial,
                    frame=frame,
                    values={INTENSITY: {code: found[frame] for code, found in levels.items() if frame in found}},
                )

    def label_files(self, subject: str) -> Iterator[Path]:
        for files in self._of(subject).values():
            yield from files.values()

    def image_places(self, subject: str) -> Iterator[Path]:
        for trial in self._of(subject):
            if folder := self._folder(subject, trial):
                yield folder

    def _of(self, subject: str) -> dict[str, dict[str, Path]]:
        if subject not in self._trials:
            raise LayoutError(
                f"{self.root.folder}: no labels of {subject!r}; expected one of {', '.join(self._trials)}"
            )
        return self._trials[subject]

    def _folder(self, subject: str, trial: str) -> Path | None:
        people = subject_folders(self.root, self._images)
        return self.root.find(trial, under=people[subject]) if subject in people else None

    def _levels(self, path: Path) -> dict[int, float]:
        """Frame -> intensity 0 to 5.

        Raises:
            LabelError: a row that is not "<image> <intensity>", or a frame that comes twice.
            UnsafePathError: an image's name leads out of the corpus.
        """
        levels: dict[int, float] = {}
        for line, text in read_lines(path):
            if text.startswith("#"):
                continue
            name, _, intensity = text.replace("\t", " ").rpartition(" ")
            number = re.fullmatch(_NUMBER, Path(self.root / name.strip()).stem) if name else None
            if number is None or Path(name.strip()).suffix.lower() not in IMAGE_SUFFIXES:
                raise LabelError(path, line, repr(text), 'a row such as "000.jpg    0"')
            frame = int(number.group(1))
            if frame in levels:
                raise LabelError(path, line, f"frame {frame} a second time", "each frame once")
            levels[frame] = coded_value(intensity, HIGHEST, (), path, line)
        if not levels:
            raise LabelError(path, None, "no rows", 'rows such as "000.jpg    0"')
        return levels
