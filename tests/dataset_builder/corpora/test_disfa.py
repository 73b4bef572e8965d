"""DISFA: labels count from 1, video frames from 0, names come in any letter case, and JAA-Net's list is exact."""

import math

import pytest

from aullava.action_units import INTENSITY
from aullava.dataset_builder.corpora.disfa import JAANET_DROPPED, DisfaReader
from aullava.dataset_builder.errors import CorpusError, LabelError, LayoutError
from aullava.video.decode import VideoEnd, VideoFrames

from trees.disfa import UNITS, level, make
from trees.videos import number_of, write_video

# published: frames labelled, and parts with the frames JAA-Net keeps (facts 1.3, 2.2)
LABELLED = {f"SN{n:03d}": 4844 if n == 10 else 4845 for n in (*range(1, 14), 16, 17, 18, 21, *range(23, 33))}
PARTS = {
    43173: "SN001 SN002 SN009 SN010 SN016 SN026 SN027 SN030 SN032",
    40344: "SN006 SN011 SN012 SN013 SN018 SN021 SN024 SN028 SN031",
    42627: "SN003 SN004 SN005 SN007 SN008 SN017 SN023 SN025 SN029",
}


def kept(subject: str) -> int:
    dropped = {i for first, last in JAANET_DROPPED.get(subject, ()) for i in range(first, last + 1)}
    return len(set(range(LABELLED[subject])) - dropped)


def labels_of(folder, subject="SN001", unit=1):
    return folder / "ActionUnit_Labels" / subject / f"{subject}_au{unit}.txt"


@pytest.mark.parametrize("camera,offset", [("left", 0), ("right", 1000)])
def test_label_n_is_the_video_frame_n_minus_1_of_the_chosen_camera(tmp_path, camera, offset):
    reader = DisfaReader(make(tmp_path), camera=camera)
    assert reader.subjects() == ("SN001", "SN003", "SN006")
    records = list(reader.read("SN003"))
    assert [record.frame for record in records] == [1, 2, 3, 4, 5, 6]
    with VideoFrames(records[0].image.path) as video:
        shown = [number_of(video.frame(record.image.index)) for record in records]
    assert shown == [offset + n for n in range(6)]
    assert {(record.subject, record.sequence, record.camera) for record in records} == {("SN003", "1", camera)}
    assert all(math.isnan(record.timestamp) for record in records)


def test_values_are_the_intensities_of_twelve_units(tmp_path):
    reader = DisfaReader(make(tmp_path))
    assert reader.units == {INTENSITY: tuple(f"AU{n}" for n in UNITS)}
    for record in reader.read("SN006"):
        assert record.values == {INTENSITY: {f"AU{n}": level(n, record.frame) for n in UNITS}}


def test_any_letter_case_and_spelling_of_names(tmp_path):
    make(tmp_path, subjects=("SN001",))
    place = tmp_path / "ActionUnit_Labels"
    for path in (place / "SN001").iterdir():
        path.rename(path.with_name(path.name.upper()))
    (place / "SN001").rename(place / "sn001")
    place.rename(tmp_path / "actionunit_labels")
    for before, after in (("Videos_LeftCamera", "VIDEO_LEFTCAMERA"), ("Video_RightCamera", "videos_rightcamera")):
        for path in (tmp_path / before).iterdir():
            path.rename(path.with_name(path.name.swapcase()))
        (tmp_path / before).rename(tmp_path / after)
    for camera in ("left", "right"):
        records = list(DisfaReader(tmp_path, camera=camera).read("SN001"))
        assert len(records) == 6 and len(records[0].values[INTENSITY]) == 12
        with VideoFrames(records[0].image.path) as video:
            assert number_of(video.frame(5)) == 5 + 1000 * (camera == "right")


def test_label_text_with_bom_blank_lines_and_spaces_in_any_order(tmp_path):
    make(tmp_path, subjects=("SN001",))
    labels_of(tmp_path).write_bytes(b"\xef\xbb\xbf 2 , 5\r\n\r\n1,0\r\n  \r\n3,  4 \n4,\n")
    records = {record.frame: record.values[INTENSITY] for record in DisfaReader(tmp_path).read("SN001")}
    assert (records[1]["AU1"], records[2]["AU1"], records[3]["AU1"]) == (0, 5, 4)
    assert math.isnan(records[4]["AU1"]), "an empty cell is not coded"
    assert "AU1" not in records[5] and records[5]["AU2"] == level(2, 5), "a frame that one file lacks"
    assert list(records) == [1, 2, 3, 4, 5, 6]


def test_a_unit_without_a_file_is_not_coded(tmp_path):
    make(tmp_path, subjects=("SN001",))
    labels_of(tmp_path, unit=26).unlink()
    assert all("AU26" not in r.values[INTENSITY] for r in DisfaReader(tmp_path).read("SN001"))


