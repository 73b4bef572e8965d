"""FACS table, protocols, and the text grammar as exact inverses."""

import math
import re
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aullava.action_units import (
    ACTION_UNITS,
    AU_LISTS,
    CONTINUOUS,
    FEAFA_UNITS,
    INTENSITY,
    OCCURRENCE,
    PROTOCOLS,
    QUESTION_FORMS,
    SCALES,
    WORDINGS,
    Protocol,
    Scale,
    answer_pieces,
    answer_regex,
    canonical_code,
    level_of,
    parse,
    question,
    render,
    resolve_protocol,
    sanitize,
    unit,
    value_of,
    value_strings,
)


@st.composite
def protocols(draw):
    """Any protocol: a named one, or a custom list in any order on any scale."""
    if draw(st.booleans()):
        return PROTOCOLS[draw(st.sampled_from(sorted(PROTOCOLS)))]
    pool = draw(st.sampled_from([sorted(ACTION_UNITS), sorted(FEAFA_UNITS)]))
    codes = draw(st.lists(st.sampled_from(pool), min_size=1, unique=True))
    return Protocol("custom", tuple(codes), draw(st.sampled_from(list(SCALES))))


@st.composite
def answered(draw):
    """A protocol and a valid value for each of its units."""
    protocol = draw(protocols())
    strings = st.sampled_from(value_strings(protocol.scale))
    return protocol, {code: value_of(draw(strings), protocol.scale) for code in protocol.units}


@given(answered())
def test_parse_inverts_render(case):
    protocol, values = case
    text = render(values, protocol)
    for strict in (True, False):
        read = parse(text, protocol, strict=strict)
        assert read.status == "ok"
        assert read.values == values
        assert list(read.values) == list(protocol.units)
    assert render(read.values, protocol) == text


@pytest.mark.parametrize("scale", SCALES)
def test_the_regex_takes_the_values_of_the_scale_and_no_others(scale):
    pattern = re.compile(answer_regex(Protocol("one", ("AU1",), scale)))
    texts = {"".join(signs) for length in range(5) for signs in product("0123456789.\u0661", repeat=length)}
    assert {text for text in texts if pattern.fullmatch(f"AU1={text}")} == set(value_strings(scale))


@given(answered(), st.data())
def test_the_regex_matches_what_render_writes_and_no_slip_of_it(case, data):
    """A slip: a character more, less or other. Now and then that is an answer again, and then it matches."""
    protocol, values = case
    text, pattern = render(values, protocol), answer_regex(protocol)
    assert re.fullmatch(pattern, text).groups() == tuple(_rendered(values, protocol).values())
    start, other = data.draw(st.integers(0, len(text))), data.draw(st.sampled_from(["", *" ,=.\n09Ae"]))
    slip = text[:start] + other + text[start + data.draw(st.integers(0, 1)) :]
    assert bool(re.fullmatch(pattern, slip)) == _is_answer(slip, protocol)


@settings(max_examples=20)
@given(st.data())
def test_render_writes_what_the_regex_matches(data):
    protocol = PROTOCOLS[data.draw(st.sampled_from(["gft", "bp4d_intensity", "feafa"]))]
    text = data.draw(st.from_regex(answer_regex(protocol), fullmatch=True))
    read = parse(text, protocol)
    assert read.status == "ok" and render(read.values, protocol) == text


def test_the_regex_says_nothing_that_engines_understand_differently():
    """No repetition, anchor, lookaround, named group or class of letters; and no literal that would need escaping."""
    for scale in SCALES:
        for codes in (ACTION_UNITS, FEAFA_UNITS):
            protocol = Protocol("all", tuple(codes), scale)
            assert re.fullmatch(r"([A-Za-z0-9=, ()|]|\[0-?[0-9]\]|\\\.)+", answer_regex(protocol))
            assert all(re.fullmatch("[A-Za-z0-9=, ]+", literal) for literal, _ in answer_pieces(protocol))


