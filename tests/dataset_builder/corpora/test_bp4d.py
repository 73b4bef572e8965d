"""BP4D: both headers, both scales, every padding and place of the images, and what must be refused."""

import math
from itertools import islice

import pytest
from PIL import Image

from aullava.action_units import ACTION_UNITS, INTENSITY, OCCURRENCE, PROTOCOLS
from aullava.dataset_builder.corpora import bp4d
from aullava.dataset_builder.corpora.bp4d import Bp4dReader
from aullava.dataset_builder.errors import LayoutError, UnsafePathError

from trees.bp4d import CODED, LEVELS, NAMED, level, make, occurrence, shade, write_pictures

ONE = {"subjects": ("F001",), "tasks": ("T1",)}


def records(root, subject="F001", **options):
    return list(Bp4dReader(root, **options).read(subject))


def labels_of(root, name="F001_T1.csv"):
    return root / "AUCoding" / "AU_OCC" / name


def shown(record):
    """The frame that the image shows, by its grey."""
    with Image.open(record.image.path) as image:
        return min(range(64), key=lambda frame: abs(shade(frame) - image.convert("L").getpixel((16, 16))))


@pytest.mark.parametrize("header", ["legacy", "named"])
def test_every_value_is_that_of_its_own_column(tmp_path, header):
    reader = Bp4dReader(make(tmp_path, header=header, intensity=None))
    assert reader.subjects() == ("F001", "F003", "M009")
    coded = set(CODED) & set(NAMED) if header == "named" else set(CODED)
    for subject in reader.subjects():
        found = list(reader.read(subject))
        assert [(r.sequence, r.frame) for r in found] == [(task, f) for task in ("T1", "T2") for f in range(8, 12)]
        for record in found:
            values = record.values[OCCURRENCE]
            assert {ACTION_UNITS[code].number: value for code, value in values.items()} == {
                number: occurrence(number, record.frame) for number in coded
            }
            assert (record.subject, dict(record.groups), record.camera) == (subject, {"sex": subject[0]}, "")
            assert math.isnan(record.timestamp)


def test_units_are_those_of_the_facts_with_descriptors_by_their_code():
    occurrence_codes = Bp4dReader.units[OCCURRENCE]
    assert [ACTION_UNITS[code].number for code in occurrence_codes] == list(CODED)
    assert {"AD32", "AD38", "AD39"} <= set(occurrence_codes)
    assert set(PROTOCOLS["bp4d"].units) <= set(occurrence_codes)
    assert Bp4dReader.units[INTENSITY] == ("AU6", "AU10", "AU12", "AU14", "AU17")


@pytest.mark.parametrize(
    "folder", ["AUCoding/AU_INT", "AU-Intensity-Codes3.0", "AUCoding/AU-Intensity-Codes3.0", "aucoding/au_int"]
)
def test_both_scales_are_filled_and_nine_is_not_coded(tmp_path, folder):
    found = records(make(tmp_path, intensity=folder, frames=8))
    assert {f"AU{number}" for number in LEVELS} == set(found[0].values[INTENSITY])
    for record in found:
        for number in LEVELS:
            value, expected = record.values[INTENSITY][f"AU{number}"], level(number, record.frame)
            assert math.isnan(value) if expected == 9 else value == expected
    assert any(math.isnan(r.values[INTENSITY]["AU6"]) for r in found)
    assert any(r.values[INTENSITY]["AU6"] == 5 for r in found)


def test_without_intensities_the_scale_is_empty(tmp_path):
    found = records(make(tmp_path, intensity=None))
    assert all(not record.values[INTENSITY] and record.values[OCCURRENCE] for record in found)


@pytest.mark.parametrize("folder", ["AUCoding/AU_OCC", "AUCoding", "AUCoding/AUCoding", "aucoding/au_occ"])
def test_occurrence_lies_in_any_of_its_places(tmp_path, folder):
    assert len(records(make(tmp_path, occurrences=folder))) == 8


def test_frames_of_either_scale_are_rows(tmp_path):
    root = make(tmp_path, frames=2, **ONE)  # 8 and 9
    for number in LEVELS:
        (root / f"AUCoding/AU_INT/AU{number:02d}/F001_T1_AU{number:02d}.csv").write_text("10,2\n8,1\n")
    eighth, ninth, tenth = records(root)
    assert [r.frame for r in (eighth, ninth, tenth)] == [8, 9, 10]
    assert eighth.values[OCCURRENCE]["AU1"] == occurrence(1, 8) and eighth.values[INTENSITY]["AU6"] == 1
    assert ninth.values[OCCURRENCE] and not ninth.values[INTENSITY]
    assert not tenth.values[OCCURRENCE] and tenth.values[INTENSITY]["AU17"] == 2
    assert tenth.image is None, "labelled, but not on disk"


