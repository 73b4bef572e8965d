"""Codings as strings: what they say of listed units, of the others, and of sides."""

import math
from pathlib import Path

import pytest

from aullava.dataset_builder.corpora.formats.code_strings import left_out_note, parse_codes, units_in
from aullava.dataset_builder.errors import LabelError

PATH, CODES = Path("labels"), ("AU4", "AU7", "AU12")


def values(text, **options):
    return [None if math.isnan(v) else v for v in parse_codes(text, PATH, 3, **options).values(CODES).values()]


@pytest.mark.parametrize(
    ("text", "expected", "sides"),
    [
        ("4+7", [1, 1, 0], ""),
        ("R12", [0, 0, 1], "R12"),
        (" l4 + R12 + 7 ", [1, 1, 1], "L4 R12"),
        ("L12+R12", [0, 0, 1], "L12 R12"),
        ("04+99", [1, 0, 0], ""),
        ("?", [None] * 3, ""),
        ("4+?", [1, None, None], ""),
        ("?+?", [None] * 3, ""),
    ],
)
def test_what_a_string_says(text, expected, sides):
    assert values(text) == expected
    assert parse_codes(text, PATH, 3).sides == sides


@pytest.mark.parametrize(
    "text", ["", "4+", "+4", "4?", "4 7", "4,7", "RL4", "4R", "AU4", "B4", "0", "100", "-4", "null"]
)
def test_anything_else_is_refused_by_line_or_left_uncoded(text):
    with pytest.raises(LabelError, match=r"labels, line 3: found the codes .*odd_codes"):
        parse_codes(text, PATH, 3)
    assert values(text, odd_codes="not_coded") == [None] * 3


def test_the_units_of_many_codings_are_those_of_the_table():
    codings = [parse_codes(text, PATH, 1) for text in ("30+4", "12+99", "?", "R12+68")]
    assert units_in(codings, always=(1,)) == ("AU1", "AU4", "AU12", "AD30")
    assert left_out_note(codings) == ("Left out, because the FACS table here has no such unit: 68, 99.",)
    assert left_out_note(codings[:1]) == ()
