"""`aullava build` on a small tree of every corpus: each gives its self-check table and loads."""

import importlib
import json

import datasets
import pytest

from aullava.cli import main
from aullava.dataset_builder.corpora.registry import READERS


@pytest.mark.parametrize("corpus", READERS)
def test_a_tree_of_every_corpus_is_built_and_loads(corpus, tmp_path, capsys):
    tree = importlib.import_module(f"trees.{corpus}")
    data_dir = tree.make(tmp_path / "corpus")
    arguments = ["build", "--corpus", corpus, "--out", str(tmp_path / "rows")]
    arguments += ["--data-dir", str(data_dir)] if data_dir else []
    arguments += [f"--option={key}={value}" for key, value in getattr(tree, "OPTIONS", {}).items()]
    assert main(arguments) == 0
    assert "Self-check" in capsys.readouterr().out
    manifest = json.loads((tmp_path / "rows/manifest.json").read_text())
    assert manifest["failed"] == []
    for name in manifest["configurations"]:
        loaded = datasets.load_dataset(str(tmp_path / "rows"), name, cache_dir=str(tmp_path / "cache"))
        assert all(rows.num_rows and rows[0]["image"].mode == "RGB" for rows in loaded.values())
        if name == "default":
            assert sum(rows.num_rows for rows in loaded.values()) == manifest["totals"]["rows"]
