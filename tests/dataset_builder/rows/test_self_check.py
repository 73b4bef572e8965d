"""Counts on disk beside the published ones."""

import inspect
import io
import json
import math

import pytest
from rich.console import Console

from aullava.action_units import CONTINUOUS, FEAFA_UNITS, INTENSITY, OCCURRENCE
from aullava.dataset_builder.corpora.disfa import JAANET_DROPPED
from aullava.dataset_builder.corpora.registry import READERS, open_corpus, options_of
from aullava.dataset_builder.rows.census import Census, UnitCount
from aullava.dataset_builder.rows.folds import FROZEN, partition
from aullava.dataset_builder.rows.records import FrameRecord
from aullava.dataset_builder.rows.self_check import (
    DIFFERS,
    EQUAL,
    NOT_PUBLISHED,
    Check,
    compare,
    evidence_tags,
    markdown,
    summary,
    table,
)

from trees.bp4d import make

PUBLISHED = json.loads((FROZEN / "published_counts.json").read_text())
BP4D_ACTIVE = {1: 31042, 2: 25110, 4: 29755, 6: 67676, 7: 80616, 10: 87270, 12: 82530, 14: 68375, 15: 24869, 17: 50406}
BP4D_ACTIVE |= {23: 24288, 24: 22229}
DISFA_ACTIVE = {1: 6506, 2: 5644, 4: 19933, 6: 10327, 9: 5473, 12: 16851, 25: 36247, 26: 11533}


def entry(corpus: str, quantity: str, **when) -> dict:
    [found] = [
        e for e in PUBLISHED["counts"] if (e["corpus"], e["quantity"], e.get("when", {})) == (corpus, quantity, when)
    ]
    return found


def bp4d() -> Census:
    """A census as a complete BP4D would give it."""
    frames = entry("bp4d", "frames of subject")["values"]
    tasks = [f"T{i}" for i in range(1, 9)]
    units = {f"AU{n}": [146_847, active] for n, active in BP4D_ACTIVE.items()}
    units |= {"AU5": [146_847, 4_000], "AD32": [0, 0]}
    return Census.from_dict(
        {
            "frames": frames,
            "sequences": dict.fromkeys(frames, tasks),
            "coded_frames": {OCCURRENCE: frames},
            "units": {OCCURRENCE: units},
        }
    )


def disfa(frames: str = "all") -> Census:
    counts = entry("disfa", "frames of subject", frames=frames)["values"]
    return Census.from_dict(
        {
            "frames": counts,
            "sequences": {subject: ["1"] for subject in counts},
            "coded_frames": {INTENSITY: counts},
            "units": {INTENSITY: {f"AU{n}": [130_814, active] for n, active in DISFA_ACTIVE.items()}},
        }
    )


def of(checks: list[Check], quantity: str, key: str = "") -> Check:
    [found] = [check for check in checks if (check.quantity, check.key) == (quantity, key)]
    return found


def verdicts(checks: list[Check]) -> set[str]:
    return {check.verdict for check in checks}


def printed(checks: list[Check], **options) -> str:
    console = Console(width=400, record=True, file=io.StringIO())
    console.print(table(checks, **options))
    return console.export_text()


def test_the_published_file_agrees_with_itself():
    frames = entry("bp4d", "frames")["values"][""]
    assert frames == 146_847 == sum(entry("bp4d", "frames of subject")["values"].values())
    assert frames == sum(entry("bp4d", "frames of part")["values"].values())
    for name, total in (("all", 130_814), ("jaanet", 126_144)):
        assert entry("disfa", "frames", frames=name)["values"][""] == total
        assert sum(entry("disfa", "frames of subject", frames=name)["values"].values()) == total
        assert sum(entry("disfa", "frames of part", frames=name)["values"].values()) == total
    parts = [entry("feafa_plus", "frames", part=part)["values"][""] for part in ("A", "B", "both")]
    assert parts == [99_356, 130_828, 230_184] and parts[0] + parts[1] == parts[2]
    assert entry("feafa", "nonzero rate")["values"].keys() == FEAFA_UNITS.keys()
    assert set(entry("feafa", "nonzero rate")["values"].items()) >= {
        (next(iter(FEAFA_UNITS)), 0.395),
        (list(FEAFA_UNITS)[23], 0.035),
    }
    for corpus, when, total in (("bp4d", {}, 146_847), ("disfa", {"frames": "all"}, 130_814)):
        rates = entry(corpus, "positive rate", **when)["values"]
        active = entry(corpus, "positives", **when)["values"]
        assert rates == {code: round(count / total, 4) for code, count in active.items()}


