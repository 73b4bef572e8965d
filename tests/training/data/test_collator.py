"""Batches of turns: what carries a label, padding, and turns that share an image."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from aullava.action_units import PROTOCOLS, SCALES, Protocol, value_strings
from aullava.dataset_builder.chat.drawn_faces import DrawnFaceArguments, drawn_faces
from aullava.dataset_builder.chat.turns import make_description, make_turn
from aullava.training.data.collator import TurnCollator
from aullava.training.data.turn_tokens import IGNORED, UNITS
from aullava.training.model.scratch import ScratchArguments, build_processor
from aullava.training.model.tokenizer import build_tokenizer

from tiny import TOKENIZERS, TOWERS, processor_with, tiny_model


@pytest.fixture(scope="module")
def processor():
    return build_processor(ScratchArguments(), build_tokenizer())


def row(name: str, value: float) -> dict:
    protocol = PROTOCOLS[name]
    image = Image.fromarray(np.full((96, 96, 3), 40 * (1 + len(name)), np.uint8))
    return picture_row(image, make_turn(dict.fromkeys(protocol.units, value), protocol, "short"))


def picture_row(image: Image.Image, *turns) -> dict:
    return {"images": [image], "turns": list(turns), "row": "a/b"}


def test_values_and_the_end_carry_labels(processor):
    batch = TurnCollator(processor, template_loss_fraction=0.0)([row("disfa", 3), row("feafa", 0.25)])
    decode = processor.tokenizer.decode
    said = [[decode([token]) for token in labels if token != IGNORED] for labels in batch["labels"].tolist()]
    assert said == [["3"] * 12 + ["</s>"], ["0.25"] * 24 + ["</s>"]]


def test_with_every_template_token_the_labels_are_the_answer(processor):
    rows = [row("disfa", 3), row("bp4d", 1)]
    batch = TurnCollator(processor, template_loss_fraction=1.0)(rows)
    for labels, entry in zip(batch["labels"].tolist(), rows, strict=True):
        answer = entry["turns"][0].answer
        assert processor.tokenizer.decode([token for token in labels if token != IGNORED]) == answer + "</s>"


def test_template_tokens_carry_labels_in_their_share_and_repeatably(processor):
    rows = [row("feafa", value / 100) for value in range(100)]
    collator = TurnCollator(processor, template_loss_fraction=0.2)
    labels = collator(rows)["labels"]
    literals = (labels != IGNORED).sum().item() - 100 * 25
    assert literals / (100 * 24) == pytest.approx(0.2, abs=0.04)
    assert torch.equal(labels, collator(rows)["labels"])


def test_masked_values_are_labels_where_they_would_stand(processor):
    decode = processor.tokenizer.decode
    rows = [row("disfa", 3), row("feafa", 0.25), row("bp4d", 1)]
    shown = TurnCollator(processor, template_loss_fraction=0.0)(rows)
    hidden = TurnCollator(processor, template_loss_fraction=0.0, mask_rate=1.0)(rows)
    for index, value, entry in ((0, "3", rows[0]), (1, "0.25", rows[1]), (2, "1", rows[2])):
        answer = entry["turns"][0].answer
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
    batch = TurnCollator(processor, mask_rate=1.0, layout="instruction_first")(rows)
    protocol = PROTOCOLS["bp4d"]
    text = make_turn(dict.fromkeys(protocol.units, 1), protocol, "short").question
    asked = processor.encode(rows[0]["images"], text, "instruction_first")["input_ids"]
    assert torch.equal(batch["input_ids"][:, : asked.shape[1]], asked)
    usual = TurnCollator(processor, mask_rate=1.0)(rows)["input_ids"]
    assert usual.shape == batch["input_ids"].shape and not torch.equal(usual, batch["input_ids"])


def test_values_are_masked_in_their_share_of_the_images(processor):
    protocol = PROTOCOLS["bp4d"]
    turn = make_turn(dict.fromkeys(protocol.units, 0), protocol, "short")
    noise = np.random.default_rng(0).integers(0, 256, (200, 96, 96, 3), np.uint8)
    rows = [picture_row(Image.fromarray(image), turn) for image in noise]
    collator = TurnCollator(processor, mask_rate=0.3)
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


@pytest.fixture(scope="module")
def drawn_rows():
    """Four images with one to four turns, in short and full questions, and one description."""
    faces = drawn_faces(DrawnFaceArguments(faces=4, draw_size=48, turns_per_face=4, custom_share=0.3, full_share=0.3))
    rows = [row | {"turns": row["turns"][: number + 1]} for number, row in enumerate(faces)]
    rows[1]["turns"].append(make_description({"AU4": 1}, Protocol("custom", ("AU4",), "occurrence")))
    return rows


def forward(model, batch: dict) -> tuple[torch.Tensor, torch.Tensor]:
    """Minus log-likelihood of every label, in the order of the turns, and the gradient of their sum."""
    inputs = {name: value for name, value in batch.items() if name != "labels"}
    logits_BLV, labels_BL = model(**inputs).logits[:, :-1], batch["labels"][:, 1:]
    learnt = labels_BL != IGNORED
    losses = torch.nn.functional.cross_entropy(logits_BLV[learnt], labels_BL[learnt], reduction="none")
    model.zero_grad()
    losses.sum().backward()
    return losses.detach(), torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


@pytest.mark.parametrize("tower", TOWERS)
@pytest.mark.parametrize("hidden", [0.0, 0.5])
def test_packed_turns_have_the_loss_and_the_gradient_of_rows_of_their_own(drawn_rows, tower, hidden):
    model, processor = tiny_model(tower)
    one_by_one = TurnCollator(processor, 0.3, hidden)
    packed = replace(one_by_one, packed=True)
    rows_loss, rows_gradient = forward(model, one_by_one(drawn_rows))
    packed_loss, packed_gradient = forward(model, packed(drawn_rows))
    assert packed(drawn_rows)["input_ids"].shape[0] == 4 and one_by_one(drawn_rows)["input_ids"].shape[0] == 11
    assert rows_loss.shape == packed_loss.shape and torch.allclose(rows_loss, packed_loss, atol=1e-4)
    assert torch.allclose(rows_gradient, packed_gradient, atol=1e-4 * rows_gradient.abs().max())


def test_a_packed_turn_does_not_see_the_others(drawn_rows):
    model, processor = tiny_model()
    collator = TurnCollator(processor, 1.0, packed=True)
    three = drawn_rows[3] | {"turns": drawn_rows[3]["turns"][:3]}
    whole, _ = forward(model, collator([drawn_rows[3]]))
    fewer, _ = forward(model, collator([three]))
    assert torch.allclose(whole[: len(fewer)], fewer, atol=1e-5)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("hidden", [0.0, 1.0])
@pytest.mark.parametrize("name", TOKENIZERS)
def test_slots_say_where_the_values_are_learnt(drawn_rows, name, hidden, packed):
    processor = processor_with(name)
    batch = TurnCollator(processor, 0.1, hidden, packed=packed, extras=True)(drawn_rows)
    expected = []
    for entry in drawn_rows:
        for turn in entry["turns"]:
            units, scale = turn.protocol.units if turn.kind != "description" else (), turn.protocol.scale
            values = [piece.split(",")[0].split(" ")[0] for piece in turn.answer.split("=")[1:]]
            expected += [(unit, scale, value) for unit, value in zip(units, values, strict=True)]
    found = [
        (UNITS[u], list(SCALES)[s], value_strings(list(SCALES)[s])[v]) for _, _, u, s, v in batch["slots"].tolist()
    ]
    assert found == expected
    decode = processor.tokenizer.decode
    for (index, column, *_), (_, _, value) in zip(batch["slots"].tolist(), expected, strict=True):
        said = decode(batch["labels"][index, column : column + 1]).strip()
        assert said and value.startswith(said)
        if hidden:
            assert batch["input_ids"][index, column] != batch["labels"][index, column] or not packed
    assert batch["turns"] == 11 and batch["rows"] == [entry["row"] for entry in drawn_rows]


def test_a_description_is_learnt_whole(processor, drawn_rows):
    described = drawn_rows[1] | {"turns": drawn_rows[1]["turns"][-1:]}
    labels = TurnCollator(processor, template_loss_fraction=0.0)([described])["labels"][0]
    assert processor.tokenizer.decode(labels[labels != IGNORED]) == described["turns"][0].answer + "</s>"


def test_turns_cannot_share_a_image_that_comes_last(processor):
    with pytest.raises(ValueError, match="packed=True with layout='instruction_first'"):
        TurnCollator(processor, layout="instruction_first", packed=True)
