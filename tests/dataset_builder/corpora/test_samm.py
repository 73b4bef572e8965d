"""SAMM: the header row wherever it stands, subjects as numbers or text, frames by the last number of their names."""

import math

import pytest

from aullava.action_units import OCCURRENCE
from aullava.dataset_builder.corpora.samm import SammReader
from aullava.dataset_builder.errors import LabelError

from trees.casme2 import write_table
from trees.samm import HEADER, ROWS, make


@pytest.mark.parametrize("csv", ["", ",", ";"])
@pytest.mark.parametrize("above", [13, 12, 0])
def test_the_header_is_found_and_every_clip_is_read(tmp_path, above, csv):
    reader = SammReader(make(tmp_path, above=above, csv=csv))
    assert reader.subjects() == ("006", "007", "011")
    assert reader.units == {OCCURRENCE: ("AU1", "AU2", "AU4", "AU12", "AU14")}
    found = [record for subject in reader.subjects() for record in reader.read(subject)]
    assert [(r.subject, r.sequence, r.frame, r.sides) for r in found] == [
        ("006", "006_1_2", 5588, "R12"),
        ("007", "007_3_1", 120, ""),
        ("011", "011_1_1", 12, ""),
    ]
    assert [{c for c, v in r.values[OCCURRENCE].items() if v} for r in found] == [
        {"AU12", "AU14"},
        {"AU4"},
        {"AU1", "AU2"},
    ]
    assert [r.image.path.name for r in found] == ["006_05588.jpg", "007_00120.jpg", "011_00012.jpg"]


def test_columns_by_name_and_the_short_names_of_the_facts(tmp_path):
    header = tuple(name.replace(" Frame", "") for name in HEADER)[::-1]
    make(tmp_path, rows=tuple(ROWS))
    write_table(tmp_path / "SAMM_Micro_FACS_Codes_v2.xlsx", (header, *(row[::-1] for row in ROWS), (None, "a remark")))
    assert SammReader(tmp_path).subjects() == ("006", "007", "011")
    assert next(SammReader(tmp_path).read("007")).frame == 120


def test_an_apex_outside_its_clip_is_taken_as_written(tmp_path):
    row = (6, "006_1_2", 1, 50, 40, 60, 10, "1/2", "4", "Anger", 1, None)
    record = next(SammReader(make(tmp_path, rows=(row,))).read("006"))
    assert record.frame == 40 and record.image.path.name == "006_00040.jpg"


def test_no_header_row(tmp_path):
    make(tmp_path, header=("Subject", "Filename", "Emotion"))
    with pytest.raises(LabelError, match="no header row"):
        SammReader(tmp_path)


@pytest.mark.parametrize("codes", ["12A", "AU12 or AU14", "25/26"])
def test_codes_of_an_unknown_grammar_are_refused_by_row(tmp_path, codes):
    row = (6, "006_1_2", 1, 50, 55, 60, 10, "1/2", codes, "Anger", 1, None)
    make(tmp_path, rows=(row, (*ROWS[1],)))
    with pytest.raises(LabelError, match="line 15: found the codes"):
        SammReader(tmp_path)
    record = next(SammReader(tmp_path, odd_codes="not_coded").read("006"))
    assert all(math.isnan(value) for value in record.values[OCCURRENCE].values())
