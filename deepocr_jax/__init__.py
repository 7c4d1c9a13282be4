"""Deep-learning OCR in JAX: read words in images, retrain on your own.

The operators and their parameters are described in `deepocr_jax.deep_ocr`.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deepocr_jax.deep_ocr import (
        DeepOCR,
        apply_deep_ocr,
        create_deep_ocr,
        get_deep_ocr_param,
        set_deep_ocr_param,
        warm_up_deep_ocr,
    )
    from deepocr_jax.dl_model import (
        DLModel,
        apply_dl_model,
        get_dl_model_param,
        read_dl_model,
        write_dl_model,
    )
    from deepocr_jax.errors import (
        DeepOCRError,
        ImageBatchError,
        ImageError,
        ImageFormatError,
        ImageReadError,
        ImageSizeError,
        ModeError,
        ModelFileError,
        ParameterError,
        ParameterValueError,
        UnknownParameterError,
        WeightsError,
    )
    from deepocr_jax.handle_files import read_deep_ocr, write_deep_ocr
    from deepocr_jax.image import read_image

__version__ = "0.1.0"

__all__ = [
    "DLModel",
    "DeepOCR",
    "DeepOCRError",
    "ImageBatchError",
    "ImageError",
    "ImageFormatError",
    "ImageReadError",
    "ImageSizeError",
    "ModeError",
    "ModelFileError",
    "ParameterError",
    "ParameterValueError",
    "UnknownParameterError",
    "WeightsError",
    "apply_deep_ocr",
    "apply_dl_model",
    "create_deep_ocr",
    "get_deep_ocr_param",
    "get_dl_model_param",
    "read_deep_ocr",
    "read_dl_model",
    "read_image",
    "set_deep_ocr_param",
    "warm_up_deep_ocr",
    "write_deep_ocr",
    "write_dl_model",
]

# Where the public names live. Importing JAX takes a second, so it waits until a name is used: the
# command line answers `--help` at once, and sets up its environment before JAX reads it.
_HOMES = {
    "deepocr_jax.deep_ocr": (
        "DeepOCR",
        "apply_deep_ocr",
        "create_deep_ocr",
        "get_deep_ocr_param",
        "set_deep_ocr_param",
        "warm_up_deep_ocr",
    ),
    "deepocr_jax.dl_model": (
        "DLModel",
        "apply_dl_model",
        "get_dl_model_param",
        "read_dl_model",
        "write_dl_model",
    ),
    "deepocr_jax.errors": (
        "DeepOCRError",
        "ImageBatchError",
        "ImageError",
        "ImageFormatError",
        "ImageReadError",
        "ImageSizeError",
        "ModeError",
        "ModelFileError",
        "ParameterError",
        "ParameterValueError",
        "UnknownParameterError",
        "WeightsError",
    ),
    "deepocr_jax.handle_files": ("read_deep_ocr", "write_deep_ocr"),
    "deepocr_jax.image": ("read_image",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Imports a public name at its first use."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, imported or not."""
    return sorted({*globals(), *__all__})
