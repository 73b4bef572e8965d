"""Stock transformers reads the decision files as mode "parallel" reads, refuses what it cannot, and they come with a checkpoint."""

import copy
import json
import os
import subprocess
import sys
from dataclasses import fields, replace
from itertools import product

import pytest
import torch
from PIL import Image
from transformers.decision import DecisionConfig

from aullava.action_units import ACTION_UNITS, INTENSITY, OCCURRENCE, PROTOCOLS, Protocol, question
from aullava.checkpoint.decision import SETTINGS, TEMPLATE, decision_files, write_decision_files
from aullava.checkpoint.layout import assemble, embedded_checkpoint
from aullava.configuration_aullava import AULlavaConfig
from aullava.modeling_aullava import AULlavaForConditionalGeneration
from aullava.plan_aullava import compile_plan
from aullava.processing_aullava import AULlavaProcessor
from aullava.training.model.scratch import build_config, build_processor
from aullava.training.run.saving import save_checkpoint

from tiny import FACES, SIZES, make_tiny_checkpoint, processor_with, tiny_config, tiny_model, tiny_processor, tokenizer

PICTURE = Image.fromarray(FACES[0])
SIX = ["absent", "trace", "slight", "marked", "severe", "maximum"]
LISTS = (
    Protocol("one", ("AU12",), OCCURRENCE),
    Protocol("two", ("AD30", "AU4"), OCCURRENCE),
    PROTOCOLS["bp4d"],
    Protocol("three", ("AU25", "AU1", "AD34"), INTENSITY),
    PROTOCOLS["disfa"],
)
FORMS = (("short", "image_first"), ("full", "instruction_first"))  # of the two released folders

# Run by a user who has stock transformers and nothing else.
USER = """
import json, sys
from PIL import Image

class NoPackage:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "aullava":
            raise ModuleNotFoundError(f"{name} is not installed here")

sys.meta_path.insert(0, NoPackage())
from transformers import pipeline

*folders, picture, asked = sys.argv[1:]
report = []
for folder in folders:
    pipe = pipeline("decision", model=folder)
    for questions in json.loads(asked):
        request = {"state": "face", "assets": {"face": Image.open(picture)}, "questions": questions}
        ((inputs, _),) = pipe.preprocess(request)["prompts"]
        where = {key: inputs[key].flatten().tolist() for key in ("input_ids", "marks")}
        report.append({"class": type(pipe.model).__name__, "answers": pipe(request)} | where)
print(json.dumps(report))
"""


def questions_of(protocol):
    kind = {"type": "noul"} if protocol.scale == OCCURRENCE else {"type": "score", "criteria": SIX}
    return dict.fromkeys(protocol.units, kind)


def config_of(form="short", layout="image_first", **changes):
    config = tiny_config("swin")
    for name, value in ({"question_form": form, "prompt_layout": layout} | changes).items():
        setattr(config, name, value)
    return config


def settings_of(files):
    known = {field.name for field in fields(DecisionConfig)}  # the loader of transformers leaves others alone, too
    settings = {key: value for key, value in json.loads(files[SETTINGS]).items() if key in known}
    return DecisionConfig(**settings, chat_template=files[TEMPLATE])


def parallel_tokens(processor, config, protocol):
    """Token ids and marks of mode "parallel", from the plan it reads by."""
    text = question(protocol, config.question_form)
    ids = processor.encode([PICTURE], text, config.prompt_layout)["input_ids"][0].tolist()
    marks = []
    for slot in compile_plan(processor.tokenizer, processor.prompt(text, config.prompt_layout), protocol).slots:
        ids += slot.literal
        marks.append(len(ids))
    return ids, marks


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """Released folders of one model, with both forms of question and both layouts, calibrated."""
    folders = []
    for number, (form, layout) in enumerate(FORMS):
        source = make_tiny_checkpoint(tmp_path_factory.mktemp("training") / "tiny", "swin", seed=number)
        config = json.loads((source / "config.json").read_text())
        config |= {"question_form": form, "prompt_layout": layout}
        config["calibration"] = {"temperature": {"occurrence": 1.7, "intensity": 0.6}}
        (source / "config.json").write_text(json.dumps(config))
        write_decision_files(source)
        folders.append(assemble(source, tmp_path_factory.mktemp("hub") / "tiny"))
    return folders


