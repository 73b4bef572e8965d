"""Weights that a stranger can load: every parameter of the model is in the files, no other, and each value is a number."""

from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors import safe_open

from aullava.configuration_aullava import AULlavaConfig
from aullava.modeling_aullava import AULlavaForConditionalGeneration

_SHOWN = 5  # names in a message


def check_weights(folder: Path, files: Iterable[str]) -> None:
    """Compare the files with the model that config.json describes, which is built without memory for its weights.

    Args:
        folder: of the checkpoint.
        files: names of its safetensors files.

    Raises:
        ValueError: keys are missing or too many, a shape differs, or a value is NaN or infinite.
    """
    found: dict[str, tuple[int, ...]] = {}
    broken = []
    for name in files:
        with safe_open(folder / name, framework="pt") as file:
            for key in file.offset_keys():
                tensor = file.get_tensor(key)
                if key in found:
                    raise ValueError(f"{folder}: {key} is in {name} and in another file of weights: save it again")
                found[key] = tuple(tensor.shape)
                if tensor.is_floating_point() and not torch.isfinite(tensor).all():
                    broken.append(key)
    if broken:
        raise ValueError(f"{folder}: NaN or infinite values in {_some(broken)}: its training went wrong")
    with torch.device("meta"):
        model = AULlavaForConditionalGeneration(AULlavaConfig.from_pretrained(folder))
    expected = {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}
    tied = {*model.all_tied_weights_keys}  # may be left out: they share another's values
    if missing := sorted(expected.keys() - found.keys() - tied):
        raise ValueError(
            f"{folder} holds no weights for {_some(missing)}, which would be random: save it with this package's classes"
        )
    if unknown := sorted(found.keys() - expected.keys()):
        raise ValueError(f"{folder} holds weights that its config.json has no place for: {_some(unknown)}")
    for key, shape in found.items():
        if shape != expected[key]:
            raise ValueError(f"{folder}: {key} has shape {shape}, but its config.json says {expected[key]}")


def _some(keys: list[str]) -> str:
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return ", ".join(keys[:_SHOWN]) + more
