"""What is counted of rows that pass by, and the table of the first of them."""

from io import StringIO

import pytest
from rich.console import Console

from aullava.action_units import PROTOCOLS
from aullava.recognition.summary import Counts, Summary, describe
from aullava.recognition.tables import Layout

from given_rows import bare_row, face_row, one, reading

BP4D, DISFA, FEAFA = PROTOCOLS["bp4d"], PROTOCOLS["disfa"], PROTOCOLS["feafa"]


def rows_of_all_kinds():
    yield one(DISFA, name="first.png")
    yield one(DISFA, name="first.png", face_id=1)
    yield bare_row("wall.png", DISFA)
    for frame in range(3):
        yield one(DISFA, name="a.mp4", frame=frame, face_id=0)
        yield one(DISFA, name="a.mp4", frame=frame, face_id=2)
    yield bare_row("a.mp4", DISFA, frame=3)
    yield bare_row("a.mp4", DISFA, frame=4, fault="damaged packet")
    yield face_row("b.mp4", (DISFA, reading(DISFA, status="repaired")), frame=0)
    yield face_row("b.mp4", (DISFA, reading(DISFA, status="invalid")), frame=1, face_id=1)
    yield one(DISFA, name="last.png")


def test_frames_faces_and_people_are_counted_by_film_and_for_all_stills_together():
    summary = Summary(Layout((DISFA,)))
    passed = list(summary.watch(rows_of_all_kinds()))
    assert passed == list(rows_of_all_kinds()) and summary.rows == len(passed) == 14
    assert summary.films == [
        ("a.mp4", Counts(1, frames=5, faces=6, people=2, without_face=1, unreadable=1)),
        ("b.mp4", Counts(1, frames=2, faces=2, people=2, repaired=1, invalid=1)),
    ]
    assert summary.stills == Counts(3, frames=3, faces=3, people=3, without_face=1)
    assert summary.total == Counts(5, 10, 11, 7, 2, 1, 1, 1)


@pytest.mark.parametrize("taken, films, stills", [(0, 0, 0), (1, 0, 1), (3, 0, 2), (4, 0, 3), (6, 1, 2), (12, 1, 3)])
def test_counts_hold_at_any_time(taken, films, stills):
    summary = Summary(Layout((DISFA,)))
    for row in list(rows_of_all_kinds())[:taken]:
        summary.add(row)
    assert (len(summary.films), summary.stills.inputs, summary.total.inputs) == (films, stills, films + stills)
    assert summary.rows == taken


def printed(summary: Summary) -> str:
    console = Console(file=StringIO(), width=160)
    console.print(summary.table())
    return console.file.getvalue()


def test_table_names_the_units_that_act_strongest_first():
    likely = one(BP4D, {"AU6": 1, "AU12": 1}, {"AU6": 0.6, "AU12": 0.9, "AU4": 0.4})
    assert describe(likely, BP4D) == "AU12 Lip corner puller (p 0.90), AU6 Cheek raiser (p 0.60)"
    assert describe(one(DISFA, {"AU6": 2, "AU12": 4}), DISFA) == "AU12 Lip corner puller 4, AU6 Cheek raiser 2"
    assert describe(one(BP4D), BP4D) == "none"
    assert describe(one(DISFA, {"AU4": None}), DISFA) == "none; undetermined: AU4"
    assert describe(bare_row("wall.png", BP4D), BP4D) == ""
    assert describe(one(FEAFA, {"feafa_09_jaw_drop": 0.5}), FEAFA) == "Jaw Drop 0.50"


def test_table_shows_file_names_as_they_are_and_says_how_many_rows_it_leaves_out():
    summary = Summary(Layout((BP4D,)), limit=3)
    for _ in summary.watch(one(BP4D, name="a/[red]x\x1b[31m\udce9.png") for _ in range(5)):
        pass
    shown = printed(summary)
    assert shown.count(r"[red]x\x1b[31m\udce9.png") == 3
    assert "and 2 more rows" in shown and "bp4d, 12 units, occurrence" in shown and "time" not in shown


def test_table_of_a_film_tells_times_and_of_several_protocols_both():
    summary = Summary(Layout((BP4D, DISFA)))
    both = (BP4D, reading(BP4D, {"AU1": 1})), (DISFA, reading(DISFA, {"AU2": 3}))
    summary.add(face_row("a.mp4", *both, frame=0))
    summary.add(face_row("a.mp4", *both, frame=9, timestamp=0.3))
    summary.add(bare_row("a.mp4", BP4D, DISFA, frame=12, timestamp=None, fault="damaged packet"))
    shown = printed(summary)
    assert "0.00 s" in shown and "0.30 s" in shown and "frame 12" in shown and "unreadable" in shown
    assert shown.count("AU1 Inner brow raiser") == shown.count("AU2 Outer brow raiser 3") == 2
