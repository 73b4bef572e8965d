"""DISFA: 27 people watch a film, one recording each by two cameras, 12 units coded in every frame.

Evidence: [V2] two or more public sources agree, [V1] one, [C] computed from published lists, [M] from memory, unverified.

    ActionUnit_Labels/SN001/SN001_au1.txt          one file a unit, rows "frame,intensity", frames from 1, intensity 0 to 5 [V2]
    Videos_LeftCamera/LeftVideoSN001_comp.avi      [V2]
    Video_RightCamera/RightVideoSN001_Comp.avi     [V2] "Video" or "Videos", "Comp" or "comp": any letter case is taken

SN010 has 4844 labelled frames, the other 26 people 4845 each, 130,814 in all [C]. 20 frames a second, 1024 by 768 pixels [M].
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from aullava.action_units import INTENSITY
from aullava.dataset_builder.corpora.formats.label_text import coded_value, read_cells, whole_number
from aullava.dataset_builder.corpora.formats.paths import VIDEO_SUFFIXES, Root
from aullava.dataset_builder.corpora.reader import CorpusReader, facs
from aullava.dataset_builder.errors import CorpusError, LabelError, LayoutError
from aullava.dataset_builder.rows.records import FrameRecord, VideoFrame

DISFA_UNITS = facs(1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
HIGHEST = 5
SEQUENCE = "1"  # there is one recording a person
CAMERAS = {
    "left": ("Videos_LeftCamera", "Video_LeftCamera"),
    "right": ("Video_RightCamera", "Videos_RightCamera"),
}
FRAME_LISTS = {
    "all": "Frames: all that are labelled, 130,814 in the whole corpus. [C]",
    "jaanet": "Frames: those that JAA-Net keeps, 126,144 in the whole corpus; it leaves out failures of face tracking. [C]",
}
# Subject -> ranges of video frames that JAA-Net leaves out, both ends included. [C: JAA-Net's list against all frames]
# Frames count from 0 here, so label frame n is in a range if n - 1 is.
JAANET_DROPPED: dict[str, tuple[tuple[int, int], ...]] = {
    "SN001": ((397, 419), (3189, 3242)),
    "SN002": ((799, 825),),
    "SN004": ((4540, 4554),),
    "SN006": ((1348, 1404),),
    "SN009": ((1735, 1807), (1850, 1884)),
    "SN011": ((4528, 4532), (4829, 4844)),
    "SN021": (
        *((573, 615), (984, 1163), (1189, 1204), (1304, 1337), (1664, 1709)),
        *((1861, 2476), (2553, 4656), (4709, 4721)),
    ),
    "SN023": ((1020, 1048), (3377, 3556), (3583, 3667), (4546, 4620), (4740, 4771), (4824, 4844)),
    "SN025": ((4595, 4661), (4815, 4834)),
    "SN027": ((3460, 3493), (4737, 4784)),
    "SN028": ((1874, 1884), (4570, 4689)),
    "SN029": ((4089, 4542),),
    "SN030": ((938, 961), (1405, 1421), (2099, 2131), (2892, 2954)),
}


class DisfaReader(CorpusReader):
    """DISFA on disk.

    Images are frames of the videos: label frame n is video frame n - 1, counted as shown. A label behind the end of the video
    is yielded like any other and turns out to have no image, so min(frames of the video, labels) frames are usable; frames of
    the video behind the last label are not yielded. A frame that some of the 12 label files lack is NaN for their units. No
    timestamps: they come from the video when it is decoded.

    Args:
        data_dir, follow_links: as for every corpus.
        camera: "left" or "right".
        frames: "all", or "jaanet" for the frames that JAA-Net keeps.

    Raises:
        CorpusError: no such camera or list of frames.
        LayoutError: also if the camera's folder is missing, or holds no video of any labelled person.
    """

    name: ClassVar[str] = "disfa"
    title: ClassVar[str] = "DISFA (Denver Intensity of Spontaneous Facial Action)"
    request: ClassVar[str] = "http://mohammadmahoor.com/disfa/"
    protocol: ClassVar[str] = "disfa"
    folds: ClassVar[tuple[str, ...]] = ("disfa",)
    anchors: ClassVar[tuple[str, ...]] = ("ActionUnit_Labels/SN*",)
    units: Mapping[str, tuple[str, ...]] = {INTENSITY: DISFA_UNITS}

    def __init__(
        self,
        data_dir: str | os.PathLike,
        *,
        follow_links: bool = False,
        camera: str = "left",
        frames: str = "all",
    ):
        if camera not in CAMERAS:
            raise CorpusError(f"camera is {camera!r}: expected {' or '.join(CAMERAS)}")
        if frames not in FRAME_LISTS:
            raise CorpusError(f"frames is {frames!r}: expected {' or '.join(FRAME_LISTS)}")
        super().__init__(data_dir, follow_links=follow_links)
        self.camera = camera
        self._dropped = JAANET_DROPPED if frames == "jaanet" else {}
        self._labels = _labels_by_subject(self.root)
        self._videos = _videos_by_subject(self.root, camera, list(self._labels))
        self.notes = (
            FRAME_LISTS[frames],
            f"Camera: {camera}. Most published work takes the left one, LibreFace the right one; the units were coded once "
            "and serve both.",
            "Label frame n is frame n - 1 of the video. [V2]",
            "Labels behind the end of a video have no image; frames of a video behind its last label are left out.",
        )

    def subjects(self) -> tuple[str, ...]:
        return tuple(self._labels)

    def read(self, subject: str) -> Iterator[FrameRecord]:
        levels = {code: read_levels(path) for code, path in self._files(subject).items()}
        video = self._videos.get(subject)
        dropped = self._dropped.get(subject, ())
        for frame in sorted(set().union(*levels.values())):
            index = frame - 1
            if any(first <= index <= last for first, last in dropped):
                continue
            yield FrameRecord(
                image=video and VideoFrame(video, index),
                subject=subject,
                sequence=SEQUENCE,
                frame=frame,
                values={INTENSITY: {code: found[frame] for code, found in levels.items() if frame in found}},
                camera=self.camera,
            )

    def label_files(self, subject: str) -> Iterator[Path]:
        yield from self._files(subject).values()

    def image_places(self, subject: str) -> Iterator[Path]:
        if subject in self._videos:
            yield self._videos[subject]

    def _files(self, subject: str) -> dict[str, Path]:
        if subject not in self._labels:
            raise LayoutError(
                f"{self.root.folder}: no labels of {subject!r}; expected one of {', '.join(self._labels)}"
            )
        return self._labels[subject]


def read_levels(path: Path) -> dict[int, float]:
    """Frame (from 1) -> intensity 0 to 5, from rows "frame,intensity".

    Raises:
        LabelError: a row that is not like that, a frame below 1, or one that comes twice.
    """
    levels: dict[int, float] = {}
    for line, cells in read_cells(path):
        if len(cells) != 2:
            raise LabelError(path, line, f"{len(cells)} cells", 'two, "frame,intensity"')
        frame = whole_number(cells[0], path, line, "a frame number from 1")
        if frame < 1:
            raise LabelError(
                path, line, f"frame {frame}", "a number from 1, as DISFA counts; labels from 0 would shift"
            )
        if frame in levels:
            raise LabelError(path, line, f"frame {frame} a second time", "each frame once")
        levels[frame] = coded_value(cells[1], HIGHEST, (), path, line)
    if not levels:
        raise LabelError(path, None, "no rows", 'rows "frame,intensity"')
    return levels


def subject_folders(root: Root, place: Path) -> dict[str, Path]:
    """Folders SN001, SN002, ... directly in a place, by subject id in natural order.

    Raises:
        LayoutError: two folders of one subject, such as SN1 and SN001.
    """
    found: dict[str, Path] = {}
    for folder in root.folders(place, "SN*"):
        if match := re.fullmatch(r"SN0*(\d+)", folder.name, re.IGNORECASE):
            _only(found, f"SN{int(match.group(1)):03d}", folder)
    return dict(sorted(found.items()))


def unit_files(root: Root, folder: Path, stem: str) -> dict[str, Path]:
    """Label files directly in a folder by the code of their unit, in numerical order.

    Args:
        root: the corpus. folder: the place.
        stem: regular expression that the name without ".txt" must match; its group 1 is the number of the unit.

    Raises:
        LayoutError: two files of one unit.
    """
    found: dict[str, Path] = {}
    for path in root.files(folder, "*.txt"):
        match = re.fullmatch(stem, path.stem, re.IGNORECASE)
        code = match and f"AU{int(match.group(1))}"
        if code in DISFA_UNITS:
            _only(found, code, path)
    return {code: found[code] for code in DISFA_UNITS if code in found}


def _labels_by_subject(root: Root) -> dict[str, dict[str, Path]]:
    """Subject -> unit -> label file; subjects without a label file are left out."""
    place = root.require("ActionUnit_Labels")
    found = {}
    for subject, folder in subject_folders(root, place).items():
        if files := unit_files(root, folder, rf"SN0*{int(subject[2:])}_au0*(\d+)"):
            found[subject] = files
    if not found:
        raise LayoutError(f"{place}: no label files in its folders; expected SN001/SN001_au1.txt and so on")
    return found


def _videos_by_subject(root: Root, camera: str, wanted: list[str]) -> dict[str, Path]:
    """Subject -> the video of a camera, for those that have one."""
    other = next(name for name in CAMERAS if name != camera)
    has_other = root.find(*CAMERAS[other]) is not None
    advice = f"Put the videos of the {camera} camera there"
    advice += f", or pass camera={other!r}, of which there is a folder." if has_other else "."
    place = root.require(*CAMERAS[camera], advice=advice)
    name = re.compile(rf"{camera}_?Video_?SN0*(\d+)(_?comp)?", re.IGNORECASE)
    found: dict[str, Path] = {}
    for path in root.files(place):
        if path.suffix.lower() in VIDEO_SUFFIXES and (match := name.fullmatch(path.stem)):
            _only(found, f"SN{int(match.group(1)):03d}", path)
    if not set(wanted) & set(found):
        inside = ", ".join(path.name for path in root.files(place)[:5]) or "nothing"
        sample = f"{camera.capitalize()}Video{wanted[0]}_comp.avi"
        raise LayoutError(f"{place}: no video of {', '.join(wanted[:3])}, but {inside}; expected {sample}. {advice}")
    return found


def _only(found: dict[str, Path], key: str, path: Path) -> None:
    other = found.setdefault(key, path)
    if other is not path:
        raise LayoutError(f"{other} and {path} are both {key}; expected one, remove the one that does not belong")