def _is_answer(text: str, protocol: Protocol) -> bool:
    """Whether a text is the protocol's literals with a value of the scale behind each; no value begins another."""
    for literal, _ in answer_pieces(protocol):
        value = next((v for v in value_strings(protocol.scale) if text.startswith(literal + v)), None)
        if value is None:
            return False
        text = text.removeprefix(literal + value)
    return text == ""


@given(answered(), st.randoms(use_true_random=False))
def test_lenient_parse_reads_reordered_items(case, random):
    protocol, values = case
    items = [f"{unit(code).key}={value}" for code, value in _rendered(values, protocol).items()]
    random.shuffle(items)
    text = "Here you are: " + "; ".join(items) + ". That is all."
    assert parse(text, protocol).status == "invalid"
    read = parse(text, protocol, strict=False)
    assert (read.status, read.values) == ("repaired", values)


@given(answered(), st.data())
def test_lenient_parse_leaves_what_is_missing_undetermined(case, data):
    protocol, values = case
    kept = data.draw(st.lists(st.sampled_from(protocol.units), unique=True))
    text = " and ".join(f"{unit(code).key}={_rendered(values, protocol)[code]}" for code in kept)
    read = parse(text, protocol, strict=False)
    assert read.values == {code: values[code] if code in kept else None for code in protocol.units}
    if not kept:
        assert read.status == "invalid"


@given(st.text(), protocols())
def test_lenient_parse_of_any_text_stays_on_the_scale(text, protocol):
    read = parse(text, protocol, strict=False)
    admissible = {value_of(v, protocol.scale) for v in value_strings(protocol.scale)}
    assert set(read.values) == set(protocol.units)
    assert all(value is None or value in admissible for value in read.values.values())


def _rendered(values, protocol):
    return {code: f"{v:.2f}" if protocol.scale == CONTINUOUS else str(v) for code, v in values.items()}


@pytest.mark.parametrize(
    ("text", "expected", "status"),
    [
        ("AU1=0 AU2=1", {"AU1": 0, "AU2": 1}, "ok"),
        ("AU2=1 AU1=0", {"AU1": 0, "AU2": 1}, "repaired"),
        ("AU01: 1, AU 2 = 0.", {"AU1": 1, "AU2": 0}, "repaired"),
        ("**AU1**: 1", {"AU1": 1, "AU2": None}, "repaired"),
        ("AU1 (inner brow raiser)=1", {"AU1": 1, "AU2": None}, "repaired"),
        ("Inner brow raiser: 1, outer brow raiser: 0", {"AU1": 1, "AU2": 0}, "repaired"),
        ("AU1=1 AU2=0 AU1=1", {"AU1": 1, "AU2": 0}, "repaired"),
        ("AU1=1 AU2=0 AU1=0", {"AU1": None, "AU2": 0}, "repaired"),  # contradicts itself
        ("AU1=1 ... AU1=7 AU2=0", {"AU1": None, "AU2": 0}, "repaired"),  # a second value off the scale
        ("AU1=2 AU2=1", {"AU1": None, "AU2": 1}, "repaired"),  # off the scale
        ("AU1=1.5 AU2=1/5", {"AU1": None, "AU2": None}, "invalid"),
        ("AU1=-1 AU2=10", {"AU1": None, "AU2": None}, "invalid"),
        ("AU11=1 AU21=1 AU12=1", {"AU1": None, "AU2": None}, "invalid"),  # other units' keys
        ("AU1 and AU2 are present", {"AU1": None, "AU2": None}, "invalid"),
        ("", {"AU1": None, "AU2": None}, "invalid"),
        ("1. AU1=1\n2. AU2=0\n", {"AU1": 1, "AU2": 0}, "repaired"),
        ("AU1=1 or 0, AU2=1", {"AU1": None, "AU2": 1}, "repaired"),
        ("AU1=0 -> 1; AU2=1", {"AU1": None, "AU2": 1}, "repaired"),
        ("not AU1=1, left AU2=1", {"AU1": None, "AU2": None}, "invalid"),
        ("left inner brow raiser=1 AU2=1", {"AU1": None, "AU2": 1}, "repaired"),
        ("AU1 is raised. AU1=1 AU4=0", {"AU1": 1, "AU2": None}, "repaired"),
        ("AU1=1 AU7=3 AU2=0", {"AU1": 1, "AU2": 0}, "repaired"),  # a unit that was not asked for
    ],
)
def test_lenient_parse_by_hand(text, expected, status):
    read = parse(text, Protocol("two", ("AU1", "AU2"), OCCURRENCE), strict=False)
    assert (read.values, read.status) == (expected, status)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("AU12=.5.", 0.5),
        ("AU12 = 0.53", 0.53),
        ("so AU12=1, yes", 1.0),
        ("AU12=0.5 ", 0.5),
        ("AU12=0.5\nDone", 0.5),  # the line ends there, not the text
        ("AU12=0.534", None),
        ("AU12=0,53", None),
        ("AU12=0. 53", None),
        ("AU12=0.2 to 0.9", None),
        ("AU12=0.5", None),  # two decimals, or the text was cut off
        ("AU12=0.", None),
        ("AU12=1", None),
    ],
)
def test_lenient_decimals(text, value):
    assert parse("Yes. " + text, Protocol("one", ("AU12",), CONTINUOUS), strict=False).values == {"AU12": value}


