"""AULlavaConfig: LLaVA's configuration and how faces are read. Settings that would load but read wrongly are refused."""

import math
from dataclasses import field
from typing import Any, Literal

from huggingface_hub.dataclasses import strict
from transformers import LlavaConfig
from transformers.activations import ACT2FN

from .action_units import OCCURRENCE, PROTOCOLS, SCALES, canonical_code
from .image_aullava import DEFAULT_FRAMING, check_framing

# Written into every saved config.json: registering a class with an Auto class adds only that one entry.
AUTO_MAP = {
    "AutoConfig": "configuration_aullava.AULlavaConfig",
    "AutoModel": "modeling_aullava.AULlavaForConditionalGeneration",
    "AutoModelForImageTextToText": "modeling_aullava.AULlavaForConditionalGeneration",
}
CUSTOM_PIPELINES = {
    "facial-action-units": {
        "impl": "pipeline_aullava.FacialActionUnitsPipeline",
        "pt": ["AutoModelForImageTextToText"],
        "type": "multimodal",
    }
}

_MERGING_TOWERS = ("swin", "swinv2")
_TOWERS_WITHOUT_CLASS_TOKEN = ("siglip_vision_model", *_MERGING_TOWERS)


@strict
class AULlavaConfig(LlavaConfig):
    """Stock LLaVA fields keep their meaning and their defaults (so a stock checkpoint loads as what it is).

    Args:
        question_form: "full" or "short": the form the checkpoint was trained on most (see action_units.question).
        prompt_layout: "image_first" or "instruction_first": the order in the prompt that the checkpoint was trained on. Several
            protocols share what was computed of an image that comes first; many images share an instruction that does.
        calibration: what was fitted on validation data, never on test data; empty for none. {"temperature": {"occurrence": 1.3},
            "thresholds": {"bp4d": {"AU1": 0.4}}}: the logits of a scale's values are divided by its temperature; a unit of an
            occurrence protocol counts as present where P(active) is above its threshold. Mode "generate" knows neither.
        framing: how faces are cropped to look as in training: {"detector": "haar", "margin": 0.25, "alignment": "none",
            "largest": false}, which is also what a checkpoint means that says nothing. detector: "haar" (OpenCV's cascade),
            "yunet:WEIGHTS", or "none" (whole images). margin: share of a face's side added on each side, 0 to 4. largest:
            whether only the largest face of an image is read. An older config.json may say
            `face_margin` instead, the margin alone.
        auto_map: where the Auto classes find this code in a model folder.
        custom_pipelines: the tasks `transformers.pipeline` finds there.

    The paper's linear projector is `projector_hidden_act="linear"`. Without a `text_config` the language model is the
    one of llava-1.5-7b, whose vocabulary of 32064 has room for the image token 32000.

    Raises:
        StrictDataclassError (huggingface_hub), at construction and at save: a field has the wrong type,
            `image_token_index` lies outside the vocabulary, the projector's activation is unknown,
            `vision_feature_layer` is no layer of the tower, `vision_feature_select_strategy` would drop a patch,
            `image_seq_length` is not what the tower puts out, `framing` or `calibration` holds anything it does not
            know, or both `framing` and `face_margin` are given.
    """

    model_type = "llava"

    question_form: Literal["full", "short"] = "full"
    prompt_layout: Literal["image_first", "instruction_first"] = "image_first"
    calibration: dict[str, Any] = field(default_factory=dict)
    framing: dict[str, Any] = field(default_factory=lambda: dict(DEFAULT_FRAMING))
    auto_map: dict[str, str] = field(default_factory=lambda: dict(AUTO_MAP))
    custom_pipelines: dict[str, Any] = field(default_factory=lambda: dict(CUSTOM_PIPELINES))

    def __post_init__(self, **kwargs):
        margin = kwargs.pop("face_margin", None)  # how checkpoints said it at first
        if margin is not None and self.framing != DEFAULT_FRAMING:
            raise ValueError(f"face_margin is {margin} and framing is {self.framing}: drop face_margin")
        if margin is not None:
            self.framing = DEFAULT_FRAMING | {"margin": margin}
        if self.text_config is None:
            self.text_config = {"model_type": "llama", "vocab_size": 32064}
        super().__post_init__(**kwargs)

    def validate_image_token(self):
        vocab_size = self.text_config.vocab_size
        if not 0 <= self.image_token_index < vocab_size:
            raise ValueError(
                f"image_token_index is {self.image_token_index}, but the language model's vocabulary has {vocab_size} "
                "entries: set text_config.vocab_size to at least image_token_index + 1"
            )

    def validate_projector(self):
        if self.projector_hidden_act not in ACT2FN:
            raise ValueError(
                f"projector_hidden_act is {self.projector_hidden_act!r}: expected one of {', '.join(sorted(ACT2FN))}"
            )

    def validate_feature_layer(self):
        depth = getattr(self.vision_config, "num_hidden_layers", None)
        layers = self.vision_feature_layer
        layers = layers if isinstance(layers, list) else [layers]
        if depth is not None and not all(-(depth + 1) <= layer <= depth for layer in layers):
            raise ValueError(
                f"vision_feature_layer is {self.vision_feature_layer}, but the tower has {depth} layers: expected a "
                f"number from {-(depth + 1)} to {depth}"
            )

    def validate_image_tokens(self):
        tower = self.vision_config.model_type
        if self.vision_feature_select_strategy == "default" and tower in _TOWERS_WITHOUT_CLASS_TOKEN:
            raise ValueError(
                f'vision_feature_select_strategy is "default", which drops the first token, but the first token of a '
                f'{tower} tower is a patch of the image: set it to "full"'
            )
        expected = image_token_count(self)
        if expected is not None and self.image_seq_length != expected:
            raise ValueError(
                f"image_seq_length is {self.image_seq_length}, but the {tower} tower puts out {expected} tokens for a "
                f"image of {self.vision_config.image_size} px: set image_seq_length to {expected}"
            )

    def validate_framing(self):
        check_framing(self.framing)

    def validate_calibration(self):
        _check_keys("calibration", self.calibration, ("temperature", "thresholds"))
        temperatures = self.calibration.get("temperature", {})
        _check_keys("calibration['temperature']", temperatures, SCALES)
        for scale, temperature in temperatures.items():
            _check_number(f"the temperature of {scale}", temperature, math.inf)
        thresholds = self.calibration.get("thresholds", {})
        _check_keys("calibration['thresholds']", thresholds)
        for name, of_protocol in thresholds.items():
            known = PROTOCOLS.get(name)
            if known is not None and known.scale != OCCURRENCE:
                raise ValueError(
                    f"calibration has thresholds for {name!r}, which is no protocol of occurrence: drop them"
                )
            _check_keys(f"the thresholds of {name}", of_protocol, known.units if known else None)
            for code, threshold in of_protocol.items():
                if canonical_code(code) != code:
                    raise ValueError(f"the thresholds of {name} name {code!r}: write {canonical_code(code)!r}")
                _check_number(f"the threshold of {code} in {name}", threshold, 1)


