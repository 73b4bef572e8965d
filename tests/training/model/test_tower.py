"""The tower's warm-up: the regressor learns, the script runs, resumes and hands its tower to train_sft.py."""

import numpy as np
import pytest
import torch
import yaml
from transformers import EvalPrediction

from aullava.dataset_builder.synthetic.drawn import ACTIONS
from aullava.training.arguments import ModelArguments
from aullava.training.model.base import load_for_training
from aullava.training.model.scratch import ScratchArguments, build_from_scratch, build_processor, tower_output_width
from aullava.training.model.tokenizer import build_tokenizer
from aullava.training.model.tower import ActionRegressor, collate_strengths, presence_f1

import forked

SIZES = ScratchArguments(image_size=48, tower_width=24, tower_depths=[1, 1], language_width=32, language_layers=1)


def test_regressor_learns_a_few_faces():
    torch.manual_seed(0)
    model, _ = build_from_scratch(SIZES)
    regressor = ActionRegressor(model.model.vision_tower, model.config.image_seq_length, tower_output_width(SIZES), 3)
    pixels, targets = torch.randn(8, 3, 48, 48), torch.rand(8, 3)
    optimizer = torch.optim.AdamW(regressor.parameters(), lr=3e-3)
    first = regressor(pixels, targets)["loss"].item()
    for _ in range(40):
        regressor(pixels, targets)["loss"].backward()
        optimizer.step()
        optimizer.zero_grad()
    learnt = regressor(pixels, targets)
    assert learnt["logits"].shape == (8, 2, 3)
    assert learnt["loss"].item() < 0.6 * first
    strengths = learnt["logits"][:, 0].sigmoid()
    assert (strengths - targets).abs().mean().item() < 0.5 * (targets - targets.mean(0)).abs().mean().item()


def test_images_are_normalised_as_the_processor_does():
    generator = np.random.default_rng(0)
    images = [generator.integers(0, 256, (96, 96, 3), dtype=np.uint8) for _ in range(2)]
    batch = collate_strengths([{"image_HWC": image, "strengths": [0.0] * len(ACTIONS)} for image in images])
    processor = build_processor(ScratchArguments(), build_tokenizer())
    torch.testing.assert_close(batch["pixel_values"], processor.encode(images, "?")["pixel_values"], atol=1e-5, rtol=0)


def test_presence_f1_by_hand():
    strengths = np.zeros((4, len(ACTIONS)), np.float32)
    strengths[:2, 0] = 0.9  # present in two of four rows
    strengths[0, 1] = 0.2  # a trace counts as absent
    logits = np.full((4, 2, len(ACTIONS)), -20.0, np.float32)
    logits[[0, 2], 1, 0] = 20.0  # one hit, one false alarm, one miss
    scores = presence_f1(EvalPrediction(predictions=logits, label_ids=strengths))
    assert scores["macro_f1"] == pytest.approx(0.5)
    assert {name for name in scores if name.startswith("f1_")} == {f"f1_{ACTIONS[0]}"}
    assert scores["mae"] == pytest.approx((0.9 + 0.9 + 0.2) / (4 * len(ACTIONS)))


def test_warm_up_runs_resumes_and_hands_on_its_tower(tmp_path):
    config = tmp_path / "tower.yaml"
    settings = {
        "output_dir": str(tmp_path / "run"),
        **{name: getattr(SIZES, name) for name in ("image_size", "tower_width", "tower_depths", "language_width")},
        "language_layers": 1,
        "draw_size": 48,
        "faces": 12,
        "validation_faces": 4,
        "per_device_train_batch_size": 4,
        "max_steps": 2,
        "save_steps": 1,
        "use_cpu": True,
        "report_to": "none",
        "disable_tqdm": True,
    }

    def warm_up(**changes):
        config.write_text(yaml.safe_dump({**settings, **changes}))
        return forked.run("-m", "aullava.training.model.tower", "--config", config, cwd=tmp_path)

    first = warm_up()
    assert first.returncode == 0, first.stderr[-3000:]
    small = warm_up(draw_size=64)
    assert small.returncode != 0
    assert "draw_size is 64, image_size is 48" in small.stderr
    again = warm_up()
    assert again.returncode == 0
    assert "step 2 of 2" in again.stdout
    other = warm_up(learning_rate=1e-4)
    assert other.returncode != 0
    assert "learning_rate was 5e-05, is 0.0001" in other.stderr

    tower = str(tmp_path / "run" / "tower")
    warm, _ = load_for_training(ModelArguments(from_scratch=True, tower=tower, freeze_tower=True), SIZES)
    cold, processor = load_for_training(ModelArguments(from_scratch=True), SIZES)
    names = dict(warm.model.vision_tower.named_parameters())
    assert not any(parameter.requires_grad for parameter in names.values())
    assert warm.lm_head.weight.requires_grad
    assert any(not torch.equal(p, names[n]) for n, p in cold.model.vision_tower.named_parameters())
    cold.save_pretrained(tmp_path / "cold")
    processor.save_pretrained(tmp_path / "cold")
    exchanged, _ = load_for_training(ModelArguments(checkpoint=str(tmp_path / "cold"), tower=tower), SIZES)
    assert all(torch.equal(p, names[n]) for n, p in exchanged.model.vision_tower.named_parameters())
    assert torch.equal(exchanged.lm_head.weight, cold.lm_head.weight)
    wider = ScratchArguments(**{**vars(SIZES), "tower_width": 48})
    with pytest.raises(ValueError, match="does not fit the model"):
        load_for_training(ModelArguments(from_scratch=True, tower=tower), wider)
