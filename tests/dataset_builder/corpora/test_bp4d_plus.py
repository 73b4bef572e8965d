"""BP4D+: what differs from BP4D. The rest of the reader is tested there."""

import math

import pytest
from PIL import Image

from aullava.action_units import ACTION_UNITS, INTENSITY, OCCURRENCE, PROTOCOLS
from aullava.dataset_builder.corpora.bp4d import Bp4dReader
from aullava.dataset_builder.corpora.bp4d_plus import Bp4dPlusReader
from aullava.dataset_builder.errors import LabelError, LayoutError

from trees import bp4d
from trees.bp4d import LEVELS, NAMED, level, occurrence, shade
from trees.bp4d_plus import SUBJECTS, make


def grey(record):
    with Image.open(record.image.path) as image:
        return image.convert("L").getpixel((16, 16))


def test_frame_f_is_picture_f_minus_one_under_both_paddings(tmp_path):
    reader = Bp4dPlusReader(make(tmp_path))
    assert reader.subjects() == SUBJECTS
    for subject in SUBJECTS:
        found = list(reader.read(subject))
        assert [(r.sequence, r.frame) for r in found] == [(task, f) for task in ("T1", "T6") for f in range(8, 12)]
        assert [r.image.path.stem for r in found[:4]] == (
            ["0007", "0008", "0009", "0010"] if subject == "F001" else ["007", "008", "009", "010"]
        )
        for record in found:
            assert abs(grey(record) - shade(record.frame)) < 8
            assert dict(record.groups) == {"sex": subject[0]}


def test_the_first_frame_is_picture_zero(tmp_path):
    first, *_ = Bp4dPlusReader(make(tmp_path, first=1)).read("M001")
    assert (first.frame, first.image.path.name) == (1, "000.jpg")


def test_padding_that_changes_within_a_folder(tmp_path):
    root = make(tmp_path, first=999, frames=4)  # images 998 to 1001, of which two have four digits
    names = [r.image.path.name for r in Bp4dPlusReader(root).read("M001") if r.sequence == "T1"]
    assert names == ["998.jpg", "999.jpg", "1000.jpg", "1001.jpg"]


def test_pictures_counted_from_one_by_choice(tmp_path):
    root = make(tmp_path, pictures=None)
    bp4d.write_pictures(root / "2D+3D/F001/T1", range(8, 12), 4)
    found = [r for r in Bp4dPlusReader(root, first_picture=1).read("F001") if r.sequence == "T1"]
    assert all(abs(grey(record) - shade(record.frame)) < 8 for record in found)


def test_the_34_units_and_never_the_mark_99(tmp_path):
    reader = Bp4dPlusReader(make(tmp_path, frames=8))
    numbers = [ACTION_UNITS[code].number for code in reader.units[OCCURRENCE]]
    assert numbers == list(NAMED[:-1]) and len(numbers) == 34
    assert set(PROTOCOLS["bp4d"].units) <= set(reader.units[OCCURRENCE])
    for record in reader.read("F004"):
        values = record.values[OCCURRENCE]
        assert {ACTION_UNITS[code].number: value for code, value in values.items()} == {
            number: occurrence(number, record.frame) for number in numbers
        }
        for number in LEVELS:
            value, expected = record.values[INTENSITY][f"AU{number}"], level(number, record.frame)
            assert math.isnan(value) if expected == 9 else value == expected


def test_a_frame_marked_unreliable_keeps_what_is_coded(tmp_path):
    root = make(tmp_path, intensity=None)
    (root / "AUCoding/AU_OCC/F001_T1.csv").write_text("1,1,2,4,99\n8,9,9,9,1\n9,9,1,0,1\n10,1,0,0,0\n")
    eighth, ninth, tenth, *_ = (record.values[OCCURRENCE] for record in Bp4dPlusReader(root).read("F001"))
    assert all(math.isnan(value) for value in eighth.values()) and len(eighth) == 3
    assert math.isnan(ninth["AU1"]) and (ninth["AU2"], ninth["AU4"]) == (1, 0)
    assert dict(tenth) == {"AU1": 1, "AU2": 0, "AU4": 0}


def test_frame_zero_has_no_picture_and_is_refused(tmp_path):
    root = make(tmp_path, intensity=None)
    (root / "AUCoding/AU_OCC/F001_T1.csv").write_text("1,1,2\n0,1,0\n1,1,0\n")
    with pytest.raises(LabelError, match=r"F001_T1\.csv, line 2: found frame 0; expected frame numbers from 1"):
        list(Bp4dPlusReader(root).read("F001"))


@pytest.mark.parametrize("name", ["F001_T2.csv", "F001_T10.csv", "F083_T1.csv", "M059_T1.csv"])
def test_labels_that_bp4d_plus_does_not_have_are_refused(tmp_path, name):
    root = make(tmp_path)
    (root / "AUCoding/AU_OCC" / name).write_text("1,1,2\n8,1,0\n")
    with pytest.raises(LayoutError, match=rf"{name}: BP4D\+ has F001 to F082 and M001 to M058.*'bp4d'"):
        Bp4dPlusReader(root)


def test_each_of_the_two_corpora_is_refused_by_the_others_reader(tmp_path):
    """Both have AUCoding/AU_OCC, and images are counted differently: read as the other, every label is a frame off."""
    with pytest.raises(LayoutError, match="'bp4d'"):
        Bp4dPlusReader(bp4d.make(tmp_path / "bp4d"))
    with pytest.raises(LayoutError, match="'bp4d_plus'"):
        Bp4dReader(make(tmp_path / "plus", subjects=("F001", "F082")))


def test_subjects_packed_as_they_were_given_out(tmp_path):
    root = make(tmp_path, pictures=None)
    (root / "2D+3D").mkdir()
    (root / "2D+3D/F001.zip").write_bytes(b"PK")
    with pytest.raises(LayoutError, match=r"F001\.zip: packed; expected 2D\+3D/F001/T1 "):
        list(Bp4dPlusReader(root).read("F001"))
    assert all(record.image is None for record in Bp4dPlusReader(root).read("M002"))
