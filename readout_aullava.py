"""Structured read-out: fixed answer text is fed, values are chosen among the admissible ones.

A model that answers "AU1=0 AU2=3" decides nothing but the digits. A plan (plan_aullava.py) says which tokens are fixed and where
the values are. This file feeds the fixed tokens and reads the distribution over the admissible values at each value.

    joint      values one after the other, each given all before it. Greedy generation restricted to well-formed answers,
               with one pass per value (the first in the pass over the prompt); fixed tokens need no pass of their own.
    parallel   the answer without its values, "AU1= AU2=". Each value is read at its place, none given another, all in the pass
               over the prompt.

A value of several tokens ("0", ".", "5", "3") is found by walking down the tree of its token sequences, one pass per choice.

The tokens form a tree (tree_aullava.py): several protocols of one image are branches after the same image, and the further
digits of parallel values are branches after their places.

Conventions
    B rows, T tokens, S segments of a pass, V vocabulary entries, R rows at the same choice, K continuations from it.
    Probabilities are normalised over the admissible values only.
"""

import math
import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from transformers import StaticCache

from .action_units import SCALES, Protocol, render, value_of, value_strings
from .plan_aullava import Plan, Run, Slot
from .tree_aullava import Branch, Prefix, TokenTree

VALUE_RULES = ("argmax", "median", "expected")


@dataclass
class AUReading:
    """What the model read from one face.

    values: code -> int (occurrence, intensity) or float (continuous), None where undetermined.
    probabilities: code -> P(active) on the occurrence scale, the probabilities of the levels 0..5 on the intensity
        scale. Empty on the continuous scale and after plain generation. A unit is left out if its values take several
        tokens and the walk did not reach all of them.
    text: the answer as the model writes it.
    status: "ok", "repaired", "invalid" or "no_face".
    expected: code -> expected value, 0..5 or 0..1, on the intensity and the continuous scale. A unit is left out if its
        distribution is not fully known.
    distributions: code -> the probability of every admissible value, ascending; filled on request only.
    """

    values: dict[str, int | float | None]
    probabilities: dict[str, float | list[float]] = field(default_factory=dict)
    text: str = ""
    status: str = "ok"
    expected: dict[str, float] = field(default_factory=dict)
    distributions: dict[str, list[float]] = field(default_factory=dict)

    _place = None, None  # box and score, set by the FaceRow that holds the reading

    @property
    def box(self) -> tuple[int, int, int, int] | None:
        """Deprecated: the row's. None outside of a row, since the model is given a crop."""
        warnings.warn("AUReading.box will go in the next version: use FaceRow.box", FutureWarning, 2)
        return self._place[0]

    @property
    def score(self) -> float | None:
        """Deprecated, as `box`."""
        warnings.warn("AUReading.score will go in the next version: use FaceRow.score", FutureWarning, 2)
        return self._place[1]


@dataclass(frozen=True)
class Rule:
    """How a value is chosen from its distribution.

    value: "argmax", "median" or "expected" (rounded to the nearest value of the scale); None is `Scale.default`: the median on
        the continuous scale, because the likeliest value is biased to 0.00 when most faces rest. On the occurrence scale
        all three are the same. Median and expected value of a value of several tokens are those of the walk: the median is
        exact where neighbouring values share their first tokens, else the likeliest way on is taken.
    calibration: as in the configuration: "temperature" by scale, which divides the logits; "thresholds" by protocol name
        and code: a unit counts as present where P(active) is above its threshold.
    """

    value: str | None = None
    calibration: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        if self.value not in (None, *VALUE_RULES):
            raise ValueError(
                f"value is {self.value!r}: expected one of {', '.join(VALUE_RULES)}, or None for the default"
            )

    def value_for(self, plan: Plan) -> str:
        value = self.value or SCALES[plan.protocol.scale].default
        if not SCALES[plan.protocol.scale].is_graded:
            return "argmax"
        if value == "expected" and (slot := next((s for s in plan.slots if len(s.choices) > 1), None)):
            raise ValueError(
                f'value "expected" needs the whole distribution, but with this tokenizer a value of {slot.code} takes several '
                'tokens: use "median" or "argmax"'
            )
        return value

    def temperature(self, protocol: Protocol) -> float:
        return self.calibration.get("temperature", {}).get(protocol.scale, 1.0)

    def thresholds(self, protocol: Protocol) -> Mapping[str, float]:
        graded = SCALES[protocol.scale].is_graded
        return {} if graded else self.calibration.get("thresholds", {}).get(protocol.name, {})


