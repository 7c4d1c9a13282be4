"""Images as RGB arrays: decoding of files (`read_image`) and conversion of arrays (`as_rgb`).

Both give uint8 arrays of shape [height, width, 3] and raise an `ImageError` for whatever has no
plain meaning as such an array, rather than guess.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import Any, BinaryIO, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image, TiffImagePlugin

from deepocr_jax.errors import ImageError, ImageFormatError, ImageReadError, ImageSizeError
from deepocr_jax.image_frames import count_frames, go_to_page

DEFAULT_MAX_PIXELS = 2**28
"""Most pixels (height times width) that an image may have unless the caller says otherwise."""

# Raster formats only: Pillow also knows formats that start another program (EPS) or that are
# recognised by nothing in their first bytes (TGA), which a reader of untrusted files must not try.
_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF", "JPEG2000", "PPM", "AVIF")
_Value = TypeVar("_Value")

_EXIF_ORIENTATION = 0x0112

# The rounded value/257 of each 16-bit value: 65535 -> 255, and never a tie as 257 is odd.
_FROM_16_BITS = ((np.arange(65536, dtype=np.uint32) + 128) // 257).astype(np.uint8)

_ORIENTATIONS: dict[int, Callable[[npt.NDArray[Any]], npt.NDArray[Any]]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a[::-1].swapaxes(0, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a[:, ::-1].swapaxes(0, 1),
}


def image_suffixes() -> tuple[str, ...]:
    """The endings of the files that `read_image` reads, in lower case, such as ".png"."""
    Image.init()
    return tuple(sorted(end for end, name in Image.EXTENSION.items() if name in _FORMATS))


def read_image(
    source: str | os.PathLike | bytes,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    page: int | None = None,
) -> npt.NDArray[np.uint8]:
    """Reads an image file as RGB.

    The EXIF orientation is obeyed, transparency is composited over white, and 16-bit gray is scaled
    to 8 bits (65535 becomes 255). The number of pixels is taken from the header, so a file beyond
    the limit is refused before it is decoded.

    Args:
        source: path of the file, or (as bytes) the contents of the file.
        max_pixels: most pixels (height times width) that are accepted.
        page: number of a page of a TIFF file, from 0; None: the first one. Then a warning tells if
            there are more pages (see `read_pages`), or if the file is an animation.

    Returns:
        RGB uint8 [height, width, 3], C-contiguous and writable.

    Raises:
        ImageReadError: the file is missing, empty, truncated, or not an image, or has no such page.
        ImageFormatError: the pixels have no plain meaning as RGB (such as 32-bit floats), or the
            source is neither a path nor bytes.
        ImageSizeError: the image has more pixels than `max_pixels`.
    """
    return _with_file(source, lambda file, name: _decode(file, name, max_pixels, page))


def count_pages(source: str | os.PathLike | bytes) -> int:
    """The pages of an image file: those of a TIFF file, 1 for all others, also for damaged ones.

    Smaller versions of pages, and masks, do not count.

    Args:
        source: path of the file, or (as bytes) its contents.

    Raises:
        ImageReadError: the file is missing or cannot be opened.
    """
    return _with_file(source, lambda file, _: _count_pages(file))


def _count_pages(file: BinaryIO) -> int:
    try:
        image = _identify(file)
        return 1 if image is None else count_frames(image)
    except Exception:  # The header is damaged in one of many ways, which reading the image names.
        return 1


def _with_file(source: str | os.PathLike | bytes, use: Callable[[BinaryIO, str], _Value]) -> _Value:
    """Opens a file for a function of it and its name in messages; errors as in `read_image`."""
    if isinstance(source, bytes):
        return use(io.BytesIO(source), f"<{len(source)} bytes>")
    try:
        path = os.fspath(source)
    except TypeError:
        raise ImageFormatError(
            f"Expected the path of an image file or its contents as bytes, got "
            f"{type(source).__name__}; an array goes to as_rgb."
        ) from None
    name = repr(os.fsdecode(path))
    try:
        with open(path, "rb") as file:
            return use(file, name)
    except ImageError:
        raise
    except FileNotFoundError as error:
        raise ImageReadError(f"There is no image file {name}; check the path.") from error
    except IsADirectoryError as error:
        raise ImageReadError(
            f"Expected an image file, but {name} is a directory; pass the files in it."
        ) from error
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise ImageReadError(f"Cannot open the image file {name}: {error}.") from error


def as_rgb(image: np.ndarray, max_pixels: int = DEFAULT_MAX_PIXELS) -> npt.NDArray[np.uint8]:
    """Converts an array to RGB.

    The dtype says what the values mean: integers are in 0..255, except that uint16 spans 0..65535;
    floats are in [0, 1]; booleans are black and white. Alpha is composited over white.

    Args:
        image: gray [h, w] or [h, w, 1], RGB [h, w, 3], or RGBA [h, w, 4].
        max_pixels: most pixels (h times w) that are accepted.

    Returns:
        RGB uint8 [h, w, 3], C-contiguous. It is `image` itself, not a copy, where that already is
        such an array.

    Raises:
        ImageFormatError: the dtype, the rank, the channels or the values have no plain meaning.
        ImageSizeError: the image has no pixels, or more than `max_pixels`.
    """
    # Lists and Pillow images are refused: NumPy would take them, but the list as 64-bit integers
    # and the palette image as its indices, which is not the picture.
    if not hasattr(image, "__array__"):
        raise ImageFormatError(
            f"Expected an array, got {type(image).__name__}; for a Pillow image pass "
            "numpy.asarray(image.convert('RGB'))."
        )
    array = np.asarray(image)
    _check_shape(array.shape, max_pixels)
    values = _as_uint8(array)
    if values.ndim == 2:
        values = values[:, :, None]
    if values.shape[2] == 1:
        values = np.repeat(values, 3, axis=2)
    elif values.shape[2] == 4:
        values = _over_white(values)
    return np.ascontiguousarray(values)


def _check_shape(shape: tuple[int, ...], max_pixels: int) -> None:
    """Raises for a shape that is not that of an image within the limit."""
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (1, 3, 4)):
        hint = ""
        if len(shape) == 4:
            hint = " Pass the images of a batch one by one."
        elif len(shape) == 3 and shape[0] in (1, 3, 4):
            hint = " Move the channels to the end, as with numpy.moveaxis(image, 0, -1)."
        raise ImageFormatError(
            "Expected an image of shape [h, w], [h, w, 1], [h, w, 3] or [h, w, 4], "
            f"got {list(shape)}.{hint}"
        )
    height, width = shape[:2]
    if height == 0 or width == 0:
        raise ImageSizeError(
            f"Expected an image with pixels, got an empty one of shape {list(shape)}; "
            "leave it out of the call."
        )
    _check_pixels(height, width, max_pixels, "The image")


def _check_pixels(height: int, width: int, max_pixels: int, name: str) -> None:
    """Raises where an image has more pixels than the limit."""
    if height * width > max_pixels:
        raise ImageSizeError(
            f"{name} has {height} x {width} = {height * width} pixels, more than the limit of "
            f"{max_pixels}; scale it down, or pass a larger max_pixels."
        )


def _as_uint8(array: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Brings the values of an array with at least one element to 0..255, keeping its shape."""
    kind, bits = array.dtype.kind, array.dtype.itemsize * 8
    if kind == "u" and bits == 8:
        return array
    if kind == "b":
        return array.astype(np.uint8) * np.uint8(255)
    if kind == "u" and bits == 16:
        return _FROM_16_BITS[array]
    if kind in "iu":
        low, high = array.min(), array.max()
        if low < 0 or high > 255:
            raise ImageFormatError(
                f"Expected values in 0..255 in an image of dtype {array.dtype}, got "
                f"{low}..{high}; scale them and convert to uint8 (uint16 may span 0..65535)."
            )
        return array.astype(np.uint8)
    if kind == "f":
        low, high = array.min(), array.max()
        if not (low >= 0 and high <= 1):  # so written, NaN fails as well
            got = "NaN" if np.isnan(low) or np.isnan(high) else f"{low}..{high}"
            raise ImageFormatError(
                f"Expected values in [0, 1] in an image of dtype {array.dtype}, got {got}; divide "
                "values in 0..255 by 255 or convert them to uint8, and replace NaN first."
            )
        # In half precision the product itself would be rounded before it is rounded to integers.
        wide = array.astype(np.float32) if bits < 32 else array
        return np.rint(wide * 255).astype(np.uint8)
    raise ImageFormatError(
        f"Expected an image of integers, floats or booleans, got dtype {array.dtype}; "
        "convert it to uint8."
    )