@pytest.mark.parametrize(
    "corpus, quantity, number, tag",
    [
        ("bp4d", "subjects", 41, "V2"),
        ("bp4d", "sequences", 328, "V2"),
        ("bp4d", "frames", 146_847, "C"),
        ("bp4d_plus", "subjects", 140, "V2"),
        ("bp4d_plus", "sequences", 560, "V1"),
        ("disfa", "subjects", 27, "V2"),
        ("disfa_plus", "subjects", 9, "V1"),
        ("disfa_plus", "frames", 57_150, "V1"),
        ("feafa", "sequences", 127, "V2"),
        ("feafa", "frames", 99_356, "S"),
        ("unbc", "subjects", 25, "-"),
        ("unbc", "sequences", 200, "-"),
        ("unbc", "frames", 48_398, "-"),
        ("emotionet", "frames", 24_600, "V2"),
        ("raf_au", "frames", 4_601, "M"),
    ],
)
def test_published_numbers_and_how_well_they_are_known(corpus, quantity, number, tag):
    found = entry(corpus, quantity)
    assert (found["values"], found["tag"]) == ({"": number}, tag)


def test_every_entry_names_a_corpus_a_source_and_its_evidence():
    for found in PUBLISHED["counts"]:
        assert found["corpus"] in READERS and found["source"] and found["tag"] in evidence_tags()


@pytest.mark.parametrize("entry", [entry for entry in PUBLISHED["counts"] if "when" in entry], ids=str)
def test_counts_hold_under_options_that_the_reader_has(entry):
    options = options_of(entry["corpus"])
    for name in entry["when"]:
        assert name in options and options[name].default is not inspect.Parameter.empty


def test_a_complete_bp4d_equals_everything_published():
    checks = compare("bp4d", bp4d())
    published = [check for check in checks if check.verdict != NOT_PUBLISHED]
    assert verdicts(published) == {EQUAL}
    assert len(published) == 1 + 2 + 1 + 1 + 3 + 41 + 12 + 12
    assert of(checks, "frames") == Check(
        "frames", 146_847, 146_847, "C", EQUAL, source="counted in the path and label lists of CVI-SZU/MDHR"
    )
    assert of(checks, "positive rate", "AU12").found == 82_530 / 146_847
    assert of(checks, "positive rate", "AU5") == Check(
        "positive rate", None, 4_000 / 146_847, "", NOT_PUBLISHED, "AU5"
    )
    never = of(checks, "positive rate", "AD32")
    assert never.verdict == NOT_PUBLISHED and math.isnan(never.found)
    assert [check.quantity for check in checks[:8]] == [
        *("subjects", "subjects by initial", "subjects by initial", "sequences", "frames"),
        *["frames of part"] * 3,
    ]


def test_jaanet_counts_are_those_of_the_frames_that_the_reader_drops():
    every, kept = (entry("disfa", "frames of subject", frames=name)["values"] for name in ("all", "jaanet"))
    dropped = {s: sum(last - first + 1 for first, last in ranges) for s, ranges in JAANET_DROPPED.items()}
    assert kept == {subject: count - dropped.get(subject, 0) for subject, count in every.items()}


@pytest.mark.parametrize("frames", ["all", "jaanet"])
def test_disfa_is_compared_with_the_list_that_was_read(frames):
    other = {"all": "jaanet", "jaanet": "all"}[frames]
    checks = compare("disfa", disfa(frames), {"frames": frames, "camera": "right"})
    counted = [check for check in checks if check.quantity.startswith(("subjects", "frames"))]
    assert verdicts(counted) == {EQUAL} and len(counted) == 1 + 1 + 3 + 27
    wrong = compare("disfa", disfa(frames), {"frames": other})
    assert of(wrong, "frames").verdict == DIFFERS
    assert of(wrong, "frames of subject", "SN021").verdict == DIFFERS
    assert of(wrong, "frames of subject", "SN003").verdict == EQUAL  # JAA-Net keeps all of it
    assert compare("disfa", disfa("all")) == compare("disfa", disfa("all"), {"frames": "all"})


