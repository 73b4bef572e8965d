"""BP4D-Spontaneous: 41 people, eight tasks each, units coded on the most expressive part of every recording.

Evidence: [V2] two or more public sources agree, [V1] one, [C] computed from published lists, [M] from memory, unverified.

    AUCoding/AU_OCC/F001_T1.csv                occurrence [V2]; also seen: AUCoding/ and AUCoding/AUCoding/ [V1]
    AUCoding/AU_INT/AU06/F001_T1_AU06.csv      intensity [V2], may be missing; older name AU-Intensity-Codes3.0/AU06/...
    Sequences_2D+3D/F001/T1/2440.jpg           images [V2]; also seen: BP4D-training/F001/T1/, img/F001/T1/, F001/T1/

Label frame f is image f [V2: lists of ME-GraphAU and JAA-Net]. File names are padded to 4 digits (F001 to F023, M001 to M008), to
3 (M009 to M018) [V1], or not at all. Tasks [M]: T1 happiness (interview), T2 sadness (film), T3 surprise (startle), T4
embarrassment (improvisation), T5 fear (threat), T6 pain (cold), T7 anger (insult), T8 disgust (odour).
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from aullava.action_units import INTENSITY, OCCURRENCE, unit
from aullava.dataset_builder.corpora.formats.bp4d_labels import read_intensity, read_occurrence
from aullava.dataset_builder.corpora.reader import CorpusReader, facs
from aullava.dataset_builder.errors import LayoutError
from aullava.dataset_builder.rows.records import FrameRecord, ImageFile

_INTENSITY_FOLDERS = ("AUCoding/AU_INT", "AUCoding/AU-Intensity-Codes*", "AU-Intensity-Codes*")
_IMAGE_FOLDERS = ("Sequences*", "BP4D-training", "2D+3D", "img", "images")
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar")

Sequences = dict[str, dict[str, dict[str, Path]]]  # subject -> task -> what is coded (OCCURRENCE, or a code) -> file


class Bp4dReader(CorpusReader):
    """BP4D on disk.

    Rows are the frames of AU_OCC and those of AU_INT together; a scale in which a frame is not coded has no values for it. The 27
    units of occurrence are the columns that one public tool reads [V1 OpenGraphAU], the five of intensity [V1 LibreFace]; columns
    and AU_INT folders of other numbers are not read. No frame rate is known, so timestamps are NaN.

    Args:
        data_dir, follow_links: as for every corpus.
        images_dir: the folder with the subjects' folders, relative to data_dir, such as a copy with aligned faces; by default it
            is looked for under the names above.
        first_picture: number of the image that shows frame 1. By default as the corpus was given out (BP4D 1, BP4D+ 0); frames
            that someone extracted from videos may be counted otherwise.

    Raises:
        LayoutError: also if the labels are another corpus's, as far as names of files tell.
    """

    name: ClassVar[str] = "bp4d"
    title: ClassVar[str] = "BP4D-Spontaneous"
    request: ClassVar[str] = "https://www.cs.binghamton.edu/~lijun/Research/3DFE/3DFE_Analysis.html"
    protocol: ClassVar[str] = "bp4d"
    folds: ClassVar[tuple[str, ...]] = ("bp4d",)
    # not AU_OCC alone: AUCoding would then pass for the corpus, and no image would be found beside it
    anchors: ClassVar[tuple[str, ...]] = ("AUCoding/AU_OCC", "AUCoding/*_T*.csv", "AUCoding/AUCoding/*_T*.csv")
    units: Mapping[str, tuple[str, ...]] = {
        OCCURRENCE: facs(
            *(1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22, 23, 24, 25, 26, 27, 32, 38, 39)
        ),
        INTENSITY: facs(6, 10, 12, 14, 17),
    }
    groups = ("sex",)
    notes = (
        "Only the most expressive part of each task is coded, about 500 frames; the labels hold no other frame. [V2]",
        "Code 9, not coded, is NaN; the 12 units of the bp4d protocol hold none. [C]",
        "Intensity is coded for AU6, AU10, AU12, AU14 and AU17 [V1], levels 0 to 5 [M].",
        "sex is the first letter of the subject's id.",
    )

    other: ClassVar[str] = "bp4d_plus"  # with which it is most easily mistaken
    people: ClassVar[Mapping[str, int]] = {"F": 23, "M": 18}  # F001 to F023, M001 to M018
    tasks: ClassVar[tuple[str, ...]] = ("T1", "T2", "T3", "T4", "T5", "T6", "T7", "T8")
    first_frame: ClassVar[int] = 0  # the lowest number a label may have
    image_of_frame_1: ClassVar[int] = 1

    def __init__(
        self,
        data_dir: str | os.PathLike,
        *,
        follow_links: bool = False,
        images_dir: str = "",
        first_picture: int | None = None,
    ):
        super().__init__(data_dir, follow_links=follow_links)
        self._image_folder = self.root / images_dir if images_dir else None
        if self._image_folder and not self._image_folder.is_dir():
            raise LayoutError(f"{self._image_folder}: no such folder; expected the one that holds F001/T1 and so on")
        self._offset = (self.image_of_frame_1 if first_picture is None else first_picture) - 1
        self._sequences: Sequences = {}
        self._find_occurrence()
        self._find_intensity()

    def subjects(self) -> tuple[str, ...]:
        return tuple(sorted(self._sequences))

    def read(self, subject: str) -> Iterator[FrameRecord]:
        for task, files in self._of(subject).items():
            occurrence = {}
            if OCCURRENCE in files:
                occurrence = read_occurrence(files[OCCURRENCE], self.units[OCCURRENCE], self.first_frame)
            levels = {
                code: read_intensity(path, self.first_frame) for code, path in files.items() if code != OCCURRENCE
            }
            _, images = self._images(subject, task)
            for frame in sorted(set(occurrence).union(*levels.values())):
                path = images.get(frame + self._offset)
                intensity = {code: found[frame] for code, found in levels.items() if frame in found}
                yield FrameRecord(
                    image=path and ImageFile(path),
                    subject=subject,
                    sequence=task,
                    frame=frame,
                    values={OCCURRENCE: occurrence.get(frame, {}), INTENSITY: intensity},
                    groups={"sex": subject[0]},
                )

    def label_files(self, subject: str) -> Iterator[Path]:
        for files in self._of(subject).values():
            yield from files.values()

    def image_places(self, subject: str) -> Iterator[Path]:
        for task in self._of(subject):
            place, _ = self._images(subject, task)
            if place is not None:
                yield place

    def _of(self, subject: str) -> dict[str, dict[str, Path]]:
        """Label files of a subject, tasks in natural order."""
        if subject not in self._sequences:
            raise LayoutError(
                f"{self.root.folder}: no labels of {subject!r}; expected one of {', '.join(self.subjects())}"
            )
        return dict(sorted(self._sequences[subject].items(), key=lambda item: int(item[0][1:])))

    def _find_occurrence(self) -> None:
        found = self.root.require(*self.anchors)
        folder = found if found.is_dir() else found.parent
        for path in self.root.files(folder, "*.csv"):
            self._add(path, OCCURRENCE, "")
        if not self._sequences:
            raise LayoutError(f"{folder}: no label files in it; expected F001_T1.csv and so on, as {self.title} has")

    def _find_intensity(self) -> None:
        folder = self.root.find(*_INTENSITY_FOLDERS)
        if folder is None:
            return
        before = len(list(self._files()))
        for place in self.root.folders(folder, "AU*"):
            match = re.fullmatch(r"AU[ _-]?0*(\d+)", place.name, re.IGNORECASE)
            if match is None:
                raise LayoutError(
                    f"{place}: its name is not like AU06; correct the name, or move the folder elsewhere"
                )
            for code in self.units[INTENSITY]:
                if unit(code).number == int(match.group(1)):
                    for path in self.root.files(place, "*.csv"):
                        self._add(path, code, rf"_AU0*{match.group(1)}")
        if len(list(self._files())) == before:
            raise LayoutError(
                f"{folder}: no label files in it; expected AU06/F001_T1_AU06.csv and so on. If you have no intensities, remove it"
            )

    def _files(self) -> Iterator[Path]:
        return (path for tasks in self._sequences.values() for files in tasks.values() for path in files.values())

    def _add(self, path: Path, coded: str, ending: str) -> None:
        """Note a label file under its subject and task.

        Args:
            path: the file. coded: what it codes. ending: pattern that follows subject and task in its name.
        """
        match = re.fullmatch(rf"([FM])(\d{{3}})_T(\d+){ending}", path.stem, re.IGNORECASE)
        if match is None:
            sample = f"F001_T1{ending.replace('0*', '')}.csv"
            raise LayoutError(f"{path}: its name is not like {sample}; correct the name, or move the file elsewhere")
        sex, person, task = match.group(1).upper(), match.group(2), f"T{int(match.group(3))}"
        if not 1 <= int(person) <= self.people[sex] or task not in self.tasks:
            ids = " and ".join(f"{letter}001 to {letter}{last:03d}" for letter, last in self.people.items())
            raise LayoutError(
                f"{path}: {self.title} has {ids}, and labels of {', '.join(self.tasks)}. If this is the folder of another corpus, "
                f"read it as that, such as {self.other!r}; if not, move the file elsewhere"
            )
        files = self._sequences.setdefault(sex + person, {}).setdefault(task, {})
        if coded in files:
            raise LayoutError(f"{path} and {files[coded]} are labels of the same sequence; remove one of them")
        files[coded] = path

    def _images(self, subject: str, task: str) -> tuple[Path | None, dict[int, Path]]:
        """The folder of a sequence's images and the images by number, or None and none.

        Raises:
            LayoutError: the subject's images are there, but packed.
        """
        usual = [folder for name in _IMAGE_FOLDERS for folder in self.root.folders(self.root.folder, name)]
        places = [self._image_folder] if self._image_folder else [*usual, self.root.folder]
        for place in places:
            # an archive that is unpacked into a folder of its name gives F001/F001/T1
            for name in (f"{subject}/{task}", f"{subject}/{subject}/{task}"):
                folder = self.root.find(name, under=place)
                if folder and (images := self.root.numbered_images(folder)):
                    return folder, images
        if not any(self.root.find(subject, under=place) for place in places):
            for archive in (path for place in places for path in self.root.files(place, f"{subject}.*")):
                if archive.suffix.lower() in _ARCHIVES:
                    raise LayoutError(
                        f"{archive}: packed; expected {archive.parent.name}/{subject}/{task} with images in it. Unpack it there"
                    )
        return None, {}
