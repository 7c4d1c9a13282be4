"""Pages as a searchable PDF file: each image, and over it its text, which is not seen."""

from collections.abc import Iterable
from typing import Any, BinaryIO

from deepocr_jax.errors import MissingPackageError, ParameterValueError
from deepocr_jax.export.pages import ExportPage
from deepocr_jax.export.pdf_font import InvisibleFonts, make_fonts
from deepocr_jax.export.pdf_image import DEFAULT_DPI, PdfImage, make_pdf_image
from deepocr_jax.export.pdf_text import page_text

POINTS_PER_INCH = 72.0
INSTALL = 'pip install "deepocr_jax[pdf]"'


def write_pdf(pages: Iterable[ExportPage], file: BinaryIO, dpi: float | None = None) -> None:
    """Writes one file of any number of pages.

    Args:
        pages: With their images.
        file: Where the file goes.
        dpi: Pixels an inch, from which the size of the pages follows; None: what the image states,
            else 300.

    Raises:
        ParameterValueError: There are no pages, a page has no image, the image is not that of the
            page, or dpi is not positive.
        ImageError: An image cannot be used.
        MissingPackageError: The packages for PDF files are not installed.
    """
    if dpi is not None and not dpi > 0:
        raise ParameterValueError(f"dpi: expected a positive number, got {dpi!r}")
    pikepdf = _pikepdf()
    with pikepdf.Pdf.new() as pdf:
        fonts = InvisibleFonts()
        # All pages refer to the same fonts, which are known only after the last one.
        resources = pdf.make_indirect(pikepdf.Dictionary())
        for page in pages:
            _add_page(pdf, page, resources, fonts, dpi)
        if not pdf.pages:
            raise ParameterValueError("a PDF file needs at least one page, got none; pass results")
        for name, font in make_fonts(pdf, fonts).items():
            resources[name] = font
        pdf.docinfo["/Producer"] = "deepocr_jax"
        pdf.save(file, deterministic_id=True)


def _pikepdf() -> Any:
    try:
        import fontTools  # noqa: F401
        import pikepdf
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            f"writing PDF files needs the package {error.name}; run: {INSTALL}"
        ) from error
    return pikepdf


def _add_page(
    pdf: Any, page: ExportPage, resources: Any, fonts: InvisibleFonts, dpi: float | None
) -> None:
    from pikepdf import Dictionary, Name

    image = _image_of(page)
    scale = POINTS_PER_INCH / (dpi or image.dpi or DEFAULT_DPI)
    width, height = page.width * scale, page.height * scale
    matrix = " ".join(f"{value:.4f}" for value in image.matrix(width, height))
    content = f"q {matrix} cm /Im0 Do Q\n".encode("ascii")
    content += page_text(page, fonts, scale)
    drawn = pdf.make_stream(
        image.data,
        Type=Name.XObject,
        Subtype=Name.Image,
        Width=image.width,
        Height=image.height,
        ColorSpace=Name("/" + image.color_space),
        BitsPerComponent=8,
        Filter=Name.DCTDecode,
    )
    added = pdf.add_blank_page(page_size=(width, height))
    added.obj.Resources = Dictionary(XObject=Dictionary(Im0=drawn), Font=resources)
    added.obj.Contents = pdf.make_stream(content)


def _image_of(page: ExportPage) -> PdfImage:
    if page.image is None:
        raise ParameterValueError(
            f"the page {page.name!r} has no image, and a PDF file shows it; pass the image"
        )
    image = make_pdf_image(page.image, page.height * page.width)
    size = (image.width, image.height)
    turned = image.orientation >= 5
    if (size[::-1] if turned else size) != (page.width, page.height):
        raise ParameterValueError(
            f"expected for the page {page.name!r} an image of {page.width} x {page.height} "
            f"pixels, got {size[0]} x {size[1]}; pass the image that was read"
        )
    return image