@given(answered(), st.data())
def test_an_answer_cut_short_gives_no_value_that_was_not_there(case, data):
    protocol, values = case
    text = render(values, protocol)
    read = parse(text[: data.draw(st.integers(0, len(text) - 1))], protocol, strict=False)
    assert all(value in (None, values[code]) for code, value in read.values.items())


def test_feafa_and_facs_units_are_not_mixed():
    with pytest.raises(ValueError, match="mixes"):
        resolve_protocol("AU28,feafa_16_upper_lip_suck")


def test_feafa_and_facs_numbers_do_not_mix():
    read = parse("AU1=0.50", PROTOCOLS["feafa"], strict=False)
    assert read.status == "invalid"


@pytest.mark.parametrize("bad", [-1, 6, 2.5, math.nan, None])
def test_render_refuses_values_off_the_scale(bad):
    protocol = Protocol("one", ("AU12",), INTENSITY)
    with pytest.raises(ValueError, match="0 to 5"):
        render({"AU12": bad}, protocol)
    assert render({"AU12": 2.0}, protocol) == "AU12=2"


def test_render_names_units_without_a_value():
    with pytest.raises(ValueError, match="AU2"):
        render({"AU1": 0}, Protocol("two", ("AU1", "AU2"), OCCURRENCE))


def test_continuous_values_are_rounded_to_two_decimals():
    protocol = Protocol("two", ("AU1", "AU2"), CONTINUOUS)
    assert render({"AU1": 0.534, "AU2": -0.0}, protocol) == "AU1=0.53, AU2=0.00"


def test_answer_is_pieces_and_values():
    protocol = PROTOCOLS["disfa"]
    text = render(dict.fromkeys(protocol.units, 3), protocol)
    assert text == "".join(f"{literal}3" for literal, _ in answer_pieces(protocol))
    assert text.startswith("AU1=3 AU2=3 AU4=3")


def test_protocols_hold_the_published_lists():
    assert PROTOCOLS["bp4d"].units == tuple(f"AU{n}" for n in (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24))
    assert PROTOCOLS["disfa"].units == tuple(f"AU{n}" for n in (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26))
    assert {len(AU_LISTS[name]) for name in ("bp4d_12", "abaw_12", "emotionet_12", "faba_12")} == {12}
    used = {p.units for p in PROTOCOLS.values()}
    assert all(tuple(canonical_code(n) for n in numbers) in used for numbers in AU_LISTS.values())
    assert len(PROTOCOLS["feafa"].units) == 24


def test_facs_table_is_complete():
    numbers = {entry.number for entry in ACTION_UNITS.values()}
    expected = {0, *range(1, 40), *range(41, 47), *range(51, 59), *range(61, 65)} - {3}
    assert numbers == expected
    assert all(entry.name and entry.region for entry in ACTION_UNITS.values())
    assert ACTION_UNITS["AU12"].sides == ("left", "right")
    assert ACTION_UNITS["AU26"].sides == ()
    listed = {canonical_code(n) for numbers in AU_LISTS.values() for n in numbers}
    assert all(ACTION_UNITS[code].change and ACTION_UNITS[code].muscle for code in listed)


