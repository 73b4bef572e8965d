"""Label files of BP4D and BP4D+, read by the reader of BP4D: headers, codes, oddities of text, and what must be refused."""

import math

import pytest

from aullava.action_units import INTENSITY, OCCURRENCE
from aullava.dataset_builder.corpora.bp4d import Bp4dReader
from aullava.dataset_builder.errors import LabelError

from trees.bp4d import make

ONE = {"subjects": ("F001",), "tasks": ("T1",)}


def records(root):
    return list(Bp4dReader(root).read("F001"))


def labels_of(root):
    return root / "AUCoding" / "AU_OCC" / "F001_T1.csv"


def test_nine_and_empty_cells_are_not_coded_and_never_zero(tmp_path):
    root = make(tmp_path, header="named", intensity=None, **ONE)
    path = labels_of(root)
    path.write_text("1,1,2,4,5\n8,9,,1,0\n9,1,0,9.0, 9 \n")
    first, second = (record.values[OCCURRENCE] for record in records(root))
    assert math.isnan(first["AU1"]) and math.isnan(first["AU2"]) and (first["AU4"], first["AU5"]) == (1, 0)
    assert (second["AU1"], second["AU2"]) == (1, 0) and math.isnan(second["AU4"]) and math.isnan(second["AU5"])
    assert set(first) == {"AU1", "AU2", "AU4", "AU5"}, "a column that is missing is no value"


@pytest.mark.parametrize("above_the_frame", ["0", "1", "6", "99", "", "frame", "17"])
def test_the_first_column_is_the_frame_whatever_stands_above_it(tmp_path, above_the_frame):
    root = make(tmp_path, intensity=None, **ONE)
    labels_of(root).write_text(f"{above_the_frame},1,6,17\n8,0,1,0\n9,1,0,1\n")
    assert [(r.frame, dict(r.values[OCCURRENCE])) for r in records(root)] == [
        (8, {"AU1": 0, "AU6": 1, "AU17": 0}),
        (9, {"AU1": 1, "AU6": 0, "AU17": 1}),
    ]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\n\n  \n"),
        lambda text: text.replace(",", " ,  "),
        lambda text: text.replace("\n", ",,,\n"),
        lambda text: text.rstrip("\n"),
        lambda text: "\n".join(reversed(text.splitlines()[1:])).join([text.splitlines()[0] + "\n", "\n"]),
    ],
    ids=["bom", "crlf", "blank lines", "spaces", "commas at the end", "no last line end", "rows reversed"],
)
@pytest.mark.parametrize("header", ["legacy", "named"])
def test_oddities_of_text_change_nothing(tmp_path, change, header):
    root = make(tmp_path, header=header, intensity=None, **ONE)
    expected = records(root)
    path = labels_of(root)
    before = path.read_bytes()
    path.write_bytes(change(before.decode()).encode())
    assert path.read_bytes() != before
    assert records(root) == expected


@pytest.mark.parametrize(
    "text", ["8,3\n9,9\n", "frame,level\n8,3\n9,9\n", "\ufeff8 , 3\r\n\r\n9,9,\r\n", ",AU06\n8,3\n9,\n", "9,9\n8,3\n"]
)
def test_intensity_with_and_without_header(tmp_path, text):
    root = make(tmp_path, frames=2, **ONE)
    (root / "AUCoding/AU_INT/AU06/F001_T1_AU06.csv").write_bytes(text.encode())
    first, second = (record.values[INTENSITY]["AU6"] for record in records(root))
    assert first == 3 and math.isnan(second)


@pytest.mark.parametrize(
    "text, line, reason",
    [
        ("8,0,1,0\n9,0,1,1\n", 1, "'0' above column 2"),  # no header: its AUs would be guessed
        ("1,1,2,4,2\n8,0,0,0,0\n", 1, "AU 2 above columns 3 and 5"),
        ("1,1,AU01\n8,0,0\n", 1, "AU 1 above columns 2 and 3"),
        ("1,1,1.1\n8,0,0\n", 1, "'1.1' above column 3"),
        (",0,1,2\n0,8,1,1\n", 1, "'0' above column 2"),  # an index column in front of all
        ("frame,smile\n8,0\n", 1, "'smile' above column 2"),
        ("0,1,,4\n8,0,0,0\n", 1, "'' above column 3"),
        ("0;1;2\n8;0;1\n", 1, "none of the coded AUs"),
        ("0,3,99\n8,0,1\n", 1, "none of the coded AUs"),
        ("0,1,2\n8,0,1\n9,0,2\n", 3, "'2'"),
        ("0,1,2\n8,0,1\n9,0,-1\n", 3, "'-1'"),
        ("0,1,2\n8,0,1\n9,0,0.5\n", 3, "'0.5'"),
        ("0,1,2\n8,0,1\n9,0,x\n", 3, "'x'"),
        ("0,1,2\n8,0,1\n\n9,0\n", 4, "2 cells; expected 3"),  # cut off
        ("0,1,2\n8,0,1,1\n", 2, "4 cells; expected 3"),
        ("0,1,2\nx,0,1\n", 2, "'x'; expected the number of a frame"),
        ("0,1,2\nnan,0,1\n", 2, "'nan'; expected the number of a frame"),
        ("0,1,2\n8.5,0,1\n", 2, "'8.5'"),
        ("0,1,2\n-8,0,1\n", 2, "frame -8; expected frame numbers from 0"),
        ("0,1,2\n8,0,1\n9,0,1\n8,1,1\n", 4, "frame 8 a second time"),
        ("0,1,2\n", None, "no coded frame"),
        ("", None, "none of the coded AUs"),
        ("0,1,2\n8,\0,1\n", None, "zero bytes"),
    ],
)
def test_broken_occurrence_is_refused_by_file_and_line(tmp_path, text, line, reason):
    root = make(tmp_path, intensity=None, **ONE)
    labels_of(root).write_text(text)
    with pytest.raises(LabelError) as error:
        records(root)
    where = f"{labels_of(root)}, line {line}: " if line else f"{labels_of(root)}: "
    assert str(error.value).startswith(where) and reason in str(error.value)


@pytest.mark.parametrize(
    "text, line, reason",
    [
        ("8,6\n", 1, "'6'"),
        ("8,-1\n", 1, "'-1'"),
        ("8,2.5\n", 1, "'2.5'"),
        ("8,C\n", 1, "'C'"),
        ("8,1\n9\n", 2, "1 cells"),
        ("8,1,0\n", 1, "3 cells"),
        ("8,1\n8,1\n", 2, "frame 8 a second time"),
        ("frame,level\nframe,level\n", 2, "'frame'"),
        ("frame,level\n", None, "no coded frame"),
        ("", None, "no coded frame"),
    ],
)
def test_broken_intensity_is_refused_by_file_and_line(tmp_path, text, line, reason):
    root = make(tmp_path, **ONE)
    path = root / "AUCoding/AU_INT/AU12/F001_T1_AU12.csv"
    path.write_text(text)
    with pytest.raises(LabelError) as error:
        records(root)
    assert str(error.value).startswith(f"{path}, line {line}: " if line else f"{path}: ") and reason in str(
        error.value
    )
