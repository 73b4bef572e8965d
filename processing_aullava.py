"""Images and questions to tensors, answers to values.

`AULlavaProcessor` is the stock LlavaProcessor with three methods, `prompt`, `encode` and `decode_answer`, and with the PIL
image backend pinned: torchvision's resizes differently (by up to 0.015 after normalisation).
"""

from collections.abc import Sequence
from typing import Any

from transformers import AutoImageProcessor, BatchFeature, LlavaProcessor

from .action_units import ParsedAnswer, Protocol, parse, sanitize
from .image_aullava import ImageSource, load_image

LAYOUTS = ("image_first", "instruction_first")


class AULlavaProcessor(LlavaProcessor):
    """Stock LlavaProcessor that loads images, asks questions by the chat template and parses answers."""

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, **kwargs):
        processor = super().from_pretrained(pretrained_model_name_or_path, **kwargs)
        # Loaded a second time, because a `backend` given to the whole processor would be saved with its tokenizer as well.
        processor.image_processor = AutoImageProcessor.from_pretrained(
            pretrained_model_name_or_path, **{**kwargs, "backend": "pil"}
        )
        return processor

    def prompt(self, text: str, layout: str = "image_first") -> str:
        """One image and a question as the chat template writes them, up to the beginning of the answer.

        Control tokens in the text are made harmless, so that it can neither add an image nor end the turn.

        Args:
            text: the question.
            layout: "image_first" or "instruction_first"; see prompt_layout of the configuration.

        Raises:
            ValueError: the layout is unknown, or the chat template does not follow it.
        """
        if layout not in LAYOUTS:
            raise ValueError(f"layout is {layout!r}: expected one of {', '.join(LAYOUTS)}")
        special = {token.content for token in self.tokenizer.added_tokens_decoder.values() if token.special}
        text = sanitize(text, special.union(self.tokenizer.all_special_tokens, [self.image_token]))
        content = [{"type": "image"}, {"type": "text", "text": text}]
        turn = {"role": "user", "content": content if layout == "image_first" else content[::-1]}
        prompt = self.apply_chat_template([turn], add_generation_prompt=True)
        if layout == "instruction_first" and text.strip() and text.strip() in prompt.partition(self.image_token)[2]:
            raise ValueError(
                'the chat template puts the image first, but the layout is "instruction_first": use a template that writes the '
                "parts of a turn in their order, or the other layout"
            )
        return prompt

    def encode(
        self, images: Sequence[ImageSource], texts: str | Sequence[str], layout: str = "image_first"
    ) -> BatchFeature:
        """A batch for the model, one question per image.

        Args:
            images: B images, of any type that `load_image` takes.
            texts: one question for all, or B questions.
            layout: as in `prompt`.

        Returns:
            input_ids and attention_mask (B, T), padded on the left, so that every answer begins at T; pixel_values
            (B, 3, H, W).

        Raises:
            ImageReadError: an image cannot be read.
            ValueError: no image, another number of questions, or as for `prompt`.
        """
        texts = [texts] * len(images) if isinstance(texts, str) else list(texts)
        if len(texts) != len(images) or not texts:
            raise ValueError(f"{len(images)} images, {len(texts)} questions: expected one each, and at least one")
        prompts = {text: self.prompt(text, layout) for text in texts}
        return self(
            images=[load_image(image) for image in images],
            text=[prompts[text] for text in texts],
            padding=True,
            padding_side="left",
            add_special_tokens=False,  # the chat template writes them
            return_tensors="pt",
        )

    def decode_answer(self, token_ids: Any, protocol: Protocol, strict: bool = False) -> tuple[str, ParsedAnswer]:
        """The text that a model wrote, without control tokens, and its parsed values (see action_units.parse)."""
        text = self.tokenizer.decode(token_ids, skip_special_tokens=True).strip()
        return text, parse(text, protocol, strict)
