"""Rows of pictures and chat turns become one padded batch, with labels where the answer is.

In a share of the rows the values are left out of the answer that the model sees, "AU1= AU2=", and stay its labels: there each
value is read off where it would stand, without knowing the others. One model so learns to read value by value and all at once.

Most tokens of an answer repeat the names of the units. A model has them after a few steps, and from then on they only dilute
the loss, so a literal token carries its label in a fixed small share of its occurrences (chosen by its row and place, hence
repeatable); a value token and the end token always do.
"""

import zlib
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

IGNORED = -100  # the label that the loss leaves out


@dataclass
class TurnCollator:
    """Callable for a DataLoader.

    Args:
        processor: AULlavaProcessor with a fast tokenizer.
        literal_share: share, 0 to 1, of the answer's literal tokens that are learnt.
        hidden_share: share, 0 to 1, of the rows whose values are labels only. Which ones depends on the picture, so it repeats.
        layout: "image_first" or "instruction_first": the order of picture and question, whatever it is in the row.
    """

    processor: object
    literal_share: float = 0.05
    hidden_share: float = 0.0
    layout: str = "image_first"

    def __call__(self, rows: list[dict]) -> dict[str, torch.Tensor]:
        """Rows with `images`, `prompt`, `completion` to `input_ids`, `attention_mask`, `labels` (batch, length, padded on
        the right) and `pixel_values` (batch, 3, side, side).

        Question and answer are tokenised as one text, as they stand when the model is read.
        """
        questions = [
            self.processor.apply_chat_template(
                ordered(row["prompt"], self.layout), tokenize=False, add_generation_prompt=True
            )
            for row in rows
        ]
        answers = [row["completion"][0]["content"][0]["text"] for row in rows]
        end = self.processor.tokenizer.eos_token
        images: list[Image.Image] = [image for row in rows for image in row["images"]]
        encoded = self.processor(
            images=images,
            text=[question + answer + end for question, answer in zip(questions, answers, strict=True)],
            add_special_tokens=False,
            return_offsets_mapping=True,
        )
        pixel_values = torch.from_numpy(np.stack(encoded["pixel_values"]))
        sequences, labels = [], []
        rows_of_batch = zip(encoded["input_ids"], encoded["offset_mapping"], answers, pixel_values, strict=True)
        for ids, offsets, answer, pixels in rows_of_batch:
            learnt = self._labels(ids, offsets, answer)
            if _keeps(zlib.crc32(pixels.numpy().tobytes()), 0, self.hidden_share):
                ids, learnt = _hide_values(ids, learnt, self._value_places(offsets, answer))
            sequences.append(ids)
            labels.append(learnt)
        return {**self._pad(sequences, labels), "pixel_values": pixel_values}

    def _value_places(self, offsets: list[tuple[int, int]], answer: str) -> list[bool]:
        """Which tokens lie in a value of the answer."""
        end = offsets[-1][0]  # of the answer: the last token ends the turn
        begin = end - len(answer)
        return [begin <= start < end and _is_value(answer, start - begin, stop - begin) for start, stop in offsets]

    def _labels(self, ids: list[int], offsets: list[tuple[int, int]], answer: str) -> list[int]:
        """Label of each token: its id where it is learnt, else IGNORED. Offsets are those of the text with its image tokens."""
        begin = offsets[-1][0] - len(answer)  # the end token is the last one
        salt = zlib.crc32(answer.encode())
        learnt = [
            start >= begin
            and (
                start == offsets[-1][0]
                or _is_value(answer, start - begin, stop - begin)
                or _keeps(salt, place, self.literal_share)
            )
            for place, (start, stop) in enumerate(offsets)
        ]
        return [token if keep else IGNORED for token, keep in zip(ids, learnt, strict=True)]

    def _pad(self, sequences: list[list[int]], labels: list[list[int]]) -> dict[str, torch.Tensor]:
        longest = max(map(len, sequences))
        pad = self.processor.tokenizer.pad_token_id

        def padded(lists: list[list[int]], filler: int) -> torch.Tensor:
            return torch.tensor([[*ids, *[filler] * (longest - len(ids))] for ids in lists])

        ones = [[1] * len(ids) for ids in sequences]
        return {
            "input_ids": padded(sequences, pad),
            "attention_mask": padded(ones, 0),
            "labels": padded(labels, IGNORED),
        }


def ordered(messages: list[dict], layout: str) -> list[dict]:
    """The messages with the picture of each turn before its text, or behind it."""
    last = "image" if layout == "instruction_first" else "text"
    return [turn | {"content": sorted(turn["content"], key=lambda part: part["type"] == last)} for turn in messages]


def _hide_values(ids: list[int], labels: list[int], in_value: list[bool]) -> tuple[list[int], list[int]]:
    """Take the value tokens out of a sequence; the token behind each value inherits the label of the value's first token.

    The loss compares the prediction at one token with the label at the next, so the value is learnt at the "=" before it.
    """
    kept_ids, kept_labels, waiting = [], [], None
    for token, label, is_value in zip(ids, labels, in_value, strict=True):
        if is_value:
            waiting = label if waiting is None else waiting
            continue
        kept_ids.append(token)
        kept_labels.append(label if waiting is None else waiting)
        waiting = None
    return kept_ids, kept_labels


def _is_value(text: str, start: int, end: int) -> bool:
    """Whether text[start:end] lies in a value: after an equals sign, with no separator in between."""
    equals = text.rfind("=", 0, end)
    return equals >= 0 and start > equals and not any(mark in text[equals:end] for mark in (" ", ","))


def _keeps(salt: int, place: int, share: float) -> bool:
    return zlib.crc32(f"{salt}-{place}".encode()) / 2**32 < share
