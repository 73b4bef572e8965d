"""UNBC-McMaster: one label file a frame, active units only, AU43 present or absent."""

import codecs
import math
import shutil

import pytest

from aullava.action_units import AU_LISTS, INTENSITY, OCCURRENCE
from aullava.dataset_builder.corpora.reader import facs
from aullava.dataset_builder.corpora.unbc import UnbcReader, pspi, read_facs
from aullava.dataset_builder.errors import LabelError

from trees.unbc import SUBJECTS, facs_text, make

LABELS = "Frame_Labels/FACS/042-ll042/ll042t1aaaff"
NEUTRAL = dict.fromkeys(facs(4, 6, 7, 9, 10, 12, 20, 25, 26), 0.0)


def label(tmp_path, content):
    path = tmp_path / "ll042t1aaaff001_facs.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_every_label_becomes_a_record_with_its_picture(tmp_path):
    reader = UnbcReader(make(tmp_path))
    assert reader.subjects() == SUBJECTS
    records = list(reader.read("042-ll042"))
    assert [(record.sequence, record.frame) for record in records] == [
        (sequence, frame) for sequence in ("ll042t1aaaff", "ll042t2aaaff") for frame in (1, 2, 3, 4)
    ]
    for record in records:
        assert record.subject == "042-ll042"
        assert record.image.path == tmp_path / "Images/042-ll042" / record.sequence / (
            f"{record.sequence}{record.frame:03d}.png"
        )


def test_values_by_hand(tmp_path):
    neutral, frown, smile, _ = list(UnbcReader(make(tmp_path)).read("042-ll042"))[:4]
    assert neutral.values == {INTENSITY: NEUTRAL, OCCURRENCE: {"AU43": 0.0}}
    assert frown.values == {INTENSITY: NEUTRAL | {"AU4": 2.0}, OCCURRENCE: {"AU43": 1.0}}
    assert smile.values == {INTENSITY: NEUTRAL | {"AU6": 3.0, "AU12": 5.0}, OCCURRENCE: {"AU43": 0.0}}


def test_units_are_the_ten_of_the_benchmark_and_au43_has_no_intensity():
    units = UnbcReader.units
    assert set(units[INTENSITY]) | set(units[OCCURRENCE]) == set(facs(*AU_LISTS["unbc_10"]))
    assert units[OCCURRENCE] == ("AU43",) and "AU43" not in units[INTENSITY]


@pytest.mark.parametrize("content", [b"", b"\r\n", b"  \n\n", codecs.BOM_UTF8])
def test_file_without_rows_is_neutral_and_coded(tmp_path, content):
    assert read_facs(label(tmp_path, content)) == {INTENSITY: NEUTRAL, OCCURRENCE: {"AU43": 0.0}}


def test_bom_line_ends_blank_lines_tabs_and_missing_cells(tmp_path):
    text = codecs.BOM_UTF8 + b"\r\n   4.0000000e+00\t 1.0000000e+00  \r\n\r\n 12 5 0 0\n4.3e+01   1.0e+00 0.0e+00"
    values = read_facs(label(tmp_path, text))
    assert values == {INTENSITY: NEUTRAL | {"AU4": 1.0, "AU12": 5.0}, OCCURRENCE: {"AU43": 1.0}}


def test_units_beyond_the_ten_are_left_out(tmp_path):
    values = read_facs(label(tmp_path, facs_text([(1, 3, 0, 0), (45, 1, 0, 0), (50, 1, 0, 0), (6, 2, 0, 0)])))
    assert values == {INTENSITY: NEUTRAL | {"AU6": 2.0}, OCCURRENCE: {"AU43": 0.0}}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("4 2 0 0\n6 6 0 0\n", "line 2: found '6'; expected a whole number from 0 to 5"),
        ("4 -1 0 0\n", "line 1: found '-1'"),
        ("4 1.5 0 0\n", "line 1: found '1.5'"),
        ("4 nan 0 0\n", "line 1: found 'nan'"),
        ("4 A 0 0\n", "line 1: found 'A'"),
        ("AU4 1 0 0\n", "line 1: found 'AU4'; expected the number of an action unit"),
        ("4.5 1 0 0\n", "line 1: found '4.5'"),
        ("-4 1 0 0\n", "line 1: found action unit -4"),
        ("100 1 0 0\n", "line 1: found action unit 100"),
        ("\n\n4\n", "line 3: found 1 cells; expected 2 to 4 cells"),
        ("4 1 0 0 0\n", "line 1: found 5 cells"),
        ("4 1 0 0\n4 2 0 0\n", "line 2: found AU 4 again"),
        ("43 2 0 0\n", "found AU43 with 2; expected 0 or 1"),
    ],
)
def test_broken_label_names_file_and_line(tmp_path, text, found):
    with pytest.raises(LabelError, match=found) as caught:
        read_facs(label(tmp_path, text))
    assert "ll042t1aaaff001_facs.txt" in str(caught.value)


