"""What the two networks learn from: shards that resume, crops whose labels lie where the picture says."""

import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch

from aullava.dataset_builder.synthetic.rendered.store import Heads, load_heads, render_heads
from aullava.detection.geometry import MIRRORED, SIDE
from aullava.detection.networks import FinderNetwork, folded
from aullava.training.geometry.crops import GeometrySamples, iou_of_squares, square_of
from aullava.training.geometry.mistakes import mistakes
from aullava.training.geometry.scenes import SCENE_SIDE, Scenes, targets_of
from aullava.training.geometry.textures import shuffled, texture


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four heads in two files, as the command writes them."""
    folder = tmp_path_factory.mktemp("heads")
    command = [
        sys.executable,
        "-m",
        "aullava.dataset_builder.synthetic.rendered.store",
        folder,
        "--faces",
        "4",
        "--per-file",
        "2",
        "--side",
        "64",
    ]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def dots():
    """Heads whose pictures show nothing but a dot where each of three landmarks is."""
    drawn = np.random.default_rng(0)
    landmarks = (drawn.uniform(20, 92, (6, 68, 2))).astype(np.float32)
    images = np.zeros((6, 112, 112, 3), np.uint8)
    for image, points in zip(images, landmarks, strict=True):
        cv2.circle(
            image, tuple(np.round((points[36] - 0.5) * 16).astype(int).tolist()), 48, (255, 255, 255), -1, shift=4
        )
    return Heads(images, landmarks, np.zeros((6, 5), np.float32), np.zeros((6, 51), np.float32))


def test_shards_hold_the_stream_and_a_second_run_renders_nothing(folder):
    assert sorted(file.name for file in folder.iterdir()) == ["train_0000000.npz", "train_0000002.npz"]
    heads = load_heads(folder, "train")
    again = render_heads("train", 2, 1, 64)
    assert (heads.images_NHWC[2] == again.images_NHWC[0]).all()
    assert np.allclose(heads.landmarks_N68_2[2], again.landmarks_N68_2[0])
    assert len(load_heads(folder, "train", 3)) == 3
    times = {file: file.stat().st_mtime_ns for file in folder.iterdir()}
    (folder / "train_0000002.npz").unlink()
    command = [
        sys.executable,
        "-m",
        "aullava.dataset_builder.synthetic.rendered.store",
        folder,
        "--faces",
        "4",
        "--per-file",
        "2",
        "--side",
        "64",
    ]
    subprocess.run(command, check=True, capture_output=True)
    assert (folder / "train_0000000.npz").stat().st_mtime_ns == times[folder / "train_0000000.npz"]
    assert (load_heads(folder, "train").images_NHWC == heads.images_NHWC).all()


def test_a_folder_without_heads_is_refused(folder):
    with pytest.raises(FileNotFoundError, match="no validation_"):
        load_heads(folder, "validation")


def test_far_heads_are_smaller_and_lie_anywhere():
    near, far = render_heads("train", 0, 6, 64), render_heads("train", 0, 6, 64, zoom=(0.3, 0.4))
    sizes = [[square_of(points)[2] for points in heads.landmarks_N68_2] for heads in (near, far)]
    assert max(sizes[1]) < min(sizes[0])
    centres = far.landmarks_N68_2.mean(1)
    assert centres.std(0).min() > near.landmarks_N68_2.mean(1).std(0).min()


def test_labels_lie_where_the_crop_shows_them(dots):
    samples = GeometrySamples(dots, 200, clean=True)
    seen = 0
    for index in range(200):
        sample = samples[index]
        image, label = sample["pixels"][..., 0].astype(float), sample["labels"]
        points = (label[:136].reshape(68, 2) + 0.5) * SIDE
        # The dot is landmark 36, or in a mirrored crop the one in its place.
        rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
        centre = np.array([(image * columns).sum(), (image * rows).sum()]) / max(image.sum(), 1)
        if image.sum() and (points > 6).all(1)[[36, 45]].all() and (points < SIDE - 6).all(1)[[36, 45]].all():
            assert min(np.linalg.norm(points[n] - centre) for n in (36, MIRRORED[36])) < 0.8
            seen += 1
    assert seen > 100


def test_samples_are_the_same_when_asked_again_and_some_hold_no_face(dots):
    samples, other = GeometrySamples(dots, 300, seed=3), GeometrySamples(dots, 300, seed=4)
    one = [samples[index] for index in range(300)]
    assert all((samples[i]["pixels"] == one[i]["pixels"]).all() for i in (299, 0, 150))
    assert any((other[i]["pixels"] != one[i]["pixels"]).any() for i in range(5))
    share = np.mean([sample["labels"][142] == 0 for sample in one])
    assert 0.32 < share < 0.48
    assert all(sample["labels"][141] == 0 for sample in one if sample["labels"][142] == 0)


def test_every_head_is_seen_once_an_epoch(dots):
    samples = GeometrySamples(dots, 18)
    order = [samples._head(index) for index in range(18)]
    assert all(sorted(order[start : start + 6]) == list(range(6)) for start in (0, 6, 12))
    assert order[:6] != order[6:12] or order[6:12] != order[12:]


def test_overlap_of_squares():
    assert iou_of_squares((5, 5, 10), (5, 5, 10)) == 1
    assert iou_of_squares((5, 5, 10), (10, 5, 10)) == pytest.approx(1 / 3)
    assert iou_of_squares((5, 5, 10), (50, 5, 10)) == 0


def test_scenes_say_where_their_faces_are(folder):
    scenes = Scenes([load_heads(folder, "train")], 40)
    counts = []
    for index in range(40):
        image, squares = scenes.scene(index)
        assert image.shape == (SCENE_SIDE, SCENE_SIDE, 3) and image.dtype == np.uint8
        assert all(-1 < x < SCENE_SIDE + 1 and -1 < y < SCENE_SIDE + 1 for x, y, _ in squares)
        counts.append(len(squares))
    assert set(counts) >= {0, 1} and max(counts) <= 3
    assert (scenes.scene(7)[0] == scenes.scene(7)[0]).all()


def test_targets_name_the_cell_the_place_and_the_size():
    targets = targets_of([(44.0, 100.0, 64.0)])
    assert np.argwhere(targets[0] == 1).tolist() == [[12, 5]]
    assert targets[1:, 12, 5].tolist() == [0.0, 0.0, 1.0, 1.0]
    assert targets_of([]).sum() == 0


def test_textures_are_of_the_size_asked_and_differ():
    drawn = np.random.default_rng(0)
    made = [texture(drawn, 40) for _ in range(40)]
    assert all(plane.shape == (40, 40, 3) and plane.dtype == np.uint8 for plane in made)
    assert len({plane.tobytes() for plane in made}) == 40


def test_shuffled_tiles_keep_every_pixel_and_no_order():
    image = np.arange(24 * 24 * 3, dtype=np.uint32).reshape(24, 24, 3)
    mixed = shuffled(image, np.random.default_rng(0))
    assert mixed.shape[0] == mixed.shape[1] and set(mixed.ravel()) <= set(image.ravel())
    assert (mixed != image[: mixed.shape[0], : mixed.shape[1]]).mean() > 0.5


def test_mistakes_of_a_finder_miss_every_true_face(folder):
    """A finder with random weights proposes anything: what is kept as a mistake overlaps no face."""
    torch.manual_seed(0)
    network = FinderNetwork()
    torch.nn.init.zeros_(network.output.bias)
    crops = mistakes(Scenes([load_heads(folder, "train")], 12), 12, folded(network))
    assert crops.shape[1:] == (SIDE, SIDE, 3) and crops.dtype == np.uint8 and len(crops) > 12


def test_mistaken_crops_are_among_those_without_a_face(dots):
    mistaken = np.full((1, SIDE, SIDE, 3), 77, np.uint8)
    samples = GeometrySamples(dots, 300, mistaken=mistaken)
    drawn = [samples._no_face(0, np.random.default_rng(n)) for n in range(200)]
    assert 0.2 < np.mean([(pixels == 77).all() for pixels in drawn]) < 0.4
