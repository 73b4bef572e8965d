"""Nobody trains and tests, whatever the corpora are called."""

import ast
import re

import pytest
from datasets import Dataset, DatasetDict, Features, Image, Value, concatenate_datasets
from hypothesis import given
from hypothesis import strategies as st

from aullava.dataset_builder.errors import CorpusError, LeakError
from aullava.dataset_builder.rows.folds import fold, partition
from aullava.dataset_builder.rows.leaks import people_of, person, refuse_leaks, shared_people

PAIR = st.tuples(
    st.sampled_from(("disfa", "disfa_plus", "feafa", "feafa_plus", "bp4d", "bp4d_plus", "table")),
    st.sampled_from(("SN001", "SN002", "PV001", "PV002", "F001", "M002")),
)
ROWS = Features({"image": Image(), "corpus": Value("string"), "subject": Value("string")})


def rows(*pairs: tuple[str, str], each: int = 3) -> Dataset:
    """A dataset of people, several rows each, whose images cannot be decoded: whoever looks at one fails."""
    people = [pair for pair in pairs for _ in range(each)]
    columns = {
        "image": [{"bytes": b"no image", "path": None}] * len(people),
        "corpus": [corpus for corpus, _ in people],
        "subject": [subject for _, subject in people],
    }
    return Dataset.from_dict(columns, features=ROWS)


def everybody(corpus: str) -> list[tuple[str, str]]:
    return [(corpus, subject) for subject in frozenset().union(*partition(corpus).parts.values())]


@pytest.mark.parametrize(
    "one, other, same",
    [
        (("disfa", "SN001"), ("disfa_plus", "SN001"), True),
        (("disfa", "SN001"), ("feafa_plus", "SN001"), True),
        (("disfa_plus", "SN001"), ("feafa_plus", "SN001"), True),
        (("feafa", "PV001"), ("feafa_plus", "PV001"), True),
        (("disfa", "SN001"), ("disfa_plus", "SN003"), False),
        (("disfa", "SN001"), ("feafa_plus", "PV001"), False),
        (("bp4d", "F001"), ("bp4d_plus", "F001"), False),  # no source says that they are one
        (("disfa", "SN001"), ("table", "SN001"), False),  # a table's ids are its own
        (("ck_plus", "S010"), ("ck_plus", "S010"), True),
        (("feafa_plus", "17"), ("disfa", "17"), False),
    ],
)
def test_who_is_the_same_person(one, other, same):
    assert (person(*one) == person(*other)) is same
    assert bool(shared_people([one], [other])) is same
    assert bool(shared_people([other], [one])) is same


def test_training_on_part_b_and_testing_on_disfa_is_refused_by_name():
    train = [("feafa_plus", "PV001"), ("feafa_plus", "SN010"), ("feafa_plus", "SN002")]
    with pytest.raises(LeakError) as refused:
        refuse_leaks(train, [("disfa", "SN002"), ("disfa", "SN003"), ("disfa", "SN010")])
    text = str(refused.value)
    assert text.startswith("2 people are in training and in test data")
    assert "feafa_plus SN002, SN010 (train)" in text and "disfa SN002, SN010 (test)" in text
    assert "PV001" not in text and "SN003" not in text


def test_what_the_message_says_to_paste_mends_it():
    train, test = everybody("feafa_plus") + everybody("disfa_plus"), everybody("disfa")
    with pytest.raises(LeakError) as refused:
        refuse_leaks(train, test)
    advised = dict(re.findall(r"for (\w+), exclude_subjects=(\[.*?\])", str(refused.value)))
    assert sorted(advised) == ["disfa_plus", "feafa_plus"]
    left_out = {(corpus, subject) for corpus, ids in advised.items() for subject in ast.literal_eval(ids)}
    kept = [pair for pair in train if pair not in left_out]
    refuse_leaks(kept, test)
    assert {pair for pair in train if pair[1].startswith("SN")} == left_out


def test_folds_of_one_number_mix_without_a_leak_and_of_two_do_not():
    def side(number: int, name: str) -> list[tuple[str, str]]:
        corpora = ("disfa", "disfa_plus", "feafa", "feafa_plus")
        return [
            (corpus, subject)
            for corpus in corpora
            for subject in getattr(fold(corpus, number, [s for _, s in everybody(corpus)]), name)
        ]

    for number in (1, 2, 3):
        refuse_leaks(side(number, "train"), side(number, "test"))
        with pytest.raises(LeakError):
            refuse_leaks(side(number, "train"), side(number % 3 + 1, "test"))


