"""The recipes of the two networks run from rendered heads to weights that the package loads."""

import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from aullava.dataset_builder.synthetic.rendered.store import render_heads
from aullava.detection.networks import FinderNetwork, GeometryNetwork, folded

from checkout import ROOT


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("heads")
    render_heads("train", 0, 4, 112).save(folder / "train_0000000.npz")
    render_heads("validation", 0, 2, 112).save(folder / "validation_0000000.npz")
    return folder


@pytest.mark.parametrize(
    "module, flags, network",
    [
        ("train", ["--samples", "8", "--validation_samples", "2"], GeometryNetwork),
        ("finder", ["--scenes", "8", "--validation_scenes", "2"], FinderNetwork),
    ],
)
def test_a_recipe_trains_resumes_and_writes_weights(module, flags, network, folder, tmp_path):
    recipe = {"train": "geometry", "finder": "finder"}[module]
    command = [
        sys.executable,
        "-m",
        f"aullava.training.geometry.{module}",
        "--config",
        ROOT / f"configs/{recipe}.yaml",
    ]
    command += ["--heads", folder, "--output_dir", tmp_path / "run", *flags, "--per_device_train_batch_size", "4"]
    command += ["--save_steps", "1", "--eval_strategy", "no", "--warmup_steps", "0"]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "run/checkpoint-2").is_dir()
    weights = load_file(tmp_path / "run" / f"{recipe}.safetensors")
    made = network()
    made.load_state_dict({name: value.float() for name, value in weights.items()})
    assert all(value.dtype == torch.float16 for value in weights.values())
    assert sum(value.numel() for value in weights.values()) * 2 < 2**21
    again = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert again.returncode == 0 and "checkpoint-2" in again.stdout + again.stderr
    assert all(
        (value == weights[name]).all() for name, value in load_file(tmp_path / f"run/{recipe}.safetensors").items()
    )


@pytest.mark.parametrize("make, shape", [(GeometryNetwork, (3, 3, 64, 64)), (FinderNetwork, (1, 3, 64, 128))])
def test_folding_changes_no_output(make, shape):
    torch.manual_seed(0)
    network = make()
    pixels = torch.randn(shape)
    for _ in range(3):
        network(torch.randn(8, *shape[1:]))  # normalisations with figures of their own
    network.eval()
    with torch.inference_mode():
        before = network(pixels)
        assert torch.allclose(folded(network)(pixels), before, atol=1e-4)
    assert before.shape[1:] == ((142,) if make is GeometryNetwork else (4, 8, 16))
