"""Scores of readings during training: by hand, of a real model, and through AUTrainer with its best checkpoint."""

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from transformers import EarlyStoppingCallback
from trl import SFTConfig

from aullava.action_units import PROTOCOLS
from aullava.dataset_builder.chat.drawn_faces import DrawnFaceArguments, drawn_faces
from aullava.dataset_builder.rows.load import load_au_dataset
from aullava.training.data.collator import TurnCollator
from aullava.training.run.trainer import AUTrainer
from aullava.training.run.validation import (
    ReadingArguments,
    Validation,
    ValidationRows,
    corpus_rows,
    drawn_rows,
    score_readings,
)

import forked
from tiny import FACES, tiny_model

NAN = math.nan
PROTOCOL_NAMES = ("bp4d", "disfa", "feafa")
DRAWING = DrawnFaceArguments(faces=8, draw_size=32)


def test_scores_by_hand():
    truth = {
        "AU1,AU2": np.array([[1, 0], [1, 0], [0, NAN]]),
        "disfa": np.full((3, 12), NAN),
        "AU12": np.array([[NAN], [NAN], [NAN]]),
    }
    truth["disfa"][:, 0], truth["disfa"][:, 3] = [0, 2, 4], [1, 1, 1]
    said = {
        "AU1,AU2": np.array([[1, 0], [0, 1], [1, 1]]),
        "disfa": np.full((3, 12), 0.0),
        "AU12": np.array([[1], [1], [1]]),
    }
    said["disfa"][:, 0] = [2, 3, NAN]
    scores = score_readings(truth, said)
    assert scores["AU1,AU2_macro_f1"] == 0.5  # AU1: one hit, one miss, one false; AU2 is never present
    assert scores["disfa_macro_f1"] == pytest.approx(2 / 3)  # level 0 read as 2 is a false alarm
    assert scores["macro_f1"] == pytest.approx((0.5 + 2 / 3) / 2)
    assert scores["disfa_mae_intensity"] == scores["mae_intensity"] == (1.5 + 1) / 2
    assert scores["icc"] == pytest.approx(0.8) and scores["undetermined_values"] == 1
    assert (
        scores["undefined_scores"] == 1 + 11 + 11 + 10
    )  # AU2; ten units not coded; AU5, always the same, has F1 and ICC none
    assert not {"mae_continuous", "AU12_macro_f1"} & set(scores)
    nothing = score_readings({"AU1": np.array([[0.0]])}, {"AU1": np.array([[0.0]])})
    assert math.isnan(nothing["macro_f1"]) and nothing["undefined_scores"] == 1


def test_a_drawn_face_is_scored_by_its_own_values():
    rows = drawn_rows(DRAWING, 5, PROTOCOL_NAMES)
    for index in range(5):
        face = DRAWING.face("validation", index)
        assert np.array_equal(rows.image(index), face.image_HWC)
        for name in PROTOCOL_NAMES:
            assert rows.truth[name][index].tolist() == [face.values(PROTOCOLS[name])[c] for c in PROTOCOLS[name].units]


def test_rows_of_a_corpus_are_spread_and_values_derived(tmp_path):
    drawn = load_au_dataset("procedural", cache_dir=tmp_path, count=12)["train"]
    coded = [name for name in drawn.column_names if name.endswith("_r")]
    others = [name for name in drawn.column_names if name.endswith(("_c", "_v"))]
    levels = drawn.remove_columns(others)
    blind = levels.map(lambda row: dict.fromkeys(coded[:1], 1.6), load_from_cache_file=False)
    rows = corpus_rows({"one": levels, "two": blind}, 7, ("disfa", "disfa_occurrence", "feafa"))
    assert rows.truth["disfa"].shape == (7, 12) and np.isnan(rows.truth["feafa"]).all()
    places = np.linspace(0, 23, 7).round().astype(int)
    for index, place in enumerate(places):
        row = (levels if place < 12 else blind)[int(place) % 12]
        assert np.array_equal(np.asarray(rows.image(index)), np.asarray(row["image"]))
        expected = [
            2.0 if place >= 12 and c == coded[0] else row[c]
            for c in map(PROTOCOLS["disfa"].column, PROTOCOLS["disfa"].units)
        ]
        assert np.array_equal(rows.truth["disfa"][index], expected, equal_nan=True)
    eight = [PROTOCOLS["disfa"].units.index(code) for code in PROTOCOLS["disfa_occurrence"].units]
    assert np.array_equal(rows.truth["disfa_occurrence"], rows.truth["disfa"][:, eight] >= 2)


