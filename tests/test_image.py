"""Pictures of every kind are read right or refused by name."""

import pickle
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from aullava.image_aullava import MAX_PIXELS, ImageReadError, load_image

# Four flat quarters, so that lossy codecs keep their colours and every turn and flip shows.
RED, GREEN, BLUE, GREY = (200, 30, 30), (30, 200, 30), (30, 30, 200), (90, 90, 90)
QUARTERS = np.array([[RED, GREEN], [BLUE, GREY]], np.uint8).repeat(24, 0).repeat(32, 1)  # (48, 64, 3)
LUMA = np.array([[10, 80], [160, 250]], np.uint8).repeat(24, 0).repeat(32, 1)  # (48, 64)


def save(path, image, **options):
    image.save(path, **options)
    return path


def quarters(image):
    """The colours in the middle of the four quarters, row by row: (2, 2, 3)."""
    pixels = np.asarray(image).astype(int)
    height, width = pixels.shape[:2]
    return pixels[[[height // 4], [3 * height // 4]], [width // 4, 3 * width // 4]]


def assert_shows(image, expected_HWC, tolerance=0):
    assert image.mode == "RGB"
    assert image.size == (expected_HWC.shape[1], expected_HWC.shape[0])
    assert np.abs(quarters(image) - quarters(expected_HWC)).max() <= tolerance


def grey_as_rgb(grey_HW):
    return np.stack([grey_HW] * 3, axis=-1)


class TestReadsRight:
    @pytest.mark.parametrize(
        ("suffix", "tolerance"),
        [("png", 0), ("jpg", 4), ("webp", 6), ("bmp", 0), ("gif", 0), ("tif", 0), ("ppm", 0), ("jp2", 4), ("avif", 8)],
    )
    def test_formats(self, tmp_path, suffix, tolerance):
        if suffix == "avif" and "AVIF" not in Image.registered_extensions().values():
            pytest.skip("this Pillow has no AVIF")
        path = save(tmp_path / f"face.{suffix}", Image.fromarray(QUARTERS))
        assert_shows(load_image(path), QUARTERS, tolerance)

    def test_every_kind_of_source(self, tmp_path):
        path = save(tmp_path / "face.png", Image.fromarray(QUARTERS))
        for source in (path, str(path), path.read_bytes(), Image.open(path), QUARTERS, QUARTERS[:, ::-1][:, ::-1]):
            assert np.array_equal(np.asarray(load_image(source)), QUARTERS)

    def test_leaves_its_source_alone(self):
        picture = Image.fromarray(QUARTERS)
        read = load_image(picture)
        read.paste("white", (0, 0, 64, 48))
        assert np.array_equal(np.asarray(picture), QUARTERS)

    def test_palette(self, tmp_path):
        path = save(tmp_path / "face.png", Image.fromarray(QUARTERS).convert("P", palette=Image.Palette.ADAPTIVE))
        assert Image.open(path).mode == "P"
        assert_shows(load_image(path), QUARTERS)

    def test_palette_with_a_transparent_colour(self, tmp_path):
        picture = Image.fromarray(QUARTERS).convert("P", palette=Image.Palette.ADAPTIVE)
        path = save(tmp_path / "face.png", picture, transparency=picture.getpixel((0, 0)))
        expected = QUARTERS.copy()
        expected[:24, :32] = 255
        assert_shows(load_image(path), expected)

    @pytest.mark.parametrize("mode", ["L", "LA", "1"])
    def test_grey(self, tmp_path, mode):
        luma = LUMA if mode != "1" else np.where(LUMA > 99, 255, 0).astype(np.uint8)
        path = save(tmp_path / "face.png", Image.fromarray(luma).convert(mode))
        assert_shows(load_image(path), grey_as_rgb(luma))

    def test_transparency_is_laid_on_white(self, tmp_path):
        alpha = np.full((48, 64, 1), 255, np.uint8)
        alpha[:24, :32], alpha[24:, 32:] = 0, 128
        path = save(tmp_path / "face.png", Image.fromarray(np.concatenate([QUARTERS, alpha], axis=2)))
        expected = QUARTERS.copy()
        expected[:24, :32], expected[24:, 32:] = 255, round(90 * 128 / 255 + 255 * 127 / 255)
        assert_shows(load_image(path), expected, tolerance=1)

    def test_cmyk(self, tmp_path):
        path = save(tmp_path / "face.jpg", Image.fromarray(QUARTERS).convert("CMYK"), quality=95)
        assert Image.open(path).mode == "CMYK"
        assert_shows(load_image(path), QUARTERS, tolerance=6)

    @pytest.mark.parametrize("suffix", ["png", "tif"])
    def test_16_bit_grey_is_scaled_not_clipped(self, tmp_path, suffix):
        path = save(tmp_path / f"face.{suffix}", Image.fromarray(LUMA.astype(np.uint16) * 257))
        assert Image.open(path).mode.startswith("I")
        assert_shows(load_image(path), grey_as_rgb(LUMA))

    def test_16_bit_grey_in_the_other_byte_order(self, tmp_path):
        path = tmp_path / "face.tif"
        path.write_bytes(_big_endian_tiff(LUMA.astype(np.uint16) * 257))
        assert Image.open(path).mode == "I;16B"
        assert_shows(load_image(path), grey_as_rgb(LUMA))

    def test_16_bit_colour(self, tmp_path):
        path = tmp_path / "face.png"
        cv2.imwrite(str(path), QUARTERS[:, :, ::-1].astype(np.uint16) * 257)
        assert path.read_bytes()[24] == 16  # the bit depth in the header
        assert_shows(load_image(path), QUARTERS, tolerance=1)

    def test_16_bit_array(self):
        assert_shows(load_image(QUARTERS.astype(np.uint16) * 257), QUARTERS)
        assert_shows(load_image(LUMA[:, :, None]), grey_as_rgb(LUMA))

    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("opened", [False, True], ids=["path", "PIL image"])
    def test_exif_rotation_is_applied_once(self, tmp_path, orientation, opened):
        # What a camera held in each way stores of the same upright scene: the inverse of what a viewer is told to do.
        stored = {
            1: lambda x: x,
            2: lambda x: x[:, ::-1],
            3: lambda x: x[::-1, ::-1],
            4: lambda x: x[::-1],
            5: lambda x: x.transpose(1, 0, 2),
            6: lambda x: np.rot90(x),
            7: lambda x: x[::-1, ::-1].transpose(1, 0, 2),
            8: lambda x: np.rot90(x, -1),
        }[orientation](QUARTERS)
        exif = Image.Exif()
        exif[0x0112] = orientation
        path = save(tmp_path / "face.jpg", Image.fromarray(np.ascontiguousarray(stored)), exif=exif, quality=95)
        once = load_image(Image.open(path) if opened else path)
        assert_shows(once, QUARTERS, tolerance=4)
        assert np.array_equal(np.asarray(load_image(once)), np.asarray(once))

    def test_first_frame_of_an_animation(self, tmp_path):
        path = tmp_path / "face.gif"
        Image.fromarray(QUARTERS).save(path, save_all=True, append_images=[Image.new("RGB", (64, 48))])
        assert_shows(load_image(path), QUARTERS)

    def test_smallest_and_longest(self):
        assert load_image(np.zeros((16, 160, 3), np.uint8)).size == (160, 16)


class TestRefuses:
    """Every refusal names the file, says what was found and what is expected."""

    def refusal(self, source, found):
        with pytest.raises(ImageReadError, match=found) as caught:
            load_image(source)
        message = str(caught.value)
        assert "expected a readable image" in message
        return message

    @pytest.mark.parametrize(
        ("content", "found"),
        [
            (b"", "empty"),
            (b"this is no picture\n" * 40, "cannot be decoded"),
            (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n", "cannot be decoded"),
            (bytes(range(256)) * 9, "cannot be decoded"),
        ],
        ids=["empty", "text", "postscript", "noise"],
    )
    def test_no_picture(self, tmp_path, content, found):
        path = tmp_path / "face_17.png"
        path.write_bytes(content)
        assert str(path) in self.refusal(path, found)
        self.refusal(content, found)

    @pytest.mark.parametrize("kind", ["PCX", "TGA", "ICO"])
    def test_picture_of_a_format_that_is_not_admitted(self, tmp_path, kind):
        path = tmp_path / "face_17.png"
        Image.fromarray(QUARTERS).save(path, kind)
        assert str(path) in self.refusal(path, "cannot be decoded")

    @pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "bmp"])
    @pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
    def test_truncated(self, tmp_path, suffix, kept):
        noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
        path = save(tmp_path / f"face_18.{suffix}", Image.fromarray(noise))
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
        assert str(path) in self.refusal(path, "cannot be decoded")

    def test_missing_and_folder(self, tmp_path):
        assert "face_19.png" in self.refusal(tmp_path / "face_19.png", "no such file")
        assert str(tmp_path) in self.refusal(tmp_path, "not a file")
        self.refusal("https://example.org/face.png", "no such file")

    @pytest.mark.parametrize("size", [(1, 1), (20000, 10), (10, 20000), (15, 60), (170, 16)])
    def test_size(self, tmp_path, size):
        path = save(tmp_path / "face_20.png", Image.new("RGB", size))
        assert str(path) in self.refusal(path, f"{size[0]} x {size[1]} px")

    def test_decompression_bomb_is_not_unpacked(self, tmp_path):
        path = tmp_path / "face_21.png"
        side = int(MAX_PIXELS**0.5) + 1
        path.write_bytes(_png(side, side, zlib.compress(b"")))
        with pytest.warns(Image.DecompressionBombWarning):
            assert str(path) in self.refusal(path, f"{side} x {side} px")
        path.write_bytes(_png(60000, 60000, zlib.compress(b"")))
        self.refusal(path, "DecompressionBombError")

    def test_pixels_of_unknown_range(self, tmp_path):
        floats = save(tmp_path / "face_22.tif", Image.fromarray(LUMA.astype(np.float32)))
        assert str(floats) in self.refusal(floats, "floating-point")
        wide = save(tmp_path / "face_23.tif", Image.fromarray(LUMA.astype(np.int32) * 70000))
        assert str(wide) in self.refusal(wide, "beyond 16 bits")

    @pytest.mark.parametrize(
        "array",
        [
            QUARTERS.astype(np.float32) / 255,
            QUARTERS.astype(np.int64),
            QUARTERS[None],
            QUARTERS[:, :, :2],
            QUARTERS[0, 0],
        ],
        ids=["float", "int64", "4 dimensions", "2 channels", "1 dimension"],
    )
    def test_arrays(self, array):
        self.refusal(array, "an array of shape")

    @pytest.mark.parametrize("source", [None, 7, [QUARTERS]])
    def test_other_things(self, source):
        self.refusal(source, "neither path, bytes, PIL image nor array")


def _png(width, height, data):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def _big_endian_tiff(grey_HW):
    height, width = grey_HW.shape
    data = grey_HW.astype(">u2").tobytes()
    tags = [
        (256, width),
        (257, height),
        (258, 16),
        (259, 1),
        (262, 1),
        (273, 8),
        (277, 1),
        (278, height),
        (279, len(data)),
    ]
    entries = b"".join(struct.pack(">HHII", tag, 4, 1, value) for tag, value in tags)
    return b"MM\x00\x2a" + struct.pack(">I", 8 + len(data)) + data + struct.pack(">H", len(tags)) + entries + bytes(4)


def test_an_error_comes_whole_out_of_a_worker_process():
    error = ImageReadError("a.png", "empty")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
