"""AULlavaForConditionalGeneration computes what stock LLaVA computes, loses no weight, and reads faces."""

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import LlavaForConditionalGeneration, LlavaProcessor

from aullava.action_units import PROTOCOLS, Protocol, parse, question, render
from aullava.configuration_aullava import AULlavaConfig
from aullava.modeling_aullava import AULlavaForConditionalGeneration
from aullava.processing_aullava import ImageReadError

from tiny import FACES, TOWERS, make_tiny_checkpoint, tiny_model


@pytest.fixture(scope="module", params=TOWERS)
def checkpoint(request, tmp_path_factory):
    return make_tiny_checkpoint(tmp_path_factory.mktemp("checkpoint") / request.param, request.param)


def batch(processor):
    return processor.encode(FACES[:2], ["short", "a longer question"])


def hub_style(state):
    """The names in which llava-1.5-7b-hf and its kin are published."""
    renamed = {}
    for key, tensor in state.items():
        key = key.replace("lm_head.", "language_model.lm_head.").replace(
            "model.language_model.", "language_model.model."
        )
        key = key.replace("model.multi_modal_projector.", "multi_modal_projector.")
        key = key.replace("model.vision_tower.vision_model.", "model.vision_tower.")
        renamed[key.replace("model.vision_tower.", "vision_tower.vision_model.")] = tensor
    return renamed


class TestEqualsStockLlava:
    @torch.no_grad()
    def test_logits_from_both_key_formats(self, checkpoint, tmp_path):
        model, processor = tiny_model(checkpoint.name)
        inputs = batch(processor)
        expected = LlavaForConditionalGeneration.from_pretrained(checkpoint)(**inputs).logits
        assert torch.equal(model(**inputs).logits, expected)
        stock = LlavaForConditionalGeneration(
            model.config
        )  # saves in the old format, unless it was loaded from the new
        stock.load_state_dict(model.state_dict())
        stock.save_pretrained(tmp_path)
        assert "language_model.lm_head.weight" in load_file(tmp_path / "model.safetensors")
        for folder in (checkpoint, tmp_path):
            loaded, info = AULlavaForConditionalGeneration.from_pretrained(folder, output_loading_info=True)
            assert not any(info.values())
            assert torch.equal(loaded(**inputs).logits, expected)

    @torch.no_grad()
    def test_logits_from_a_file_with_the_names_of_the_hub(self, tmp_path):
        make_tiny_checkpoint(tmp_path, "clip")
        model, processor = tiny_model("clip")
        save_file(hub_style(model.state_dict()), tmp_path / "model.safetensors", {"format": "pt"})
        inputs = batch(processor)
        expected = LlavaForConditionalGeneration.from_pretrained(tmp_path)(**inputs).logits
        assert torch.equal(model(**inputs).logits, expected)
        assert torch.equal(AULlavaForConditionalGeneration.from_pretrained(tmp_path)(**inputs).logits, expected)

    def test_keys_and_shapes_of_llava_1_5_7b(self):
        with torch.device("meta"):
            stock = LlavaForConditionalGeneration(AULlavaConfig())
        shapes = {key: tensor.shape for key, tensor in stock.state_dict().items()}
        assert sum(shape.numel() for shape in shapes.values()) == 7_063_427_072
        for state in (stock.state_dict(), hub_style(stock.state_dict())):
            model, info = AULlavaForConditionalGeneration.from_pretrained(
                None, config=AULlavaConfig(), state_dict=state, device_map="meta", output_loading_info=True
            )
            assert not any(info.values())
            assert {key: tensor.shape for key, tensor in model.state_dict().items()} == shapes


