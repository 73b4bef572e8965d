"""AULlavaForConditionalGeneration: stock LLaVA, which computes the same, with methods that read action units.

transformers renames checkpoint keys only for its own classes. For a subclass defined elsewhere, a file in
llava-hf's style ("language_model.lm_head.weight") would leave the language model's head random, with no more than a log line.
So the stock renaming is registered for this class, and a checkpoint that leaves any parameter random is refused.
"""

import os
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import LlavaForConditionalGeneration
from transformers.conversion_mapping import get_checkpoint_conversion_mapping, register_checkpoint_conversion_mapping

from .action_units import Protocol, question, render, resolve_protocol, value_of, value_strings
from .configuration_aullava import AULlavaConfig
from .image_aullava import ImageSource
from .plan_aullava import compile_plan
from .readout_aullava import AUReading, Rule, read
from .tree_aullava import Prefix, compute_prefix

MODES = ("joint", "parallel", "generate")
_SLACK = 16  # tokens that plain generation may write beyond the canonical answer


class AULlavaForConditionalGeneration(LlavaForConditionalGeneration):
    """Stock LLaVA with `recognize`, and with loading and saving that lose no weights."""

    config_class = AULlavaConfig

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, *args, output_loading_info: bool = False, **kwargs):
        """As in transformers, but a checkpoint must hold every parameter.

        Raises:
            ValueError: keys are missing, and their parameters would be random.
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

    @property
    def device(self) -> torch.device:
        """The device for inputs. Weights that `device_map` offloads to disk or memory are on no device."""
        return next((weight.device for weight in self.parameters() if not weight.is_meta), super().device)

    @property
    def is_gradient_checkpointing(self) -> bool:
        """The old name, which peft 0.21 still uses: transformers would warn users, who can do nothing about it."""
        return self.is_activation_checkpointing

    def save_pretrained(self, save_directory, *args, save_original_format: bool = False, **kwargs):
        """As in transformers, but keys keep the names they have in the model, which stock LLaVA reads as well.

        The library's default renames them, and a trainer that resumes from such a file continues with its initial
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
        value: str | None = None,
        distributions: bool = False,
    ) -> list[AUReading]:
        """Read the action units of faces.

        Args:
            images: one image or several: paths, bytes, PIL images or (H, W, 3) uint8 arrays. Each is one cropped
                face; no faces are detected here.
            processor: the checkpoint's AULlavaProcessor.
            protocol: a name of action_units.PROTOCOLS, codes such as "AU1,AU4", or a Protocol.
            mode: "joint" chooses each value among the admissible ones, given those before it. "parallel" reads each value on
                its own, all in one pass. "generate" lets the model write greedily and parses the text; it gives no
                probabilities and ignores calibration and `value`.
            batch_size: images read at a time.
            value: "argmax", "median" or "expected"; default the median of continuous values, otherwise argmax (see Rule).
            distributions: whether readings hold the probability of every admissible value.

        Returns:
            One reading per image, in order, with probabilities except in mode "generate" (see AUReading).

        Raises:
            ImageReadError: an image cannot be read.
            FloatingPointError: the model's logits are not numbers.
            ValueError: unknown mode, value or protocol, a batch size below 1, a processor without this project's methods, or a
                calibration in the configuration that is out of range.
        """
        protocol = resolve_protocol(protocol)
        found = self.recognize_many(images, processor, [protocol], mode, batch_size, value, distributions)
        return [reading for readings in found for reading in readings.values()]

    @torch.no_grad()
    def recognize_many(
        self,
        images: ImageSource | Iterable[ImageSource],
        processor: Any,
        protocols: Sequence[str | Protocol] = ("bp4d", "disfa", "feafa"),
        mode: str = "joint",
        batch_size: int = 32,
        value: str | None = None,
        distributions: bool = False,
    ) -> list[dict[str, AUReading]]:
        """Read several protocols from each image, whose features are computed once.

        The language model, too, computes an image only once if the prompt begins with it.

        Args:
            protocols: as for `recognize`, each with a name of its own.

        Returns:
            One dictionary per image: protocol as given (the name of a Protocol) -> reading.

        Raises:
            ValueError: two protocols have the same name, or as for `recognize`.
        """
        protocols = [protocols] if isinstance(protocols, str) or hasattr(protocols, "units") else list(protocols)
        names = [protocol if isinstance(protocol, str) else protocol.name for protocol in protocols]
        if len(set(names)) < len(names) or not names:
            raise ValueError(
                f"protocols are {', '.join(names) or 'none'}: expected at least one, each of another name"
            )
        _check_arguments(processor, mode, batch_size)
        self.config.validate_calibration()  # it may have been changed since it was loaded
        reader = _Reader(
            self, processor, [*map(resolve_protocol, protocols)], mode, Rule(value, self.config.calibration)
        )
        pictures = iter([images] if isinstance(images, (str, os.PathLike, bytes, np.ndarray, Image.Image)) else images)
        found, was_training = [], self.training
        self.eval()  # dropout would make readings random
        try:
            while batch := list(islice(pictures, batch_size)):
                readings = reader.generated(batch) if mode == "generate" else reader.read(batch, distributions)
                found += [dict(zip(names, of_picture, strict=True)) for of_picture in zip(*readings, strict=True)]
        finally:
            self.train(was_training)
        return found


