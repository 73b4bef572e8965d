"""EmotioNet: odd column names, 999, images by URL in every place, hostile URLs."""

import math

import pytest

from aullava.action_units import ACTION_UNITS, OCCURRENCE
from aullava.dataset_builder.corpora.emotionet import EmotionetReader
from aullava.dataset_builder.errors import LabelError, LayoutError, UnsafePathError

from trees.emotionet import TABLE, label, make


def test_every_value_is_that_of_its_column_and_999_is_not_coded(tmp_path):
    reader = EmotionetReader(make(tmp_path))
    assert reader.subjects() == ("N_0000000001_00001", "N_0000000001_00002", "N_0000000002_00001")
    units = reader.units[OCCURRENCE]
    assert units[:3] == ("AU1", "AU2", "AU4") and "AD30" in units and "AU0" not in units and len(units) == 52
    for order, subject in enumerate(reader.subjects()):
        (record,) = reader.read(subject)
        found = record.values[OCCURRENCE]
        assert tuple(found) == units
        for code in units:
            expected = label(ACTION_UNITS[code].number, order)
            assert math.isnan(found[code]) if expected == 999 else found[code] == expected


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("images", ["", "imgs", "Images", "faces"])
def test_pictures_are_found_by_their_url(tmp_path, flat, images):
    make(tmp_path, flat=flat, images=images)
    reader = EmotionetReader(tmp_path, images_dir="faces" if images == "faces" else "")
    for subject in reader.subjects():
        (record,) = reader.read(subject)
        assert record.image.path.stem == subject
        assert list(reader.image_places(subject)) == [record.image.path]
    assert record.frame == 1


def test_double_quotes_bom_and_columns_in_another_order(tmp_path):
    make(tmp_path)
    text = '"\'AU 12\'","URL"," \'AU 1\'","\'AU 3\'","\'AU 0\'"\r\n\r\n"999","\'http://a/other.png\'"," 1","0","1"\r\n'
    (tmp_path / TABLE).write_bytes(text.encode("utf-8-sig"))
    reader = EmotionetReader(tmp_path)
    assert reader.units == {OCCURRENCE: ("AU1", "AU12")}
    (record,) = reader.read("other")
    assert record.values[OCCURRENCE]["AU1"] == 1 and math.isnan(record.values[OCCURRENCE]["AU12"])
    assert record.frame == 0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("URL,name\na.jpg,1\n", "line 1: found the header"),
        ("'AU 1'\n1\n", "line 1: found the header"),
        ("URL,'AU 1','AU1'\na.jpg,1,0\n", "two columns of one unit"),
        ("URL,'AU 1'\na.jpg,2\n", "line 2: found '2'"),
        ("URL,'AU 1'\n\na.jpg\n", "line 3: found 1 cells"),
        ("URL,'AU 1'\na.jpg,1\nb/a.jpg,1\n", "line 3: found image a again"),
        ("URL,'AU 1'\nhttp://a/,1\n", "line 2: found the URL"),
    ],
)
def test_broken_tables(tmp_path, text, told):
    (tmp_path / TABLE).write_text(text)
    with pytest.raises(LabelError, match=told):
        EmotionetReader(tmp_path).subjects()


def test_a_url_cannot_lead_elsewhere(tmp_path):
    (tmp_path / "outside.jpg").write_bytes(b"")
    data = make(tmp_path / "data")
    (data / TABLE).write_text("URL,'AU 1'\nhttp://a/N_1/../../outside.jpg,1\n")
    (record,) = EmotionetReader(data).read("outside")
    assert record.image is None
    (data / "link.jpg").symlink_to(tmp_path / "outside.jpg")
    (data / TABLE).write_text("URL,'AU 1'\nhttp://a/link.jpg,1\n")
    with pytest.raises(UnsafePathError):
        list(EmotionetReader(data).read("link"))
    with pytest.raises(UnsafePathError):
        EmotionetReader(data, images_dir="../elsewhere")


def test_no_rows(tmp_path):
    (tmp_path / TABLE).write_text("URL,'AU 1'\n")
    with pytest.raises(LayoutError, match="no row below the header"):
        EmotionetReader(tmp_path).subjects()