def test_row_repeated_with_the_same_intensity_is_taken_once(tmp_path):
    assert read_facs(label(tmp_path, "4 2 0 0\n4 2 1 3\n"))[INTENSITY]["AU4"] == 2


def test_folders_without_images_keep_the_records(tmp_path):
    make(tmp_path)
    shutil.rmtree(tmp_path / "Images/042-ll042/ll042t2aaaff")
    images = [record.image is not None for record in UnbcReader(tmp_path).read("042-ll042")]
    assert images == [True, True, True, True, False, False, False, False]
    shutil.rmtree(tmp_path / "Images")
    assert sum(1 for _ in UnbcReader(tmp_path).read("042-ll042")) == 8


def test_letter_case_padding_and_other_suffix(tmp_path):
    make(tmp_path)
    folder = tmp_path / "Images/042-ll042/ll042t1aaaff"
    folder.joinpath("ll042t1aaaff001.png").rename(folder / "LL042T1AAAFF0001.PNG")
    tmp_path.joinpath("Images").rename(tmp_path / "images")
    tmp_path.joinpath("Frame_Labels").rename(tmp_path / "frame_labels")
    first = next(UnbcReader(tmp_path).read("042-ll042"))
    assert first.image.path.name == "LL042T1AAAFF0001.PNG"


def test_pspi_files_are_not_read(tmp_path):
    make(tmp_path)
    for path in tmp_path.glob("Frame_Labels/PSPI/*/*/*.txt"):
        path.write_text("no number")
    assert sum(1 for _ in UnbcReader(tmp_path).read("042-ll042")) == 8


def test_two_labels_of_one_frame_are_refused(tmp_path):
    make(tmp_path)
    shutil.copy(tmp_path / LABELS / "ll042t1aaaff001_facs.txt", tmp_path / LABELS / "ll042t1aaaff1_facs.txt")
    with pytest.raises(LabelError, match="a second label file of frame 1"):
        list(UnbcReader(tmp_path).read("042-ll042"))


def test_label_without_a_frame_number_is_refused(tmp_path):
    make(tmp_path)
    (tmp_path / LABELS / "mean_facs.txt").write_text("")
    with pytest.raises(LabelError, match="the name 'mean_facs.txt'"):
        list(UnbcReader(tmp_path).read("042-ll042"))


@pytest.mark.parametrize(
    ("graded", "closed", "expected"),
    [
        ({}, 0.0, 0.0),
        ({"AU4": 2.0, "AU6": 3.0, "AU7": 1.0, "AU9": 0.0, "AU10": 4.0}, 1.0, 10.0),  # 2 + 3 + 4 + 1
        ({"AU12": 5.0, "AU20": 5.0, "AU25": 5.0}, 0.0, 0.0),  # not part of it
        (dict.fromkeys(facs(4, 6, 7, 9, 10), 5.0), 1.0, 16.0),  # the most there is
    ],
)
def test_pspi_by_hand(graded, closed, expected):
    assert pspi({INTENSITY: NEUTRAL | graded, OCCURRENCE: {"AU43": closed}}) == expected


@pytest.mark.parametrize("code", facs(4, 6, 7, 9, 10))
def test_pspi_of_a_unit_not_coded_is_not_known(code):
    assert math.isnan(pspi({INTENSITY: NEUTRAL | {code: math.nan}, OCCURRENCE: {"AU43": 0.0}}))
    assert math.isnan(pspi({INTENSITY: NEUTRAL}))
