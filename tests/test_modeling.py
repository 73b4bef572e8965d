"""AULlavaForConditionalGeneration computes what stock LLaVA computes, loses no weight, and reads faces."""

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import LlavaForConditionalGeneration, LlavaProcessor

from aullava.action_units import PROTOCOLS, Protocol, parse, question, render
from aullava.configuration_aullava import AULlavaConfig
from aullava.image_aullava import ImageReadError
from aullava.modeling_aullava import MODES, AULlavaForConditionalGeneration

from tiny import FACES, TOWERS, count_passes, make_tiny_checkpoint, processor_with, tiny_model


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
        with (
            pytest.warns(FutureWarning, match="use FaceRow.box"),
            pytest.warns(FutureWarning, match="use FaceRow.score"),
        ):
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
        for mode in MODES:
            assert len(model.recognize(FACES, processor=processor, mode=mode)) == len(FACES)

    @pytest.mark.parametrize(("written", "found"), [("", 0), ("<image><image>", 4)])
    @pytest.mark.parametrize("mode", MODES)
    def test_an_edited_template_that_loses_or_doubles_the_image_is_told_in_numbers(self, mode, written, found):
        model, processor = tiny_model()
        processor.chat_template = processor.chat_template.replace("<image>", written)
        with pytest.raises(ValueError, match=rf"Found total {found} <image> tokens and 2 images"):
            model.recognize(FACES[:2], processor=processor, mode=mode)

    def test_refuses_wrong_arguments(self):
        model, processor = tiny_model()
        for mode in ("Parallel", "Joint", ""):
            with pytest.raises(ValueError, match=r"expected one of joint, parallel, generate"):
                model.recognize(FACES, processor=processor, mode=mode)
        with pytest.raises(ValueError, match="value is 'mode': expected one of argmax"):
            model.recognize(FACES, processor=processor, value="mode")
        with pytest.raises(ValueError, match="unknown protocol 'smile'"):
            model.recognize(FACES, processor=processor, protocol="smile")
        for size in (0, 1.5):
            with pytest.raises(ValueError, match=f"batch_size is {size}"):
                model.recognize(FACES, processor=processor, batch_size=size)
        stock = LlavaProcessor(processor.image_processor, processor.tokenizer, patch_size=16)
        with pytest.raises(ValueError, match="processor is a LlavaProcessor: expected .* AULlavaProcessor"):
            model.recognize(FACES, processor=stock)

    @pytest.mark.parametrize("mode", MODES)
    def test_refuses_weights_that_are_not_numbers(self, mode):
        model, processor = tiny_model()
        torch.nn.init.constant_(model.lm_head.weight, float("nan"))
        with pytest.raises(FloatingPointError, match="are not numbers: the weights or the image are damaged"):
            model.recognize(FACES[:1], processor=processor, mode=mode)

    def test_refuses_a_calibration_that_was_changed_to_nonsense(self):
        model, processor = tiny_model()
        model.config.calibration = {"temperature": {"intensity": -1.0}}
        with pytest.raises(ValueError, match="the temperature of intensity is -1.0"):
            model.recognize(FACES[:1], processor=processor)

    def test_names_the_picture_it_cannot_read(self, tmp_path):
        model, processor = tiny_model()
        (tmp_path / "torn.png").write_bytes(b"\x89PNG torn")
        with pytest.raises(ImageReadError, match=r"torn\.png"):
            model.recognize([FACES[0], tmp_path / "torn.png"], processor=processor)


FEAFA = PROTOCOLS["feafa"].units


def assert_alike(readings, others):
    assert len(readings) == len(others)
    for one, two in zip(readings, others, strict=True):
        assert (one.values, one.text, one.status) == (two.values, two.text, two.status)
        for found, expected in ((one.probabilities, two.probabilities), (one.distributions, two.distributions)):
            assert found.keys() == expected.keys()
            assert all(found[code] == pytest.approx(expected[code], abs=1e-5) for code in found)


