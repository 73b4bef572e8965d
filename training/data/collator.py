"""Training rows become one padded batch: here a turn is written as text. Labels stand where the answers are."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from aullava.training.data.length_limit import LengthLimit
from aullava.training.data.packing import PADDING, attention_mask_of, pack
from aullava.training.data.turn_tokens import IGNORED, TurnTokens, sampled, tokenise_turn


@dataclass
class TurnCollator:
    """Callable for a DataLoader.

    Args:
        processor: AULlavaProcessor with a fast tokenizer.
        template_loss_fraction: fraction, 0 to 1, of the answers' template tokens that carry labels.
        mask_rate: fraction, 0 to 1, of the turns whose values are masked. It depends on the image, so it is repeatable.
        layout: "image_first" or "instruction_first": the order of image and question.
        packed: one sequence per image, with all of its turns (packing.py); else one per turn.
        limit: leaves out turns that are too long; None: there is no limit.
        extras: add what the trainer needs and the model does not: `slots`, `rows`, `turns`.
    """

    processor: object
    template_loss_fraction: float = 0.05
    mask_rate: float = 0.0
    layout: str = "image_first"
    packed: bool = False
    limit: LengthLimit | None = None
    extras: bool = False

    def __post_init__(self):
        if self.packed and self.layout != "image_first":
            raise ValueError(
                f"packed={self.packed} with layout={self.layout!r}: turns can share an image only if it comes first; "
                "unset one of the two"
            )

    def __call__(self, rows: list[dict]) -> dict[str, object]:
        """Rows with `images` (one image), `turns` (turns.Turn) and, for extras, `row` (a name) become a batch.

        Returns:
            `input_ids`, `labels` (B, L), padded on the right, `pixel_values` (B, 3, side, side) and `attention_mask`: (B, L), or
            packed (B, 1, L, L) bool, then also `position_ids` (B, L). B counts the turns, packed the images.
            With extras `slots` (S, 5): batch row, column of the label in `labels` (the logits one column before predict it),
            unit in UNITS, scale in SCALES, value in `value_strings(scale)`, all as numbers; `rows`, the names of the
            images' rows; `turns`, their number.

        Raises:
            ValueError: no turn of the batch is within the limit.
        """
        images = [row["images"][0] for row in rows]
        pixels_NCHW = torch.from_numpy(
            np.stack(self.processor.image_processor(images, return_tensors="np")["pixel_values"])
        )
        tokens = [self._tokenise(row, pixels) for row, pixels in zip(rows, pixels_NCHW, strict=True)]
        if self.limit is not None:
            tokens = [
                self.limit.fitting(row.get("row", "?"), turns, self._shared_prefix(turns) if self.packed else 0)
                for row, turns in zip(rows, tokens, strict=True)
            ]
            left = [index for index, turns in enumerate(tokens) if turns]
            if not left:
                raise ValueError(
                    f"no turn about the {len(rows)} images of a batch fits into max_length {self.limit.max_length}: raise it, "
                    "or take larger batches"
                )
            rows, tokens, pixels_NCHW = [rows[i] for i in left], [tokens[i] for i in left], pixels_NCHW[left]
        if self.packed:
            batch, slots = self._pack(tokens)
        else:
            alone = [turn for turns in tokens for turn in turns]
            batch = self._padded([turn.ids for turn in alone], [turn.labels for turn in alone])
            batch["attention_mask"] = _pad([[1] * len(turn.ids) for turn in alone], 0)
            slots = [(index, *slot) for index, turn in enumerate(alone) for slot in turn.slots]
            pixels_NCHW = pixels_NCHW.repeat_interleave(torch.tensor([len(turns) for turns in tokens]), dim=0)
        batch["pixel_values"] = pixels_NCHW
        if self.extras:
            batch |= {
                "slots": torch.tensor(slots, dtype=torch.long).reshape(-1, 5),
                "rows": [row["row"] for row in rows],
                "turns": sum(map(len, tokens)),
            }
        return batch

    def shortest(self, rows: Sequence[dict]) -> TurnTokens:
        """The turn of some rows that takes the fewest tokens."""
        pixels_NCHW = self.processor.image_processor([row["images"][0] for row in rows], return_tensors="pt")[
            "pixel_values"
        ]
        turns = [turn for row, pixels in zip(rows, pixels_NCHW, strict=True) for turn in self._tokenise(row, pixels)]
        return min(turns, key=lambda turn: len(turn.ids))

    def _tokenise(self, row: dict, pixels_CHW: torch.Tensor) -> list[TurnTokens]:
        # By the pixels, not by the row's name: an augmented image has other values masked in every epoch.
        salt = zlib.crc32(pixels_CHW.numpy().tobytes())
        placeholder = self.processor.replace_image_token({"pixel_values": pixels_CHW[None]}, 0)
        turns = []
        for number, turn in enumerate(row["turns"]):
            prompt = self.processor.prompt(turn.question, self.layout).replace(self.processor.image_token, placeholder)
            masked = sampled(salt, number, self.mask_rate)
            turns.append(tokenise_turn(self.processor.tokenizer, prompt, turn, self.template_loss_fraction, masked))
        return turns

    def _pack(self, images: list[list[TurnTokens]]) -> tuple[dict[str, torch.Tensor], list[tuple[int, ...]]]:
        ids, labels, segments, positions, slots = [], [], [], [], []
        for index, turns in enumerate(images):
            prefix = self._shared_prefix(turns)
            joined_ids, joined_labels = turns[0].ids[:prefix], turns[0].labels[:prefix]
            for turn in turns:
                shift = len(joined_ids) - prefix
                slots += [(index, place + shift, *what) for place, *what in turn.slots]
                joined_ids += turn.ids[prefix:]
                joined_labels += turn.labels[prefix:]
            row_segments, row_positions = pack(prefix, [len(turn.ids) - prefix for turn in turns])
            ids.append(joined_ids)
            labels.append(joined_labels)
            segments.append(row_segments)
            positions.append(row_positions)
        batch = self._padded(ids, labels)
        batch["attention_mask"] = attention_mask_of(_pad(segments, PADDING))
        batch["position_ids"] = _pad(positions, 0)
        return batch, slots

    def _shared_prefix(self, turns: list[TurnTokens]) -> int:
        """Number of tokens up to the end of the image, which all turns share.

        The prefix ends there even if the questions begin alike: the token that predicts a turn's first label must be its own.
        """
        token = self.processor.image_token_id
        length = len(turns[0].ids) - turns[0].ids[::-1].index(token)
        if any(turn.ids[:length] != turns[0].ids[:length] for turn in turns):
            raise ValueError("the chat template writes different text before the image of turns that share it")
        return length

    def _padded(self, ids: list[list[int]], labels: list[list[int]]) -> dict[str, torch.Tensor]:
        return {"input_ids": _pad(ids, self.processor.tokenizer.pad_token_id), "labels": _pad(labels, IGNORED)}


def _pad(lists: Sequence[Sequence[int]], filler: int) -> torch.Tensor:
    longest = max(map(len, lists))
    return torch.tensor([[*values, *[filler] * (longest - len(values))] for values in lists])
