"""Options of a corpus out of "key=value" texts, and the settings that two runs must share."""

import json

import pytest

from aullava.dataset_builder.errors import CorpusError
from aullava.dataset_builder.publish import request
from aullava.dataset_builder.publish.request import BuildJob, describe_options, make_job, parse_options


class Reader:
    """A signature with every kind of option."""

    def __init__(
        self,
        data_dir,
        *,
        camera: str = "left",
        count: int = 3,
        share: float = 0.5,
        follow_links: bool = False,
        first: int | None = None,
        groups: tuple[str, ...] = (),
        columns: "str | list[str] | None" = None,
    ):
        pass


@pytest.fixture(autouse=True)
def reader(monkeypatch):
    from aullava.dataset_builder.corpora import registry

    monkeypatch.setattr(registry, "reader_class", lambda name: Reader)


@pytest.mark.parametrize(
    "text, value",
    [
        ("camera=right", "right"),
        ("camera=a=b", "a=b"),
        ("count=7", 7),
        ("share=0.25", 0.25),
        ("follow_links=true", True),
        ("follow_links=No", False),
        ("first=4", 4),
        ("first=none", None),
        ("groups=age, sex", ("age", "sex")),
        ("columns=a,b", ("a", "b")),
    ],
)
def test_an_option_becomes_what_its_default_is(text, value):
    [(_, got)] = parse_options("every_kind", [text]).items()
    assert got == value and type(got) is type(value)


@pytest.mark.parametrize(
    "texts, words",
    [
        (["camera"], "expected key=value"),
        (["=left"], "expected key=value"),
        (["colour=red"], "no option 'colour'"),
        (["colour=red"], "camera=left, count=3, share=0.5, follow_links=false, first=\\(none\\)"),
        (["count=many"], "expected a number"),
        (["share=half"], "expected a number"),
        (["follow_links=perhaps"], "expected true or false"),
        (["count=1", "count=2"], "given twice"),
    ],
)
def test_what_is_no_option_is_refused(texts, words):
    with pytest.raises(CorpusError, match=words):
        parse_options("every_kind", texts)


def test_options_are_described_with_their_defaults():
    assert describe_options("every_kind").startswith("camera=left, count=3")


def test_settings_hold_what_changes_a_byte_and_not_where_the_corpus_lies(monkeypatch):
    monkeypatch.undo()
    here, there = (make_job("procedural", None, ["count=5"], "bp4d") for _ in range(2))
    assert here.settings() == there.settings() == json.loads(json.dumps(here.settings()))
    assert BuildJob("bp4d", "here").settings() == BuildJob("bp4d", "there").settings()
    assert make_job("procedural", None, ["count=6"], "bp4d").settings() != here.settings()
    assert make_job("procedural", None, ["count=5"], "disfa").settings() != here.settings()
    assert make_job("procedural", None, ["count=5"], "bp4d", no_face="keep").settings() != here.settings()
    with pytest.raises(CorpusError, match="--data-dir is missing: name the folder of BP4D"):
        request.make_job("bp4d", None)
