"""Frozen parts and the folds made of them: complete, disjoint, and by the numbers the papers use."""

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from aullava.dataset_builder.corpora.registry import READERS, reader_class
from aullava.dataset_builder.errors import CorpusError
from aullava.dataset_builder.rows.folds import (
    FROZEN,
    Fold,
    fold,
    fold_names,
    part_of,
    partition,
    validation_subjects,
)

PEOPLE = {  # corpus -> everybody, written down without the partition
    "bp4d": {f"F{i:03d}" for i in range(1, 24)} | {f"M{i:03d}" for i in range(1, 19)},
    "bp4d_plus": {f"F{i:03d}" for i in range(1, 83)} | {f"M{i:03d}" for i in range(1, 59)},
    "disfa": {f"SN{i:03d}" for i in (*range(1, 14), 16, 17, 18, 21, *range(23, 33))},
    "disfa_plus": {f"SN{i:03d}" for i in (1, 3, 4, 7, 9, 10, 13, 25, 27)},
    "feafa": {f"PV{i:03d}" for i in range(1, 128)},
}
PEOPLE["feafa_plus"] = PEOPLE["feafa"] | PEOPLE["disfa"]
CORPORA = [name for name in READERS if reader_class(name).folds]
EVERY_FOLD = [(corpus, name) for corpus in CORPORA for name in fold_names(corpus)]
SUBJECT = st.text("SNPVFM0123456789", min_size=1, max_size=5)


def test_parts_are_disjoint_and_hold_everybody():
    assert {corpus: len(people) for corpus, people in PEOPLE.items()} == {
        **{"bp4d": 41, "bp4d_plus": 140, "disfa": 27, "disfa_plus": 9, "feafa": 127, "feafa_plus": 154}
    }
    assert set(PEOPLE) == set(CORPORA)
    for corpus, people in PEOPLE.items():
        parts = list(partition(corpus).parts.values())
        assert sum(map(len, parts)) == len(people) and set().union(*parts) == people, corpus


def test_no_frozen_list_names_anybody_twice():
    for path in FROZEN.glob("*_folds.json"):
        listed = [subject for part in json.loads(path.read_text())["parts"].values() for subject in part]
        assert len(listed) == len(set(listed)), path.name


@pytest.mark.parametrize(
    "corpus, sizes",
    [
        ("bp4d", [14, 14, 13]),
        ("bp4d_plus", [35] * 4),
        ("disfa", [9] * 3),
        ("disfa_plus", [4, 1, 4]),
        ("feafa", [42, 42, 43]),
        ("feafa_plus", [51, 51, 52]),
    ],
)
def test_sizes_of_parts(corpus, sizes):
    assert [len(part) for part in partition(corpus).parts.values()] == sizes


@pytest.mark.parametrize(
    "corpus, suffix, totals",
    [
        ("bp4d", {}, {"part1": 50631, "part2": 50182, "part3": 46034}),
        ("disfa", {"frames": "all"}, {"part1": 43604, "part2": 43605, "part3": 43605}),
        ("disfa", {"frames": "jaanet"}, {"part1": 43173, "part2": 40344, "part3": 42627}),
    ],
)
def test_frames_of_each_subject_add_up_to_the_published_frames_of_each_part(corpus, suffix, totals):
    """Two lists of different origin: one person in a wrong part, or one count wrong, and the sums differ."""
    entries = json.loads((FROZEN / "published_counts.json").read_text())["counts"]
    [entry] = [
        e
        for e in entries
        if e["corpus"] == corpus and e["quantity"] == "frames of subject" and e.get("when", {}) == suffix
    ]
    frames = entry["values"]
    sums = {part: sum(frames[s] for s in people) for part, people in partition(corpus).parts.items()}
    assert sums == totals


