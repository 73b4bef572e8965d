"""AULlavaProcessor called, saved and told what to do as transformers' own tests do it: stock LlavaProcessor is the measure."""

import json
from copy import deepcopy

import pytest
import torch
from PIL import Image
from transformers import LlavaProcessor

from aullava.processing_aullava import AULlavaProcessor

from tiny import FACES, TOWERS, tiny_config, tiny_processor, tokenizer

PICTURES = [Image.fromarray(face) for face in FACES[:2]]
ONE, TWO = "<image> and a word", "<image> and <image>"
PADDED = {"padding": "max_length", "max_length": 120}
TURN = [{"role": "user", "content": [{"type": "image", "image": PICTURES[0]}, {"type": "text", "text": "AU12?"}]}]
ANSWER = [{"role": "assistant", "content": [{"type": "text", "text": "AU12="}]}]
BOTH = [{"role": "user", "content": [{"type": "image", "image": picture} for picture in PICTURES]}]
TENSORS = {"tokenize": True, "return_dict": True, "processor_kwargs": {"return_tensors": "pt"}}

# What is called -> what it is called with.
CALLS = {
    "one": {"images": PICTURES[0], "text": ONE},
    "text alone": {"text": "a word"},
    "picture alone": {"images": PICTURES},
    "two in one text": {"images": PICTURES, "text": TWO},
    "a batch": {"images": PICTURES, "text": [ONE, "<image>"], "padding": True},
    "padded right": {"images": PICTURES, "text": [ONE, "<image>"], "padding": True, "padding_side": "right"},
    "kinds of token": {"images": PICTURES[0], "text": ONE, "return_mm_token_type_ids": True},
    "options of text": {"images": PICTURES[0], "text": ONE, **PADDED},
    "options of text by name": {"images": PICTURES[0], "text": ONE, "text_kwargs": PADDED},
    "options of pictures": {"images": PICTURES[0], "text": ONE, "do_rescale": False, "image_mean": [0.0] * 3},
    "options of pictures by name": {"images": PICTURES[0], "text": ONE, "images_kwargs": {"do_normalize": False}},
    "options of both": {
        "images": PICTURES[0],
        "text": ONE,
        "images_kwargs": {"do_rescale": False},
        "text_kwargs": PADDED,
    },
    "offsets": {
        "images": PICTURES[0],
        "text": ONE,
        "return_offsets_mapping": True,
        "return_special_tokens_mask": True,
    },
}
REFUSED = {
    "nothing": ({}, "at least one"),
    "fewer pictures": ({"images": PICTURES[:1], "text": TWO}, "image"),
    "cut image tokens": ({"images": PICTURES[0], "text": ONE, "truncation": True, "max_length": 9}, "image"),
    "given twice": (
        {"images": PICTURES[0], "text": ONE, "padding": True, "text_kwargs": {"padding": False}},
        "padding",
    ),
    "swapped": ({"images": ONE, "text": PICTURES[0]}, None),
    "not a picture": ({"images": 7, "text": ONE}, None),
}
TEMPLATES = {
    "text": (TURN, {}),
    "text with a prompt": (TURN, {"add_generation_prompt": True}),
    "to be continued": (TURN + ANSWER, {"continue_final_message": True}),
    "tokens": (TURN, TENSORS),
    "two pictures": (BOTH, TENSORS),
    "a batch": ([TURN, TURN + ANSWER], TENSORS | {"processor_kwargs": {"return_tensors": "pt", "padding": True}}),
    "trained tokens": (TURN + ANSWER, TENSORS | {"return_assistant_tokens_mask": True}),
}


@pytest.fixture(scope="module", params=TOWERS)
def pair(request):
    ours = tiny_processor(request.param)
    parts = {"image_processor": ours.image_processor, "tokenizer": ours.tokenizer, "chat_template": ours.chat_template}
    names = ("patch_size", "vision_feature_select_strategy", "num_additional_image_tokens")
    return ours, LlavaProcessor(**parts, **{name: getattr(ours, name) for name in names})


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(torch.as_tensor(found[name]), torch.as_tensor(value)), name


@pytest.mark.parametrize("name", CALLS)
def test_gives_what_stock_gives(pair, name):
    ours, stock = pair
    call = {"return_tensors": "pt", **CALLS[name]}
    found = ours(**call)
    assert_same(found, stock(**call))
    assert set(found) >= {key for part, key in (("images", "pixel_values"), ("text", "input_ids")) if part in call}


