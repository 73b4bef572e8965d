"""AULlavaConfig: stock LLaVA reads what it writes, and configurations that would read wrongly are refused."""

import json
import math

import pytest
from huggingface_hub.errors import StrictDataclassError
from PIL import Image
from transformers import LlavaConfig, SiglipVisionConfig, SwinConfig

from aullava.configuration_aullava import AUTO_MAP, AULlavaConfig, image_token_count

from tiny import TOWERS, tiny_config, tiny_model

SWIN = SwinConfig(image_size=96, patch_size=4, embed_dim=8, depths=[1, 1, 1], num_heads=[1, 1, 1])
SWIN_ODD = SwinConfig(image_size=100, patch_size=4, embed_dim=8, depths=[1, 1, 1], num_heads=[1, 1, 1])
SIGLIP = SiglipVisionConfig(image_size=32, patch_size=8)


FRAMING = {"detector": "haar", "margin": 0.25, "alignment": "none", "largest": False}
FIELDS = ("question_form", "prompt_layout", "calibration", "framing", "auto_map", "custom_pipelines")


def test_defaults_are_those_of_stock_llava_with_room_for_the_image_token():
    ours, stock = AULlavaConfig().to_dict(), LlavaConfig().to_dict()
    assert ours["text_config"].pop("vocab_size") == 32064
    assert stock["text_config"].pop("vocab_size") == 32000
    added = {key: ours.pop(key) for key in FIELDS}
    assert ours == stock
    assert (added["question_form"], added["prompt_layout"], added["calibration"]) == ("full", "image_first", {})
    assert added["auto_map"] == AUTO_MAP


@pytest.mark.parametrize("config", [AULlavaConfig(), *map(tiny_config, TOWERS)], ids=["default", *TOWERS])
def test_stock_and_own_class_read_the_saved_file_alike(config, tmp_path):
    config.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == "llava"
    assert AULlavaConfig.from_pretrained(tmp_path).to_dict() == config.to_dict()
    assert LlavaConfig.from_pretrained(tmp_path).to_dict() == config.to_dict()


@pytest.mark.parametrize("tower", TOWERS)
def test_image_token_count_is_what_the_tower_puts_out(tower):
    model, processor = tiny_model(tower)
    inputs = processor.image_processor(images=[Image.new("RGB", (40, 50))], return_tensors="pt")
    features = model.get_image_features(**inputs).pooler_output[0]
    assert len(features) == image_token_count(model.config) == model.config.image_seq_length