class TestSeveralProtocols:
    @pytest.mark.parametrize("layout", ["image_first", "instruction_first"])
    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("kind", ["own", "merging"])
    def test_equal_one_by_one(self, mode, layout, kind):
        model, _ = tiny_model()
        processor = processor_with(kind)
        model.config.prompt_layout = layout
        levels = Protocol("levels", ("AU1", "AU6"), "intensity")
        protocols = ["AU1,AU2,AU6", PROTOCOLS["feafa"].restricted_to(FEAFA[:3]), "AU4,AU12", levels]
        options = {"mode": mode, "batch_size": 2, "distributions": True}
        together = model.recognize_many(FACES[:3], processor, protocols, **options)
        assert [list(readings) for readings in together] == [["AU1,AU2,AU6", "feafa", "AU4,AU12", "levels"]] * 3
        for name, protocol in zip(together[0], protocols, strict=True):
            alone = model.recognize(FACES[:3], processor, protocol, **options)
            assert_alike([readings[name] for readings in together], alone)

    @pytest.mark.parametrize(("mode", "passes"), [("parallel", 1), ("joint", 24)])
    def test_one_pass_serves_all(self, mode, passes):
        model, processor = tiny_model()
        towers = []
        model.model.vision_tower.register_forward_hook(lambda *_: towers.append(1))
        with count_passes(model) as lengths:
            model.recognize_many(FACES[:2], processor, ["bp4d", "disfa", "feafa"], mode=mode)
        assert (len(lengths), len(towers)) == (passes, 1)

    def test_one_protocol_need_not_be_a_list(self):
        model, processor = tiny_model()
        for protocol, name in (("bp4d", "bp4d"), (PROTOCOLS["bp4d"], "bp4d"), (iter(["AU1"]), "AU1")):
            assert list(model.recognize_many(FACES[0], processor, protocol)[0]) == [name]

    def test_two_names_of_the_same_units(self):
        model, processor = tiny_model()
        (readings,) = model.recognize_many(FACES[0], processor, ["AU1,AU4", "au1,au4"], mode="parallel")
        assert_alike([readings["AU1,AU4"]], [readings["au1,au4"]])

    def test_refuses_names_that_would_collide(self):
        model, processor = tiny_model()
        for protocols in (["bp4d", "bp4d"], ["disfa", PROTOCOLS["disfa"]], []):
            with pytest.raises(ValueError, match="expected at least one, each of another name"):
                model.recognize_many(FACES, processor, protocols)


class TestInstructionFirst:
    @pytest.mark.parametrize("tower", TOWERS)
    @torch.no_grad()
    def test_equals_a_plain_forward_pass(self, tower):
        model, processor = tiny_model(tower)
        model.config.prompt_layout = "instruction_first"
        protocol = Protocol("two", ("AU12", "AU25"), "occurrence")
        zero, one = processor.tokenizer.convert_tokens_to_ids(["0", "1"])
        prompt = processor.prompt(question(protocol, model.config.question_form), "instruction_first")
        assert prompt.index("AU12") < prompt.index("<image>")
        inputs = processor.encode(FACES, question(protocol, model.config.question_form), "instruction_first")
        for mode, answer in (("joint", "AU12="), ("parallel", "AU12= AU25=")):
            literal = torch.tensor([processor.tokenizer(answer, add_special_tokens=False)["input_ids"]] * len(FACES))
            ids = torch.cat([inputs["input_ids"], literal], dim=1)
            expected = model(input_ids=ids, pixel_values=inputs["pixel_values"]).logits[:, -1, [zero, one]].softmax(-1)
            readings = model.recognize(FACES, processor, protocol, mode=mode, batch_size=2)
            found = [reading.probabilities["AU12" if mode == "joint" else "AU25"] for reading in readings]
            assert found == pytest.approx(expected[:, 1].tolist(), abs=1e-5)

    @pytest.mark.parametrize("mode", ["joint", "parallel"])
    def test_the_instruction_is_computed_once(self, mode):
        model, processor = tiny_model()
        protocol = Protocol("one", ("AU12",), "occurrence")
        prompts = {}
        for layout in ("image_first", "instruction_first"):
            model.config.prompt_layout = layout
            with count_passes(model) as lengths:
                model.recognize(FACES, processor, protocol, mode=mode, batch_size=2)
            prompts[layout] = lengths
        (length,) = set(prompts["image_first"])
        instruction, *pictures = prompts["instruction_first"]
        assert len(pictures) == len(prompts["image_first"]) == 3
        assert {instruction + picture for picture in pictures} == {length}
        assert instruction > 5

    def test_generates(self):
        model, processor = tiny_model()
        model.config.prompt_layout = "instruction_first"
        inputs = processor.encode(FACES[:1], question(PROTOCOLS["bp4d"], "short"), "instruction_first")
        written = model.generate(**inputs, do_sample=False, max_new_tokens=12)[0, inputs["input_ids"].shape[1] :]
        (reading,) = model.recognize(FACES[:1], processor, "bp4d", mode="generate")
        assert reading.text.startswith(processor.tokenizer.decode(written, skip_special_tokens=True).strip())

    def test_refuses_a_template_that_puts_the_image_first_anyway(self):
        _, processor = tiny_model()
        processor.chat_template = (
            "{% for m in messages %}USER: {% for c in m['content'] | selectattr('type', 'equalto', 'image') %}<image>\n"
            "{% endfor %}{% for c in m['content'] | selectattr('type', 'equalto', 'text') %}{{ c['text'] }}{% endfor %}"
            "{% endfor %} ASSISTANT:"
        )
        assert processor.prompt("AU12?") == "USER: <image>\nAU12? ASSISTANT:"
        with pytest.raises(ValueError, match="the chat template puts the image first"):
            processor.prompt("AU12?", "instruction_first")
        with pytest.raises(ValueError, match="layout is 'text_first': expected one of image_first, instruction_first"):
            processor.prompt("AU12?", "text_first")


