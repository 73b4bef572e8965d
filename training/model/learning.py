"""What learns: parts of the model that are set free or frozen, or LoRA adapters beside frozen weights.

Adapters sit on every linear layer of the language model, and of the vision tower on request; the head and the embeddings stay as
they are. The projector is small and learns whole. Source: Hu et al., LoRA, 2021 (arXiv 2106.09685); peft does the work.

Nothing of the tower learns that no gradient reaches. LLaVA reads an inner layer of its tower: what comes behind that layer, CLIP's
last one for instance, is loaded and saved, but the answer does not depend on it. Counted as learning it would make the table wrong,
and cost memory.
"""

import re

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn
from transformers import set_seed
from transformers.integrations import is_deepspeed_zero3_enabled

from aullava.configuration_aullava import AULlavaConfig
from aullava.modeling_aullava import AULlavaForConditionalGeneration
from aullava.training.arguments import ModelArguments


def set_to_learn(
    model: AULlavaForConditionalGeneration, arguments: ModelArguments
) -> AULlavaForConditionalGeneration | PeftModel:
    """Freeze what the arguments say and what no gradient reaches, or add adapters; what learns becomes float32."""
    patches = getattr(getattr(model.model.vision_tower, "embeddings", None), "patch_embeddings", None)
    if hasattr(patches, "projection"):
        # Activation checkpointing asks for gradients of a tower's first output, which of Swin's and Hiera's patches is a tuple:
        # show it the convolution inside.
        model.model.vision_tower.get_input_embeddings = lambda: patches.projection
    if arguments.lora_r:
        return add_adapters(model, arguments)
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
        dtype = torch.float32 if parameter.requires_grad else getattr(torch, arguments.frozen_dtype)
        parameter.data = parameter.data.to(dtype)
    return model


def add_adapters(model: AULlavaForConditionalGeneration, arguments: ModelArguments) -> PeftModel:
    """The model with random adapters (seed: model_seed) that change nothing yet; only they and the projector learn.

    What learns is float32 whatever the base is, except where the trainer's sharding wants one precision for all.
    """
    set_seed(arguments.model_seed)
    one_precision = is_deepspeed_zero3_enabled()
    adapted = get_peft_model(model, lora_config(model, arguments), autocast_adapter_dtype=not one_precision)
    if not one_precision:
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.to(torch.float32)
    return adapted


def lora_config(model: AULlavaForConditionalGeneration, arguments: ModelArguments) -> LoraConfig:
    """What peft is told: which layers of this very model get adapters. A layer that no gradient reaches gets none."""
    patterns = [_linear_layers(model, "model.language_model")]
    if arguments.lora_tower:
        patterns.append(_linear_layers(model, "model.vision_tower"))
    unreached = {name.rpartition(".")[0] for name in unreached_parameters(model.config)}
    return LoraConfig(
        r=arguments.lora_r,
        lora_alpha=arguments.lora_alpha or 2 * arguments.lora_r,
        lora_dropout=arguments.lora_dropout,
        target_modules="|".join(patterns),
        exclude_modules=_any_of(unreached) if arguments.lora_tower and unreached else None,
        modules_to_save=None if arguments.freeze_projector else ["multi_modal_projector"],
    )


def _linear_layers(model: nn.Module, part: str) -> str:
    """A pattern of the linear layers' names in a part of the model; they are told by the last piece of the name."""
    layers = model.get_submodule(part).named_modules()
    leaves = {name.rpartition(".")[2] for name, layer in layers if isinstance(layer, nn.Linear)}
    return rf".*\b{re.escape(part.rpartition('.')[2])}\..*\b{_any_of(leaves)}"


def _any_of(names: set[str]) -> str:
    return f"({'|'.join(map(re.escape, sorted(names)))})"


def empty_model(config: AULlavaConfig) -> AULlavaForConditionalGeneration:
    """The model without weights, as float32 whatever the configuration says: its tensors have a shape and no content."""
    with torch.device("meta"):
        return AULlavaForConditionalGeneration(config).to(torch.float32)


def unreached_parameters(config: AULlavaConfig) -> set[str]:
    """Names of the tower's parameters that the image features do not depend on, found by a backward pass without numbers."""
    model = empty_model(config)
    side = config.vision_config.image_size
    features = model.get_image_features(pixel_values=torch.zeros(1, 3, side, side, device="meta")).pooler_output
    named = {name: parameter for name, parameter in model.named_parameters() if name.startswith("model.vision_tower.")}
    gradients = torch.autograd.grad(sum(f.sum() for f in features), list(named.values()), allow_unused=True)
    return {name for name, gradient in zip(named, gradients, strict=True) if gradient is None}
