"""A run's settings, from flags and YAML, by the names of this version and of the one before."""

import pytest
import yaml

from aullava.training.arguments import REMOVED, RENAMED, current_names
from aullava.training.run.settings import parse_run

PLAIN = ["--from_scratch", "true", "--output_dir", "unused", "--use_cpu", "true", "--bf16", "false"]


def in_file(folder, **settings) -> list[str]:
    (folder / "run.yaml").write_text(yaml.safe_dump(settings))
    return ["--config", str(folder / "run.yaml")]


def test_flags_win_over_the_file(tmp_path):
    run = parse_run([*in_file(tmp_path, lora_alpha=None, faces=7, draw_size=32), "--faces", "9", *PLAIN])
    assert (run.drawing.faces, run.drawing.draw_size) == (9, 32)


def test_no_row_is_too_long_unless_a_length_is_given():
    assert parse_run(PLAIN).training.max_length is None
    assert parse_run([*PLAIN, "--max_length", "300"]).training.max_length == 300


def test_parts_are_checked_against_each_other():
    with pytest.raises(ValueError, match="loss_type='dft' with value_loss='inverse_frequency'"):
        parse_run([*PLAIN, "--value_loss", "inverse_frequency", "--loss_type", "dft"])


@pytest.mark.parametrize("name", ["hidden_share", "literal_share"])
def test_names_of_the_version_before_still_work_and_say_so(tmp_path, name):
    now = RENAMED[name]
    for given in (in_file(tmp_path, **{name: 0.25}), [f"--{name}", "0.25"], [f"--{name}=0.25"]):
        with pytest.warns(FutureWarning, match=f"{name} is now called {now}"):
            assert getattr(parse_run([*given, *PLAIN]).base, now) == 0.25
    flag = [f"--{now}", "0.75"]
    with pytest.warns(FutureWarning, match=name):
        assert getattr(parse_run([*in_file(tmp_path, **{name: 0.25}), *flag, *PLAIN]).base, now) == 0.75
    with pytest.raises(ValueError, match=f"{name} and {now} are the same setting"):
        parse_run([*in_file(tmp_path, **{name: 0.25, now: 0.5}), *PLAIN])


def test_the_trainers_own_renamed_setting_still_works_and_its_default_warns_of_nothing(tmp_path):
    plain = [flag for flag in PLAIN if "activation_checkpointing" not in flag]
    for given in (in_file(tmp_path, gradient_checkpointing=False), ["--gradient_checkpointing", "False"]):
        with pytest.warns(FutureWarning, match="gradient_checkpointing is now called activation_checkpointing"):
            assert parse_run([*given, *plain]).training.activation_checkpointing is False
    assert parse_run(plain).training.activation_checkpointing is True


@pytest.mark.parametrize("name", REMOVED)
def test_removed_settings_do_nothing_and_say_so(tmp_path, name):
    for given in (in_file(tmp_path, **{name: 0.0}), [f"--{name}", "0.5"], [f"--{name}=0.5"]):
        with pytest.warns(FutureWarning, match=f"{name} was removed and has no effect"):
            run = parse_run([*given, *PLAIN])
        assert run[:-1] == parse_run(PLAIN)[:-1]


def test_names_of_this_version_pass_unchanged():
    settings = {"learning_rate": 0.1, "value_loss": "cross_entropy"}
    assert current_names(settings) == settings
    assert not {*RENAMED, *REMOVED} & settings.keys()
