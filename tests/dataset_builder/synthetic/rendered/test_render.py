"""Pictures of heads without assets, and with ones that the test makes up."""

import dataclasses
import json

import cv2
import numpy as np
import pytest

pytest.importorskip("anny")
pytest.importorskip("numba")

from aullava.dataset_builder.synthetic.rendered.appearance import CREASES, sample_appearance
from aullava.dataset_builder.synthetic.rendered.assets import load_library
from aullava.dataset_builder.synthetic.rendered.background import BACKGROUNDS, background
from aullava.dataset_builder.synthetic.rendered.damage import Damage, damaged
from aullava.dataset_builder.synthetic.rendered.hair import trimmed
from aullava.dataset_builder.synthetic.rendered.mesh import PARTS, load_head
from aullava.dataset_builder.synthetic.rendered.render import render
from aullava.dataset_builder.synthetic.rendered.scene import Scene, sample_scene
from aullava.dataset_builder.synthetic.rendered.wrinkles import crease_shares

SIZE = 64


def _look(**changes):
    rng = np.random.Generator(np.random.Philox(4))
    look = sample_appearance(rng, 40, "male", (0.3, 0.3, 0.4), 5)
    plain = {
        "glasses": "none",
        "headwear": "none",
        "beard": "none",
        "hair": "short",
        "fringe": 0.0,
        "clothes": "crew neck",
    }
    return dataclasses.replace(look, **(plain | changes))


def _picture(look=None, scene=None, strengths=None, vertices=None, library=None):
    vertices = load_head().rest_V3 if vertices is None else vertices
    return render(vertices, look or _look(), strengths or {}, scene or Scene.neutral(), SIZE, library)


def test_the_parts_of_a_face_are_seen_where_they_are():
    picture = _picture()
    assert picture.image_HW3.shape == (SIZE, SIZE, 3) and picture.image_HW3.dtype == np.uint8
    assert picture.part_HW.shape == picture.corners_HW3.shape[:2] == (2 * SIZE, 2 * SIZE)
    column = {name: np.argwhere(picture.part_HW == PARTS.index(name))[:, 1] for name in ("eye_l", "eye_r", "skin")}
    assert column["eye_r"].max() < SIZE < column["eye_l"].min()  # her own left on the image's right
    seen = picture.corners_HW3[..., 0] >= 0
    points = (picture.screen_V3[picture.corners_HW3[seen]] * picture.weights_HW3[seen][..., None]).sum(1)
    expected = (np.argwhere(seen)[:, ::-1] + 0.5) / 2
    assert np.median(np.abs(points[:, :2] - expected)) < 0.05


def test_the_same_call_gives_the_same_pixels_and_scenes_differ():
    rng = np.random.Generator(np.random.Philox(8))
    scene, other = sample_scene(rng), sample_scene(rng)
    first, again = _picture(scene=scene), _picture(scene=scene)
    np.testing.assert_array_equal(first.image_HW3, again.image_HW3)
    assert np.abs(first.image_HW3.astype(int) - _picture(scene=other).image_HW3).mean() > 5


def test_a_mirrored_head_in_a_mirrored_scene_is_the_mirrored_picture():
    head = load_head()
    moved = head.add(head.rest_V3.copy(), {"mouthSmileLeft": 1.0})
    flipped = moved[head.mirror_V] * np.array([-1, 1, 1], np.float32)
    scene = dataclasses.replace(
        sample_scene(np.random.Generator(np.random.Philox(3))), damage=Damage(noise=0.02, seed=5)
    )
    look = _look(moles=((20.0, -30.0, 3.0),))
    plain = _picture(look, scene, {"AU12L": 1.0}, moved)
    mirror = _picture(look, scene.mirrored(), {"AU12R": 1.0}, flipped)
    error = np.abs(plain.image_HW3[:, ::-1].astype(int) - mirror.image_HW3)
    assert error.mean() < 0.5 and np.abs(plain.image_HW3.astype(int) - mirror.image_HW3).mean() > 3
    camera = scene.mirrored().seen_camera
    placed = camera.project(camera.place(flipped), SIZE)
    assert np.median(np.abs(placed[:, :2] - mirror.screen_V3[:, :2])) < 0.3
    assert (
        mirror.part_HW[:, ::-1] == np.where(plain.part_HW == 1, 2, np.where(plain.part_HW == 2, 1, plain.part_HW))
    ).mean() > 0.99


