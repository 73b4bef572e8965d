"""Losses on the value tokens of an answer, in place of the plain cross-entropy there. Literal text keeps it.

Suffixes: S slots (one a value asked), C those of one scale, V vocabulary, K values of a scale, T = K - 1 thresholds, U units of
collator.UNITS.

Conventions
    p_k            probability of value k among the K values of its scale, as the read-out computes it; P_t = sum of p_k, k >= t.
    form           -log of the probability, in the whole vocabulary, that any of those K tokens comes. Cross-entropy is
                   form - log p_y for the true value y: what replaces its second part still teaches the form.
    cross_entropy  TRL's own, for all tokens; nothing of this file is used.
    inverse_frequency
                   value_loss_weight * w * cross-entropy. w of (unit, scale, value) is N / (K n), clipped to value_loss_clip,
                   then scaled to mean 1 over the slots of the unit. n: how often the unit has the value, N: how often it is
                   asked; n is one more than counted, so that a value never met has a weight.
    asymmetric     form + value_loss_weight * d * mean over the thresholds t = 1..K-1 of
                       -(1 - P_t)^focus_positive log P_t        where y >= t,
                       -m^focus_negative log(1 - m)             where y < t, with m = max(P_t - margin, 0).
                   So a level is five ordered decisions, a presence one. d of (unit, scale) is the inverse of the unit's mean
                   value, scaled to mean 1 over the slots, clipped, scaled again: what is rare is taken for difficult.
                   Truncation and focus: Ridnik et al., Asymmetric loss, ICCV 2021. After the idea of the MDWA-loss of AUFormer
                   (Yuan et al., ECCV 2024, arXiv 2403.04697); its own focus for each unit is not reproduced.
    expected       cross-entropy + value_loss_weight * Huber(E[v] - y) on intensity and continuous values, E[v] = sum of p_k v_k.
                   Both in levels from 0 to 5 (a continuous value counts five times), quadratic below one level.
    reduction      none: one loss a slot. The trainer sums them with the literals' and divides by the number of labels.
    not counted    a scale that no counted turn asks keeps cross-entropy, a unit that none asks has weight 1.
"""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch.nn.functional import cross_entropy, huber_loss

from aullava.action_units import OCCURRENCE, SCALES, Protocol, format_value, parse, render, value_of, value_strings
from aullava.training.data.turn_tokens import IGNORED, UNITS, tokenise_turn

VALUE_LOSSES = ("cross_entropy", "inverse_frequency", "asymmetric", "expected")
_NEED_WHOLE_VALUES = ("asymmetric", "expected")
_HIGHEST_LEVEL = 5.0
_PROBED = ("AU1", "AU2", "AU12")


@dataclass
class LossArguments:
    """Which loss the values get (losses.py has the formulas)."""

    value_loss: str = field(default="cross_entropy", metadata={"help": f"Loss on value tokens: {VALUE_LOSSES}."})
    value_loss_scales: list[str] = field(
        default_factory=lambda: list(SCALES), metadata={"help": "Scales that get it; the others keep cross-entropy."}
    )
    value_loss_weight: float = field(default=1.0, metadata={"help": "Factor of the loss's own term. Above 0."})
    value_loss_clip: float = field(default=10.0, metadata={"help": "Largest weight of a value or unit. 1 or more."})
    value_loss_focus_positive: float = field(default=0.0, metadata={"help": "asymmetric: exponent. 0, or 1 or more."})
    value_loss_focus_negative: float = field(default=2.0, metadata={"help": "asymmetric: exponent. 0, or 1 or more."})
    value_loss_margin: float = field(
        default=0.05, metadata={"help": "asymmetric: P below which an absent unit teaches nothing. 0 to below 1."}
    )
    value_loss_rows: int = field(default=1000, metadata={"help": "Training rows that values are counted in."})
    value_loss_seed: int = field(default=0, metadata={"help": "Seed of their choice."})

    def __post_init__(self):
        if self.value_loss not in VALUE_LOSSES:
            raise ValueError(f"value_loss is {self.value_loss!r}: expected one of {', '.join(VALUE_LOSSES)}")
        if self.value_loss == "cross_entropy" and self.value_loss_weight != 1:
            raise ValueError(
                f"value_loss_weight is {self.value_loss_weight} with value_loss='cross_entropy', which has no term of its own: "
                "choose another value_loss, or leave the weight out"
            )
        if not self.value_loss_scales or set(self.value_loss_scales) - set(SCALES):
            raise ValueError(f"value_loss_scales is {self.value_loss_scales}: expected some of {', '.join(SCALES)}")
        if self.value_loss == "expected" and set(self.value_loss_scales) == {OCCURRENCE}:
            raise ValueError(
                "value_loss='expected' with value_loss_scales=['occurrence']: it is for intensity and continuous values"
            )
        if not self.value_loss_weight > 0:
            raise ValueError(f"value_loss_weight is {self.value_loss_weight}: expected a number above 0")
        if not 0 <= self.value_loss_margin < 1:
            raise ValueError(f"value_loss_margin is {self.value_loss_margin}: expected 0 or more and below 1")
        for name in ("value_loss_clip", "value_loss_rows"):
            if not getattr(self, name) >= 1:
                raise ValueError(f"{name} is {getattr(self, name)}: expected 1 or more")
        for name in ("value_loss_focus_positive", "value_loss_focus_negative"):
            if getattr(self, name) != 0 and not getattr(self, name) >= 1:  # between, the slope at P = 0 is infinite
                raise ValueError(f"{name} is {getattr(self, name)}: expected 0, or 1 or more")


