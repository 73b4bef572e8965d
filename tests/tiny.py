"""Tiny AU-LLaVA checkpoints with random but repeatable weights, for every test that needs a model.

`tiny_model(tower)` gives a fresh model and its processor in half a second; `make_tiny_checkpoint(folder, tower)` saves them as
training does: weights, configuration, processor, tokenizer and chat template, no code.
"""

from functools import cache
from pathlib import Path

import numpy as np
import torch
from transformers import CLIPImageProcessorPil, CLIPVisionConfig, GenerationConfig, LlamaConfig

from aullava.configuration_aullava import AULlavaConfig
from aullava.modeling_aullava import AULlavaForConditionalGeneration
from aullava.processing_aullava import AULlavaProcessor
from aullava.training.scratch import ScratchArguments, build_config, build_processor
from aullava.training.tokenizer import build_tokenizer

TOWERS = ("swin", "clip")
SIZES = ScratchArguments(tower_width=8, tower_depths=[1, 1, 1], language_width=32, language_layers=2)
CLIP_SIDE, CLIP_PATCH = 32, 8

# Coarse random blocks, (40, 32, 3) uint8: pictures that even a random tower tells apart.
FACES = [b.repeat(8, 0).repeat(8, 1) for b in np.random.default_rng(0).integers(0, 256, (5, 5, 4, 3), np.uint8)]

tokenizer = cache(build_tokenizer)


def tiny_config(tower: str = "swin") -> AULlavaConfig:
    """Swin: 96 px, 36 image tokens, layer -1, strategy "full". CLIP: 32 px, 16 tokens, layer -2, strategy "default"."""
    if tower == "swin":
        return build_config(SIZES, tokenizer())
    if tower != "clip":
        raise ValueError(f"tower {tower!r}: expected one of {TOWERS}")
    vision = CLIPVisionConfig(
        image_size=CLIP_SIDE,
        patch_size=CLIP_PATCH,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        projection_dim=16,
    )
    text = LlamaConfig(
        vocab_size=len(tokenizer()),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        bos_token_id=tokenizer().bos_token_id,
        eos_token_id=tokenizer().eos_token_id,
        pad_token_id=tokenizer().pad_token_id,
    )
    return AULlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=tokenizer().convert_tokens_to_ids("<image>"),
        image_seq_length=(CLIP_SIDE // CLIP_PATCH) ** 2,
        projector_hidden_act="linear",
    )


def tiny_processor(tower: str = "swin") -> AULlavaProcessor:
    if tower == "swin":
        return build_processor(SIZES, tokenizer())
    side = {"height": CLIP_SIDE, "width": CLIP_SIDE}
    return AULlavaProcessor(
        image_processor=CLIPImageProcessorPil(size=side, crop_size=side),
        tokenizer=tokenizer(),
        patch_size=CLIP_PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=tokenizer().chat_template,
    )


def tiny_model(tower: str = "swin", seed: int = 0) -> tuple[AULlavaForConditionalGeneration, AULlavaProcessor]:
    """A float32 model in evaluation mode and its processor. Weights are wide enough for answers to differ between pictures."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AULlavaForConditionalGeneration(tiny_config(tower))
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim > 1:
                    parameter.normal_(0, parameter.shape[-1] ** -0.5)
    words = tokenizer()
    model.generation_config = GenerationConfig(
        bos_token_id=words.bos_token_id, eos_token_id=words.eos_token_id, pad_token_id=words.pad_token_id
    )
    return model.eval(), tiny_processor(tower)


def make_tiny_checkpoint(folder: str | Path, tower: str = "swin", seed: int = 0) -> Path:
    """Save a tiny checkpoint, without code, and return its folder."""
    model, processor = tiny_model(tower, seed)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return Path(folder)
