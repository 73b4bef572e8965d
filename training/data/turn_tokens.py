"""One chat turn becomes tokens, and labels where its answer is.

In a share of the turns the values are left out of the answer that the model sees, "AU1= AU2=", and stay its labels: there each
value is read off where it would stand, without knowing the others. One model so learns to read value by value and all at once.

Most tokens of an answer repeat the names of the units. A model has them after a few steps, and from then on they only dilute
the loss, so a literal token carries its label in a fixed small share of its occurrences (chosen by answer and place, hence
repeatable); a value token and the end token always do. In a description every token does: there nothing is fixed.
"""

import re
import zlib
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from aullava.action_units import ACTION_UNITS, FEAFA_UNITS, SCALES, Protocol, value_strings
from aullava.plan_aullava import answer_runs, keeps_borders

IGNORED = -100  # the label that the loss leaves out
UNITS = (*ACTION_UNITS, *FEAFA_UNITS)  # numbers the units in slots

_VALUE = re.compile(r"=([^ ,]*)")
_PROBED = {scale: Protocol("custom", ("AU1", "AU2", "AU12"), scale) for scale in SCALES}


@dataclass(frozen=True)
class TurnTokens:
    """The tokens of question and answer, one label each (the token itself, or IGNORED), and where the values' labels are.

    slots: one (place in `labels`, unit in UNITS, scale in SCALES, value in `value_strings`) for each value, by number.
    """

    ids: list[int]
    labels: list[int]
    slots: list[tuple[int, int, int, int]]


@dataclass(frozen=True)
class _Piece:
    """A run of answer tokens. value: whether it is a unit's value."""

    tokens: Sequence[int]
    value: bool


def tokenise_turn(tokenizer, prompt: str, turn: dict, literal_share: float, hidden: bool) -> TurnTokens:
    """Tokens and labels of one turn.

    Question and answer are tokenised as one text, as they stand when the model is read; where a token would reach over the
    border of a value, as the read-out's plan cuts them.

    Args:
        tokenizer: a fast tokenizer.
        prompt: the rendered question, image tokens included, up to where the answer begins.
        turn: `completion`, `units`, `scale` of a training row's turn (dataset_builder/turns.py).
        literal_share: share, 0 to 1, of the fixed text's tokens that are learnt.
        hidden: leave the values out of the input; they are then labels of the token behind them, so that each is learnt
            where it would stand: the loss compares the prediction at one token with the label of the next. Of a value of
            several tokens the first is learnt.
    """
    answer = turn["completion"][0]["content"][0]["text"]
    if turn["units"] is None:
        return _tokenise_words(tokenizer, prompt, answer)
    asked, pieces = _cut(tokenizer, prompt, answer, turn["units"], turn["scale"])
    strings = value_strings(turn["scale"])
    said = [strings.index(string) for string in _VALUE.findall(answer)]
    ids, labels, slots, waiting = list(asked), [IGNORED] * len(asked), [], None
    salt, place, number = zlib.crc32(answer.encode()), 0, 0
    for piece in pieces:
        if piece.value:
            # Of a hidden value the label waits for the token behind it, which takes its column.
            slots.append((len(ids), UNITS.index(turn["units"][number]), SCALES.index(turn["scale"]), said[number]))
            number += 1
            if hidden:
                waiting = piece.tokens[0]
            else:
                ids += piece.tokens
                labels += piece.tokens
            continue
        for token in piece.tokens:
            learnt = token if waiting is None else waiting
            keep = waiting is not None or token == tokenizer.eos_token_id or kept(salt, place, literal_share)
            ids.append(token)
            labels.append(learnt if keep else IGNORED)
            waiting, place = None, place + 1
    return TurnTokens(ids, labels, slots)


def kept(salt: int, place: int, share: float) -> bool:
    """Whether this place is among the `share` that is taken; the same salt and place always give the same answer."""
    return zlib.crc32(f"{salt}-{place}".encode()) / 2**32 < share


def _tokenise_words(tokenizer, prompt: str, answer: str) -> TurnTokens:
    text = prompt + answer + tokenizer.eos_token
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids = encoded["input_ids"]
    learnt = [start >= len(prompt) for start, _ in encoded["offset_mapping"]]
    return TurnTokens(ids, [token if keep else IGNORED for token, keep in zip(ids, learnt, strict=True)], [])


def _cut(tokenizer, prompt: str, answer: str, units: Sequence[str], scale: str) -> tuple[list[int], list[_Piece]]:
    """The prompt's tokens, and the answer's as literal, value, literal, value, ..., closing."""
    if _is_read_as_written(tokenizer, scale):
        text = prompt + answer + tokenizer.eos_token
        borders = [border for found in _VALUE.finditer(answer) for border in found.span(1)]
        ends = [len(prompt) + border for border in (0, *borders)] + [len(text)]
        encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        runs = [[] for _ in ends]
        for token, (start, end) in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True):
            run = bisect_right(ends, start)
            if end > ends[run]:
                break  # a token that reaches over a border
            runs[run].append(token)
        else:
            return runs[0], [_Piece(tokens, place % 2 == 1) for place, tokens in enumerate(runs[1:])]
    runs = answer_runs(tokenizer, prompt, Protocol("custom", tuple(units), scale), _VALUE.findall(answer))
    alone = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    return alone, [_Piece(list(tokens), place % 2 == 1) for place, tokens in enumerate(runs)]


@lru_cache(maxsize=64)
def _is_read_as_written(tokenizer, scale: str) -> bool:
    """Whether the read-out cuts the whole text of an answer, and not piece by piece (plan_aullava.py)."""
    return keeps_borders(tokenizer, "\n", _PROBED[scale])
