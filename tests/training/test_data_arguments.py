"""Data arguments from YAML and from the command line; what cannot go together is refused, both fields named."""

import json
import re

import pytest
from trl import SFTConfig, TrlParser

from aullava.action_units import SCALES
from aullava.dataset_builder.chat.drawn_faces import DrawnFaceArguments
from aullava.dataset_builder.chat.formats import KINDS
from aullava.dataset_builder.errors import CorpusError
from aullava.training.arguments import ModelArguments
from aullava.training.data.augmentation import AugmentationArguments
from aullava.training.data_arguments import DataArguments
from aullava.training.model.scratch import ScratchArguments

ALL = (ModelArguments, ScratchArguments, DrawnFaceArguments, DataArguments, AugmentationArguments, SFTConfig)
TWO = {"corpora": ["disfa", "procedural"], "data_dirs": ["DISFA", "-"]}


def parsed(*flags):
    [data] = TrlParser((DataArguments,)).parse_args_and_config([*map(str, flags)])
    return data


def test_one_parser_takes_it_beside_all_other_arguments():
    given = ["--from_scratch", "--corpora", "procedural", "--bf16", "false", "--activation_checkpointing", "false"]
    found = TrlParser(ALL).parse_args_and_config(given)
    assert found[3] == DataArguments(corpora=["procedural"])


def test_yaml_and_json_on_the_command_line_say_the_same(tmp_path):
    options = {"disfa": {"camera": "right", "exclude_subjects": ["SN001"]}, "procedural": {"count": 40}}
    shares = {"intensity": 2, "occurrence": 1}
    path = tmp_path / "run.yaml"
    path.write_text(
        "corpora: [disfa, procedural]\ndata_dirs: [DISFA, '-']\nfolds: [1, '-']\ncorpus_weights: [2, 1]\n"
        f"corpus_options: {json.dumps(options)}\nformat_shares: {{intensity: 2, occurrence: 1}}\nkind_shares:\n  single: 1\n"
    )
    from_yaml = parsed("--config", path)
    from_flags = parsed(
        *(
            "--corpora",
            "disfa",
            "procedural",
            "--data_dirs",
            "DISFA",
            "-",
            "--folds",
            "1",
            "-",
            "--corpus_weights",
            2,
            1,
        ),
        *("--corpus_options", json.dumps(options), "--format_shares", json.dumps(shares)),
        *("--kind_shares", '{"single": 1}'),
    )
    assert from_yaml.corpus_options == from_flags.corpus_options == options
    assert from_yaml.format_shares == from_flags.format_shares == shares
    assert (
        [from_yaml.fold_of(0), from_yaml.fold_of(1)] == [from_flags.fold_of(0), from_flags.fold_of(1)] == ["1", None]
    )
    assert (from_yaml.folder_of(0), from_yaml.folder_of(1)) == ("DISFA", None)
    assert from_yaml.chat_mix() == from_flags.chat_mix()
    assert parsed("--config", path, "--kind_shares", '{"whole": 1}').chat_mix().weights()["single"] == 0  # flags win


def test_the_mix_is_what_the_arguments_say():
    mix = DataArguments(**TWO, kind_shares={"single": 3, "whole": 1}, turns_per_image=4, active_share=-1).chat_mix()
    assert mix.weights() == dict.fromkeys(KINDS, 0.0) | {"single": 3, "whole": 1}
    assert (mix.turns_per_image, mix.active_share, mix.scales) == (4, None, tuple(SCALES))
    assert DataArguments(**TWO, format_shares={"intensity": 1, "continuous": 0}).chat_mix().scales == ("intensity",)


