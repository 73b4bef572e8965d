"""The plan of an answer: which of its tokens are fixed, and where a value stands with which token sequences.

`compile_plan` cuts the answer of a protocol ("AU1=0 AU2=3") into literals and slots for one tokenizer; `answer_runs` gives
the tokens of an answer whose values are known. Training and reading use the same cut.

Two ways to cut, chosen for the whole of an answer and never by its values:
    whole text  prompt and answer are tokenised as one text. Allowed if no token crosses the border of a value and the fixed
                tokens do not depend on the values. So every ordinary tokenizer is read as it writes.
    pieces      otherwise each literal and each value is tokenised by itself, after a character that does not merge with it, so
                that no space is put before it.
"""

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate, pairwise
from os.path import commonprefix
from typing import Any

from .action_units import Protocol, answer_pieces, value_strings

Run = tuple[int, ...]  # token ids


@dataclass(frozen=True)
class Slot:
    """A unit's place in the answer: the tokens before it, and those of each admissible value in ascending order."""

    code: str
    literal: Run
    sequences: tuple[Run, ...]

    def continuations(self, walked: Run) -> list[int]:
        """The tokens that may follow `walked` inside this slot, in ascending order of value; none after a value."""
        depth = len(walked)
        return list(dict.fromkeys(s[depth] for s in self.sequences if len(s) > depth and s[:depth] == walked))

    @cached_property
    def index(self) -> dict[Run, int]:
        """Token sequence -> which value it is."""
        return {sequence: index for index, sequence in enumerate(self.sequences)}

    @cached_property
    def choices(self) -> dict[Run, tuple[Run, ...]]:
        """The value tree: tokens walked so far -> continuations. Each is one chosen token and the tokens that must follow it,
        up to the next choice or the end of a value."""
        found, waiting = {}, [()]
        while waiting:
            walked = waiting.pop()
            ways = []
            for token in self.continuations(walked):
                way = (token,)
                while len(following := self.continuations(walked + way)) == 1:
                    way += (following[0],)
                ways.append(way)
                waiting += [walked + way] if following else []
            found[walked] = tuple(ways)
        return found

    @cached_property
    def depth(self) -> int:
        """The largest number of choices on the way to a value."""
        return max(sum(sequence[:n] in self.choices for n in range(len(sequence))) for sequence in self.sequences)

    @cached_property
    def is_ordered(self) -> bool:
        """Whether every continuation covers neighbouring values, so that a walk knows the probability of smaller values."""
        for walked, ways in self.choices.items():
            for way in ways:
                below = [i for i, s in enumerate(self.sequences) if s[: len(walked + way)] == walked + way]
                if below[-1] - below[0] >= len(below):
                    return False
        return True


@dataclass(frozen=True)
class Plan:
    """An answer as literal runs and slots. `closing`: what follows the last value, the end token included."""

    protocol: Protocol
    slots: tuple[Slot, ...]
    closing: Run

    @cached_property
    def most_columns(self) -> int:
        """An upper bound of the tokens that reading appends to a prompt, filler of ragged rows included."""
        longest = max(len(way) for slot in self.slots for ways in slot.choices.values() for way in ways)
        literal = max(len(slot.literal) for slot in self.slots)
        return literal + sum(slot.depth for slot in self.slots) * (literal + longest)


@lru_cache(maxsize=256)
def compile_plan(tokenizer: Any, prompt: str, protocol: Protocol) -> Plan:
    """Cut the tokenised answer of a protocol into literals and slots, as it follows `prompt`.

    Args:
        tokenizer: any fast tokenizer with an end token.
        prompt: the rendered chat up to the beginning of the answer; its tokens must not depend on the answer.
        protocol: the units and the scale.

    Raises:
        ValueError: the tokenizer cannot tell the values of a unit apart, or one value's tokens begin another's.
    """
    literals, values, closing = _whole_text(tokenizer, prompt, protocol) or _pieces(tokenizer, protocol)
    slots = []
    for code, literal, sequences in zip(protocol.units, literals, values, strict=True):
        shared = commonprefix(sequences) if len(set(sequences)) > 1 else ()
        slot = Slot(code, literal + shared, tuple(sequence[len(shared) :] for sequence in sequences))
        _check(tokenizer, slot)
        slots.append(slot)
    return Plan(protocol, tuple(slots), closing)


