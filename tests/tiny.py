"""Tiny AU-LLaVA checkpoints with random but repeatable weights, for every test that needs a model.

`tiny_model(tower)` gives a fresh model and its processor in half a second; `make_tiny_checkpoint(folder, tower)` saves them as
training does: weights, configuration, processor, tokenizer and chat template, no code. `SMALL_RUN` are settings of train_sft.py.
`TOKENIZERS` are the kinds of tokenizers there are, all with the special tokens of the own one; `processor_with` puts one into a
processor.
"""

import json
import string
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    GenerationConfig,
    LlamaConfig,
    PreTrainedTokenizerFast,
)

from aullava.action_units import PROTOCOLS, question, render, value_of, value_strings
from aullava.configuration_aullava import AULlavaConfig
from aullava.modeling_aullava import AULlavaForConditionalGeneration
from aullava.processing_aullava import AULlavaProcessor
from aullava.training.model.scratch import ScratchArguments, build_config, build_processor
from aullava.training.model.tokenizer import build_tokenizer

TOWERS = ("swin", "clip")
SIZES = ScratchArguments(tower_width=8, tower_depths=[1, 1, 1], language_width=32, language_layers=2)
CLIP_SIDE, CLIP_PATCH = 32, 8

# What train_sft.py runs of a few seconds have in common, as its YAML file holds it.
SMALL_RUN = {
    "from_scratch": True,
    "tower_width": 24,
    "tower_depths": [1, 1],
    "language_width": 32,
    "language_layers": 1,
    "image_size": 48,
    "draw_size": 48,
    "save_steps": 2,
    "logging_steps": 1,
    "learning_rate": 1e-3,
    "activation_checkpointing": False,
    "bf16": False,
    "use_cpu": True,
    "report_to": "none",
    "disable_tqdm": True,
}

# Coarse random blocks, (40, 32, 3) uint8: pictures that even a random tower tells apart.
FACES = [b.repeat(8, 0).repeat(8, 1) for b in np.random.default_rng(0).integers(0, 256, (5, 5, 4, 3), np.uint8)]

tokenizer = cache(build_tokenizer)


def _texts():
    """Questions, and answers in which every value stands beside every unit."""
    for protocol in PROTOCOLS.values():
        yield question(protocol, "short")
        for value in value_strings(protocol.scale):
            yield render(dict.fromkeys(protocol.units, value_of(value, protocol.scale)), protocol)


def _wrapped(raw: Tokenizer) -> PreTrainedTokenizerFast:
    names = ("image", "user", "assistant")
    return PreTrainedTokenizerFast(
        tokenizer_object=raw,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        extra_special_tokens={f"{name}_token": token for name, token in zip(names, _specials()[3:], strict=True)},
        clean_up_tokenization_spaces=False,
        padding_side="left",
        chat_template=tokenizer().chat_template,
    )


def _specials() -> list[str]:
    return tokenizer().convert_ids_to_tokens(range(6))


def _byte_level(use_regex: bool) -> PreTrainedTokenizerFast:
    """As GPT-2. Without its regular expression merges know no words: " AU2=0 AU4=" becomes one token."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_regex)
    raw.decoder = decoders.ByteLevel()
    raw.train_from_iterator(
        _texts(),
        trainers.BpeTrainer(
            vocab_size=700,
            special_tokens=_specials(),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return _wrapped(raw)


def _sentencepiece(split_digits: bool) -> PreTrainedTokenizerFast:
    """As Llama: spaces are a sign of their own, one stands before every text, what is unknown is spelled in bytes. Where digits
    are not split, "AU2=0" becomes one token."""
    raw = Tokenizer(models.BPE())
    digits = [pre_tokenizers.Digits(individual_digits=True)] if split_digits else []
    raw.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(prepend_scheme="never"), *digits])
    alphabet = [*(sign for sign in string.printable if not sign.isspace()), "▁"]
    raw.train_from_iterator(
        _texts(),
        trainers.BpeTrainer(
            vocab_size=700, special_tokens=_specials(), initial_alphabet=alphabet, show_progress=False
        ),
    )
    model = json.loads(raw.to_str())["model"]
    vocabulary = model["vocab"] | {f"<0x{byte:02X}>": len(model["vocab"]) + byte for byte in range(256)}
    merges = [tuple(merge) for merge in model["merges"]]
    whole = Tokenizer(models.BPE(vocabulary, merges, byte_fallback=True, fuse_unk=True))
    whole.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    whole.pre_tokenizer = pre_tokenizers.Sequence(digits) if digits else None
    whole.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    whole.add_special_tokens(_specials())
    return _wrapped(whole)


# "spelling": no room for merges, so that every character is a token and a decimal takes four.
TOKENIZERS = {
    "own": tokenizer,
    "spelling": cache(lambda: build_tokenizer(vocabulary_size=262)),
    "byte level": cache(lambda: _byte_level(use_regex=True)),
    "sentencepiece": cache(lambda: _sentencepiece(split_digits=False)),
    "splitting digits": cache(lambda: _sentencepiece(split_digits=True)),
    "merging": cache(lambda: _byte_level(use_regex=False)),
}


def processor_with(name: str, tower: str = "swin") -> AULlavaProcessor:
    processor = tiny_processor(tower)
    return AULlavaProcessor(
        image_processor=processor.image_processor,
        tokenizer=TOKENIZERS[name](),
        patch_size=processor.patch_size,
        vision_feature_select_strategy=processor.vision_feature_select_strategy,
        num_additional_image_tokens=processor.num_additional_image_tokens,
        chat_template=processor.chat_template,
    )


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
        _randomize(model)
    words = tokenizer()
    model.generation_config = GenerationConfig(
        bos_token_id=words.bos_token_id, eos_token_id=words.eos_token_id, pad_token_id=words.pad_token_id
    )
    return model.eval(), tiny_processor(tower)


@torch.no_grad()
def _randomize(model, scale: float = 1.0) -> None:
    for parameter in model.parameters():
        if parameter.ndim > 1:
            parameter.normal_(0, scale * parameter.shape[-1] ** -0.5)


def reseed(model, seed: int, scale: float = 1.0):
    """The same model with other random weights, without building it anew."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        _randomize(model, scale)
    return model


@contextmanager
def count_passes(model):
    """How many forward passes of the language model are made: a list that grows by the tokens of each."""
    lengths = []
    handle = model.model.language_model.register_forward_pre_hook(
        lambda module, args, kwargs: lengths.append(kwargs["inputs_embeds"].shape[1]), with_kwargs=True
    )
    try:
        yield lengths
    finally:
        handle.remove()


def make_tiny_checkpoint(folder: str | Path, tower: str = "swin", seed: int = 0) -> Path:
    """Save a tiny checkpoint, without code, and return its folder."""
    model, processor = tiny_model(tower, seed)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return Path(folder)
