"""Corpora on disk become training rows: true, mixed as asked, repeatable, nobody on both sides, bad images passed over."""

import copy
import io
import json
import logging
import re
import shutil
import zlib
from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from torch import nn
from torch.utils.data import DataLoader
from transformers import Trainer, TrainingArguments
from trl import SFTConfig

from aullava.action_units import render
from aullava.dataset_builder.errors import CorpusError, LayoutError, LeakError
from aullava.dataset_builder.rows.derive import as_protocol, values_from_columns
from aullava.dataset_builder.rows.leaks import people_of
from aullava.training.data.augmentation import EpochOfRun
from aullava.training.data.collator import TurnCollator
from aullava.training.data.mix import training_rows
from aullava.training.data.mix_tables import count_steps, length_table, sampling_tables
from aullava.training.data_arguments import DataArguments

from tiny import tiny_processor
from trees import aff_wild2, bp4d, emotionet, feafa, feafa_plus, table

PEOPLE = ("F001", "F003", "M009", "F002", "M001")


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Folders of a small BP4D, FEAFA and FEAFA+, and a cache."""
    root = tmp_path_factory.mktemp("corpora")
    bp4d.make(root / "bp4d", subjects=PEOPLE, frames=10)
    feafa.make(root / "feafa", frames=6)
    feafa_plus.make(root / "feafa_plus", part="A", frames=3)
    return root


def arguments(places, *corpora, **more):
    folders = ["-" if name == "procedural" else str(places / name) for name in corpora]
    return DataArguments(**{"corpora": list(corpora), "data_dirs": folders, "cache_dir": str(places / "cache")} | more)


def mixed(places, *corpora, epoch=None, **more):
    return training_rows(arguments(places, *corpora, **more), epoch)


def said(row):
    return [(turn.question, turn.answer) for turn in row["turns"]]


def as_text(rows):
    return [(row["row"], np.asarray(row["images"][0]).tobytes(), said(row)) for row in rows]


def values_by_row(*datasets):
    found = {}
    for rows in datasets:
        for row in rows.remove_columns("image"):
            key = "/".join(str(row[name]) for name in ("corpus", "subject", "sequence", "camera", "frame"))
            found[key] = values_from_columns(row)
    return found


def check_rows(rows, truth):
    for row in rows:
        [image] = row["images"]
        assert isinstance(image, Image.Image) and image.mode == "RGB"
        for turn, (_, answer) in zip(row["turns"], said(row), strict=True):
            if turn.kind != "description":
                assert answer == render(as_protocol(truth[row["row"]], turn.protocol), turn.protocol)


def test_rows_are_true_and_each_comes_once(places):
    data = mixed(places, "bp4d", "feafa", folds=["fold1", "-"], turns_per_image=3)
    rows = list(data.train)
    truth = values_by_row(*(corpus.train for corpus in data.corpora))
    check_rows(rows, truth)
    assert Counter(row["row"] for row in rows) == Counter(list(truth))
    assert {len(row["turns"]) for row in rows} == {3}
    assert {name for name, *_ in (row["row"].split("/") for row in rows)} == {"bp4d", "feafa"}
    assert data.counts["bp4d"]["train"]["rows"] + data.counts["feafa"]["train"]["rows"] == len(rows)
    assert data.reading.images.total() == {name: (data.counts[name]["train"]["rows"], 0) for name in ("bp4d", "feafa")}


def test_nobody_validates_who_trains_or_is_tested(places):
    data = mixed(places, "bp4d", folds=["fold1"], validation_share=0.3)
    [corpus] = data.corpora
    train, validation = people_of(corpus.train), people_of(data.validation_labels["bp4d"])
    assert train and validation and corpus.test_subjects
    assert not (train & validation or train & corpus.test_subjects or validation & corpus.test_subjects)
    assert train | validation | corpus.test_subjects == {("bp4d", subject) for subject in PEOPLE}


def test_validation_is_each_row_once_and_even_over_subjects(places):
    data = mixed(places, "bp4d", "feafa", validation_share=0.5, validation_rows=30)
    labels = data.validation_labels
    truth = values_by_row(*labels.values())
    rows = list(data.validation)
    assert Counter(row["row"] for row in rows) == Counter(list(truth)) and len(rows) == 30
    check_rows(rows, truth)
    per_person = Counter(tuple(key.split("/")[:2]) for key in truth)
    for (corpus, _), count in per_person.items():
        assert count == (6 if corpus == "feafa" else max(per_person.values())) or count >= max(per_person.values()) - 1
    assert data.counts["feafa"]["validation"]["rows"] == len(labels["feafa"])
    assert labels["bp4d"][0]["image"].size == (32, 32)  # images are decoded there
    assert mixed(places, "bp4d", validation_share=0.0).validation is None


def test_the_owners_validation_subjects_are_taken(places):
    aff_wild2.make(places / "aff_wild2")
    data = mixed(places, "aff_wild2", validation_share=0.5)  # which nobody is taken from
    assert data.counts == mixed(places, "aff_wild2", validation_share=0.0).counts
    assert data.counts["aff_wild2"]["validation"]["rows"] > 0


@pytest.mark.parametrize("workers", [0, 2])
def test_position_and_seed_say_it_all(places, workers):
    given = {"corpus_weights": [1, 2], "balance_units": 1.0, "turns_per_image": 2, "epoch_rows": 40}
    expected = as_text(mixed(places, "bp4d", "feafa", **given).train)
    loader = DataLoader(
        mixed(places, "bp4d", "feafa", **given).train, batch_size=7, num_workers=workers, collate_fn=list
    )
    assert as_text(row for batch in loader for row in batch) == expected
    other = as_text(mixed(places, "bp4d", "feafa", **given, data_mix_seed=1).train)
    assert sorted(other) != sorted(expected)


def test_an_epoch_is_drawn_and_asked_anew(places):
    epoch = EpochOfRun()
    data = mixed(places, "bp4d", epoch=epoch.number, epoch_rows=30)
    copied = copy.deepcopy(data.train)  # as datasets does in select
    first = as_text(data.train)
    epoch.number.fill_(1)
    second = as_text(data.train)
    assert {row for row, *_ in first} != {row for row, *_ in second}
    assert as_text(copied) == second
    epoch.number.fill_(0)
    assert as_text(data.train) == first
    again = {row: turns for row, _, turns in as_text(mixed(places, "bp4d", epoch_rows=30).train)}
    assert again == {row: turns for row, _, turns in first}


class Seen(nn.Module):
    """A model that learns next to nothing and remembers what it was given."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.rows: list[int] = []

    def forward(self, row):
        self.rows += row.tolist()
        return {"loss": self.weight**2}


