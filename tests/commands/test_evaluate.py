"""`aullava evaluate` on small corpora: files, folds, refusals, exit codes."""

import json
import shlex

import pytest

from aullava.checkpoint.identity import weights_id
from aullava.cli import main
from aullava.dataset_builder.rows.folds import fold
from aullava.evaluation.rows import EvaluationRows

from tiny import make_tiny_checkpoint
from trees import disfa, feafa

DRAWN = (
    "--corpus procedural --option count=8 --option draw_size=32 --protocol AU1,AU12 --checks 2 --draws 10 --device cpu"
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return make_tiny_checkpoint(tmp_path_factory.mktemp("runs") / "tiny", "swin")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return disfa.make(tmp_path_factory.mktemp("disfa"), frames=3, cameras=("left",))


def run(text, *more):
    return main(["evaluate", *shlex.split(text), *map(str, more)])


def test_all_folds_of_disfa(checkpoint, corpus, tmp_path, capsys):
    out = tmp_path / "report.json"
    arguments = ("--checkpoint", checkpoint, "--data-dir", corpus, "--out", out)
    flags = "--corpus disfa --faces none --folds all --checks 0 --draws 20 --device cpu"
    assert run(flags, *arguments) == 0
    record = json.loads(out.read_text())
    assert record["folds"] == ["fold1", "fold2", "fold3"] and record["rows"] == 9 and record["people"] == 3
    levels = record["scores"]["level"]
    assert levels["mean_over_folds"]["folds"] == 3 and levels["pooled"]["per_unit"]["AU12"]["frames"] == 9
    # Frames 1 to 3 of three people who are labelled alike: by hand, AU12 has the levels (60 + frame) % 6 = 1, 2, 3.
    assert levels["pooled"]["per_unit"]["AU12"]["active"] == 9
    assert record["controls"]["level"]["zero at every face"]["pooled"]["per_unit"]["AU12"]["mae"] == pytest.approx(2)
    assert record["controls"]["level"]["training mean"]["pooled"]["per_unit"]["AU12"]["mae"] == pytest.approx(2 / 3)
    assert levels["intervals"]["icc_3_1"]["people"] == 3
    ours = record["published"]["present"]["ours"]["pooled"]
    assert [*ours] == record["published"]["present"]["units"] and len(ours) == 8
    text = out.with_suffix(".md").read_text()
    assert "mean over folds" in text and "FMAE-IAT" in text and "(unverified)" in text and str(tmp_path) not in text
    assert {file.name for file in (tmp_path / "report_store").iterdir()} == {"fold1", "fold2", "fold3"}
    assert len([*(tmp_path / "report_plots").glob("*.png")]) == 8
    before = out.read_bytes()
    shards = {file: file.stat().st_mtime_ns for file in (tmp_path / "report_store").rglob("*.npz")}
    assert run(flags, *arguments) == 0
    assert out.read_bytes() == before and all(file.stat().st_mtime_ns == time for file, time in shards.items())
    assert run(flags + " --mode parallel", *arguments) == 2
    assert "mode: joint there, parallel now" in capsys.readouterr().err


def test_drawn_faces_with_everything(checkpoint, tmp_path):
    out = tmp_path / "drawn.json"
    flags = DRAWN + " --group-by glasses --corrupt 1 --option frames_per_identity=1 --option first=3"
    assert run(flags, "--checkpoint", checkpoint, "--out", out) == 0
    record = json.loads(out.read_text())
    assert record["rows"] == 8 and record["people"] == 8 and record["published"] == {}
    assert {group["name"] for group in record["groups"]["glasses"]["groups"]} > {"none"}
    assert sum(group["faces"] for group in record["groups"]["glasses"]["groups"]) == 8
    assert record["checks"]["batch_against_single"]["same_values"] == 1
    assert len(record["corruption"]["losses"]) == 8 and len(record["checks"]["formats"]["pairs"]) == 3
    assert "drawn at base rates" in record["controls"]["present"]
    assert "Published" not in out.with_suffix(".md").read_text()


def test_a_checkpoint_a_fold_and_one_that_has_seen_these_people(checkpoint, corpus, tmp_path, capsys):
    flags = "--corpus disfa --faces none --checks 1 --draws 5 --device cpu --protocol AU12"
    common = ("--data-dir", corpus, "--out", tmp_path / "a.json")
    for number in (1, 2):
        made = make_tiny_checkpoint(tmp_path / f"run_fold{number}", "swin")
        data = {"corpora": [{"corpus": "disfa", "fold": number}]}
        (made / "training.json").write_text(json.dumps({"data": data}))
    assert run(flags + " --folds fold1,fold2", "--checkpoint", tmp_path / "run_{fold}", *common) == 0
    ids = json.loads((tmp_path / "a.json").read_text())["checkpoint"]["id"]
    assert "of fold1, the first of 2 folds" in (tmp_path / "a.md").read_text()
    assert (
        ids == {fold: weights_id(tmp_path / f"run_{fold}") for fold in ids}
        and [*ids] == ["fold1", "fold2"]
        and str(tmp_path) not in (tmp_path / "a.json").read_text()
    )
    capsys.readouterr()
    for wrong in ("--fold fold2", "--split all"):
        assert run(f"{flags} {wrong}", "--checkpoint", tmp_path / "run_fold1", *common) == 2
        assert "SN006 (here) are the same" in capsys.readouterr().err
    assert run(flags, "--checkpoint", tmp_path / "run_{fold}", *common) == 2
    assert "no fold was asked for" in capsys.readouterr().err


def test_people_that_a_calibration_was_fitted_on_do_not_test_it(corpus, tmp_path, capsys):
    made = make_tiny_checkpoint(tmp_path / "calibrated", "swin")
    fitted = {"corpus": "disfa", "fold": "fold1", "people": {"validation": ["SN006"]}}
    (made / "training.json").write_text(json.dumps({"calibration": fitted}))
    flags = "--corpus disfa --checks 0 --draws 5 --device cpu --protocol AU12 --faces none"
    common = ("--checkpoint", made, "--data-dir", corpus, "--out", tmp_path / "a.json")
    for wrong in ("--fold fold2", "--split all", "--fold fold1 --split train"):
        assert run(f"{flags} {wrong}", *common) == 2
        assert "calibrated on validation subjects of disfa, fold fold1" in capsys.readouterr().err
    assert run(flags + " --fold 1", *common) == 0


@pytest.mark.parametrize(
    "flags, said",
    [
        ("--corpus procedural --out report.txt", "expected a name that ends in .json"),
        ("--corpus procedural --folds all --out a.json", "procedural has no frozen folds"),
        ("--corpus samm --out a.json", "no protocol for samm"),
        (
            "--corpus procedural --option size=9 --out a.json",
            "procedural has no option 'size': it has split=(none), count=1000",
        ),
        ("--corpus procedural --option count --out a.json", "--option 'count': expected key=value"),
        ("--corpus procedural --option count=many --out a.json", "count"),
        ("--corpus disfa --out a.json --data-dir nowhere --fold fold1", "nowhere"),
        (DRAWN + " --group-by sex --out a.json", "the rows have skin_tone, age"),
        ("--corpus disfa --folds fold1,1 --out a.json", "expected each fold once"),
        (DRAWN + " --faces mtcnn --out a.json", "unknown way to find faces 'mtcnn'"),
        (DRAWN + " --framing margin=0.1 --out a.json", "pictures of procedural are faces already"),
        (DRAWN + " --faces haar --out a.json", "pictures of procedural are faces already"),
        (DRAWN + " --protocol AU99 --out a.json", "AU99"),
        (DRAWN + " --calibrate --out a.json", "Run `aullava calibrate --checkpoint DIR --out NEW_DIR` first"),
    ],
)
def test_bad_usage(checkpoint, tmp_path, monkeypatch, capsys, flags, said):
    monkeypatch.chdir(tmp_path)
    assert run(flags, "--checkpoint", checkpoint) == 2
    assert said in (told := capsys.readouterr().err) and "reading" not in told
    assert not [*tmp_path.glob("a*")]


@pytest.mark.parametrize("there", ["config.json", "config.md"])
def test_files_of_others_are_not_replaced(tmp_path, capsys, there):
    (tmp_path / there).write_text("{}")
    assert run("--corpus procedural", "--out", tmp_path / "config.json") == 2
    assert f"{there} exists, and no evaluation wrote it" in capsys.readouterr().err
    assert (tmp_path / there).read_text() == "{}" and len([*tmp_path.iterdir()]) == 1


@pytest.mark.parametrize("wrong", ["-5", "many"])
def test_a_count_of_checks_is_not_negative(capsys, wrong):
    with pytest.raises(SystemExit, match="2"):
        run(f"--corpus procedural --out a.json --checks={wrong}")
    assert "expected a whole number" in capsys.readouterr().err


def test_base_rates_of_a_row_never_hold_the_people_it_tests(checkpoint, tmp_path):
    root = feafa.make(tmp_path / "feafa", frames=2)
    for file in (root / "FEAFA-A").glob("*.output/*.auw"):
        tested = file.parent.stem in fold("feafa", "fold1", feafa.SUBJECTS).test
        file.write_text(" ".join(["1.0" if tested else "0.0"] * 24))
    flags = "--corpus feafa --faces none --folds fold1,fold2 --checks 0 --draws 2 --device cpu"
    assert run(flags, "--checkpoint", checkpoint, "--data-dir", root, "--out", tmp_path / "a.json") == 0
    found = json.loads((tmp_path / "a.json").read_text())["controls"]["value"]["training mean"]
    # Fold 1 tests the two who are labelled 1 and trains on four labelled 0; fold 2 trains on those two and two others.
    assert found["pooled"]["per_unit"]["feafa_09_jaw_drop"]["mae"] == pytest.approx((1 + 0.5) / 2)


def test_pictures_that_were_damaged_before_are_left_out_and_told(checkpoint, tmp_path):
    root = feafa.make(tmp_path / "feafa", frames=2)
    tested = sorted(fold("feafa", "fold1", feafa.SUBJECTS).test)
    for picture in (root / "FEAFA-A" / f"{tested[0]}.output").glob("*.jpg"):
        content = picture.read_bytes()
        picture.write_bytes(content[: len(content) // 2])
    flags = "--corpus feafa --faces none --fold fold1 --checks 0 --draws 5 --device cpu"
    assert run(flags, "--checkpoint", checkpoint, "--data-dir", root, "--out", tmp_path / "a.json") == 0
    record = json.loads((tmp_path / "a.json").read_text())
    assert record["rows"] == 2 and record["people"] == 1
    assert "feafa, test: 2 rows of 4 labelled frames; left out: 2 unreadable" in (tmp_path / "a.md").read_text()


def test_a_picture_that_fails_while_it_is_read_costs_exit_code_1_and_is_named(
    checkpoint, tmp_path, monkeypatch, capsys
):
    whole = EvaluationRows.image_at

    def image_at(rows, row):
        if row == 2:
            raise OSError("the disk is gone")
        return whole(rows, row)

    monkeypatch.setattr(EvaluationRows, "image_at", image_at)
    assert run(DRAWN + " --checks 0", "--checkpoint", checkpoint, "--out", tmp_path / "a.json") == 1
    record, said = json.loads((tmp_path / "a.json").read_text()), capsys.readouterr().err
    assert record["rows"] == 8 and record["answers"]["unreadable"] == 1
    assert said.count("failed: picture: procedural/test-000000/drawn//2: the disk is gone") == 1
    cells = record["scores"]["present"]["pooled"]["per_unit"]["AU12"]
    assert cells["frames"] == 8 and cells["undetermined"] == 1
