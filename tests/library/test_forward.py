"""One forward pass, and one backward, in every way that transformers' own tests of LLaVA call them; stock LLaVA is the measure."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from tiny import FACES, TOWERS, tiny_config, tiny_model
from twins import QUESTIONS, rebuilt, stock_of, twins


@pytest.fixture(scope="module", params=TOWERS)
def pair(request):
    """Tests leave it as it was."""
    return twins(request.param)


def close(found, expected):
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def positions(mask):
    return (mask.cumsum(1) - 1).clamp(min=0)


@torch.no_grad()
def test_every_output_is_that_of_stock(pair):
    model, stock, _, inputs = pair
    # Only eager attention gives its weights out.
    for one in (model, stock):
        one.set_attn_implementation("eager")
    options = {"output_hidden_states": True, "output_attentions": True, "labels": inputs["input_ids"]}
    found, expected = model(**inputs, **options), stock(**inputs, **options)
    tuples = model(**inputs, **options, return_dict=False)
    for one in (model, stock):
        one.set_attn_implementation("sdpa")
    assert found.keys() == expected.keys() and len(tuples) == len(found.to_tuple())
    depth = model.config.text_config.num_hidden_layers
    assert (len(found.hidden_states), len(found.attentions)) == (depth + 1, depth)
    for name in ("loss", "logits", "image_hidden_states"):
        assert torch.equal(found[name], expected[name])
    for name in ("hidden_states", "attentions"):
        assert all(torch.equal(one, two) for one, two in zip(found[name], expected[name], strict=True))
    assert torch.equal(tuples[1], found.logits)


@torch.no_grad()
def test_kinds_of_attention_agree(pair):
    model, _, _, inputs = pair
    seen = inputs["attention_mask"].bool()
    # First without: at its first call the library hangs its hooks in, under a lock that does not compile.
    expected = model(**inputs).logits
    close(torch.compile(model, backend="eager", fullgraph=True)(**inputs).logits, expected)