def test_a_sequence_with_intensities_alone_is_read(tmp_path):
    root = make(tmp_path)
    labels_of(root, "F001_T2.csv").unlink()
    reader = Bp4dReader(root)
    found = [record for record in reader.read("F001") if record.sequence == "T2"]
    assert len(found) == 4 and all(r.values[INTENSITY] and not r.values[OCCURRENCE] for r in found)
    assert len(list(reader.label_files("F001"))) == 1 + 2 * 5


@pytest.mark.parametrize("digits", [1, 3, 4, 6])
def test_frame_f_is_picture_f_under_every_padding(tmp_path, digits):
    root = make(tmp_path, padding={"F001": digits}, **ONE)
    found = records(root)
    assert [shown(record) for record in found] == [record.frame for record in found] == [8, 9, 10, 11]
    assert found[0].image.path.name == f"{8:0{digits}d}.jpg"


def test_padding_may_be_mixed_between_subjects_and_inside_a_folder(tmp_path):
    root = make(tmp_path, padding={"F001": 4, "F003": 1, "M009": 3}, first=8, frames=3)
    (root / "Sequences_2D+3D/F001/T1/0010.jpg").rename(root / "Sequences_2D+3D/F001/T1/10.JPG")
    for subject in ("F001", "F003", "M009"):
        assert [shown(r) for r in records(root, subject) if r.sequence == "T1"] == [8, 9, 10]


@pytest.mark.parametrize(
    "place",
    ["Sequences_2D+3D", "Sequences(2D+3D)", "sequences_2d+3d", "BP4D-training", "img", "images", "2D+3D", ""],
)
def test_pictures_lie_in_any_of_their_places(tmp_path, place):
    assert [shown(r) for r in records(make(tmp_path, pictures=place, **ONE))] == [8, 9, 10, 11]


def test_pictures_unpacked_into_a_folder_of_the_archives_name(tmp_path):
    root = make(tmp_path, pictures=None, **ONE)
    write_pictures(root / "Sequences_2D+3D/f001/F001/t1", range(8, 12), 4)
    (root / "Sequences_2D+3D.zip").write_bytes(b"PK")
    assert [shown(r) for r in records(root)] == [8, 9, 10, 11]


def test_meshes_beside_the_pictures_are_no_pictures(tmp_path):
    root = make(tmp_path, **ONE)
    for suffix in (".obj", ".mtl"):
        (root / f"Sequences_2D+3D/F001/T1/0008{suffix}").write_text("")
    assert [shown(r) for r in records(root)] == [8, 9, 10, 11]


def test_two_pictures_of_one_number_are_refused(tmp_path):
    root = make(tmp_path, **ONE)
    write_pictures(root / "Sequences_2D+3D/F001/T1", [9], 3)
    with pytest.raises(LayoutError, match=r"0009\.jpg and 009\.jpg are both image 9"):
        records(root)


def test_another_copy_of_the_pictures_by_choice(tmp_path):
    root = make(tmp_path, **ONE)
    write_pictures(root / "aligned/faces/F001/T1", range(9, 12), 1)
    found = records(root, images_dir="aligned/faces")
    assert found[0].image is None and [shown(r) for r in found[1:]] == [9, 10, 11]
    assert "aligned" in str(found[1].image.path)
    with pytest.raises(LayoutError, match="aligned/face: no such folder"):
        Bp4dReader(root, images_dir="aligned/face")
    for outside in ("../elsewhere", str(tmp_path.parent)):
        with pytest.raises(UnsafePathError):
            Bp4dReader(root, images_dir=outside)


def test_another_count_of_pictures_by_choice(tmp_path):
    root = make(tmp_path, **ONE)
    assert [r.image and shown(r) for r in records(root, first_picture=0)] == [None, 8, 9, 10]


def test_frames_without_picture_stay(tmp_path):
    root = make(tmp_path, **ONE)
    (root / "Sequences_2D+3D/F001/T1/0010.jpg").unlink()
    assert [r.image and shown(r) for r in records(root)] == [8, 9, None, 11]
    assert [r.image for r in records(make(tmp_path / "none", pictures=None, **ONE))] == [None] * 4


@pytest.mark.parametrize("name", ["F001.zip", "f001.TAR.GZ", "F001.7z"])
def test_packed_pictures_are_named_and_not_counted_as_missing(tmp_path, name):
    root = make(tmp_path, pictures=None, **ONE)
    (root / "Sequences_2D+3D").mkdir()
    (root / "Sequences_2D+3D" / name).write_bytes(b"PK")
    with pytest.raises(LayoutError, match=rf"(?s){name}: packed; expected Sequences_2D\+3D/F001/T1 .*Unpack it"):
        records(root)