def test_rates_of_disfa_are_published_for_all_frames_only():
    assert of(compare("disfa", disfa()), "positive rate", "AU25").verdict == EQUAL
    assert of(compare("disfa", disfa()), "positives", "AU1").verdict == EQUAL
    assert of(compare("disfa", disfa(), {"frames": "jaanet"}), "positive rate", "AU25").verdict == NOT_PUBLISHED


def test_one_frame_too_few_is_seen_in_every_sum():
    census = bp4d()
    census.frames["F007"] -= 1
    census.coded_frames[OCCURRENCE] = census.frames
    checks = compare("bp4d", census)
    assert {check.label for check in checks if check.verdict == DIFFERS} == {
        *("frames", "frames of part, part3", "frames of subject, F007")
    }
    assert of(checks, "frames of subject", "F007").found == 3_572


def test_one_label_off_is_seen_although_the_rate_is_the_same_in_four_digits():
    census = bp4d()
    census.units[OCCURRENCE]["AU6"].positive += 1
    checks = compare("bp4d", census)
    assert [check.label for check in checks if check.verdict == DIFFERS] == ["positives, AU6"]


def test_an_incomplete_corpus_names_who_is_missing_and_compares_the_others():
    census = bp4d()
    for subject in ("F010", "M002"):
        for counts in (census.frames, census.sequences, census.coded_frames[OCCURRENCE]):
            counts.pop(subject, None)
    checks = compare("bp4d", census)
    subjects = of(checks, "subjects")
    assert (subjects.expected, subjects.found, subjects.verdict) == (41, 39, DIFFERS)
    assert subjects.note == "2 subjects missing: F010, M002"
    assert of(checks, "frames").note == "2 subjects missing"
    assert of(checks, "sequences").found == 312
    of_subject = [check for check in checks if check.quantity == "frames of subject"]
    assert len(of_subject) == 39 and verdicts(of_subject) == {EQUAL}
    assert (
        of(checks, "frames of part", "part1").note == "1 subject missing" == of(checks, "frames of part", "part2").note
    )
    assert of(checks, "frames of part", "part3").verdict == EQUAL and not of(checks, "frames of part", "part3").note
    assert "2 subjects missing: F010, M002" in summary(checks)
    assert "differs (see below)" in printed(checks) and "2 subjects missing: F010, M002" in printed(checks)
    census.frames["F004"] -= 1
    census.coded_frames[OCCURRENCE]["F004"] -= 1
    assert of(compare("bp4d", census), "frames of part", "part3").note == ""  # nobody of it is missing


def test_one_sex_and_one_part_missing_altogether_count_as_none():
    census = bp4d()
    for subject in [s for s in census.frames if s.startswith("M") or s in partition("bp4d").parts["part1"]]:
        for counts in (census.frames, census.sequences, census.coded_frames[OCCURRENCE]):
            del counts[subject]
    checks = compare("bp4d", census)
    assert (of(checks, "subjects by initial", "M").found, of(checks, "frames of part", "part1").found) == (0, 0)
    assert DIFFERS == of(checks, "subjects by initial", "M").verdict == of(checks, "frames of part", "part1").verdict


def test_people_who_do_not_belong_are_named():
    census = bp4d()
    census.frames["X001"] = 1
    note = of(compare("bp4d", census), "subjects").note
    assert note == "1 subject not of this corpus: X001"


def test_people_without_published_ids_are_only_counted():
    census = Census.from_dict({"frames": {"042": 48_398}, "sequences": {"042": []}, "coded_frames": {}, "units": {}})
    checks = compare("unbc", census)
    assert of(checks, "subjects").note == "24 subjects missing"
    assert of(checks, "frames").verdict == EQUAL


def test_a_unit_that_no_frame_codes_differs_and_says_so():
    census = bp4d()
    census.units[OCCURRENCE]["AU4"] = UnitCount(0, 0)
    check = of(compare("bp4d", census), "positive rate", "AU4")
    assert check.verdict == DIFFERS and math.isnan(check.found) and check.note == "never coded"
    assert "NaN" in printed([check]) and "differs (never coded)" in printed([check])


