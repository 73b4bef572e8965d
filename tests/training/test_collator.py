"""Batches of turns: what carries a label, and padding."""

import numpy as np
import pytest
import torch
from PIL import Image

from aullava.action_units import PROTOCOLS
from aullava.dataset_builder.turns import make_turn, to_messages
from aullava.training.collator import IGNORED, TurnCollator
from aullava.training.scratch import ScratchArguments, build_processor
from aullava.training.tokenizer import build_tokenizer


@pytest.fixture(scope="module")
def processor():
    return build_processor(ScratchArguments(), build_tokenizer())


def row(name: str, value: float) -> dict:
    protocol = PROTOCOLS[name]
    picture = Image.fromarray(np.full((96, 96, 3), 40 * (1 + len(name)), np.uint8))
    return {"images": [picture], **to_messages(make_turn(dict.fromkeys(protocol.units, value), protocol, "short"))}


def test_values_and_the_end_carry_labels(processor):
    batch = TurnCollator(processor, literal_share=0.0)([row("disfa", 3), row("feafa", 0.25)])
    decode = processor.tokenizer.decode
    said = [[decode([token]) for token in labels if token != IGNORED] for labels in batch["labels"].tolist()]
    assert said == [["3"] * 12 + ["</s>"], ["0.25"] * 24 + ["</s>"]]


def test_with_every_literal_the_labels_are_the_answer(processor):
    rows = [row("disfa", 3), row("bp4d", 1)]
    batch = TurnCollator(processor, literal_share=1.0)(rows)
    for labels, entry in zip(batch["labels"].tolist(), rows, strict=True):
        answer = entry["completion"][0]["content"][0]["text"]
        assert processor.tokenizer.decode([token for token in labels if token != IGNORED]) == answer + "</s>"


def test_literals_carry_labels_in_their_share_and_repeatably(processor):
    rows = [row("feafa", value / 100) for value in range(100)]
    collator = TurnCollator(processor, literal_share=0.2)
    labels = collator(rows)["labels"]
    literals = (labels != IGNORED).sum().item() - 100 * 25
    assert literals / (100 * 24) == pytest.approx(0.2, abs=0.04)
    assert torch.equal(labels, collator(rows)["labels"])


def test_rows_of_different_length_are_padded_on_the_right(processor):
    rows = [row("bp4d", 1), row("feafa", 0.5)]
    together = TurnCollator(processor)(rows)
    for index, entry in enumerate(rows):
        alone = TurnCollator(processor)([entry])
        length = alone["input_ids"].shape[1]
        for key, filler in (
            ("input_ids", processor.tokenizer.pad_token_id),
            ("attention_mask", 0),
            ("labels", IGNORED),
        ):
            assert torch.equal(together[key][index, :length], alone[key][0])
            assert (together[key][index, length:] == filler).all()
        assert torch.equal(together["pixel_values"][index], alone["pixel_values"][0])
    assert together["pixel_values"].shape == (2, 3, 96, 96)


def test_the_prompt_is_the_one_that_inference_asks(processor):
    protocol = PROTOCOLS["bp4d"]
    entry = row("bp4d", 1)
    batch = TurnCollator(processor)([entry])
    asked = processor.encode(entry["images"], make_turn(dict.fromkeys(protocol.units, 1), protocol, "short").question)
    length = asked["input_ids"].shape[1]
    assert torch.equal(batch["input_ids"][:, :length], asked["input_ids"])
    assert torch.equal(batch["pixel_values"], asked["pixel_values"])
