"""Each metric is one folder that `evaluate` loads on its own: no network, no package `aullava`, and the card's code runs."""

import doctest
import importlib
import json
import math
import shutil

import evaluate
import numpy as np
import pytest
import yaml

from checkout import ROOT, imports_of

FOLDERS = {"au_detection": "AUDetection", "au_intensity": "AUIntensity"}


@pytest.fixture(params=FOLDERS)
def folder(request):
    return ROOT / "metrics" / request.param


@pytest.fixture(scope="module")
def detection():
    return evaluate.load(str(ROOT / "metrics/au_detection"))


@pytest.fixture(scope="module")
def intensity():
    return evaluate.load(str(ROOT / "metrics/au_intensity"))


def test_a_folder_needs_nothing_beside_itself_but_numpy_datasets_and_evaluate(folder):
    for path in folder.glob("*.py"):
        for found in imports_of(path.read_text()):
            if found.level:
                assert found.level == 1 and (folder / f"{found.module}.py").is_file(), f"{path.name}:{found.line}"
            else:
                assert found.top in {"numpy", "dataclasses", "collections", "datasets", "evaluate"}, (
                    f"{path.name}:{found.line}"
                )


def test_the_entry_file_names_every_file_for_evaluate_to_copy(folder):
    from evaluate.loading import get_imports

    entry = folder / f"{folder.name}.py"
    local = {name for kind, name, *_ in get_imports(str(entry)) if kind == "internal"}
    assert local == {path.stem for path in folder.glob("*.py")} - {"__init__", entry.stem}


def test_the_averages_of_the_second_folder_are_a_copy_of_the_first():
    """`make fix` writes it."""
    first, second = ((ROOT / "metrics" / name / "averages.py").read_bytes() for name in FOLDERS)
    assert first == second


def test_a_copy_of_the_folder_alone_loads_and_scores(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / folder.name, ignore=shutil.ignore_patterns("__pycache__"))
    scores = evaluate.load(str(copy)).compute(
        predictions=[[1, 0], [0, 1]], references=[[1, 0], [0, 1]], units=["a", "b"]
    )
    assert list(scores) == ["pooled"] and list(scores["pooled"]["per_unit"]) == ["a", "b"]


def test_examples_of_module_and_card_run(folder, monkeypatch):
    monkeypatch.chdir(ROOT)  # the examples load `metrics/<folder>`, as from a clone
    module = importlib.import_module(f"aullava.metrics.{folder.name}.{folder.name}")
    finder, runner = doctest.DocTestParser(), doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for name, text in (("docstring", module._KWARGS_DESCRIPTION), ("card", (folder / "README.md").read_text())):
        code = text.replace("```", "")  # the fence would be read as expected output
        test = finder.get_doctest(code, {}, f"{folder.name} {name}", None, 0)
        assert len(test.examples) > 2 and runner.run(test).failed == 0


def test_the_class_takes_named_options_only(folder):
    module = importlib.import_module(f"aullava.metrics.{folder.name}.{folder.name}")
    code = getattr(module, FOLDERS[folder.name])._compute.__code__
    assert not code.co_flags & 0x0C, "no *args and no **kwargs: a misspelt option must not pass silently"
    options = code.co_varnames[3 : code.co_argcount]
    assert options and [name for name in options if f"    {name} (" not in module._KWARGS_DESCRIPTION] == []


def test_the_card_has_front_matter_and_every_section_and_names_every_score(folder):
    text = (folder / "README.md").read_text()
    _, front, body = text.split("---\n", 2)
    assert {"title", "tags", "description"} <= yaml.safe_load(front).keys()
    headings = [line.removeprefix("## ") for line in body.splitlines() if line.startswith("## ")]
    assert headings == ["Use", "Scores", "Conventions", "Values from papers", "Limits", "Sources"]
    scores = importlib.import_module(f"aullava.metrics.{folder.name}.scores")
    found = evaluate.load(str(folder)).compute(predictions=[[1], [0]], references=[[1], [0]])["pooled"]["per_unit"][
        "unit_0"
    ]
    assert [name for name in found if f"`{name}`" not in body] == []
    assert set(scores.COUNTS) | set(scores.ERRORS) <= found.keys()