def sampled_turns(rows: Sequence[Mapping], count: int, seed: int) -> Iterator[Mapping[str, object]]:
    """The turns of `count` training rows drawn without replacement, or of all if there are fewer."""
    for position in random.Random(seed).sample(range(len(rows)), min(count, len(rows))):
        yield from rows[position]["turns"]


def count_values(turns: Iterable[Mapping[str, object]]) -> dict[str, torch.Tensor]:
    """How often each unit has each value: scale -> (U, K), for the scales that occur. Descriptions count nothing."""
    counts: dict[str, torch.Tensor] = {}
    for turn in turns:
        if turn["units"] is None:
            continue
        scale = turn["scale"]
        strings = value_strings(scale)
        counts_UK = counts.setdefault(scale, torch.zeros(len(UNITS), len(strings)))
        answer = turn["completion"][0]["content"][0]["text"]
        for code, value in parse(answer, Protocol("custom", tuple(turn["units"]), scale)).values.items():
            counts_UK[UNITS.index(code), strings.index(format_value(value, scale))] += 1
    return counts


def value_weights(counts_UK: torch.Tensor, clip: float) -> torch.Tensor:
    """(U, K) inverse-frequency weights, mean 1 over the counted slots of each unit; 1 for units that were not counted."""
    smooth_UK = counts_UK + 1
    weights_UK = (smooth_UK.sum(1, keepdim=True) / (smooth_UK.shape[1] * smooth_UK)).clamp(max=clip)
    return _mean_one(weights_UK, counts_UK, dim=1)


def unit_weights(counts_UK: torch.Tensor, clip: float) -> torch.Tensor:
    """(U,) weights by the inverse of a unit's mean value, mean 1 over all slots counted; 1 for units that were not counted."""
    asked_U = counts_UK.sum(1)
    share_K = torch.linspace(0, 1, counts_UK.shape[1])
    rate_U = ((counts_UK * share_K).sum(1) + 1) / (asked_U + 2)
    weights_U = _mean_one(1 / rate_U, asked_U, dim=0).clamp(max=clip)
    return _mean_one(weights_U, asked_U, dim=0).where(asked_U > 0, 1.0)


def _mean_one(weights: torch.Tensor, counts: torch.Tensor, dim: int) -> torch.Tensor:
    total = counts.sum(dim, keepdim=True)
    mean = (weights * counts).sum(dim, keepdim=True) / total.clamp(min=1)
    return torch.where(total > 0, weights / mean, torch.ones_like(weights))


def value_tokens(tokenizer, scale: str) -> torch.Tensor | None:
    """(K,) the one token of each value of a scale where it is learnt; None if some value takes several or differs by place."""
    found = []
    for string in value_strings(scale):
        values = dict.fromkeys(_PROBED, value_of(string, scale))
        answer = render(values, Protocol("custom", _PROBED, scale))
        message = {"role": "assistant", "content": [{"type": "text", "text": answer}]}
        turn = {"completion": [message], "units": list(_PROBED), "scale": scale}
        learnt = [label for label in tokenise_turn(tokenizer, "\n", turn, 0.0, False).labels if label != IGNORED]
        if len(set(learnt[:-1])) > 1:  # several tokens, or not the same at every unit; the last one ends the answer
            return None
        found.append(learnt[0])
    return torch.tensor(found)


