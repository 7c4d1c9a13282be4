from __future__ import annotations

import io
import os
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageOps

from deepocr_jax.errors import ImageError, ImageFormatError, ImageReadError, ImageSizeError
from deepocr_jax.image import DEFAULT_MAX_PIXELS, as_rgb, read_image

_SIDES = st.integers(1, 6)
_RGB = st.tuples(_SIDES, _SIDES, st.just(3)).flatmap(lambda s: hnp.arrays(np.uint8, s))
_GRAY16 = st.tuples(_SIDES, _SIDES).flatmap(lambda s: hnp.arrays(np.uint16, s))
_RGBA = st.tuples(_SIDES, _SIDES, st.just(4)).flatmap(lambda s: hnp.arrays(np.uint8, s))


def encode(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(*shape: int, dtype=np.uint8) -> np.ndarray:
    top = np.iinfo(dtype).max
    return np.random.default_rng(7).integers(0, top, shape, dtype, endpoint=True)


def over_white(rgba: np.ndarray) -> np.ndarray:
    alpha = rgba[..., 3:] / 255
    return np.floor(rgba[..., :3] * alpha + 255 * (1 - alpha) + 0.5 + 1e-9).astype(np.uint8)


# --- as_rgb: what is accepted -------------------------------------------------------------------


@given(_RGB)
def test_rgb_is_returned_as_it_is(image):
    assert as_rgb(image) is image


@given(_RGB)
def test_float_round_trip(image):
    for dtype in (np.float16, np.float32, np.float64):
        np.testing.assert_array_equal(as_rgb((image / 255).astype(dtype)), image)


@given(_RGB)
def test_integer_round_trip(image):
    for dtype in (np.int16, np.int32, np.int64, np.uint32, np.uint64):
        np.testing.assert_array_equal(as_rgb(image.astype(dtype)), image)


@given(_RGB)
def test_uint16_round_trip(image):
    np.testing.assert_array_equal(as_rgb(image.astype(np.uint16) * 257), image)


@given(_GRAY16)
def test_uint16_is_rounded_to_the_nearest(image):
    expected = np.rint(image / 257).astype(np.uint8)
    for array in (image, image.astype(">u2")):
        np.testing.assert_array_equal(as_rgb(array)[:, :, 0], expected)


@given(_RGBA)
def test_alpha_is_composited_over_white(image):
    np.testing.assert_array_equal(as_rgb(image), over_white(image))


@given(_RGB)
def test_any_memory_layout_gives_a_contiguous_copy(image):
    for view in (image[::-1], image[:, ::-1], image[:, :, ::-1], np.asfortranarray(image)):
        result = as_rgb(view)
        assert result.flags.c_contiguous
        np.testing.assert_array_equal(result, view)


def test_float_extremes_are_black_and_white():
    image = np.array([[0.0, 1.0, -0.0, 0.5]])
    np.testing.assert_array_equal(as_rgb(image)[0, :, 0], [0, 255, 0, 128])


def test_bool_is_black_and_white():
    np.testing.assert_array_equal(as_rgb(np.array([[False, True]]))[0], [[0] * 3, [255] * 3])


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1)])
def test_gray_is_repeated(shape):
    image = noise(*shape)
    result = as_rgb(image)
    assert result.shape == (4, 5, 3)
    for channel in range(3):
        np.testing.assert_array_equal(result[:, :, channel], image.reshape(4, 5))


def test_float_rgba():
    image = np.zeros((1, 2, 4), np.float32)
    image[0, 1, 3] = 1
    np.testing.assert_array_equal(as_rgb(image)[0], [[255] * 3, [0] * 3])


def test_input_is_not_changed():
    image = noise(3, 3, 4)
    before = image.copy()
    as_rgb(image)
    np.testing.assert_array_equal(image, before)


def test_anything_that_gives_an_array_is_accepted():
    class Holder:
        def __array__(self, dtype=None, copy=None):
            return np.full((2, 2), 9, np.uint8)

    assert as_rgb(Holder()).shape == (2, 2, 3)


# --- as_rgb: what is refused --------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape", [(), (5,), (4, 4, 2), (4, 4, 5), (4, 4, 0), (3, 8, 8), (1, 8, 8, 3), (1, 1, 1, 1, 1)]
)
def test_wrong_rank_or_channels(shape):
    with pytest.raises(ImageFormatError, match=r"Expected an image of shape"):
        as_rgb(np.zeros(shape, np.uint8))


def test_hints_for_common_layouts():
    with pytest.raises(ImageFormatError, match="moveaxis"):
        as_rgb(np.zeros((3, 8, 8), np.uint8))
    with pytest.raises(ImageFormatError, match="one by one"):
        as_rgb(np.zeros((1, 8, 8, 3), np.uint8))


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0, 3), (0, 5, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.int64])
def test_no_pixels(shape, dtype):
    with pytest.raises(ImageSizeError, match="empty"):
        as_rgb(np.zeros(shape, dtype))