class _Track:
    """A branch along which some slots of a plan are read one after the other, every row at its own pace."""

    def __init__(self, plan: Plan, value: str, slots: Sequence[Slot], at: Branch, first: Run):
        batch = len(at.length_B)
        self.plan, self.value, self.slots, self.at = plan, value, slots, at
        self.place = [0] * batch  # the slot that each row has reached
        self.walked = [()] * batch  # tokens of its value so far
        self._pending = [first] * batch  # tokens that are not in the tree yet
        self.reached = [1.0] * batch  # probability of what was walked
        self.below = [0.0] * batch  # probability of the smaller values
        self.found = {slot.code: [[math.nan] * len(slot.sequences) for _ in range(batch)] for slot in slots}
        self.chosen = {slot.code: [None] * batch for slot in slots}

    def slot(self, row: int) -> Slot | None:
        """The slot that is being read; None after the last."""
        return self.slots[self.place[row]] if self.place[row] < len(self.slots) else None

    def queue(self, tree: TokenTree) -> None:
        """Add what was chosen, and the fixed tokens after it, to the tree."""
        if width := max(map(len, self._pending)):
            ids = np.array([[*[0] * (width - len(run)), *run] for run in self._pending])
            lengths = np.array([len(run) for run in self._pending])
            self.at = tree.add(self.at, ids, np.arange(width) >= width - lengths[:, None])
        self._pending = [()] * len(self._pending)

    def take(self, row: int, shares_K: list[float], k: int) -> None:
        """Record the probabilities of the K continuations of a row, and take the k-th."""
        slot, walked = self.slot(row), self.walked[row]
        ways = slot.choices[walked]
        if len(ways) == len(slot.sequences):  # each is a value: the same as below, but faster
            self.found[slot.code][row] = shares_K
        else:
            for way, share in zip(ways, shares_K, strict=True):
                if (index := slot.index.get(walked + way)) is not None:
                    self.found[slot.code][row][index] = share
            self.below[row] += sum(shares_K[:k])
        self.reached[row], self.walked[row], self._pending[row] = shares_K[k], walked + ways[k], ways[k]
        if (index := slot.index.get(self.walked[row])) is not None:
            self.chosen[slot.code][row] = index
            self.place[row] += 1
            self.reached[row], self.below[row], self.walked[row] = 1.0, 0.0, ()
            following = self.slot(row)
            self._pending[row] = ways[k] + following.literal if following else ()


