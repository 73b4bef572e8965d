"""The model that a run starts from: a base or random weights, with what shall learn set to learn."""

import torch
from peft import PeftModel
from transformers import AutoModel

from aullava.modeling_aullava import AULlavaForConditionalGeneration
from aullava.processing_aullava import AULlavaProcessor
from aullava.training.arguments import ModelArguments
from aullava.training.model.adapters import add_adapters
from aullava.training.model.bases import load_base
from aullava.training.model.scratch import ScratchArguments, build_from_scratch
from aullava.training.model.unreached import unreached_parameters


def load_for_training(
    arguments: ModelArguments, sizes: ScratchArguments
) -> tuple[AULlavaForConditionalGeneration | PeftModel, AULlavaProcessor]:
    """Model and its processor. What learns is float32, what is frozen `frozen_dtype`; with LoRA the model is peft's.

    Raises:
        ValueError: the base cannot be used (bases.py), the tower does not fit, or packed turns would not be kept apart.
    """
    dtype = getattr(torch, arguments.frozen_dtype)
    if arguments.from_scratch:
        model, processor = build_from_scratch(sizes, arguments.model_seed)
        if arguments.attn_implementation is not None:
            model.set_attn_implementation(arguments.attn_implementation)
    else:
        model, processor = load_base(
            arguments.checkpoint, dtype, arguments.prompt_layout, arguments.attn_implementation, arguments.load_in_4bit
        )
    if arguments.tower is not None:
        warm = AutoModel.from_pretrained(arguments.tower, dtype=torch.float32)
        _copy_weights(warm, model.model.vision_tower, arguments.tower)
    attention = model.config.text_config._attn_implementation
    if arguments.packed and attention != "sdpa":
        raise ValueError(
            f"packed=True, but transformers chose the attention {attention!r} for this model, which does not keep packed turns "
            "apart: set attn_implementation to sdpa, or leave packed out"
        )
    return set_to_learn(model, arguments), processor


def set_to_learn(
    model: AULlavaForConditionalGeneration, arguments: ModelArguments
) -> AULlavaForConditionalGeneration | PeftModel:
    """Freeze what the arguments say and what no gradient reaches, or add adapters; what learns becomes float32."""
    _show_patches(model.model.vision_tower)
    if arguments.lora_r:
        return add_adapters(model, arguments)
    _freeze(model, arguments)
    for parameter in model.parameters():
        parameter.data = parameter.data.to(
            torch.float32 if parameter.requires_grad else getattr(torch, arguments.frozen_dtype)
        )
    return model


def _show_patches(tower: torch.nn.Module) -> None:
    """Activation checkpointing asks for gradients of a tower's first output, which of Swin's and Hiera's patches is a tuple: show
    it the convolution inside."""
    patches = getattr(getattr(tower, "embeddings", None), "patch_embeddings", None)
    if hasattr(patches, "projection"):
        tower.get_input_embeddings = lambda: patches.projection


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
    unreached = unreached_parameters(model.config)
    for name, parameter in model.named_parameters():
        if name in unreached:
            parameter.requires_grad_(False)
