"""Building, saving and loading, as the tests of transformers' own models check them (their mixins are not installed with it)."""

from copy import deepcopy

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoConfig, LlavaForConditionalGeneration

from aullava.configuration_aullava import AULlavaConfig
from aullava.modeling_aullava import AULlavaForConditionalGeneration

from tiny import FACES, TOWERS, make_tiny_checkpoint, tiny_config, tiny_model
from twins import stock_of, twins


def assert_same_weights(model, other):
    expected, found = other.state_dict(), model.state_dict()
    assert found.keys() == expected.keys()
    assert all(
        torch.equal(found[key], tensor) and found[key].dtype == tensor.dtype for key, tensor in expected.items()
    )


@pytest.mark.parametrize("tower", TOWERS)
def test_built_from_a_configuration_it_is_initialised_as_stock_is(tower):
    built = []
    for kind in (AULlavaForConditionalGeneration, LlavaForConditionalGeneration):
        torch.manual_seed(0)
        built.append(kind(tiny_config(tower)))
    assert_same_weights(*built)


@pytest.mark.parametrize("tower", TOWERS)
def test_nothing_is_left_empty_by_loading(tower, tmp_path):
    """Buffers that are in no file, such as rotary frequencies, are computed anew."""
    make_tiny_checkpoint(tmp_path, tower)
    model, _ = tiny_model(tower)
    loaded = AULlavaForConditionalGeneration.from_pretrained(tmp_path)
    assert_same_weights(loaded, model)
    buffers = dict(model.named_buffers())
    assert buffers.keys() == dict(loaded.named_buffers()).keys() and set(buffers) - model.state_dict().keys()
    assert all(torch.equal(tensor, buffers[name]) for name, tensor in loaded.named_buffers())
    assert not loaded.training
    assert loaded.generation_config.to_dict() == model.generation_config.to_dict()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_many_files_and_every_precision_come_back(tmp_path, dtype):
    model = tiny_model()[0].to(dtype)
    model.save_pretrained(tmp_path, max_shard_size="50KB")
    assert len([*tmp_path.glob("model-*.safetensors")]) > 2
    for kind in (AULlavaForConditionalGeneration, LlavaForConditionalGeneration):
        assert_same_weights(kind.from_pretrained(tmp_path, dtype="auto"), model)


@pytest.mark.parametrize("tower", TOWERS)
def test_tied_embeddings_are_saved_once_and_tied_again(tower, tmp_path):
    config = tiny_config(tower)
    config.tie_word_embeddings = config.text_config.tie_word_embeddings = True
    model = AULlavaForConditionalGeneration(config)
    assert model.lm_head.weight is model.get_input_embeddings().weight
    model.save_pretrained(tmp_path / "ours")
    stock_of(model).save_pretrained(tmp_path / "stock")  # with the names of the Hub
    for folder in ("ours", "stock"):
        assert not [key for key in load_file(tmp_path / folder / "model.safetensors") if "lm_head" in key]
        loaded, info = AULlavaForConditionalGeneration.from_pretrained(tmp_path / folder, output_loading_info=True)
        assert not any(info.values())
        assert loaded.lm_head.weight is loaded.get_input_embeddings().weight
        assert_same_weights(loaded, model)


@pytest.mark.parametrize("language_model", [True, False])
@pytest.mark.parametrize("whole", [True, False])
def test_the_outer_configuration_says_whether_embeddings_are_tied(whole, language_model, tmp_path):
    """Published checkpoints set tie_word_embeddings in one of the two configurations, in both, or differently."""
    config = tiny_config()
    config.tie_word_embeddings, config.text_config.tie_word_embeddings = whole, language_model
    model = AULlavaForConditionalGeneration(config)
    model.save_pretrained(tmp_path)
    assert any("lm_head" in key for key in load_file(tmp_path / "model.safetensors")) != whole
    loaded = AULlavaForConditionalGeneration.from_pretrained(tmp_path)
    for one in (model, loaded):
        assert (one.lm_head.weight.data_ptr() == one.get_input_embeddings().weight.data_ptr()) == whole
    assert_same_weights(loaded, model)