@given(st.lists(PAIR), st.lists(PAIR))
def test_refused_if_and_only_if_somebody_is_shared(train, test):
    shared = {person(*pair) for pair in train} & {person(*pair) for pair in test}
    assert set(shared_people(train, test)) == shared
    if not shared:
        refuse_leaks(train, test)
        return
    with pytest.raises(LeakError) as refused:
        refuse_leaks(train, test)
    for corpus, subject in train:
        if person(corpus, subject) in shared:
            assert re.search(rf"for {corpus}, exclude_subjects=\[[^\]]*'{subject}'", str(refused.value))


def test_datasets_are_looked_through_without_a_picture():
    disfa, plus = rows(("disfa", "SN001"), ("disfa", "SN002")), rows(("disfa_plus", "SN001"), ("disfa_plus", "SN007"))
    with pytest.raises(Exception, match="identify image"):
        disfa[0]
    with pytest.raises(LeakError, match="1 person is .* disfa_plus SN001 .train."):
        refuse_leaks(plus, disfa)
    assert people_of(concatenate_datasets([disfa, plus])) == people_of([disfa, plus])
    refuse_leaks(plus.filter(lambda subject: subject != "SN001", input_columns="subject"), disfa)


def test_the_bytes_of_pictures_are_not_even_copied(monkeypatch):
    seen = []
    iterate = Dataset.iter
    monkeypatch.setattr(Dataset, "iter", lambda self, **how: seen.append(self.column_names) or iterate(self, **how))
    people_of(rows(("disfa", "SN001"), ("disfa", "SN002")).select([1, 4]))
    assert seen == [["corpus", "subject"]]


def test_the_pairs_count_and_not_the_columns():
    """A mixed dataset has "disfa" in one column and SN007 in the other, but nobody who is both."""
    mixed = rows(("disfa", "SN002"), ("bp4d", "F001"), ("disfa_plus", "SN007"))
    assert people_of(mixed) == {("disfa", "SN002"), ("bp4d", "F001"), ("disfa_plus", "SN007")}
    refuse_leaks(mixed, rows(("disfa_plus", "F001"), ("bp4d", "SN002"), ("bp4d", "SN007")))


def test_only_the_rows_that_were_selected_count():
    both = rows(("disfa", "SN001"), ("disfa", "SN002"), each=2)
    refuse_leaks(both.select([0, 1]), both.select([2, 3]))
    with pytest.raises(LeakError, match="disfa SN002"):
        refuse_leaks(both.select([0, 1, 2]), both.select([3]))


def test_people_are_found_in_every_batch(monkeypatch):
    monkeypatch.setattr("aullava.dataset_builder.rows.leaks._ROWS_AT_ONCE", 2)
    people = [("disfa", f"SN{i:03d}") for i in range(1, 8)]
    assert people_of(rows(*people)) == set(people)


def test_lists_and_dicts_of_datasets():
    held = {"train": rows(("bp4d", "F001")), "validation": rows(("disfa", "SN001"))}
    assert people_of(DatasetDict(held)) == people_of([*held.values()]) == {("bp4d", "F001"), ("disfa", "SN001")}
    assert people_of([held["train"], ("samm", "006")]) == {("bp4d", "F001"), ("samm", "006")}
    assert people_of(pair for pair in [("a", "b")]) == {("a", "b")}
    assert people_of([]) == people_of(rows()) == set()


@pytest.mark.parametrize("data", ["disfa", ["disfa", "SN001"], ("disfa", "SN001"), 7, [7], None, [("disfa", 1)]])
def test_what_holds_no_people_is_refused(data):
    with pytest.raises(TypeError, match=r"expected a dataset, or pairs such as \('disfa', 'SN001'\)"):
        people_of(data)


def test_a_stream_and_a_dataset_without_people_are_refused():
    with pytest.raises(TypeError, match="a stream .* reader.subjects"):
        people_of(rows(("disfa", "SN001")).to_iterable_dataset())
    with pytest.raises(CorpusError, match=r"without the column corpus and subject \(it has image\)"):
        people_of(rows(("disfa", "SN001")).select_columns(["image"]))
