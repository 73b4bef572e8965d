"""Work goes on under the settings it was begun with, or is refused with the settings that differ."""

import pytest

from aullava.common.settings import key_values, refuse_other_settings, write_settings

BEFORE = {"rate": 0.1, "sizes": (1, 2), "disfa": {"camera": "left", "fold": None}, "free": 1}


def check(folder, settings, **more):
    refuse_other_settings(folder / "settings.json", settings, "work", "name another folder", **more)


@pytest.fixture
def begun(tmp_path):
    write_settings(tmp_path / "settings.json", BEFORE)
    return tmp_path


@pytest.mark.parametrize(
    "now",
    [
        BEFORE,
        {name: BEFORE[name] for name in reversed(BEFORE)},
        BEFORE | {"sizes": [1, 2], "new": None},
        BEFORE | {"disfa": {"camera": "left"}},
        BEFORE | {"free": 2},
    ],
)
def test_the_same_settings_are_accepted(begun, now):
    check(begun, now, ignored={"free"})


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"rate": 0.2}, r"holds work with other settings \(rate was 0.1, is 0.2\): name another folder"),
        ({"rate": None}, r"rate was 0.1, is None"),
        ({"disfa": {"camera": "right"}}, r"\(disfa.camera was 'left', is 'right'\)"),
        ({"sizes": [2, 1]}, r"sizes was \[1, 2\], is \[2, 1\]"),
        ({"new": 0}, r"new was None, is 0"),
        ({str(number): number for number in range(7)}, r"4 was None, is 4; and 2 more\)"),
    ],
)
def test_other_settings_are_refused_and_named(begun, changes, told):
    with pytest.raises(ValueError, match=told):
        check(begun, BEFORE | changes)


def test_a_file_that_is_missing_or_damaged_is_refused(begun):
    for text in ("{", "[]"):
        (begun / "settings.json").write_text(text)
        with pytest.raises(ValueError, match="settings.json is damaged"):
            check(begun, BEFORE)
    (begun / "settings.json").unlink()
    with pytest.raises(LookupError, match="holds work but no settings.json"):
        check(begun, BEFORE, error=LookupError)


def test_settings_of_an_older_version_are_brought_up_to_date(tmp_path):
    write_settings(tmp_path / "settings.json", {"speed": 0.1})
    check(tmp_path, {"rate": 0.1}, update=lambda before: {"rate": before.pop("speed")} | before)


def test_a_value_may_be_empty_or_hold_an_equals_sign():
    assert key_values(["a=1", "b=x=y", "c="], "--option") == {"a": "1", "b": "x=y", "c": ""}


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["a"], "--option 'a': expected KEY=VALUE"),
        (["=1"], "--option '=1': expected KEY=VALUE"),
        (["a=1", "a=2"], "--option a is given twice"),
    ],
)
def test_anything_else_is_refused(texts, said):
    with pytest.raises(ValueError, match=said):
        key_values(texts, "--option")