def test_a_protocol_of_few_units_is_not_blamed_for_the_others():
    census = bp4d()
    census.units = {OCCURRENCE: {"AU12": census.units[OCCURRENCE]["AU12"]}}
    checks = compare("bp4d", census)
    assert [check.key for check in checks if check.quantity == "positives"] == ["AU12"]


def test_levels_of_bp4d_are_not_compared_with_its_occurrences():
    """The published counts are of AU_OCC; AU_INT codes fewer units, and its own frames."""
    census = bp4d()
    census.coded_frames = {INTENSITY: census.frames}
    census.units = {INTENSITY: {"AU6": UnitCount(100, 50)}}
    checks = compare("bp4d", census)
    assert of(checks, "positive rate", "AU6").verdict == of(checks, "frames").verdict == NOT_PUBLISHED
    assert not [check for check in checks if check.quantity == "positives"]


def test_frames_of_bp4d_are_those_of_occurrence():
    """A frame that only AU_INT codes is a row, but not one of the 146,847."""
    census = bp4d()
    census.add(FrameRecord(None, "F001", "T1", 1, {INTENSITY: {"AU6": 3.0}}))
    assert of(compare("bp4d", census), "frames").verdict == EQUAL
    assert of(compare("bp4d", census), "frames of subject", "F001").verdict == EQUAL


def test_disfa_counts_occurrence_where_it_was_derived():
    census = disfa()
    census.units = {OCCURRENCE: census.units[INTENSITY], INTENSITY: {"AU1": UnitCount(130_814, 1)}}
    assert of(compare("disfa", census), "positives", "AU1").verdict == EQUAL
    census.units[OCCURRENCE]["AU1"] = UnitCount(0, 0)  # occurrence not coded: levels count
    assert of(compare("disfa", census), "positives", "AU1").found == 1


def feafa(off: float = 0.0) -> Census:
    rates = entry("feafa", "nonzero rate")["values"]
    units = {code: [99_356, round(99_356 * (rate + off))] for code, rate in rates.items()}
    return Census.from_dict({"frames": {}, "sequences": {}, "coded_frames": {}, "units": {CONTINUOUS: units}})


@pytest.mark.parametrize(
    "off, verdict", [(0.0, EQUAL), (0.0025, EQUAL), (-0.0025, EQUAL), (0.02, DIFFERS), (-0.02, DIFFERS)]
)
def test_rates_of_a_sample_are_compared_within_its_error(off, verdict):
    """For a rate of 0.395: 4 * sqrt(0.395 * 0.605 / 18327 * (1 - 18327 / 99356)) = 0.0130, and half a digit."""
    checks = [check for check in compare("feafa", feafa(off)) if check.quantity == "nonzero rate"]
    assert len(checks) == 24 and verdicts(checks) == {verdict}
    assert all("drawn at random" in check.source for check in checks)


@pytest.mark.parametrize("off, verdict", [(0.0130, EQUAL), (0.0137, DIFFERS)])
def test_the_width_of_that_error(off, verdict):
    left_eye = next(iter(FEAFA_UNITS))
    assert of(compare("feafa", feafa(off)), "nonzero rate", left_eye).verdict == verdict


@pytest.mark.parametrize("part, people, known", [("A", 127, "PV"), ("B", 27, "SN"), ("both", 154, "")])
def test_feafa_plus_is_compared_with_the_part_that_was_read(part, people, known):
    ids = [s for s in frozenset().union(*partition("feafa_plus").parts.values()) if s.startswith(known)]
    census = Census.from_dict(
        {"frames": dict.fromkeys(ids, 1), "sequences": {s: ["1"] for s in ids}, "coded_frames": {}, "units": {}}
    )
    checks = compare("feafa_plus", census, {"part": part})
    assert len(ids) == people
    assert of(checks, "subjects").verdict == of(checks, "sequences").verdict == EQUAL
    assert not of(checks, "subjects").note and of(checks, "frames").verdict == DIFFERS
    del census.frames[ids[0]]
    assert of(compare("feafa_plus", census, {"part": part}), "subjects").note == f"1 subject missing: {ids[0]}"


