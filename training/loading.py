"""The model that a run starts from, and the checkpoint that it ends with."""

import os
import shutil
from pathlib import Path

import torch
from transformers import AutoModel

from aullava.modeling_aullava import AULlavaForConditionalGeneration
from aullava.processing_aullava import AULlavaProcessor
from aullava.training.arguments import ModelArguments
from aullava.training.decision import decision_files
from aullava.training.scratch import ScratchArguments, build_from_scratch


def load_for_training(
    arguments: ModelArguments, sizes: ScratchArguments
) -> tuple[AULlavaForConditionalGeneration, AULlavaProcessor]:
    """Model in float32 with the chosen parts frozen, and its processor."""
    if arguments.from_scratch:
        model, processor = build_from_scratch(sizes, arguments.model_seed)
        if arguments.tower is not None:
            warm = AutoModel.from_pretrained(arguments.tower, dtype=torch.float32)
            _copy_weights(warm, model.model.vision_tower, arguments.tower)
    else:
        model = AULlavaForConditionalGeneration.from_pretrained(arguments.checkpoint, dtype=torch.float32)
        processor = AULlavaProcessor.from_pretrained(arguments.checkpoint)
    _freeze(model, arguments)
    return model, processor


def _copy_weights(source: torch.nn.Module, target: torch.nn.Module, name: str) -> None:
    """Copy every tensor of the target from the source.

    Raises:
        ValueError: they differ in the names or shapes of their tensors.
    """
    found = {key: tuple(tensor.shape) for key, tensor in source.state_dict().items()}
    expected = {key: tuple(tensor.shape) for key, tensor in target.state_dict().items()}
    if differing := sorted(key for key in found | expected if found.get(key) != expected.get(key)):
        key = differing[0]
        raise ValueError(
            f"the tower in {name} does not fit the model in {len(differing)} tensors: {key} is {found.get(key)} there and "
            f"{expected.get(key)} here. Warm it up with the same scratch sizes"
        )
    target.load_state_dict(source.state_dict())


def _freeze(model: AULlavaForConditionalGeneration, arguments: ModelArguments) -> None:
    parts = {
        "freeze_tower": (model.model.vision_tower,),
        "freeze_projector": (model.model.multi_modal_projector,),
        "freeze_language_model": (model.model.language_model, model.lm_head),
    }
    for flag, modules in parts.items():
        for module in modules:
            module.requires_grad_(not getattr(arguments, flag))


def save_checkpoint(
    model: AULlavaForConditionalGeneration, processor: AULlavaProcessor, folder: str | Path, dtype: str
) -> Path:
    """Write weights, configuration and processor, and nothing of the training; the folder appears only when complete.

    The files of transformers' decision API are among them, except where it could not read this checkpoint, which is said.

    Args:
        dtype: precision of the saved weights. The configuration keeps the model's own, so that a small file is still loaded
            and computed in float32 on a CPU.
    """
    folder = Path(folder)
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    precision = getattr(torch, dtype)
    weights = {name: tensor.to(precision) for name, tensor in model.state_dict().items()}
    model.save_pretrained(partial, state_dict=weights)
    processor.save_pretrained(partial)
    try:
        for name, text in decision_files(processor, model.config).items():
            (partial / name).write_text(text, encoding="utf-8")
    except ValueError as error:
        print(f"the checkpoint comes without the files of the decision API: {error}")
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(partial, folder)
    return folder
