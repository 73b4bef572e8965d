"""Scores by group are scikit-learn's, the gap is between groups on the same units, and chance is told apart from it."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from aullava.evaluation.groups import score_groups

UNITS = ("AU1", "AU4", "AU12")


def faces(people=60, each=4, seed=0):
    """Labels and decisions of people in three groups; decisions about group 3 are worse."""
    random = np.random.default_rng(seed)
    subject_N = [f"s{person:03d}" for person in range(people) for _ in range(each)]
    group_N = [person % 3 + 1 for person in range(people) for _ in range(each)]
    truth_NU = (random.random((len(subject_N), 3)) < 0.4).astype(float)
    wrong_NU = random.random(truth_NU.shape) < np.where(np.array(group_N) == 3, 0.4, 0.05)[:, None]
    return truth_NU, np.where(wrong_NU, 1 - truth_NU, truth_NU), subject_N, group_N


def test_each_group_has_the_f1_of_its_rows_and_the_gap_is_beyond_chance():
    truth_NU, present_NU, subject_N, group_N = faces()
    found = score_groups(truth_NU, present_NU, subject_N, group_N, UNITS, draws=200)
    assert [group.name for group in found.groups] == [1, 2, 3]
    for group in found.groups:
        rows = np.array(group_N) == group.name
        np.testing.assert_allclose(group.f1_U, f1_score(truth_NU[rows], present_NU[rows], average=None))
        assert group.macro_f1 == pytest.approx(group.f1_U.mean()) and group.faces == 80 and group.people == 20
        assert group.positives_U.tolist() == truth_NU[rows].sum(0).tolist()
    macros = [group.macro_f1 for group in found.groups]
    assert found.gap == pytest.approx(max(macros) - min(macros)) and found.low < found.gap < found.high
    assert found.low > found.chance > 0 and found.p == 0 and found.left_out == ()


def test_groups_that_are_read_alike_have_a_gap_of_chance():
    truth_NU, present_NU, subject_N, _ = faces(people=90)
    dealt = np.random.default_rng(5).permutation(90) % 3
    found = score_groups(
        truth_NU, present_NU, subject_N, [int(dealt[int(s[1:])]) for s in subject_N], UNITS, draws=200
    )
    assert found.p > 0.05 and found.chance > 0.01


def test_more_people_narrow_the_interval():
    few, many = (score_groups(*faces(people), UNITS, draws=200) for people in (30, 300))
    assert many.high - many.low < 0.6 * (few.high - few.low)


def test_a_unit_that_one_group_never_shows_counts_in_no_group():
    truth_NU, present_NU, subject_N, group_N = faces()
    truth_NU[np.array(group_N) == 2, 1] = 0
    found = score_groups(truth_NU, present_NU, subject_N, group_N, UNITS, draws=50)
    assert found.left_out == ("AU4",) and np.isnan(found.groups[1].f1_U[1])
    assert found.groups[0].macro_f1 == pytest.approx(found.groups[0].f1_U[[0, 2]].mean())
    truth_NU[np.array(group_N) == 2] = 0
    nothing = score_groups(truth_NU, present_NU, subject_N, group_N, UNITS, draws=50)
    assert (
        nothing.left_out == UNITS
        and np.isnan([nothing.gap, nothing.low, nothing.high, nothing.chance, nothing.p]).all()
    )


def test_what_is_not_coded_is_left_out_and_what_is_undetermined_is_wrong():
    truth_NU = np.array([[1.0], [1], [np.nan], [0], [1], [1]])
    present_NU = np.array([[1.0], [np.nan], [1], [np.nan], [1], [1]])
    found = score_groups(truth_NU, present_NU, list("aabbcc"), [1, 1, 1, 1, 2, 2], ["AU1"], draws=20)
    assert found.groups[0].f1_U.tolist() == [pytest.approx(2 / (2 + 2))]  # one hit, one miss, one false alarm
    assert found.groups[0].positives_U.tolist() == [2] and found.groups[1].macro_f1 == 1


def test_groups_of_names_and_the_seed():
    truth_NU, present_NU, subject_N, group_N = faces()
    named = [{1: "young", 2: "older", 3: "middle"}[group] for group in group_N]
    one, other = (score_groups(truth_NU, present_NU, subject_N, named, UNITS, draws=50) for _ in range(2))
    assert [group.name for group in one.groups] == ["middle", "older", "young"]
    assert (one.gap, one.low, one.high, one.chance) == (other.gap, other.low, other.high, other.chance)


def test_a_person_in_two_groups_and_a_single_group_are_refused():
    truth_NU, present_NU, subject_N, group_N = faces()
    with pytest.raises(ValueError, match="s000 is in the groups 1 and 2"):
        score_groups(truth_NU, present_NU, subject_N, [1, 2, *group_N[2:]], UNITS)
    with pytest.raises(ValueError, match="all subjects are in the group 7"):
        score_groups(truth_NU, present_NU, subject_N, [7] * len(group_N), UNITS)
