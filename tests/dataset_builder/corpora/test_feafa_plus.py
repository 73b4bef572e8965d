"""FEAFA+: part A as FEAFA, part B with images from the user's own DISFA."""

import pytest

from aullava.action_units import CONTINUOUS
from aullava.dataset_builder.corpora.feafa_plus import FeafaPlusReader
from aullava.dataset_builder.errors import CorpusError, LayoutError, UnsafePathError
from aullava.dataset_builder.rows.records import ImageFile, VideoFrame
from aullava.video.decode import VideoFrames

from trees import disfa, feafa
from trees.feafa_plus import SUBJECTS_B, make
from trees.videos import number_of


def test_both_parts_a_first(tmp_path):
    reader = FeafaPlusReader(make(tmp_path))
    assert reader.subjects() == (*sorted(feafa.SUBJECTS), *sorted(SUBJECTS_B))
    for subject in reader.subjects():
        records = list(reader.read(subject))
        assert len(records) == 4
        for record in records:
            assert list(record.values[CONTINUOUS].values()) == feafa.values_of(subject, record.frame)


@pytest.mark.parametrize(("part", "subjects"), [("A", sorted(feafa.SUBJECTS)), ("B", sorted(SUBJECTS_B))])
def test_one_part(tmp_path, part, subjects):
    reader = FeafaPlusReader(make(tmp_path), part=part)
    assert reader.subjects() == tuple(subjects)
    missing = {"A": "SN001", "B": "PV001"}[part]
    with pytest.raises(LayoutError, match=f"no labels of subject '{missing}'"):
        list(reader.read(missing))


def test_part_that_is_not_there_is_not_passed_over(tmp_path):
    make(tmp_path / "a", part="A")
    with pytest.raises(LayoutError, match="no FEAFA-B in it.*part='A' alone"):
        FeafaPlusReader(tmp_path / "a")
    assert len(FeafaPlusReader(tmp_path / "a", part="A").subjects()) == 6
    make(tmp_path / "b", part="B")
    with pytest.raises(LayoutError, match="no FEAFA-A in it.*part='B' alone"):
        FeafaPlusReader(tmp_path / "b", part="A")


def test_part_without_labels_is_not_passed_over(tmp_path):
    make(tmp_path, part="A")
    feafa.write_picture(tmp_path / "FEAFA-B" / "SN001.output" / "00000000.png", 1)
    with pytest.raises(LayoutError, match=r"no .auw file in FEAFA-B; expected some in folders such as SN001\.output"):
        FeafaPlusReader(tmp_path).subjects()


@pytest.mark.parametrize("options", [{"part": "C"}, {"disfa_camera": "top"}, {"images": "face"}])
def test_option_with_another_value_is_refused(tmp_path, options):
    with pytest.raises(CorpusError, match="expected one of"):
        FeafaPlusReader(make(tmp_path), **options)


def test_part_b_without_disfa_has_no_pictures_and_says_so(tmp_path):
    reader = FeafaPlusReader(make(tmp_path))
    assert all(record.image is None for record in reader.read("SN001"))
    assert any("without disfa_dir" in note for note in reader.notes)


def test_part_b_takes_pictures_beside_its_labels_if_there_is_no_disfa(tmp_path):
    make(tmp_path)
    feafa.write_picture(tmp_path / "FEAFA-B" / "SN001.output" / "00000002.png", 1)
    pictures = [record.image for record in FeafaPlusReader(tmp_path).read("SN001")]
    assert pictures[2] == ImageFile(tmp_path / "FEAFA-B" / "SN001.output" / "00000002.png")
    assert [picture is None for picture in pictures] == [True, True, False, True]


@pytest.mark.parametrize("camera", ["left", "right"])
def test_label_number_n_is_shown_frame_n_counted_from_0(tmp_path, camera):
    videos = disfa.make(tmp_path / "disfa", cameras=(camera,))
    reader = FeafaPlusReader(make(tmp_path / "feafa"), disfa_dir=videos, disfa_camera=camera)
    records = list(reader.read("SN006"))
    assert [record.image.index for record in records] == [record.frame for record in records] == [0, 1, 2, 3]
    assert {record.camera for record in records} == {camera}
    first = {"left": 0, "right": 1000}[camera]
    with VideoFrames(records[0].image.path) as video:
        for record in records:
            assert number_of(video.frame(record.image.index)) == first + record.frame
    assert f"{camera.title()}VideoSN006" in records[0].image.path.name


