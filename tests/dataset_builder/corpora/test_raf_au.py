"""RAF-AU: sides, "null", images by number, codes outside the grammar."""

import math

import pytest

from aullava.action_units import AU_LISTS, OCCURRENCE
from aullava.dataset_builder.corpora.raf_au import RafAuReader
from aullava.dataset_builder.corpora.reader import facs
from aullava.dataset_builder.errors import LabelError, LayoutError

from trees.raf_au import LINES, make


def present(record):
    return {code for code, value in record.values[OCCURRENCE].items() if value == 1}


def test_codes_sides_and_pictures(tmp_path):
    reader = RafAuReader(make(tmp_path))
    assert reader.subjects() == ("0007", "0008", "0010", "0121")
    assert reader.units[OCCURRENCE] == facs(*sorted({*AU_LISTS["raf_au_13"], 32, 43}))
    found = {subject: next(reader.read(subject)) for subject in reader.subjects()}
    assert present(found["0007"]) == {"AU12", "AU25"} and found["0007"].sides == "R12"
    assert present(found["0010"]) == {"AU1", "AU2", "AU4", "AD32"} and found["0010"].sides == "L4"
    assert [r.image.path.name for r in found.values()] == [f"{s}_aligned.jpg" for s in found]
    assert [r.frame for r in found.values()] == [7, 8, 10, 121]


def test_what_is_not_listed_is_0_but_null_is_never_0(tmp_path):
    reader = RafAuReader(make(tmp_path))
    listed, null = (next(reader.read(s)).values[OCCURRENCE] for s in ("0007", "0008"))
    assert set(listed) == set(null) == set(reader.units[OCCURRENCE])
    assert sorted(listed.values()) == [0] * (len(listed) - 2) + [1, 1]
    assert all(math.isnan(value) for value in null.values())


@pytest.mark.parametrize("digits", [1, 4, 6])
def test_padding_does_not_matter(tmp_path, digits):
    reader = RafAuReader(make(tmp_path, digits=digits))
    assert all(next(reader.read(s)).image for s in reader.subjects())


def test_bom_line_ends_blank_lines_tabs_and_case(tmp_path):
    make(tmp_path)
    text = "\r\n7.jpg\tr12 + L14  \r\n\r\n 8.JPG NULL\r\n"
    (tmp_path / "RAFAU_label.txt").write_bytes(text.encode("utf-8-sig"))
    reader = RafAuReader(tmp_path)
    assert reader.subjects() == ("0007", "0008")
    assert next(reader.read("0007")).sides == "R12 L14"
    assert math.isnan(next(reader.read("0008")).values[OCCURRENCE]["AU12"])


@pytest.mark.parametrize("codes", ["12?", "", "12+", "AU12", "X12", "12 25", "0", "1.5", "12+null", "?"])
def test_codes_outside_the_grammar(tmp_path, codes):
    make(tmp_path, lines=(*LINES, f"9.jpg {codes}"))
    with pytest.raises(LabelError, match=r"RAFAU_label\.txt, line 5: found the codes"):
        RafAuReader(tmp_path)
    reader = RafAuReader(tmp_path, odd_codes="not_coded")
    assert all(math.isnan(v) for v in next(reader.read("0009")).values[OCCURRENCE].values())


@pytest.mark.parametrize(("line", "told"), [("x.jpg 1", "found the name"), ("007.jpg 1", "image 7 again")])
def test_broken_lines(tmp_path, line, told):
    make(tmp_path, lines=(*LINES, line))
    with pytest.raises(LabelError, match=f"line 5: found .*{told.removeprefix('found ')}"):
        RafAuReader(tmp_path)


def test_numbers_without_a_unit_are_told(tmp_path):
    reader = RafAuReader(make(tmp_path, lines=("7.jpg 12+99",)))
    assert "99" in reader.notes[-1] and present(next(reader.read("0007"))) == {"AU12"}


def test_a_wrong_option_and_no_lines(tmp_path):
    make(tmp_path / "RAF-AU")
    with pytest.raises(ValueError, match="odd_codes"):
        RafAuReader(tmp_path / "RAF-AU", odd_codes="drop")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "RAFAU_label.txt").write_text("\n")
    with pytest.raises(LayoutError, match="no line in it"):
        RafAuReader(tmp_path / "empty").subjects()