class TestLosesNoWeight:
    @pytest.mark.parametrize("lost", ["lm_head.weight", "model.multi_modal_projector.linear_2.bias"])
    def test_refuses_a_checkpoint_with_a_missing_key(self, tmp_path, lost):
        make_tiny_checkpoint(tmp_path)
        weights = load_file(tmp_path / "model.safetensors")
        del weights[lost]
        save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
        for options in ({}, {"output_loading_info": True}, {"device_map": "cpu"}, {"dtype": torch.bfloat16}):
            with pytest.raises(
                ValueError, match=f"holds no weights for 1 parameters.*{lost}.*Expected a complete"
            ) as caught:
                AULlavaForConditionalGeneration.from_pretrained(tmp_path, **options)
            assert str(tmp_path) in str(caught.value)

    def test_names_a_few_of_many_missing_keys(self):
        model, _ = tiny_model()
        count = len(model.state_dict())
        expected = f"the given state_dict holds no weights for {count} parameters.* and {count - 8} more"
        with pytest.raises(ValueError, match=expected):
            AULlavaForConditionalGeneration.from_pretrained(None, config=model.config, state_dict={})

    @pytest.mark.parametrize("options", [{"dtype": torch.bfloat16}, {"device_map": "cpu"}, {"dtype": "auto"}])
    def test_loading_options_of_transformers_hold(self, checkpoint, options):
        model = AULlavaForConditionalGeneration.from_pretrained(checkpoint, **options)
        assert type(model.config) is AULlavaConfig
        assert model.dtype == (torch.bfloat16 if options.get("dtype") == torch.bfloat16 else torch.float32)

    def test_saves_the_names_the_model_has(self, checkpoint):
        model, _ = tiny_model(checkpoint.name)
        saved = load_file(checkpoint / "model.safetensors")
        assert saved.keys() == model.state_dict().keys()
        assert all(torch.equal(saved[key], tensor) for key, tensor in model.state_dict().items())

    def test_a_trainer_that_resumes_gets_the_saved_weights(self, checkpoint, tmp_path):
        pytest.importorskip("accelerate")
        from transformers import Trainer, TrainingArguments

        saved, _ = tiny_model(checkpoint.name)
        model, _ = tiny_model(checkpoint.name, seed=1)
        assert not torch.equal(model.lm_head.weight, saved.lm_head.weight)
        trainer = Trainer(model, TrainingArguments(str(tmp_path), use_cpu=True, report_to=[]))
        trainer._load_from_checkpoint(str(checkpoint))
        assert all(torch.equal(model.state_dict()[key], tensor) for key, tensor in saved.state_dict().items())


@torch.no_grad()
def test_batch_equals_single_under_left_padding(checkpoint):
    model, processor = tiny_model(checkpoint.name)
    texts = ["short", "a rather longer question", "one in between"]
    inputs = processor.encode(FACES[:3], texts)
    assert len(set(inputs["attention_mask"].sum(1).tolist())) == 3
    positions = (inputs["attention_mask"].cumsum(1) - 1).clamp(min=0)
    together = model(**inputs, position_ids=positions).logits[:, -1]
    for row, (face, text) in enumerate(zip(FACES, texts, strict=False)):
        alone = model(**processor.encode([face], text)).logits[0, -1]
        torch.testing.assert_close(together[row], alone, atol=1e-5, rtol=0)