@pytest.mark.parametrize(
    "corpus, subject, part",
    [
        ("bp4d", "F001", "part1"),
        ("bp4d", "M015", "part3"),
        ("bp4d_plus", "M040", "part1"),
        ("bp4d_plus", "F036", "part4"),
        ("disfa", "SN013", "part2"),
        ("disfa_plus", "SN013", "part2"),
        ("feafa", "PV008", "part1"),
        ("feafa_plus", "PV121", "part3"),
        ("feafa_plus", "SN032", "part1"),
        ("disfa", "SN014", ""),  # no such person
        ("disfa_plus", "SN002", ""),  # of DISFA, but not of DISFA+
        ("feafa", "SN001", ""),  # of part B
        ("unbc", "042-ll042", ""),
        ("table", "F001", ""),
    ],
)
def test_part_of_a_subject(corpus, subject, part):
    assert part_of(corpus, subject) == part


def test_names_of_folds():
    three = ("fold1", "fold2", "fold3")
    assert fold_names("bp4d") == fold_names("disfa") == (*three, *(f"megraphau_{name}" for name in three))
    assert fold_names("bp4d_plus") == (*three, "fold4")
    assert fold_names("feafa") == fold_names("feafa_plus") == (*three, *(f"farapy_{name}" for name in three))
    assert fold_names("disfa_plus") == three
    assert fold_names("unbc") == fold_names("nothing") == ()


@pytest.mark.parametrize("corpus, name", EVERY_FOLD)
def test_every_fold_tests_one_part_and_trains_on_all_others(corpus, name):
    made = fold(corpus, name, PEOPLE[corpus])
    number = int(name[-1])
    tested = number if name.startswith("fold") else 4 - number
    assert made.test == partition(corpus).parts[f"part{tested}"]
    assert made.train == PEOPLE[corpus] - made.test
    assert {part_of(corpus, subject) for subject in made.test} == {f"part{tested}"}


def test_megraphau_counts_the_other_way_round():
    for corpus in ("bp4d", "disfa"):
        for k in (1, 2, 3):
            ours, theirs = (
                fold(corpus, f"{scheme}fold{n}", PEOPLE[corpus]) for scheme, n in (("", k), ("megraphau_", 4 - k))
            )
            assert (ours.train, ours.test) == (theirs.train, theirs.test)
    assert "F004" in fold("bp4d", "megraphau_fold1", PEOPLE["bp4d"]).test


@pytest.mark.parametrize("name", [2, "2", "fold2"])
def test_a_number_names_the_standard_fold(name):
    assert fold("disfa", name, PEOPLE["disfa"]) == fold("disfa", "fold2", PEOPLE["disfa"])


@given(data=st.data())
def test_folds_of_what_is_on_disk(data):
    corpus, name = data.draw(st.sampled_from(EVERY_FOLD))
    present = data.draw(st.frozensets(st.sampled_from(sorted(PEOPLE[corpus]))))
    whole = fold(corpus, name, PEOPLE[corpus])
    if not present & whole.test or not present & whole.train:
        with pytest.raises(CorpusError, match="nobody to t"):
            fold(corpus, name, present)
        return
    assert fold(corpus, name, iter(present)) == Fold(name, whole.train & present, whole.test & present)


def test_fold_k_of_one_corpus_never_tests_who_trains_in_fold_k_of_another():
    for k in (1, 2, 3):
        folds = [fold(corpus, k, PEOPLE[corpus]) for corpus in ("disfa", "disfa_plus", "feafa_plus", "feafa")]
        for one in folds:
            for other in folds:
                assert not one.test & other.train


def test_leave_one_subject_out_is_for_every_corpus():
    made = fold("unbc", "loso:042-ll042", ["042-ll042", "043-jh043", "047-jl047"])
    assert made == Fold("loso:042-ll042", frozenset({"043-jh043", "047-jl047"}), frozenset({"042-ll042"}))
    assert fold("bp4d", "loso:X9", ["X9", "F001"]).test == {"X9"}  # needs no partition
    with pytest.raises(CorpusError, match=r"leaves out 'sub9', .* among the 2 subjects of casme2 .* sub1, sub2"):
        fold("casme2", "loso:sub9", ["sub2", "sub1"])
    with pytest.raises(CorpusError, match="nobody to train on"):
        fold("casme2", "loso:sub1", ["sub1"])


