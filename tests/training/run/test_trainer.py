"""AUTrainer on a tiny model and drawn faces: the same arithmetic as SFTTrainer, losses on values, guard, speed."""

import json
import math
from functools import partial

import pytest
import torch
from datasets import Dataset
from transformers import TrainerCallback
from trl import SFTConfig, SFTTrainer

from aullava.dataset_builder.chat.drawn_faces import DrawnFaceArguments, drawn_faces
from aullava.training.data.collator import TurnCollator
from aullava.training.run.losses import LOSSES, LossArguments, count_values
from aullava.training.run.trainer import BAD_BATCH, AUTrainer, BadLossError, LossGuard, count_tokens, score_labels

from tiny import tiny_model

FACES = DrawnFaceArguments(faces=8, draw_size=32, turns_per_face=2)
OWN = [name for name in LOSSES if name != "cross_entropy"]


@pytest.fixture(scope="module")
def rows():
    """Plain rows: what is measured here is not how they are drawn."""
    return list(drawn_faces(FACES))


@pytest.fixture(scope="module")
def counts(rows):
    return count_values(turn for row in rows for turn in row["turns"])


def value_loss(kind: str, counts):
    return None if kind == "cross_entropy" else partial(LOSSES[kind], arguments=LossArguments(kind), counts=counts)


def make(folder, rows, trainer=AUTrainer, packed=False, extras=True, collate=None, own=None, callbacks=(), **changes):
    model, processor = tiny_model("clip")
    settings = {
        "output_dir": str(folder),
        "max_steps": 1,
        "per_device_train_batch_size": 4,
        "learning_rate": 1e-2,
        "optim": "sgd",  # Adam would make whole steps of rounding errors
        "logging_steps": 1,
        "lr_scheduler_type": "constant",
        "use_cpu": True,
        "bf16": False,
        "report_to": "none",
        "disable_tqdm": True,
        "activation_checkpointing": False,
        "save_strategy": "no",
        "remove_unused_columns": False,
        "dataset_kwargs": {"skip_prepare_dataset": True},
        "max_length": None,
        "max_grad_norm": 0.0,
        "seed": 0,
    }
    numbered = Dataset.from_dict({"n": range(len(rows))}).with_transform(
        lambda batch: {key: [rows[n][key] for n in batch["n"]] for key in ("images", "turns", "row")}
    )
    return trainer(
        model=model,
        args=SFTConfig(**settings | changes),
        data_collator=collate or TurnCollator(processor, 0.2, 0.5, packed=packed, extras=extras),
        train_dataset=numbered,
        eval_dataset=numbered,
        processing_class=processor,
        callbacks=list(callbacks),
        **({"value_loss": own} if own else {}),
    )


def trained(*args, **changes):
    """Logs of the steps, and the weights after them."""
    trainer = make(*args, **changes)
    trainer.train()
    logs = [entry for entry in trainer.state.log_history if "loss" in entry]
    return logs, {name: tensor.detach().clone() for name, tensor in trainer.model.state_dict().items()}


def close(first, second, tolerance=1e-5):
    return all(torch.allclose(first[name].float(), second[name].float(), atol=tolerance) for name in first)


@pytest.mark.parametrize("packed", [False, True])
def test_cross_entropy_is_that_of_sft_trainer(tmp_path, rows, packed):
    ours, our_weights = trained(tmp_path, rows, packed=packed, max_steps=2)
    theirs, their_weights = trained(tmp_path, rows, SFTTrainer, packed=packed, extras=False, max_steps=2)
    for name in ("loss", "grad_norm", "entropy", "mean_token_accuracy"):
        assert [log[name] for log in ours] == [log[name] for log in theirs]
    assert all(torch.equal(our_weights[name], their_weights[name]) for name in our_weights)