def test_too_many_pixels():
    assert as_rgb(np.zeros((3, 4), np.uint8), max_pixels=12).shape == (3, 4, 3)
    with pytest.raises(ImageSizeError, match=r"3 x 4 = 12 pixels.*limit of 11.*max_pixels"):
        as_rgb(np.zeros((3, 4), np.uint8), max_pixels=11)


def test_default_limit_is_checked_before_the_pixels_are_touched():
    huge = np.broadcast_to(np.uint8(0), (2**15, 2**15))  # one byte of memory
    with pytest.raises(ImageSizeError, match=str(DEFAULT_MAX_PIXELS)):
        as_rgb(huge)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -0.01, 1.01, 255.0])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_float_outside_its_range(value, dtype):
    image = np.zeros((2, 2), dtype)
    image[1, 1] = value
    with pytest.raises(ImageFormatError, match=r"\[0, 1\].*divide"):
        as_rgb(image)


@pytest.mark.parametrize("value", [-1, 256, 2**31 - 1])
def test_integer_outside_its_range(value):
    image = np.zeros((2, 2), np.int32)
    image[0, 1] = value
    with pytest.raises(ImageFormatError, match=r"0\.\.255.*int32"):
        as_rgb(image)


@pytest.mark.parametrize("dtype", [np.complex64, object, "U1", "S1", "datetime64[s]"])
def test_dtype_without_a_meaning(dtype):
    with pytest.raises(ImageFormatError, match="dtype"):
        as_rgb(np.zeros((2, 2), dtype))


@pytest.mark.parametrize("image", [[[1, 2], [3, 4]], None, "a.png", 5, Image.new("P", (2, 2))])
def test_not_an_array(image):
    with pytest.raises(ImageFormatError, match="Expected an array"):
        as_rgb(image)


# --- read_image: what is accepted ---------------------------------------------------------------


@given(_RGB)
def test_png_round_trip(image):
    np.testing.assert_array_equal(read_image(encode(Image.fromarray(image))), image)


@given(_RGBA)
def test_png_with_alpha_matches_as_rgb(image):
    np.testing.assert_array_equal(read_image(encode(Image.fromarray(image))), as_rgb(image))


@given(_GRAY16)
def test_16_bit_gray_matches_as_rgb(image):
    picture = Image.fromarray(image)
    for kind in ("PNG", "TIFF"):
        np.testing.assert_array_equal(read_image(encode(picture, kind)), as_rgb(image))


def test_16_bit_gray_spans_8_bits():
    image = np.array([[0, 128, 129, 32768, 65406, 65407, 65535]], np.uint16)
    result = read_image(encode(Image.fromarray(image)))
    np.testing.assert_array_equal(result[0, :, 0], [0, 0, 1, 128, 254, 255, 255])


def test_16_bit_gray_with_other_byte_order_and_container():
    image = noise(3, 4, dtype=np.uint16)
    tiff = encode(Image.fromarray(image), "TIFF")
    assert tiff[:2] == b"II"
    pgm = b"P5 4 3 65535\n" + image.astype(">u2").tobytes()
    np.testing.assert_array_equal(read_image(pgm), as_rgb(image))
    big_endian = Image.frombytes("I;16B", (4, 3), image.astype(">u2").tobytes())
    np.testing.assert_array_equal(read_image(encode(big_endian, "TIFF")), as_rgb(image))


def test_16_bit_gray_with_a_clear_value():
    image = np.array([[7, 0]], np.uint16)
    data = encode(Image.fromarray(image))
    at = data.index(b"IDAT") - 4
    body = b"tRNS" + (7).to_bytes(2, "big")
    chunk = (2).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    np.testing.assert_array_equal(read_image(data[:at] + chunk + data[at:])[0, :, 0], [255, 0])


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_formats(kind):
    image = noise(5, 7, 3)
    np.testing.assert_array_equal(read_image(encode(Image.fromarray(image), kind)), image)


def test_lossless_webp():
    image = noise(5, 7, 3)
    data = encode(Image.fromarray(image), "WEBP", lossless=True)
    np.testing.assert_array_equal(read_image(data), image)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_deflate", "packbits"])
def test_compressed_tiff(compression):
    image = noise(5, 7, 3)
    data = encode(Image.fromarray(image), "TIFF", compression=compression)
    np.testing.assert_array_equal(read_image(data), image)


def test_jpeg_is_near():
    image = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    result = read_image(encode(Image.fromarray(image), "JPEG", quality=95))
    assert np.abs(result.astype(int) - image).max() <= 4


def test_cmyk_jpeg():
    picture = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    result = read_image(encode(picture, "JPEG", quality=95))
    assert np.abs(result.astype(int) - (255, 0, 0)).max() <= 8


