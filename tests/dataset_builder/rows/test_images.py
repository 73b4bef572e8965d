"""How images are stored: as paths where they can be, as bytes where they must be, and by status where they cannot be read."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from aullava.dataset_builder.rows.images import ImageOptions, ImageReader
from aullava.dataset_builder.rows.records import Drawing, ImageFile, VideoFrame
from aullava.dataset_builder.synthetic.drawn import Scene, draw_face
from aullava.dataset_builder.synthetic.drawn.sheets import sheet_identity
from aullava.detection.detector import HaarDetector
from aullava.detection.framing import Framing
from aullava.image_aullava import load_image


def stored(picture, **options):
    with ImageReader(ImageOptions(**options)) as reader:
        return reader.store(picture)


def opened(found) -> Image.Image:
    return Image.open(io.BytesIO(found.image["bytes"]))


@pytest.fixture
def noise():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8))


@pytest.fixture(scope="module")
def photograph():
    """A drawn face in a larger frame, which the cascade finds."""
    frame = np.full((400, 500, 3), 128, np.uint8)
    frame[80:336, 120:376] = draw_face(sheet_identity(3), {}, Scene.neutral(), 256).image_HWC
    return Image.fromarray(frame)


def test_a_picture_file_stays_a_path(tmp_path, noise):
    noise.save(tmp_path / "1.png")
    found = stored(ImageFile(tmp_path / "1.png"))
    assert (found.status, found.image) == ("ok", {"bytes": None, "path": str(tmp_path / "1.png")})


def test_embedding_keeps_the_files_own_bytes(tmp_path, noise):
    noise.save(tmp_path / "1.jpg")
    found = stored(ImageFile(tmp_path / "1.jpg"), embed=True)
    assert found.image == {"bytes": (tmp_path / "1.jpg").read_bytes(), "path": "1.jpg"}


def test_a_picture_that_exif_turns_is_stored_upright(tmp_path, noise):
    exif = Image.Exif()
    exif[274] = 6  # to be turned by a quarter
    noise.save(tmp_path / "1.png", exif=exif)
    found = stored(ImageFile(tmp_path / "1.png"))
    assert np.array_equal(opened(found), noise.transpose(Image.Transpose.ROTATE_270))


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize("embed", [False, True])
def test_damaged_files_are_told_by_status(tmp_path, noise, suffix, embed):
    path = tmp_path / f"1.{suffix}"
    noise.save(path)
    whole = path.read_bytes()
    for data, status in (
        (whole, "ok"),
        (whole[: len(whole) // 2], "unreadable"),
        (whole[:-40], "unreadable"),  # the last bytes of a PNG are a mark without pixels
        (b"", "unreadable"),
        (b"text", "unreadable"),
        (whole + b"trailing", "ok"),
    ):
        path.write_bytes(data)
        assert stored(ImageFile(path), embed=embed).status == status, len(data)


def test_damage_inside_is_found_where_the_picture_is_decoded(tmp_path, noise):
    path = tmp_path / "1.png"
    noise.save(path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    assert stored(ImageFile(path), embed=True).status == "unreadable"
    assert stored(ImageFile(path), framing=Framing()).status == "unreadable"


def test_what_is_not_there(tmp_path):
    (tmp_path / "folder.jpg").mkdir()
    assert stored(None).status == "no_picture"
    assert stored(ImageFile(tmp_path / "gone.jpg")).status == "no_picture"
    assert stored(ImageFile(tmp_path / "folder.jpg")).status == "no_picture"
    assert stored(None).image is None


def test_too_small_a_picture_is_unreadable(tmp_path):
    Image.new("RGB", (8, 40)).save(tmp_path / "1.png")
    assert stored(ImageFile(tmp_path / "1.png")).status == "unreadable"


def test_drawings_are_stored_without_loss_unless_told_otherwise(noise):
    found = stored(Drawing(lambda: noise))
    assert opened(found).format == "PNG" and np.array_equal(opened(found), noise)
    assert opened(stored(Drawing(lambda: noise), encoding="jpeg")).format == "JPEG"


def test_a_crop_is_the_one_that_recognize_makes(tmp_path, photograph):
    photograph.save(tmp_path / "1.png")
    detector = HaarDetector()
    [box] = detector.detect(np.asarray(photograph))
    found = stored(ImageFile(tmp_path / "1.png"), framing=Framing())
    assert found.status == "ok" and found.face == box
    assert np.array_equal(opened(found), detector.crop(photograph, box))


def test_crops_of_lossy_sources_are_jpeg_and_sized_as_asked(tmp_path, photograph):
    photograph.save(tmp_path / "1.jpg", quality=95)
    found = stored(ImageFile(tmp_path / "1.jpg"), framing=Framing(), size=64)
    assert opened(found).format == "JPEG" and opened(found).size == (64, 64)
    assert opened(stored(ImageFile(tmp_path / "1.jpg"), framing=Framing(), encoding="png")).format == "PNG"


def test_a_wider_margin_shows_more(tmp_path, photograph):
    photograph.save(tmp_path / "1.png")
    narrow, wide = (stored(ImageFile(tmp_path / "1.png"), framing=Framing("haar", m)) for m in (0.0, 0.5))
    assert opened(narrow).width == narrow.face.w and opened(wide).width == 2 * wide.face.w


def test_without_a_face_the_frame_is_kept_and_flagged(tmp_path):
    Image.new("RGB", (64, 64), "gray").save(tmp_path / "1.png")
    found = stored(ImageFile(tmp_path / "1.png"), framing=Framing(), size=32)
    assert found.status == "no_face" and found.face is None and opened(found).size == (64, 64)


def write_video(path, frames=12):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 20, (64, 48))
    for index in range(frames):
        writer.write(np.full((48, 64, 3), 20 * index, np.uint8))
    writer.release()


def test_video_frames_are_those_asked_for(tmp_path):
    write_video(tmp_path / "a.avi")
    with ImageReader(ImageOptions()) as reader:
        for index in (0, 1, 5, 11):
            found = reader.store(VideoFrame(tmp_path / "a.avi", index))
            assert found.status == "ok" and abs(np.asarray(opened(found)).mean() - 20 * index) < 3
            assert found.timestamp == pytest.approx(index / 20)
        assert reader.store(VideoFrame(tmp_path / "a.avi", 12)).status == "no_picture"
        assert reader.store(VideoFrame(tmp_path / "a.avi", 3)).status == "ok"
        assert reader.store(VideoFrame(tmp_path / "gone.avi", 0)).status == "no_picture"


def test_a_damaged_video_is_unreadable_and_does_not_spoil_the_next(tmp_path):
    (tmp_path / "bad.avi").write_bytes(b"RIFF not a video at all")
    write_video(tmp_path / "good.avi")
    with ImageReader(ImageOptions()) as reader:
        assert [reader.store(VideoFrame(tmp_path / "bad.avi", i)).status for i in range(3)] == ["unreadable"] * 3
        assert reader.store(VideoFrame(tmp_path / "good.avi", 2)).status == "ok"


@pytest.mark.parametrize(
    "options, message",
    [
        ({"encoding": "gif"}, "expected one of auto, jpeg, png"),
        ({"size": 64}, "only crops are resized"),
        ({"size": 4, "framing": Framing()}, "expected 16 to 4096"),
    ],
)
def test_options_that_cannot_be_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ImageOptions(**options)


@pytest.mark.parametrize("mode", ["I;16", "RGBA", "LA", "P"])
@pytest.mark.parametrize("embed", [False, True])
def test_deep_and_transparent_pictures_look_as_recognize_sees_them(tmp_path, mode, embed):
    grey_HW = np.tile(np.arange(0, 256, 8, dtype=np.uint8), (32, 1))
    made = {
        "I;16": lambda: Image.fromarray(grey_HW.astype(np.uint16) * 257),
        "RGBA": lambda: Image.fromarray(np.dstack([grey_HW] * 4)),
        "LA": lambda: Image.fromarray(np.dstack([grey_HW] * 2)),
        "P": lambda: Image.fromarray(grey_HW).convert("P"),
    }[mode]()
    made.save(tmp_path / "1.png", **({"transparency": 0} if mode == "P" else {}))
    found = stored(ImageFile(tmp_path / "1.png"), embed=embed)
    shown = opened(found)  # `datasets` would clip 16 bits at 255 and drop the alpha channel
    assert shown.mode == "RGB"
    assert np.array_equal(np.asarray(shown), np.asarray(load_image(tmp_path / "1.png")))


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK"])
def test_other_modes_of_8_bits_stay_files(tmp_path, noise, mode):
    path = tmp_path / ("1.jpg" if mode == "CMYK" else "1.png")
    noise.convert(mode).save(path)
    assert stored(ImageFile(path)).image == {"bytes": None, "path": str(path)}