class ValueLoss:
    """Callable: logits where values are learnt -> their losses.

    Args:
        arguments: which loss; not cross-entropy.
        tokenizer: the processor's.
        counts: what `count_values` found in the training turns. Its scales are those that the run asks.

    Raises:
        ValueError: the loss needs values of one token, and this tokenizer splits those of a scale that is asked.
    """

    def __init__(self, arguments: LossArguments, tokenizer, counts: Mapping[str, torch.Tensor]):
        self.arguments = arguments
        scales = [scale for scale in SCALES if scale in arguments.value_loss_scales and scale in counts]
        if arguments.value_loss == "expected":
            scales = [scale for scale in scales if scale != OCCURRENCE]
        self._tables = {scale: self._table(scale, tokenizer, counts[scale]) for scale in scales}

    def __call__(self, logits_SV: torch.Tensor, labels_S: torch.Tensor, slots_S5: torch.Tensor) -> torch.Tensor:
        """(S,) losses of the value tokens.

        Args:
            logits_SV: what predicts each value token.
            labels_S: the tokens.
            slots_S5: the batch's slots (collator.py), in the same order.
        """
        given = self.arguments
        losses_S = cross_entropy(logits_SV, labels_S, reduction="none")
        for scale, (tokens_K, weights) in self._tables.items():
            [chosen_C] = (slots_S5[:, 3] == SCALES.index(scale)).nonzero(as_tuple=True)
            unit_C, value_C = slots_S5[chosen_C, 2], slots_S5[chosen_C, 4]
            plain_C, logits_CV, weights = losses_S[chosen_C], logits_SV[chosen_C], weights.to(logits_SV)
            if given.value_loss == "inverse_frequency":
                part_C = given.value_loss_weight * weights[unit_C, value_C] * plain_C
            else:
                logits_CK = logits_CV[:, tokens_K.to(logits_CV.device)]
                if given.value_loss == "expected":
                    part_C = plain_C + given.value_loss_weight * expected_value_loss(logits_CK, value_C)
                else:
                    form_C = logits_CV.logsumexp(-1) - logits_CK.logsumexp(-1)
                    focus = given.value_loss_focus_positive, given.value_loss_focus_negative
                    decisions_C = asymmetric_loss(logits_CK, value_C, *focus, given.value_loss_margin)
                    part_C = form_C + given.value_loss_weight * weights[unit_C] * decisions_C
            losses_S = losses_S.index_copy(0, chosen_C, part_C)
        return losses_S

    def _table(self, scale: str, tokenizer, counts_UK: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor]:
        kind, clip = self.arguments.value_loss, self.arguments.value_loss_clip
        tokens_K = value_tokens(tokenizer, scale)
        if tokens_K is None and kind in _NEED_WHOLE_VALUES:
            raise ValueError(
                f"value_loss={kind!r} with {scale} in value_loss_scales: it needs values of one token, and this tokenizer splits "
                f"those of that scale; leave {scale} out of value_loss_scales, or take value_loss='inverse_frequency'"
            )
        return tokens_K, unit_weights(counts_UK, clip) if kind == "asymmetric" else value_weights(counts_UK, clip)


def asymmetric_loss(
    logits_CK: torch.Tensor, value_C: torch.Tensor, focus_positive: float, focus_negative: float, margin: float
) -> torch.Tensor:
    """(C,) mean over the thresholds of the truncated and focused binary losses; formula on top of this file."""
    log_p_CK = logits_CK.log_softmax(-1)
    log_reached_CT = log_p_CK.flip(-1).logcumsumexp(-1).flip(-1)[:, 1:].clamp(max=0)  # log P(value >= t)
    log_missed_CT = log_p_CK.logcumsumexp(-1)[:, :-1].clamp(max=0)  # log P(value < t)
    truncated_CT = (log_reached_CT.exp() - margin).clamp(min=0)
    # Without a margin log(1 - P) is known exactly, also where P rounds to 1.
    log_rest_CT = torch.log1p(-truncated_CT) if margin else log_missed_CT
    positive_CT = -_power(log_missed_CT.exp(), focus_positive) * log_reached_CT
    negative_CT = -_power(truncated_CT, focus_negative) * log_rest_CT
    threshold_T = torch.arange(1, logits_CK.shape[1], device=logits_CK.device)
    return torch.where(value_C[:, None] >= threshold_T, positive_CT, negative_CT).mean(-1)


def _power(base: torch.Tensor, exponent: float) -> torch.Tensor:
    return base**exponent if exponent else torch.ones_like(base)


def expected_value_loss(logits_CK: torch.Tensor, value_C: torch.Tensor) -> torch.Tensor:
    """(C,) Huber loss of the expected value, in levels from 0 to 5."""
    levels_K = torch.linspace(0, _HIGHEST_LEVEL, logits_CK.shape[1], device=logits_CK.device)
    expected_C = logits_CK.softmax(-1) @ levels_K.to(logits_CK)
    return huber_loss(expected_C, levels_K.to(logits_CK)[value_C], reduction="none", delta=1.0)