@pytest.fixture(scope="module")
def answered(released, tmp_path_factory):
    """What stock transformers said of each folder and list of units."""
    home = tmp_path_factory.mktemp("user")
    PICTURE.save(home / "face.png")
    (home / "user.py").write_text(USER)
    asked = json.dumps([questions_of(protocol) for protocol in LISTS])
    command = [sys.executable, "-I", "user.py", *map(str, released), "face.png", asked]
    environment = os.environ | {"HF_HOME": str(home / "cache")}
    run = subprocess.run(command, cwd=home, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-4000:]
    return json.loads(run.stdout.splitlines()[-1])


def test_stock_transformers_gives_the_probabilities_of_mode_parallel(released, answered):
    for (folder, protocol), said in zip(product(released, LISTS), answered, strict=True):
        model = AULlavaForConditionalGeneration.from_pretrained(folder)
        processor = AULlavaProcessor.from_pretrained(folder)
        (reading,) = model.recognize(PICTURE, processor=processor, protocol=protocol, mode="parallel")
        assert said["class"] == "LlavaForConditionalGeneration"
        assert list(said["answers"]) == list(protocol.units)
        for code, answer in said["answers"].items():
            if protocol.scale == OCCURRENCE:
                found, expected = [answer["noul"]], [reading.probabilities[code]]
            else:
                found, expected = list(answer["probabilities"].values()), reading.probabilities[code]
                assert answer["score"] == pytest.approx(reading.expected[code], abs=1e-4)
                assert list(answer["legend"].values()) == SIX
            assert found == pytest.approx(expected, abs=1e-4), (folder, protocol.name, code)


def test_the_probabilities_compared_differ_between_units_and_heed_the_temperature(released):
    """Else the test above would hold for constants."""
    model = AULlavaForConditionalGeneration.from_pretrained(released[0])
    processor = AULlavaProcessor.from_pretrained(released[0])
    (calibrated,) = model.recognize(PICTURE, processor=processor, protocol="bp4d", mode="parallel")
    model.config.calibration = {}
    (plain,) = model.recognize(PICTURE, processor=processor, protocol="bp4d", mode="parallel")
    assert len({round(p, 3) for p in calibrated.probabilities.values()}) > 6
    assert max(abs(calibrated.probabilities[code] - plain.probabilities[code]) for code in plain.probabilities) > 0.01


def test_stock_transformers_reads_the_tokens_of_mode_parallel(released, answered):
    for (folder, protocol), said in zip(product(released, LISTS), answered, strict=True):
        processor, config = AULlavaProcessor.from_pretrained(folder), AULlavaConfig.from_pretrained(folder)
        assert (said["input_ids"], said["marks"]) == parallel_tokens(processor, config, protocol)


@pytest.mark.parametrize("layout", ["image_first", "instruction_first"])
@pytest.mark.parametrize("form", ["short", "full"])
@pytest.mark.parametrize("kind", ["own", "spelling", "byte level", "merging"])
def test_every_tokenizer_it_can_serve_is_read_alike(kind, form, layout):
    processor, config = processor_with(kind), config_of(form, layout)
    settings = settings_of(decision_files(processor, config))
    reader = copy.deepcopy(processor)  # the marks come into its vocabulary
    for protocol in LISTS:
        request = {"state": "face", "assets": {"face": PICTURE}, "questions": questions_of(protocol)}
        ((inputs, _),) = settings.prepare_inputs(request, reader)
        expected = parallel_tokens(processor, config, protocol)
        assert (inputs["input_ids"][0].tolist(), inputs["marks"].tolist()) == expected