def test_numpy_lists_none_and_batches_give_the_same(detection):
    truth, said = np.array([[1, 0], [math.nan, 1], [0, 1]]), np.array([[0.9, 0.1], [0.2, math.nan], [0.6, 0.7]])
    expected = detection.compute(predictions=said, references=truth)
    lists = [[[None if math.isnan(v) else v for v in row] for row in table.tolist()] for table in (said, truth)]
    assert str(detection.compute(predictions=lists[0], references=lists[1])) == str(expected)
    detection.add_batch(predictions=lists[0][:2], references=lists[1][:2])
    detection.add(prediction=lists[0][2], reference=lists[1][2])
    assert str(detection.compute()) == str(expected)
    assert expected["pooled"]["per_unit"]["unit_0"] | {"ece": 0} == {
        "f1": 2 / 3, "f1_undetermined_wrong": 2 / 3, "f1_skew_normalised": 2 / 3, "precision": 0.5, "recall": 1.0,
        "accuracy": 0.5, "balanced_accuracy": 0.5, "roc_auc": 1.0, "average_precision": 1.0, "ece": 0,
        "frames": 2, "positives": 1, "predicted_positives": 2, "not_coded": 1, "undetermined": 0,
    }  # fmt: skip


def test_values_arrive_in_full_precision(detection):
    truth, said = [[1], [0]], [[0.1 + 1e-12], [0.1]]
    assert detection.compute(predictions=said, references=truth)["pooled"]["roc_auc_supported"] == 1


def test_options_reach_the_scores(detection, intensity):
    truth, said = [[1, 0], [0, 0]], [[0.4, 0.1], [0.1, 0.1]]
    strict = detection.compute(predictions=said, references=truth, threshold=[0.4, 0.5], bins=1, units=["AU1", "AU2"])[
        "pooled"
    ]
    assert strict["f1_supported"] == 1 and strict["ece_supported"] == pytest.approx((0.25 + 0.1) / 2)
    assert math.isnan(strict["per_unit"]["AU2"]["f1"])
    published = detection.compute(predictions=said, references=truth, convention="published")["pooled"]
    assert published["per_unit"]["unit_1"]["f1"] == 0 and published["f1_undefined"] == 1
    folds = detection.compute(predictions=said, references=truth, folds=["a", "b"])["mean_over_folds"]
    assert folds["folds"] == 2 and folds["f1_undefined"] == 3
    fractions = intensity.compute(
        predictions=[[0.5], [None]], references=[[0.5], [0.25]], scale="continuous", folds=[1, 2]
    )
    assert fractions["pooled"]["mae_undetermined_worst_supported"] == 0.375
    assert fractions["mean_over_folds"]["mae_undefined"] == 1
    assert "mae_missing_as_zero" not in fractions["pooled"]


def test_a_label_off_the_scale_and_an_unknown_option_are_refused(detection, intensity):
    with pytest.raises(ValueError, match="references.*is 9"):
        detection.compute(predictions=[[1]], references=[[9]])
    with pytest.raises(ValueError, match="expected 0 to 1 on the scale"):
        intensity.compute(predictions=[[1]], references=[[3]], scale="continuous")
    with pytest.raises(TypeError, match="treshold"):
        detection.compute(predictions=[[1]], references=[[1]], treshold=0.3)


def test_results_go_into_json_and_back(detection, intensity):
    for metric in (detection, intensity):
        scores = metric.compute(predictions=[[1.0], [0]], references=[[1], [0]], folds=["a", "b"])
        assert str(json.loads(json.dumps(scores))) == str(scores)