@pytest.mark.parametrize("packed", [False, True])
def test_the_stand_in_for_the_fused_head_gives_what_that_gives(tmp_path, rows, packed):
    trainer = make(tmp_path, rows, packed=packed)
    batch = trainer.data_collator(rows[:3])
    slots = batch.pop("slots")
    del batch["rows"], batch["turns"]
    plain = trainer.model(**batch, fused_lm_head=True)

    head, seen = trainer.model.get_output_embeddings(), []

    def as_is(tokens):
        seen.append(tokens)
        return LOSSES["cross_entropy"](tokens, LossArguments(), {})

    ours = score_labels(trainer.model, head, as_is, slots, **batch, fused_lm_head=True)
    # The hidden states are those that the head made the logits from, and a loss on them reaches the model.
    assert torch.allclose(head(seen[0].hidden_SD).float(), seen[0].logits_SV, atol=1e-5)
    assert seen[0].hidden_SD.requires_grad and seen[0].hidden_SD.shape[0] == len(slots)
    assert torch.equal(ours.label_mask, plain.label_mask) and torch.equal(ours.is_top1, plain.is_top1)
    assert torch.allclose(ours.log_probs, plain.log_probs, atol=1e-5)
    assert torch.allclose(ours.entropy, plain.entropy, atol=1e-5)

    marked = score_labels(trainer.model, head, lambda _: torch.full((len(slots),), 7.0), slots, **batch)
    at = slots[:, 0], slots[:, 1] - 1
    assert (marked.log_probs[at] == -7).all()
    assert (marked.log_probs == -7).sum() == len(slots)
    rest = plain.log_probs.clone()
    rest[at] = -7
    assert torch.allclose(marked.log_probs, rest, atol=1e-5)


@pytest.mark.parametrize("kind", LOSSES)
def test_two_half_batches_make_a_whole_one(tmp_path, rows, counts, kind):
    own = value_loss(kind, counts)
    whole, weights = trained(tmp_path, rows[:4], own=own, seed=1)
    halves, half_weights = trained(
        tmp_path, rows[:4], own=own, seed=1, per_device_train_batch_size=2, gradient_accumulation_steps=2
    )
    assert halves[0]["loss"] == pytest.approx(whole[0]["loss"], rel=1e-5)
    assert halves[0]["grad_norm"] == pytest.approx(whole[0]["grad_norm"], rel=1e-4)
    assert halves[0]["num_tokens"] == whole[0]["num_tokens"] and halves[0]["num_turns"] == whole[0]["num_turns"] == 8
    assert close(weights, half_weights)


@pytest.mark.parametrize("kind", OWN)
def test_own_losses_train_packed_turns_as_rows_of_their_own(tmp_path, rows, counts, kind):
    own = value_loss(kind, counts)
    apart, weights = trained(tmp_path, rows, own=own)
    packed, packed_weights = trained(tmp_path, rows, own=own, packed=True)
    assert packed[0]["loss"] == pytest.approx(apart[0]["loss"], rel=1e-4)
    assert packed[0]["grad_norm"] == pytest.approx(apart[0]["grad_norm"], rel=1e-3)
    plain, _ = trained(tmp_path, rows)
    assert packed[0]["loss"] != pytest.approx(plain[0]["loss"], rel=1e-3)


@pytest.mark.parametrize("kind", OWN)
def test_the_loss_falls(tmp_path, rows, counts, kind):
    own = value_loss(kind, counts)
    logs, _ = trained(tmp_path, rows[:4], own=own, max_steps=8, learning_rate=5e-3, optim="adamw_torch")
    assert logs[-1]["loss"] < 0.8 * logs[0]["loss"]


def test_evaluation_always_takes_cross_entropy(tmp_path, rows, counts):
    plain = make(tmp_path, rows).evaluate()
    own = make(tmp_path, rows, own=value_loss("inverse_frequency", counts)).evaluate()
    assert own["eval_loss"] == plain["eval_loss"]
    assert own["eval_mean_token_accuracy"] == plain["eval_mean_token_accuracy"]


def test_tokens_are_counted_without_padding_and_pairs(tmp_path, rows):
    apart = make(tmp_path, rows).data_collator(rows)
    packed = make(tmp_path, rows, packed=True).data_collator(rows)
    images, turns = len(rows), 2 * len(rows)
    shared = (packed["position_ids"][0] == 0).nonzero()  # the prefix begins once
    assert len(shared) >= 1
    prefix = apart["input_ids"][0].tolist()
    image = max(place for place, token in enumerate(prefix) if token == prefix[prefix.index(3)])
    assert count_tokens(apart["attention_mask"]) == apart["attention_mask"].sum()
    assert count_tokens(packed["attention_mask"]) == apart["attention_mask"].sum() - (turns - images) * (image + 1)
    logs, _ = trained(tmp_path, rows, packed=True, per_device_train_batch_size=8)
    assert logs[0]["num_tokens"] == count_tokens(packed["attention_mask"])


