"""What verbs share: types of arguments, and the extra that a missing library belongs to."""

import argparse
from pathlib import Path

import pytest

from aullava.commands.errors import UsageError, count, extra, named, names, path, positive


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (positive, "12", 12),
        (count, "0", 0),
        (count, "3", 3),
        (names, "F001, M002,", ("F001", "M002")),
        (named, "a b", "a b"),
        (path, "~/rows", Path.home() / "rows"),
    ],
)
def test_an_argument_becomes_what_it_says(kind, text, value):
    assert kind(text) == value


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        (positive, ("0", "-1", "1.5", "many", "")),
        (count, ("-1", "00", "x")),
        (names, ("", " , ")),
        (named, ("", "  ")),
        (path, ("",)),
    ],
)
def test_other_arguments_are_refused(kind, texts):
    for text in texts:
        with pytest.raises(argparse.ArgumentTypeError):
            kind(text)


def test_a_library_of_an_extra_that_is_missing_names_the_extra_and_any_other_is_a_mistake_of_ours():
    with pytest.raises(UsageError, match=r"needs pyarrow: pip install 'au-llava\[corpora\]'"), extra("corpora"):
        raise ModuleNotFoundError("no pyarrow", name="pyarrow")
    with pytest.raises(ModuleNotFoundError), extra("corpora"):
        raise ModuleNotFoundError("no numpy", name="numpy")