def test_image_token_count_rounds_odd_grids_up_and_knows_its_limits():
    full = {"vision_feature_select_strategy": "full"}
    assert (
        image_token_count(AULlavaConfig(vision_config=SWIN_ODD, image_seq_length=49, vision_feature_layer=-1, **full))
        == 49
    )
    assert image_token_count(AULlavaConfig(vision_config=SIGLIP, image_seq_length=16, **full)) == 16
    assert image_token_count(AULlavaConfig(image_seq_length=577, **full)) == 577
    assert (
        image_token_count(AULlavaConfig(vision_config=SWIN, image_seq_length=1, vision_feature_layer=1, **full))
        is None
    )


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"image_token_index": 32064}, "image_token_index is 32064, but .* 32064 entries"),
        ({"image_token_index": -1}, "image_token_index is -1"),
        ({"projector_hidden_act": "straight"}, "projector_hidden_act is 'straight'"),
        ({"image_seq_length": 577}, "image_seq_length is 577, but .* 576 tokens"),
        ({"vision_feature_layer": 25}, "vision_feature_layer is 25, but the tower has 24 layers"),
        ({"vision_feature_layer": [-2, -26]}, "but the tower has 24 layers"),
        ({"vision_config": SWIN, "image_seq_length": 36}, "the first token of a swin tower is a patch"),
        ({"vision_config": SIGLIP, "image_seq_length": 16}, "the first token of a siglip_vision_model tower"),
        ({"question_form": "long"}, "question_form"),
        ({"image_seq_length": "576"}, "image_seq_length"),
        ({"prompt_layout": "text_first"}, "prompt_layout"),
        ({"face_margin": -0.1}, "the margin of framing is -0.1: expected a share from 0 to 4"),
        ({"face_margin": "wide"}, "the margin of framing is 'wide'"),
        ({"framing": []}, "framing"),
        ({"framing": {"margin": 0.25}}, "expected detector, margin, alignment, largest"),
        ({"framing": FRAMING | {"size": 96}}, "expected detector, margin, alignment, largest"),
        ({"framing": FRAMING | {"margin": True}}, "the margin of framing is True"),
        ({"framing": FRAMING | {"margin": math.nan}}, "the margin of framing is nan"),
        ({"framing": FRAMING | {"detector": "none"}}, "0.25 with detector none: an image that is not cropped has 0"),
        (
            {"framing": FRAMING | {"detector": "auto"}},
            "the detector of framing is 'auto': expected a name such as haar, none, or yunet",
        ),
        ({"framing": FRAMING | {"detector": "yunet:"}}, "the detector of framing is 'yunet:'"),
        ({"framing": FRAMING | {"alignment": "roll"}}, "the alignment of framing is 'roll': expected none"),
        ({"framing": FRAMING | {"largest": 1}}, "largest of framing is 1: expected true or false"),
        ({"calibration": []}, "calibration"),
        ({"calibration": {"bias": {}}}, "calibration holds 'bias': expected temperature, thresholds"),
        ({"calibration": {"temperature": 1.0}}, r"calibration\['temperature'\] is 1.0: expected a dictionary"),
        (
            {"calibration": {"temperature": {"levels": 1.0}}},
            "holds 'levels': expected occurrence, intensity, continuous",
        ),
        (
            {"calibration": {"temperature": {"intensity": 0}}},
            "temperature of intensity is 0: expected a number between 0",
        ),
        ({"calibration": {"temperature": {"intensity": True}}}, "temperature of intensity is True"),
        ({"calibration": {"temperature": {"intensity": math.nan}}}, "temperature of intensity is nan"),
        ({"calibration": {"temperature": {"intensity": math.inf}}}, "temperature of intensity is inf"),
        (
            {"calibration": {"thresholds": {"disfa": {"AU1": 0.5}}}},
            "thresholds for 'disfa', which is no protocol of occ",
        ),
        ({"calibration": {"thresholds": {"bp4d": 0.5}}}, "the thresholds of bp4d is 0.5: expected a dictionary"),
        ({"calibration": {"thresholds": {"bp4d": {"AU5": 0.5}}}}, "thresholds of bp4d holds 'AU5': expected AU1, AU2"),
        ({"calibration": {"thresholds": {"mine": {"au05": 0.5}}}}, "of mine name 'au05': write 'AU5'"),
        ({"calibration": {"thresholds": {"mine": {"smile": 0.5}}}}, "smile"),
        (
            {"calibration": {"thresholds": {"bp4d": {"AU1": 1.0}}}},
            "threshold of AU1 in bp4d is 1.0: .* between 0 and 1",
        ),
        ({"calibration": {"thresholds": {"bp4d": {"AU1": "0.5"}}}}, "threshold of AU1 in bp4d is '0.5'"),
    ],
)
def test_refuses_what_would_read_wrongly(fields, reason):
    with pytest.raises(StrictDataclassError, match=reason):
        AULlavaConfig(**fields)


def test_takes_and_keeps_a_calibration(tmp_path):
    calibration = {"temperature": {"occurrence": 1.3}, "thresholds": {"bp4d": {"AU1": 0.4}, "mine": {"AU5": 0.7}}}
    AULlavaConfig(calibration=calibration, prompt_layout="instruction_first").save_pretrained(tmp_path)
    loaded = AULlavaConfig.from_pretrained(tmp_path)
    assert (loaded.calibration, loaded.prompt_layout) == (calibration, "instruction_first")
    loaded.calibration["temperature"]["occurrence"] = -1.0
    with pytest.raises(StrictDataclassError, match=r"temperature of occurrence is -1\.0"):
        loaded.save_pretrained(tmp_path)


@pytest.mark.parametrize(
    "said, meant",
    [
        ({}, FRAMING),
        ({"face_margin": None}, FRAMING),
        ({"face_margin": 0.07}, FRAMING | {"margin": 0.07}),
        ({"framing": FRAMING | {"detector": "yunet:a/b", "largest": True}},) * 2,
    ],
    ids=["nothing", "null", "older", "framing"],
)
def test_an_older_configuration_frames_faces_as_it_did(said, meant, tmp_path):
    config = tiny_config().to_dict()
    del config["framing"]
    (tmp_path / "config.json").write_text(json.dumps(config | said))
    loaded = AULlavaConfig.from_pretrained(tmp_path)
    assert loaded.framing == meant.get("framing", meant) and not hasattr(loaded, "face_margin")
    loaded.save_pretrained(tmp_path)
    assert "face_margin" not in json.loads((tmp_path / "config.json").read_text())


def test_refuses_two_words_on_the_same_framing():
    with pytest.raises(ValueError, match="face_margin is 0.07 and framing is .* drop face_margin"):
        AULlavaConfig(face_margin=0.07, framing=FRAMING | {"largest": True})


def test_refuses_to_save_what_was_changed_to_be_wrong(tmp_path):
    config = tiny_config()
    config.image_seq_length = 35
    with pytest.raises(StrictDataclassError, match="36 tokens"):
        config.save_pretrained(tmp_path)
    assert not (tmp_path / "config.json").exists()