def test_one_bit():
    bits = np.array([[True, False, True]])
    np.testing.assert_array_equal(read_image(encode(Image.fromarray(bits))), as_rgb(bits))


def test_gray():
    image = noise(4, 3)
    np.testing.assert_array_equal(read_image(encode(Image.fromarray(image))), as_rgb(image))


def test_gray_with_alpha():
    image = noise(4, 3, 2)
    expected = over_white(image[:, :, [0, 0, 0, 1]])
    np.testing.assert_array_equal(read_image(encode(Image.fromarray(image, "LA"))), expected)


def palette_image() -> Image.Image:
    picture = Image.new("P", (3, 1))
    picture.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    picture.putdata([0, 1, 2])
    return picture


def test_palette():
    result = read_image(encode(palette_image()))
    np.testing.assert_array_equal(result[0], [[255, 0, 0], [0, 255, 0], [0, 0, 255]])


def test_palette_with_a_clear_entry():
    for kind in ("PNG", "GIF"):
        result = read_image(encode(palette_image(), kind, transparency=1))
        np.testing.assert_array_equal(result[0], [[255, 0, 0], [255, 255, 255], [0, 0, 255]])


def test_rgb_with_a_clear_colour():
    image = np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8)
    result = read_image(encode(Image.fromarray(image), transparency=(1, 2, 3)))
    np.testing.assert_array_equal(result[0], [[255, 255, 255], [4, 5, 6]])


@pytest.mark.parametrize("kind", ["GIF", "PNG", "TIFF"])
def test_animation_gives_its_first_frame_and_says_so(kind):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "lime", "blue")]
    data = encode(frames[0], kind, save_all=True, append_images=frames[1:])
    with pytest.warns(UserWarning, match="the first"):
        image = read_image(data)
    np.testing.assert_array_equal(image, np.full((4, 4, 3), (255, 0, 0)))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_exif_orientation(kind, orientation):
    picture = Image.fromarray(noise(8, 24, 3))
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(picture, kind, exif=exif)
    with Image.open(io.BytesIO(data)) as opened:
        expected = np.asarray(ImageOps.exif_transpose(opened))
    result = read_image(data)
    assert result.shape == ((24, 8, 3) if orientation >= 5 else (8, 24, 3))
    assert result.flags.c_contiguous
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_meaningless_orientation_is_ignored(orientation):
    image = noise(4, 6, 3)
    exif = Image.Exif()
    exif[0x0112] = orientation
    np.testing.assert_array_equal(read_image(encode(Image.fromarray(image), exif=exif)), image)


def test_damaged_exif_does_not_matter():
    image = noise(4, 6, 3)
    data = encode(Image.fromarray(image), exif=b"Exif\x00\x00MM\x00*\x00\x00")
    np.testing.assert_array_equal(read_image(data), image)


def test_kinds_of_source(tmp_path):
    image = noise(4, 6, 3)
    path = tmp_path / "mit Umlaut \u00e4.dat"
    path.write_bytes(encode(Image.fromarray(image)))

    class Name(os.PathLike):
        def __fspath__(self):
            return os.fsencode(path)

    for source in (path, str(path), Name(), path.read_bytes()):
        np.testing.assert_array_equal(read_image(source), image)


def test_result_can_be_written_to():
    result = read_image(encode(Image.new("RGB", (2, 2))))
    assert result.dtype == np.uint8
    assert result.flags.writeable and result.flags.c_contiguous
    result[:] = 1


def test_file_is_closed(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encode(Image.new("RGB", (2, 2))))
    read_image(path)  # a file left open would raise ResourceWarning, an error in these tests
    path.unlink()


# --- read_image: limits -------------------------------------------------------------------------


def png_header(width: int, height: int) -> bytes:
    """A PNG file that promises more pixels than it has."""
    body = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\0\0\0"
    head = (13).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    data = b"IDAT" + zlib.compress(b"")
    tail = (len(data) - 4).to_bytes(4, "big") + data + zlib.crc32(data).to_bytes(4, "big")
    return b"\x89PNG\r\n\x1a\n" + head + tail


def test_limit_is_inclusive():
    data = encode(Image.new("RGB", (4, 3)))
    assert read_image(data, max_pixels=12).shape == (3, 4, 3)
    with pytest.raises(ImageSizeError, match=r"3 x 4 = 12 pixels.*limit of 11.*max_pixels"):
        read_image(data, max_pixels=11)


def test_bomb_is_refused_by_its_header():
    with pytest.raises(ImageSizeError, match="60000 x 60000"):
        read_image(png_header(60000, 60000))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "GIF", "PPM"])
