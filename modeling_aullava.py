"""AULlavaForConditionalGeneration: stock LLaVA, unchanged in what it computes, that reads action units.

transformers renames checkpoint keys only for its own classes. For a subclass defined elsewhere, a llava-hf style file
("language_model.lm_head.weight") would leave the language model's head random and say so in a log line only. So the
stock renaming is registered for this class, and a checkpoint that leaves any parameter random is refused.
"""

import os
from collections.abc import Iterable
from itertools import islice
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import LlavaForConditionalGeneration
from transformers.conversion_mapping import get_checkpoint_conversion_mapping, register_checkpoint_conversion_mapping

from .action_units import Protocol, question, render, resolve_protocol, value_of, value_strings
from .configuration_aullava import AULlavaConfig
from .processing_aullava import ImageSource
from .readout_aullava import AUReading, compile_plan, read_joint

MODES = ("joint", "generate")
_SLACK = 16  # tokens beyond the canonical answer that plain generation may write


class AULlavaForConditionalGeneration(LlavaForConditionalGeneration):
    """Stock LLaVA with `recognize`, and with loading and saving that lose no weight."""

    config_class = AULlavaConfig

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, *args, output_loading_info: bool = False, **kwargs):
        """As in transformers, but a checkpoint must hold every parameter.

        Raises:
            ValueError: keys are missing; they would have been left random.
        """
        model, info = super().from_pretrained(pretrained_model_name_or_path, *args, output_loading_info=True, **kwargs)
        if missing := sorted(info["missing_keys"]):
            shown = ", ".join(missing[:8]) + (f" and {len(missing) - 8} more" if len(missing) > 8 else "")
            source = pretrained_model_name_or_path or "the given state_dict"
            raise ValueError(
                f"{source} holds no weights for {len(missing)} parameters of {cls.__name__}, which would be random: {shown}. "
                "Expected a complete LLaVA checkpoint: check that all its files are there and that its config.json "
                f"belongs to them (keys the model does not know: {len(info['unexpected_keys'])})"
            )
        return (model, info) if output_loading_info else model

    def save_pretrained(self, save_directory, *args, save_original_format: bool = False, **kwargs):
        """As in transformers, but keys keep the names they have in the model: stock LLaVA reads those too.

        The library's default renames them, and a trainer that resumes from such a file goes on from its initial
        weights (transformers issue 43701).
        """
        return super().save_pretrained(save_directory, *args, save_original_format=save_original_format, **kwargs)

    @torch.no_grad()
    def recognize(
        self,
        images: ImageSource | Iterable[ImageSource],
        processor: Any,
        protocol: str | Protocol = "disfa",
        mode: str = "joint",
        batch_size: int = 32,
    ) -> list[AUReading]:
        """Read the action units of faces.

        Args:
            images: one picture or several: paths, bytes, PIL images or (H, W, 3) uint8 arrays. Each is one cropped
                face; nothing is detected here.
            processor: the checkpoint's AULlavaProcessor.
            protocol: a name of action_units.PROTOCOLS, codes such as "AU1,AU4", or a Protocol.
            mode: "joint" chooses each value among the admissible ones, given those before it. "generate" lets the
                model write greedily and parses what it wrote.
            batch_size: pictures read at a time.

        Returns:
            One reading a picture, in order, with probabilities in mode "joint" (see AUReading).

        Raises:
            ImageReadError: a picture cannot be read.
            ValueError: unknown mode or protocol, a batch size below 1, or a processor without this project's methods.
        """
        protocol = resolve_protocol(protocol)
        _check_arguments(processor, mode, batch_size)
        text = question(protocol, self.config.question_form)
        read = self._read_joint if mode == "joint" else self._read_generated
        pictures = iter([images] if isinstance(images, (str, os.PathLike, bytes, np.ndarray, Image.Image)) else images)
        readings, was_training = [], self.training
        self.eval()  # dropout would make readings random
        try:
            while batch := list(islice(pictures, batch_size)):
                inputs = processor.encode(batch, text).to(self.device, self.dtype)
                readings += read(inputs, processor, protocol, text)
        finally:
            self.train(was_training)
        return readings

    def _read_joint(self, inputs, processor, protocol: Protocol, text: str) -> list[AUReading]:
        return read_joint(self, inputs, compile_plan(processor.tokenizer, processor.prompt(text), protocol))

    def _read_generated(self, inputs, processor, protocol: Protocol, text: str) -> list[AUReading]:
        tokenizer = processor.tokenizer
        highest = value_of(value_strings(protocol.scale)[-1], protocol.scale)
        answer = render(dict.fromkeys(protocol.units, highest), protocol)
        generated = self.generate(
            **inputs,
            do_sample=False,
            num_beams=1,
            max_new_tokens=len(tokenizer(answer, add_special_tokens=False)["input_ids"]) + _SLACK,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
        readings = []
        for tokens in generated[:, inputs["input_ids"].shape[1] :]:
            written, parsed = processor.decode_answer(tokens, protocol)
            readings.append(AUReading(dict(parsed.values), text=written, status=parsed.status))
        return readings


def _check_arguments(processor: Any, mode: str, batch_size: int) -> None:
    if mode not in MODES:
        raise ValueError(f"mode is {mode!r}: expected one of {', '.join(MODES)}")
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}: expected at least 1")
    # By its methods, not its class: remote code loads this processor into a module tree of its own.
    if not hasattr(processor, "decode_answer"):
        raise ValueError(
            f"processor is a {type(processor).__name__}: expected the checkpoint's AULlavaProcessor, as "
            "AutoProcessor.from_pretrained(..., trust_remote_code=True) loads it"
        )


# Idempotent: remote code may import this file several times.
register_checkpoint_conversion_mapping(
    AULlavaForConditionalGeneration.__name__, get_checkpoint_conversion_mapping("llava"), overwrite=True
)