def _check_keys(place: str, found: Any, expected: tuple[str, ...] | None = None) -> None:
    if not isinstance(found, dict):
        raise ValueError(f"{place} is {found!r}: expected a dictionary")
    unknown = [key for key in found if not isinstance(key, str) or (expected is not None and key not in expected)]
    if unknown:
        raise ValueError(f"{place} holds {unknown[0]!r}: expected {', '.join(expected) if expected else 'names'}")


def _check_number(what: str, found: Any, end: float) -> None:
    if isinstance(found, bool) or not isinstance(found, (int, float)) or not 0 < found < end:
        raise ValueError(f"{what} is {found!r}: expected a number between 0 and {end}, both excluded")


def image_token_count(config: LlavaConfig) -> int | None:
    """How many image tokens the tower puts out for one image, or None for a tower this file knows nothing about.

    CLIP and SigLIP: one a patch, and CLIP's class token unless the strategy drops it. Swin: every stage but the last
    merges 2 x 2 patches, rounding odd sides up; the last two hidden states lie behind the last merge.
    """
    tower = config.vision_config
    if tower.model_type in ("clip_vision_model", "siglip_vision_model"):
        class_token = tower.model_type == "clip_vision_model" and config.vision_feature_select_strategy == "full"
        return (tower.image_size // tower.patch_size) ** 2 + class_token
    if tower.model_type in _MERGING_TOWERS and config.vision_feature_layer in (-1, -2):
        side = -(-tower.image_size // tower.patch_size)
        for _ in tower.depths[1:]:
            side = -(-side // 2)
        return side**2
    return None