@pytest.mark.parametrize("kind", ["sentencepiece", "splitting digits"])
def test_a_tokenizer_it_cannot_serve_is_refused(kind):
    with pytest.raises(ValueError, match="stock transformers"):
        decision_files(processor_with(kind), config_of())


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (lambda own: own.replace("part['text']", "part['text'] | upper"), "text of a turn 0 times"),
        (
            lambda own: own.replace("{{ part['text'] }}", "{{ part['text'] }}{{ part['text'] }}"),
            "text of a turn 2 times",
        ),
    ],
)
def test_a_chat_template_it_cannot_follow_is_refused(template, said):
    processor = tiny_processor()
    processor.chat_template = template(processor.chat_template)
    with pytest.raises(ValueError, match=said):
        decision_files(processor, config_of())


def test_any_fixed_text_of_the_chat_template_is_written():
    """Quotes, backslashes, braces, line ends and signs beyond 16 bits pass through the data of the template."""
    processor, odd = tiny_processor(), "\"'\\ \\n\n\t{} %} é😀\u2028 "
    processor.chat_template = processor.chat_template.replace("<|user|>", f"<|user|>{{{{ {odd!r} }}}}")
    assert odd in processor.prompt("present 0/1: AU1")
    settings = settings_of(decision_files(processor, config_of()))
    protocol = LISTS[2]
    expected = parallel_tokens(processor, config_of(), protocol)
    request = {"state": "face", "assets": {"face": PICTURE}, "questions": questions_of(protocol)}
    ((inputs, _),) = settings.prepare_inputs(request, copy.deepcopy(processor))
    assert (inputs["input_ids"][0].tolist(), inputs["marks"].tolist()) == expected


@pytest.fixture(scope="module")
def stock():
    """Settings and processor as stock transformers holds them."""
    processor = tiny_processor()
    return settings_of(decision_files(processor, config_of())), copy.deepcopy(processor)


NOUL, SCORE = {"type": "noul"}, {"type": "score", "criteria": SIX}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"state": "a face"}, "state is not one picture"),
        ({"state": ["face", "face"]}, "state is not one picture"),
        ({"state": "face face"}, "state is not one picture"),
        ({"state": {"photo": "face"}}, "state is not one picture"),
        ({"state": None}, "state is not one picture"),
        ({"state": 5}, "state is not one picture"),
        ({"state": []}, "state is not one picture"),
        ({"assets": {}}, "state is not one picture"),
        ({"questions": {"AU1": NOUL, "AU2": SCORE}}, "type noul, score"),
        ({"questions": {"AU1": {"type": "choice", "criteria": {"a": None, "b": None}}}}, "reads no choice"),
        ({"questions": {"smile": NOUL}}, "smile names no action unit"),
        ({"questions": {"AU12": NOUL, "au12": NOUL}}, "au12 names no action unit"),
        ({"questions": {"AU012": SCORE}}, "AU012 names no action unit"),
        ({"questions": {"feafa_01_left_eye_close": SCORE}}, "names no action unit"),
        ({"questions": {"AU1=1 AU2": NOUL}}, "names no action unit"),
        ({"questions": {"<image>": NOUL}}, "names no action unit"),
        ({"questions": {"face": NOUL}}, "names no action unit"),
        ({"questions": {"AU1": NOUL | {"instructions": "Is AU1 absent?"}}}, "AU1 has instructions"),
        ({"questions": {"AU1": NOUL | {"criteria": {"true": "absent"}}}}, "AU1 has criteria"),
        ({"questions": {"AU1": SCORE | {"criteria": SIX[:5]}}}, "AU1 has 5 levels"),
        ({"questions": {"AU1": SCORE | {"criteria": [*SIX, "more"]}}}, "at most 6 options"),
    ],
)
def test_a_request_that_would_be_read_otherwise_than_meant_is_refused(changes, said, stock):
    settings, processor = stock
    request = {"state": "face", "assets": {"face": PICTURE}, "questions": {"AU1": NOUL}} | changes
    with pytest.raises(Exception, match=said):
        settings.prepare_inputs(request, processor)


