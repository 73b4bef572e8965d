"""`generate` in the ways that transformers' own tests of generation call it: what stock LLaVA writes, ours writes."""

from copy import deepcopy

import pytest
import torch

from aullava.tree_aullava import CACHE_KEY

from tiny import FACES, TOWERS, count_passes
from twins import QUESTIONS, twins

LENGTH = 6
# Without an end-of-sequence token, so that every row is LENGTH long.
ENDLESS = {"max_new_tokens": LENGTH, "eos_token_id": None}
WAYS = {
    "greedy": {"do_sample": False},
    "no cache": {"do_sample": False, "use_cache": False},
    "static cache": {"do_sample": False, "cache_implementation": "static"},
    "sampling": {"do_sample": True, "top_k": 20, "top_p": 0.9, "temperature": 0.7, "num_return_sequences": 2},
    "beams": {"do_sample": False, "num_beams": 3, "num_return_sequences": 2, "length_penalty": 2.0},
    "sampled beams": {"do_sample": True, "num_beams": 2},
    "penalties": {"do_sample": False, "repetition_penalty": 1.5, "no_repeat_ngram_size": 2, "bad_words_ids": [[300]]},
    "chunks": {"do_sample": False, "prefill_chunk_size": 16},
}


@pytest.fixture(scope="module", params=TOWERS)
def pair(request):
    """Tests leave it as it was."""
    return twins(request.param)


def write(model, inputs, **options):
    torch.manual_seed(0)
    return model.generate(**inputs, **ENDLESS | options)


@pytest.mark.parametrize("way", WAYS)
def test_writes_what_stock_writes(pair, way):
    model, stock, _, inputs = pair
    found, expected = (write(one, inputs, **WAYS[way]) for one in (model, stock))
    assert found.shape == (2 * WAYS[way].get("num_return_sequences", 1), inputs["input_ids"].shape[1] + LENGTH)
    assert torch.equal(found, expected)
    if way in ("no cache", "static cache", "chunks"):
        assert torch.equal(found, write(model, inputs, do_sample=False))


@torch.no_grad()
def test_greedy_is_one_forward_pass_after_the_other(pair):
    model, _, processor, _ = pair
    inputs = processor.encode(FACES[:1], QUESTIONS[0])
    ids = inputs["input_ids"]
    for _ in range(LENGTH):
        best = model(input_ids=ids, pixel_values=inputs["pixel_values"]).logits[:, -1].argmax(-1, keepdim=True)
        ids = torch.cat([ids, best], dim=1)
    assert torch.equal(write(model, inputs, do_sample=False), ids)


def test_a_padded_row_is_written_as_it_is_alone(pair):
    model, _, processor, inputs = pair
    together = write(model, inputs, do_sample=False)[:, -LENGTH:]
    for row, (face, text) in enumerate(zip(FACES, QUESTIONS, strict=False)):
        alone = write(model, processor.encode([face], text), do_sample=False)
        assert torch.equal(alone[0, -LENGTH:], together[row])


def test_embeddings_for_tokens(pair):
    model, _, _, inputs = pair
    expected = write(model, inputs, do_sample=False)[:, -LENGTH:]
    given = {key: inputs[key] for key in ("pixel_values", "attention_mask")}
    words = model.get_input_embeddings()(inputs["input_ids"])
    assert torch.equal(write(model, given | {"inputs_embeds": words}, do_sample=False), expected)


def test_goes_on_from_a_cache(pair):
    model, _, _, inputs = pair
    whole = write(model, inputs, do_sample=False)
    first = write(model, inputs, do_sample=False, max_new_tokens=2, return_dict_in_generate=True)
    seen = torch.nn.functional.pad(inputs["attention_mask"], (0, 2), value=1)
    so_far = {"input_ids": first.sequences, "attention_mask": seen, CACHE_KEY: first[CACHE_KEY]}
    with count_passes(model) as lengths:
        found = write(model, so_far, do_sample=False, max_new_tokens=LENGTH - 2)
    assert torch.equal(found, whole)
    assert lengths[0] == 1  # the rest was in the cache


def test_the_picture_is_looked_at_once(pair):
    model, _, _, inputs = pair
    looks = []
    handle = model.model.vision_tower.register_forward_hook(lambda *_: looks.append(1))
    write(model, inputs, do_sample=False)
    handle.remove()
    assert looks == [1]


@pytest.mark.parametrize("num_beams", [1, 2])
def test_all_that_it_can_give_out(pair, num_beams):
    model, stock, _, inputs = pair
    asked = {f"output_{name}": True for name in ("scores", "logits", "hidden_states", "attentions")}
    options = {"do_sample": False, "num_beams": num_beams, "return_dict_in_generate": True, **asked}
    for one in (model, stock):
        one.set_attn_implementation("eager")
    found, expected = (write(one, inputs, **options) for one in (model, stock))
    for one in (model, stock):
        one.set_attn_implementation("sdpa")
    assert found.keys() == expected.keys() >= {"sequences", "scores", "logits", "hidden_states", "attentions"}
    assert len(found.scores) == len(found.logits) == len(found.hidden_states) == len(found.attentions) == LENGTH
    for name in ("scores", "logits"):
        assert all(torch.equal(one, two) for one, two in zip(found[name], expected[name], strict=True))
    assert torch.equal(found.sequences, expected.sequences)
    if num_beams == 1:
        chosen = torch.stack([step.argmax(-1) for step in found.logits], dim=1)
        assert torch.equal(chosen, found.sequences[:, -LENGTH:])


def test_drafts_change_nothing(pair):
    """Prompt lookup guesses tokens from the prompt, an assistant writes them ahead; the model checks both."""
    model, stock, processor, _ = pair
    inputs = processor.encode(FACES[:1], "AU1=0 AU2=0 AU1=0 AU2=0")
    expected = write(model, inputs, do_sample=False)
    for draft in ({"prompt_lookup_num_tokens": 2}, {"assistant_model": deepcopy(stock)}):
        passes = []
        for one in (model, stock):
            with count_passes(one) as lengths:
                assert torch.equal(write(one, inputs, do_sample=False, **draft), expected)
            passes.append(lengths)
        assert passes[0] == passes[1]
    assert max(passes[0][1:]) > 1  # the assistant's tokens were checked, several in a pass


def test_stops_where_it_is_told_to(pair):
    model, _, processor, _ = pair
    inputs = processor.encode(FACES[:1], QUESTIONS[0])
    length = inputs["input_ids"].shape[1]
    written = write(model, inputs, do_sample=False)[0, length:].tolist()
    stop = written[2]
    shorter = write(model, inputs, do_sample=False, eos_token_id=stop)[0, length:].tolist()
    assert shorter == written[: written.index(stop) + 1]
    assert stop not in write(model, inputs, do_sample=False, eos_token_id=stop, min_new_tokens=LENGTH)[0, length:]
    assert write(model, inputs, do_sample=False, max_new_tokens=None, max_length=length + 2).shape[1] == length + 2


def test_knows_of_reduced_precision(pair):
    model, _, _, inputs = pair
    half = deepcopy(model).to(torch.bfloat16)
    found = write(half, inputs.data | {"pixel_values": inputs["pixel_values"].bfloat16()}, do_sample=False)
    assert found.shape[1] == inputs["input_ids"].shape[1] + LENGTH