def test_speed_is_logged_in_turns_and_tokens(tmp_path, rows):
    logs, _ = trained(tmp_path, rows, max_steps=4, logging_steps=2)
    assert [log["num_turns"] for log in logs] == [16, 32]
    for log in logs:
        assert log["turns_per_second"] > 0
    tokens = [logs[0]["num_tokens"], logs[1]["num_tokens"] - logs[0]["num_tokens"]]
    for log, count in zip(logs, tokens, strict=True):
        assert log["tokens_per_second"] / log["turns_per_second"] == pytest.approx(count / 16)


class Poisoned:
    """A collator that gives the images of a batch with a certain row no numbers."""

    def __init__(self, collate, row: str):
        self.collate, self.row = collate, row

    def __call__(self, rows):
        batch = self.collate(rows)
        if self.row in batch["rows"]:
            batch["pixel_values"] = batch["pixel_values"] * math.nan
        return batch


class KeepWeights(TrainerCallback):
    """Holds the last weights that a step made."""

    def on_step_end(self, args, state, control, model, **kwargs):
        self.step, self.weights = state.global_step, [p.detach().clone() for p in model.parameters()]


def test_a_loss_that_is_no_number_stops_the_run_and_names_its_rows(tmp_path, rows):
    keep = KeepWeights()
    collate = make(tmp_path, rows).data_collator
    options = {"max_steps": 4, "per_device_train_batch_size": 1, "gradient_accumulation_steps": 2}
    trainer = make(tmp_path, rows, collate=Poisoned(collate, rows[5]["row"]), callbacks=[keep], **options)
    with pytest.raises(BadLossError, match="expected a finite number") as caught:
        trainer.train()
    told = json.loads((tmp_path / BAD_BATCH).read_text())
    assert told == {"step": keep.step + 1, "loss": ["nan"], "rows": [[rows[5]["row"]]]}
    assert str(tmp_path / BAD_BATCH) in str(caught.value)
    # Nothing was learnt from it.
    assert all(torch.equal(*pair) for pair in zip(keep.weights, trainer.model.parameters(), strict=True))
    assert all(weight.isfinite().all() for weight in keep.weights)


def test_an_exploding_loss_stops_the_run(tmp_path, rows):
    trainer = make(tmp_path, rows, max_steps=40, learning_rate=1e-5)
    trainer._guard = LossGuard(ratio=3.0, warm_up=3)
    scale = {3: 1e3}

    class Explode(TrainerCallback):
        def on_step_end(self, args, state, control, model, **kwargs):
            model.lm_head.weight.data *= scale.get(state.global_step, 1)

    trainer.add_callback(Explode())
    with pytest.raises(BadLossError, match="the loss of step 4 is .*expected at most"):
        trainer.train()
    told = json.loads((tmp_path / BAD_BATCH).read_text())
    assert told["step"] == 4 and told["loss"][0] > 30 and len(told["rows"][0]) == 4


def test_the_guard_measures_a_batch_by_its_own_labels(tmp_path, rows):
    """Whatever the number of accumulated batches, it compares means."""
    seen = []
    trainer = make(tmp_path, rows, per_device_train_batch_size=2, gradient_accumulation_steps=4)
    trainer._guard.passes = lambda losses: seen.extend(losses) or True
    trainer.train()
    batches = list(trainer.get_train_dataloader())
    initial = make(tmp_path, rows)
    for loss, batch in zip(seen, batches, strict=True):
        inputs = {name: batch[name] for name in batch if name not in ("slots", "rows", "turns")}
        assert initial.model(**inputs).loss.item() == pytest.approx(loss, rel=1e-4)


def test_the_guard_waits_for_its_median():
    guard = LossGuard(ratio=5.0, warm_up=3)
    assert guard.passes([100.0]) and guard.passes([0.2]) and guard.passes([0.2]) and guard.limit == 5.0
    assert guard.passes([4.9]) and guard.passes([0.2]) and guard.limit == 5.0  # not five times 0.2
    assert not guard.passes([5.1]) and not guard.passes([0.1, math.inf]) and not guard.passes([math.nan])
    high = LossGuard(ratio=5.0, warm_up=1)
    assert high.passes([3.0]) and high.passes([15.0]) and not LossGuard().passes([-math.inf])
    off = LossGuard(ratio=0.0, warm_up=1)
    assert off.passes([1.0]) and off.passes([1e9]) and not off.passes([math.nan])


def test_missing_slots_are_refused(tmp_path, rows, counts):
    own = value_loss("inverse_frequency", counts)
    with pytest.raises(ValueError, match="extras=True"):
        make(tmp_path, rows, own=own, extras=False).train()