def collate(rows):
    return {"row": torch.tensor([zlib.crc32(repr((row["row"], said(row))).encode()) for row in rows])}


def test_a_resumed_run_reads_on_where_it_was(places, tmp_path):
    def run(resume=None):
        epoch, model = EpochOfRun(), Seen()
        training = TrainingArguments(
            output_dir=str(tmp_path),
            per_device_train_batch_size=2,
            num_train_epochs=3,
            save_steps=4,  # of 3 an epoch: within the second one
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
            remove_unused_columns=False,
            dataloader_num_workers=1,
            dataloader_persistent_workers=True,
        )
        rows = mixed(places, "bp4d", epoch=epoch.number, epoch_rows=6).train
        Trainer(model, training, data_collator=collate, train_dataset=rows, callbacks=[epoch]).train(resume)
        return model.rows

    whole = run()
    assert len(set(whole)) == len(whole) == 18
    assert run(str(tmp_path / "checkpoint-4")) == whole[8:]


def test_a_row_that_comes_again_is_asked_something_else(places):
    data = mixed(places, "feafa", epoch_rows=300, validation_share=0.0)
    asked, draws = {}, data.reading.plan.draws(0)
    for position in range(300):
        turns = data.reading.turns(position)
        asked.setdefault(tuple(draws[position, :2]), []).append([turn.question for turn in turns])
    assert all(len(questions) >= 8 for questions in asked.values())
    assert np.mean([len(set(map(tuple, q))) / len(q) for q in asked.values()]) > 0.7


