"""Reading on a Space of ZeroGPU, with a module `spaces` that keeps its promises: what it decorates it hands on pickled, as to a
process of its own. ZeroGPU itself was not run.
"""

import sys
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location

import gradio as gr
import pytest

from aullava.action_units import PROTOCOLS
from aullava.dataset_builder.synthetic.drawn import sample_face
from aullava.space import zerogpu
from aullava.space.app import build_demo

from tiny import tiny_model

SPACES = """
import pickle

decorated, sizes = [], []


def GPU(duration):
    def decorate(task):
        decorated.append((task.__name__, duration))

        def call(*given):
            sent = pickle.dumps(given)
            sizes.append(len(sent))
            return pickle.loads(pickle.dumps(task(*pickle.loads(sent))))

        return call

    return decorate
"""


@pytest.fixture
def on_zerogpu(tmp_path, monkeypatch):
    """Our module as it is imported where `spaces` is, and `spaces`."""
    (tmp_path / "spaces.py").write_text(SPACES)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "spaces", raising=False)
    spec = spec_from_file_location("zerogpu_of_a_space", zerogpu.__file__)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module, sys.modules["spaces"]
    del sys.modules["spaces"]


def test_a_batch_is_read_on_a_gpu_on_loan_and_the_weights_stay(on_zerogpu):
    module, spaces = on_zerogpu
    model, processor = tiny_model()
    lent = module.LentModel(model, processor)
    assert lent.on_loan
    assert spaces.decorated == [("read", module.LONGEST_READ)]
    face = sample_face("test", 0).image_HWC
    asked = [face, face], processor, [PROTOCOLS["disfa"], PROTOCOLS["feafa"]]
    assert lent.recognize_many(*asked, mode="joint") == model.recognize_many(*asked, mode="joint")
    [sent] = spaces.sizes
    assert sent < 2 * face.nbytes + 20_000  # neither the model nor the processor
    assert lent.config is model.config


def test_elsewhere_nothing_is_on_loan(recognizer):
    assert not recognizer.model.on_loan


def test_no_gpu_is_borrowed_before_there_is_a_visitor(on_zerogpu, recognizer):
    module, spaces = on_zerogpu
    lent = module.LentModel(*tiny_model())
    demo = build_demo(replace(recognizer, model=lent))
    assert spaces.sizes == []
    shown = " ".join(str(block.value) for block in demo.blocks.values() if isinstance(block, gr.HTML))
    assert "Move a muscle, and the face is read" in shown
    assert 'alt="A drawn face that shows' in shown
