"""The recipes of configs/ for real bases: every key is one that train_sft.py knows, and what they would train is what they say."""

import json
import re
import shutil
import sys

import pytest
import yaml
from rich.console import Console

from aullava.training.model.base import base_config
from aullava.training.model.footprint import count_parameters, describe_model
from aullava.training.model.learning import empty_model, set_to_learn
from aullava.training.run.settings import parse_run

from checkout import ROOT
from tiny import tiny_config

RECIPES = sorted(
    path.name for path in (ROOT / "configs").glob("*.yaml") if path.name.startswith(("llava_", "locllm_"))
)
TOWER, PROJECTOR, LANGUAGE, ADAPTERS = (
    "vision tower",
    "projector",
    "language model: layers",
    "language model: adapters",
)
LEARNING = {  # recipe -> parts of which something learns, besides the embeddings and the head
    "llava_7b_1_align.yaml": {PROJECTOR},
    "llava_7b_2_finetune.yaml": {PROJECTOR, ADAPTERS, "vision tower: adapters"},
    "llava_7b_full_fsdp.yaml": {PROJECTOR, LANGUAGE},
    "llava_7b_lora.yaml": {PROJECTOR, ADAPTERS},
    "llava_7b_qlora.yaml": {PROJECTOR, ADAPTERS},
    "llava_interleave_0.5b_full.yaml": {TOWER, PROJECTOR, LANGUAGE},
    "locllm_like.yaml": {PROJECTOR, ADAPTERS, "vision tower: adapters"},
}
LLAVA_7B = {  # the fields of llava-1.5-7b-hf's config.json that decide sizes
    "model_type": "llava",
    "image_token_index": 32000,
    "text_config": {"model_type": "llama", "max_position_embeddings": 4096, "vocab_size": 32064},
    "vision_config": {
        "model_type": "clip_vision_model",
        "hidden_size": 1024,
        "image_size": 336,
        "intermediate_size": 4096,
        "num_attention_heads": 16,
        "num_hidden_layers": 24,
        "patch_size": 14,
    },
}


def parse(recipe, *flags: str):
    """(model, sizes, data, reading, training) as train_sft.py gets them."""
    run = parse_run(["--config", str(recipe), "--use_cpu", "true", *flags])
    return run.base, run.sizes, run.data, run.readings, run.training


def test_every_recipe_is_known_here():
    assert set(RECIPES) == set(LEARNING)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_parses_and_says_how_to_start_it_and_that_it_was_not_run(name):
    path = ROOT / "configs" / name
    arguments, _, data, reading, training = parse(path)
    assert arguments.checkpoint
    assert data.corpora and len(data.data_dirs) == len(data.folds) == len(data.corpora)
    assert training.output_dir == f"outputs/{path.stem}"
    assert training.bf16 and training.activation_checkpointing
    assert training.eval_steps == training.save_steps
    # The best checkpoint is chosen by what was read, unless nothing is.
    assert training.load_best_model_at_end == (training.metric_for_best_model == "macro_f1") == (reading.read_rows > 0)
    assert not reading.read_rows or set(reading.read_protocols) == set(data.corpora)
    head = "".join(line for line in path.read_text().splitlines(keepends=True) if line.startswith("#"))
    assert f"train_sft.py --config configs/{name}" in head
    assert "--data_dirs /path/to/" in head
    assert "Not run here" in head
    assert head.count("/path/to/") == len(data.corpora)


@pytest.mark.parametrize("name", RECIPES)
def test_what_learns_is_what_the_recipe_is_for(name, tmp_path):
    """With a tiny base in the place of the real one; no weights are read."""
    tiny_config("clip").save_pretrained(tmp_path)
    arguments, sizes, data, _, training = parse(ROOT / "configs" / name, "--checkpoint", str(tmp_path))
    model = set_to_learn(empty_model(base_config(str(tmp_path))), arguments)
    learning = {part for part, (learns, _) in count_parameters(model).items() if learns}
    assert learning - {"language model: embeddings", "language model: head"} == LEARNING[name]
    console = Console(width=120, record=True, file=sys.stderr)
    console.print(describe_model(arguments, sizes, training, turns=data.turns_per_image))
    assert training.optim.value in console.export_text()


def test_the_7b_lora_recipe_counts_the_7b_model(tmp_path):
    """By hand: Vicuna-7B and 64 rows more in embeddings and head, CLIP-L, the projector; adapters are rank x (in + out)."""
    (tmp_path / "config.json").write_text(json.dumps(LLAVA_7B))
    arguments, *_ = parse(ROOT / "configs" / "llava_7b_lora.yaml", "--checkpoint", str(tmp_path))
    counts = count_parameters(set_to_learn(empty_model(base_config(str(tmp_path))), arguments))
    assert sum(frozen for _, frozen in counts.values()) == (6_738_415_616 + 64 * 2 * 4096) + 303_507_456 + 20_979_712
    assert counts[ADAPTERS][0] == 32 * 128 * (4 * (4096 + 4096) + 3 * (4096 + 11008))
    assert counts[PROJECTOR] == ((1024 + 1) * 4096 + (4096 + 1) * 4096, 0)


def test_the_memory_of_the_7b_recipe_is_shared_by_devices_but_for_activations(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(LLAVA_7B))
    base, sizes, _, _, training = parse(ROOT / "configs" / "llava_7b_lora.yaml", "--checkpoint", str(tmp_path))
    console = Console(width=120, record=True, file=sys.stderr)
    console.print(describe_model(base, sizes, training))
    text = console.export_text().partition("Estimated memory")[2]
    names = ("weights", "gradients", "optimizer", "activations", "all")
    parts = {name: [float(cell) for cell in re.search(rf"│ {name} +│(.*)│", text)[1].split("│")] for name in names}
    assert parts["weights"][0] == pytest.approx(7.06e9 * 2 / 2**30, rel=0.1)  # 16 bits a frozen weight
    for place, devices in enumerate((1, 2, 4, 8)):
        assert parts["all"][place] == pytest.approx(sum(parts[name][place] for name in names[:-1]), abs=0.03)
        assert parts["activations"][place] == parts["activations"][0] > 0
        for name in names[:3]:
            assert parts[name][place] == pytest.approx(parts[name][0] / devices, abs=0.01)


def test_flags_win_and_unknown_keys_are_errors(tmp_path):
    recipe = shutil.copy(ROOT / "configs" / "llava_7b_lora.yaml", tmp_path)
    arguments, _, data, _, _ = parse(recipe, "--lora_r", "4", "--data_dirs", "/somewhere/DISFA")
    assert (arguments.lora_r, arguments.lora_alpha, data.data_dirs) == (4, 256, ["/somewhere/DISFA"])
    wrong = yaml.safe_load((tmp_path / recipe).read_text()) | {"lora_rank": 4}
    (tmp_path / "wrong.yaml").write_text(yaml.safe_dump(wrong))
    with pytest.raises(ValueError, match="lora_rank"):
        parse(tmp_path / "wrong.yaml")
    with pytest.raises(ValueError, match="lora_r=128 with freeze_language_model=True"):
        parse(recipe, "--freeze_language_model", "true")
