"""LoRA: small matrices that learn beside the frozen weights of a base.

Adapters sit on every linear layer of the language model, and of the vision tower on request; the head and the embeddings stay as
they are. The projector is small and learns whole. Source: Hu et al., LoRA, 2021 (arXiv 2106.09685); peft does the work.
"""

import re

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn
from transformers import set_seed
from transformers.integrations import is_deepspeed_zero3_enabled

from aullava.modeling_aullava import AULlavaForConditionalGeneration
from aullava.training.arguments import ModelArguments
from aullava.training.model.unreached import unreached_parameters

PROJECTOR = "multi_modal_projector"


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
        modules_to_save=None if arguments.freeze_projector else [PROJECTOR],
    )


def _linear_layers(model: nn.Module, part: str) -> str:
    """A pattern of the linear layers' names in a part of the model; they are told by the last piece of the name."""
    module = model.get_submodule(part)
    leaves = {name.rpartition(".")[2] for name, layer in module.named_modules() if isinstance(layer, nn.Linear)}
    return rf".*\b{re.escape(part.rpartition('.')[2])}\..*\b{_any_of(leaves)}"


def _any_of(names: set[str]) -> str:
    return f"({'|'.join(map(re.escape, sorted(names)))})"
