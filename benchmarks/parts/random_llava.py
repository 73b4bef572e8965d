"""A LLaVA of usual make with random weights, the same in every run: what a benchmark measures where nothing can be downloaded."""

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    GenerationConfig,
    LlamaConfig,
    PreTrainedTokenizerFast,
)

from aullava.action_units import PROTOCOLS, WORDINGS, question, render, value_of, value_strings
from aullava.configuration_aullava import AULlavaConfig
from aullava.modeling_aullava import AULlavaForConditionalGeneration
from aullava.processing_aullava import AULlavaProcessor
from aullava.training.model.tokenizer import CHAT_TEMPLATE


def byte_level_tokenizer(digits: int) -> PreTrainedTokenizerFast:
    """Byte-level BPE that cuts text into words, numbers and signs, trained on our texts.

    Args:
        digits: the most that one token holds: 1 as in Llama 2, Mistral and Qwen 2, 3 as in Llama 3.
    """
    words = Tokenizer(models.BPE())
    cuts = (
        rf"[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,{digits}}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    words.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(cuts), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    words.decoder = decoders.ByteLevel()
    specials = ["<pad>", "<s>", "</s>", "<image>", "<|user|>", "<|assistant|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=2048, special_tokens=specials, initial_alphabet=alphabet, show_progress=False
    )
    words.train_from_iterator(_texts(), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        extra_special_tokens={"image_token": "<image>", "user_token": "<|user|>", "assistant_token": "<|assistant|>"},
        clean_up_tokenization_spaces=False,
        padding_side="left",
        chat_template=CHAT_TEMPLATE,
    )


def _texts():
    for protocol in PROTOCOLS.values():
        yield from (question(protocol, "full", wording) for wording in range(WORDINGS))
        yield question(protocol, "short")
        for string in value_strings(protocol.scale):
            yield render(dict.fromkeys(protocol.units, value_of(string, protocol.scale)), protocol)


def large_model(quick: bool, digits: int):
    """Random weights, the same in every run. CLIP-B/16 and a Llama of 768 x 12; small ones of the same make if `quick`."""
    words = byte_level_tokenizer(digits)
    side, patch, width, layers, heads = (32, 8, 64, 2, 2) if quick else (224, 16, 768, 12, 12)
    shape = {"hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads}
    tower = CLIPVisionConfig(image_size=side, patch_size=patch, intermediate_size=4 * width, **shape)
    ends = {f"{name}_token_id": getattr(words, f"{name}_token_id") for name in ("bos", "eos", "pad")}
    language = LlamaConfig(
        vocab_size=len(words), intermediate_size=width * 8 // 3, num_key_value_heads=heads, **shape, **ends
    )
    config = AULlavaConfig(
        vision_config=tower,
        text_config=language,
        image_token_index=words.convert_tokens_to_ids("<image>"),
        image_seq_length=(side // patch) ** 2,
        question_form="short",
    )
    torch.manual_seed(0)
    model = AULlavaForConditionalGeneration(config)
    # Else the weights would say 1.00 half of the time, which is read in fewer passes; most values of a face begin with 0.
    zero, one = words.convert_tokens_to_ids(["0", "1"])
    model.lm_head.weight.data[one] = model.lm_head.weight.data[zero]
    model.generation_config = GenerationConfig(**ends)
    square = {"height": side, "width": side}
    processor = AULlavaProcessor(
        image_processor=CLIPImageProcessorPil(size=square, crop_size=square),
        tokenizer=words,
        patch_size=patch,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHAT_TEMPLATE,
    )
    return model.eval(), processor