def read(
    model: Any,
    prompts: Sequence[Mapping[str, torch.Tensor]],
    plans: Sequence[Plan],
    mode: str = "joint",
    *,
    rule: Rule | None = None,
    distributions: bool = False,
    image_features: Any = None,
    prefix: Prefix | None = None,
    cache: Any = None,
) -> list[list[AUReading]]:
    """Read one or several answers about each image of a batch.

    Args:
        model: a LLaVA model in evaluation mode.
        prompts: for each plan input_ids and attention_mask (B, T), padded on the left; all about the same images.
            pixel_values (B, 3, H, W) in the first, unless `image_features` are given.
        plans: what `compile_plan` made for the same prompts.
        mode: "joint" or "parallel".
        rule: how values are chosen.
        distributions: whether readings hold the probability of every value.
        image_features: what `model.get_image_features` gave for these images.
        prefix: the first tokens of the prompt; then there is one prompt, without padding.
        cache: an empty key-value cache with room for all tokens, instead of a prefix; default a dynamic one, or a static one
            where the model's generation configuration says `cache_implementation="static"`.

    Returns:
        For each plan B readings of status "ok". Prompts that begin alike, image included, share that part.

    Raises:
        FloatingPointError: the model's logits are not numbers.
        ValueError: unknown mode, or a rule that this tokenizer does not allow.
    """
    rule = rule or Rule()
    values = [rule.value_for(plan) for plan in plans]
    if image_features is None:
        image_features = model.get_image_features(pixel_values=prompts[0]["pixel_values"])
    ids = [prompt["input_ids"].cpu().numpy() for prompt in prompts]
    real = [prompt["attention_mask"].cpu().numpy().astype(bool) for prompt in prompts]
    shared = _shared_columns(ids, real)
    if (ids[0][:, shared:] == model.config.image_token_id).any():  # the image cannot be shared
        options = {"rule": rule, "distributions": distributions, "image_features": image_features}
        return [read(model, [p], [q], mode, **options)[0] for p, q in zip(prompts, plans, strict=True)]
    begin, batch = len(prefix.run) if prefix else 0, len(ids[0])
    if cache is None:  # an empty cache is false
        cache = prefix.expanded(batch) if prefix else _static_cache(model, ids, plans)
    tree = TokenTree(model, batch, image_features, cache)
    at = tree.add(tree.root, ids[0][:, begin:shared], real[0][:, begin:shared])
    starts = [
        tree.add(at, i[:, shared:], r[:, shared:]) if i.shape[1] > shared else at
        for i, r in zip(ids, real, strict=True)
    ]
    tracks = [_tracks(tree, *parts, mode) for parts in zip(starts, plans, values, strict=True)]
    every = [track for of_plan in tracks for track in of_plan]
    for track in every:
        track.queue(tree)
    while (logits_BSV := tree.run()) is not None:
        _choose(logits_BSV, every, rule)
        for track in every:
            track.queue(tree)
    return [_readings(of_plan, plan, distributions) for of_plan, plan in zip(tracks, plans, strict=True)]


def _static_cache(model: Any, ids: list[np.ndarray], plans: Sequence[Plan]) -> StaticCache | None:
    """A static cache with room for every token, if the model is configured to use one."""
    if model.generation_config.cache_implementation != "static":
        return None
    columns = sum(array.shape[1] for array in ids) + sum(plan.most_columns for plan in plans)
    return StaticCache(config=model.config.get_text_config(), max_cache_len=columns)


def _tracks(tree: TokenTree, start: Branch, plan: Plan, value: str, mode: str) -> list[_Track]:
    """The mode decides where tracks begin, and so the tokens that a value is given and its position."""
    if mode == "joint":
        return [_Track(plan, value, plan.slots, start, plan.slots[0].literal)]
    if mode != "parallel":
        raise ValueError(f"mode is {mode!r}: expected joint or parallel")
    batch, tracks, at = len(start.length_B), [], start
    for slot in plan.slots:
        at = tree.add(at, np.tile(slot.literal, (batch, 1)))
        tracks.append(_Track(plan, value, [slot], at, ()))
    return tracks


def _shared_columns(ids: list[np.ndarray], real: list[np.ndarray]) -> int:
    """How many leading columns are the same in all prompts."""
    shortest = min(array.shape[1] for array in ids)
    alike = [
        (array[:, :shortest] == first[:, :shortest]).all(0)
        for arrays, first in ((ids, ids[0]), (real, real[0]))
        for array in arrays
    ]
    return int(np.logical_and.reduce(alike).cumprod().sum())


