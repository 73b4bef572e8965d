"""Readings as arrays are the model's readings; a store goes on, refuses other settings, and a bad picture ends nothing."""

from dataclasses import replace

import numpy as np
import pytest

from aullava.action_units import PROTOCOLS, Protocol
from aullava.evaluation import predictions as module
from aullava.evaluation.predictions import joined, predict
from aullava.evaluation.recognizer import Recognizer
from aullava.evaluation.rows import evaluation_rows
from aullava.image_aullava import ImageReadError

from tiny import make_tiny_checkpoint, tiny_model

DISFA, PAIR = PROTOCOLS["disfa"], Protocol("pair", ("AU1", "AU12"), "occurrence")


@pytest.fixture(scope="module")
def rows():
    return evaluation_rows("procedural", None, DISFA, count=5, draw_size=32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Of a checkpoint, whose settings the recognizer's identity is read from."""
    return make_tiny_checkpoint(tmp_path_factory.mktemp("checkpoint"), "swin")


@pytest.fixture(scope="module")
def recognizer(folder):
    return Recognizer(str(folder), "weights", *tiny_model("swin"))


def test_arrays_hold_what_the_model_says(recognizer, rows):
    found = predict(recognizer, rows, DISFA, batch_size=2)
    images = [rows.image_at(i) for i in range(5)]
    readings = recognizer.recognize(images, DISFA, "joint", 5)
    for n, reading in enumerate(readings):
        np.testing.assert_array_equal(found.value_NU[n], [reading.values[code] for code in DISFA.units])
        levels_UV = np.array([reading.probabilities[code] for code in DISFA.units])
        np.testing.assert_allclose(found.probability_NU[n], levels_UV[:, 2:].sum(-1), atol=1e-5)
        np.testing.assert_allclose(found.expected_NU[n], levels_UV @ np.arange(6), atol=1e-5)
        np.testing.assert_allclose(found.distribution_NUV[n], levels_UV, atol=1e-6)
    np.testing.assert_array_equal(found.truth_NU, rows.truth(DISFA))
    assert found.rows == rows.rows and found.status == ("ok",) * 5 and len({*found.groups["skin_tone"]}) == 2


def test_occurrence_and_free_answers(recognizer, rows):
    found = predict(recognizer, rows, PAIR, "parallel")
    np.testing.assert_allclose(found.probability_NU, found.distribution_NUV[..., 1], atol=1e-6)
    np.testing.assert_array_equal(found.value_NU, found.probability_NU > 0.5)
    free = predict(recognizer, rows, PAIR, "generate")  # random weights write nothing that has the form
    assert free.distribution_NUV is None and np.isnan(free.probability_NU).all()
    assert set(free.status) <= {"ok", "repaired", "invalid"}
    invalid = np.array(free.status) == "invalid"
    assert np.isnan(free.value_NU[invalid]).all() and invalid.any()


def test_an_interrupted_run_goes_on_and_reads_nothing_twice(recognizer, rows, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 2)
    read = []

    class Counting:
        identity = recognizer.identity

        def recognize(self, images, *arguments):
            if len(read) == 2:
                raise RuntimeError("power cut")
            read.append(len(images))
            return recognizer.recognize(images, *arguments)

    with pytest.raises(RuntimeError, match="power cut"):
        predict(Counting(), rows, PAIR, store=tmp_path / "store")
    assert sorted(f.name for f in (tmp_path / "store").iterdir()) == [
        "settings.json",
        "shard-000000.npz",
        "shard-000001.npz",
    ]
    read[:] = []
    found = predict(Counting(), rows, PAIR, store=tmp_path / "store")
    assert read == [1]
    whole = predict(recognizer, rows, PAIR)
    np.testing.assert_array_equal(found.value_NU, whole.value_NU)
    np.testing.assert_allclose(found.probability_NU, whole.probability_NU, atol=1e-5)
    assert found.status == whole.status and found.rows == whole.rows


def test_a_store_of_other_settings_is_refused_with_both(recognizer, rows, tmp_path):
    predict(recognizer, rows, PAIR, store=tmp_path / "store")
    with pytest.raises(ValueError, match="mode: joint there, parallel now"):
        predict(recognizer, rows, PAIR, "parallel", store=tmp_path / "store")
    with pytest.raises(ValueError, match="checkpoint: "):
        predict(replace(recognizer, id="others"), rows, PAIR, store=tmp_path / "store")
    with pytest.raises(ValueError, match="protocol: .*AU1.* there, .*AU4.* now"):
        predict(recognizer, rows, Protocol("pair", ("AU4",), "occurrence"), store=tmp_path / "store")
    with pytest.raises(ValueError, match="rows: "):
        predict(recognizer, evaluation_rows("procedural", None, PAIR, count=4), PAIR, store=tmp_path / "store")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="no settings.json"):
        predict(recognizer, rows, PAIR, store=tmp_path / "mine")
    assert (tmp_path / "mine" / "notes.txt").read_text() == "mine"


def test_calibration_is_part_of_the_identity(folder):
    recognizer = Recognizer(str(folder), "weights", *tiny_model("swin"))
    before = recognizer.identity
    recognizer.model.config.calibration = {"temperature": {"occurrence": 2.0}}
    after = recognizer.identity
    assert after.fingerprint != before.fingerprint and after.id == before.id


def test_a_bad_picture_is_counted_and_named(recognizer, rows, tmp_path):
    def damaged(row):
        if row == 3:
            raise ImageReadError("face.jpg", "is cut off")
        return rows.image_at(row)

    for _ in range(2):  # the second time from the store
        found = predict(recognizer, replace(rows, open_image=damaged), PAIR, store=tmp_path / "store")
        assert found.status == ("ok", "ok", "ok", "unreadable", "ok")
        assert (
            len(found.failures) == 1 and found.failures[0].startswith(rows.rows[3]) and "cut off" in found.failures[0]
        )
        assert np.isnan(found.value_NU[3]).all() and not np.isnan(found.value_NU[[0, 1, 2, 4]]).any()


def test_folds_are_joined_and_no_row_is_in_two(recognizer, rows):
    first = predict(recognizer, rows, PAIR)
    other = predict(recognizer, evaluation_rows("procedural", None, PAIR, count=3, first=8, draw_size=32), PAIR)
    both = joined({"fold1": first, "fold2": other})
    assert both.folds == ("fold1",) * 5 + ("fold2",) * 3 and both.rows == first.rows + other.rows
    assert both.value_NU.shape == (8, 2) and both.groups["age"] == first.groups["age"] + other.groups["age"]
    with pytest.raises(ValueError, match=f"row {first.rows[0]} comes more than once"):
        joined({"fold1": first, "fold2": first})