def test_subjects_that_no_part_knows_are_named():
    with pytest.raises(CorpusError, match=r"SN014, SN099.*exclude_subjects=\['SN014', 'SN099'\]"):
        fold("disfa", "fold1", ["SN099", "SN001", "SN014", "SN003"])


@pytest.mark.parametrize("name", ["fold4", "part1", "", "megraphau_fold0", "Fold1", 0, "loso"])
def test_an_unknown_fold_names_those_that_there_are(name):
    with pytest.raises(CorpusError, match="fold1, fold2, fold3, megraphau_fold1.*loso:<subject>"):
        fold("bp4d", name, PEOPLE["bp4d"])


def test_a_corpus_without_parts_offers_leave_one_out():
    with pytest.raises(CorpusError, match="samm has no fold 'fold1': expected 'loso:<subject>'"):
        fold("samm", 1, ["006"])


def test_a_fold_without_anybody_to_test_says_who_would_do():
    with pytest.raises(
        CorpusError, match="fold1 of disfa_plus: nobody to test on .*SN013.* expected one of SN001, SN009"
    ):
        fold("disfa_plus", 1, ["SN013"])


def test_every_list_says_where_it_comes_from():
    for corpus in CORPORA:
        for line in partition(corpus).evidence:
            assert line.startswith(("[V2] ", "[V1] "))
    assert partition("bp4d").evidence[0].startswith("[V2]")
    assert "inferred" in partition("disfa_plus").evidence[0]
    assert "more than one" in partition("feafa_plus").evidence[0]
    assert partition("unbc") is None


@given(st.frozensets(SUBJECT, min_size=2, max_size=30), st.floats(0.01, 0.99), st.integers(0, 5))
def test_validation_takes_some_but_not_all(train, share, seed):
    held = validation_subjects(sorted(train), share, seed)
    assert 0 < len(held) < len(train) and held < train
    assert held == validation_subjects(sorted(train, reverse=True), share, seed)


@given(st.frozensets(SUBJECT, min_size=8, max_size=30), st.frozensets(SUBJECT, max_size=9), st.integers(0, 5))
def test_a_subject_stays_where_it_is_when_others_come(train, newcomers, seed):
    held = validation_subjects(train, 0.5, seed)
    assume(1 < len(held) < len(train) - 1)  # not settled by the rule that both sides must have somebody
    assert validation_subjects(train | newcomers, 0.5, seed) & train == held


def test_the_draw_is_the_same_on_every_machine_and_differs_by_seed():
    people = sorted(PEOPLE["bp4d"])
    assert sorted(validation_subjects(people, 0.15, seed=0)) == ["F005", "F010", "F011", "F020", "M015"]
    assert len({validation_subjects(people, 0.15, seed) for seed in range(8)}) > 4


def test_the_share_is_kept_on_average():
    people = [f"S{i}" for i in range(2000)]
    assert 0.17 < len(validation_subjects(people, 0.2, 1)) / 2000 < 0.23


def test_no_share_no_validation():
    assert validation_subjects(["a", "b"], 0, 0) == frozenset()
    assert validation_subjects([], 0.0, 0) == frozenset()


@pytest.mark.parametrize("share", [-0.1, 1, 1.5, float("nan")])
def test_a_share_out_of_range_is_refused(share):
    with pytest.raises(CorpusError, match="expected a number from 0 to below 1"):
        validation_subjects(["a", "b"], share, 0)


@pytest.mark.parametrize("train", [[], ["a"], ["a", "a"]])
def test_one_subject_cannot_be_shared_out(train):
    with pytest.raises(CorpusError, match="cannot be shared out"):
        validation_subjects(train, 0.2, 0)
