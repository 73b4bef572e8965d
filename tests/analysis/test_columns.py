"""Which columns hold values, and what each stands for."""

import numpy as np
import pytest

from aullava.action_units import PROTOCOLS, Protocol
from aullava.analysis.columns import as_column, value_columns
from aullava.recognition.tables import Layout


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocols_values_are_found_and_nothing_else(name):
    protocol = PROTOCOLS[name]
    found = value_columns(Layout((protocol,)).frame([]))
    assert [column.code for column in found] == list(protocol.units)
    assert [column.name for column in found] == [protocol.column(code) for code in protocol.units]
    assert {column.scale.name for column in found} == {protocol.scale}


def test_columns_with_a_protocols_name_in_front_are_told_apart():
    twins = [Protocol(name, ("AU1", "AD30"), "occurrence") for name in ("one", "AU1,AU4")]
    jaws = [Protocol(name, ("feafa_09_jaw_drop",), "continuous") for name in ("feafa_09_jaw_drop", "two")]
    found = value_columns(Layout((*twins, *jaws)).frame([]))
    assert [(c.protocol, c.code) for c in found] == [
        ("one", "AU1"),
        ("one", "AD30"),
        ("AU1_AU4", "AU1"),
        ("AU1_AU4", "AD30"),
        ("feafa_09_jaw_drop", "feafa_09_jaw_drop"),
        ("two", "feafa_09_jaw_drop"),
    ]
    assert found[0].label == "AU1 Inner brow raiser (one)"


def test_kinds_are_chosen():
    table = Layout((PROTOCOLS["disfa"], PROTOCOLS["feafa"])).frame([])
    assert {column.kind for column in value_columns(table)} == {"r", "v"}
    assert {column.kind for column in value_columns(table, "v")} == {"v"}


def test_missing_numbers_become_empty_cells():
    whole, fractions = as_column(np.array([1, np.nan]), "c"), as_column(np.array([0.123456, np.nan]), "r")
    assert (whole.dtype, fractions.dtype) == ("Int64", "Float64")
    assert (whole[0], fractions[0]) == (1, 0.1235)
    assert whole.isna().tolist() == fractions.isna().tolist() == [False, True]
