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
    for name in ("loss", "logits"):
        assert torch.equal(found[name], expected[name])
    for name in ("hidden_states", "attentions"):
        assert all(torch.equal(one, two) for one, two in zip(found[name], expected[name], strict=True))
    assert torch.equal(tuples[1], found.logits)


@torch.no_grad()
def test_kinds_of_attention_agree(pair):
    model, _, _, inputs = pair
    seen = inputs["attention_mask"].bool()
    expected = model(**inputs).logits
    model.set_attn_implementation({"text_config": "eager", "vision_config": "sdpa"})
    assert model.config.text_config._attn_implementation == "eager"
    eager = model(**inputs).logits
    model.set_attn_implementation("sdpa")
    close(eager[seen], expected[seen])


@torch.no_grad()
def test_the_side_of_padding_and_the_form_of_the_mask_do_not_matter(pair):
    model, _, processor, inputs = pair
    mask = inputs["attention_mask"]
    left = model(**inputs, position_ids=positions(mask)).logits
    length, count = mask.shape[1], len(mask)
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    # A padded row sees itself, because one that sees nothing has no softmax.
    square = (causal & mask[:, None, None].bool()) | torch.eye(length, dtype=torch.bool)
    given = {"input_ids": inputs["input_ids"], "pixel_values": inputs["pixel_values"], "position_ids": positions(mask)}
    whole = model(**given, attention_mask=square).logits
    close(whole[mask.bool()], left[mask.bool()])
    prompts = [processor.prompt(text) for text in QUESTIONS]
    options = {"padding": True, "padding_side": "right", "add_special_tokens": False, "return_tensors": "pt"}
    right = processor(images=FACES[:2], text=prompts, **options)
    assert right["attention_mask"][0, -1] == 0
    found = model(**right).logits
    for row in range(count):
        close(found[row, right["attention_mask"][row].bool()], left[row, mask[row].bool()])


@torch.no_grad()
def test_embeddings_for_tokens(pair):
    model, _, _, inputs = pair
    expected = model(**inputs).logits
    ids, pixels, mask = (inputs[key] for key in ("input_ids", "pixel_values", "attention_mask"))
    words = model.get_input_embeddings()(ids)
    assert torch.equal(model(inputs_embeds=words, pixel_values=pixels, attention_mask=mask).logits, expected)
    merged = words.clone()
    merged[ids == model.config.image_token_id] = torch.cat(model.get_image_features(pixels).pooler_output)
    assert torch.equal(model(inputs_embeds=merged, attention_mask=mask).logits, expected)
    assert not torch.allclose(model(inputs_embeds=words, attention_mask=mask).logits, expected)
    with pytest.raises(ValueError, match="exactly one of input_ids or inputs_embeds"):
        model(input_ids=ids, inputs_embeds=words)


@torch.no_grad()
def test_logits_of_some_positions(pair):
    model, _, _, inputs = pair
    whole = model(**inputs).logits
    close(model(**inputs, logits_to_keep=3).logits, whole[:, -3:])
    close(model(**inputs, logits_to_keep=torch.tensor([1, 5])).logits, whole[:, [1, 5]])


@torch.no_grad()
def test_pictures_and_image_tokens_must_be_as_many(pair):
    model, stock, processor, inputs = pair
    single = {"input_ids": inputs["input_ids"][1:], "pixel_values": inputs["pixel_values"][1:]}
    with pytest.raises((ValueError, RuntimeError), match="do not match"):
        model(**inputs.data | {"pixel_values": inputs["pixel_values"][:1]})
    with pytest.raises((ValueError, RuntimeError), match="do not match"):
        model(**single | {"pixel_values": inputs["pixel_values"]})
    picture = processor.image_token
    two = processor(images=FACES[:2], text=f"{picture}{picture}?", return_tensors="pt")
    assert (two["input_ids"] == model.config.image_token_id).sum() == 2 * model.config.image_seq_length
    # Both pictures are read, in their order.
    swapped = model(input_ids=two["input_ids"], pixel_values=two["pixel_values"].flip(0)).logits
    assert not torch.allclose(model(**two).logits[0, -1], swapped[0, -1])
    without = {"input_ids": processor.tokenizer("no picture", return_tensors="pt")["input_ids"]}
    expected = stock(**without).logits
    assert torch.equal(model(**without).logits, expected) and expected.shape[:2] == without["input_ids"].shape


@torch.no_grad()
def test_an_image_token_lost_from_an_edited_prompt_is_told_in_numbers(pair):
    model, _, processor, _ = pair
    inputs = processor.encode(FACES[:1], "?")
    place = int((inputs["input_ids"][0] == model.config.image_token_id).nonzero()[0])
    ids = torch.cat([inputs["input_ids"][:, :place], inputs["input_ids"][:, place + 1 :]], dim=1)
    # Stock's check: of the features it gives the number of elements.
    count, width = model.config.image_seq_length, model.config.text_config.hidden_size
    with pytest.raises((ValueError, RuntimeError), match=rf"tokens: {count - 1}, features: {count * width}"):
        model(input_ids=ids, pixel_values=inputs["pixel_values"])


@torch.no_grad()
def test_several_layers_of_the_tower():
    config = tiny_config("clip")
    config.vision_feature_layer = [-2, -1]
    model = rebuilt(config)
    _, processor = tiny_model("clip")
    inputs = processor.encode(FACES[:2], QUESTIONS)
    assert model.model.multi_modal_projector.linear_1.in_features == 2 * config.vision_config.hidden_size
    assert torch.equal(model(**inputs).logits, stock_of(model)(**inputs).logits)
    assert len(model.recognize(FACES[:2], processor, "bp4d")) == 2


class TestGradients:
    def backward(self, model, inputs):
        model.train()
        model.zero_grad()
        loss = model(**inputs, labels=inputs["input_ids"].masked_fill(inputs["attention_mask"] == 0, -100)).loss
        loss.backward()
        model.eval()
        found = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
        model.zero_grad()
        return loss.detach(), found

    def test_the_loss_is_that_of_the_next_token(self, pair):
        model, _, _, inputs = pair
        labels = inputs["input_ids"].masked_fill(inputs["attention_mask"] == 0, -100)
        with torch.no_grad():
            output = model(**inputs, labels=labels)
        expected = cross_entropy(output.logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)
        close(output.loss, expected)

    def test_reach_what_the_answer_depends_on(self, pair):
        model, stock, _, inputs = pair
        _, found = self.backward(model, inputs)
        _, expected = self.backward(stock, inputs)
        assert found.keys() == expected.keys()
        assert all(torch.equal(gradient, expected[name]) for name, gradient in found.items())
        without = {name for name, _ in model.named_parameters()} - found.keys()
        # LLaVA reads CLIP's last layer but one; nothing reads what comes behind the layer that it reads.
        assert all(name.startswith("model.vision_tower.") for name in without), without


@pytest.mark.slow
@torch.no_grad()
def test_compiles_into_one_graph(pair):
    model, _, _, inputs = pair
    # First without: at its first call the library hangs its hooks in, under a lock that does not compile.
    expected = model(**inputs).logits
    close(torch.compile(model, backend="eager", fullgraph=True)(**inputs).logits, expected)
