"""CASME II: columns by position, codes with sides and "?", an apex that is none, frames wherever they lie, Excel and CSV."""

import builtins
import math

import pytest

from aullava.action_units import OCCURRENCE
from aullava.dataset_builder.corpora.casme2 import Casme2Reader
from aullava.dataset_builder.errors import CorpusError, LabelError, LayoutError, UnsafePathError

from trees.casme2 import HEADER, ROWS, make, write_table

UNITS = ("AU4", "AU7", "AU12")


def row(codes="4", subject=3, name="EP01", onset=1, apex=2):
    return (subject, name, None, onset, apex, 9, None, codes)


def values(record):
    return {code: None if math.isnan(v) else v for code, v in record.values[OCCURRENCE].items()}


@pytest.mark.parametrize("csv", ["", ",", ";", "\t"])
def test_one_record_a_clip_at_its_apex(tmp_path, csv):
    reader = Casme2Reader(make(tmp_path, csv=csv))
    assert reader.subjects() == ("sub01", "sub02", "sub10")
    assert reader.units == {OCCURRENCE: UNITS}
    found = [record for subject in reader.subjects() for record in reader.read(subject)]
    assert [(r.sequence, r.frame) for r in found] == [
        *(("EP02_01f", 59), ("EP19_05f", 30), ("EP01_11f", 91), ("EP02_02f", 5), ("EP11_01", 9)),
    ]
    assert [values(r) for r in found] == [
        {"AU4": 1, "AU7": 1, "AU12": 0},
        dict.fromkeys(UNITS),
        {"AU4": 0, "AU7": 0, "AU12": 1},
        {"AU4": 0, "AU7": 0, "AU12": 1},
        {"AU4": 1, "AU7": None, "AU12": None},
    ]
    assert [r.sides for r in found] == ["", "", "R12", "", ""]
    assert [r.image and r.image.path.name for r in found] == [
        *("reg_img59.jpg", "reg_img30.jpg", "reg_img91.jpg", None, "reg_img9.jpg"),
    ]


@pytest.mark.parametrize("frames", ["", "Cropped", "CASME2_RAW_selected/CASME2_RAW_selected"])
@pytest.mark.parametrize("name", ["reg_img{}", "img{}", "IMG{:05d}"])
def test_frames_wherever_they_lie(tmp_path, frames, name):
    reader = Casme2Reader(make(tmp_path, frames=frames, name=name))
    record = next(reader.read("sub01"))
    assert record.image.path.stem == name.format(59)
    assert [p.name for p in reader.image_places("sub01")] == ["sub01"]


def test_two_sets_of_frames_must_be_chosen_from(tmp_path):
    make(tmp_path, frames="Cropped")
    make(tmp_path, frames="raw", name="img{}")
    with pytest.raises(LayoutError, match="Cropped, raw; expected them in one place: pass frames_dir"):
        Casme2Reader(tmp_path)
    assert next(Casme2Reader(tmp_path, frames_dir="raw").read("sub01")).image.path.name == "img59.jpg"
    with pytest.raises(LayoutError, match="no such folder"):
        Casme2Reader(tmp_path, frames_dir="other")
    with pytest.raises(UnsafePathError):
        Casme2Reader(tmp_path, frames_dir="../x")


def test_clips_without_frames_are_kept(tmp_path):
    make(tmp_path, frames="Cropped")
    (tmp_path / "Cropped").rename(tmp_path / "elsewhere.d")
    (tmp_path / "elsewhere.d" / "sub01").rename(tmp_path / "elsewhere.d" / "s1")
    assert [r.image for r in Casme2Reader(tmp_path).read("sub01")] == [None, None]


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (row("12?"), "the codes '12[?]'"),
        (row("4 or 7"), "the codes '4 or 7'"),
        (row(subject="x"), "'x'"),
        (row(name=None), "no file name"),
        (row(onset="", apex="/"), "''"),
        ((1, "EP02_01f", None, 46, 59, 86, None, "4"), "sub01 EP02_01f frame 59 again"),
    ],
)
def test_broken_rows(tmp_path, bad, told):
    make(tmp_path)
    write_table(tmp_path / "CASME2-coding-20140508.xlsx", (HEADER, *ROWS, bad))
    with pytest.raises(LabelError, match=f"line 7: found {told}"):
        Casme2Reader(tmp_path)


def test_odd_codes_can_be_left_uncoded_and_an_empty_cell_is(tmp_path):
    reader = Casme2Reader(
        make(tmp_path, rows=(row("4 or 7"), row(None, name="EP02"), row("4", name="EP03"))), odd_codes="not_coded"
    )
    assert [values(r) for r in reader.read("sub03")] == [{"AU4": None}, {"AU4": None}, {"AU4": 1}]


def test_a_name_cannot_lead_elsewhere(tmp_path):
    data = make(tmp_path / "data", rows=(row(name="EP01"),))
    for name in ("../../../outside", "a/../../../b", "..\\..\\c"):
        write_table(data / "CASME2-coding-20140508.xlsx", (HEADER, row(name=name)))
        with pytest.raises(UnsafePathError):
            Casme2Reader(data)


def test_shifted_columns_are_noticed(tmp_path):
    header = tuple(name for name in HEADER if name)
    rows = tuple(tuple(c for i, c in enumerate(r) if i not in (2, 6)) for r in ROWS)
    make(tmp_path)
    write_table(tmp_path / "CASME2-coding-20140508.xlsx", (header, *rows))
    with pytest.raises(LabelError, match="line 1: found 'ApexFrame' over column 4"):
        Casme2Reader(tmp_path)


def test_a_broken_workbook_and_an_empty_one(tmp_path):
    path = make(tmp_path) / "CASME2-coding-20140508.xlsx"
    whole = path.read_bytes()
    for part in (b"", b"not a workbook", whole[: len(whole) // 2]):
        path.write_bytes(part)
        with pytest.raises(LabelError, match="no readable workbook"):
            Casme2Reader(tmp_path)
    write_table(path, (HEADER,))
    with pytest.raises(LayoutError, match="no clip in it"):
        Casme2Reader(tmp_path).subjects()


def test_without_openpyxl_the_extra_is_named(tmp_path, monkeypatch):
    make(tmp_path)
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name == "openpyxl":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(CorpusError, match=r"au-llava\[excel\]"):
        Casme2Reader(tmp_path)
