"""Discriminative peers of the embedded checkpoint: the vision tower alone, or a small CNN, with one output a value.

Conventions
    labels    one row a face: BP4D's 12 occurrences, DISFA's 12 levels, FEAFA's 24 values, in the protocols' order.
    levels    five outputs a unit, P(level >= 1) to P(level >= 5). Their sum is the expected level, the number of those from 0.5 on
              the median one.
    values    two outputs a unit: the mean, learnt by cross-entropy, and the median, learnt by absolute error. `Design.median` says
              which is read: the one with the smaller error on validation faces.
Suffixes: B batch, N faces, U units, L places of the trunk's grid, C channels.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from parts.embedded_scores import BP4D, DISFA, FEAFA, PRESENT_LEVEL, Reading
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, l1_loss

from aullava.common.files import replaced_folder
from aullava.training.model.scratch import MEAN, STD, ScratchArguments, build_from_scratch, tower_output_width

TRUNKS = ("tower", "cnn")
LEVELS = 5
LABELS = [len(protocol.units) for protocol in (BP4D, DISFA, FEAFA)]
OUTPUTS = [LABELS[0], LABELS[1] * LEVELS, LABELS[2], LABELS[2]]
# One step of Adam on thousands of weights moves an output by whole units; a value has only one.
MEDIAN_SCALE = 0.1
CNN_WIDTHS, CNN_BLOCKS = (24, 48, 96, 192), (0, 2, 2, 1)  # a stage each; every stage halves the grid


@dataclass
class Design:
    """What a saved peer is rebuilt from."""

    trunk: str
    sizes: ScratchArguments = field(default_factory=ScratchArguments)
    median: bool = True

    def __post_init__(self):
        if self.trunk not in TRUNKS:
            raise ValueError(f"trunk is {self.trunk!r}: expected one of {', '.join(TRUNKS)}")


class Tower(nn.Module):
    """The tokens that the language model would be given, (B, L, C)."""

    def __init__(self, sizes: ScratchArguments, seed: int):
        super().__init__()
        model, _ = build_from_scratch(sizes, seed)
        self.tower = model.model.vision_tower
        self.places, self.width = model.config.image_seq_length, tower_output_width(sizes)

    def forward(self, pixels_BCHW: torch.Tensor) -> torch.Tensor:
        return self.tower(pixels_BCHW, output_hidden_states=True).hidden_states[-1]


class Residual(nn.Module):
    """Two 3x3 convolutions with batch normalisation, added to what came in."""

    def __init__(self, width: int):
        super().__init__()
        self.body = nn.Sequential(*convolution(width, width), nn.ReLU(inplace=True), *convolution(width, width))

    def forward(self, x_BCHW: torch.Tensor) -> torch.Tensor:
        return torch.relu(x_BCHW + self.body(x_BCHW))


class SmallCNN(nn.Module):
    """A plain residual network; its last grid as places, (B, L, C)."""

    def __init__(self, side: int, seed: int):
        super().__init__()
        torch.manual_seed(seed)
        layers, channels = [], 3
        for width, blocks in zip(CNN_WIDTHS, CNN_BLOCKS, strict=True):
            layers += [*convolution(channels, width, stride=2), nn.ReLU(inplace=True)]
            layers += [Residual(width) for _ in range(blocks)]
            channels = width
        self.layers = nn.Sequential(*layers)
        self.places, self.width = (side // 2 ** len(CNN_WIDTHS)) ** 2, channels

    def forward(self, pixels_BCHW: torch.Tensor) -> torch.Tensor:
        # Channels last, which convolutions on a CPU are faster with; the weights stay as safetensors can save them.
        grid_BCHW = self.layers(pixels_BCHW.contiguous(memory_format=torch.channels_last))
        return grid_BCHW.flatten(2).transpose(1, 2)


def convolution(channels: int, width: int, stride: int = 1) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(channels, width, 3, stride, padding=1, bias=False), nn.BatchNorm2d(width)


class Peer(nn.Module):
    """A trunk, and one linear map from all of its places to the outputs.

    Every place has weights of its own, as in training/model/tower.py: pooled tokens learn slowly and hide the side.
    """

    def __init__(self, design: Design, seed: int = 0):
        super().__init__()
        self.design = design
        tower = design.trunk == "tower"
        self.trunk = Tower(design.sizes, seed) if tower else SmallCNN(design.sizes.image_size, seed)
        self.norm = nn.LayerNorm(self.trunk.width)
        self.output = nn.Linear(self.trunk.places * self.trunk.width, sum(OUTPUTS))
        nn.init.normal_(self.output.weight, std=1e-3)
        nn.init.constant_(self.output.bias[: -OUTPUTS[-1]], -2.0)  # most units are at rest
        nn.init.zeros_(self.output.bias[-OUTPUTS[-1] :])

    def forward(self, pixel_values: torch.Tensor, labels: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
        """Args:
            pixel_values: (B, 3, side, side), normalised.
            labels: (B, 48); see the conventions on top.

        Returns:
            `logits` (B, 120): occurrence, levels, means, medians; `loss` where labels are given.
        """
        logits = self.output(self.norm(self.trunk(pixel_values)).flatten(1)).float()
        return {"logits": logits} | ({} if labels is None else {"loss": loss(logits, labels)})


def loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The mean over each kind of output, added up."""
    present_BU, levels_BU5, mean_BU, median_BU = outputs(logits)
    occurrence_BU, level_BU, value_BU = labels.split(LABELS, dim=1)
    reached_BU5 = (level_BU[..., None] >= torch.arange(1, LEVELS + 1, device=labels.device)).to(logits)
    return (
        binary_cross_entropy_with_logits(present_BU, occurrence_BU)
        + binary_cross_entropy_with_logits(levels_BU5, reached_BU5)
        + binary_cross_entropy_with_logits(mean_BU, value_BU)
        + l1_loss(median_BU, value_BU)
    )


