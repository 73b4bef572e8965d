"""The pipeline gives what `recognize` gives, as plain dictionaries."""

from dataclasses import asdict

import pytest

from aullava.pipeline_aullava import FacialActionUnitsPipeline

from tiny import FACES, tiny_model


@pytest.fixture
def parts():
    model, processor = tiny_model()
    return {"model": model, "processor": processor, "device": -1}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"protocol": "bp4d"},
        {"protocol": "AU1,AU4", "mode": "generate", "batch_size": 2},
        {"protocol": "disfa", "mode": "parallel", "value": "median", "distributions": True},
    ],
)
def test_equals_recognize(parts, options):
    readings = parts["model"].recognize(FACES, parts["processor"], **options)
    expected = [asdict(reading) | {"box": None, "score": None} for reading in readings]
    assert FacialActionUnitsPipeline(**parts)(FACES, **options) == expected
    assert FacialActionUnitsPipeline(**parts, **options)(FACES) == expected
    assert FacialActionUnitsPipeline(**parts, **options)(FACES[1])[0]["text"] == expected[1]["text"]


def test_options_of_a_call_win(parts):
    pipe = FacialActionUnitsPipeline(**parts, protocol="bp4d", batch_size=1)
    assert list(pipe(FACES[0], protocol="AU9")[0]["values"]) == ["AU9"]
    assert len(pipe(FACES[0])[0]["values"]) == 12
    with pytest.raises(ValueError, match="batch_size is -1"):
        pipe(FACES[0], batch_size=-1)
    with pytest.raises(ValueError, match="batch_size is 0"):
        FacialActionUnitsPipeline(**parts, batch_size=0)(FACES[0])


def test_refuses_unknown_options(parts):
    with pytest.raises(ValueError, match="unknown option protocoll: expected protocol, mode, batch_size, value"):
        FacialActionUnitsPipeline(**parts)(FACES[0], protocoll="bp4d")
