"""The peers learn, are saved whole, go on where they stopped and see the faces of the recipes; the scores are right by hand."""

import importlib
import json
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from transformers import HfArgumentParser

from aullava.action_units import PROTOCOLS
from aullava.dataset_builder.chat.drawn_faces import DrawnFaceArguments, drawn_faces
from aullava.dataset_builder.synthetic.drawn import sample_face
from aullava.metrics.au_intensity.scores import icc_3_1
from aullava.training.model.scratch import ScratchArguments

from checkout import ROOT


def benchmark(name):
    """A module of benchmarks/, whose scripts import one another by their folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")
        return importlib.import_module(name)


embedded_scores, peers, script = map(benchmark, ("parts.embedded_scores", "parts.peers", "baseline_classifier"))
SIZES = ScratchArguments(image_size=48, tower_width=24, tower_depths=[1, 1], language_width=32, language_layers=1)


@pytest.fixture
def truth():
    """Labels of 40 faces, of every kind and asymmetric."""
    generator = np.random.default_rng(0)
    return embedded_scores.Truth(
        (generator.random((40, 12)) < 0.5).astype(float),
        generator.integers(0, 6, (40, 12)).astype(float),
        generator.random((40, 24)).round(2),
    )


def perfect(truth):
    return embedded_scores.Reading(
        truth.bp4d_NU, (truth.disfa_NU >= 2) * 1.0, truth.disfa_NU, truth.disfa_NU, truth.feafa_NU, truth.feafa_NU
    )


def test_the_perfect_reading_has_perfect_scores(truth):
    scores = embedded_scores.embedded_scores(truth, perfect(truth))
    best = dict.fromkeys(("f1_bp4d12", "f1_disfa8", "min_au_f1", "min_side_correct"), 1.0)
    best |= dict.fromkeys(("mae_disfa12", "mae_feafa24", "undetermined", "undefined"), 0.0)
    assert {name: scores[name] for name in best} == best
    assert scores["icc_disfa12"] == pytest.approx(1)
    assert {name for name in scores if name.startswith("f1_disfa_")} == {
        f"f1_disfa_AU{n}" for n in (1, 2, 4, 6, 9, 12, 25, 26)
    }


def test_scores_of_a_wrong_reading_by_hand(truth):
    said = perfect(truth)
    present, levels, values = said.present_bp4d_NU.copy(), truth.disfa_NU.copy(), truth.feafa_NU.copy()
    truth.bp4d_NU[:, 0] = [1, 1, 0, 0] * 10
    present[:, 0] = [0.5, 0.49, 0.5, 0.1] * 10  # one hit, one miss, one false alarm: F1 0.5
    levels[:, 5] = levels[::-1, 5]  # AU9
    strong = (levels >= 2) * 1.0
    values[:, [9, 10]] = values[:, [10, 9]]  # the jaw slides to the other side
    said = replace(said, present_bp4d_NU=present, present_disfa_NU=strong, expected_disfa_NU=levels + 0.2)
    scores = embedded_scores.embedded_scores(truth, replace(said, expected_feafa_NU=values))
    assert scores["f1_bp4d_AU1"] == scores["min_au_f1"] == 0.5
    assert scores["f1_bp4d12"] == pytest.approx(11.5 / 12)
    assert scores["side_correct_jaw_slide"] == scores["min_side_correct"] == 0.0
    assert scores["side_correct_eye_close"] == 1.0
    assert scores["mae_feafa24"] == scores["mae_disfa12"] == 0.0  # read off the medians, which are right
    icc = icc_3_1(truth.disfa_NU[:, 5], levels[:, 5])
    assert scores["icc_disfa_AU9"] == pytest.approx(icc)  # an offset costs nothing
    assert scores["icc_disfa12"] == pytest.approx((11 + icc) / 12)
    hits, wrong = (
        (strong[:, 5] * (truth.disfa_NU[:, 5] >= 2)).sum(),
        (strong[:, 5] != (truth.disfa_NU[:, 5] >= 2)).sum(),
    )
    assert scores["f1_disfa_AU9"] == pytest.approx(2 * hits / (2 * hits + wrong))


def test_what_was_not_read_is_wrong_and_what_is_undefined_is_counted(truth):
    truth.bp4d_NU[:, 1] = 0  # never present
    truth.feafa_NU[:, 1] = truth.feafa_NU[:, 0]  # eyes always alike
    said = perfect(truth)
    values, present, levels = truth.feafa_NU.copy(), said.present_bp4d_NU.copy(), truth.disfa_NU.copy()
    present[:, 0], values[0, 2:4], levels[0, 0] = np.nan, np.nan, np.nan
    truth.feafa_NU[0, 2:4], truth.disfa_NU[0, 0] = (0.9, 0.1), 1
    scores = embedded_scores.embedded_scores(
        truth, replace(said, present_bp4d_NU=present, feafa_NU=values, expected_feafa_NU=values, level_disfa_NU=levels)
    )
    assert scores["f1_bp4d_AU1"] == 0.0 and np.isnan(scores["f1_bp4d_AU2"])
    assert scores["f1_bp4d12"] == pytest.approx(10 / 11)
    assert np.isnan(scores["side_correct_eye_close"])
    asked = (np.abs(truth.feafa_NU[:, 2] - truth.feafa_NU[:, 3]) > 0.3).sum()
    assert scores["side_correct_lid_raise"] == scores["min_side_correct"] == pytest.approx(1 - 1 / asked)
    assert scores["mae_feafa24"] == pytest.approx(
        1.8 / 40 / 24
    )  # the farthest that an answer could be from 0.9 and 0.1
    assert scores["mae_disfa12"] == pytest.approx(4 / 40 / 12)
    assert scores["undetermined"] == 43 and scores["undefined"] == 2


def test_trivial_readings(truth):
    nothing, everything = (
        embedded_scores.embedded_scores(truth, embedded_scores.constant_reading(40, value)) for value in (0, 1)
    )
    assert nothing["mae_feafa24"] == pytest.approx(truth.feafa_NU.mean())
    assert nothing["f1_bp4d12"] == nothing["icc_disfa12"] == nothing["min_side_correct"] == 0
    rate = truth.bp4d_NU.mean(0)
    assert everything["f1_bp4d12"] == pytest.approx((2 * rate / (1 + rate)).mean())


def test_truth_has_the_columns_of_the_protocols():
    faces = [sample_face("test", index) for index in range(3)]
    truth = embedded_scores.truth_of(
        [{n: face.values(PROTOCOLS[n]) for n in ("bp4d", "disfa", "feafa")} for face in faces]
    )
    assert truth.disfa_NU[:, 6].tolist() == [face.values(PROTOCOLS["disfa"])["AU12"] for face in faces]
    joined = np.concatenate([truth.bp4d_NU, truth.disfa_NU, truth.feafa_NU], axis=1)
    assert joined.tolist() == [script.labels_of(face) for face in faces]


def test_outputs_that_state_the_labels_are_read_as_them(truth):
    reached = truth.disfa_NU[..., None] >= np.arange(1, 6)
    parts = [
        truth.bp4d_NU * 80 - 40,
        reached.reshape(40, 60) * 80 - 40,
        np.full((40, 24), -40.0),
        truth.feafa_NU / peers.MEDIAN_SCALE,
    ]
    logits = torch.from_numpy(np.concatenate(parts, axis=1)).float()
    scores = embedded_scores.embedded_scores(truth, peers.reading_of(logits, median=True))
    assert scores["f1_bp4d12"] == scores["f1_disfa8"] == 1.0
    assert scores["mae_disfa12"] == 0 and scores["icc_disfa12"] == pytest.approx(1)
    assert scores["mae_feafa24"] == pytest.approx(0, abs=1e-6) and scores["min_side_correct"] == 0
    by_mean = embedded_scores.embedded_scores(truth, peers.reading_of(logits, median=False))
    assert by_mean["mae_feafa24"] == pytest.approx(truth.feafa_NU.mean())


@pytest.mark.parametrize("trunk", peers.TRUNKS)
def test_a_peer_learns_a_few_faces_and_is_saved_whole(trunk, tmp_path):
    faces = [sample_face("train", index, size=48, rare_boost=1.0) for index in range(8)]
    batch = script.collate([{"image_HWC": face.image_HWC, "labels": script.labels_of(face)} for face in faces])
    peer = peers.Peer(peers.Design(trunk, SIZES, median=False))
    optimizer = torch.optim.AdamW(peer.parameters(), lr=3e-3)
    first = peer(**batch)["loss"].item()
    for _ in range(30):
        peer(**batch)["loss"].backward()
        optimizer.step()
        optimizer.zero_grad()
    assert peer(**batch)["loss"].item() < 0.4 * first
    *_, mean_BU, median_BU = peers.outputs(peer(batch["pixel_values"])["logits"].detach())
    truth_BU = batch["labels"][:, -24:]
    nothing = truth_BU.mean().item()
    assert (mean_BU.sigmoid() - truth_BU).abs().mean().item() < 0.6 * nothing
    assert (median_BU - truth_BU).abs().mean().item() < 0.6 * nothing
    peers.save_peer(peer, tmp_path / "peer")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["peer"]
    images = [face.image_HWC for face in faces]
    before, after = (peers.read(model, images, 3) for model in (peer, peers.load_peer(tmp_path / "peer")))
    for name, part in vars(before).items():
        np.testing.assert_array_equal(part, getattr(after, name))
    with torch.inference_mode():
        whole = peers.reading_of(peer(batch["pixel_values"])["logits"], median=False)
    np.testing.assert_allclose(before.feafa_NU, whole.feafa_NU, atol=1e-5)


@pytest.fixture
def run(tmp_path):
    """A function that trains the peers of small settings as the command does and returns its JSON."""
    recipes = []
    for number, first in enumerate((0, 1000)):
        recipe = {"output_dir": "unread", "faces": 6, "first_face": first, "draw_size": 48, "rare_boost": 0.5}
        recipes.append(str(tmp_path / f"recipe_{number}.yaml"))
        (tmp_path / f"recipe_{number}.yaml").write_text(yaml.safe_dump(recipe))
    sizes = {name: getattr(SIZES, name) for name in ("image_size", "tower_width", "tower_depths", "language_width")}
    settings = {**sizes, "recipes": recipes, "validation_faces": 4, "per_device_train_batch_size": 4, "max_steps": 3}
    settings |= {"save_steps": 1, "use_cpu": True, "report_to": "none", "disable_tqdm": True, "language_layers": 1}
    for trunk in peers.TRUNKS:
        own = {"trunk": trunk, "output_dir": str(tmp_path / trunk)}
        (tmp_path / f"peers_{trunk}.yaml").write_text(yaml.safe_dump(settings | own))

    def run(capsys, *overrides):
        configs = [str(tmp_path / f"peers_{trunk}.yaml") for trunk in peers.TRUNKS]
        command = ["baseline_classifier.py", "--configs", *configs, "--faces", "5", "--trial", *overrides]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", command)
            script.main()
        return json.loads(capsys.readouterr().out.splitlines()[-1])

    return run


def test_the_command_trains_both_goes_on_and_reports(run, tmp_path, capsys):
    results = ROOT / "benchmarks" / "results"
    before = sorted(results.iterdir())
    figures = run(capsys)
    assert {f"{trunk}_{name}" for trunk in peers.TRUNKS for name in script.HEADLINE} <= figures.keys()
    assert 0 < figures["mae_feafa24_zero"] < 0.3 < figures["f1_bp4d12_all_present"]
    assert sorted(results.iterdir()) == before
    weights = {trunk: load_file(tmp_path / trunk / "peer" / "model.safetensors") for trunk in peers.TRUNKS}
    for trunk in peers.TRUNKS:
        shutil.rmtree(tmp_path / trunk / "peer")
        shutil.rmtree(tmp_path / trunk / "checkpoint-3")  # as if stopped after two of three steps
    assert run(capsys) == figures
    for trunk in peers.TRUNKS:
        assert not list((tmp_path / trunk).glob("_damaged*"))  # or it would have begun anew, to the same end
        again = load_file(tmp_path / trunk / "peer" / "model.safetensors")
        assert all(torch.equal(tensor, again[name]) for name, tensor in weights[trunk].items())
    with pytest.raises(ValueError, match="learning_rate was 5e-05, is 0.001"):
        run(capsys, "--learning_rate", "1e-3")


def test_the_headline_has_the_better_peer_and_the_trivial_answers(truth):
    said = {"one": perfect(truth), "two": embedded_scores.constant_reading(40, 0.4)}
    said |= {"zero": embedded_scores.constant_reading(40, 0), "all_present": embedded_scores.constant_reading(40, 1)}
    scores = {name: embedded_scores.embedded_scores(truth, reading) for name, reading in said.items()}
    for order in (["one", "two"], ["two", "one"]):
        figures = script.headline(scores, order)
        assert figures["peer_f1_bp4d12"] == figures["peer_f1_disfa8"] == figures["one_f1_bp4d12"] == 1
        assert figures["two_f1_bp4d12"] == 0
    assert figures["mae_feafa24_zero"] == pytest.approx(truth.feafa_NU.mean(), abs=1e-4)
    assert figures["f1_disfa8_all_present"] == round(scores["all_present"]["f1_disfa8"], 4) > 0.5


def test_peers_see_every_face_of_every_recipe():
    recipes = sorted(f"configs/{path.name}" for path in (ROOT / "configs").glob("tiny_*.yaml"))
    settings = {t: yaml.safe_load((ROOT / "configs" / f"peers_{t}.yaml").read_text()) for t in peers.TRUNKS}
    assert settings["tower"]["recipes"] == settings["cnn"]["recipes"] == recipes
    faces = script.recipe_faces([str(ROOT / recipe) for recipe in recipes], 96)
    rows = faces.rows("train")
    [second] = HfArgumentParser(DrawnFaceArguments).parse_yaml_file(ROOT / recipes[1], allow_extra_keys=True)
    place = faces.ranges[0].faces + 7
    shown = np.asarray(drawn_faces(second)[7]["images"][0])
    np.testing.assert_array_equal(rows[place]["image_HWC"], shown)
    assert len(rows) == sum(yaml.safe_load((ROOT / recipe).read_text())["faces"] for recipe in recipes)


def test_contradictions_are_named(tmp_path):
    with pytest.raises(ValueError, match="draw_size 96, the peer image_size 64"):
        script.recipe_faces([str(ROOT / "configs" / "tiny_1_tower.yaml")], 64)
    with pytest.raises(ValueError, match="trunk is 'transformer': expected one of tower, cnn"):
        peers.Design("transformer")
    with pytest.raises(ValueError, match="tower is 'warm' and trunk is 'cnn'"):
        script.PeerArguments(trunk="cnn", recipes=[], tower="warm")