def outputs(logits: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Logits of occurrence (B, 12), of levels (B, 12, 5), of the mean values (B, 24), and the medians (B, 24) themselves."""
    present_BU, levels_BU, mean_BU, median_BU = logits.split(OUTPUTS, dim=1)
    return present_BU, levels_BU.unflatten(1, (-1, LEVELS)), mean_BU, MEDIAN_SCALE * median_BU


def reading_of(logits: torch.Tensor, median: bool) -> Reading:
    """What outputs (N, 120) say; `median` chooses between the two outputs of a value."""
    present_NU, levels_NU5, mean_NU, median_NU = outputs(logits)
    reached_NU5 = levels_NU5.sigmoid()
    parts = (
        present_NU.sigmoid(),
        reached_NU5[..., PRESENT_LEVEL - 1],
        reached_NU5.sum(-1),
        (reached_NU5 >= 0.5).sum(-1),
        median_NU.clamp(0, 1) if median else mean_NU.sigmoid(),
        mean_NU.sigmoid(),
    )
    return Reading(*(part.double().numpy() for part in parts))


def pixels(images: Sequence[np.ndarray]) -> torch.Tensor:
    """Pictures (side, side, 3), uint8, normalised as the processor does, (N, 3, side, side)."""
    normalised = (np.stack(images).astype(np.float32) / 255 - np.float32(MEAN)) / np.float32(STD)
    return torch.from_numpy(np.ascontiguousarray(normalised.transpose(0, 3, 1, 2)))


@torch.inference_mode()
def read(peer: Peer, images: Sequence[np.ndarray], batch_size: int = 50) -> Reading:
    """What a peer says of pictures (side, side, 3), uint8, of the side it was trained on."""
    peer.eval()
    batches = [images[first : first + batch_size] for first in range(0, len(images), batch_size)]
    return reading_of(torch.cat([peer(pixels(batch))["logits"] for batch in batches]), peer.design.median)


def save_peer(peer: Peer, folder: Path) -> None:
    """Write weights and design; the folder appears only when complete."""
    weights = {name: tensor.contiguous() for name, tensor in peer.state_dict().items()}
    with replaced_folder(folder) as new:
        save_file(weights, new / "model.safetensors")
        (new / "design.json").write_text(json.dumps(asdict(peer.design), indent=2) + "\n")


def load_peer(folder: str | Path) -> Peer:
    """The peer that `save_peer` wrote there."""
    saved = json.loads(Path(folder, "design.json").read_text())
    peer = Peer(Design(**saved | {"sizes": ScratchArguments(**saved["sizes"])}))
    peer.load_state_dict(load_file(Path(folder, "model.safetensors")))
    return peer
