"""LoRA: where adapters sit, that they change nothing at first, and that what is saved gives the trained model again."""

import json
import sys

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import LlavaForConditionalGeneration

from aullava.modeling_aullava import AULlavaForConditionalGeneration
from aullava.processing_aullava import AULlavaProcessor
from aullava.training.arguments import ModelArguments
from aullava.training.model.base import base_config, load_base, load_for_training
from aullava.training.model.scratch import ScratchArguments
from aullava.training.run.saving import main, merge_adapters, save_adapters, save_result

from tiny import FACES, TOWERS, make_tiny_checkpoint


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    return {tower: str(make_tiny_checkpoint(tmp_path_factory.mktemp(tower), tower)) for tower in TOWERS}


def adapted(base: str, **changes):
    """An adapted model whose adapters and projector are far from where they began, as after training; its arguments."""
    arguments = ModelArguments(checkpoint=base, lora_r=4, **changes)
    model, processor = load_for_training(arguments, ScratchArguments())
    model.config.question_form = "short"
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn_like(parameter))
    return model.eval(), processor, arguments


@torch.no_grad()
def logits(model, processor) -> torch.Tensor:
    return model(**processor.encode([FACES[0]], "which?")).logits


@pytest.mark.parametrize("tower", TOWERS)
def test_adapters_change_nothing_at_first(bases, tower):
    model, processor = load_for_training(ModelArguments(checkpoint=bases[tower], lora_r=4), ScratchArguments())
    base, _ = load_base(bases[tower])
    assert torch.equal(logits(model.eval(), processor), logits(base.eval(), processor))


@pytest.mark.parametrize("tower", TOWERS)
def test_adapters_sit_on_every_linear_layer_of_the_language_model_and_nowhere_else(bases, tower):
    model, _ = load_for_training(ModelArguments(checkpoint=bases[tower], lora_r=4), ScratchArguments())
    found = {
        n.partition(".language_model.")[2].partition(".lora_A")[0]
        for n, _ in model.named_parameters()
        if "lora_A" in n
    }
    assert found == {name for name in found if name.startswith("layers.")}
    assert len(found) == 7 * model.config.text_config.num_hidden_layers
    assert not [n for n, _ in model.named_parameters() if "lora_" in n and ".language_model." not in n]


def test_no_adapter_sits_where_no_gradient_comes(bases):
    model, _ = load_for_training(
        ModelArguments(checkpoint=bases["clip"], lora_r=4, lora_tower=True), ScratchArguments()
    )
    layers = {n.split("encoder.layers.")[1][0] for n, _ in model.named_parameters() if "lora_" in n and "encoder" in n}
    assert layers == {"0"}  # of two; LLaVA reads the last but one


@pytest.mark.parametrize("tower", TOWERS)
def test_what_learns_is_float32_on_a_bfloat16_base(bases, tower):
    arguments = ModelArguments(checkpoint=bases[tower], lora_r=4, frozen_dtype="bfloat16")
    model, processor = load_for_training(arguments, ScratchArguments())
    assert {(p.requires_grad, p.dtype) for p in model.parameters()} == {(True, torch.float32), (False, torch.bfloat16)}
    batch = processor.encode([FACES[0]], "which?")
    with torch.autocast("cpu", torch.bfloat16):
        model(**batch, labels=batch["input_ids"]).loss.backward()
        [reading] = model.get_base_model().recognize(FACES[0], processor=processor, protocol="bp4d")
    assert reading.status == "ok"
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


def test_the_scale_is_twice_the_rank_unless_given(bases):
    assert adapted(bases["swin"])[0].peft_config["default"].lora_alpha == 8
    assert adapted(bases["swin"], lora_alpha=3)[0].peft_config["default"].lora_alpha == 3


@pytest.mark.parametrize("tower", TOWERS)
def test_saved_adapters_give_the_model_again(bases, tmp_path, tower):
    model, processor, arguments = adapted(bases[tower], lora_tower=True)
    [folder] = save_result(model, processor, tmp_path, arguments)
    assert folder == tmp_path / "adapters"
    names = {path.name for path in folder.iterdir()}
    assert {"adapter_model.safetensors", "adapter_config.json", "model_config.json", "tokenizer.json"} <= names
    assert not names & {"README.md", "config.json", "model.safetensors"}
    assert json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"] == bases[tower]
    base = AULlavaForConditionalGeneration.from_pretrained(bases[tower])
    again = PeftModel.from_pretrained(base, folder).eval()
    assert torch.equal(logits(again, processor), logits(model, processor))
    assert not torch.equal(logits(again, processor), logits(load_base(bases[tower])[0].eval(), processor))


def test_merging_writes_a_whole_checkpoint_that_stock_llava_reads(bases, tmp_path):
    model, processor, arguments = adapted(bases["clip"], merge_lora=True)
    arguments.saved_dtype = "float32"
    adapters, merged = save_result(model, processor, tmp_path, arguments)
    assert (adapters.name, merged.name) == ("adapters", "model")
    assert not any("lora" in key or "original_module" in key for key in load_file(merged / "model.safetensors"))
    expected = logits(model, processor)
    for kind in (AULlavaForConditionalGeneration, LlavaForConditionalGeneration):
        whole = kind.from_pretrained(merged).eval()
        torch.testing.assert_close(logits(whole, processor), expected, atol=1e-5, rtol=1e-5)
    assert whole.config.question_form == "short"  # as it was trained, not as its base
    (reading,) = AULlavaForConditionalGeneration.from_pretrained(merged).recognize(
        FACES[0], processor=AULlavaProcessor.from_pretrained(merged), protocol="bp4d"
    )
    assert reading.status == "ok"


def test_the_command_merges_onto_a_base_that_has_moved(bases, tmp_path, monkeypatch):
    model, processor, _ = adapted(bases["swin"])
    folder = save_adapters(model, processor, tmp_path / "adapters")
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base_model_name_or_path": "/gone"}))
    with pytest.raises(ValueError, match="checkpoint='/gone' cannot be opened"):
        merge_adapters(folder, tmp_path / "out")
    flags = [str(folder), str(tmp_path / "out"), "--checkpoint", bases["swin"], "--dtype", "float32"]
    monkeypatch.setattr(sys, "argv", ["saving", *flags])
    main()
    whole = AULlavaForConditionalGeneration.from_pretrained(tmp_path / "out").eval()
    torch.testing.assert_close(logits(whole, processor), logits(model, processor), atol=1e-5, rtol=1e-5)


def test_adapters_are_no_base_and_a_base_is_no_adapters(bases, tmp_path):
    model, processor, _ = adapted(bases["swin"])
    folder = save_adapters(model, processor, tmp_path / "adapters")
    with pytest.raises(ValueError, match="holds LoRA adapters, not a whole model: merge them first"):
        base_config(str(folder))
    with pytest.raises(ValueError, match="has no adapter_config.json"):
        merge_adapters(bases["swin"], tmp_path / "out")
