"""Generation that is held to a protocol's regular expression writes an answer, whatever was asked."""

import importlib

import pytest

from aullava.action_units import CONTINUOUS, PROTOCOLS, Protocol, question
from aullava.checkpoint.layout import embedded_checkpoint
from aullava.checkpoint.load import load_checkpoint
from aullava.dataset_builder.synthetic.drawn import sample_face

from checkout import ROOT


@pytest.fixture
def masks(monkeypatch):
    pytest.importorskip("llguidance")
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("parts.masking").Masks


@pytest.mark.parametrize("wanted", [PROTOCOLS["disfa"], Protocol("eyes", PROTOCOLS["feafa"].units[:4], CONTINUOUS)])
def test_what_is_written_is_an_answer_of_the_protocol_though_another_was_asked(masks, wanted):
    model, processor = load_checkpoint(embedded_checkpoint(), "cpu")
    faces = [sample_face("test", index).image_HWC for index in range(2)]
    inputs = processor.encode(faces, question(PROTOCOLS["bp4d"], "short"))
    begin = inputs["input_ids"].shape[1]

    def statuses(**constraint):
        written = model.generate(**inputs, do_sample=False, max_new_tokens=100, **constraint)[:, begin:]
        return [processor.decode_answer(ids, wanted, strict=True)[1].status for ids in written]

    assert statuses() == ["invalid", "invalid"]
    assert statuses(logits_processor=[masks(processor.tokenizer, wanted, begin, len(faces))]) == ["ok", "ok"]
