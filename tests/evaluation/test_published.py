"""The published tables fit together: as many cells as units, averages that are the mean of their cells or are marked."""

import numpy as np
import pytest

from aullava.action_units import PROTOCOLS
from aullava.evaluation.published import published

BLOCKS = [("bp4d", "present"), ("disfa", "present"), ("disfa", "level"), ("feafa", "value")]
EVIDENCE = {"two sources agree", "one source", "seen in a summary only", "unverified"}


@pytest.mark.parametrize("corpus, view", BLOCKS)
def test_rows_say_where_they_are_from(corpus, view):
    block = published(corpus, view)
    assert len({row["name"] for row in block.rows}) == len(block.rows)
    assert all(row["source"] and row["evidence"] in EVIDENCE for row in block.rows)
    assert all(row["evidence"] == "unverified" for row in block.rows if "memory" in row["source"])


@pytest.mark.parametrize("corpus, lowest", [("bp4d", 16), ("disfa", 15)])
def test_cells_are_percent_of_the_units_and_average_to_what_is_printed(corpus, lowest):
    block = published(corpus, "present")
    for row in block.rows:
        if "values" in row:
            assert len(row["values"]) == len(block.units) and all(lowest - 1 < v < 100 for v in row["values"])
            assert abs(np.mean(row["values"]) - row["average"]) < 0.15 or row["note"], row["name"]
    assert sum("values" in row for row in block.rows) == {"bp4d": 27, "disfa": 31}[corpus]


def test_units_are_those_of_the_protocols():
    assert published("bp4d", "present").units == PROTOCOLS["bp4d"].units
    assert published("disfa", "present").units == PROTOCOLS["disfa_occurrence"].units
    assert published("disfa", "level").units == PROTOCOLS["disfa"].units
    assert published("feafa", "value").units == PROTOCOLS["feafa"].units


def test_figures_of_the_record_holders():
    rows = {row["name"]: row for row in published("disfa", "present").rows}
    assert rows["Norface(ECCV24)"]["average"] == 72.7 and rows["FMAE-IAT(ViT-L)"]["values"][7] == 71.3
    assert "do not compare" in rows["EAC-Net"]["note"]
    rows = {row["name"]: row for row in published("bp4d", "present").rows}
    assert rows["Norface"]["average"] == 69.3 and rows["JAA-Net(IJCV21)"]["evidence"] == "unverified"
    [leaky] = [row for row in published("feafa", "value").rows if row["mae"] == 0.0034]
    assert "LEAKS" in leaky["note"]


@pytest.mark.parametrize("corpus, view", [("procedural", "present"), ("bp4d", "level"), ("disfa", "expected")])
def test_nothing_is_published_of_drawn_faces(corpus, view):
    assert published(corpus, view) is None
