"""Losses on the value tokens of an answer. Template tokens always have cross-entropy.

A loss is a function of the value tokens of a batch, the arguments and the counts of values in the training turns; LOSSES lists
them. A new loss is a new entry: it finds logits, labels and hidden states in `ValueTokens`.

Suffixes: S value tokens, C those of one scale, V vocabulary, D width of the language model, K values of a scale, U units of
turn_tokens.UNITS.

Conventions
    cross_entropy      minus the log-probability in the whole vocabulary. TRL computes it.
    inverse_frequency  value_loss_weight * w * cross-entropy. w of (unit, scale, value) is N / (K n), clipped to value_loss_clip,
                       then scaled to mean 1 over the value tokens of the unit. n: how often the unit has the value, N: how often
                       it is asked; n is one more than counted, so that an unseen value has a weight.
    reduction          none: one loss a value token. The trainer adds those of the template and divides by the number of labels.
    not counted        a scale that no counted turn asks about keeps cross-entropy; such a unit has weight 1.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch.nn.functional import cross_entropy

from aullava.action_units import SCALES, format_value, value_strings
from aullava.dataset_builder.chat.turns import DESCRIPTION, Turn
from aullava.training.data.turn_tokens import UNITS

_REMOVED = ("asymmetric", "expected")  # LOG.md, 2026-11-21: they gained nothing over cross-entropy


@dataclass(frozen=True)
class ValueTokens:
    """The value tokens of a batch, in one order.

    Args:
        logits_SV: what predicts each token.
        labels_S: the tokens.
        hidden_SD: the states that the language model's head made the logits from, with gradients.
        unit_S, scale_S, value_S: unit, scale and value, as indices into UNITS, SCALES and `value_strings(scale)`.
    """

    logits_SV: torch.Tensor
    labels_S: torch.Tensor
    hidden_SD: torch.Tensor
    unit_S: torch.Tensor
    scale_S: torch.Tensor
    value_S: torch.Tensor


def plain_loss(tokens: ValueTokens, arguments: "LossArguments", counts: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """(S,) cross-entropy."""
    return cross_entropy(tokens.logits_SV, tokens.labels_S, reduction="none")


def inverse_frequency_loss(
    tokens: ValueTokens, arguments: "LossArguments", counts: Mapping[str, torch.Tensor]
) -> torch.Tensor:
    """(S,) cross-entropy weighted by the inverse frequency of the value, on the chosen scales."""
    losses_S = plain_loss(tokens, arguments, counts)
    for number, scale in enumerate(SCALES):
        if scale not in arguments.value_loss_scales or scale not in counts:
            continue
        [chosen_C] = (tokens.scale_S == number).nonzero(as_tuple=True)
        weights_UK = value_weights(counts[scale], arguments.value_loss_clip).to(tokens.logits_SV)
        weights_C = weights_UK[tokens.unit_S[chosen_C], tokens.value_S[chosen_C]]
        # Not in place: autograd needs the cross-entropy as it was.
        losses_S = losses_S.index_copy(0, chosen_C, arguments.value_loss_weight * weights_C * losses_S[chosen_C])
    return losses_S


Loss = Callable[[ValueTokens, "LossArguments", Mapping[str, torch.Tensor]], torch.Tensor]
LOSSES: dict[str, Loss] = {"cross_entropy": plain_loss, "inverse_frequency": inverse_frequency_loss}


@dataclass
class LossArguments:
    """Loss on value tokens (losses.py has the formulas)."""

    value_loss: str = field(default="cross_entropy", metadata={"help": f"Loss on value tokens: {', '.join(LOSSES)}."})
    value_loss_scales: list[str] = field(
        default_factory=lambda: list(SCALES), metadata={"help": "Scales it applies to; the others keep cross-entropy."}
    )
    value_loss_weight: float = field(default=1.0, metadata={"help": "Factor of the loss. Above 0."})
    value_loss_clip: float = field(default=10.0, metadata={"help": "Largest weight of a value. 1 or more."})
    value_loss_rows: int = field(default=1000, metadata={"help": "Training rows in which values are counted."})
    value_loss_seed: int = field(default=0, metadata={"help": "Seed of their selection."})

    def __post_init__(self):
        if self.value_loss not in LOSSES:
            removed = ", which was removed because it gained nothing" if self.value_loss in _REMOVED else ""
            raise ValueError(f"value_loss is {self.value_loss!r}{removed}: expected one of {', '.join(LOSSES)}")
        if self.value_loss == "cross_entropy" and self.value_loss_weight != 1:
            raise ValueError(
                f"value_loss_weight is {self.value_loss_weight} with value_loss='cross_entropy', which has no weight of its own: "
                "choose another value_loss, or leave the weight out"
            )
        if not self.value_loss_scales or set(self.value_loss_scales) - set(SCALES):
            raise ValueError(f"value_loss_scales is {self.value_loss_scales}: expected some of {', '.join(SCALES)}")
        if not self.value_loss_weight > 0:
            raise ValueError(f"value_loss_weight is {self.value_loss_weight}: expected a number above 0")
        for name in ("value_loss_clip", "value_loss_rows"):
            if not getattr(self, name) >= 1:
                raise ValueError(f"{name} is {getattr(self, name)}: expected 1 or more")


def sampled_turns(rows: Sequence[Mapping], count: int, seed: int) -> Iterator[Turn]:
    """The turns of `count` training rows sampled without replacement, or of all if there are fewer."""
    for position in random.Random(seed).sample(range(len(rows)), min(count, len(rows))):
        yield from rows[position]["turns"]


def count_values(turns: Iterable[Turn]) -> dict[str, torch.Tensor]:
    """How often each unit has each value: scale -> (U, K), for the scales that occur. Descriptions do not count."""
    counts: dict[str, torch.Tensor] = {}
    for turn in turns:
        if turn.kind == DESCRIPTION:
            continue
        scale = turn.protocol.scale
        strings = value_strings(scale)
        counts_UK = counts.setdefault(scale, torch.zeros(len(UNITS), len(strings)))
        for code, value in turn.values.items():
            counts_UK[UNITS.index(code), strings.index(format_value(value, scale))] += 1
    return counts


def value_weights(counts_UK: torch.Tensor, clip: float) -> torch.Tensor:
    """(U, K) inverse-frequency weights, mean 1 over the counted values of each unit; 1 for units that were not counted."""
    smooth_UK = counts_UK + 1
    weights_UK = (smooth_UK.sum(1, keepdim=True) / (smooth_UK.shape[1] * smooth_UK)).clamp(max=clip)
    total_U1 = counts_UK.sum(1, keepdim=True)
    mean_U1 = (weights_UK * counts_UK).sum(1, keepdim=True) / total_U1.clamp(min=1)
    return torch.where(total_U1 > 0, weights_UK / mean_U1, torch.ones_like(weights_UK))
