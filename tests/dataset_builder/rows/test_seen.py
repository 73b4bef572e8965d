"""Whom training.json names, and who is refused for it: by id, by hash, by the fold of an old file, across corpora."""

import hashlib

import pytest

from aullava.dataset_builder.corpora.registry import READERS, reader_class
from aullava.dataset_builder.errors import CorpusError, LeakError
from aullava.dataset_builder.rows.folds import fold, partition
from aullava.dataset_builder.rows.seen import earlier_people, people_record, refuse_seen


def record(*corpora: tuple[str, list[str], list[str]], earlier=()) -> dict:
    """training.json of a run on (corpus, training subjects, validation subjects)."""
    entries = [
        {
            "corpus": corpus,
            "people": people_record(
                corpus, {"train": [(corpus, s) for s in train], "validation": [(corpus, s) for s in validation]}
            ),
        }
        for corpus, train, validation in corpora
    ]
    return {"data": {"corpora": entries} | ({"earlier": earlier} if earlier else {})}


def old_record(corpus: str, fold_name: str | int | None, **options) -> dict:
    """training.json as earlier versions wrote it."""
    return {"data": {"corpora": [{"corpus": corpus, "fold": fold_name, "options": options}]}}


def people(corpus: str, *subjects: str) -> list[tuple[str, str]]:
    return [(corpus, subject) for subject in subjects]


@pytest.mark.parametrize("tested", ["disfa", "disfa_plus", "feafa_plus"])
def test_people_of_disfa_are_refused_in_every_corpus_that_shows_them(tested):
    told = record(("disfa", ["SN003", "SN001"], ["SN006"]))
    assert told["data"]["corpora"][0]["people"] == {"train": ["SN001", "SN003"], "validation": ["SN006"]}
    assert refuse_seen(told, people(tested, "SN002", "SN004"), "run") is None
    with pytest.raises(LeakError) as refused:
        refuse_seen(told, people(tested, "SN001", "SN002", "SN006"), "run")
    text = str(refused.value)
    assert text.startswith("run has seen 2 people in training whom it is to be tested on")
    assert f"disfa SN001, SN006 (training) and {tested} SN001, SN006 (here)" in text
    assert "for disfa, exclude_subjects=['SN001', 'SN006']" in text and "SN002" not in text


def test_validation_people_may_validate_and_calibrate_but_not_test():
    told = record(("disfa", ["SN001"], ["SN006"]))
    assert refuse_seen(told, people("disfa_plus", "SN006"), "run", validates=True) is None
    with pytest.raises(LeakError, match="to be validated on: disfa SN001"):
        refuse_seen(told, people("disfa_plus", "SN001", "SN006"), "run", validates=True)
    with pytest.raises(LeakError, match="1 person .* tested on: disfa SN006"):
        refuse_seen(told, people("disfa_plus", "SN006"), "run")


def test_the_message_names_the_folds_that_may_be_tested():
    trained = sorted(fold("disfa", 2, frozenset().union(*partition("disfa").parts.values())).train)
    with pytest.raises(LeakError, match=r"has not seen \(fold2 of disfa_plus\), or train"):
        refuse_seen(record(("disfa", trained, [])), people("disfa_plus", "SN001"), "run")


def test_ids_of_a_table_are_hashed_and_still_refused():
    told = record(("table", ["Ann Smith", "Bob"], []))
    digits = [hashlib.sha256(name.encode()).hexdigest()[:16] for name in ("Ann Smith", "Bob")]
    assert set(told["data"]["corpora"][0]["people"]["train"]) == {f"sha256:{digit}" for digit in digits}
    assert "Ann" not in str(told) and "Bob" not in str(told)
    assert refuse_seen(told, people("table", "Cleo"), "run") is None
    assert refuse_seen(told, people("bp4d", "Bob"), "run") is None
    with pytest.raises(LeakError, match=r"table Bob \(training\) .* for table, exclude_subjects=\['Bob'\]"):
        refuse_seen(told, people("table", "Bob", "Cleo"), "run")


@pytest.mark.parametrize("name", ["fold1", 1, "1"])
def test_an_old_file_names_the_fold(name):
    assert refuse_seen(old_record("disfa", name), people("disfa", "SN001"), "run") is None
    with pytest.raises(LeakError, match="disfa SN003 .training. and feafa_plus SN003"):
        refuse_seen(old_record("disfa", name), people("feafa_plus", "SN001", "SN003"), "run")
    assert refuse_seen(old_record("disfa", name, exclude_subjects=["SN003"]), people("disfa", "SN003"), "run") is None


@pytest.mark.parametrize("name, validates", [(None, False), ("fold9", False), ("fold1", True)])
def test_where_an_old_file_does_not_say_who_trained_the_report_does(name, validates):
    note = refuse_seen(old_record("disfa", name), people("disfa_plus", "SN003"), "run", validates)
    assert note == "Who of disfa trained run is not known: it may have seen these people."
    assert refuse_seen(old_record("disfa", name), people("bp4d", "F001"), "run", validates) is None  # nobody in common


def test_without_a_file_the_report_says_so_but_for_drawn_faces():
    assert "want of its training.json" in refuse_seen(None, people("disfa", "SN001"), "run")
    assert refuse_seen(None, people("procedural", "test/1"), "run") is None
    assert people_record("procedural", {"train": people("procedural", "train/1")}) == {}


def test_people_of_the_checkpoint_before_are_seen_too():
    first = record(("disfa", ["SN001"], []), ("procedural", ["train/1"], []))
    second = record(("bp4d", ["F001"], []), earlier=earlier_people(first))
    third = record(("procedural", ["train/1"], []), earlier=earlier_people(second))
    assert [entry["corpus"] for entry in third["data"]["earlier"]] == ["bp4d", "disfa"]
    for tested in (people("bp4d", "F001"), people("disfa_plus", "SN001")):
        with pytest.raises(LeakError):
            refuse_seen(third, tested, "run")
    assert refuse_seen(third, people("disfa", "SN002"), "run") is None
    assert earlier_people(None) == []


@pytest.mark.parametrize("wrong", [{}, {"data": {}}, {"data": {"corpora": [{}]}}, {"data": {"corpora": ["disfa"]}}])
def test_a_file_of_somebody_else_is_refused(wrong):
    with pytest.raises(CorpusError, match="training.json of run does not say what it learnt from"):
        refuse_seen(wrong, people("disfa", "SN001"), "run")


def test_readers_share_people_with_corpora_that_have_no_people_of_others():
    """`person` goes one step, so a corpus that others point to must not point on."""
    shared = {name: reader_class(name).shares_subjects_with for name in READERS}
    assert {home for homes in shared.values() for home in homes.values()} == {"disfa", "feafa"}
    assert not shared["disfa"] and not shared["feafa"]
