"""Plots: every unit and gap is in them, the page needs no network, and names do not get out of their place."""

import base64
import html
import json
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from plotly.io import to_html

from aullava.analysis.plots import draw_html, draw_png, write_plots
from aullava.analysis.series import as_floats, series_of, value_columns


def shown(table):
    """What the drawing functions take for the first face of a table."""
    one, columns = series_of(table)[0], value_columns(table)
    return "clip", columns, one, np.stack([one.values(as_floats(table, column.name)) for column in columns])


def figure_of(page: str) -> tuple[list[dict], dict]:
    """Traces and layout in a written page."""
    start = re.search(r'Plotly\.newPlot\(\s*"[-\w]+",\s*', page).end()
    traces, end = json.JSONDecoder().raw_decode(page, start)
    return traces, json.JSONDecoder().raw_decode(page, re.compile(r",\s*").match(page, end).end())[0]


def numbers(packed: dict) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed["bdata"]), packed["dtype"])


@pytest.fixture
def three_scales(table_of, course):
    course = course.tolist()
    course[20:25] = [None] * 5
    strengths, present = ([v if v is None else f(v) for v in course] for f in (lambda v: v / 5, lambda v: int(v > 3)))
    face = {"AU12_r": course, "feafa_09_jaw_drop_v": strengths, "AU25_c": present}
    return table_of(face, frames=100, name="in/a $x$ </script><b>.mp4")


def test_a_picture_and_a_page_for_each_face(three_scales, tmp_path):
    again = three_scales[three_scales["face_id"] == 0].assign(face_id=3)
    alone = again.head(1).assign(face_id=4)  # one sample is no course
    files = write_plots(pd.concat([three_scales, again, alone]), tmp_path / "plots", "a")
    assert [file.name for file in files] == ["a_face0.png", "a_face0.html", "a_face3.png", "a_face3.html"]
    assert sorted(files) == sorted((tmp_path / "plots").iterdir())
    with Image.open(files[0]) as image:
        colours = {colour for _, colour in image.convert("RGB").getcolors(1 << 20)}
    assert {(0xD5, 0x5E, 0), (0, 0x9E, 0x73), (0, 0x72, 0xB2), (0xE2, 0xE5, 0xEA)} <= colours


def test_rows_of_the_picture_show_units_scales_and_gaps(three_scales):
    figure = draw_png(*shown(three_scales))
    jaw = figure.axes[1]
    assert [axes.get_ylabel() for axes in figure.axes] == ["AU12 Lip corner puller", "Jaw Drop", "AU25 Lips part"]
    assert [axes.get_yticks().tolist() for axes in figure.axes] == [[0, 5], [0, 1], [0, 1]]
    times, values = jaw.lines[0].get_data()
    assert np.isnan(values[20:25]).all() and not np.isnan(np.delete(values, range(20, 25))).any()
    assert times[[0, -1]].tolist() == [0, 9.9] and jaw.get_xlim()[1] > 9.9
    [grey] = jaw.patches
    assert (grey.get_x(), grey.get_x() + grey.get_width()) == pytest.approx((1.9, 2.5))
    assert "5 of them without a reading" in figure.get_suptitle()


def test_a_page_holds_every_value_and_needs_no_network(three_scales, tmp_path):
    page = write_plots(three_scales, tmp_path, "a")[1].read_text(encoding="utf-8")
    assert "<script src" not in page and "<link" not in page and "plotly.js v" in page
    traces, layout = figure_of(page)
    assert [trace["name"] for trace in traces] == ["AU12 Lip corner puller", "Jaw Drop", "AU25 Lips part"]
    _, _, one, values_US = shown(three_scales)
    for trace, values_S in zip(traces, values_US, strict=True):
        np.testing.assert_allclose(numbers(trace["y"]), values_S, atol=1e-6)
        np.testing.assert_allclose(numbers(trace["x"]), one.seconds_S, atol=1e-5)
    assert [(shape["x0"], shape["x1"]) for shape in layout["shapes"]] == [(1.9, 2.5)]


def test_names_of_files_are_text_and_nothing_else(table_of, course, tmp_path):
    evil = "$\\frac$ <script>alert(1)<|script> <b> \udce9 \N{GRINNING FACE}.mp4".replace("|", "\\")
    pages = {}
    for name in ("plain.mp4", evil):
        picture, page = write_plots(table_of({"AU12_r": course}, frames=100, name=name), tmp_path, "a")
        pages[name] = page.read_text(encoding="utf-8")
        assert picture.stat().st_size > 10_000
    assert pages[evil].count("<script") == pages["plain.mp4"].count("<script")
    assert pages[evil].count("<b>") == pages["plain.mp4"].count("<b>")
    said = evil.replace("\udce9", "\\udce9") + ", face 0"
    assert html.unescape(re.search("<title>(.*)</title>", pages[evil])[1]) == said
    assert html.unescape(figure_of(pages[evil])[1]["title"]["text"]).startswith(said)


def test_a_name_cannot_end_the_script(table_of, tmp_path):
    table = table_of({"AU12_r": [0, 1]}, frames=2)
    title, *rest = shown(table)
    page = to_html(draw_html("</script><script>alert(1)</script>", *rest))
    assert "<script>alert" not in page


def test_without_times_frames_are_on_the_axis(table_of):
    table = table_of({"AU12_r": [0, 1, 2]}, frames=3, step=4, timed=False)
    figure = draw_png(*shown(table))
    assert figure.axes[0].get_xlabel() == "frame" and figure.axes[0].lines[0].get_xdata().tolist() == [0, 4, 8]
    assert draw_html(*shown(table)).layout.xaxis.title.text == "frame"


def test_a_value_alone_between_gaps_is_seen(table_of):
    values = [0.0] * 200
    values[99] = values[101] = np.nan
    values[100] = 3.5
    table = table_of({"AU12_r": values}, frames=200)
    dots = draw_png(*shown(table)).axes[0].lines[1]
    assert dots.get_data()[1].tolist() == [3.5]
    marker = draw_html(*shown(table)).data[0].marker
    assert np.flatnonzero(marker.size).tolist() == [100]


def test_a_long_course_is_drawn_by_the_graphics_card(table_of):
    units = [f"AU{number:02d}_c" for number in (1, 2, 4, 6)]
    table = table_of(dict.fromkeys(units, [0, 1]), frames=2)
    assert draw_html(*shown(table)).data[0].type == "scatter"
    title, columns, one, _ = shown(table_of(dict.fromkeys(units, [0, 1] * 7000), frames=14000))
    assert draw_html(title, columns, one, np.zeros((4, 14000))).data[0].type == "scattergl"
