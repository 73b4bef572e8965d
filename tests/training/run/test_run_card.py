"""The model card of a real run, and what it says of other runs."""

import json
import re
from functools import partial
from importlib.metadata import version
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from huggingface_hub import ModelCard
from transformers import AutoModelForImageTextToText
from trl import SFTConfig

from aullava.action_units import PROTOCOLS
from aullava.checkpoint.layout import assemble
from aullava.checkpoint.model_card import TEMPLATE
from aullava.dataset_builder.chat.drawn_faces import DrawnFaceArguments, drawn_faces
from aullava.dataset_builder.corpora.registry import READERS, reader_class
from aullava.training.arguments import ModelArguments
from aullava.training.data.augmentation import AugmentationArguments, EpochOfRun, augmented_rows
from aullava.training.data.collator import TurnCollator
from aullava.training.data.mix import training_rows
from aullava.training.data_arguments import DataArguments
from aullava.training.run.assembly import RunTrainer
from aullava.training.run.provenance import drawn_manifest
from aullava.training.run.run_card import describe_run, make_card, write_card
from aullava.training.run.saving import save_checkpoint
from aullava.training.run.validation import score_readings

from checkout import ROOT
from tiny import tiny_model
from trees import bp4d


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Two steps of a tiny model on drawn faces, saved as train_sft.py saves it."""
    folder = tmp_path_factory.mktemp("runs") / "smiles"
    drawing = DrawnFaceArguments(faces=4, draw_size=32, protocols=["disfa"], custom_share=0.0)
    changing, epoch = AugmentationArguments(augment_flip=0.5, augment_noise=5.0), EpochOfRun()
    model, processor = tiny_model()
    training = SFTConfig(
        output_dir=str(folder),
        max_steps=2,
        per_device_train_batch_size=2,
        save_steps=1,
        eval_strategy="steps",
        eval_steps=1,
        learning_rate=1e-3,
        use_cpu=True,
        bf16=False,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
        activation_checkpointing=False,
    )
    trainer = RunTrainer(
        model=model,
        args=training,
        data_collator=TurnCollator(processor),
        train_dataset=augmented_rows(drawn_faces(drawing), changing, epoch),
        eval_dataset=drawn_faces(drawing, "validation"),
        processing_class=processor,
        callbacks=[epoch],
    )
    parts = (ModelArguments(from_scratch=True), drawing, changing, training)
    trainer.describe = partial(describe_run, parts=parts, manifest=drawn_manifest(drawing, 4))
    trainer.train()
    save_checkpoint(trainer.model, processor, folder / "model", "float32")
    trainer.describe(folder / "model", trainer.state)
    return SimpleNamespace(
        folder=folder,
        trainer=trainer,
        record=json.loads((folder / "model" / "training.json").read_text()),
        card=ModelCard.load(folder / "model" / "README.md"),
    )


def test_the_card_replaces_trls(run):
    for card in (ModelCard.load(run.folder / "README.md"), run.card):
        assert card.data.to_dict()["library_name"] == "transformers"
        assert card.data.pipeline_tag == "image-text-to-text"
        assert (card.data.license, card.data.to_dict()["license_name"]) == ("other", "not-stated")
        assert "trl" not in str(card).split("## Training")[0].lower()
    assert run.card.text.strip().startswith("# smiles\n")


def test_it_says_what_the_run_was(run):
    text = run.card.text
    assert "learnt action units from faces drawn by a program and from nothing else" in text
    assert "| Drawn faces (procedural) |  | 4 | 1 | 4 | 1 |" in text
    assert "| `disfa` | intensity | 0 to 5 | 12 |" in text
    assert "weights of step 2 of 2, the last" in text
    assert f"```bash\n{run.record['command']}\n```" in text
    assert "started from random weights" in text
    assert run.record["code"]["commit"][:12] in text and f"torch {version('torch')}" in text
    assert "**Results per group of people: not measured.**" in text
    logged = [entry["eval_loss"] for entry in run.trainer.state.log_history if "eval_loss" in entry]
    assert f"| `loss` | {logged[-1]:.4g} | cross-entropy" in text and logged[0] != logged[-1]
    assert str(run.folder.parent) not in str(run.card)


def test_its_code_runs(run, tmp_path):
    """The Python in the card, on the folder that the release makes of the run, with its card unchanged."""
    released = assemble(run.folder / "model", tmp_path / "released")
    assert (released / "README.md").read_text() == str(run.card)
    blocks = [block.split("```")[0] for block in run.card.text.split("```python\n")[1:]]
    assert len(blocks) == 3
    face = tmp_path / "face.png"
    drawn_faces(DrawnFaceArguments(faces=1))[0]["images"][0].save(face)
    found = {}
    for block in blocks:
        exec(block.replace("path/of/this/folder", str(released)).replace("face.png", str(face)), found)
        if "reading" in found:
            assert len(found["reading"].values) == 12
    assert len(found["read"]([face], protocol="disfa")[0]["values"]) == 12
    assert type(found["model"]) is type(AutoModelForImageTextToText.from_pretrained(released))
    assert torch.equal(found["model"].lm_head.weight, run.trainer.model.lm_head.weight)


def sections(text: str) -> dict[str, str]:
    """Title of each section and what it says."""
    _, *parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_it_has_the_sections_of_every_card_and_none_is_empty(run):
    for text in (run.card.text, (run.folder / "README.md").read_text()):
        told = sections(text)
        assert list(told) == re.findall(r"^## (.+)$", TEMPLATE.read_text(), re.MULTILINE)
        assert [title for title, said in told.items() if len(said.split()) < 10] == []
    told = sections(run.card.text)
    assert "| `disfa` | intensity | 0 to 5 | 12 | `AU1=0 AU2=3 …` |" in told["Outputs"]
    assert "resizes it to 96 x 96 (bicubic) and gives (x · 0.00392157 − 0.5) / 0.25" in told["Input"]
    assert "drawn faces were whole images" in told["Input"]
    assert "not measured" in told["Results"] and "Not measured" in told["Speed"]
    assert "| weights | not stated |" in told["Licence"] and "| drawn faces | Apache-2.0" in told["Licence"]
    for said in ('revision="..."', "transformers serve path/of/this/folder", "aullava recognize", "was not run"):
        assert said in told["Use"]


def test_the_paper_is_cited_as_citation_cff_says():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())["preferred-citation"]
    names = [f"{author['family-names']}, {author['given-names']}" for author in cited["authors"]]
    for said in (cited["title"], " and ".join(names), cited["journal"], str(cited["year"])):
        assert f"{{{said}}}" in TEMPLATE.read_text()


def record_of(run, **changes) -> dict:
    return json.loads(json.dumps(run.record)) | changes


def corpora(*names, **more) -> dict:
    splits = {"train": {"rows": 1234, "subjects": 20}}
    return {"corpora": [{"corpus": name, "fold": "fold1", "options": {}, "splits": splits} | more for name in names]}


def test_it_names_corpora_and_their_owners(run):
    text = make_card(record_of(run, data=corpora("disfa", "procedural")), None, "x", False)
    assert "from nothing else" not in text
    assert f"trained on {reader_class('disfa').title} and on faces drawn by a program" in text
    assert f"| {reader_class('disfa').title} | `fold1` | 1,234 | 20 |  |  |" in text
    assert reader_class("disfa").request in text and reader_class("procedural").request not in text
    assert "| `disfa` |" in text


def test_rendered_heads_are_no_photographs_and_no_owners_corpus(run):
    text = make_card(record_of(run, data=corpora("rendered")), None, "x", False)
    assert (
        "from heads rendered by a program and from nothing else, so its readings of photographs mean nothing" in text
    )
    assert "rendered heads were whole images." in text and "| rendered heads | made by AU-LLaVA" in text
    assert "as their owners ask" not in text
    both = make_card(record_of(run, data=corpora("rendered", "procedural", "disfa")), None, "x", False)
    assert "and on faces drawn by a program and heads rendered by a program. How it reads" in both
    assert f"Cite {reader_class('disfa').title} as their owners ask" in both


def test_it_names_a_tower_from_elsewhere(run):
    settings = run.record["settings"] | {"tower": "runs/warm/tower"}
    text = make_card(record_of(run, settings=settings), None, "x", False)
    assert "* started from random weights, the vision tower from `runs/warm/tower`\n" in text


def test_it_counts_the_rows_and_people_of_a_corpus_that_was_read(run, tmp_path):
    folder = bp4d.make(tmp_path / "BP4D")
    given = {"folds": ["fold1"], "validation_share": 0.5, "cache_dir": str(tmp_path / "cache")}
    data = training_rows(DataArguments(corpora=["bp4d"], data_dirs=[str(folder)], **given)).manifest
    counts = data["corpora"][0]["splits"]
    assert counts["train"]["rows"] and counts["validation"]["subjects"] == 1
    told = " | ".join(str(counts[split][what]) for split in ("train", "validation") for what in ("rows", "subjects"))
    text = make_card(record_of(run, data=data), None, "x", False)
    assert f"| {reader_class('bp4d').title} | `fold1` | {told} |" in text


@pytest.mark.parametrize("name", list(READERS))
def test_every_corpus_has_a_card(run, name):
    card = ModelCard(make_card(record_of(run, data=corpora(name)), "cc-by-nc-4.0", "x", False))
    assert reader_class(name).title in card.text
    assert card.data.license == "cc-by-nc-4.0" and "license_name" not in card.data.to_dict()
    assert ("images or videos only, not of people" in card.text) is (not reader_class(name).people_known)


def test_a_corpus_cannot_write_into_the_card(run):
    data = corpora("disfa", fold="f`1|\n# Approved")
    text = make_card(record_of(run, data=data), None, "x", False)
    assert "\n# Approved" not in text and "`f'1/\\n# Approved`" in text


def test_bases_are_named_on_the_hub_only_where_they_lie_there(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "outputs" / "before").mkdir(parents=True)
    for base, known in (("llava-hf/llava-1.5-7b-hf", True), ("outputs/before", False), ("model", False)):
        settings = run.record["settings"] | {"checkpoint": base}
        card = ModelCard(make_card(record_of(run, settings=settings), None, "x", False))
        assert card.data.base_model == (base if known else None)
        assert card.data.to_dict().get("base_model_relation") == ("finetune" if known else None)
        assert f"started from `{base}`" in card.text


def test_adapters_say_how_they_go_onto_their_base(run, tmp_path):
    (tmp_path / "lora" / "adapters").mkdir(parents=True)
    (tmp_path / "lora" / "adapters" / "adapter_config.json").write_text("{}")
    settings = run.record["settings"] | {"checkpoint": "llava-hf/llava-1.5-7b-hf"}
    card = ModelCard.load(write_card(tmp_path / "lora" / "adapters", record_of(run, settings=settings)))
    said = card.data.to_dict()
    assert (said["library_name"], said["base_model_relation"]) == ("peft", "adapter")
    assert card.text.strip().startswith("# lora\n")
    assert 'PeftModel.from_pretrained(base, "path/of/this/folder")' in card.text
    assert 'AULlavaForConditionalGeneration.from_pretrained("llava-hf/llava-1.5-7b-hf")' in card.text


def test_every_score_of_a_reading_is_explained(run):
    """The names are those that validation gives, of an occurrence, an intensity and a continuous protocol."""
    names = ("bp4d", "disfa", "feafa")
    values = {name: np.array([[0.0], [1.0], [1.0]]).repeat(len(PROTOCOLS[name].units), 1) for name in names}
    scores = score_readings(values, values)
    text = make_card(record_of(run, evaluation=scores), None, "x", False)
    rows = [line for line in text.splitlines() if line.startswith("| `") and "|" in line[3:]]
    assert {name for name in scores if any(line.startswith(f"| `{name}` |") for line in rows)} == set(scores)
    assert "as logged" not in text


def test_figures_that_are_missing_are_said_to_be(run):
    assert "**Accuracy: not measured**" in make_card(record_of(run, evaluation={}), None, "x", False)
    figures = {"macro_f1": 0.61234, "icc": None, "disfa_mae_intensity": 0.25, "num_tokens": 99.0}
    settings = run.record["settings"] | {"read_rows": 200, "read_mode": "parallel"}
    text = make_card(record_of(run, evaluation=figures, settings=settings), None, "x", False)
    assert "Readings: 200 rows at most, mode `parallel`." in text
    assert "| `macro_f1` | 0.6123 | F1 of the positive class" in text
    assert "| `disfa_mae_intensity` | 0.25 | mean absolute error in levels" in text
    assert "Not defined on these rows: icc." in text and "num_tokens" not in text


def test_several_processes_and_the_best_step_are_told(run):
    weights = {"step": 1500, "of": 2000, "chosen": "best", "metric": "macro_f1"}
    text = make_card(record_of(run, weights=weights, processes=8, distributed="FSDP"), None, "x", False)
    assert "weights of step 1,500 of 2,000, the best by macro_f1" in text
    assert "Command of each of 8 processes (FSDP):" in text


def test_the_card_of_a_run_says_where_the_weights_are(tmp_path, run):
    text = write_card(tmp_path, record_of(run)).read_text()
    assert "its weights are in `model`" in text and "from_pretrained" not in text