def test_more_labels_than_video_frames(tmp_path):
    """What min(frames of the video, labels) leaves out is yielded, and the video says that it has ended."""
    records = list(DisfaReader(make(tmp_path, frames=6, video_frames=4)).read("SN001"))
    assert [record.image.index for record in records] == [0, 1, 2, 3, 4, 5]
    with VideoFrames(records[0].image.path) as video:
        assert number_of(video.frame(3)) == 3
        with pytest.raises(VideoEnd):
            video.frame(records[4].image.index)


def test_more_video_frames_than_labels(tmp_path):
    assert len(list(DisfaReader(make(tmp_path, frames=4, video_frames=6)).read("SN001"))) == 4


def test_jaanets_list_adds_up_to_the_published_counts():
    assert sum(LABELLED.values()) == 130_814
    assert sum(map(kept, LABELLED)) == 126_144
    for frames, people in PARTS.items():
        assert sum(map(kept, people.split())) == frames


def test_jaanets_ranges_count_from_0_and_include_both_ends(tmp_path):
    make(tmp_path, subjects=("SN001", "SN003"), frames=430)
    wanted = [n for n in range(1, 431) if not 398 <= n <= 420]  # label frames of 397 to 419
    records = list(DisfaReader(tmp_path, frames="jaanet").read("SN001"))
    assert [record.frame for record in records] == wanted
    assert all(record.image.index == record.frame - 1 for record in records)
    assert len(list(DisfaReader(tmp_path).read("SN001"))) == 430
    assert len(list(DisfaReader(tmp_path, frames="jaanet").read("SN003"))) == 430


def test_the_choice_of_frames_and_camera_is_told(tmp_path):
    make(tmp_path)
    notes = " ".join(DisfaReader(tmp_path, frames="jaanet", camera="right").notes)
    assert "126,144" in notes and "Camera: right" in notes
    assert "130,814" in " ".join(DisfaReader(tmp_path).notes)


def test_a_missing_camera_is_named_and_the_other_offered(tmp_path):
    make(tmp_path, cameras=("right",))
    with pytest.raises(LayoutError, match="no Videos_LeftCamera or Video_LeftCamera in it.* pass camera='right'"):
        DisfaReader(tmp_path)
    assert len(list(DisfaReader(tmp_path, camera="right").read("SN001"))) == 6


def test_a_camera_folder_without_a_fitting_video(tmp_path):
    make(tmp_path, cameras=("right",))
    write_video(tmp_path / "Videos_LeftCamera" / "holiday.avi", 2)
    with pytest.raises(
        LayoutError, match="no video of SN001, SN003, SN006, but holiday.avi; .*LeftVideoSN001_comp.avi"
    ):
        DisfaReader(tmp_path)


@pytest.mark.parametrize(
    "content,problem",
    [
        ("1,0\n2,6\n", r"_au1.txt, line 2: found '6'; expected a whole number from 0 to 5"),
        ("1,0\n\n2,-1\n", r"line 3: found '-1'"),
        ("1,0\n2,1.5\n", r"line 2: found '1.5'"),
        ("1,0\n2,x\n", r"line 2: found 'x'"),
        ("0,0\n1,0\n", r"line 1: found frame 0; expected a number from 1"),
        ("1,0\n1,2\n", r"line 2: found frame 1 a second time"),
        ("1,0\nx,2\n", r"line 2: found 'x'; expected a frame number from 1"),
        ("1,0\n2\n", r"line 2: found 1 cells"),
        ("1,0,3\n", r"line 1: found 3 cells"),
        ("\n\n", r"_au1.txt: found no rows"),
        ("1,0\n2,0\0", r"found zero bytes"),
    ],
)
def test_broken_labels_are_refused_by_file_and_line(tmp_path, content, problem):
    make(tmp_path, subjects=("SN001",))
    labels_of(tmp_path).write_text(content)
    with pytest.raises(LabelError, match=problem):
        list(DisfaReader(tmp_path).read("SN001"))


def test_two_files_for_one_thing_are_refused(tmp_path):
    make(tmp_path, subjects=("SN001",))
    write_video(tmp_path / "Videos_LeftCamera" / "LeftVideoSN001_comp.mp4", 2)
    with pytest.raises(LayoutError, match="are both SN001"):
        DisfaReader(tmp_path)
    labels_of(tmp_path).with_name("SN001_au01.txt").write_text("1,0\n")
    with pytest.raises(LayoutError, match="are both AU1"):
        DisfaReader(tmp_path)


def test_options_and_subjects_that_do_not_exist(tmp_path):
    make(tmp_path)
    with pytest.raises(CorpusError, match="camera is 'top': expected left or right"):
        DisfaReader(tmp_path, camera="top")
    with pytest.raises(CorpusError, match="frames is 'some': expected all or jaanet"):
        DisfaReader(tmp_path, frames="some")
    with pytest.raises(LayoutError, match="no labels of 'SN099'; expected one of SN001"):
        list(DisfaReader(tmp_path).read("SN099"))