def test_a_larger_vocabulary(tmp_path):
    model, _, _, inputs = twins("swin")
    words = model.config.text_config.vocab_size
    with torch.no_grad():
        before = model(**inputs).logits
    model.resize_token_embeddings(words + 5, pad_to_multiple_of=64)
    rows = model.get_input_embeddings().num_embeddings
    assert rows >= words + 5 and rows % 64 == 0
    assert (model.config.text_config.vocab_size, model.lm_head.out_features) == (rows, rows)
    with torch.no_grad():
        after = model(**inputs).logits
    assert torch.equal(after[..., :words], before)
    model.save_pretrained(tmp_path)
    assert_same_weights(AULlavaForConditionalGeneration.from_pretrained(tmp_path), model)


def test_weights_of_another_shape_are_refused_unless_asked_for(tmp_path):
    make_tiny_checkpoint(tmp_path)
    config = tiny_config()
    config.text_config.vocab_size += 8
    with pytest.raises(RuntimeError, match="ignore_mismatched_sizes"):
        AULlavaForConditionalGeneration.from_pretrained(tmp_path, config=config)
    asked = {"config": config, "ignore_mismatched_sizes": True, "output_loading_info": True}
    model, info = AULlavaForConditionalGeneration.from_pretrained(tmp_path, **asked)
    assert {key for key, *_ in info["mismatched_keys"]} == {
        "lm_head.weight",
        "model.language_model.embed_tokens.weight",
    }
    assert torch.equal(
        model.model.multi_modal_projector.linear_1.weight, tiny_model()[0].model.multi_modal_projector.linear_1.weight
    )


def test_parts_kept_on_disk_read_the_same(tmp_path):
    """As `device_map="auto"` places what memory does not hold; the tower comes first in the model."""
    pytest.importorskip("accelerate")
    checkpoint = make_tiny_checkpoint(tmp_path / "checkpoint")
    model, processor = tiny_model()
    places = {
        "model.vision_tower": "disk",
        "model.multi_modal_projector": "cpu",
        "model.language_model": "cpu",
        "lm_head": "disk",
    }
    offloaded = AULlavaForConditionalGeneration.from_pretrained(
        checkpoint, device_map=places, offload_folder=tmp_path / "kept"
    )
    assert next(offloaded.model.vision_tower.parameters()).is_meta
    for mode in ("joint", "parallel", "generate"):
        expected = model.recognize(FACES[:2], processor, mode=mode)
        assert offloaded.recognize(FACES[:2], processor, mode=mode) == expected


class TestConfiguration:
    @pytest.mark.parametrize("tower", TOWERS)
    def test_every_way_to_write_and_read_it(self, tower, tmp_path):
        config = tiny_config(tower)
        config.to_json_file(tmp_path / "whole.json", use_diff=False)
        config.to_json_file(tmp_path / "difference.json")
        config.save_pretrained(tmp_path)
        again = [
            AULlavaConfig.from_dict(config.to_dict()),
            AULlavaConfig.from_json_file(tmp_path / "whole.json"),
            AULlavaConfig.from_json_file(tmp_path / "difference.json"),
            AULlavaConfig(**config.to_dict()),
            deepcopy(config),
        ]
        assert all(other.to_dict() == config.to_dict() for other in again)
        changed, unused = AULlavaConfig.from_pretrained(
            tmp_path, prompt_layout="instruction_first", nonsense=1, return_unused_kwargs=True
        )
        assert (changed.prompt_layout, unused) == ("instruction_first", {"nonsense": 1})

    @pytest.mark.parametrize("tower", TOWERS)
    def test_its_parts_can_be_had_alone(self, tower, tmp_path):
        config = tiny_config(tower)
        config.save_pretrained(tmp_path)
        for part in (config.text_config, config.vision_config):
            assert type(part).from_pretrained(tmp_path).to_dict() == part.to_dict()
        assert config.get_text_config() is config.text_config
        assert config.image_token_id == config.image_token_index

    def test_model_and_parts_share_it(self):
        model, _ = tiny_model()
        assert model.model.language_model.config is model.config.text_config
        assert model.model.vision_tower.config is model.config.vision_config
        assert model.model.config is model.config
        assert AutoConfig.for_model("llava").model_type == model.config.model_type
