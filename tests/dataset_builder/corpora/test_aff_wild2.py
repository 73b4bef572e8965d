"""Aff-Wild2: both editions and folder names, lines against images, two people in a video, the owners' sets."""

import math

import pytest

from aullava.action_units import OCCURRENCE
from aullava.dataset_builder.corpora.aff_wild2 import EDITION_12, EDITION_2020, UNITS, AffWild2Reader
from aullava.dataset_builder.errors import LabelError, LayoutError

from trees.aff_wild2 import HEADERS, NO_FACE_FRAME, make, value, write_labels


def labels(root, video="video2"):
    return root / "annotations" / "AU_Detection_Challenge" / "Validation_Set" / f"{video}.txt"


@pytest.mark.parametrize(("columns", "old", "codes"), [(12, False, EDITION_12), (8, True, EDITION_2020)])
def test_every_cell_is_that_of_its_unit_and_frame(tmp_path, columns, old, codes):
    reader = AffWild2Reader(make(tmp_path, columns=columns, old_names=old))
    assert reader.subjects() == ("1-30-1280x720", "video2", "video7", "video10")
    assert set(codes) <= set(reader.units[OCCURRENCE]) == set(UNITS)
    for record in reader.read("video10"):
        found = record.values[OCCURRENCE]
        assert tuple(found) == codes
        for column, code in enumerate(codes):
            expected = value(column, record.frame)
            assert math.isnan(found[code]) if expected == -1 else found[code] == expected


def test_line_j_belongs_to_picture_j_plus_1_and_a_frame_without_a_face_has_none(tmp_path):
    records = list(AffWild2Reader(make(tmp_path)).read("video2"))
    assert [r.frame for r in records] == [1, 2, 3, 4]
    assert [r.image and r.image.path.name for r in records] == ["00001.jpg", None, "00003.jpg", "00004.jpg"]
    assert NO_FACE_FRAME == 2


def test_two_people_of_a_video_are_two_sequences_of_one_subject(tmp_path):
    records = list(AffWild2Reader(make(tmp_path)).read("video7"))
    assert [(r.sequence, r.frame) for r in records] == [
        (f"video7_{s}", f) for s in ("left", "right") for f in range(1, 5)
    ]
    assert records[0].image.path.parent.name == "video7_left"


def test_the_owners_sets_and_the_choice_of_one(tmp_path):
    reader = AffWild2Reader(make(tmp_path))
    assert [reader.native_split(s) for s in reader.subjects()] == ["train", "validation", "train", "validation"]
    assert AffWild2Reader(tmp_path, part="train").subjects() == ("1-30-1280x720", "video7")
    with pytest.raises(ValueError, match="part is 'test'"):
        AffWild2Reader(tmp_path, part="test")


def test_a_video_in_both_sets_is_refused_unless_one_is_chosen(tmp_path):
    make(tmp_path)
    write_labels(labels(tmp_path, "video7_left"), [HEADERS[12]])
    with pytest.raises(LayoutError, match="video7 has a label file in train too"):
        AffWild2Reader(tmp_path)
    assert "video7" in AffWild2Reader(tmp_path, part="validation").subjects()


def test_bom_line_ends_and_spaces(tmp_path):
    make(tmp_path)
    text = " AU1 , AU2,AU12 \r\n 1, 0 ,-1\r\n0,1.0,0,\r\n\r\n"
    labels(tmp_path).write_bytes(text.encode("utf-8-sig"))
    records = [r.values[OCCURRENCE] for r in AffWild2Reader(tmp_path).read("video2")]
    assert [list(r) for r in records] == [["AU1", "AU2", "AU12"]] * 2
    assert records[1] == {"AU1": 0, "AU2": 1, "AU12": 0}
    assert math.isnan(records[0]["AU12"])


def test_a_header_without_unit_names_counts(tmp_path):
    make(tmp_path)
    write_labels(labels(tmp_path), [",".join("abcdefgh"), "1,0,0,0,0,0,1,0"])
    (record,) = AffWild2Reader(tmp_path).read("video2")
    assert [code for code, v in record.values[OCCURRENCE].items() if v] == ["AU1", "AU20"]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["0,0,0,0,0,0,0,0,0,0,0,1", "0,0,0,0,0,0,0,0,0,0,0,1"], "line 1: found the header"),
        (["AU1,AU3", "0,1"], "line 1: found the header"),
        (["AU1,AU1", "0,1"], "line 1: found the header"),
        (["AU1,smile", "0,1"], "line 1: found the header"),
        (["a,b,c", "0,1,0"], "line 1: found the header"),
        (["AU1,AU2", "0,1", "", "1,1"], "line 3: found a blank line"),
        (["AU1,AU2", "0,1", "1"], "line 3: found 1 cells"),
        (["AU1,AU2", "0,2"], "line 2: found '2'"),
        (["AU1,AU2", "0,x"], "line 2: found 'x'"),
        ([""], "found the header ''"),
    ],
)
def test_broken_label_files(tmp_path, lines, told):
    make(tmp_path)
    write_labels(labels(tmp_path), lines)
    with pytest.raises(LabelError, match=told):
        list(AffWild2Reader(tmp_path).read("video2"))
