"""The table says what trains: two real steps move exactly the parameters that it counts as learning."""

import io
import shutil
from collections import Counter
from pathlib import Path

import pytest
import torch
from rich.console import Console
from trl import SFTConfig, SFTTrainer

from aullava.dataset_builder.chat.drawn_faces import DrawnFaceArguments, drawn_faces
from aullava.training.arguments import ModelArguments
from aullava.training.data.collator import TurnCollator
from aullava.training.model.base import load_for_training
from aullava.training.model.footprint import count_parameters, describe_model, part_of, what_trains
from aullava.training.model.scratch import ScratchArguments

from tiny import SIZES, TOWERS, make_tiny_checkpoint

FACES = DrawnFaceArguments(faces=4, draw_size=48, turns_per_face=2)
TOWER, PROJECTOR, ADAPTERS = "vision tower", "projector", "language model: adapters"
WORDS = {"language model: embeddings", "language model: layers", "language model: head"}
STAGES = {  # what is set -> the parts that learn
    "full": ({}, {TOWER, PROJECTOR, *WORDS}),
    "frozen tower": ({"freeze_tower": True}, {PROJECTOR, *WORDS}),
    "alignment": ({"freeze_tower": True, "freeze_language_model": True}, {PROJECTOR}),
    "LoRA": ({"lora_r": 2, "lora_dropout": 0.1}, {PROJECTOR, ADAPTERS}),
    "LoRA, tower": ({"lora_r": 2, "lora_tower": True}, {PROJECTOR, ADAPTERS, "vision tower: adapters"}),
    "LoRA, no projector": ({"lora_r": 2, "freeze_projector": True}, {ADAPTERS}),
}


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    return {tower: str(make_tiny_checkpoint(tmp_path_factory.mktemp(tower), tower)) for tower in TOWERS}


def settings(folder, **changes) -> SFTConfig:
    return SFTConfig(
        output_dir=str(folder),
        max_steps=2,
        per_device_train_batch_size=2,
        learning_rate=1e-2,
        activation_checkpointing=False,
        bf16=False,
        use_cpu=True,
        report_to="none",
        disable_tqdm=True,
        save_strategy="no",
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
        **changes,
    )


@pytest.mark.parametrize("tower", TOWERS)
@pytest.mark.parametrize("stage", STAGES)
def test_two_steps_move_what_the_table_counts_and_nothing_else(bases, tmp_path, stage, tower):
    changes, parts = STAGES[stage]
    model, processor = load_for_training(ModelArguments(checkpoint=bases[tower], **changes), ScratchArguments())
    counts = count_parameters(model)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    learning = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    trainer = SFTTrainer(
        model=model,
        args=settings(tmp_path),
        data_collator=TurnCollator(processor, template_loss_fraction=0.5),
        train_dataset=drawn_faces(FACES),
        processing_class=processor,
    )
    trainer.train()
    after = dict(trainer.model.named_parameters())
    assert after.keys() == before.keys()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == learning
    assert {part_of(name) for name in moved} == parts
    sizes = Counter()
    for name, parameter in before.items():
        sizes[part_of(name), name in moved] += parameter.numel()
    assert counts == {part: (sizes[part, True], sizes[part, False]) for part in counts}
    assert "other" not in counts


def test_the_dry_run_shows_the_same_table_and_reads_no_more_than_the_config(bases, tmp_path):
    changes = {"lora_r": 2, "lora_tower": True}
    model, _ = load_for_training(ModelArguments(checkpoint=bases["clip"], **changes), ScratchArguments())
    shutil.copy(Path(bases["clip"], "config.json"), tmp_path)
    console = Console(width=120, record=True, file=io.StringIO())
    arguments = ModelArguments(checkpoint=str(tmp_path), **changes)
    console.print(describe_model(arguments, ScratchArguments(), settings(tmp_path)))
    described = console.export_text()
    console.print(what_trains(model))
    loaded = console.export_text()
    assert described[: described.index("Estimated")].rstrip() == loaded.rstrip()
    assert "vision tower: adapters" in loaded
    assert "whole, or DDP" in described and "sharded over 8" in described


def test_the_dry_run_counts_turns_and_their_packing(bases, tmp_path):
    def batch(**changes) -> str:
        console = Console(width=120, record=True, file=io.StringIO())
        arguments = ModelArguments(checkpoint=bases["clip"], **changes)
        console.print(describe_model(arguments, ScratchArguments(), settings(tmp_path), turns=3, text_tokens=50))
        return console.export_text()

    assert "batch of 6 x 66 tokens" in batch()
    assert "batch of 2 x 166 tokens" in batch(packed=True)


def test_the_dry_run_of_a_model_from_scratch(tmp_path):
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(describe_model(ModelArguments(from_scratch=True), SIZES, settings(tmp_path)))
    model, _ = load_for_training(ModelArguments(from_scratch=True), SIZES)
    assert f"{sum(p.numel() for p in model.parameters() if p.requires_grad):,}" in console.export_text()
