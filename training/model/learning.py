"""What is trained: parts of the model, or LoRA adapters beside frozen weights.

Adapters go on every linear layer of the language model, and on request of the vision tower; head and embeddings stay frozen. The
projector is small and is trained whole. Source: Hu et al., LoRA, 2021 (arXiv 2106.09685); peft does the work.

Unused parameters of the tower are always frozen. LLaVA reads an inner layer of its tower: what comes after that layer, such as
CLIP's last one, is loaded and saved, but does not affect the answer. Counted as trainable it would falsify the table and cost
memory.
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
    """Freeze what the arguments say and what is unused, or add adapters. Trainable parameters become float32."""
    patches = getattr(getattr(model.model.vision_tower, "embeddings", None), "patch_embeddings", None)
    if hasattr(patches, "projection"):
        # Activation checkpointing asks for gradients of a tower's first output. Swin's and Hiera's patch layers return a tuple:
        # point it to the convolution inside.
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
    unused = unused_parameters(model.config)
    for name, parameter in model.named_parameters():
        if name in unused:
            parameter.requires_grad_(False)
        dtype = torch.float32 if parameter.requires_grad else getattr(torch, arguments.frozen_dtype)
        parameter.data = parameter.data.to(dtype)
    return model


def add_adapters(model: AULlavaForConditionalGeneration, arguments: ModelArguments) -> PeftModel:
    """The model with random adapters (seed: model_seed) that change nothing yet; only they and the projector are trained.

    Trainable parameters are float32 whatever the base is, except where sharding needs one precision for all.
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
    """Which layers of this model get adapters, for peft. An unused layer gets none."""
    patterns = [_linear_layers(model, "model.language_model")]
    if arguments.lora_tower:
        patterns.append(_linear_layers(model, "model.vision_tower"))
    unused = {name.rpartition(".")[0] for name in unused_parameters(model.config)}
    return LoraConfig(
        r=arguments.lora_r,
        lora_alpha=arguments.lora_alpha or 2 * arguments.lora_r,
        lora_dropout=arguments.lora_dropout,
        target_modules="|".join(patterns),
        exclude_modules=_any_of(unused) if arguments.lora_tower and unused else None,
        modules_to_save=None if arguments.freeze_projector else ["multi_modal_projector"],
    )


def _linear_layers(model: nn.Module, part: str) -> str:
    """A pattern that matches the linear layers of a part of the model by the last piece of their names."""
    layers = model.get_submodule(part).named_modules()
    leaves = {name.rpartition(".")[2] for name, layer in layers if isinstance(layer, nn.Linear)}
    return rf".*\b{re.escape(part.rpartition('.')[2])}\..*\b{_any_of(leaves)}"


def _any_of(names: set[str]) -> str:
    return f"({'|'.join(map(re.escape, sorted(names)))})"


def empty_model(config: AULlavaConfig) -> AULlavaForConditionalGeneration:
    """The model on the meta device, in float32 whatever the configuration says: its tensors have a shape and no content."""
    with torch.device("meta"):
        return AULlavaForConditionalGeneration(config).to(torch.float32)


def unused_parameters(config: AULlavaConfig) -> set[str]:
    """Names of the tower's parameters that the image features do not depend on, found by a backward pass on the meta device."""
    model = empty_model(config)
    side = config.vision_config.image_size
    features = model.get_image_features(pixel_values=torch.zeros(1, 3, side, side, device="meta")).pooler_output
    named = {name: parameter for name, parameter in model.named_parameters() if name.startswith("model.vision_tower.")}
    gradients = torch.autograd.grad(sum(f.sum() for f in features), list(named.values()), allow_unused=True)
    return {name for name, gradient in zip(named, gradients, strict=True) if gradient is None}
