"""Activity and co-occurrence by hand, files and the terminal's table."""

from io import StringIO

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from aullava.analysis.activity import activity, activity_table, co_occurrence, write_frame


def one_unit(table, **options):
    [row] = activity(table, **options).itertuples()
    return row


def test_levels_over_the_samples_with_a_value(table_of):
    row = one_unit(table_of({"AU12_r": [0, 2, None, 4, np.nan, 1]}, frames=6))
    assert (row.input, row.face_id, row.column, row.unit) == ("clip.mp4", 0, "AU12_r", "AU12 Lip corner puller")
    assert (row.samples, row.gaps, row.share_active, row.mean, row.peak) == (6, 2, 0.75, 1.75, 4)


@pytest.mark.parametrize(
    "column, values, share, threshold",
    [
        ("AU12_c", [0, 1, 1, 1], 0.75, 1),
        ("AU12_r", [0, 1, 0.5, 0.49], 0.5, 0.5),
        ("feafa_09_jaw_drop_v", [0.09, 0.1, 0.0, 0.0], 0.25, 0.1),
    ],
)
def test_each_scale_has_its_threshold(table_of, column, values, share, threshold):
    row = one_unit(table_of({column: values}, frames=4))
    assert (row.share_active, row.threshold) == (share, threshold)


def test_bouts_onsets_and_durations(table_of):
    # At 10 frames a second: under way at the start, then three onsets of 1, 3 and 2 frames.
    table = table_of({"AU12_c": [1, 1, 0, 1, 0, 1, 1, 1, 0, 0, 1, 1]}, frames=12)
    row = one_unit(table)
    assert (row.bouts, row.onsets) == (4, 3)
    assert row.mean_duration == pytest.approx((0.2 + 0.1 + 0.3 + 0.2) / 4)
    longer = one_unit(table, min_duration=0.2)
    assert (longer.bouts, longer.onsets) == (3, 2)
    assert longer.mean_duration == pytest.approx((0.2 + 0.3 + 0.2) / 3)
    assert one_unit(table, min_duration=0.3).bouts == 1


def test_a_gap_cuts_a_bout_and_hides_an_onset(table_of):
    row = one_unit(table_of({"AU12_c": [0, 1, 1, None, 1, 1, 1, 0]}, frames=8))
    assert (row.bouts, row.onsets) == (2, 1)
    assert row.mean_duration == pytest.approx(0.25)


def test_a_sample_lasts_until_the_next_one_that_was_looked_at(table_of):
    table = table_of({"AU12_c": [0, 1, 1, 0]}, frames=4)
    table["timestamp"] = pd.array([0.0, 1.0, 1.5, 5.0], dtype="Float64")
    assert one_unit(table).mean_duration == pytest.approx(4)


def test_what_is_not_defined_is_nan(table_of):
    never = one_unit(table_of({"AU12_c": [0, 0, 0]}, frames=3))
    assert (never.bouts, never.onsets, never.share_active) == (0, 0, 0) and np.isnan(never.mean_duration)
    unread = one_unit(table_of({"AU12_c": [np.nan, np.nan]}, frames=2))
    assert np.isnan([unread.share_active, unread.mean, unread.peak]).all() and unread.gaps == 2
    for table in (table_of({"AU12_c": [0, 1, 1]}, frames=3, timed=False), table_of({"AU12_c": [1]}, frames=1)):
        untimed = one_unit(table)
        assert np.isnan([untimed.bouts, untimed.onsets, untimed.mean_duration]).all() and untimed.share_active > 0


def test_co_occurrence(table_of):
    face = {
        "AU06_r": [2, 3, 0, 2, np.nan],
        "AU12_c": [1, 0, 1, np.nan, 1],
        "AU06_c": [1, 1, 1, 1, 1],
        "AU01_c": [np.nan] * 5,
    }
    found = co_occurrence(table_of(face, frames=5)).set_index(["column_a", "column_b"])
    assert len(found) == 5  # of six pairs, AU6 is not paired with AU6
    assert found.loc[("AU06_r", "AU12_c"), ["samples", "share_both"]].tolist() == [3, pytest.approx(1 / 3)]
    assert found.loc[("AU12_c", "AU06_c"), ["samples", "share_both"]].tolist() == [4, 0.75]
    assert found.loc[("AU06_r", "AU01_c"), "samples"] == 0 and np.isnan(found.loc[("AU06_r", "AU01_c"), "share_both"])


def test_a_table_without_faces_has_no_activity_and_the_columns(table_of):
    table = table_of({"AU12_c": [None], "AU06_c": [None]}, frames=1)
    assert "mean_duration" in activity(table) and len(activity(table)) == 0
    assert "share_both" in co_occurrence(table) and len(co_occurrence(table)) == 0
    Console(file=StringIO()).print(activity_table(activity(table)))


def test_files_hold_four_decimals_and_empty_cells(table_of, tmp_path):
    found = activity(table_of({"AU12_c": [1, 1, 0, np.nan]}, frames=4, name="caf\udce9.mp4"))
    write_frame(found, tmp_path / "new" / "activity.csv")
    head, row = (tmp_path / "new" / "activity.csv").read_bytes().splitlines()
    assert head.decode().split(",") == list(found)
    cells = b"caf\xe9.mp4,0,AU12_c,AU12 Lip corner puller,1.0,4,1,0.6667,0.6667,1.0,1.0,0.0,0.2"
    assert row == cells
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["activity.csv"]


def test_the_terminals_table_shows_what_acts_most_first(table_of):
    faces = {"AU06_c": [1, 0, 0, 0], "AU12_c": [1, 1, 1, 0], "AU25_c": [0] * 4, "AU26_c": [np.nan] * 4}
    found = activity(table_of(faces, frames=4, name="x/[red]\x1b.mp4"))
    console = Console(file=StringIO(), width=120)
    console.print(activity_table(found))
    printed = console.file.getvalue()
    assert printed.index("Lip corner puller") < printed.index("Cheek raiser")
    assert "75%" in printed and "0.30 s" in printed and r"[red]\x1b.mp4" in printed
    assert "1 face; 2 of 4 units never active; 1 of them never read" in " ".join(printed.split())
    assert "Lips part" not in printed
    console = Console(file=StringIO(), width=120)
    console.print(activity_table(found, limit=1))
    assert "1 more rows not shown" in " ".join(console.file.getvalue().split())


def test_a_long_table_shows_the_first_of_each_face(table_of):
    face = {"AU06_c": [1, 0, 0], "AU12_c": [1, 1, 1], "AU25_c": [1, 1, 0]}
    console = Console(file=StringIO(), width=120)
    console.print(activity_table(activity(table_of(face, face, frames=3)), limit=3))
    printed = console.file.getvalue()
    assert printed.count("Lip corner puller") == 2 and "Lips part" not in printed
    assert "4 more rows not shown" in printed
