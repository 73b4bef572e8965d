"""Constrained decoding as a library does it: plain generation, every pass of which is masked to what the answer may go on with."""

from functools import cache

import numpy as np
import torch
from transformers import LogitsProcessor

from aullava.action_units import Protocol, answer_regex

try:
    from llguidance import LLMatcher
    from llguidance.hf import from_tokenizer
except ImportError:
    LLMatcher = None


class Masks(LogitsProcessor):
    """llguidance as a logits processor: leaves the tokens with which the text can go on to an answer of the protocol."""

    def __init__(self, tokenizer, protocol: Protocol, begin: int, batch: int):
        grammar = LLMatcher.grammar_from_regex(answer_regex(protocol))
        known = _guide(tokenizer)
        self.end = tokenizer.eos_token_id
        self.begin, self.matchers = begin, [LLMatcher(known, grammar) for _ in range(batch)]

    def __call__(self, input_ids, scores):
        for row, matcher in enumerate(self.matchers):
            if input_ids.shape[1] > self.begin and not matcher.is_stopped():
                matcher.consume_token(int(input_ids[row, -1]))
            if matcher.is_stopped():
                allowed = torch.arange(scores.shape[1]) == self.end
            else:
                bits = np.unpackbits(np.frombuffer(matcher.compute_bitmask(), np.uint8), bitorder="little")
                allowed = torch.from_numpy(bits[: scores.shape[1]].astype(bool))
            scores[row].masked_fill_(~allowed.to(scores.device), -torch.inf)
        return scores


@cache
def _guide(tokenizer):
    return from_tokenizer(tokenizer, n_vocab=len(tokenizer))
