"""Which frames of an image file are pages of their own."""

import warnings

from PIL import Image, TiffImagePlugin

from deepocr_jax.errors import ImageReadError

# The tag of TIFF files that tells smaller versions of other frames (bit 0) and masks (bit 2).
_SUBFILE_TYPE, _NO_PAGE = 254, 0b101
_ANIMATED = ("PNG", "WEBP", "GIF", "AVIF")


def page_frames(image: Image.Image) -> list[int]:
    """The frames of an image that are pages; the last one may turn out to be damaged."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return [0]
    frames: list[int] = []
    number = 0
    while True:
        try:
            image.seek(number)
        except EOFError:
            break
        except Exception:
            # Left for the one who reads it.
            return [*frames, number]
        if not int(image.tag_v2.get(_SUBFILE_TYPE, 0)) & _NO_PAGE:
            frames.append(number)
        number += 1
    return frames or [0]


def go_to_page(image: Image.Image, name: str, page: int | None) -> None:
    """Lets an image that is not decoded yet show one of its pages.

    Args:
        image: The image.
        name: What messages call it.
        page: Number of the page, from 0; None: the first one, and a warning if there is more.

    Raises:
        ImageReadError: There is no such page.
    """
    frames = page_frames(image)
    if page is not None and not 0 <= page < len(frames):
        raise ImageReadError(
            f"Expected a page from 0 to {len(frames) - 1} of the image {name}, got {page}."
        )
    if len(frames) > 1 and page is None:
        warnings.warn(
            f"The image {name} has {len(frames)} pages, of which the first one is read; "
            "read_pages gives them all.",
            stacklevel=2,
        )
    elif image.format in _ANIMATED and getattr(image, "is_animated", False):
        warnings.warn(
            f"The image {name} is an animation, of which the first picture is read.", stacklevel=2
        )
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        image.seek(frames[page or 0])