class TestRecognize:
    @pytest.mark.parametrize("tower", TOWERS)
    @pytest.mark.parametrize("name", PROTOCOLS)
    def test_every_protocol(self, tower, name):
        model, processor = tiny_model(tower)
        protocol = PROTOCOLS[name]
        (reading,) = model.recognize(FACES[0], processor=processor, protocol=name)
        parsed = parse(reading.text, protocol)
        assert (reading.values, reading.status) == (parsed.values, "ok")
        assert tuple(reading.values) == protocol.units
        assert reading.probabilities.keys() == (set() if protocol.scale == "continuous" else set(protocol.units))
        assert (reading.box, reading.score) == (None, None)

    def test_probabilities_agree_with_values(self):
        model, processor = tiny_model()
        for reading in model.recognize(FACES, processor=processor, protocol="bp4d"):
            assert all(reading.values[code] == (p > 0.5) for code, p in reading.probabilities.items())
        for reading in model.recognize(FACES, processor=processor, protocol="disfa"):
            assert all(reading.values[code] == int(np.argmax(p)) for code, p in reading.probabilities.items())
            assert all(len(p) == 6 and sum(p) == pytest.approx(1) for p in reading.probabilities.values())

    def test_order_and_values_do_not_depend_on_the_batch(self):
        model, processor = tiny_model()
        alone = [model.recognize(face, processor=processor)[0] for face in FACES]
        assert len({str(reading.probabilities) for reading in alone}) == len(FACES)
        for size in (1, 2, 5, 32):
            for one, other in zip(alone, model.recognize(FACES, processor=processor, batch_size=size), strict=True):
                assert one.text == other.text
                assert all(one.probabilities[c] == pytest.approx(other.probabilities[c], abs=1e-5) for c in one.values)

    def test_every_kind_of_source(self, tmp_path):
        model, processor = tiny_model()
        Image.fromarray(FACES[0]).save(tmp_path / "face.png")
        path = tmp_path / "face.png"
        expected = model.recognize([FACES[0]], processor=processor)
        for source in (FACES[0], path, str(path), path.read_bytes(), Image.open(path), iter([path]), (path,)):
            assert model.recognize(source, processor=processor) == expected
        assert model.recognize([], processor=processor) == []

    def test_protocols_of_any_kind(self):
        model, processor = tiny_model()
        assert list(model.recognize(FACES[0], processor, "au12,4")[0].values) == ["AU12", "AU4"]
        custom = Protocol("mine", ("AU17", "AD30"), "intensity")
        assert list(model.recognize(FACES[0], processor, custom)[0].values) == ["AU17", "AD30"]

    @pytest.mark.parametrize("form", ["full", "short"])
    @torch.no_grad()
    def test_asks_the_question_the_checkpoint_was_trained_on(self, form):
        model, processor = tiny_model()
        model.config.question_form = form
        protocol = Protocol("one", ("AU12",), "occurrence")
        zero, one = processor.tokenizer.convert_tokens_to_ids(["0", "1"])
        inputs = processor.encode(FACES[:1], question(protocol, form))
        literal = torch.tensor([processor.tokenizer("AU12=", add_special_tokens=False)["input_ids"]])
        inputs["input_ids"] = torch.cat([inputs["input_ids"], literal], dim=1)
        del inputs["attention_mask"]
        expected = model(**inputs).logits[0, -1, [zero, one]].softmax(-1)[1].item()
        (reading,) = model.recognize(FACES[:1], processor, protocol)
        assert reading.probabilities["AU12"] == pytest.approx(expected, abs=1e-6)

    def test_generate_parses_what_the_model_writes(self):
        model, processor = tiny_model()
        protocol = PROTOCOLS["disfa"]
        inputs = processor.encode(FACES, question(protocol, "short"))
        longest = len(processor.tokenizer(render(dict.fromkeys(protocol.units, 5), protocol))["input_ids"]) + 16
        written = model.generate(**inputs, do_sample=False, max_new_tokens=longest)[:, inputs["input_ids"].shape[1] :]
        readings = model.recognize(FACES, processor=processor, protocol="disfa", mode="generate")
        for tokens, reading in zip(written, readings, strict=True):
            assert reading.text == processor.tokenizer.decode(tokens, skip_special_tokens=True).strip()
            parsed = parse(reading.text, protocol, strict=False)
            assert (reading.values, reading.status, reading.probabilities) == (parsed.values, parsed.status, {})

    @pytest.mark.parametrize(
        ("answer", "status", "values"),
        [
            ("AU1=1 AU4=0</s>", "ok", {"AU1": 1, "AU4": 0}),
            ("AU4=0, AU1=1.</s>", "repaired", {"AU1": 1, "AU4": 0}),
            ("AU1=1</s>", "repaired", {"AU1": 1, "AU4": None}),
            ("a smile</s>", "invalid", {"AU1": None, "AU4": None}),
        ],
    )
    def test_generate_reports_how_well_the_answer_parsed(self, answer, status, values):
        model, processor = tiny_model()
        steps = iter(processor.tokenizer(answer, add_special_tokens=False)["input_ids"])
        # The model made to write this answer: at each step one token's logit is lifted above all others.
        model.lm_head.register_forward_hook(
            lambda module, inputs, logits: logits.index_fill(-1, torch.tensor([next(steps)]), 1e4)
        )
        (reading,) = model.recognize(FACES[0], processor=processor, protocol="AU1,AU4", mode="generate")
        assert (reading.status, reading.values) == (status, values)
        assert reading.text == answer.removesuffix("</s>")

    def test_dropout_is_off_and_the_mode_comes_back(self):
        model, processor = tiny_model()
        expected = model.recognize(FACES, processor=processor)
        for layer in model.model.language_model.layers:
            layer.self_attn.attention_dropout = 0.5
        model.train()
        assert model.recognize(FACES, processor=processor) == expected
        assert model.training
        with pytest.raises(ImageReadError):
            model.recognize(b"", processor=processor)
        assert model.training

    def test_reduced_precision(self, checkpoint):
        model = AULlavaForConditionalGeneration.from_pretrained(checkpoint, dtype=torch.bfloat16)
        _, processor = tiny_model(checkpoint.name)
        for mode in ("joint", "generate"):
            assert len(model.recognize(FACES, processor=processor, mode=mode)) == len(FACES)

    def test_refuses_wrong_arguments(self):
        model, processor = tiny_model()
        for mode in ("parallel", "Joint", ""):
            with pytest.raises(ValueError, match=r"expected one of joint, generate"):
                model.recognize(FACES, processor=processor, mode=mode)
        with pytest.raises(ValueError, match="unknown protocol 'smile'"):
            model.recognize(FACES, processor=processor, protocol="smile")
        with pytest.raises(ValueError, match="batch_size is 0"):
            model.recognize(FACES, processor=processor, batch_size=0)
        stock = LlavaProcessor(processor.image_processor, processor.tokenizer, patch_size=16)
        with pytest.raises(ValueError, match="processor is a LlavaProcessor: expected .* AULlavaProcessor"):
            model.recognize(FACES, processor=stock)

    def test_names_the_picture_it_cannot_read(self, tmp_path):
        model, processor = tiny_model()
        (tmp_path / "torn.png").write_bytes(b"\x89PNG torn")
        with pytest.raises(ImageReadError, match=r"torn\.png"):
            model.recognize([FACES[0], tmp_path / "torn.png"], processor=processor)
