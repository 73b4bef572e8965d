"""The tower's warm-up: the regressor learns, the script runs, resumes and hands its tower to train_sft.py."""

import numpy as np
import pytest
import torch
import yaml
from transformers import EvalPrediction

from aullava.dataset_builder.chat.drawn_faces import DrawnFaceArguments
from aullava.training.arguments import ModelArguments
from aullava.training.model import tower
from aullava.training.model.base import load_for_training
from aullava.training.model.scratch import ScratchArguments, build_from_scratch, build_processor, tower_output_width
from aullava.training.model.tokenizer import build_tokenizer
from aullava.training.model.tower import ActionRegressor, action_loss, action_scores, collate
from aullava.training.model.tower_faces import ACTIONS, GEOMETRY, SIDES, TowerFaces

import forked

SIZES = ScratchArguments(image_size=48, tower_width=24, tower_depths=[1, 1], language_width=32, language_layers=1)
HYBRID = ScratchArguments(
    image_size=48, tower_kind="hybrid", tower_width=24, tower_depths=[1, 1, 1], language_width=32, language_layers=1
)


@pytest.mark.parametrize("sizes", [SIZES, HYBRID], ids=["swin", "hybrid"])
def test_regressor_learns_a_few_faces(sizes):
    torch.manual_seed(0)
    model, _ = build_from_scratch(sizes)
    regressor = ActionRegressor(
        model.model.vision_tower, model.config.image_seq_length, tower_output_width(sizes), len(ACTIONS)
    )
    pixels, targets = torch.randn(8, 3, sizes.image_size, sizes.image_size), torch.rand(8, len(ACTIONS))
    optimizer = torch.optim.AdamW(regressor.parameters(), lr=3e-3)
    first = regressor(pixels, targets)["loss"].item()
    for _ in range(40):
        regressor(pixels, targets)["loss"].backward()
        optimizer.step()
        optimizer.zero_grad()
    learnt = regressor(pixels, targets)
    assert learnt["logits"].shape == (8, 2, len(ACTIONS))
    assert learnt["loss"].item() < 0.6 * first
    strengths = learnt["logits"][:, 0].sigmoid()
    assert (strengths - targets).abs().mean().item() < 0.5 * (targets - targets.mean(0)).abs().mean().item()


def test_images_are_normalised_as_the_processor_does():
    generator = np.random.default_rng(0)
    images = [generator.integers(0, 256, (96, 96, 3), dtype=np.uint8) for _ in range(2)]
    rows = [{"strengths_A": np.zeros(len(ACTIONS), np.float32), "geometry_G": np.zeros(GEOMETRY, np.float32)}] * 2
    batch = collate([row | {"image_HWC": image} for row, image in zip(rows, images, strict=True)])
    processor = build_processor(ScratchArguments(), build_tokenizer())
    torch.testing.assert_close(batch["pixel_values"], processor.encode(images, "?")["pixel_values"], atol=1e-5, rtol=0)


def test_what_a_face_cannot_show_is_not_learnt_and_sides_are():
    logits = torch.zeros(4, 2, len(ACTIONS), requires_grad=True)
    strengths = torch.zeros(4, len(ACTIONS))
    strengths[:, 5] = torch.nan
    action_loss(logits, strengths).backward()
    assert (logits.grad[:, :, 5] == 0).all() and (logits.grad[:, :, 6] != 0).all()


def test_the_wrong_side_costs_more_than_its_two_values(monkeypatch):
    left, right = SIDES[0]
    strengths = torch.zeros(1, len(ACTIONS))
    strengths[0, left] = 0.9
    right_way, wrong_way = torch.zeros(2, 1, 2, len(ACTIONS))
    right_way[0, 0, [left, right]] = torch.tensor([2.0, -2.0])
    wrong_way[0, 0, [left, right]] = torch.tensor([-2.0, 2.0])
    cost = action_loss(wrong_way, strengths) - action_loss(right_way, strengths)
    monkeypatch.setattr(tower, "SIDES", ((6, 6),))  # no action has sides
    assert cost > action_loss(wrong_way, strengths) - action_loss(right_way, strengths) + 0.01


def test_scores_by_hand():
    strengths = np.zeros((4, len(ACTIONS)), np.float32)
    left, right = SIDES[0]
    strengths[:2, left] = 0.9  # present in two of four rows, on one side
    strengths[0, right] = 0.2  # a trace counts as absent
    strengths[:, 4] = np.nan
    logits = np.full((4, 2, len(ACTIONS)), -20.0, np.float32)
    logits[[0, 2], 1, left] = 20.0  # one hit, one false alarm, one miss
    logits[0, 0, left], logits[1, 0, right] = 20.0, 20.0  # the side is found once of twice
    scores = action_scores(EvalPrediction(predictions=logits, label_ids=strengths))
    assert scores["macro_f1"] == pytest.approx(0.5)
    assert {name for name in scores if name.startswith("f1_")} == {f"f1_{ACTIONS[left]}"}
    assert scores["side"] == pytest.approx(0.5)
    assert scores["auc"] == pytest.approx(0.5)
    known = 4 * (len(ACTIONS) - 1)
    assert scores["mae"] == pytest.approx((0.1 + 0.9 + 0.2 + 1.0) / known, rel=1e-4)


def test_drawn_faces_have_no_value_for_what_they_cannot_show():
    faces = TowerFaces(DrawnFaceArguments(faces=8, draw_size=48), 1.0, 8, None)
    rows = [faces[index] for index in range(8)]
    unknown = {a for a, v in zip(ACTIONS, rows[0]["strengths_A"], strict=True) if np.isnan(v)}
    assert unknown == {"AU11L", "AU11R", "AU13L", "AU13R", "AU22", "AU61", "AU62", "AU63", "AU64"}
    for row in rows:
        pair = [row["strengths_A"][ACTIONS.index(f"AU9{side}")] for side in "LR"]
        assert pair[0] == pair[1] >= 0  # drawn on both sides at once
        assert np.isnan(row["geometry_G"]).all() and row["image_HWC"].shape == (48, 48, 3)
    again = TowerFaces(DrawnFaceArguments(faces=8, draw_size=48), 1.0, 8, None)[3]
    assert (again["image_HWC"] == rows[3]["image_HWC"]).all()
    with pytest.raises(ValueError, match="there are no rendered heads"):
        TowerFaces(DrawnFaceArguments(), 0.5, 8, None)


def test_warm_up_runs_resumes_and_hands_on_its_tower(tmp_path):
    config = tmp_path / "tower.yaml"
    settings = {
        "output_dir": str(tmp_path / "run"),
        **{name: getattr(SIZES, name) for name in ("image_size", "tower_width", "tower_depths", "language_width")},
        "language_layers": 1,
        "draw_size": 48,
        "samples": 12,
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
