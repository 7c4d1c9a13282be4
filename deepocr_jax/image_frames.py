"""Which frames of an image file are pages of their own."""

import warnings
from collections.abc import Iterator
from itertools import islice

from PIL import Image, TiffImagePlugin

from deepocr_jax.errors import ImageReadError

# The tag of TIFF files that tells smaller versions of other frames (bit 0) and masks (bit 2).
_SUBFILE_TYPE, _NO_PAGE = 254, 0b101
_ANIMATED = ("PNG", "WEBP", "GIF", "AVIF")


def page_frames(image: Image.Image) -> Iterator[int]:
    """The frames of an image that are pages; the last one may turn out to be damaged.

    Each is looked at when it is asked for.
    """
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        yield 0
        return
    number, has_page = 0, False
    while True:
        try:
            image.seek(number)
        except EOFError:
            break
        except Exception:
            # Left for the one who reads it.
            yield number
            return
        if not int(image.tag_v2.get(_SUBFILE_TYPE, 0)) & _NO_PAGE:
            has_page = True
            yield number
        number += 1
    if not has_page:
        yield 0


def count_frames(image: Image.Image) -> int:
    """How many of an image's frames are pages."""
    return sum(1 for _ in page_frames(image))


def go_to_page(image: Image.Image, name: str, page: int | None) -> None:
    """Lets an image that is not decoded yet show one of its pages.

    Args:
        image: The image.
        name: What messages call it.
        page: Number of the page, from 0; None: the first one, and a warning if there is more.

    Raises:
        ImageReadError: There is no such page.
    """
    number = page or 0
    frame = next(islice(page_frames(image), number, None), None) if number >= 0 else None
    if frame is None:
        raise ImageReadError(
            f"Expected a page from 0 to {count_frames(image) - 1} of the image {name}, got {page}."
        )
    count = count_frames(image) if page is None else 1
    if count > 1:
        warnings.warn(
            f"The image {name} has {count} pages, of which the first one is read; "
            "read_pages gives them all.",
            stacklevel=2,
        )
    elif image.format in _ANIMATED and getattr(image, "is_animated", False):
        warnings.warn(
            f"The image {name} is an animation, of which the first picture is read.", stacklevel=2
        )
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        image.seek(frame)
