"""The columns of a row."""

from datasets import Dataset

from aullava.action_units import CONTINUOUS, FEAFA_UNITS, INTENSITY, OCCURRENCE, PROTOCOLS
from aullava.dataset_builder.rows.schema import features_of, group_column, units_of, value_columns


def test_value_columns_are_those_of_recognize():
    units = {INTENSITY: ("AU1", "AU12"), OCCURRENCE: ("AU12", "AD30"), CONTINUOUS: tuple(FEAFA_UNITS)[:1]}
    assert value_columns(units) == {
        "AU12_c": (OCCURRENCE, "AU12"),
        "AD30_c": (OCCURRENCE, "AD30"),
        "AU01_r": (INTENSITY, "AU1"),
        "AU12_r": (INTENSITY, "AU12"),
        "feafa_01_left_eye_close_v": (CONTINUOUS, "feafa_01_left_eye_close"),
    }
    for protocol in PROTOCOLS.values():
        assert list(value_columns(units_of(protocol))) == [protocol.column(code) for code in protocol.units]


def test_features_hold_a_row_with_everything_missing():
    features = features_of(units_of(PROTOCOLS["disfa"]), ("sex",))
    assert group_column("sex") in features
    rows = Dataset.from_dict({name: [None] for name in features}, features=features)
    assert rows[0]["image"] is None and rows[0]["box_x"] is None and rows[0]["AU01_r"] is None
    assert rows.features["AU01_r"].dtype == "float32"