def test_a_prompt_may_be_as_long_as_the_picture_is_wide():
    """In tokens and pixels: transformers 5.23 would then take the picture for tokens."""
    sizes = replace(SIZES, image_size=48)
    processor = build_processor(sizes, tokenizer())
    settings = settings_of(decision_files(processor, build_config(sizes, tokenizer())))
    reader, lengths = copy.deepcopy(processor), []
    for count in range(1, 20):
        for start in range(8):
            questions = dict.fromkeys(list(ACTION_UNITS)[start : start + count], NOUL)
            request = {"state": "face", "assets": {"face": PICTURE}, "questions": questions}
            ((inputs, _),) = settings.prepare_inputs(request, reader)
            assert inputs["pixel_values"].shape == (1, 3, 48, 48)
            lengths.append(inputs["input_ids"].shape[1] + count)  # the marks are tokens until they are read
    assert 48 in lengths  # else this test tests nothing


def test_empty_descriptions_and_unused_pictures_are_what_leaving_them_out_is(stock):
    settings, processor = stock
    empty = NOUL | {"criteria": {"true": None, "false": None}, "instructions": None}
    request = {"state": "face", "assets": {"face": PICTURE}, "questions": {"AU1": NOUL}}
    (plain,) = settings.prepare_inputs(request, processor)
    for changes in ({"questions": {"AU1": empty}}, {"assets": {"face": PICTURE, "unused": PICTURE}}):
        (other,) = settings.prepare_inputs(request | changes, processor)
        assert torch.equal(other[0]["input_ids"], plain[0]["input_ids"])
        assert torch.equal(other[0]["pixel_values"], plain[0]["pixel_values"])


def test_the_processor_itself_is_left_as_it_was():
    processor = tiny_processor()
    before = len(processor.tokenizer)
    decision_files(processor, config_of())
    assert len(processor.tokenizer) == before


def test_the_temperature_is_that_of_the_calibration():
    plain = json.loads(decision_files(tiny_processor(), config_of())[SETTINGS])
    assert plain["temperature"] == {"noul": 1.0, "score": 1.0}
    calibration = {"temperature": {"occurrence": 2.5, "continuous": 9.0}}
    changed = json.loads(decision_files(tiny_processor(), config_of(calibration=calibration))[SETTINGS])
    assert changed["temperature"] == {"noul": 2.5, "score": 1.0}


def test_a_saved_checkpoint_brings_the_files(tmp_path):
    model, processor = tiny_model("swin")
    folder = save_checkpoint(model, processor, tmp_path / "model", "bfloat16")
    assert {name: (folder / name).read_text() for name in (SETTINGS, TEMPLATE)} == decision_files(
        processor, model.config
    )


def test_a_checkpoint_that_stock_transformers_cannot_read_is_saved_without_and_says_so(tmp_path, capsys):
    model, _ = tiny_model("swin")
    folder = save_checkpoint(model, processor_with("sentencepiece"), tmp_path / "model", "float32")
    assert (folder / "model.safetensors").is_file() and not (folder / TEMPLATE).exists()
    assert "has no files for the decision API: stock transformers" in capsys.readouterr().out


def test_written_anew_they_follow_the_configuration(tmp_path):
    folder = make_tiny_checkpoint(tmp_path / "tiny")
    (folder / TEMPLATE).write_text("old")
    config = AULlavaConfig.from_pretrained(folder)
    config.calibration = {"temperature": {"intensity": 3.0}}
    config.save_pretrained(folder)
    write_decision_files(folder)
    assert json.loads((folder / SETTINGS).read_text())["temperature"]["score"] == 3.0
    assert "AU12" in (folder / TEMPLATE).read_text()
    assert not list(folder.glob(".aullava-*"))


def test_the_embedded_checkpoint_holds_what_would_be_written():
    folder = embedded_checkpoint()
    files = decision_files(AULlavaProcessor.from_pretrained(folder), AULlavaConfig.from_pretrained(folder))
    assert {name: (folder / name).read_text() for name in files} == files