@pytest.mark.parametrize("mode", ["parallel", "joint"])
def test_it_scores_what_recognize_reads(mode):
    model, processor = tiny_model("clip")
    rows = drawn_rows(DRAWING, 5, PROTOCOL_NAMES)
    found = Validation(rows, processor, mode, batch_size=2)(model, Accelerator(cpu=True))
    said = {}
    for name in PROTOCOL_NAMES:
        readings = model.recognize([rows.image(n) for n in range(5)], processor, name, mode)
        said[name] = np.array([[reading.values[code] for code in PROTOCOLS[name].units] for reading in readings])
    assert found == pytest.approx(score_readings(rows.truth, said), nan_ok=True)
    assert {"macro_f1", "icc", "mae_intensity", "mae_continuous", "bp4d_macro_f1", "disfa_icc"} <= set(found)


def test_a_row_is_read_only_for_what_it_codes():
    model, processor = tiny_model("clip")
    truth = {
        "AU1,AU2": np.array([[0, 1], [NAN, 1], [NAN, NAN]]),
        "disfa": np.array([[NAN] * 12, [1.0] * 12, [NAN] * 12]),
    }
    asked = []
    original = model.recognize_many
    model.recognize_many = lambda images, processor, names, *rest: (
        asked.append((names, shown := list(images))) or original(shown, processor, names, *rest)
    )
    scores = Validation(ValidationRows(truth, FACES.__getitem__), processor)(model, Accelerator(cpu=True))
    assert [(names, len(shown)) for names, shown in asked] == [(("AU1,AU2",), 1), (("AU1,AU2", "disfa"), 1)]
    assert asked[1][1][0] is FACES[1] and scores["undetermined_values"] == 0
    with pytest.raises(ValueError, match="none of 2 validation rows codes a unit of AU1"):
        Validation(ValidationRows({"AU1": np.full((2, 1), NAN)}, FACES.__getitem__), processor)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"read_rows": -1}, "read_rows is -1"),
        ({"read_protocols": []}, "read_protocols is empty with read_rows=200"),
        ({"read_protocols": ["bp4"]}, "unknown protocol 'bp4'"),
        ({"read_mode": "generate"}, "read_mode is 'generate'"),
        ({"max_loss_ratio": 0.5}, "max_loss_ratio is 0.5"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        ReadingArguments(**changes)
    ReadingArguments(read_rows=0, read_protocols=[], max_loss_ratio=0.0)


def make(folder, model, processor, validation, callbacks=(), **changes):
    rows = list(drawn_faces(DRAWING))
    numbered = Dataset.from_dict({"n": range(len(rows))}).with_transform(
        lambda batch: {key: [rows[n][key] for n in batch["n"]] for key in ("images", "turns", "row")}
    )
    settings = {
        "output_dir": str(folder),
        "max_steps": 3,
        "logging_steps": 1,
        "per_device_train_batch_size": 2,
        "eval_strategy": "steps",
        "eval_steps": 1,
        "save_strategy": "steps",
        "save_steps": 1,
        "use_cpu": True,
        "bf16": False,
        "report_to": "none",
        "disable_tqdm": True,
        "activation_checkpointing": False,
        "remove_unused_columns": False,
        "dataset_kwargs": {"skip_prepare_dataset": True},
        "max_length": None,
    }
    return AUTrainer(
        model=model,
        args=SFTConfig(**settings | changes),
        data_collator=TurnCollator(processor, extras=True),
        train_dataset=numbered,
        eval_dataset=numbered,
        processing_class=processor,
        validation=validation,
        callbacks=list(callbacks),
    )


class Falling:
    """Scores that fall with every evaluation, and what the model was each time."""

    def __init__(self):
        self.seen = []

    def __call__(self, model, accelerator):
        assert not model.training
        self.seen.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        return {"macro_f1": 1 / len(self.seen)}


def test_the_best_checkpoint_is_the_one_with_the_best_readings_and_training_stops_early(tmp_path):
    model, processor = tiny_model("clip")
    scores = Falling()
    trainer = make(
        tmp_path,
        model,
        processor,
        scores,
        [EarlyStoppingCallback(early_stopping_patience=2)],
        max_steps=6,
        learning_rate=1e-2,
        load_best_model_at_end=True,
        metric_for_best_model="macro_f1",
        greater_is_better=True,
    )
    trainer.train()
    logged = [entry["eval_macro_f1"] for entry in trainer.state.log_history if "eval_macro_f1" in entry]
    assert logged == [1.0, 0.5, pytest.approx(1 / 3)]  # and no more
    assert trainer.state.best_model_checkpoint.endswith("checkpoint-1")
    after = trainer.model.state_dict()
    assert all(torch.equal(after[name], scores.seen[0][name]) for name in after)
    assert any(not torch.equal(after[name], scores.seen[2][name]) for name in after)


def test_readings_are_scored_at_every_evaluation_and_leave_training_as_it_is(tmp_path):
    logs, weights = [], []
    for readings in (True, False):
        model, processor = tiny_model("clip")
        validation = Validation(drawn_rows(DRAWING, 5, PROTOCOL_NAMES), processor) if readings else None
        trainer = make(tmp_path, model, processor, validation, save_strategy="no")
        trainer.train()
        logs.append([entry for entry in trainer.state.log_history if "eval_loss" in entry])
        weights.append([parameter.detach().clone() for parameter in trainer.model.parameters()])
    assert len(logs[0]) == 3 and all(0 <= entry["eval_macro_f1"] <= 1 for entry in logs[0])
    assert all(entry["eval_mae_intensity"] >= 0 and "eval_icc" in entry for entry in logs[0])
    assert [entry["eval_loss"] for entry in logs[0]] == [entry["eval_loss"] for entry in logs[1]]
    assert all(torch.equal(*pair) for pair in zip(*weights, strict=True))


def test_a_model_with_adapters_is_read_with_them(tmp_path):
    base, processor = tiny_model("clip")
    layers = r".*language_model.*\.(q_proj|v_proj)"
    model = get_peft_model(base, LoraConfig(r=2, target_modules=layers, modules_to_save=["multi_modal_projector"]))
    validation = Validation(drawn_rows(DRAWING, 5, PROTOCOL_NAMES), processor)
    trainer = make(tmp_path, model, processor, validation, save_strategy="no", max_steps=1)
    before = trainer.evaluate()
    with torch.no_grad():
        for name, parameter in trainer.model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 3.0, generator=torch.Generator().manual_seed(0))
    after = trainer.evaluate()
    merged = trainer.model.merge_and_unload()
    expected = validation(merged, Accelerator(cpu=True))
    assert after["eval_mae_continuous"] == pytest.approx(expected["mae_continuous"], abs=0.02)
    assert after["eval_mae_continuous"] != before["eval_mae_continuous"]


