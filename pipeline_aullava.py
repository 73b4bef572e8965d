"""pipeline("facial-action-units", model=..., trust_remote_code=True): faces in, readings as plain dictionaries out."""

from dataclasses import asdict
from typing import Any

from transformers import Pipeline

OPTIONS = ("protocol", "mode", "batch_size", "value", "distributions")


class FacialActionUnitsPipeline(Pipeline):
    """From one face crop or several to a list of dictionaries, one per crop, with the fields of an AUReading.

    `protocol`, `mode`, `batch_size`, `value` and `distributions` are those of the model's `recognize`; given to
    `pipeline(...)` they hold for every call; an option of a call overrides them.
    """

    _load_processor = True
    _load_tokenizer = _load_image_processor = _load_video_processor = _load_feature_extractor = False

    def __call__(self, images: Any, **options) -> list[dict[str, Any]]:
        _, options, _ = self._sanitize_parameters(**options)
        preset = {} if self._batch_size is None else {"batch_size": self._batch_size}
        # All images pass as one input: `recognize` batches them itself, with one prompt for all.
        return self.run_single(images, {}, {**preset, **self._forward_params, **options}, {})

    def _sanitize_parameters(self, **options):
        if unknown := sorted(options.keys() - set(OPTIONS)):
            raise ValueError(f"unknown option {', '.join(unknown)}: expected {', '.join(OPTIONS)}")
        return {}, options, {}

    def preprocess(self, images: Any) -> dict[str, Any]:
        return {"images": images}

    def _forward(self, inputs: dict[str, Any], **options) -> dict[str, Any]:
        return {"readings": self.model.recognize(inputs["images"], processor=self.processor, **options)}

    def postprocess(self, outputs: dict[str, Any]) -> list[dict[str, Any]]:
        # Earlier readings had these two, always None; the next version leaves them out.
        former = {"box": None, "score": None}
        return [asdict(reading) | former for reading in outputs["readings"]]
