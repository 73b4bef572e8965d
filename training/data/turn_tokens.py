"""One chat turn becomes tokens, and labels for its answer.

At the mask rate, values are masked: left out of the answer in the input, "AU1= AU2=", and kept as labels, so that each value is
predicted at its place without the others. One model so learns to read values one after the other and all at once.

Most tokens of an answer are its template: unit names that the model knows after a few steps, and that only dilute the loss from
then on. So only a fraction of the template tokens carry labels (chosen by answer and place, hence repeatable). Value tokens and the
end token always do. A description has no template: all of its tokens do.
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
from aullava.dataset_builder.chat.turns import DESCRIPTION, Turn
from aullava.plan_aullava import answer_runs, keeps_borders

IGNORED = -100  # the label that the loss leaves out
UNITS = (*ACTION_UNITS, *FEAFA_UNITS)  # numbers the units in slots


@dataclass(frozen=True)
class TurnTokens:
    """The tokens of question and answer, one label each (the token itself, or IGNORED), and where the values' labels are.

    slots: (column in `labels`, index into UNITS, SCALES and `value_strings`) of each value.
    """

    ids: list[int]
    labels: list[int]
    slots: list[tuple[int, int, int, int]]


def tokenise_turn(tokenizer, prompt: str, turn: Turn, template_loss_fraction: float, masked: bool) -> TurnTokens:
    """Tokens and labels of one turn.

    Question and answer are tokenised as one text, as they stand when the model is read; where a token would reach over the
    border of a value, as the read-out's plan cuts them.

    Args:
        tokenizer: a fast tokenizer.
        prompt: the rendered question, image tokens included, up to where the answer begins.
        turn: what was asked and found.
        template_loss_fraction: fraction, 0 to 1, of the template tokens that carry labels.
        masked: leave the values out of the input. Each is then the label of the token after it, so that it is predicted where it
            would stand: the loss compares the prediction at one token with the label of the next. Of a value of several tokens
            the first is the label.
    """
    answer, units, scale = turn.answer, turn.protocol.units, turn.protocol.scale
    if turn.kind == DESCRIPTION:
        return _tokenise_words(tokenizer, prompt, answer)
    strings = [format_value(turn.values[code], scale) for code in units]
    asked, runs = _cut(tokenizer, prompt, turn.protocol, strings)
    ids, labels, slots, waiting = list(asked), [IGNORED] * len(asked), [], None
    salt, place = zlib.crc32(answer.encode()), 0
    for number, tokens in enumerate(runs):
        if number % 2:  # a value, between two pieces of template
            unit = number // 2
            # The label of a masked value waits for the next token, and takes its column.
            value = value_strings(scale).index(strings[unit])
            slots.append((len(ids), UNITS.index(units[unit]), list(SCALES).index(scale), value))
            if masked:
                waiting = tokens[0]
            else:
                ids += tokens
                labels += tokens
            continue
        for token in tokens:
            learnt = token if waiting is None else waiting
            keep = (
                waiting is not None or token == tokenizer.eos_token_id or sampled(salt, place, template_loss_fraction)
            )
            ids.append(token)
            labels.append(learnt if keep else IGNORED)
            waiting, place = None, place + 1  # template tokens only: the same ones whether values are masked or not
    return TurnTokens(ids, labels, slots)


def sampled(salt: int, place: int, rate: float) -> bool:
    """True at this rate; the same salt and place always give the same result."""
    return zlib.crc32(f"{salt}-{place}".encode()) / 2**32 < rate


def _tokenise_words(tokenizer, prompt: str, answer: str) -> TurnTokens:
    text = prompt + answer + tokenizer.eos_token
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids = encoded["input_ids"]
    learnt = [start >= len(prompt) for start, _ in encoded["offset_mapping"]]
    return TurnTokens(ids, [token if keep else IGNORED for token, keep in zip(ids, learnt, strict=True)], [])


def _cut(tokenizer, prompt: str, protocol: Protocol, strings: list[str]) -> tuple[Sequence[int], list[Sequence[int]]]:
    """The prompt's tokens, and the answer's as template, value, template, value, ..., closing."""
    if _is_read_as_written(tokenizer, protocol.scale):
        parts = [
            part
            for (literal, _), value in zip(answer_pieces(protocol), strings, strict=True)
            for part in (literal, value)
        ]
        text = "".join((prompt, *parts, tokenizer.eos_token))
        ends = [*accumulate(map(len, parts), initial=len(prompt)), len(text)]
        encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        runs = [[] for _ in ends]
        for token, (start, end) in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True):
            run = bisect_right(ends, start)
            if end > ends[run]:
                break  # a token that crosses a border
            runs[run].append(token)
        else:
            return runs[0], runs[1:]
    return tokenizer(prompt, add_special_tokens=False)["input_ids"], answer_runs(tokenizer, prompt, protocol, strings)


@lru_cache(maxsize=64)
def _is_read_as_written(tokenizer, scale: str) -> bool:
    """Whether the read-out cuts the whole text of an answer, and not piece by piece (plan_aullava.py)."""
    return keeps_borders(tokenizer, "\n", Protocol("custom", ("AU1", "AU2", "AU12"), scale))
