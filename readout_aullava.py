"""Structured read-out: fixed answer text is fed, values are chosen among the admissible ones.

A model that answers "AU1=0 AU2=3" only ever decides the digits. `compile_plan` cuts the answer of a protocol into
literal token runs and slots; `read_joint` fills the slots one after the other over a key-value cache, so that each
value sees all values before it. This is greedy generation restricted to well-formed answers, and it keeps the
distribution over the admissible values of every slot. A value may take several tokens ("0", ".", "5", "3"): then the
slot is walked down the tree of its token sequences.

Conventions
    B rows, T tokens, V vocabulary entries, N admissible values; log-probabilities are normalised over the N only.
    Continuous values are the median of their distribution, because the likeliest value is biased to 0.00 when most
    faces rest. Where values take several tokens the distribution is not known in full, and the greedy value is taken.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Any

import torch

from .action_units import CONTINUOUS, OCCURRENCE, Protocol, answer_pieces, render, value_of, value_strings

Run = tuple[int, ...]  # token ids


@dataclass
class AUReading:
    """What was read from one face.

    values: code -> int (occurrence, intensity) or float (continuous), None where undetermined.
    probabilities: code -> P(active) on the occurrence scale, the probabilities of the levels 0..5 on the intensity
        scale. Empty on the continuous scale and after plain generation; a unit is left out where its values take
        several tokens and the walk did not come by all of them.
    text: the answer as the model writes it.
    status: "ok", "repaired", "invalid" or "no_face".
    box, score: where the face was found, (x, y, width, height) in pixels, and how surely, 0..1; None where the whole
        picture is the face.
    """

    values: dict[str, int | float | None]
    probabilities: dict[str, float | list[float]] = field(default_factory=dict)
    text: str = ""
    status: str = "ok"
    box: tuple[int, int, int, int] | None = None
    score: float | None = None


@dataclass(frozen=True)
class Slot:
    """A unit's place in the answer: the tokens before it, and those of each admissible value in ascending order."""

    code: str
    literal: Run
    sequences: tuple[Run, ...]

    def continuations(self, walked: Run) -> list[int]:
        """The tokens that may follow `walked` inside this slot, in ascending order of value; none behind a value."""
        depth = len(walked)
        return list(dict.fromkeys(s[depth] for s in self.sequences if len(s) > depth and s[:depth] == walked))


@dataclass(frozen=True)
class Plan:
    """An answer as literal runs and slots. `closing`: what follows the last value, the end token included."""

    protocol: Protocol
    slots: tuple[Slot, ...]
    closing: Run


@lru_cache(maxsize=16)
def compile_plan(tokenizer: Any, prompt: str, protocol: Protocol) -> Plan:
    """Cut the tokenised answer of a protocol into literals and slots, exactly as it stands behind `prompt`.

    Args:
        tokenizer: any fast tokenizer with an end token.
        prompt: the rendered chat up to where the answer begins.
        protocol: the units and the scale.

    Raises:
        ValueError: a token reaches over the border of a value or of the prompt, fixed text changes its tokens with the
            values beside it, or one value's tokens begin another's. Such a tokenizer needs mode "generate".
    """
    strings = value_strings(protocol.scale)
    cut = [_cut(tokenizer, prompt, protocol, [string] * len(protocol.units)) for string in strings]
    fixed = cut[0][0]
    slots = tuple(
        Slot(code, fixed[i + 1], tuple(values[i] for _, values in cut)) for i, code in enumerate(protocol.units)
    )
    # Equal values everywhere could hide that a value changes its neighbours: an answer in which they differ, too.
    mixed = [i % len(strings) for i in range(len(slots))]
    cut_mixed = _cut(tokenizer, prompt, protocol, [strings[i] for i in mixed])
    expected = fixed, [slot.sequences[i] for slot, i in zip(slots, mixed, strict=True)]
    alone = tuple(tokenizer(prompt, add_special_tokens=False)["input_ids"])
    if fixed[0] != alone or cut_mixed != expected or any(other != fixed for other, _ in cut):
        raise ValueError(_refusal(tokenizer, "the tokens of the fixed text change with what stands beside it"))
    for slot in slots:
        _check_slot(tokenizer, slot)
    return Plan(protocol, slots, fixed[-1])


def _cut(tokenizer, prompt: str, protocol: Protocol, strings: list[str]) -> tuple[list[Run], list[Run]]:
    """Token runs of an answer with the given value strings: the fixed ones (prompt, literals, closing), the values."""
    pieces = [prompt]
    for (literal, _), string in zip(answer_pieces(protocol), strings, strict=True):
        pieces += [literal, string]
    pieces.append(tokenizer.eos_token)
    text, ends = "".join(pieces), list(accumulate(map(len, pieces)))
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    runs = [[] for _ in pieces]
    for token, (start, end) in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True):
        run = bisect_right(ends, start)
        if end > ends[run]:
            raise ValueError(_refusal(tokenizer, f"one token holds {text[start:end]!r}, across the border of a value"))
        runs[run].append(token)
    runs = [tuple(run) for run in runs]
    return [runs[0], *runs[1:-1:2], runs[-1]], runs[2:-1:2]


def _check_slot(tokenizer, slot: Slot) -> None:
    if not slot.literal:
        raise ValueError(_refusal(tokenizer, f"no token stands before the value of {slot.code}"))
    for one, other in pairwise(sorted(slot.sequences)):
        if other[: len(one)] == one:
            raise ValueError(_refusal(tokenizer, f"one value of {slot.code} begins with all tokens of another, {one}"))