REFUSED = [
    ({"corpora": ["disfo"], "data_dirs": ["x"]}, "unknown corpus 'disfo'"),
    ({"corpora": ["gft"], "data_dirs": ["x"]}, "gft has no reader"),
    ({"corpora": "disfa", "data_dirs": ["x"]}, "corpora is 'disfa': expected a list"),
    ({"corpora": ["disfa", "disfa"], "data_dirs": ["x", "y"]}, "names disfa more than once"),
    ({"data_dirs": ["x"]}, r"data_dirs=\['x'\] with corpora=\[\]"),
    ({"folds": ["fold1"]}, r"folds=.* with corpora=\[\]"),
    ({"corpus_weights": [1.0]}, r"corpus_weights=.* with corpora=\[\]"),
    ({"balance_units": 0.5}, r"balance_units=0.5 with corpora=\[\]"),
    ({"epoch_rows": 10}, r"epoch_rows=10 with corpora=\[\]"),
    ({**TWO, "data_dirs": ["x"]}, "data_dirs has 1 entries and corpora 2"),
    ({**TWO, "folds": ["1", "2", "3"]}, "folds has 3 entries and corpora 2"),
    ({**TWO, "corpus_weights": [1.0]}, "corpus_weights has 1 entries and corpora 2"),
    ({**TWO, "corpus_weights": [1.0, 0.0]}, "corpus_weights is .*above 0"),
    ({**TWO, "corpus_weights": [1.0, float("nan")]}, "corpus_weights is .*above 0"),
    ({"corpora": ["disfa"]}, "corpora names disfa but data_dirs has no folder"),
    ({**TWO, "data_dirs": ["-", "-"]}, "corpora names disfa but data_dirs has no folder"),
    ({**TWO, "corpus_options": {"bp4d": {}}}, "corpus_options names 'bp4d', which corpora="),
    ({**TWO, "corpus_options": {"disfa": 3}}, "corpus_options of disfa is 3"),
    ({**TWO, "corpus_options": {"disfa": {"kamera": "left"}}}, "'kamera': expected one of .*camera"),
    ({**TWO, "corpus_options": {"disfa": {"fold": 1}}}, "'fold', which folds sets"),
    ({**TWO, "corpus_options": {"disfa": {"split": "test"}}}, "'split': expected one of"),
    ({**TWO, "corpus_options": "{disfa"}, "not JSON"),
    ({**TWO, "corpus_options": "[1]"}, "expected a mapping"),
    ({**TWO, "kind_shares": {"wholly": 1}}, "kind_shares names wholly"),
    ({**TWO, "kind_shares": {"whole": 0}}, "kind_shares is .*not all 0"),
    ({**TWO, "format_shares": {"intensity": -1}}, "format_shares is .*none negative"),
    ({**TWO, "format_shares": {"intensity": "much"}}, "format_shares is"),
    ({**TWO, "validation_share": 1.0}, "validation_share is 1"),
    ({**TWO, "validation_share": -0.1}, "validation_share is -0.1"),
    ({**TWO, "balance_units": 1.5}, "balance_units is 1.5"),
    ({**TWO, "max_bad_images": 2.0}, "max_bad_images is 2.0"),
    ({**TWO, "validation_rows": 0}, "validation_rows is 0"),
    ({**TWO, "epoch_rows": 1}, "epoch_rows is 1: expected 2"),
    ({**TWO, "crop_faces": "yes"}, "crop_faces is 'yes'"),
    ({**TWO, "crop_faces": "auto", "crop_margin": 9.0}, "crop_margin 9.0: .* from 0 to 4"),
    ({**TWO, "crop_margin": 0.1}, "only crops have one"),
    ({**TWO, "corpus_options": {"disfa": {"margin": 0.1}}}, "which crop_margin sets"),
    ({**TWO, "data_mix_seed": -1}, "data_mix_seed is -1"),
    ({**TWO, "turns_per_image": 0}, "turns_per_image is 0"),
    ({**TWO, "active_share": 1.5}, "active_share is 1.5"),
    ({**TWO, "full_question_share": 1.5}, "full_question_share is 1.5"),
]


@pytest.mark.parametrize("wrong, said", REFUSED, ids=[said for _, said in REFUSED])
def test_what_cannot_be_is_refused(wrong, said):
    with pytest.raises((ValueError, CorpusError)) as error:
        DataArguments(**wrong)
    assert re.search(said, str(error.value), re.DOTALL), str(error.value)


def test_what_can_be_is_accepted():
    DataArguments()
    DataArguments(corpora=["procedural"])
    DataArguments(**TWO, folds=["fold1", "-"], corpus_weights=[0.5, 3], epoch_rows=2, balance_units=1.0)
    DataArguments(
        **TWO, corpus_options={"disfa": {"camera": "left", "exclude_subjects": ["SN001"], "protocol": "disfa"}}
    )
