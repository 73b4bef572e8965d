"""The README says what is there: its tree, its commands and its Python are those of this checkout."""

import os
import re
import subprocess
import sys
from pathlib import Path

import forked
from checkout import ROOT, tracked_files
from trees import disfa

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
[TREE] = [text for language, text in BLOCKS if language == "text"]
[_, PYTHON, VIDEO, CORPUS] = [text for language, text in BLOCKS if language == "python"]
SCRIPTS = [text.replace("\\\n", "") for language, text in BLOCKS if language == "bash"]
COMMANDS = [line.strip() for text in SCRIPTS for line in text.splitlines()]
FILM_COMMANDS = [line.split("#")[0].split() for line in COMMANDS if line.startswith("aullava ") and "film/" in line]


def tree_paths() -> list[str]:
    return [line.split()[0] for line in TREE.splitlines() if not line.startswith(" ")]


def test_tree_names_what_exists_as_what_it_is():
    for path in tree_paths():
        assert (ROOT / path).is_dir() if path.endswith("/") else (ROOT / path).is_file(), f"README's tree names {path}"
    assert len(tree_paths()) == len(set(tree_paths()))


def test_tree_names_every_tracked_file_and_folder_of_the_root():
    top = {name.partition("/")[0] + ("/" if "/" in name else "") for name in tracked_files()}
    named = {path.partition("/")[0] + ("/" if "/" in path else "") for path in tree_paths()}
    assert sorted(top - named) == []


def test_tree_lines_say_what_each_is_for():
    assert [line for line in TREE.splitlines() if len(line.split()) < 2 or len(line) > 119] == []


def test_make_targets_exist():
    used = set(re.findall(r"(?:^|`)make ([a-z]+)", README, re.MULTILINE))
    assert {"demo", "test"} <= used
    assert used <= set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_links_to_files_lead_somewhere():
    targets = re.findall(r"\]\(([^)#:]+)\)", README)
    assert targets
    assert [t for t in targets if not (ROOT / t).exists()] == []


def test_command_lines_name_real_verbs_and_options():
    """Each `aullava` line of the README parses: its verb and flags are in that verb's help."""
    lines = [line.split("#")[0].split() for line in COMMANDS if line.startswith("aullava ")]
    assert lines
    helps = {}
    for verb in {words[1] for words in lines}:
        done = subprocess.run([sys.executable, "-m", "aullava.cli", verb, "--help"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        helps[verb] = set(re.findall(r"--[a-z-]+", done.stdout))
    for _, verb, *arguments in lines:
        unknown = {a for a in arguments if a.startswith("--")} - helps[verb]
        assert not unknown, f"aullava {verb} has no {sorted(unknown)}"


def test_the_ten_lines_of_python_run(tmp_path: Path):
    code = [line for line in PYTHON.splitlines() if line.strip()]
    assert len(code) == 10
    done = subprocess.run([sys.executable, "-c", PYTHON], cwd=tmp_path, env=os.environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("ok")


def test_the_corpus_example_runs(tmp_path: Path):
    disfa.make(tmp_path / "DISFA")
    (tmp_path / "example.py").write_text(CORPUS)
    done = forked.run("example.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "12 rows of 12 labelled frames" in done.stdout and "'role': 'assistant'" in done.stdout


def test_the_video_section_runs_on_a_shorter_film(tmp_path: Path):
    assert [words[1] for words in FILM_COMMANDS] == ["faces", "recognize", "recognize"]
    for words in FILM_COMMANDS:
        shorter = ["1" if before == "--seconds" else word for before, word in zip(["", *words], words, strict=False)]
        done = forked.run("-m", "aullava.cli", *shorter[1:], cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert found >= {
        "film.csv",
        "film.meta.json",
        "smooth.csv",
        "summary.csv",
        "plots/film_face0.html",
        "seen/film.mp4",
    }
    assert len((tmp_path / "film.csv").read_text().splitlines()) == 1 + 10 * 2
    (tmp_path / "example.py").write_text(VIDEO)
    done = forked.run("example.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 5 * 2
