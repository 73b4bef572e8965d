"""A small LLaVA with random weights, its configuration and its processor, for `--from_scratch`.

The tower is a stock Swin: hierarchical, and stock LLaVA takes its last hidden states unmodified. The projector is the
stock two-matrix one with a linear activation: the paper's one linear map.
"""

from dataclasses import dataclass, field

import torch
from transformers import (
    CLIPImageProcessorPil,
    GenerationConfig,
    LlamaConfig,
    PreTrainedTokenizerFast,
    SwinConfig,
    set_seed,
)

from aullava.configuration_aullava import AULlavaConfig
from aullava.modeling_aullava import AULlavaForConditionalGeneration
from aullava.processing_aullava import AULlavaProcessor
from aullava.training.model.tokenizer import build_tokenizer

MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


@dataclass
class ScratchArguments:
    """Sizes of a model built from scratch."""

    image_size: int = field(default=96, metadata={"help": "Side of the square input image, in pixels."})
    tower_width: int = field(
        default=48, metadata={"help": "Channels of the Swin tower's first stage; each stage doubles them."}
    )
    tower_depths: list[int] = field(
        default_factory=lambda: [1, 2, 3],
        metadata={"help": "Blocks of each Swin stage; every stage after the first halves the grid."},
    )
    language_width: int = field(default=192, metadata={"help": "Hidden size of the language model."})
    language_layers: int = field(default=3, metadata={"help": "Layers of the language model."})
    vocabulary_size: int = field(default=1536, metadata={"help": "Largest size of the tokenizer's vocabulary."})


PATCH = 4  # pixels a side of a first-stage token


def build_config(sizes: ScratchArguments, tokenizer: PreTrainedTokenizerFast) -> AULlavaConfig:
    """Configuration of a tiny AU-LLaVA; one image is (image_size / (4 * 2 ** (stages - 1))) squared tokens."""
    stages = len(sizes.tower_depths)
    vision = SwinConfig(
        image_size=sizes.image_size,
        patch_size=PATCH,
        embed_dim=sizes.tower_width,
        depths=sizes.tower_depths,
        num_heads=[max(1, sizes.tower_width * 2**stage // 24) for stage in range(stages)],
        window_size=6,
        drop_path_rate=0.0,
        use_absolute_embeddings=True,  # only its position tells a left eye from a right one
    )
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=sizes.language_width,
        intermediate_size=sizes.language_width * 8 // 3 // 32 * 32,
        num_hidden_layers=sizes.language_layers,
        num_attention_heads=sizes.language_width // 32,
        num_key_value_heads=sizes.language_width // 32,
        max_position_embeddings=2048,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=False,
    )
    return AULlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        projector_hidden_act="linear",
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        image_seq_length=(sizes.image_size // token_side(sizes)) ** 2,
        question_form="short",
        tie_word_embeddings=False,
    )


def token_side(sizes: ScratchArguments) -> int:
    """Side of the square that one image token covers, in pixels."""
    return PATCH * 2 ** (len(sizes.tower_depths) - 1)


def tower_output_width(sizes: ScratchArguments) -> int:
    """Channels of an image token: the first stage's, doubled by every further stage."""
    return sizes.tower_width * 2 ** (len(sizes.tower_depths) - 1)


def build_processor(sizes: ScratchArguments, tokenizer: PreTrainedTokenizerFast) -> AULlavaProcessor:
    """The processor that goes with `build_config`: resize to the square, no crop, no class token."""
    side = {"height": sizes.image_size, "width": sizes.image_size}
    images = CLIPImageProcessorPil(
        do_resize=True,
        size=side,
        crop_size=side,  # unused, but serving engines count tokens by it
        do_center_crop=False,
        image_mean=list(MEAN),
        image_std=list(STD),
        do_convert_rgb=True,
    )
    return AULlavaProcessor(
        image_processor=images,
        tokenizer=tokenizer,
        patch_size=token_side(sizes),
        vision_feature_select_strategy="full",
        num_additional_image_tokens=0,
        chat_template=tokenizer.chat_template,
        image_token="<image>",
    )


def build_from_scratch(
    sizes: ScratchArguments | None = None, seed: int = 0
) -> tuple[AULlavaForConditionalGeneration, AULlavaProcessor]:
    """Model (float32, random weights, by the seed) and processor."""
    sizes = sizes or ScratchArguments()
    tokenizer = build_tokenizer(sizes.vocabulary_size)
    set_seed(seed)
    model = AULlavaForConditionalGeneration(build_config(sizes, tokenizer))
    # The library starts position embeddings at zero, where they take long to matter beside patches of unit scale.
    torch.nn.init.normal_(model.model.vision_tower.embeddings.position_embeddings, std=0.5)
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    return model, build_processor(sizes, tokenizer)
