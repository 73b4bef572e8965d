"""The Space as a folder and as a program: what its files say, what start-up does, and that it keeps to itself."""

import re
import tomllib
from dataclasses import replace

import gradio as gr
import pytest
import yaml

from aullava.space.app import KEPT, SWEEP, TITLE, build_demo, launch_options, main
from aullava.space.tab_about import about_tab

from checkout import ROOT

FOLDER = ROOT / "space"
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def front_matter():
    return yaml.safe_load((FOLDER / "README.md").read_text(encoding="utf-8").split("---")[1])


def test_the_front_matter_names_files_that_are_there_and_a_gradio_that_is_allowed():
    found = front_matter()
    assert (found["sdk"], found["app_file"]) == ("gradio", "app.py")
    assert (FOLDER / found["app_file"]).is_file()
    [gradio] = [line for line in EXTRAS["space"] if line.startswith("gradio")]
    lowest = re.search(r">=([\d.]+)", gradio).group(1)
    assert found["sdk_version"].startswith(f"{lowest}.")
    assert len(found["short_description"]) <= 60  # the Hub's limit


def test_the_program_imports_only_the_installed_package():
    """In a Space it lies alone beside the wheel."""
    ours = re.findall(r"^(?:from|import) (\S+)", (FOLDER / "app.py").read_text(), re.MULTILINE)
    assert {name.split(".")[0] for name in ours} <= {"os", "sys", "tempfile", "html", "importlib", "gradio", "aullava"}
    assert not any(name.startswith(".") for name in ours)


def test_a_checkpoint_that_cannot_be_loaded_is_named_in_one_line(monkeypatch, capsys):
    monkeypatch.setenv("AULLAVA_CHECKPOINT", "no/where/to/be/found")
    assert main() == 2
    said = capsys.readouterr().err
    assert "no checkpoint no/where/to/be/found" in said
    assert said.count("\n") == 1


def test_privacy_and_limits(recognizer):
    demo = build_demo(recognizer)
    assert demo.title == TITLE
    assert not demo.analytics_enabled
    assert demo.delete_cache == (SWEEP, KEPT)
    assert KEPT + SWEEP <= 3600  # the page says "within the hour"
    assert demo._queue.max_size
    options = launch_options()
    assert options["max_file_size"] and not options["share"]
    assert "http" not in options["css"].replace("http://www.w3.org", "")
    fonts = options["theme"].to_dict()
    assert "fonts.googleapis" not in str(fonts)


def test_the_page_names_the_checkpoint_and_warns_only_where_it_must(recognizer):
    other = build_demo(replace(recognizer, name="<b>lab</b>/big", drawn_only=False))
    texts = " ".join(str(block.value) for block in other.blocks.values() if isinstance(block, gr.HTML))
    assert "&lt;b&gt;lab&lt;/b&gt;/big" in texts
    assert "drawn faces only" not in texts
    mine = build_demo(recognizer)
    assert "drawn faces only" in " ".join(str(b.value) for b in mine.blocks.values() if isinstance(b, gr.HTML))


def about(recognizer):
    with gr.Blocks() as demo:
        about_tab(recognizer)
    return " ".join(str(block.value) for block in demo.blocks.values() if isinstance(block, (gr.HTML, gr.Markdown)))


def test_the_card_of_a_folder_is_shown_and_that_of_a_hub_id_linked(recognizer):
    mine = about(recognizer)
    assert "The embedded checkpoint of AU-LLaVA" in mine
    assert "license:" not in mine  # the front matter
    assert "href" not in mine
    theirs = about(replace(recognizer, name="lab/big", card="", on_hub=True))
    assert 'href="https://huggingface.co/lab/big"' in theirs
    assert "without a model card" in about(replace(recognizer, card=""))


@pytest.mark.parametrize(
    ("space", "expected"), [(None, "names no public address"), ("lab/faces", "/spaces/lab/faces/tree/main")]
)
def test_the_page_tells_where_its_code_is(recognizer, monkeypatch, space, expected):
    monkeypatch.delenv("SPACE_ID", raising=False)
    if space:
        monkeypatch.setenv("SPACE_ID", space)
    assert expected in about(recognizer)