def test_creases_follow_their_units_and_sides_and_exist_at_rest():
    rest, gain = (0.3,) * len(CREASES), (1.0,) * len(CREASES)
    still = crease_shares({}, rest, gain)
    np.testing.assert_allclose(still, 0.3)
    left = crease_shares({"AU12L": 0.8}, rest, gain)
    fold = CREASES.index("nasolabial")
    assert left[fold, 0] > still[fold, 0] + 0.3 and left[fold, 1] == still[fold, 1]
    for action, crease in (
        ("AU4L", "glabella"),
        ("AU6L", "crow's feet"),
        ("AU1L", "forehead"),
        ("AU9L", "nose root"),
        ("AU17", "chin"),
    ):
        assert crease_shares({action: 1.0}, rest, gain)[CREASES.index(crease), 0] > 1.0, crease
    smooth = _picture(_look(creases_at_rest=(0.0,) * len(CREASES))).clean_HW3
    folded = _picture(_look(creases_at_rest=(1.0,) * len(CREASES))).clean_HW3
    assert np.abs(smooth - folded).max() > 0.08


@pytest.mark.parametrize(
    "worn",
    [
        {"glasses": "sunglasses"},
        {"headwear": "headscarf"},
        {"headwear": "cap"},
        {"hair": "long", "fringe": 60.0},
        {"hair": "curly"},
        {"beard": "full", "beard_length": 1.0},
    ],
)
def test_what_is_worn_or_grown_hides_a_part_of_the_head(worn):
    def visible(look):
        return (_picture(look).corners_HW3[..., 0] >= 0).sum()

    assert visible(
        _look(
            hair="bald",
            **{k: v for k, v in worn.items() if k not in ("hair", "fringe", "headwear", "glasses", "beard")},
        )
    ) > 1.04 * visible(_look(**({"hair": "bald"} | worn)))


@pytest.mark.parametrize("hair", ["short", "medium", "long", "curly", "tied"])
def test_a_fringe_hangs_over_the_brows_and_not_over_the_eyes(hair):
    eyes = [PARTS.index("eye_l"), PARTS.index("eye_r")]
    scene = dataclasses.replace(
        Scene.neutral(), camera=dataclasses.replace(Scene.neutral().camera, pitch=8.0, yaw=15.0)
    )

    def seen(look):
        part = _picture(look, scene).part_HW
        return np.isin(part, eyes).sum(), (part == PARTS.index("skin")).sum()

    bare, hung = seen(_look(hair="bald")), seen(_look(hair=hair, fringe=54.0, hairline=3.0))
    assert hung[0] > 0.9 * bare[0] and hung[1] < 0.97 * bare[1]


def test_hair_meshes_are_cut_open_before_the_face():
    look = _look(fringe=54.0)
    eye, brow, temple, back = np.array([[31, 0, 40], [16, 45, 40], [70, 0, 0], [0, 0, -120]], np.float32)
    assert (trimmed(np.stack([eye, brow, temple, back]), look) > 0.5).tolist() == [False, True, True, True]


def test_an_occluder_lies_before_the_mouth():
    head = load_head()
    lips = np.flatnonzero(head.masks["lips"] > 0.5)

    def lips_seen(occluder):
        corners = _picture(scene=dataclasses.replace(Scene.neutral(), occluder=occluder, occluder_seed=3)).corners_HW3
        return np.isin(corners[..., 0], lips).sum()

    assert lips_seen("none") > 20
    assert lips_seen("hand") < 0.7 * lips_seen("none") and lips_seen("microphone") < 0.9 * lips_seen("none")


def test_darker_tones_are_darker_and_every_field_is_recorded():
    looks = [
        sample_appearance(np.random.Generator(np.random.Philox(1)), 30, "female", (0, 0, 1), tone)
        for tone in (1, 5, 10)
    ]
    means = [
        _picture(dataclasses.replace(look, headwear="none", glasses="none")).clean_HW3[20:40, 26:38].mean()
        for look in looks
    ]
    assert means[0] > means[1] > means[2]
    record = json.loads(json.dumps(looks[0].record()))
    assert set(record) == {field.name for field in dataclasses.fields(looks[0])}
    assert (
        json.loads(json.dumps(sample_scene(np.random.Generator(np.random.Philox(2))).record()))["camera"]["distance"]
        >= 0.4
    )


def test_scenes_stay_within_their_ranges():
    rng = np.random.Generator(np.random.Philox(6))
    cameras = [sample_scene(rng).camera for _ in range(400)]
    for name, limit in (("yaw", 45), ("pitch", 25), ("roll", 20)):
        values = np.array([getattr(camera, name) for camera in cameras])
        assert np.abs(values).max() <= limit and values.std() > 4 and abs(values.mean()) < 2.5


@pytest.mark.parametrize(
    "damage",
    [
        Damage(blur_kind="defocus", blur=0.02),
        Damage(blur_kind="motion", blur=0.06, blur_angle=30),
        Damage(shrink=0.3),
        Damage(noise=0.03),
        Damage(gamma=1.2),
        Damage(contrast=0.8),
        Damage(warmth=0.5),
        Damage(tint=-0.5),
        Damage(grey=True),
        Damage(jpeg=30),
    ],
)
def test_each_damage_changes_the_picture_and_none_leaves_it(damage):
    image = np.random.Generator(np.random.Philox(1)).uniform(0.2, 0.8, (48, 48, 3)).astype(np.float32)
    whole = damaged(image, Damage())
    np.testing.assert_allclose(whole / 255, image, atol=0.003)
    hurt = damaged(image, damage)
    assert hurt.shape == whole.shape and np.abs(hurt.astype(int) - whole).mean() > 1
    np.testing.assert_array_equal(hurt, damaged(image, damage))


