"""FEAFA: `.auw` files of 24 values, images beside them, one folder a PV id."""

import shutil

import pytest

from aullava.action_units import CONTINUOUS, FEAFA_UNITS
from aullava.dataset_builder.corpora.feafa import FeafaReader, read_auw
from aullava.dataset_builder.errors import CorpusError, LabelError, LayoutError

from trees.feafa import SUBJECTS, make, values_of, write_label, write_picture


def folder(root, subject="PV001"):
    return root / "FEAFA-A" / f"{subject}.output"


def test_every_label_becomes_a_record_with_its_picture(tmp_path):
    reader = FeafaReader(make(tmp_path))
    assert reader.subjects() == tuple(sorted(SUBJECTS))
    for subject in reader.subjects():
        records = list(reader.read(subject))
        assert [record.frame for record in records] == [994, 995, 996, 997]
        for record in records:
            assert (record.subject, record.sequence) == (subject, subject)
            assert record.image.path.name == f"{record.frame:08d}.jpg"
            assert list(record.values[CONTINUOUS]) == list(FEAFA_UNITS)
            assert list(record.values[CONTINUOUS].values()) == values_of(subject, record.frame)


def test_units_are_feafas_24_in_order():
    assert FeafaReader.units[CONTINUOUS] == tuple(FEAFA_UNITS) and len(FEAFA_UNITS) == 24


def test_values_keep_the_order_of_the_file(tmp_path):
    write_label(tmp_path / "1.auw", [i / 100 for i in range(24)])
    values = read_auw(tmp_path / "1.auw")
    assert values["feafa_01_left_eye_close"] == 0.0
    assert values["feafa_02_right_eye_close"] == 0.01
    assert values["feafa_24_nose_wrinkle"] == 0.23


def test_crops_are_an_option(tmp_path):
    make(tmp_path)
    crop = next(FeafaReader(tmp_path, images="crop").read("PV001"))
    assert crop.image.path.name == "00000994_crop.jpg"
    with pytest.raises(CorpusError, match="images is 'face': expected one of full, crop"):
        FeafaReader(tmp_path, images="face")


def test_png_pictures_and_folder_of_part_a_itself(tmp_path):
    make(tmp_path, suffix=".png")
    reader = FeafaReader(tmp_path / "FEAFA-A")
    assert reader.subjects() == tuple(sorted(SUBJECTS))
    assert next(reader.read("PV008")).image.path.name == "00000994.png"


def test_letter_case_padding_and_prefixes_of_names(tmp_path):
    write_label(tmp_path / "feafa-a" / "pv7.OUTPUT" / "12.AUW", [0.5] * 24)
    write_label(tmp_path / "feafa-a" / "pv7.OUTPUT" / "gong2_2_00000013.auw", [0.25] * 24)
    write_label(tmp_path / "feafa-a" / "pv7.OUTPUT" / "gong200000014.auw", [0.25] * 24)
    write_picture(tmp_path / "feafa-a" / "pv7.OUTPUT" / "00000012.JPG", 9)
    records = list(FeafaReader(tmp_path).read("PV007"))
    assert [record.frame for record in records] == [12, 13, 14]
    assert records[0].image.path.name == "00000012.JPG" and records[1].image is None


def test_frames_ascend_as_numbers(tmp_path):
    for name in ("9", "10", "100"):
        write_label(folder(tmp_path) / f"{name}.auw", [0.0] * 24)
    assert [record.frame for record in FeafaReader(tmp_path).read("PV001")] == [9, 10, 100]


def test_spaces_and_scientific_notation(tmp_path):
    path = tmp_path / "00000000.auw"
    path.write_bytes(b"  " + b"  ".join([b"0.5", b"1", b"0", b"1e-05"] * 6))
    assert list(read_auw(path).values()) == [0.5, 1.0, 0.0, 1e-05] * 6


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("0.5 " * 23, "line 1: found 23 values; expected 24"),
        ("0.5 " * 25, "line 1: found 25 values"),
        ("0.5 " * 23 + "1.01", "line 1: found '1.01'; expected a number from 0 to 1"),
        ("0.5 " * 23 + "-0.1", "found '-0.1'"),
        ("0.5 " * 23 + "x", "found 'x'"),
        ("0.5 " * 23 + "inf", "found 'inf'"),
        ("0.5," * 24, "found 1 values"),
        ("0.5 " * 24 + "\n" + "0.5 " * 24, "line 2: found a second line"),
        ("", "found an empty file"),
        (" \r\n", "found an empty file"),
    ],
)
def test_broken_label_names_file_and_line(tmp_path, text, found):
    path = folder(tmp_path) / "00000003.auw"
    path.parent.mkdir(parents=True)
    path.write_bytes(text.encode())
    with pytest.raises(LabelError, match=found) as caught:
        list(FeafaReader(tmp_path).read("PV001"))
    assert "00000003.auw" in str(caught.value)


def test_value_that_is_no_number_is_not_coded(tmp_path):
    (tmp_path / "1.auw").write_text("nan " + "0.5 " * 23)
    values = read_auw(tmp_path / "1.auw")
    assert values["feafa_01_left_eye_close"] != values["feafa_01_left_eye_close"]
    assert values["feafa_02_right_eye_close"] == 0.5


def test_floatarray_is_an_alias_and_two_labels_of_a_frame_are_refused(tmp_path):
    make(tmp_path)
    label = folder(tmp_path) / "00000994.auw"
    shutil.move(label, label.with_suffix(".floatarray"))
    assert [record.frame for record in FeafaReader(tmp_path).read("PV001")] == [994, 995, 996, 997]
    write_label(folder(tmp_path) / "other_00000994.auw", [0.0] * 24)
    with pytest.raises(LabelError, match=r"a second label file of frame 994"):
        list(FeafaReader(tmp_path).read("PV001"))


def test_label_without_a_number_in_its_name_is_refused(tmp_path):
    make(tmp_path)
    write_label(folder(tmp_path) / "mean.auw", [0.0] * 24)
    with pytest.raises(LabelError, match="the name 'mean.auw'"):
        list(FeafaReader(tmp_path).read("PV001"))


def test_two_folders_of_one_subject_are_refused(tmp_path):
    make(tmp_path)
    shutil.copytree(folder(tmp_path), folder(tmp_path, "PV1"))
    with pytest.raises(LayoutError, match=r"PV001\.output and PV1\.output|PV1\.output and PV001\.output"):
        FeafaReader(tmp_path).subjects()


def test_folder_without_labels_is_no_subject(tmp_path):
    make(tmp_path)
    write_picture(folder(tmp_path, "PV050") / "00000000.jpg", 1)
    assert "PV050" not in FeafaReader(tmp_path).subjects()
    with pytest.raises(
        LayoutError, match="no labels of subject 'PV050'; expected one of those there: 6 from PV001 to PV009"
    ):
        list(FeafaReader(tmp_path).read("PV050"))


def test_reading_is_lazy(tmp_path):
    make(tmp_path)
    (folder(tmp_path) / "00000997.auw").write_text("broken")
    records = FeafaReader(tmp_path).read("PV001")
    assert [next(records).frame for _ in range(3)] == [994, 995, 996]
    with pytest.raises(LabelError):
        next(records)


def test_ids_that_are_not_people_are_told(tmp_path):
    reader = FeafaReader(make(tmp_path))
    assert any("122 participants but 127 PV ids" in note for note in reader.notes)