def test_tasks_come_in_natural_order_and_names_in_any_letter_case(tmp_path):
    root = make(tmp_path, subjects=("M018", "F010", "F002"), tasks=("T8", "T1"), intensity=None)
    for path in list((root / "AUCoding/AU_OCC").iterdir()):
        path.rename(path.with_name(path.name.lower()))
    reader = Bp4dReader(root)
    assert reader.subjects() == ("F002", "F010", "M018")
    assert list(dict.fromkeys(r.sequence for r in reader.read("M018"))) == ["T1", "T8"]
    assert all(record.image for record in reader.read("M018"))


@pytest.mark.parametrize("name", ["F024_T1.csv", "M019_T1.csv", "F000_T1.csv", "F001_T9.csv"])
def test_labels_of_another_corpus_are_refused(tmp_path, name):
    root = make(tmp_path, **ONE)
    labels_of(root, name).write_text("0,1\n8,1\n")
    with pytest.raises(LayoutError, match=rf"{name}: BP4D-Spontaneous has F001 to F023 and M001 to M018.*'bp4d_plus'"):
        Bp4dReader(root)


@pytest.mark.parametrize("name", ["F001_T1 (1).csv", "summary.csv", "F1_T1.csv"])
def test_a_label_file_of_another_name_is_not_passed_over(tmp_path, name):
    root = make(tmp_path, **ONE)
    labels_of(root, name).write_text("0,1\n8,1\n")
    with pytest.raises(LayoutError, match=r"not like F001_T1\.csv"):
        Bp4dReader(root)


def test_what_a_file_manager_leaves_behind_is_passed_over(tmp_path):
    root = make(tmp_path, **ONE)
    labels_of(root, "._F001_T1.csv").write_bytes(b"\0")
    labels_of(root, "Thumbs.db").write_bytes(b"\0")
    (root / "AUCoding/AU_INT/readme.txt").write_text("")
    assert len(records(root)) == 4


def test_two_files_of_one_sequence_are_refused(tmp_path):
    root = make(tmp_path, **ONE)
    labels_of(root, "f001_t01.CSV").write_text("0,1\n8,1\n")
    with pytest.raises(LayoutError, match="labels of the same sequence"):
        Bp4dReader(root)


def test_intensity_folders_are_checked_too(tmp_path):
    root = make(tmp_path, **ONE)
    place = root / "AUCoding/AU_INT"
    (place / "AU12/F001_T1_AU12.csv").rename(place / "AU12/F001_T1_AU14.csv")
    with pytest.raises(LayoutError, match=r"not like F001_T1_AU12\.csv"):
        Bp4dReader(root)
    (place / "AU12").rename(place / "AU-twelve")
    with pytest.raises(LayoutError, match="not like AU06"):
        Bp4dReader(root)
    empty = make(tmp_path / "empty", intensity=None, **ONE)
    (empty / "AUCoding/AU_INT/AU06").mkdir(parents=True)
    with pytest.raises(LayoutError, match="no label files in it"):
        Bp4dReader(empty)


def test_an_intensity_folder_without_zeros_and_one_of_another_au(tmp_path):
    root = make(tmp_path, **ONE)
    place = root / "AUCoding/AU_INT"
    (place / "AU06").rename(place / "AU6")
    (place / "AU6/F001_T1_AU06.csv").rename(place / "AU6/f001_T1_au6.csv")
    (place / "AU04").mkdir()
    (place / "AU04/F001_T1_AU04.csv").write_text("8,4\n")
    assert set(records(root)[0].values[INTENSITY]) == {f"AU{number}" for number in LEVELS}


def test_wrong_folders_name_the_right_one(tmp_path):
    root = make(tmp_path / "data/BP4D", **ONE)
    for wrong in (tmp_path / "data", root / "AUCoding", root / "AUCoding/AU_OCC", root / "Sequences_2D+3D"):
        with pytest.raises(LayoutError, match=f"{root} has it: give that folder.*binghamton"):
            Bp4dReader(wrong)
    (tmp_path / "bare/AUCoding/AU_OCC").mkdir(parents=True)
    with pytest.raises(LayoutError, match=r"no label files in it; expected F001_T1\.csv"):
        Bp4dReader(tmp_path / "bare")
    with pytest.raises(LayoutError, match="no labels of 'F002'; expected one of F001"):
        list(Bp4dReader(root).read("F002"))


def test_reading_goes_sequence_by_sequence(tmp_path, monkeypatch):
    reader = Bp4dReader(make(tmp_path))
    opened = []
    real = bp4d.read_occurrence
    monkeypatch.setattr(bp4d, "read_occurrence", lambda path, *rest: opened.append(path.name) or real(path, *rest))
    stream = reader.read("F003")
    assert opened == []
    assert [r.sequence for r in islice(stream, 4)] == ["T1"] * 4
    assert opened == ["F003_T1.csv"]
    assert [r.sequence for r in stream] == ["T2"] * 4
