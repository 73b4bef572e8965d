"""What plots show is counted right, and every picture can be drawn, undefined scores included."""

import numpy as np
from PIL import Image

from aullava.action_units import Protocol
from aullava.evaluation.plots import bars, conditional, confusion_of_levels, write_plots
from aullava.evaluation.predictions import Predictions
from aullava.evaluation.views import score, views


def test_conditional_shares_by_hand():
    present_NU = np.array([[1, 1, 0], [1, 0, 0], [0, 1, 0], [1, np.nan, 0]])
    share_UU = conditional(present_NU)
    np.testing.assert_allclose(share_UU[0], [1, 0.5, 0])  # the row in which AU 2 is not known does not count
    np.testing.assert_allclose(share_UU[1], [0.5, 1, 0])
    assert np.isnan(share_UU[2]).all()


def test_confusion_by_hand():
    truth_NU = np.array([[0, 0], [2, np.nan], [2, 1.5], [5, 0]])
    said_NU = np.array([[0, 1], [2, 4], [3, 2], [np.nan, 0]])
    share_LL, counts_L = confusion_of_levels(truth_NU, said_NU)
    assert counts_L.tolist() == [3, 0, 3, 0, 0, 0]
    np.testing.assert_allclose(share_LL[0], [2 / 3, 1 / 3, 0, 0, 0, 0])
    np.testing.assert_allclose(share_LL[2], [0, 0, 2 / 3, 1 / 3, 0, 0])
    assert np.isnan(share_LL[5]).all()


def test_a_negative_score_of_one_person_is_seen():
    truth_NU = np.array([[0.0], [1.0], [2.0], [4.0]])
    read = Predictions(
        Protocol("one", ("AU1",), "intensity"), "joint", "table", tuple("abcd"), ("s",) * 4, truth_NU, truth_NU[::-1],
        truth_NU, truth_NU, ("ok",) * 4,
    )  # fmt: skip
    scored = score(views(read)[0], read, 2)
    value = scored.intervals["icc_3_1"].value[0]
    assert value < -0.5 and np.isnan(scored.intervals["icc_3_1"].low[0])
    assert bars(scored, "icc_3_1", ("AU1",), {}).axes[0].get_ylim()[0] <= value


def test_every_picture_is_drawn(tmp_path):
    protocol = Protocol("two", ("AU1", "AU12", "AU26"), "intensity")
    random = np.random.default_rng(0)
    truth_NU = random.integers(0, 6, (40, 3)).astype(float)
    truth_NU[:, 2] = 0  # ICC and F1 are undefined
    shares_NUV = random.dirichlet(np.ones(6), (40, 3))
    read = Predictions(
        protocol,
        "joint",
        "table",
        tuple(map(str, range(40))),
        tuple(f"s{i % 8}" for i in range(40)),
        truth_NU,
        shares_NUV.argmax(-1).astype(float),
        shares_NUV[..., 2:].sum(-1),
        shares_NUV @ np.arange(6),
        ("ok",) * 40,
    )
    scored = [score(view, read, 20) for view in views(read)]
    controls = {"present": {"some predictor": scored[-1].result}}
    files = write_plots(tmp_path, read, scored, controls)
    assert {file.stem for file in files} == {
        "level_icc_3_1",
        "level_mae",
        "levels",
        "expected_icc_3_1",
        "expected_mae",
        "present_f1_undetermined_wrong",
        "co_occurrence",
        "reliability",
    }
    for file in files:
        with Image.open(file) as image:
            assert image.width > 300 and len(image.convert("RGB").getcolors(1 << 24)) > 20
