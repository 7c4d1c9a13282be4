"""Deep-learning OCR in JAX: read words in images, retrain on your own.

The operators and their parameters are described in `deepocr_jax.deep_ocr`.
"""

from deepocr_jax.deep_ocr import (
    DeepOCR,
    apply_deep_ocr,
    create_deep_ocr,
    get_deep_ocr_param,
    read_deep_ocr,
    set_deep_ocr_param,
    warm_up_deep_ocr,
    write_deep_ocr,
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