def _refusal(tokenizer, reason: str) -> str:
    return (
        f"the answer cannot be read slot by slot with this {type(tokenizer).__name__}: {reason}. "
        'Use mode "generate", or a tokenizer in which digits and signs are tokens of their own'
    )


class _Stream:
    """A batch of token sequences that grow over one key-value cache. Rows may skip a step: their token is masked out.

    logits_BV: the prediction after the last real token of every row that took the last step.
    """

    def __init__(self, model, input_ids, attention_mask, **vision):
        self._model, self._mask_BT, self._cache = model, attention_mask, None
        self._advance(input_ids, **vision)

    def feed(self, rows: list[list[int | None]]) -> None:
        """Append T tokens to each of the B rows; None skips the step."""
        tokens_BT = torch.tensor([[token or 0 for token in row] for row in rows], device=self._mask_BT.device)
        real_BT = torch.tensor([[token is not None for token in row] for row in rows], device=self._mask_BT.device)
        self._mask_BT = torch.cat([self._mask_BT, real_BT.to(self._mask_BT.dtype)], dim=1)
        self._advance(tokens_BT)

    def _advance(self, tokens_BT, **vision) -> None:
        positions_BT = (self._mask_BT.cumsum(1) - 1).clamp(min=0)[:, -tokens_BT.shape[1] :]
        output = self._model(
            input_ids=tokens_BT,
            attention_mask=self._mask_BT,
            position_ids=positions_BT,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
            **vision,
        )
        self._cache, self.logits_BV = output.past_key_values, output.logits[:, -1].float()


def read_joint(model: Any, inputs: Mapping[str, torch.Tensor], plan: Plan) -> list[AUReading]:
    """Fill the slots of a plan one after the other for a batch of prompts.

    Args:
        model: a LLaVA model in evaluation mode.
        inputs: input_ids and attention_mask (B, T), padded on the left; pixel_values (B, 3, H, W).
        plan: what `compile_plan` made for the same prompt.

    Returns:
        B readings of status "ok".
    """
    stream = _Stream(model, **inputs)
    batch = len(inputs["input_ids"])
    readings = [AUReading({}) for _ in range(batch)]
    chosen: list[list[int | None]] = [[] for _ in range(batch)]  # the last tokens of the slot before, not yet fed
    for slot in plan.slots:
        stream.feed([[*tokens, *slot.literal] for tokens in chosen])
        picked, log_probs_BN, chosen = _fill(stream, slot, batch, plan.protocol.scale)
        for reading, index, log_probs_N in zip(readings, picked, log_probs_BN.tolist(), strict=True):
            reading.values[slot.code] = value_of(value_strings(plan.protocol.scale)[index], plan.protocol.scale)
            distribution = [math.exp(log_prob) for log_prob in log_probs_N]
            if plan.protocol.scale != CONTINUOUS and not any(map(math.isnan, distribution)):
                binary = plan.protocol.scale == OCCURRENCE
                reading.probabilities[slot.code] = distribution[1] if binary else distribution
    for reading in readings:
        reading.text = render(reading.values, plan.protocol)
    return readings


def _fill(
    stream: _Stream, slot: Slot, batch: int, scale: str
) -> tuple[list[int], torch.Tensor, list[list[int | None]]]:
    """Choose a value of one slot in every row, walking down the tree of its token sequences level by level.

    Returns:
        The index of the chosen value per row; log-probabilities (B, N) of the values, NaN where the walk did not come
        by; and per row the token of the last level, which is not in the cache yet.
    """
    index_of = {sequence: index for index, sequence in enumerate(slot.sequences)}
    pick = _median if scale == CONTINUOUS and all(len(sequence) == 1 for sequence in index_of) else _likeliest
    known_BN, reached_B = torch.full((batch, len(index_of)), math.nan), torch.zeros(batch)
    walked: list[Run] = [()] * batch
    level: list[list[int | None]] = []
    while open_rows := [row for row in range(batch) if walked[row] not in index_of]:
        if level:
            stream.feed(level)
        level = [[None] for _ in range(batch)]
        for path in dict.fromkeys(walked[row] for row in open_rows):
            rows = [row for row in open_rows if walked[row] == path]
            tokens = slot.continuations(path)
            log_probs_RK = stream.logits_BV[rows][:, tokens].log_softmax(-1).cpu() + reached_B[rows, None]
            for k, token in enumerate(tokens):
                if (index := index_of.get((*path, token))) is not None:
                    known_BN[rows, index] = log_probs_RK[:, k]
            picked_R = pick(log_probs_RK)
            reached_B[rows] = log_probs_RK.gather(1, picked_R[:, None])[:, 0]
            for row, k in zip(rows, picked_R.tolist(), strict=True):
                walked[row], level[row] = (*path, tokens[k]), [tokens[k]]
    return [index_of[path] for path in walked], known_BN, level


def _likeliest(log_probs_RK: torch.Tensor) -> torch.Tensor:
    return log_probs_RK.argmax(-1)


def _median(log_probs_RK: torch.Tensor) -> torch.Tensor:
    """The first column at which half of the probability is reached."""
    cumulative_RK = log_probs_RK.exp().cumsum(-1)
    return (cumulative_RK < 0.5 * cumulative_RK[:, -1:]).sum(-1)
