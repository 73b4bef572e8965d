"""CK+: the peak frame of a sequence; a 0 in a row is "present, intensity not given"."""

import math
import shutil

import pytest

from aullava.action_units import INTENSITY, OCCURRENCE
from aullava.dataset_builder.corpora.ck_plus import CkPlusReader, read_facs
from aullava.dataset_builder.errors import LabelError

from trees.ck_plus import SUBJECTS, make

LABEL = "FACS/S010/001/S010_001_00000014_facs.txt"


def label(tmp_path, content):
    path = tmp_path / "S010_001_00000014_facs.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_the_peak_of_every_sequence_is_a_record_with_its_picture(tmp_path):
    reader = CkPlusReader(make(tmp_path))
    assert reader.subjects() == SUBJECTS
    for subject in reader.subjects():
        records = list(reader.read(subject))
        assert [(record.subject, record.sequence, record.frame) for record in records] == [
            (subject, "001", 14),
            (subject, "002", 11),
        ]
        assert [record.image.path.name for record in records] == [
            f"{subject}_001_00000014.png",
            f"{subject}_002_00000011.png",
        ]


def test_zero_is_present_with_intensity_not_given(tmp_path):
    values = next(CkPlusReader(make(tmp_path)).read("S010")).values
    assert values[OCCURRENCE]["AU2"] == 1 and math.isnan(values[INTENSITY]["AU2"])
    assert {code for code, value in values[OCCURRENCE].items() if value == 1} == {"AU1", "AU2", "AU25"}
    assert values[INTENSITY]["AU1"] == 3 and values[INTENSITY]["AU25"] == 5


def test_units_not_listed_are_coded_as_absent(tmp_path):
    values = next(CkPlusReader(make(tmp_path)).read("S010")).values
    absent = set(CkPlusReader.units[OCCURRENCE]) - {"AU1", "AU2", "AU25"}
    assert len(absent) == 22
    assert all(values[OCCURRENCE][code] == 0 and values[INTENSITY][code] == 0 for code in absent)


def test_intensity_1_is_present(tmp_path):
    values = read_facs(label(tmp_path, "   1.2000000e+01   1.0000000e+00\n"))
    assert values[OCCURRENCE]["AU12"] == 1 and values[INTENSITY]["AU12"] == 1


def test_units_are_the_25_in_both_scales():
    units = CkPlusReader.units
    assert units[OCCURRENCE] == units[INTENSITY] and len(set(units[OCCURRENCE])) == 25
    assert units[OCCURRENCE][-2:] == ("AD38", "AD39")


@pytest.mark.parametrize("content", [b"", b"\r\n \r\n"])
def test_a_file_without_rows_is_not_coded(tmp_path, content):
    values = read_facs(label(tmp_path, content))
    assert all(math.isnan(value) for scale in (OCCURRENCE, INTENSITY) for value in values[scale].values())
    assert len(values[OCCURRENCE]) == len(values[INTENSITY]) == 25


def test_units_beyond_the_25_are_left_out(tmp_path):
    values = read_facs(label(tmp_path, "43 0\n21 2\n45 1\n1 2\n"))
    assert [code for code, value in values[OCCURRENCE].items() if value] == ["AU1"]
    assert set(values[OCCURRENCE]) == set(values[INTENSITY]) == set(CkPlusReader.units[OCCURRENCE])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1 3\n2 6\n", "line 2: found '6'; expected a whole number from 0 to 5"),
        ("1 -1\n", "line 1: found '-1'"),
        ("1 2.5\n", "line 1: found '2.5'"),
        ("1 nan\n", "line 1: found 'nan'"),
        ("x 1\n", "line 1: found 'x'; expected the number of an action unit"),
        ("112 1\n", "line 1: found action unit 112"),
        ("1\n", "line 1: found 1 cells; expected 2 cells"),
        ("1 2 3\n", "line 1: found 3 cells"),
        ("1 2\n1 0\n", "line 2: found AU 1 again, now with 0"),
        (b"1 \x002", "zero bytes"),
    ],
)
def test_broken_label_names_file_and_line(tmp_path, text, found):
    with pytest.raises(LabelError, match=found) as caught:
        read_facs(label(tmp_path, text))
    assert "S010_001_00000014_facs.txt" in str(caught.value)


def test_sequence_without_a_label_file_is_not_coded(tmp_path):
    make(tmp_path)
    (tmp_path / "FACS/S010/002/S010_002_00000011_facs.txt").unlink()
    assert [record.sequence for record in CkPlusReader(tmp_path).read("S010")] == ["001"]


def test_sequences_in_natural_order(tmp_path):
    make(tmp_path)
    for name in ("9", "10"):
        shutil.copytree(tmp_path / "FACS/S010/001", tmp_path / "FACS/S010" / name)
    assert [record.sequence for record in CkPlusReader(tmp_path).read("S010")] == ["001", "002", "9", "10"]


def test_two_labels_of_one_frame_are_refused(tmp_path):
    make(tmp_path)
    shutil.copy(tmp_path / LABEL, tmp_path / "FACS/S010/001/S010_001_14_facs.txt")
    with pytest.raises(LabelError, match="a second label file of frame 14"):
        list(CkPlusReader(tmp_path).read("S010"))