def _choose(logits_BSV: torch.Tensor, tracks: list[_Track], rule: Rule) -> None:
    """Choose a continuation in every track and row that is at a value; all with the same choice of tokens at once."""
    groups = defaultdict(list)
    for track in tracks:
        temperature = rule.temperature(track.plan.protocol)
        for row in range(len(track.place)):
            if slot := track.slot(row):
                value = "argmax" if track.value == "median" and not slot.is_ordered else track.value
                tokens = tuple(way[0] for way in slot.choices[track.walked[row]])
                groups[tokens, value, temperature].append((track, row))
    for (tokens, value, temperature), members in groups.items():
        rows, segments = zip(*((row, track.at.segment) for track, row in members), strict=True)
        logits_RK = logits_BSV[list(rows), list(segments)][:, list(tokens)].float()
        log_probs_RK = (logits_RK / temperature).log_softmax(-1)
        if log_probs_RK.isnan().any():
            track, row = members[int(log_probs_RK.isnan().any(-1).nonzero()[0])]
            raise FloatingPointError(
                f"the logits at {track.slot(row).code} in row {row} of the batch are not numbers: the weights or the image are "
                "damaged, or the numbers overflow; try dtype=torch.float32"
            )
        shares_RK = log_probs_RK.double().exp().cpu().numpy()
        picked_R = logits_RK.argmax(-1).tolist() if value == "argmax" else _middle(shares_RK, value, members)
        reached_R = [track.reached[row] for track, row in members]
        for (track, row), shares_K, k, reached in zip(members, shares_RK.tolist(), picked_R, reached_R, strict=True):
            thresholds = rule.thresholds(track.plan.protocol)
            if (code := track.slot(row).code) in thresholds:
                k = int(shares_K[1] > thresholds[code])
            track.take(row, shares_K if reached == 1 else [share * reached for share in shares_K], k)


def _middle(shares_RK: np.ndarray, value: str, members: list[tuple[_Track, int]]) -> list[int]:
    """Median: the first way on with which half of the whole probability is reached. Expected: the nearest value's."""
    if value == "expected":
        steps_K = np.arange(shares_RK.shape[1])
        return np.floor((shares_RK * steps_K).sum(-1) + 0.5).astype(int).clip(max=steps_K[-1]).tolist()
    reached_R, below_R = np.array([(track.reached[row], track.below[row]) for track, row in members]).T
    cumulative_RK = below_R[:, None] + reached_R[:, None] * (shares_RK / shares_RK.sum(-1, keepdims=True)).cumsum(-1)
    return (cumulative_RK < 0.5).sum(-1).clip(max=shares_RK.shape[1] - 1).tolist()


def _readings(tracks: list[_Track], plan: Plan, distributions: bool) -> list[AUReading]:
    protocol, strings = plan.protocol, value_strings(plan.protocol.scale)
    numbers = [value_of(string, protocol.scale) for string in strings]
    chosen = {code: indices for track in tracks for code, indices in track.chosen.items()}
    found = {code: shares for track in tracks for code, shares in track.found.items()}
    readings, scale = [], SCALES[protocol.scale]
    for row in range(len(tracks[0].place)):
        reading = AUReading({code: numbers[chosen[code][row]] for code in protocol.units})
        reading.text = render(reading.values, protocol)
        for code in protocol.units:
            shares = found[code][row]
            expected = float(np.dot(shares, numbers))
            if math.isnan(expected):  # the walk did not come by every value
                continue
            if scale.has_levels:
                reading.probabilities[code] = shares if scale.is_graded else shares[1]
            if scale.is_graded:
                reading.expected[code] = expected
            if distributions:
                reading.distributions[code] = list(shares)
        readings.append(reading)
    return readings


def read_joint(model: Any, inputs: Mapping[str, torch.Tensor], plan: Plan, **options) -> list[AUReading]:
    """`read` one answer, each value seeing those before it; inputs hold pixel_values."""
    return read(model, [inputs], [plan], "joint", **options)[0]


def read_parallel(model: Any, inputs: Mapping[str, torch.Tensor], plan: Plan, **options) -> list[AUReading]:
    """`read` one answer, each value on its own; inputs hold pixel_values."""
    return read(model, [inputs], [plan], "parallel", **options)[0]
