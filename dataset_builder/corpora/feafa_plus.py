"""FEAFA+: FEAFA (part A) and DISFA labelled anew in FEAFA's 24 values (part B).

    FEAFA-A/PV001.output/...                  as in feafa.py
    FEAFA-B/SN001.output/00000000.auw         DISFA's frame 0 of SN001 [V2]; in the lab's own copy `1.output` and stems with the
                                              annotator before the number, "gong2_2_00004832" [V2]

Part B comes without images: they are frames of the user's own DISFA, `.auw` number n being shown frame n of the video, from 0.
That frame is number n+1 in DISFA's own label files. Part B has 27 sequences and 130,828 frames, 14 more than DISFA has labels;
what lies behind the end of a video has no image. Evidence tags as in feafa.py.

The people of part B are DISFA's, and have DISFA's ids: never train on the one and test on the other.
"""

import os
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from aullava.action_units import CONTINUOUS
from aullava.dataset_builder.corpora.disfa import CAMERAS, _videos_by_subject
from aullava.dataset_builder.corpora.feafa import (
    CODES,
    LABELS,
    PART_A,
    PEOPLE_NOTE,
    SIDES_NOTE,
    SPLIT_NOTE,
    checked_images,
    folder_of,
    labelled_folders,
    read_auw,
    read_beside,
)
from aullava.dataset_builder.corpora.formats.frame_files import label_files_by_frame
from aullava.dataset_builder.corpora.formats.paths import Root
from aullava.dataset_builder.corpora.reader import CorpusReader
from aullava.dataset_builder.errors import CorpusError, LayoutError
from aullava.dataset_builder.rows.records import FrameRecord, VideoFrame

PARTS = {"both": "AB", "A": "A", "B": "B"}
PART_B = re.compile(r"(?:SN)?(\d+)\.output", re.IGNORECASE)

SAME_PEOPLE_NOTE = "Subjects SN001 to SN032 of part B are the people of DISFA and DISFA+, under the same ids."
FRAME_NOTE = "Part B counts DISFA's frames from 0, DISFA's own label files count them from 1."
NO_IMAGES_NOTE = (
    "Part B was read without disfa_dir: it has only images that lie beside its labels, and the corpus as given out has none "
    "there."
)


class FeafaPlusReader(CorpusReader):
    """FEAFA+.

    Args:
        data_dir: the folder with FEAFA-A and FEAFA-B in it.
        part: "A", "B" or "both".
        images: of part A, "full" frames or the "crop" beside each. Of part B, for images that lie beside its labels.
        disfa_dir: the user's own DISFA, from whose videos part B takes its images. None: those beside the labels, if any.
        disfa_camera: "left" or "right"; which one FEAFA+ was labelled on is not published.
        follow_links: whether links in the two folders may lead out of them.

    Raises:
        LayoutError: a part that was asked for is not there, or `disfa_dir` holds no video of part B's subjects.
        CorpusError: an option has another value.
    """

    name = "feafa_plus"
    title = "FEAFA+"
    request = "https://www.iiplab.net/feafa+/"
    protocol = "feafa"
    folds = ("feafa", "disfa")
    anchors = ("FEAFA-A/PV*.output", "FEAFA-B/*.output")
    units = {CONTINUOUS: CODES}
    shares_subjects_with = {"SN": "disfa", "PV": "feafa"}

    def __init__(
        self,
        data_dir: str | os.PathLike,
        *,
        part: str = "both",
        images: str = "full",
        disfa_dir: str | os.PathLike | None = None,
        disfa_camera: str = "left",
        follow_links: bool = False,
    ):
        if part not in PARTS:
            raise CorpusError(f"part is {part!r}: expected one of {', '.join(PARTS)}")
        if disfa_camera not in CAMERAS:
            raise CorpusError(f"disfa_camera is {disfa_camera!r}: expected one of {', '.join(CAMERAS)}")
        self.images = checked_images(images)
        self.parts, self.disfa_camera = PARTS[part], disfa_camera
        super().__init__(data_dir, follow_links=follow_links)
        other = {"A": "B", "B": "A"}
        for letter in self.parts:
            self.root.require(f"FEAFA-{letter}", advice=f"Get it, or read part='{other[letter]}' alone.")
        self._disfa = Root(disfa_dir, follow_links) if disfa_dir is not None and "B" in self.parts else None
        self._videos = {}
        if self._disfa and self._folders["B"]:
            self._videos = _videos_by_subject(self._disfa, disfa_camera, list(self._folders["B"]))
        self.notes = tuple(self._notes())

    def subjects(self) -> tuple[str, ...]:
        for letter, folders in self._folders.items():
            if not folders:
                raise LayoutError(
                    f"{self.root.folder}: no .auw file in FEAFA-{letter}; expected some in folders such as "
                    f"{'PV001.output' if letter == 'A' else 'SN001.output'}. Get the labels of {self.title}"
                )
        return tuple(subject for folders in self._folders.values() for subject in folders)

    def read(self, subject: str) -> Iterator[FrameRecord]:
        folder = self._folder(subject)
        if self._disfa is None or subject not in self._folders["B"]:
            yield from read_beside(self.root, folder, subject, self.images)
            return
        video = self._videos.get(subject)
        for frame, path in label_files_by_frame(self.root, folder, *LABELS).items():
            image = VideoFrame(video, frame) if video else None
            values = {CONTINUOUS: read_auw(path)}
            yield FrameRecord(image, subject, subject, frame, values, camera=self.disfa_camera)

    def label_files(self, subject: str) -> Iterator[Path]:
        yield from label_files_by_frame(self.root, self._folder(subject), *LABELS).values()

    def image_places(self, subject: str) -> Iterator[Path]:
        if self._disfa is None or subject not in self._folders["B"]:
            yield self._folder(subject)
        elif subject in self._videos:
            yield self._videos[subject]

    @cached_property
    def _folders(self) -> dict[str, dict[str, Path]]:
        """Part -> subject -> folder."""
        kinds = {"A": (PART_A, "PV"), "B": (PART_B, "SN")}
        return {
            letter: labelled_folders(self.root, self.root.require(f"FEAFA-{letter}"), *kinds[letter])
            for letter in self.parts
        }

    def _folder(self, subject: str) -> Path:
        return folder_of(self, {s: path for folders in self._folders.values() for s, path in folders.items()}, subject)

    def _notes(self) -> Iterator[str]:
        yield SIDES_NOTE
        yield SPLIT_NOTE
        if "A" in self.parts:
            yield PEOPLE_NOTE
        if "B" in self.parts:
            yield SAME_PEOPLE_NOTE
            yield FRAME_NOTE
            if self._disfa is None:
                yield NO_IMAGES_NOTE