@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_limit_of_pillow_is_not_in_the_way(kind, compression, monkeypatch):
    data = encode(Image.new("L", (30, 20), 255), kind, compression=compression)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert read_image(data).shape == (20, 30, 3)
    assert Image.MAX_IMAGE_PIXELS == 10


@pytest.mark.parametrize("orientation", [1, 6])
def test_turned_tiff_beyond_the_limit_of_pillow(orientation, monkeypatch):
    image = noise(8, 24, 3)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(Image.fromarray(image), "TIFF", exif=exif)
    expected = read_image(data)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    np.testing.assert_array_equal(read_image(data), expected)


def test_bombs_in_pillows_own_decoders_are_size_errors(monkeypatch):
    def bomb(*_):
        raise Image.DecompressionBombError("too many")

    Image.init()
    monkeypatch.setitem(Image.OPEN, "PNG", (bomb, lambda prefix: prefix.startswith(b"\x89PNG")))
    with pytest.raises(ImageSizeError, match="MAX_IMAGE_PIXELS"):
        read_image(encode(Image.new("L", (2, 2))))


def test_threads_see_no_change_of_global_state():
    data = encode(Image.new("RGB", (64, 64)))
    limit, filters = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    seen = []

    def work():
        for _ in range(20):
            read_image(data)
            seen.append(limit == Image.MAX_IMAGE_PIXELS and list(warnings.filters) == filters)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 80 and all(seen)


# --- read_image: what is refused ----------------------------------------------------------------


def test_missing_file(tmp_path):
    path = tmp_path / "none.png"
    with pytest.raises(ImageReadError, match="none.png"):
        read_image(path)


def test_directory(tmp_path):
    with pytest.raises(ImageReadError, match="directory"):
        read_image(tmp_path)


def test_path_with_a_null_character():
    with pytest.raises(ImageReadError, match="null"):
        read_image("a\0b.png")


def test_path_below_a_file(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(ImageReadError, match="Cannot open"):
        read_image(tmp_path / "file" / "a.png")


@pytest.mark.parametrize("content", [b"", b"x", b"This is a text.\n" * 20, b"\0" * 1000])
def test_file_that_is_no_image(tmp_path, content):
    path = tmp_path / "text.png"
    path.write_bytes(content)
    with pytest.raises(ImageReadError, match="text.png"):
        read_image(path)
    with pytest.raises(ImageReadError, match=f"{len(content)} bytes"):
        read_image(content)


def test_empty_file_says_so(tmp_path):
    path = tmp_path / "a.png"
    path.touch()
    with pytest.raises(ImageReadError, match="empty"):
        read_image(path)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "PPM", "WEBP", "TIFF"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9])
@pytest.mark.filterwarnings("ignore:Truncated File Read:UserWarning")  # Pillow, before it gives up
def test_truncated_file(tmp_path, kind, share):
    data = encode(Image.fromarray(noise(40, 50, 3)), kind)
    path = tmp_path / "cut.bin"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ImageReadError, match="cut.bin"):
        read_image(path)


@given(st.data())
def test_damaged_files_raise_nothing_but_image_errors(data):
    kind = data.draw(st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "TIFF", "PPM", "WEBP"]))
    raw = bytearray(encode(Image.fromarray(noise(6, 9, 3)), kind))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's own remarks on damaged headers
        try:
            result = read_image(bytes(raw), max_pixels=10_000)
        except ImageError:
            return
    assert result.dtype == np.uint8 and result.ndim == 3 and result.shape[2] == 3


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_32_bit_tiff(tmp_path, dtype):
    path = tmp_path / "deep.tif"
    Image.fromarray(np.zeros((3, 3), dtype)).save(path)
    with pytest.raises(ImageFormatError, match=r"deep.tif.*32-bit"):
        read_image(path)


def test_pixel_format_without_a_conversion(monkeypatch):
    def refuse(*_, **__):
        raise ValueError("conversion not supported")

    data = encode(Image.new("CMYK", (3, 3)), "TIFF")
    monkeypatch.setattr(Image.Image, "convert", refuse)
    with pytest.raises(ImageFormatError, match=r"'CMYK'.*not supported"):
        read_image(data)


def test_formats_that_run_other_programs_are_refused():
    data = encode(Image.new("RGB", (3, 3)), "EPS")
    with pytest.raises(ImageReadError, match="formats"):
        read_image(data)


@pytest.mark.parametrize("source", [None, 5, np.zeros((2, 2), np.uint8), ["a.png"]])
def test_wrong_kind_of_source(source):
    with pytest.raises(ImageFormatError, match=r"path.*as_rgb"):
        read_image(source)


def test_memory_errors_pass(monkeypatch):
    def fail(*_):
        raise MemoryError

    Image.init()
    monkeypatch.setitem(Image.OPEN, "PNG", (fail, lambda prefix: True))
    with pytest.raises(MemoryError):
        read_image(Path(__file__).read_bytes())