def _over_white(rgba: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Composites RGBA [h, w, 4] over white, rounded to the nearest value; gives RGB [h, w, 3]."""
    alpha = rgba[:, :, 3:].astype(np.uint16)
    # At most 255 * 255 + 127, so 16 bits are enough.
    mixed = rgba[:, :, :3] * alpha + (255 - alpha) * np.uint16(255) + np.uint16(127)
    return (mixed // np.uint16(255)).astype(np.uint8)


class _TiffFile(TiffImagePlugin.TiffImageFile):
    """A TIFF file without Pillow's own limit, whose check sits where the pixels are allocated."""

    def load_prepare(self) -> None:
        """Allocates the pixels, whose number `_decode` has checked by now."""
        if self._im is None:
            self.im = Image.core.new(self.mode, self._tile_size)
        super().load_prepare()


def _decode(file: BinaryIO, name: str, max_pixels: int, page: int | None) -> npt.NDArray[np.uint8]:
    """Decodes an open file; `name` is what messages call it. Errors as in `read_image`."""
    if not file.read(1):
        raise ImageReadError(f"The image file {name} is empty; check how it was written.")
    try:
        image = _identify(file)
        if image is not None:
            go_to_page(image, name, page)
            # A factory may leave the orientation of a TIFF aside, which leaves the product as is.
            width, height = image.size
            _check_pixels(height, width, max_pixels, f"The image {name}")
            image.load()
    except (ImageError, MemoryError, Warning):
        raise
    except Image.DecompressionBombError as error:
        raise ImageSizeError(
            f"The image {name} is beyond the limit that Pillow sets itself for this format "
            f"({error}); scale it down, or raise PIL.Image.MAX_IMAGE_PIXELS in your program."
        ) from error
    # Broken files surface in Pillow's decoders as nearly any exception: OSError, SyntaxError,
    # ValueError, EOFError, KeyError, struct.error, zlib.error, OverflowError.
    except Exception as error:
        raise ImageReadError(
            f"Cannot decode the image {name}: it is truncated or damaged ({error}); "
            "open it in an image viewer, or fetch it again."
        ) from error
    if image is None:
        raise ImageReadError(
            f"Expected {name} to be an image in one of the formats {', '.join(_FORMATS)}, but it "
            "is none of them (or its header is damaged); convert it to PNG."
        )
    with image:
        values = _pixels(image, name)
        orientation = _orientation(image)
    turn = _ORIENTATIONS.get(orientation)
    return np.array(turn(values) if turn else values, order="C")


def _identify(file: BinaryIO) -> Image.Image | None:
    """Reads the header of a file by the first format that accepts it; None when none does.

    This is the core of `PIL.Image.open` without its limit on the number of pixels. That limit is a
    variable of the module and its warning goes through the filters of the process, so switching
    either off for the time of one call would reach into other threads.
    """
    Image.init()
    file.seek(0)
    prefix = file.read(16)
    for name in _FORMATS:
        if name not in Image.OPEN:  # a build of Pillow without this format
            continue
        factory, accept = Image.OPEN[name]
        # `accept` gives text where the format is known but its decoder was not built in.
        if accept is not None and accept(prefix) is not True:
            continue
        file.seek(0)
        try:
            return _TiffFile(file, "") if name == "TIFF" else factory(file, "")
        except (SyntaxError, IndexError, TypeError):  # by which a format says "not mine"
            continue
    return None


def _pixels(image: Image.Image, name: str) -> npt.NDArray[np.uint8]:
    """The pixels of a decoded image as RGB [h, w, 3], in the orientation of the file."""
    mode = image.mode
    # Some 16-bit formats are decoded into 32-bit integers; only for them is the range known.
    if mode.startswith("I;16") or (mode == "I" and image.format in ("PNG", "PPM")):
        gray = np.asarray(image).astype(np.uint16)
        transparent = image.info.get("transparency")
        if isinstance(transparent, int):  # the one gray value that a PNG file shows as clear
            gray[gray == transparent] = 65535
        return np.repeat(_FROM_16_BITS[gray][:, :, None], 3, axis=2)
    if mode in ("I", "F"):
        kind = "32-bit integers" if mode == "I" else "32-bit floats"
        raise ImageFormatError(
            f"Expected 8 or 16 bits per channel in {name}, got {kind} without a known range; "
            "read the file yourself, scale its values to 0..255 and pass a uint8 array."
        )
    try:
        if mode == "La":  # premultiplied gray converts by way of the plain one only
            image = image.convert("LA")
        if image.has_transparency_data:
            return _over_white(np.asarray(image.convert("RGBA")))
        return np.asarray(image if mode == "RGB" else image.convert("RGB"))
    except (ValueError, OSError) as error:
        raise ImageFormatError(
            f"The pixel format {mode!r} of {name} cannot be converted to RGB ({error}); "
            "save the image as RGB."
        ) from error


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation 1..8 that is still to be applied to a decoded image."""
    # Damaged EXIF data says nothing about the pixels, which are read already. A TIFF file has been
    # turned by Pillow while it was decoded, and its orientation has been removed.
    try:
        return int(image.getexif().get(_EXIF_ORIENTATION, 1))
    except Exception:
        return 1
