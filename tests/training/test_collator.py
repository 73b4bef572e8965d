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


def test_hidden_values_are_labels_where_they_would_stand(processor):
    decode = processor.tokenizer.decode
    rows = [row("disfa", 3), row("feafa", 0.25), row("bp4d", 1)]
    shown = TurnCollator(processor, literal_share=0.0)(rows)
    hidden = TurnCollator(processor, literal_share=0.0, hidden_share=1.0)(rows)
    for index, value, entry in ((0, "3", rows[0]), (1, "0.25", rows[1]), (2, "1", rows[2])):
        answer = entry["completion"][0]["content"][0]["text"]
        pairs = zip(hidden["input_ids"][index].tolist(), hidden["labels"][index].tolist()[1:], strict=False)
        taught = [(decode([token]), decode([label])) for token, label in pairs if label != IGNORED]
        assert [label for _, label in taught] == [value] * answer.count("=")
        assert all(token.endswith("=") for token, _ in taught)
        # The rest of the row is untouched: putting the values back gives the row in which they are seen.
        mask = hidden["attention_mask"][index].bool()
        kept = hidden["input_ids"][index][mask].tolist()
        whole = shown["input_ids"][index][shown["attention_mask"][index].bool()].tolist()
        assert [token for token in whole if decode([token]) != value] == kept or value in "01"
        assert kept[-1] == processor.tokenizer.eos_token_id and len(kept) == len(whole) - answer.count("=")


def test_the_instruction_may_come_first(processor):
    rows = [row("bp4d", 1)]
    batch = TurnCollator(processor, hidden_share=1.0, layout="instruction_first")(rows)
    protocol = PROTOCOLS["bp4d"]
    text = make_turn(dict.fromkeys(protocol.units, 1), protocol, "short").question
    asked = processor.encode(rows[0]["images"], text, "instruction_first")["input_ids"]
    assert torch.equal(batch["input_ids"][:, : asked.shape[1]], asked)
    usual = TurnCollator(processor, hidden_share=1.0)(rows)["input_ids"]
    assert usual.shape == batch["input_ids"].shape and not torch.equal(usual, batch["input_ids"])


def test_values_are_hidden_in_their_share_of_the_pictures(processor):
    protocol = PROTOCOLS["bp4d"]
    turn = to_messages(make_turn(dict.fromkeys(protocol.units, 0), protocol, "short"))
    noise = np.random.default_rng(0).integers(0, 256, (200, 96, 96, 3), np.uint8)
    rows = [{"images": [Image.fromarray(image)], **turn} for image in noise]
    collator = TurnCollator(processor, hidden_share=0.3)
    lengths = collator(rows)["attention_mask"].sum(1)
    assert (lengths == lengths.min()).float().mean().item() == pytest.approx(0.3, abs=0.08)
    assert torch.equal(lengths, collator(rows)["attention_mask"].sum(1))


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
