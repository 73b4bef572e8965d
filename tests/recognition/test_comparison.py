"""Truth beside reading: the bars are as long as the values, and only what acts is shown."""

import numpy as np
import pytest
from PIL import Image

from aullava.action_units import PROTOCOLS
from aullava.recognition.comparison import READ, TRUTH, draw_comparison

DISFA = PROTOCOLS["disfa"]
FACE = Image.new("RGB", (96, 96), (200, 150, 120))
NAMES_END, CELL_END, HEAD = 430, 600, 46  # pixels: columns of the bars in the first cell; below the legend


def values(**given):
    return dict.fromkeys(DISFA.units, 0) | given


def bars(sheet: Image.Image, colour) -> list[int]:
    """Lengths of the bars of a colour in the first cell's bar column, top to bottom."""
    area = (np.asarray(sheet)[HEAD:, NAMES_END:CELL_END] == colour).all(axis=-1)
    solid = [int(row.sum()) for row in area]
    starts = [i for i, length in enumerate(solid) if length > 12 and (i == 0 or solid[i - 1] <= 12)]
    return [solid[i] for i in starts]


def test_one_bar_for_the_truth_and_one_for_the_reading():
    sheet = draw_comparison([FACE], [values(AU12=5, AU6=2)], [values(AU12=4)], DISFA)
    truth, read = bars(sheet, TRUTH), bars(sheet, READ)
    assert len(truth) == 2 and len(read) == 1
    assert truth[0] == pytest.approx(truth[1] * 2 / 5, abs=1)  # AU6 stands before AU12
    assert read[0] == pytest.approx(truth[1] * 4 / 5, abs=1)


def test_units_at_rest_are_left_out_and_undetermined_ones_shown():
    rest = draw_comparison([FACE], [values()], [values()], DISFA)
    unknown = draw_comparison([FACE], [values()], [values(AU4=None)], DISFA)
    assert (np.asarray(rest) != np.asarray(unknown)).any()
    beside_the_face = np.asarray(rest)[HEAD:, 260:600]
    assert (beside_the_face[:20] != 255).any()  # says that there is nothing
    assert (beside_the_face[20:] == 255).all()


def test_every_face_has_a_place():
    for count, rows in ((1, 1), (2, 1), (3, 2), (5, 3)):
        sheet = draw_comparison([FACE] * count, [values()] * count, [values()] * count, DISFA)
        faces = (np.asarray(sheet) == (200, 150, 120)).all(axis=-1).sum() / 224**2
        assert faces == pytest.approx(count)
        assert sheet.height == pytest.approx(rows * 242, abs=60)


def test_as_many_readings_as_truths_are_needed():
    with pytest.raises(ValueError):
        draw_comparison([FACE], [values()], [], DISFA)
