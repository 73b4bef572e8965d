"""Memory that training takes on a device, estimated from a model without weights.

    weights      bytes of every parameter in its precision; in 4 bits 4.127 bits each (Dettmers et al., QLoRA, 2023, section 3)
    gradients    bytes of every learning parameter
    optimizer    two moments in float32 of every learning parameter with AdamW, in 8 bits two bytes, none with SGD and Adafactor
    activations  what autograd keeps of one forward pass, counted on tensors without content in the precision of the
                 computation, pictures x turns as in a batch; attention probabilities only where the kernel keeps them.
                 With gradient checkpointing: the input of every layer, and what one layer keeps. Without it: besides, the
                 16-bit copies that autocast makes of float32 weights

Sharded over N devices (FSDP, ZeRO-3), the first three are divided by N, and two layers are held whole at a time.

Left out: the loss over the vocabulary, which TRL computes in small chunks; buffers of communication (DDP's copy of the gradients);
temporary tensors of kernels; fragmentation; the libraries themselves, about 1 GB on a GPU. Leave a fifth of the device free.
"""

from dataclasses import dataclass

import torch
from peft import PeftModel
from rich.table import Table
from torch import nn
from transformers import TrainingArguments

SHARDS = (1, 2, 4, 8)
_BYTES_IN_4BIT = 4.127 / 8
_MOMENT_BYTES = {
    "adamw_8bit": 2,
    "adamw_bnb_8bit": 2,
    "paged_adamw_8bit": 2,
    "sgd": 0,
    "adafactor": 0,
}


@dataclass(frozen=True)
class Memory:
    """Bytes of a whole model and of a device's batch.

    copies: 16-bit copies of float32 weights, held only where nothing is sharded.
    gathered: the layers that are held whole where everything is sharded.
    """

    weights: float
    gradients: float
    optimizer: float
    activations: float
    copies: float
    gathered: float

    def on_one_of(self, devices: int) -> dict[str, float]:
        """Bytes on a device when so many share weights, gradients and moments; 1 also for every process of DDP."""
        whole = devices == 1
        parts = {
            "weights": self.weights / devices + (0 if whole else self.gathered),
            "gradients": self.gradients / devices,
            "optimizer": self.optimizer / devices,
            "activations": self.activations + (self.copies if whole else 0),
        }
        return parts | {"all": sum(parts.values())}


def estimate_memory(
    model: nn.Module, training: TrainingArguments, rows: int, tokens: int, in_4bit: bool = False
) -> Memory:
    """The estimate that the head of this file describes.

    Args:
        model: on the meta device, with what learns set to learn. Its precision is changed: use it for nothing else.
        training: optim, bf16, fp16, gradient_checkpointing.
        rows: sequences in a device's batch.
        tokens: tokens of a sequence, image tokens included.
        in_4bit: the language model's linear layers are loaded in 4 bits.
    """
    named = list(model.named_parameters())
    learning = [parameter for _, parameter in named if parameter.requires_grad]
    weights = sum(_weight_bytes(name, parameter, in_4bit) for name, parameter in named)
    gradients = sum(parameter.numel() * parameter.element_size() for parameter in learning)
    moments = _MOMENT_BYTES.get(training.optim.value, 8)
    halved = training.bf16 or training.fp16
    copies = 2 * sum(p.numel() for _, p in named if p.dtype == torch.float32) if halved else 0
    width = 2 if halved else 4
    kept = activation_bytes(model.to(torch.bfloat16) if halved else model, rows, tokens)
    text = model.config.get_text_config()
    if training.gradient_checkpointing:
        inputs = text.num_hidden_layers * rows * tokens * text.hidden_size * width
        kept, copies = kept / text.num_hidden_layers + inputs, 0
    return Memory(
        weights=weights,
        gradients=gradients,
        optimizer=moments * sum(parameter.numel() for parameter in learning),
        activations=kept,
        copies=copies,
        gathered=2 * width * sum(p.numel() for name, p in named if ".language_model.layers.0." in name),
    )


def parameter_count(parameter: nn.Parameter) -> int:
    """Weights in a parameter; bitsandbytes stores two 4-bit weights in a byte."""
    packed = getattr(parameter, "quant_state", None)
    return parameter.numel() if packed is None else packed.shape.numel()


def _weight_bytes(name: str, parameter: nn.Parameter, in_4bit: bool) -> float:
    quantized = in_4bit and ".language_model.layers." in name and parameter.ndim == 2 and ".lora_" not in name
    return parameter.numel() * (_BYTES_IN_4BIT if quantized else parameter.element_size())


def activation_bytes(model: nn.Module, rows: int, tokens: int) -> int:
    """Bytes that autograd keeps of one forward pass without checkpointing, weights themselves and the head left out.

    Args:
        model: on any device; on the meta device nothing is computed.
        rows: sequences in the batch, with one picture each.
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


def memory_table(
    model: nn.Module, training: TrainingArguments, rows: int, tokens: int, in_4bit: bool = False
) -> Table:
    """A table of `estimate_memory`: whole on a device, and shared by several."""
    memory = estimate_memory(model, training, rows, tokens, in_4bit)
    columns = {devices: memory.on_one_of(devices) for devices in sorted({*SHARDS, training.world_size})}
    batch = f"batch of {rows} x {tokens} tokens, {training.optim.value}"
    table = Table(title=f"Estimated memory a device, GiB\n{batch}", title_justify="left")
    table.add_column("part")
    for devices in columns:
        table.add_column("whole, or DDP" if devices == 1 else f"sharded over {devices}", justify="right")
    for part in columns[1]:
        if part == "all":
            table.add_section()
        table.add_row(part, *(f"{column[part] / 2**30:.2f}" for column in columns.values()))
    return table