def test_a_corpus_without_published_counts():
    census = Census()
    census.add(
        FrameRecord(None, "me", "film", 1, {OCCURRENCE: {"AU12": 1.0}, CONTINUOUS: {next(iter(FEAFA_UNITS)): 0.5}})
    )
    checks = compare("table", census)
    assert verdicts(checks) == {NOT_PUBLISHED}
    assert [(check.label, check.found) for check in checks] == [
        ("subjects", 1),
        ("sequences", 1),
        ("frames", 1),
        ("positive rate, AU12", 1.0),
        ("nonzero rate, feafa_01_left_eye_close", 1.0),
    ]


def test_nothing_at_all_on_disk():
    checks = compare("disfa", Census())
    assert (of(checks, "frames").expected, of(checks, "frames").found) == (130_814, 0)
    assert "27 subjects missing: SN001" in summary(checks)


def test_a_small_tree_on_disk(tmp_path):
    reader = open_corpus("bp4d", make(tmp_path, subjects=("F001", "F003", "M009"), frames=3))
    census = Census.expecting(reader.units)
    for subject in reader.subjects():
        for record in reader.read(subject):
            census.add(record)
    checks = compare("bp4d", census)
    assert of(checks, "subjects").note.startswith("38 subjects missing: F002, F004, F005")
    parts = [check.found for check in checks if check.quantity == "frames of part"]
    assert parts == [6, 6, 6] and of(checks, "frames of subject", "F003").found == 6
    assert of(checks, "sequences").found == 6 and of(checks, "positives", "AU24").verdict == DIFFERS
    assert "146,847" in printed(checks) and "| frames | 146,847 | 18 |" in markdown(checks)


def test_summary_counts_verdicts():
    checks = [Check("a", 1, 1, "V2", EQUAL), Check("b", 1, 2, "M", DIFFERS), Check("c", None, 2, "", NOT_PUBLISHED)]
    assert summary(checks) == "1 equal the published counts, 1 differ, 1 are not published"


def test_the_table_folds_people_who_are_as_published():
    census = bp4d()
    census.frames["F007"] -= 1
    census.coded_frames[OCCURRENCE] = census.frames
    checks = compare("bp4d", census)
    text = printed(checks)
    assert "frames of 40 subjects, each" in text and "143,274" in text
    assert "frames of subject, F007" in text and "frames of subject, F008" not in text
    assert "146,847" in text and "146,846" in text and "0.5620" in text
    assert "computed from lists" in text and "from memory" not in text
    whole = printed(checks, full=True)
    assert "frames of subject, F008" in whole and "subjects, each" not in whole


def test_the_table_keeps_the_order_when_all_are_folded():
    lines = [
        line.split("|")[1].strip() for line in markdown(compare("bp4d", bp4d())).splitlines() if line.startswith("| ")
    ]
    assert lines[8:12] == [
        "frames of part, part3",
        "frames of 41 subjects, each",
        "positive rate, AU1",
        "positives, AU1",
    ]


def test_markdown_is_a_table_and_a_sentence():
    text = markdown(
        [Check("frames", 4_601, 4_600, "M", DIFFERS), Check("positive rate", None, 0.25, "", NOT_PUBLISHED, "AU1")]
    )
    assert text.splitlines() == [
        "| quantity | expected | found | evidence | verdict |",
        "|---|---:|---:|---|---|",
        "| frames | 4,601 | 4,600 | M | differs |",
        "| positive rate, AU1 |  | 0.2500 |  | not published |",
        "",
        "0 equal the published counts, 1 differ, 1 are not published. Evidence: M: from memory, unverified.",
    ]


def test_names_from_disk_cannot_break_the_tables():
    census = bp4d()
    census.frames["[red]x|y\x1b[2J\n"] = 1
    checks = compare("bp4d", census)
    assert "[red]x|y\\x1b[2J\\n" in printed([of(checks, "subjects")])
    hostile = Check("frames of subject", 1, 2, "C", DIFFERS, "[red]x|y\x1b[2J\n")
    assert "[red]x|y\\x1b[2J\\n" in printed([hostile])
    line = markdown([hostile]).splitlines()[2]
    assert line.count("|") == 6 and "\x1b" not in line
    assert "\x1b" not in markdown(checks)
