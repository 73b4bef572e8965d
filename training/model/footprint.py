"""Trainable parameters and memory of a run's model, before weights are loaded.

Memory per device, estimated from a model without weights:
    weights      bytes of every parameter in its precision; in 4 bits 4.127 bits each (Dettmers et al., QLoRA, 2023, section 3);
                 and, without gradient checkpointing, the 16-bit copies that autocast makes of float32 weights
    gradients    bytes of every trainable parameter
    optimizer    two float32 moments of every trainable parameter with AdamW, two bytes in its 8-bit forms, none with SGD and
                 Adafactor
    activations  what autograd keeps of one forward pass, counted on the meta device in the precision of the
                 computation; attention probabilities only where the kernel keeps them.
                 With gradient checkpointing: the input of every layer, and what one layer keeps
Sharded over N devices (FSDP, ZeRO-3), the first three are divided by N.

accelerate's estimate-memory takes no account of adapters, frozen parts or activations, so it does not serve here.
Not counted: the loss over the vocabulary, which TRL computes in small chunks; layers that are gathered whole where weights are
sharded; buffers of communication (DDP's copy of the gradients); temporary tensors of kernels; fragmentation; the libraries
themselves, about 1 GB on a GPU. Leave a fifth of the device free.
"""

from collections import defaultdict

import torch
from peft import PeftModel
from rich.console import Group
from rich.table import Table
from torch import nn
from transformers import TrainingArguments

from aullava.training.arguments import ModelArguments
from aullava.training.model.base import base_config
from aullava.training.model.learning import empty_model, set_to_learn
from aullava.training.model.scratch import ScratchArguments, build_config
from aullava.training.model.tokenizer import build_tokenizer

_PARTS = (
    ("vision_tower", "vision tower"),
    ("multi_modal_projector", "projector"),
    ("embed_tokens", "language model: embeddings"),
    ("lm_head", "language model: head"),
    ("language_model", "language model: layers"),
)
_SHARDS = (1, 2, 4, 8)
_BYTES_IN_4BIT = 4.127 / 8
_MOMENT_BYTES = {"adamw_8bit": 2, "adamw_bnb_8bit": 2, "paged_adamw_8bit": 2, "sgd": 0, "adafactor": 0}


def part_of(name: str) -> str:
    """The part of the model that a parameter belongs to, by name. peft also keeps the projector's original."""
    part = next((label for piece, label in _PARTS if piece in name), "other")
    if ".lora_" in name:
        return f"{part.partition(':')[0]}: adapters"
    return f"{part}: original" if ".original_module." in name else part