def answer_runs(tokenizer: Any, prompt: str, protocol: Protocol, strings: list[str]) -> list[Run]:
    """The tokens of an answer after `prompt`: literal, value, literal, value, ..., closing (including the end token).

    Args:
        strings: one of `value_strings(protocol.scale)` for each unit of the protocol.

    Raises:
        ValueError: as for `compile_plan`, or a string is not a value of the scale.
    """
    plan, admissible = compile_plan(tokenizer, prompt, protocol), value_strings(protocol.scale)
    if unknown := sorted(set(strings) - set(admissible)):
        raise ValueError(f"{unknown[0]!r} is no value of scale {protocol.scale!r}: expected one of {admissible}")
    runs = []
    for slot, string in zip(plan.slots, strings, strict=True):
        runs += [slot.literal, slot.sequences[admissible.index(string)]]
    return [*runs, plan.closing]


def keeps_borders(tokenizer: Any, prompt: str, protocol: Protocol) -> bool:
    """Whether the answers of a protocol are cut as whole texts: no token crosses the border of a value."""
    return _whole_text(tokenizer, prompt, protocol) is not None


def _whole_text(tokenizer, prompt: str, protocol: Protocol) -> tuple[list[Run], list[tuple[Run, ...]], Run] | None:
    """Literals, each unit's value sequences, and the closing; None if tokens depend on their neighbours."""
    strings = value_strings(protocol.scale)
    # Equal values everywhere could hide that a value changes its neighbours, so the last answer mixes values.
    mixed = [i % len(strings) for i in range(len(protocol.units))]
    answers = [[string] * len(protocol.units) for string in strings] + [[strings[i] for i in mixed]]
    cuts = []
    for answer in answers:
        if (cut := _cut(tokenizer, prompt, protocol, answer)) is None or (cuts and cut[0] != cuts[0][0]):
            return None
        cuts.append(cut)
    *equal, (fixed, mixed_values) = cuts
    values = [tuple(sequences) for sequences in zip(*(values for _, values in equal), strict=True)]
    alone = tuple(tokenizer(prompt, add_special_tokens=False)["input_ids"])
    if fixed[0] != alone or mixed_values != [values[unit][i] for unit, i in enumerate(mixed)]:
        return None
    return fixed[1:-1], values, fixed[-1]


def _cut(tokenizer, prompt: str, protocol: Protocol, strings: list[str]) -> tuple[list[Run], list[Run]] | None:
    """Token runs of one text: the fixed ones (prompt, literals, closing), the values; None if a token crosses a border."""
    pieces = [prompt]
    for (literal, _), string in zip(answer_pieces(protocol), strings, strict=True):
        pieces += [literal, string]
    pieces.append(tokenizer.eos_token)
    ends = list(accumulate(map(len, pieces)))
    encoded = tokenizer("".join(pieces), add_special_tokens=False, return_offsets_mapping=True)
    runs = [[] for _ in pieces]
    for token, (start, end) in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True):
        run = bisect_right(ends, start)
        if end > ends[run]:
            return None
        runs[run].append(token)
    runs = [tuple(run) for run in runs]
    return [runs[0], *runs[1:-1:2], runs[-1]], runs[2:-1:2]


def _pieces(tokenizer, protocol: Protocol) -> tuple[list[Run], list[tuple[Run, ...]], Run]:
    """What `_whole_text` gives, from every literal and every value by itself."""
    values = tuple(_alone(tokenizer, string) for string in value_strings(protocol.scale))
    literals = [_alone(tokenizer, literal) for literal, _ in answer_pieces(protocol)]
    return literals, [values] * len(literals), (tokenizer.eos_token_id,)


def _alone(tokenizer, text: str) -> Run:
    """The tokens of a text inside a longer one: many tokenizers put a space before what stands at the very beginning."""
    for anchor in ("\n", "=", tokenizer.eos_token, ""):
        before = tokenizer(anchor, add_special_tokens=False)["input_ids"]
        both = tokenizer(anchor + text, add_special_tokens=False)["input_ids"]
        if both[: len(before)] == before:
            break  # at the latest with the empty anchor
    return tuple(both[len(before) :])


def _check(tokenizer, slot: Slot) -> None:
    reason = "" if slot.literal else f"no token stands before the value of {slot.code}"
    for one, other in pairwise(sorted(slot.sequences)):
        if other[: len(one)] == one:
            reason = f"one value of {slot.code} begins with all tokens of another, {one}"
    if reason:
        raise ValueError(
            f"the answer cannot be read slot by slot with this {type(tokenizer).__name__}: {reason}. "
            'Use mode "generate", or a tokenizer that knows digits and signs'
        )