def test_options_reach_the_part_they_are_for(pair):
    ours, _ = pair
    plain, told = ours(**CALLS["one"], return_tensors="pt"), ours(**CALLS["options of both"], return_tensors="pt")
    assert told["input_ids"].shape[1] == 120 > plain["input_ids"].shape[1]
    assert told["pixel_values"].max() > 100 * plain["pixel_values"].max()
    by_name, flat = (ours(**CALLS[name]) for name in ("options of text by name", "options of text"))
    assert by_name["input_ids"] == flat["input_ids"]
    alone = ours.image_processor(PICTURES[0], return_tensors="pt")["pixel_values"]
    assert torch.equal(plain["pixel_values"], alone)


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_what_stock_refuses(pair, name):
    ours, stock = pair
    call, reason = REFUSED[name]
    with pytest.raises((ValueError, TypeError)) as expected:
        stock(**call)
    with pytest.raises(type(expected.value), match=reason) as caught:
        ours(**call)
    assert str(caught.value).replace("AULlava", "Llava") == str(expected.value)


@pytest.mark.parametrize("name", TEMPLATES)
def test_renders_turns_as_stock_does(pair, name):
    ours, stock = pair
    turns, options = TEMPLATES[name]
    # A copy each, because transformers writes into the dictionary it is given.
    found, expected = (one.apply_chat_template(turns, **deepcopy(options)) for one in (ours, stock))
    if isinstance(expected, str):
        assert found == expected and "<image>" in found
        return
    assert_same(found, expected)
    pictures = 2 if name in ("two pictures", "a batch") else 1
    assert len(found["pixel_values"]) == pictures
    assert (found["input_ids"] == ours.image_token_id).sum() % pictures == 0


@pytest.mark.parametrize("tower", TOWERS)
def test_serving_engines_count_the_tokens_a_picture_takes(tower):
    """They ask the processor and the configuration before they have seen a picture."""
    processor, config = tiny_processor(tower), tiny_config(tower)
    ids = processor(images=PICTURES[0], text="<image>", return_tensors="pt")["input_ids"]
    counted = processor._get_num_multimodal_tokens(image_sizes=[[40, 32], [500, 400]])
    assert counted.num_image_tokens == [(ids == config.image_token_id).sum()] * 2 == [config.image_seq_length] * 2


def test_names_the_inputs_of_the_model(pair):
    ours, stock = pair
    assert ours.model_input_names == stock.model_input_names
    assert set(ours(**CALLS["one"])) == set(ours.model_input_names)


def test_writes_tokens_back_as_text(pair):
    ours, stock = pair
    ids = tokenizer()(["AU1=0 AU12=1</s>", "AU4=3</s>"], padding=True, return_tensors="pt")["input_ids"]
    for method in ("batch_decode", "post_process_image_text_to_text"):
        found = getattr(ours, method)(ids, skip_special_tokens=True)
        assert found == getattr(stock, method)(ids, skip_special_tokens=True) == ["AU1=0 AU12=1", "AU4=3"]
    assert ours.decode(ids[0]) == stock.decode(ids[0])


def test_a_saved_one_is_the_same(pair, tmp_path):
    ours, stock = pair
    ours.save_pretrained(tmp_path / "ours")
    stock.save_pretrained(tmp_path / "stock")
    names = {path.name for path in (tmp_path / "stock").iterdir()}
    assert {path.name for path in (tmp_path / "ours").iterdir()} == names >= {"chat_template.jinja", "tokenizer.json"}
    read = [json.loads((tmp_path / kind / "processor_config.json").read_text()) for kind in ("ours", "stock")]
    assert {read[0].pop("processor_class"), read[1].pop("processor_class")} == {"AULlavaProcessor", "LlavaProcessor"}
    assert read[0] == read[1]
    for folder in ("ours", "stock"):
        loaded = AULlavaProcessor.from_pretrained(tmp_path / folder)
        assert loaded.to_dict() == ours.to_dict()
        assert loaded.chat_template == ours.chat_template
        assert loaded.tokenizer.get_vocab() == ours.tokenizer.get_vocab()
        assert_same(loaded(**CALLS["one"], return_tensors="pt"), ours(**CALLS["one"], return_tensors="pt"))


def test_options_given_at_loading_hold(pair, tmp_path):
    ours, _ = pair
    ours.save_pretrained(tmp_path)
    loaded = AULlavaProcessor.from_pretrained(tmp_path, patch_size=4, padding_side="right", do_normalize=False)
    assert (loaded.patch_size, loaded.tokenizer.padding_side) == (4, "right")
    assert loaded.image_processor.do_normalize is False