def count_parameters(model: nn.Module) -> dict[str, tuple[int, int]]:
    """Part -> (trainable, frozen) numbers of parameters; every parameter is counted once."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for name, parameter in model.named_parameters():
        packed = getattr(parameter, "quant_state", None)  # bitsandbytes stores two 4-bit weights in a byte
        count = parameter.numel() if packed is None else packed.shape.numel()
        counts[part_of(name)][0 if parameter.requires_grad else 1] += count
    return {part: (learning, frozen) for part, (learning, frozen) in counts.items()}


def what_trains(model: nn.Module) -> Table:
    """`count_parameters` as a table, with totals."""
    table = Table(title="What trains", title_justify="left")
    table.add_column("part")
    table.add_column("trainable", justify="right")
    table.add_column("frozen", justify="right")
    counts = count_parameters(model)
    for part, (learning, frozen) in counts.items():
        table.add_row(part, f"{learning:,}", f"{frozen:,}")
    table.add_section()
    table.add_row("all", *(f"{sum(numbers):,}" for numbers in zip(*counts.values(), strict=True)))
    return table


def describe_model(
    arguments: ModelArguments,
    sizes: ScratchArguments,
    training: TrainingArguments,
    turns: int = 1,
    text_tokens: int = 200,
) -> Group:
    """Trainable parameters and memory, for --dry_run. Of a base checkpoint only config.json is read.

    Args:
        turns: turns per image.
        text_tokens: tokens of a turn's question and answer.

    Returns:
        Tables for rich to print.

    Raises:
        ValueError: the base's configuration is missing or cannot be used (base.py).
    """
    if arguments.from_scratch:
        config = build_config(sizes, build_tokenizer(sizes.vocabulary_size))
    else:
        config = base_config(arguments.checkpoint)
    model = set_to_learn(empty_model(config).to(getattr(torch, arguments.frozen_dtype)), arguments)
    trains = what_trains(model)
    images = training.per_device_train_batch_size
    rows, turns_a_row = (images, turns) if arguments.packed else (images * turns, 1)
    tokens = config.image_seq_length + turns_a_row * text_tokens
    memory = estimate_memory(model, training, rows, tokens, arguments.load_in_4bit)

    table = Table(title_justify="left")
    table.title = f"Estimated memory per device, GiB\nbatch of {rows} x {tokens} tokens, {training.optim.value}"
    table.add_column("part")
    columns = []
    for devices in sorted({*_SHARDS, training.world_size}):
        table.add_column("whole, or DDP" if devices == 1 else f"sharded over {devices}", justify="right")
        columns.append({part: size if part == "activations" else size / devices for part, size in memory.items()})
    for part in memory:
        table.add_row(part, *(f"{column[part] / 2**30:.2f}" for column in columns))
    table.add_section()
    table.add_row("all", *(f"{sum(column.values()) / 2**30:.2f}" for column in columns))
    return Group(trains, table)


def estimate_memory(
    model: nn.Module, training: TrainingArguments, rows: int, tokens: int, in_4bit: bool = False
) -> dict[str, float]:
    """Bytes of weights, gradients, optimizer and activations on one device; the top of this file says how they are counted.

    Args:
        model: on the meta device, after `set_to_learn`. Its precision is changed: do not use it afterwards.
        training: optim, bf16, fp16, activation_checkpointing.
        rows: sequences per device and batch.
        tokens: tokens of a sequence, image tokens included.
        in_4bit: the language model's linear layers are loaded in 4 bits.
    """
    halved = training.bf16 or training.fp16
    weights = 0.0
    for name, parameter in model.named_parameters():
        quantized = in_4bit and ".language_model.layers." in name and parameter.ndim == 2 and ".lora_" not in name
        weights += parameter.numel() * (_BYTES_IN_4BIT if quantized else parameter.element_size())
        if halved and parameter.dtype == torch.float32 and not training.activation_checkpointing:
            weights += 2 * parameter.numel()
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    gradients, numbers = sum(p.nbytes for p in learning), sum(p.numel() for p in learning)
    activations = activation_bytes(model.to(torch.bfloat16) if halved else model, rows, tokens)
    if training.activation_checkpointing:
        text = model.config.get_text_config()
        layers = text.num_hidden_layers
        activations = activations / layers + layers * rows * tokens * text.hidden_size * (2 if halved else 4)
    moments = _MOMENT_BYTES.get(training.optim.value, 8) * numbers
    return {"weights": weights, "gradients": gradients, "optimizer": moments, "activations": activations}


def activation_bytes(model: nn.Module, rows: int, tokens: int) -> int:
    """Bytes that autograd keeps of one forward pass without checkpointing, except weights and the head.

    Args:
        model: on any device; on the meta device nothing is computed.
        rows: sequences in the batch, with one image each.
        tokens: tokens of a sequence, image tokens included.
    """
    config = model.config
    eager = config.text_config._attn_implementation == "eager"
    weights = {parameter.untyped_storage()._cdata for parameter in model.parameters()}
    kept = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        # On the meta device the sdpa kernel falls back to keeping its probabilities; the real ones do not.
        if storage._cdata not in weights and (eager or tensor.shape[-2:] != (tokens, tokens)):
            kept[storage._cdata] = storage
        return tensor

    side, device = config.vision_config.image_size, next(model.parameters()).device
    dtype = next(model.parameters()).dtype
    llava = (model.get_base_model() if isinstance(model, PeftModel) else model).model
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        pixels = torch.zeros(rows, 3, side, side, device=device, dtype=dtype)
        features = llava.get_image_features(pixel_values=pixels).pooler_output
        image_BNE = torch.stack(tuple(features)).view(rows, config.image_seq_length, -1)
        words = torch.zeros(rows, tokens - config.image_seq_length, dtype=torch.long, device=device)
        text_BTE = llava.get_input_embeddings()(words)
        # A ready-made mask: for any other the library would look into tensors that have no content.
        look = torch.ones(rows, 1, tokens, tokens, dtype=torch.bool, device=device)
        llava.language_model(
            inputs_embeds=torch.cat([image_BNE, text_BTE], dim=1), attention_mask=look, use_cache=False
        )
    return sum(storage.nbytes() for storage in kept.values())