def test_feafa_order_and_columns():
    units = list(FEAFA_UNITS.values())
    assert units[0].code == "feafa_01_left_eye_close"
    assert [units[i].side for i in (0, 1, 8, 9, 10, 23)] == ["L", "R", "", "L", "R", ""]
    assert PROTOCOLS["feafa"].column(units[0].code) == "feafa_01_left_eye_close_v"
    assert PROTOCOLS["disfa"].column("AU1") == "AU01_r"
    assert PROTOCOLS["bp4d"].column("AU12", "p") == "AU12_p"


def test_mirroring_swaps_sides_and_twice_is_nothing():
    protocol = PROTOCOLS["feafa"]
    values = {code: index / 100 for index, code in enumerate(protocol.units)}
    mirrored = protocol.flip(values)
    assert mirrored["feafa_01_left_eye_close"] == values["feafa_02_right_eye_close"]
    assert mirrored["feafa_10_jaw_slide_left"] == values["feafa_11_jaw_slide_right"]
    assert mirrored["feafa_09_jaw_drop"] == values["feafa_09_jaw_drop"]
    assert protocol.flip(mirrored) == values
    assert PROTOCOLS["disfa"].flip({"AU1": 3}) == {"AU1": 3}
    head = Protocol("head", ("AU51", "AU52", "AU53"), OCCURRENCE)
    assert head.flip({"AU51": 1, "AU52": 0, "AU53": 1}) == {"AU51": 0, "AU52": 1, "AU53": 1}
    with pytest.raises(ValueError, match="AU61 without AU62"):
        Protocol("gaze", ("AU61",), OCCURRENCE).flip({"AU61": 1})


@pytest.mark.parametrize(
    ("text", "code"),
    [("1", "AU1"), ("au01", "AU1"), ("AU 12", "AU12"), (30, "AD30"), ("AU34", "AD34"), ("AU43", "AU43")],
)
def test_canonical_code(text, code):
    assert canonical_code(text) == code


@pytest.mark.parametrize("text", ["AU3", "AU99", "", "smile", "AU1.5", "AU-1"])
def test_canonical_code_refuses(text):
    with pytest.raises(ValueError, match="no action unit"):
        canonical_code(text)


def test_resolve_protocol():
    assert resolve_protocol("disfa") is PROTOCOLS["disfa"]
    custom = resolve_protocol("AU1, au04,12", INTENSITY)
    assert (custom.units, custom.scale) == (("AU1", "AU4", "AU12"), INTENSITY)
    assert resolve_protocol("AU1").scale == OCCURRENCE
    assert resolve_protocol(custom) == custom


@pytest.mark.parametrize(
    ("name", "scale", "message"),
    [
        ("dista", None, "disfa"),
        ("AU1,AU1", None, "more than once"),
        ("disfa", OCCURRENCE, "scale"),
        ("AU1", "level", "scale"),
    ],
)
def test_resolve_protocol_refuses(name, scale, message):
    with pytest.raises(ValueError, match=message):
        resolve_protocol(name, scale)


@given(st.floats(0, 1))
def test_levels_rise_with_strength(strength):
    level = level_of(strength)
    assert level in range(6)
    assert abs(level - 5 * strength) <= 0.5 + 1e-6


def test_level_borders():
    assert [level_of(x) for x in (0, 0.09, 0.1, 0.29, 0.3, 0.5, 0.7, 0.9, 1)] == [0, 0, 1, 1, 2, 3, 4, 5, 5]
    with pytest.raises(ValueError, match="0 to 1"):
        level_of(1.2)


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_full_question_has_three_parts_in_every_wording(name):
    protocol = PROTOCOLS[name]
    texts = [question(protocol, "full", wording) for wording in range(WORDINGS)]
    assert len(set(texts)) == WORDINGS
    for text in texts:
        purpose, *definitions, answer = text.split("\n")
        assert "face" in purpose.lower()
        assert [line.split(":")[0].split(" ")[0] for line in definitions] == [
            unit(code).key.split(" ")[0] for code in protocol.units
        ]
        assert answer.startswith("Answer")
    short = question(protocol, "short")
    assert len(short) < len(texts[0]) / 2
    assert all(unit(code).key in short for code in protocol.units)