def test_disfa_goes_before_pictures_beside_the_labels(tmp_path):
    make(tmp_path / "feafa")
    feafa.write_picture(tmp_path / "feafa" / "FEAFA-B" / "SN001.output" / "00000000.png", 1)
    reader = FeafaPlusReader(tmp_path / "feafa", disfa_dir=disfa.make(tmp_path / "disfa"))
    assert all(isinstance(record.image, VideoFrame) for record in reader.read("SN001"))
    assert all(isinstance(record.image, ImageFile) and record.camera == "" for record in reader.read("PV001"))
    assert not any("without disfa_dir" in note for note in reader.notes)


def test_subject_without_a_video_is_kept_without_pictures(tmp_path):
    videos = disfa.make(tmp_path / "disfa", subjects=("SN001", "SN003"))
    reader = FeafaPlusReader(make(tmp_path / "feafa"), disfa_dir=videos)
    assert [record.image for record in reader.read("SN006")] == [None] * 4
    assert list(reader.image_places("SN006")) == []


def test_disfa_folder_without_videos_is_refused_at_once(tmp_path):
    make(tmp_path / "feafa")
    (tmp_path / "empty").mkdir()
    for wrong in (tmp_path / "empty", tmp_path / "nowhere"):
        with pytest.raises(LayoutError, match="no Videos_LeftCamera"):
            FeafaPlusReader(tmp_path / "feafa", disfa_dir=wrong)
    right_only = disfa.make(tmp_path / "right", cameras=("right",))
    with pytest.raises(LayoutError, match="no Videos_LeftCamera"):
        FeafaPlusReader(tmp_path / "feafa", disfa_dir=right_only)
    others = disfa.make(tmp_path / "others", subjects=("SN002",))
    with pytest.raises(LayoutError, match="no video of SN001, SN003, SN006"):
        FeafaPlusReader(tmp_path / "feafa", disfa_dir=others)
    assert FeafaPlusReader(tmp_path / "feafa", part="A", disfa_dir=others).subjects()


def test_link_out_of_disfa_is_refused(tmp_path):
    disfa.make(tmp_path / "away")
    (tmp_path / "disfa").mkdir()
    (tmp_path / "disfa" / "Videos_LeftCamera").symlink_to(tmp_path / "away" / "Videos_LeftCamera")
    make(tmp_path / "feafa")
    with pytest.raises(UnsafePathError):
        FeafaPlusReader(tmp_path / "feafa", disfa_dir=tmp_path / "disfa")
    FeafaPlusReader(tmp_path / "feafa", disfa_dir=tmp_path / "disfa", follow_links=True)


def test_names_of_the_labs_own_copy(tmp_path):
    make(tmp_path, part="A")
    for frame in (4832, 7):
        feafa.write_label(tmp_path / "FEAFA-B" / "2.output" / f"gong2_2_{frame:08d}.auw", [0.5] * 24)
    reader = FeafaPlusReader(tmp_path, part="B")
    assert reader.subjects() == ("SN002",)
    assert [record.frame for record in reader.read("SN002")] == [7, 4832]
    assert [path.name for path in reader.label_files("SN002")] == ["gong2_2_00000007.auw", "gong2_2_00004832.auw"]


def test_foreign_folders_are_no_subjects(tmp_path):
    make(tmp_path)
    feafa.write_label(tmp_path / "FEAFA-A" / "SN001.output" / "00000000.auw", [0.5] * 24)
    feafa.write_label(tmp_path / "FEAFA-B" / "PV001.output" / "00000000.auw", [0.5] * 24)
    assert len(FeafaPlusReader(tmp_path).subjects()) == len(feafa.SUBJECTS) + len(SUBJECTS_B)