def test_weights_are_honoured(places):
    data = mixed(places, "bp4d", "feafa", corpus_weights=[1.0, 3.0], epoch_rows=200)
    assert len(data.train) == 200
    assert Counter(row.split("/")[0] for row in data.train[:]["row"]) == {"bp4d": 50, "feafa": 150}
    assert [int(drawn.sum()) for drawn in data.reading.times_drawn()] == [50, 150]


def test_format_shares_are_honoured(places):
    def shares(**more):
        data = mixed(places, "bp4d", turns_per_image=4, **more)
        turns = [turn for position in range(len(data.train)) for turn in data.reading.turns(position)]
        return {scale: n / len(turns) for scale, n in Counter(turn.protocol.scale for turn in turns).items()}

    found = shares(format_shares={"occurrence": 1, "intensity": 4}, kind_shares={"single": 1, "subset": 1})
    # A fifth of the turns, and all of the one frame in ten that has no intensity.
    assert found == {"occurrence": pytest.approx(0.28, abs=0.04), "intensity": pytest.approx(0.72, abs=0.04)}
    assert shares(format_shares={"intensity": 1}) == {"intensity": 1.0}
    assert abs(shares(kind_shares={"single": 1})["intensity"] - 0.8) > 0.1  # unlike those of the corpus


def test_balance_lifts_rare_units(places):
    def rates(balance):
        drawn = {"procedural": {"count": 200, "draw_size": 32}}
        given = {"balance_units": balance, "epoch_rows": 3000, "validation_share": 0.0, "corpus_options": drawn}
        data = mixed(places, "procedural", **given)
        states = data.corpora[0].states
        return states.rates(), states.rates(data.reading.times_drawn()[0])

    natural, even = rates(0.0)
    _, lifted = rates(1.0)
    np.testing.assert_allclose(even, natural, atol=0.01)
    rarest = int(np.argmin(natural))
    assert natural[rarest] < 0.1 and lifted[rarest] > 1.5 * natural[rarest]


def test_subjects_of_two_corpora_are_kept_apart(places):
    given = {"corpus_options": {"feafa_plus": {"part": "A"}}}
    with pytest.raises(LeakError, match=r"feafa_plus, exclude_subjects=.*corpus_options"):
        mixed(places, "feafa", "feafa_plus", folds=["fold1", "-"], **given)
    data = mixed(places, "feafa", "feafa_plus", folds=["fold1", "fold1"], **given)
    train, tested = (
        {s for corpus in data.corpora for _, s in subjects}
        for subjects in (set().union(*(people_of(c.train) for c in data.corpora)), data.corpora[0].test_subjects)
    )
    assert train and tested and not train & tested


def test_a_person_who_trains_in_one_corpus_does_not_validate_in_another(places):
    alone = mixed(places, "feafa", validation_share=0.001)
    [(_, held)] = people_of(alone.validation_labels["feafa"])
    options = {"feafa_plus": {"part": "A", "exclude_subjects": [held]}}  # so it sets somebody else aside
    with pytest.raises(LeakError, match="are the same|is in training"):
        mixed(places, "feafa", "feafa_plus", corpus_options=options, validation_share=0.001)


@pytest.fixture
def corruptible(places, tmp_path):
    """A BP4D of 160 images, built, and a function that spoils some of them afterwards."""
    bp4d.make(tmp_path / "bp4d", frames=40, subjects=("F001", "F003"))
    images = sorted((tmp_path / "bp4d").rglob("*.jpg"))
    mixed(tmp_path, "bp4d", validation_share=0.0)

    def spoil(*numbers):
        for number in numbers:
            state = images[number].stat()
            whole = images[number].read_bytes()
            images[number].write_bytes(whole[:200] + b"\0" * (len(whole) - 200))
            shutil.os.utime(images[number], ns=(state.st_atime_ns, state.st_mtime_ns))
        return tmp_path

    return spoil


