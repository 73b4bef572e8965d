"""One chat turn becomes tokens, and labels where its answer is.

In a share of the turns the values are left out of the answer that the model sees, "AU1= AU2=", and stay its labels: there each
value is read off where it would stand, without knowing the others. One model so learns to read value by value and all at once.

Most tokens of an answer repeat the names of the units. A model has them after a few steps, and from then on they only dilute
the loss, so a literal token carries its label in a fixed small share of its occurrences (chosen by answer and place, hence
repeatable); a value token and the end token always do. In a description every token does: there nothing is fixed.
"""

import zlib
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

from aullava.action_units import (
    ACTION_UNITS,
    FEAFA_UNITS,
    SCALES,
    Protocol,
    answer_pieces,
    format_value,
    value_strings,
)
from aullava.dataset_builder.turns import DESCRIPTION, Turn
from aullava.plan_aullava import answer_runs, keeps_borders

IGNORED = -100  # the label that the loss leaves out
UNITS = (*ACTION_UNITS, *FEAFA_UNITS)  # numbers the units in slots

_PROBED = {scale: Protocol("custom", ("AU1", "AU2", "AU12"), scale) for scale in SCALES}


@dataclass(frozen=True)
class TurnTokens:
    """The tokens of question and answer, one label each (the token itself, or IGNORED), and where the values' labels are.

    slots: one (place in `labels`, unit in UNITS, scale in SCALES, value in `value_strings`) for each value, by number.
    """

    ids: list[int]
    labels: list[int]
    slots: list[tuple[int, int, int, int]]


def tokenise_turn(tokenizer, prompt: str, turn: Turn, literal_share: float, hidden: bool) -> TurnTokens:
    """Tokens and labels of one turn.

    Question and answer are tokenised as one text, as they stand when the model is read; where a token would reach over the
    border of a value, as the read-out's plan cuts them.

    Args:
        tokenizer: a fast tokenizer.
        prompt: the rendered question, image tokens included, up to where the answer begins.
        turn: what was asked and found.
        literal_share: share, 0 to 1, of the fixed text's tokens that are learnt.
        hidden: leave the values out of the input; they are then labels of the token behind them, so that each is learnt
            where it would stand: the loss compares the prediction at one token with the label of the next. Of a value of
            several tokens the first is learnt.
    """
    answer, units, scale = turn.answer, turn.protocol.units, turn.protocol.scale
    if turn.kind == DESCRIPTION:
        return _tokenise_words(tokenizer, prompt, answer)
    said = [format_value(turn.values[code], scale) for code in units]
    asked, runs = _cut(tokenizer, prompt, turn.protocol, said)
    ids, labels, slots, waiting = list(asked), [IGNORED] * len(asked), [], None
    salt, place = zlib.crc32(answer.encode()), 0
    for number, tokens in enumerate(runs):
        if number % 2:  # a value; before and behind it stand literals
            unit = number // 2
            # Of a hidden value the label waits for the token behind it, which takes its column.
            value = value_strings(scale).index(said[unit])
            slots.append((len(ids), UNITS.index(units[unit]), SCALES.index(scale), value))
            if hidden:
                waiting = tokens[0]
            else:
                ids += tokens
                labels += tokens
            continue
        for token in tokens:
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


def _cut(tokenizer, prompt: str, protocol: Protocol, said: list[str]) -> tuple[Sequence[int], list[Sequence[int]]]:
    """The prompt's tokens, and the answer's as literal, value, literal, value, ..., closing."""
    if _is_read_as_written(tokenizer, protocol.scale):
        parts = [
            part
            for (literal, _), value in zip(answer_pieces(protocol), said, strict=True)
            for part in (literal, value)
        ]
        text = "".join((prompt, *parts, tokenizer.eos_token))
        ends = [*accumulate(map(len, parts), initial=len(prompt)), len(text)]
        encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        runs = [[] for _ in ends]
        for token, (start, end) in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True):
            run = bisect_right(ends, start)
            if end > ends[run]:
                break  # a token that reaches over a border
            runs[run].append(token)
        else:
            return runs[0], runs[1:]
    return tokenizer(prompt, add_special_tokens=False)["input_ids"], answer_runs(tokenizer, prompt, protocol, said)


@lru_cache(maxsize=64)
def _is_read_as_written(tokenizer, scale: str) -> bool:
    """Whether the read-out cuts the whole text of an answer, and not piece by piece (plan_aullava.py)."""
    return keeps_borders(tokenizer, "\n", _PROBED[scale])