class TestCalibration:
    @pytest.mark.parametrize("mode", ["joint", "parallel"])
    def test_comes_from_the_configuration(self, mode):
        model, processor = tiny_model()
        plain = model.recognize(FACES, processor, "bp4d", mode=mode)
        model.config.calibration = {
            "temperature": {"occurrence": 1.0, "intensity": 9.0},
            "thresholds": {"disfa_occurrence": {}},
        }
        assert model.recognize(FACES, processor, "bp4d", mode=mode) == plain
        model.config.calibration = {"thresholds": {"bp4d": {"AU24": 1e-9}}}
        for one, two in zip(plain, model.recognize(FACES, processor, "bp4d", mode=mode), strict=True):
            assert two.values == one.values | {"AU24": 1}
        model.config.calibration = {"temperature": {"occurrence": 4.0}}
        first = [next(iter(reading.probabilities.values())) for reading in plain]
        heated = model.recognize(FACES, processor, "bp4d", mode=mode)
        for p, reading in zip(first, heated, strict=True):
            expected = p**0.25 / (p**0.25 + (1 - p) ** 0.25)
            assert reading.probabilities["AU1"] == pytest.approx(expected, abs=1e-5)

    def test_free_generation_knows_none(self):
        model, processor = tiny_model()
        plain = model.recognize(FACES, processor, "bp4d", mode="generate")
        model.config.calibration = {"temperature": {"occurrence": 4.0}, "thresholds": {"bp4d": {"AU24": 1e-9}}}
        assert model.recognize(FACES, processor, "bp4d", mode="generate") == plain

    def test_is_saved_with_the_checkpoint(self, tmp_path):
        model, processor = tiny_model()
        model.config.calibration = {"temperature": {"occurrence": 1.5}, "thresholds": {"bp4d": {"AU1": 0.3}}}
        expected = model.recognize(FACES, processor, "bp4d")
        model.save_pretrained(tmp_path)
        loaded = AULlavaForConditionalGeneration.from_pretrained(tmp_path)
        assert loaded.config.calibration == model.config.calibration
        assert_alike(loaded.recognize(FACES, processor, "bp4d"), expected)


@pytest.mark.parametrize("mode", ["joint", "parallel"])
def test_a_static_cache_reads_the_same(mode):
    model, processor = tiny_model()
    expected = model.recognize_many(FACES, processor, ["bp4d", "disfa"], mode=mode, batch_size=2)
    model.generation_config.cache_implementation = "static"
    found = model.recognize_many(FACES, processor, ["bp4d", "disfa"], mode=mode, batch_size=2)
    for one, two in zip(expected, found, strict=True):
        assert_alike([*one.values()], [*two.values()])