@pytest.mark.parametrize("workers", [0, 2])
def test_a_bad_image_is_skipped_counted_and_named(corruptible, caplog, workers):
    place = corruptible(3)
    data = mixed(place, "bp4d", validation_share=0.0)
    with caplog.at_level(logging.WARNING):
        loader = DataLoader(data.train, batch_size=8, num_workers=workers, collate_fn=list)
        rows = [row for batch in loader for row in batch]
    assert len(rows) == 160
    seen = Counter(row["row"] for row in rows)
    assert sorted(seen.values()) == [1] * 158 + [2]  # the next one stands in
    [missing] = set(values_by_row(data.corpora[0].train)) - set(seen)
    [twice] = [row for row, count in seen.items() if count == 2]
    assert missing.rpartition("/")[0] == twice.rpartition("/")[0]
    assert int(missing.split("/")[-1]) + 1 == int(twice.split("/")[-1])
    check_rows(rows, values_by_row(data.corpora[0].train))
    assert data.reading.images.total() == {"bp4d": (161, 1)}  # workers' reads arrive here
    if not workers:
        assert f"row {missing} is skipped (1 of" in caplog.text
    assert as_text(rows) == as_text(mixed(place, "bp4d", validation_share=0.0).train)


@pytest.mark.parametrize("workers", [0, 2])
def test_too_many_bad_images_stop_the_run(corruptible, workers):
    place = corruptible(3, 90)  # 2 of 160 are more than 1%; no worker needs to meet both
    data = mixed(place, "bp4d", validation_share=0.0)
    loader = DataLoader(data.train, batch_size=8, num_workers=workers, collate_fn=list)
    with pytest.raises(CorpusError, match=r"2 of \d+ images read of bp4d \(160 rows\).*max_bad_images is 0.01"):
        list(loader)
    tolerant = mixed(place, "bp4d", validation_share=0.0, max_bad_images=0.02)
    assert len(list(tolerant.train)) == 160


def test_bad_validation_images_are_left_out_before_the_run(corruptible, caplog):
    place = corruptible(3, 90)
    data = mixed(place, "bp4d", validation_share=0.5, max_bad_images=0.05)
    assert len(list(data.validation)) == data.counts["bp4d"]["validation"]["rows"] == 79
    assert [row["image"].size for row in data.validation_labels["bp4d"]] == [(32, 32)] * 79
    with pytest.raises(CorpusError, match="1 of .* max_bad_images is 0"):
        mixed(place, "bp4d", validation_share=0.5, max_bad_images=0.0)


def test_images_found_damaged_by_the_builder_count_too(places, tmp_path):
    bp4d.make(tmp_path / "bp4d", frames=10, subjects=("F001", "F003"))
    image = min((tmp_path / "bp4d").rglob("*.jpg"))
    image.write_bytes(image.read_bytes()[:-20])
    with pytest.raises(CorpusError, match="1 images of bp4d are unreadable and 39 are not; max_bad_images is 0.01"):
        mixed(tmp_path, "bp4d")
    assert len(mixed(tmp_path, "bp4d", max_bad_images=0.025, validation_share=0.0).train) == 39


def test_no_readable_image_at_all_says_so(corruptible):
    data = mixed(corruptible(*range(160)), "bp4d", validation_share=0.0, max_bad_images=1.0)
    with pytest.raises(CorpusError, match="not one of 160 images of bp4d can be read"):
        data.train[0]


def test_images_of_unknown_subjects_are_warned_of(places, caplog):
    emotionet.make(places / "emotionet")
    mixed(places, "emotionet")
    assert "emotionet does not identify subjects" in caplog.text
    caplog.clear()
    mixed(places, "feafa")
    assert "subjects apart" not in caplog.text


def test_what_is_missing_is_said(places, tmp_path):
    with pytest.raises(LayoutError, match="no such folder; expected the folder of"):
        mixed(places, "disfa")
    with pytest.raises(
        CorpusError, match="bp4d has nothing to ask about with .*format_shares=.*continuous.*: no row of"
    ):
        mixed(places, "bp4d", format_shares={"continuous": 1})
    with pytest.raises(CorpusError, match="bp4d, validation_share=0.1: 1 training subject"):
        mixed(places, "bp4d", corpus_options={"bp4d": {"exclude_subjects": list(PEOPLE[1:])}})
    with pytest.raises(CorpusError, match="would have no row in an epoch"):
        mixed(places, "bp4d", "feafa", corpus_weights=[1, 1000], epoch_rows=20)
    with pytest.raises(ValueError, match="corpora is empty"):
        training_rows(DataArguments())