class _Reader:
    """What is the same for every batch of images."""

    def __init__(self, model, processor, protocols: list[Protocol], mode: str, rule: Rule):
        self.model, self.processor, self.protocols, self.mode, self.rule = model, processor, protocols, mode, rule
        self.layout = model.config.prompt_layout
        self.texts = [question(protocol, model.config.question_form) for protocol in protocols]
        self._prefixes: dict[int, Prefix] = {}

    def read(self, pictures: list[ImageSource], distributions: bool) -> list[list[AUReading]]:
        """For each protocol one reading per image."""
        prompts, features = self._encode(pictures)
        words = self.processor.tokenizer
        plans = [
            compile_plan(words, self.processor.prompt(text, self.layout), protocol)
            for text, protocol in zip(self.texts, self.protocols, strict=True)
        ]
        options = {"rule": self.rule, "distributions": distributions, "image_features": features}
        if self.layout == "image_first":
            return read(self.model, prompts, plans, self.mode, **options)
        return [
            read(self.model, [prompt], [plan], self.mode, prefix=self._prefix(number, prompt), **options)[0]
            for number, (prompt, plan) in enumerate(zip(prompts, plans, strict=True))
        ]

    def generated(self, pictures: list[ImageSource]) -> list[list[AUReading]]:
        """For each protocol one reading per image, parsed from generated text."""
        prompts, features = self._encode(pictures)
        return [
            self._written(prompt, features, protocol) for prompt, protocol in zip(prompts, self.protocols, strict=True)
        ]

    def _encode(self, pictures: list[ImageSource]):
        """The prompt of each protocol, the same in every row, and the features of the images."""
        model, processor = self.model, self.processor
        first = processor.encode(pictures, self.texts[0], self.layout).to(model.device, model.dtype)
        features = model.get_image_features(pixel_values=first.pop("pixel_values"))
        image_tokens = int((first["input_ids"][0] == model.config.image_token_id).sum())
        prompts = [first]
        for text in self.texts[1:]:
            prompt = processor.prompt(text, self.layout).replace(
                processor.image_token, processor.image_token * image_tokens
            )
            one = processor.tokenizer(prompt, add_special_tokens=False, return_tensors="pt").to(model.device)
            prompts.append({key: one[key].expand(len(pictures), -1) for key in ("input_ids", "attention_mask")})
        return prompts, features

    def _prefix(self, number: int, prompt) -> Prefix:
        """The tokens before the image, computed when first needed."""
        if number not in self._prefixes:
            ids = prompt["input_ids"][0].tolist()
            self._prefixes[number] = compute_prefix(self.model, ids[: ids.index(self.model.config.image_token_id)])
        return self._prefixes[number]

    def _written(self, prompt, features, protocol: Protocol) -> list[AUReading]:
        tokenizer = self.processor.tokenizer
        highest = value_of(value_strings(protocol.scale)[-1], protocol.scale)
        answer = render(dict.fromkeys(protocol.units, highest), protocol)
        generated = self.model.generate(
            **prompt,
            mm_encoder_outputs={"image": features},
            do_sample=False,
            num_beams=1,
            max_new_tokens=len(tokenizer(answer, add_special_tokens=False)["input_ids"]) + _SLACK,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            logits_processor=[_refuse_damaged],
        )
        readings = []
        for tokens in generated[:, prompt["input_ids"].shape[1] :]:
            written, parsed = self.processor.decode_answer(tokens, protocol)
            readings.append(AUReading(dict(parsed.values), text=written, status=parsed.status))
        return readings


def _refuse_damaged(input_ids_BT: torch.Tensor, logits_BV: torch.Tensor) -> torch.Tensor:
    """A logits processor of `generate` that stops at logits that are not numbers."""
    if logits_BV.isnan().any():
        raise FloatingPointError(
            f"the logits after token {input_ids_BT.shape[1]} are not numbers: the weights or the image are damaged, or the "
            "numbers overflow; try dtype=torch.float32"
        )
    return logits_BV


def _check_arguments(processor: Any, mode: str, batch_size: int) -> None:
    if mode not in MODES:
        raise ValueError(f"mode is {mode!r}: expected one of {', '.join(MODES)}")
    if not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"batch_size is {batch_size!r}: expected a whole number, at least 1")
    # Checked by its methods, not its class: remote code loads the processor into a module tree of its own.
    if not hasattr(processor, "decode_answer"):
        raise ValueError(
            f"processor is a {type(processor).__name__}: expected the checkpoint's AULlavaProcessor, as "
            "AutoProcessor.from_pretrained(..., trust_remote_code=True) loads it"
        )


# Idempotent: remote code may import this file several times.
register_checkpoint_conversion_mapping(
    AULlavaForConditionalGeneration.__name__, get_checkpoint_conversion_mapping("llava"), overwrite=True
)