SCRIPT = """
import json, math, sys
from pathlib import Path

import test_validation as tests
from aullava.training.run.trainer import BadLossError
from tiny import tiny_model

folder = Path(sys.argv[1])
model, processor = tiny_model("clip")
validation = tests.Validation(tests.drawn_rows(tests.DRAWING, 5, tests.PROTOCOL_NAMES), processor, batch_size=2)
trainer = tests.make(folder, model, processor, validation, eval_strategy="no", save_strategy="no", max_steps=2)
scores, rank, collate = trainer.evaluate(), trainer.args.process_index, trainer.data_collator
batches = []

def poisoned(rows):
    batches.append(collate(rows))
    bad = rank == 1 and len(batches) == 2
    return batches[-1] | {"pixel_values": batches[-1]["pixel_values"] * (math.nan if bad else 1)}

trainer.data_collator = poisoned
try:
    trainer.train()
except BadLossError as error:
    (folder / f"stopped-{rank}").write_text(str(error))
if rank == 0:
    (folder / "scores.json").write_text(json.dumps({"scores": scores, "logs": trainer.state.log_history}))
"""


def test_two_processes_share_the_rows_and_stop_together(tmp_path):
    """Five rows and two processes: none is counted twice; a bad batch of one process stops both and is named."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    here = {"PYTHONPATH": str(Path(__file__).parent)}  # the script imports this file
    result = forked.run(script, tmp_path, env=os.environ | here, processes=2)
    assert result.returncode == 0, result.stderr[-3000:]
    told = json.loads((tmp_path / "scores.json").read_text())
    model, processor = tiny_model("clip")
    alone = Validation(drawn_rows(DRAWING, 5, PROTOCOL_NAMES), processor)(model, Accelerator(cpu=True))
    together = {name.removeprefix("eval_"): value for name, value in told["scores"].items()}
    assert {name: together[name] for name in alone} == pytest.approx(alone, abs=1e-6, nan_ok=True)
    assert [entry["num_turns"] for entry in told["logs"] if "num_turns" in entry] == [4]  # two rows of each process
    assert sorted(path.name for path in tmp_path.glob("stopped-*")) == ["stopped-0", "stopped-1"]
    bad = json.loads((tmp_path / "bad_batch.json").read_text())
    assert bad["step"] == 2 and math.isfinite(bad["loss"][0]) and bad["loss"][1] == "nan"
    assert [len(rows) for rows in bad["rows"]] == [2, 2] and len({*bad["rows"][0], *bad["rows"][1]}) == 4