def test_a_corpus_of_nothing_but_missing_values_is_refused(tmp_path):
    folder = table.make(tmp_path / "table")
    head, *lines = (folder / "labels.csv").read_text("utf-8-sig").splitlines()
    blank = [",".join(line.split(",")[:5] + [""] * 5) for line in lines if line]
    (folder / "labels.csv").write_text("\n".join([head, *blank]) + "\n")
    with pytest.raises(CorpusError, match="0 rows of 20 labelled frames; left out: 20 not_coded"):
        mixed(tmp_path, "table")


def test_the_manifest_tells_data_apart_and_names_no_place(places, tmp_path):
    given = {"folds": ["fold1"], "corpus_options": {"bp4d": {"exclude_subjects": ["M001"]}}}
    manifest = mixed(places, "bp4d", **given).manifest
    text = json.dumps(manifest)
    assert str(places) not in text and json.loads(text) == manifest
    [entry] = manifest["corpora"]
    assert entry["corpus"] == "bp4d" and entry["fold"] == "fold1" and manifest["mix"]["data_mix_seed"] == 0
    assert entry["splits"] == mixed(places, "bp4d", **given).counts["bp4d"]
    shutil.copytree(places / "bp4d", tmp_path / "bp4d")
    assert mixed(tmp_path, "bp4d", **given).manifest == manifest
    for path in (tmp_path / "bp4d").rglob("*_T1.csv"):
        head, _, body = path.read_text().partition("\n")
        path.write_text(head + "\n" + body.replace(",1,", ",0,"))
    changed = mixed(tmp_path, "bp4d", **given).manifest["corpora"][0]
    assert changed["fingerprints"]["train"] != entry["fingerprints"]["train"]


def test_a_path_among_the_options_loses_its_place(places):
    feafa_options = {"feafa_plus": {"part": "A", "disfa_dir": str(places / "secret" / "DISFA")}}
    manifest = mixed(places, "feafa_plus", corpus_options=feafa_options).manifest
    assert manifest["corpora"][0]["options"] == {"part": "A", "disfa_dir": "DISFA"}


def steps_of(batch: int, accumulation: int = 1, processes: int = 1, epochs: float = 1.0, most: int = -1) -> SFTConfig:
    training = SFTConfig(
        output_dir="unused",
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=accumulation,
        num_train_epochs=epochs,
        max_steps=most,
        use_cpu=True,
        bf16=False,
        activation_checkpointing=False,
    )
    training.__class__ = type("Several", (SFTConfig,), {"world_size": processes})
    return training


@pytest.mark.parametrize("packed", [False, True])
def test_a_dry_run_says_what_there_is(places, packed):
    data = mixed(places, "bp4d", "feafa", corpus_weights=[1, 1], epoch_rows=50, turns_per_image=2)
    collator = TurnCollator(tiny_processor(), packed=packed)
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(sampling_tables(data), length_table(data.train, collator, steps_of(4, 2, 2, 2.0)))
    text = console.export_text()
    assert re.search(rf"bp4d +│ train +│ +{data.counts['bp4d']['train']['rows']} .*25 │ 50.0%", text)
    assert re.search(r"turns +│ +2.0 │ +100 │ +200 │", text)
    tokens = sum(
        int(collator([row])["attention_mask"].sum()) if not packed else collator([row])["input_ids"].numel()
        for row in data.train
    )
    [an_epoch] = re.findall(r"tokens +│ +[\d.,]+ │ +([\d,]+) │", text)
    assert int(an_epoch.replace(",", "")) == tokens  # 50 images are all in the sample
    assert re.search(r"steps of 4 x 2 x 2 │ +│ +4 │ +8 │", text)


@pytest.mark.parametrize("rows, steps", [(1, 1), (16, 1), (17, 2), (100, 7)])
def test_steps_are_counted_as_the_trainer_does(rows, steps):
    assert count_steps(steps_of(2, 4, 2), rows) == (steps, steps)
    assert count_steps(steps_of(2, 4, 2, epochs=2.5), rows) == (steps, -(-5 * steps // 2))
    assert count_steps(steps_of(2, most=3), rows)[1] == 3
