"""Rows of pictures and chat turns become one padded batch, with labels where the answer is.

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
    """

    processor: object
    literal_share: float = 0.05

    def __call__(self, rows: list[dict]) -> dict[str, torch.Tensor]:
        """Rows with `images`, `prompt`, `completion` to `input_ids`, `attention_mask`, `labels` (batch, length, padded on
        the right) and `pixel_values` (batch, 3, side, side).

        Question and answer are tokenised as one text, as they stand when the model is read.
        """
        questions = [
            self.processor.apply_chat_template(row["prompt"], tokenize=False, add_generation_prompt=True)
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
        labels = [
            self._labels(ids, offsets, answer)
            for ids, offsets, answer in zip(encoded["input_ids"], encoded["offset_mapping"], answers, strict=True)
        ]
        pixel_values = torch.from_numpy(np.stack(encoded["pixel_values"]))
        return {**self._pad(encoded["input_ids"], labels), "pixel_values": pixel_values}

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


def _is_value(text: str, start: int, end: int) -> bool:
    """Whether text[start:end] lies in a value: after an equals sign, with no separator in between."""
    equals = text.rfind("=", 0, end)
    return equals >= 0 and start > equals and not any(mark in text[equals:end] for mark in (" ", ","))


def _keeps(salt: int, place: int, share: float) -> bool:
    return zlib.crc32(f"{salt}-{place}".encode()) / 2**32 < share