def test_question_refuses_unknown_forms():
    assert set(QUESTION_FORMS) == {"full", "short"}
    with pytest.raises(ValueError, match="long"):
        question(PROTOCOLS["disfa"], "long")
    with pytest.raises(ValueError, match="wording"):
        question(PROTOCOLS["disfa"], "full", WORDINGS)


@given(st.text(alphabet="<>/simage|pad[INST] "))
def test_sanitized_text_holds_no_control_token(text):
    clean = sanitize(text, ("</s>", "[INST]"))
    assert not any(token in clean for token in ("<image>", "</s>", "<pad>", "<|user|>", "[INST]"))
    assert clean.replace(" ", "") == text.replace(" ", "")


ADDED = (
    Scale(
        "percent",
        suffix="q",
        values=tuple(f"{value:03d}" for value in range(101)),
        highest=100,
        pattern="0[0-9][0-9]|100",
        separator=" ",
        default="median",
        active_from=10,
        label="percent, 0 to 100",
        meaning="percent of the maximum",
        rules=("percent from 000 to 100", "three digits, 000 for rest and 100 for the maximum"),
        short_rule="percent 000-100:",
        description=" Give each its percentage.",
    ),
    Scale(
        "three",
        suffix="t",
        values=("0", "1", "2"),
        highest=2,
        pattern="[0-2]",
        separator=" ",
        default="argmax",
        active_from=0.5,
        label="level 0 to 2",
        meaning="level of three",
        rules=("0 absent, 1 weak, 2 strong", "a level from 0 to 2"),
        short_rule="level 0-2:",
    ),
)


@pytest.mark.parametrize("scale, text, first_present", [(ADDED[0], "007", 30), (ADDED[1], "2", 1)])
def test_one_entry_adds_a_scale(monkeypatch, scale, text, first_present):
    from aullava.analysis.series import value_columns
    from aullava.dataset_builder.chat.describe import describe
    from aullava.dataset_builder.rows.derive import as_protocol
    from aullava.dataset_builder.rows.schema import value_column
    from aullava.evaluation.predictions import Predictions
    from aullava.evaluation.views import views
    from aullava.recognition.tables import Layout

    monkeypatch.setitem(SCALES, scale.name, scale)
    protocol = Protocol("mine", ("AU1", "AU12"), scale.name)
    values = {"AU1": 0, "AU12": int(text)}
    answer = render(values, protocol)
    assert answer.endswith(f"AU12={text}") and parse(answer, protocol).values == values
    assert parse(f"I see AU12={text}, and AU1={scale.values[0]}.", protocol, strict=False).values == values
    with pytest.raises(ValueError, match=f"a whole number from 0 to {scale.highest}"):
        render(values | {"AU1": scale.highest + 1}, protocol)
    assert question(protocol, "short").startswith(scale.short_rule)
    assert protocol.column("AU12") == value_column("AU12", scale.name) == f"AU12_{scale.suffix}"
    frame = Layout((protocol,)).frame([])
    assert [column.scale for column in value_columns(frame)] == [scale, scale]
    assert ("AU12_p" in frame.columns) == scale.has_levels
    assert protocol.first_present == first_present
    presence = Protocol("mine", protocol.units, "occurrence")
    assert as_protocol({scale.name: {"AU1": 0, "AU12": scale.highest}}, presence) == {"AU1": 0, "AU12": 1}
    said = describe({"AU1": 0, "AU12": scale.highest}, scale.name)
    shape = np.zeros((1, 2))
    scored = views(Predictions(protocol, "joint", "mine", ("a",), ("p",), shape, shape, shape, shape, ("ok",)))
    asked = ["level", "expected", "present"] if scale.has_levels else ["value", "expected"]
    assert [view.name for view in scored] == asked and scored[0].headlines == ("icc_3_1", "mae")
    assert said.startswith(f"AU12 lip corner puller, {scale.values[-1]}") and "AU1 " not in said
