"""Deep-learning OCR in JAX: read words in images, retrain on your own.

The operators and their parameters are described in `deepocr_jax.reader.deep_ocr`, those of models
in `deepocr_jax.dl.model_parameters`.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deepocr_jax.data.dataset_files import read_dl_dataset, write_dl_dataset
    from deepocr_jax.data.faults import drop_faulty, find_faults
    from deepocr_jax.data.ocr_datasets import (
        convert_dl_dataset_ocr_detection_to_recognition,
        read_dl_dataset_ocr_detection,
        read_dl_dataset_ocr_recognition,
    )
    from deepocr_jax.data.preprocess import create_dl_preprocess_param, preprocess_dl_samples
    from deepocr_jax.data.preprocess_dataset import preprocess_dl_dataset
    from deepocr_jax.data.samples import (
        find_dl_samples,
        gen_dl_samples,
        gen_dl_samples_from_images,
        read_dl_samples,
        write_dl_samples,
    )
    from deepocr_jax.data.splits import split_dl_dataset
    from deepocr_jax.data.statistics import gen_dl_dataset_ocr_recognition_statistics
    from deepocr_jax.display.figures import training_curve, worst_examples
    from deepocr_jax.display.result_figures import (
        dev_display_deep_ocr_results,
        dev_display_deep_ocr_results_preprocessed,
        dev_display_deep_ocr_score_maps,
    )
    from deepocr_jax.display.sample_figures import dev_display_dl_data
    from deepocr_jax.dl.evaluation import evaluate_dl_model
    from deepocr_jax.dl.model import (
        DLModel,
        apply_dl_model,
        read_dl_model,
        write_dl_model,
    )
    from deepocr_jax.dl.model_parameters import get_dl_model_param, set_dl_model_param
    from deepocr_jax.dl.procedures import (
        augment_dl_samples,
        create_dl_preprocess_param_from_model,
        find_invalid_samples_dl_ocr_recognition,
    )
    from deepocr_jax.dl.train_param import create_dl_train_param
    from deepocr_jax.dl.training import train_dl_model, train_dl_model_batch
    from deepocr_jax.errors import (
        DatasetError,
        DeepOCRError,
        ImageBatchError,
        ImageError,
        ImageFormatError,
        ImageReadError,
        ImageSizeError,
        MissingPackageError,
        ModeError,
        ModelFileError,
        ParameterError,
        ParameterValueError,
        TrainingDivergedError,
        UnknownParameterError,
        WeightsError,
    )
    from deepocr_jax.export.results import export_deep_ocr_results
    from deepocr_jax.image import read_image
    from deepocr_jax.image_pages import ImagePage, read_pages
    from deepocr_jax.pdf_pages import PdfPage, read_pdf
    from deepocr_jax.reader.deep_ocr import (
        DeepOCR,
        apply_deep_ocr,
        create_deep_ocr,
        get_deep_ocr_param,
        set_deep_ocr_param,
        warm_up_deep_ocr,
    )
    from deepocr_jax.reader.handle_files import read_deep_ocr, write_deep_ocr
    from deepocr_jax.reader.streaming import StreamResult, read_stream
    from deepocr_jax.recipes.finetuning import FinetuneConfig, finetune

__version__ = "0.1.0"

__all__ = [
    "DLModel",
    "DatasetError",
    "DeepOCR",
    "DeepOCRError",
    "FinetuneConfig",
    "ImageBatchError",
    "ImageError",
    "ImageFormatError",
    "ImagePage",
    "ImageReadError",
    "ImageSizeError",
    "MissingPackageError",
    "ModeError",
    "ModelFileError",
    "ParameterError",
    "ParameterValueError",
    "PdfPage",
    "StreamResult",
    "TrainingDivergedError",
    "UnknownParameterError",
    "WeightsError",
    "apply_deep_ocr",
    "apply_dl_model",
    "augment_dl_samples",
    "convert_dl_dataset_ocr_detection_to_recognition",
    "create_deep_ocr",
    "create_dl_preprocess_param",
    "create_dl_preprocess_param_from_model",
    "create_dl_train_param",
    "dev_display_deep_ocr_results",
    "dev_display_deep_ocr_results_preprocessed",
    "dev_display_deep_ocr_score_maps",
    "dev_display_dl_data",
    "drop_faulty",
    "evaluate_dl_model",
    "export_deep_ocr_results",
    "find_dl_samples",
    "find_faults",
    "find_invalid_samples_dl_ocr_recognition",
    "finetune",
    "gen_dl_dataset_ocr_recognition_statistics",
    "gen_dl_samples",
    "gen_dl_samples_from_images",
    "get_deep_ocr_param",
    "get_dl_model_param",
    "preprocess_dl_dataset",
    "preprocess_dl_samples",
    "read_deep_ocr",
    "read_dl_dataset",
    "read_dl_dataset_ocr_detection",
    "read_dl_dataset_ocr_recognition",
    "read_dl_model",
    "read_dl_samples",
    "read_image",
    "read_pages",
    "read_pdf",
    "read_stream",
    "set_deep_ocr_param",
    "set_dl_model_param",
    "split_dl_dataset",
    "train_dl_model",
    "train_dl_model_batch",
    "training_curve",
    "warm_up_deep_ocr",
    "worst_examples",
    "write_deep_ocr",
    "write_dl_dataset",
    "write_dl_model",
    "write_dl_samples",
]

# Where the public names live. Importing JAX takes a second, so it waits until a name is used: the
# command line answers `--help` at once, and sets up its environment before JAX reads it. Names for
# training and for figures need packages that readers do without.
_HOMES = {
    "deepocr_jax.data.dataset_files": (
        "read_dl_dataset",
        "write_dl_dataset",
    ),
    "deepocr_jax.data.faults": (
        "drop_faulty",
        "find_faults",
    ),
    "deepocr_jax.data.ocr_datasets": (
        "convert_dl_dataset_ocr_detection_to_recognition",
        "read_dl_dataset_ocr_detection",
        "read_dl_dataset_ocr_recognition",
    ),
    "deepocr_jax.data.preprocess": (
        "create_dl_preprocess_param",
        "preprocess_dl_samples",
    ),
    "deepocr_jax.data.preprocess_dataset": ("preprocess_dl_dataset",),
    "deepocr_jax.data.samples": (
        "find_dl_samples",
        "gen_dl_samples",
        "gen_dl_samples_from_images",
        "read_dl_samples",
        "write_dl_samples",
    ),
    "deepocr_jax.data.splits": ("split_dl_dataset",),
    "deepocr_jax.data.statistics": ("gen_dl_dataset_ocr_recognition_statistics",),
    "deepocr_jax.reader.deep_ocr": (
        "DeepOCR",
        "apply_deep_ocr",
        "create_deep_ocr",
        "get_deep_ocr_param",
        "set_deep_ocr_param",
        "warm_up_deep_ocr",
    ),
    "deepocr_jax.display.figures": (
        "training_curve",
        "worst_examples",
    ),
    "deepocr_jax.display.result_figures": (
        "dev_display_deep_ocr_results",
        "dev_display_deep_ocr_results_preprocessed",
        "dev_display_deep_ocr_score_maps",
    ),
    "deepocr_jax.display.sample_figures": ("dev_display_dl_data",),
    "deepocr_jax.dl.evaluation": ("evaluate_dl_model",),
    "deepocr_jax.dl.model": (
        "DLModel",
        "apply_dl_model",
        "read_dl_model",
        "write_dl_model",
    ),
    "deepocr_jax.dl.model_parameters": (
        "get_dl_model_param",
        "set_dl_model_param",
    ),
    "deepocr_jax.dl.procedures": (
        "augment_dl_samples",
        "create_dl_preprocess_param_from_model",
        "find_invalid_samples_dl_ocr_recognition",
    ),
    "deepocr_jax.dl.train_param": ("create_dl_train_param",),
    "deepocr_jax.dl.training": (
        "train_dl_model",
        "train_dl_model_batch",
    ),
    "deepocr_jax.errors": (
        "DatasetError",
        "DeepOCRError",
        "ImageBatchError",
        "ImageError",
        "ImageFormatError",
        "ImageReadError",
        "ImageSizeError",
        "MissingPackageError",
        "ModeError",
        "ModelFileError",
        "ParameterError",
        "ParameterValueError",
        "TrainingDivergedError",
        "UnknownParameterError",
        "WeightsError",
    ),
    "deepocr_jax.export.results": ("export_deep_ocr_results",),
    "deepocr_jax.recipes.finetuning": (
        "FinetuneConfig",
        "finetune",
    ),
    "deepocr_jax.reader.handle_files": (
        "read_deep_ocr",
        "write_deep_ocr",
    ),
    "deepocr_jax.image": ("read_image",),
    "deepocr_jax.image_pages": (
        "ImagePage",
        "read_pages",
    ),
    "deepocr_jax.pdf_pages": (
        "PdfPage",
        "read_pdf",
    ),
    "deepocr_jax.reader.streaming": (
        "StreamResult",
        "read_stream",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Imports a public name at its first use."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module(_HOME_OF[name]), name)
    except ModuleNotFoundError as error:
        extra = "notebook" if error.name == "matplotlib" else "train"
        error.add_note(f'{name} needs more packages; run: pip install "deepocr_jax[{extra}]"')
        raise
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, imported or not."""
    return sorted({*globals(), *__all__})
