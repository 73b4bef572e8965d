"""A small LLaVA with random weights, its configuration and its processor, for `--from_scratch`.

The tower is a stock one whose last hidden states stock LLaVA takes unmodified: Swin, or the hybrid tower of DPT, a residual
convolutional network (BiT) under a few attention layers. The projector is the stock two-matrix one with a linear activation: the
paper's one linear map.
"""

import math
from dataclasses import dataclass, field

import torch
from transformers import (
    BitConfig,
    CLIPImageProcessorPil,
    DPTConfig,
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
    tower_kind: str = field(
        default="swin", metadata={"help": "swin: windowed attention. hybrid: residual convolutions, then attention."}
    )
    tower_width: int = field(
        default=48,
        metadata={"help": "Channels of Swin's first stage, doubled by each stage; an image token has as many."},
    )
    tower_depths: list[int] = field(
        default_factory=lambda: [1, 2, 3],
        metadata={
            "help": "Blocks of each stage; every stage after the first halves the grid. Three stages for hybrid."
        },
    )
    tower_layers: int = field(
        default=1, metadata={"help": "Attention layers on top of a hybrid tower's convolutions."}
    )
    language_width: int = field(default=192, metadata={"help": "Hidden size of the language model."})
    language_layers: int = field(default=3, metadata={"help": "Layers of the language model."})
    vocabulary_size: int = field(default=1536, metadata={"help": "Largest size of the tokenizer's vocabulary."})

    def __post_init__(self):
        if self.tower_kind not in ("swin", "hybrid"):
            raise ValueError(f"tower_kind is {self.tower_kind!r}: expected swin or hybrid")
        if self.tower_kind == "hybrid" and len(self.tower_depths) != 3:
            raise ValueError(f"tower_depths is {self.tower_depths}: a hybrid tower has three stages")


PATCH = 4  # pixels a side of a first-stage token


def build_config(sizes: ScratchArguments, tokenizer: PreTrainedTokenizerFast) -> AULlavaConfig:
    """Configuration of a tiny AU-LLaVA; one image is (image_size / (4 * 2 ** (stages - 1))) squared tokens."""
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
        vision_config=swin(sizes) if sizes.tower_kind == "swin" else hybrid(sizes),
        text_config=text,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        projector_hidden_act="linear",
        vision_feature_layer=-1,
        vision_feature_select_strategy=select_strategy(sizes),
        image_seq_length=(sizes.image_size // token_side(sizes)) ** 2,
        question_form="short",
        tie_word_embeddings=False,
    )


def swin(sizes: ScratchArguments) -> SwinConfig:
    """Hierarchical, with windows of six tokens a side."""
    return SwinConfig(
        image_size=sizes.image_size,
        patch_size=PATCH,
        embed_dim=sizes.tower_width,
        depths=sizes.tower_depths,
        num_heads=[max(1, sizes.tower_width * 2**stage // 24) for stage in range(len(sizes.tower_depths))],
        window_size=6,
        drop_path_rate=0.0,
        use_absolute_embeddings=True,  # only its position tells a left eye from a right one
    )


def hybrid(sizes: ScratchArguments) -> DPTConfig:
    """Three stages of residual convolutions, one 1 x 1 map to tokens, and attention layers with a class token in front."""
    channels = [2 * sizes.tower_width, 4 * sizes.tower_width, 6 * sizes.tower_width]
    grid, width = sizes.image_size // token_side(sizes), tower_output_width(sizes)
    convolutions = BitConfig(
        layer_type="preactivation",
        embedding_size=sizes.tower_width,
        hidden_sizes=channels,
        depths=sizes.tower_depths,
        num_groups=math.gcd(8, sizes.tower_width // 2),  # has to divide the channels inside of the first blocks
        global_padding="same",
        embedding_dynamic_padding=True,
        out_features=["stage1", "stage2", "stage3"],
    )
    return DPTConfig(
        is_hybrid=True,
        backbone_config=convolutions,
        backbone_featmap_shape=[1, channels[-1], grid, grid],
        image_size=sizes.image_size,
        patch_size=token_side(sizes),
        hidden_size=width,
        num_hidden_layers=sizes.tower_layers,
        num_attention_heads=max(1, width // 32),
        intermediate_size=3 * width,
    )


def select_strategy(sizes: ScratchArguments) -> str:
    """LLaVA's word for whether the tower's first token is a class token that it leaves out."""
    return "default" if sizes.tower_kind == "hybrid" else "full"


def token_side(sizes: ScratchArguments) -> int:
    """Side of the square that one image token covers, in pixels."""
    return PATCH * 2 ** (len(sizes.tower_depths) - 1)


def tower_output_width(sizes: ScratchArguments) -> int:
    """Channels of an image token: `tower_width`, doubled by every stage after the first."""
    return sizes.tower_width * 2 ** (len(sizes.tower_depths) - 1)


def build_processor(sizes: ScratchArguments, tokenizer: PreTrainedTokenizerFast) -> AULlavaProcessor:
    """The processor that goes with `build_config`: resize to the square, no crop."""
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
        vision_feature_select_strategy=select_strategy(sizes),
        num_additional_image_tokens=int(select_strategy(sizes) == "default"),
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