def test_backgrounds_differ_by_kind_and_seed():
    pictures = [background(kind, seed, 48) for kind in BACKGROUNDS for seed in (1, 2)]
    assert all(np.isfinite(p).all() and p.shape == (48, 48, 3) and p.min() >= 0 for p in pictures)
    assert min(np.abs(a - b).mean() for i, a in enumerate(pictures) for b in pictures[:i]) > 0.005
    with pytest.raises(ValueError, match="unknown background 'sea'; there are plain"):
        background("sea", 1, 8)


def _assets(folder):
    """A hair mesh of two triangles before the face, and a skin that is blue."""
    place = folder / "hair" / "short01"
    place.mkdir(parents=True)
    head = load_head()
    base = head.base_index_V[head.vertices_of["skin"][:1]][0]
    point = head.rest_V3[head.index_of_base[base]] * 10
    corners = np.array([[-0.7, 0.7, 0.9], [-0.7, -0.9, 0.9], [0.7, -0.9, 0.9], [0.7, 0.7, 0.9]]) - point
    fitted = "\n".join(f"{base} {base} {base} 1 0 0 " + " ".join(f"{v:.5f}" for v in row) for row in corners)
    lengths = [
        abs(head.rest_V3[head.index_of_base[a], axis] - head.rest_V3[head.index_of_base[b], axis]) * 10
        for axis, (a, b) in enumerate(((5399, 11998), (791, 881), (962, 5320)))
    ]
    scales = (
        f"x_scale 5399 11998 {lengths[0]:.6f}\ny_scale 791 881 {lengths[1]:.6f}\nz_scale 962 5320 {lengths[2]:.6f}\n"
    )
    (place / "short01.mhclo").write_text(f"# made up\nobj_file short01.obj\n{scales}verts 0\n{fitted}\n")
    (place / "short01.obj").write_text("v 0 0 0\n" * 4 + "vt 0 0\nvt 0 1\nvt 1 1\nvt 1 0\nf 1/1 2/2 3/3 4/4\n")
    cv2.imwrite(str(place / "short01_diffuse.png"), np.full((16, 16, 4), 255, np.uint8))
    (folder / "skins").mkdir()
    cv2.imwrite(
        str(folder / "skins" / "young_lightskinned_male_diffuse_head.jpg"), np.full((256, 102, 3), 128, np.uint8)
    )
    return place


def test_assets_are_fitted_to_the_head_and_drawn(tmp_path):
    _assets(tmp_path)
    library = load_library(str(tmp_path))
    (mesh,) = library.hair
    np.testing.assert_allclose(mesh.fit(load_head().rest_V3)[0], [-0.07, 0.07, 0.09], atol=1e-4)
    moved = load_head().rest_V3 + np.array([0, 0.01, 0], np.float32)
    np.testing.assert_allclose(mesh.fit(moved)[0], [-0.07, 0.08, 0.09], atol=1e-4)
    assert list(library.skins) == ["young_lightskinned_male0"]
    hidden = (_picture(library=library).corners_HW3[20:60, 54:74, 0] < 0).mean()
    assert hidden > 0.95 > 0.5 > (_picture().corners_HW3[60:90, 54:74, 0] < 0).mean()


@pytest.mark.parametrize(
    ("break_it", "error", "said"),
    [
        (
            lambda place: (place / "short01.obj").unlink(),
            FileNotFoundError,
            "names short01.obj, which is not beside it",
        ),
        (
            lambda place: (place / "short01.obj").write_text("v 0 0 0\n"),
            ValueError,
            "short01.obj has 1 vertices and short01.mhclo fits 4",
        ),
        (
            lambda place: (place / "short01_diffuse.png").write_bytes(b"no"),
            ValueError,
            "short01_diffuse.png cannot be read",
        ),
        (
            lambda place: (place / "short01.mhclo").write_text("verts 0\n"),
            ValueError,
            "short01.mhclo has 0 fitted vertices",
        ),
        (
            lambda place: (place.parents[1] / "skins" / "young_lightskinned_male_diffuse_head.jpg").write_bytes(b"x"),
            ValueError,
            "head.jpg cannot be read",
        ),
    ],
)
def test_a_corrupt_or_missing_asset_is_named(tmp_path, break_it, error, said):
    break_it(_assets(tmp_path))
    with pytest.raises(error, match=said):
        load_library(str(tmp_path))


def test_a_folder_that_is_none_or_holds_nothing_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere is no folder"):
        load_library(str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match="holds no asset that is known"):
        load_library(str(tmp_path))
