"""The benchmark of the web page: what it takes for an answer, for busy and for a fault; and a trial of all of it as a script."""

import importlib
import json
import subprocess
import sys

import pytest

from checkout import ROOT

TARGETED = ("start_up_s", "move_s", "memory_growth_50", "clients_20", "traces")


def part(name):
    """A module of benchmarks/, whose scripts import one another by their folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")
        return importlib.import_module(name)


@pytest.mark.parametrize(
    ("told", "outcome"),
    [
        ("Queue is full. Max size is 40 and size is 40.", "busy"),
        ("The page is busy: try again in a minute", "busy"),
        ("The upstream Gradio app has raised an exception", "failed"),
        ("Traceback (most recent call last):\n  queue is full", "failed"),
        ("", "failed"),
    ],
)
def test_who_is_told_that_the_page_is_busy(told, outcome):
    assert part("parts.space_server").outcome_of(told) == outcome


def test_a_page_that_does_not_come_up_is_shown_with_its_last_words(tmp_path):
    server = part("parts.space_server")
    command = (sys.executable, "-c", "import sys; sys.exit('no checkpoint far/away')")
    with pytest.raises(RuntimeError, match="ended with 1 before a page was up:\nno checkpoint far/away"):
        server.Server(tmp_path, command).__enter__()


def test_a_visit_to_nowhere_is_a_failure(tmp_path):
    server = part("parts.space_server")
    assert server.visit(server.Server(tmp_path).address, tmp_path / "face.png") == "failed"


def test_pictures_are_of_different_sizes_and_meet_every_kind_of_request(tmp_path):
    space = part("space")
    sizes = {path.stat().st_size for path in space.draw_pictures(tmp_path)}
    assert len(sizes) == len(space.SHAPES)
    met = {(number % space.KINDS, number % len(space.SHAPES)) for number in range(space.KINDS * len(space.SHAPES))}
    assert len(met) == space.KINDS * len(space.SHAPES)


@pytest.mark.slow
def test_a_trial_measures_every_figure():
    before = sorted((ROOT / "benchmarks" / "results").iterdir())
    command = [sys.executable, str(ROOT / "benchmarks" / "space.py"), "--trial"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    figures = json.loads(run.stdout.splitlines()[-1])
    assert all(figures[name] is not None for name in TARGETED)
    assert figures["clients_20"] == 1 and figures["traces"] == 0
    assert figures["page_up_s"] < figures["start_up_s"] and figures["move_s"] <= figures["move_p95_s"]
    assert sorted((ROOT / "benchmarks" / "results").iterdir()) == before
