"""Training of DL models on datasets of one's own."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deepocr_jax.checkpoint import ModelCheckpoint
from deepocr_jax.data.mixtures import MixedSource
from deepocr_jax.data.plans import BatchPlan, buckets_from
from deepocr_jax.data.sources import ArraySource, DatasetSource
from deepocr_jax.data.streams import make_batch
from deepocr_jax.data.word_crops import scale_crop
from deepocr_jax.dl.batch_schedule import BatchOptions, make_encoder
from deepocr_jax.dl.detection_training import train_detection, train_detection_batch
from deepocr_jax.dl.model import DLModel
from deepocr_jax.dl.recognition_task import make_recognition_task, with_variables
from deepocr_jax.dl.train_param import RECOGNITION_AUGMENTATION, DLTrainParam
from deepocr_jax.dl.training_run import (
    BatchSession,
    DLTrainOutcome,
    check_start,
    rows_of_batch,
    run_training,
)
from deepocr_jax.errors import ParameterValueError
from deepocr_jax.image import as_rgb
from deepocr_jax.models.registry import spec_from_dict, task_of
from deepocr_jax.synth.text_lines import RenderedSource
from deepocr_jax.synth.vocabulary import PRINTABLE_ASCII
from deepocr_jax.train.pages import PageSource
from deepocr_jax.train.recognition import DATASET, RecognitionOptions, make_recognition_losses
from deepocr_jax.types import CropSource, DLDataset

__all__ = ["DLTrainOutcome", "train_dl_model", "train_dl_model_batch"]

RENDERED_CROPS = 20_000


def train_dl_model(
    dataset: DLDataset,
    model: DLModel,
    train_param: DLTrainParam,
    start_epoch: int | str = 0,
    rehearsal: DLDataset | CropSource | PageSource | None = None,
    synthetic: CropSource | None = None,
) -> DLTrainOutcome:
    """Trains a model on the split "train" of a dataset.

    The model has then the parameters of the best evaluation on the split "validation", or, where
    there is no such split, those of the end. A detector learns from parts of the pages, scaled,
    turned and toned by chance; one by score maps needs the texts of the boxes, one of text regions
    the boxes alone, and it then finds what the boxes are around: words or lines.

    Args:
        dataset: With splits, preprocessed or not: a recognition dataset for a model of type
            "ocr_recognition", whole images with rotated boxes for one of type "ocr_detection".
        model: Its learning rate, batch size and so on are what `set_dl_model_param` made them.
        train_param: From `create_dl_train_param`.
        start_epoch: 0, or "resume" to go on with what `workdir` holds (from the beginning where it
            holds nothing).
        rehearsal: The old domain: a dataset of the same form or a source of crops or pages; None:
            text rendered with free fonts, or synthetic pages. Used where `rehearsal_share` is
            not 0.
        synthetic: Made crops that a recognition model learns from beside the dataset's, such as a
            `synth.displays.DisplaySource`; an epoch takes each once and the dataset's
            `repeats` times.

    Raises:
        ParameterValueError: Options that do not go together, or a model of another type.
        DatasetError: The dataset cannot be trained on; see `find_faults` for its samples.
        ModelFileError: `workdir` holds another run, or one that is not to be resumed.
        TrainingDivergedError: The loss is not finite any more.
    """
    check_start(train_param, start_epoch)
    kind = task_of(model.checkpoint.kind)
    if kind == "ocr_detection":
        if synthetic is not None:
            raise ParameterValueError(
                "synthetic: crops are for a recognition model; a detector learns from synthetic "
                "pages by rehearsal_share"
            )
        return train_detection(dataset, model, train_param, rehearsal)
    if kind != "ocr_recognition":
        raise _other_type(model)
    if isinstance(rehearsal, PageSource):
        raise ParameterValueError(
            "rehearsal: expected a recognition dataset or a source of crops, got pages"
        )
    return _train_recognition(dataset, model, train_param, rehearsal, synthetic)


def _other_type(model: DLModel) -> ParameterValueError:
    return ParameterValueError(
        'expected a model of type "ocr_recognition" or "ocr_detection", got '
        f"{model.checkpoint.kind!r}"
    )


def _train_recognition(
    dataset: DLDataset,
    model: DLModel,
    train_param: DLTrainParam,
    rehearsal: DLDataset | CropSource | None,
    synthetic: CropSource | None,
) -> DLTrainOutcome:
    checkpoint, share = model.checkpoint, train_param.pretrained_share
    width = model.training.image_width
    source: CropSource = DatasetSource(dataset, "train", width)
    if synthetic is not None:
        source = MixedSource(source, synthetic, train_param.repeats)
    has_validation = any(s.get("split") == "validation" for s in dataset["samples"])
    validation = DatasetSource(dataset, "validation", width) if has_validation else None
    batches = _batch_options(model, train_param)
    old = _rehearsal_source(rehearsal, checkpoint, batches) if batches.rehearsal_rows else None
    task = make_recognition_task(
        checkpoint, source, batches, _loss_options(model, train_param), validation, old, share
    )
    return run_training(
        task, model, train_param, lambda variables: with_variables(checkpoint, variables, share)
    )


def _batch_options(model: DLModel, param: DLTrainParam) -> BatchOptions:
    t = model.training
    return BatchOptions(
        batch_size=t.batch_size,
        batch_size_multiplier=t.batch_size_multiplier,
        rehearsal_share=param.rehearsal_share,
        image_width=t.image_width,
        seed=param.random_seed,
        pipeline=param.pipeline,
        workers=param.workers,
    )


def _loss_options(model: DLModel, param: DLTrainParam) -> RecognitionOptions:
    rehearsed = param.rehearsal_share > 0
    return RecognitionOptions(
        augmentation=RECOGNITION_AUGMENTATION if param.augment is None else param.augment,
        precision=model.training.precision,
        update_batch_statistics=param.update_batch_statistics,
        batchnorm_momentum=model.training.batchnorm_momentum,
        rehearsal_weight=param.rehearsal_weight,
        distillation_weight=param.distillation_weight if rehearsed else 0.0,
    )


def _rehearsal_source(
    rehearsal: DLDataset | CropSource | None, model: ModelCheckpoint, batches: BatchOptions
) -> CropSource:
    if rehearsal is None:
        known = set(model.alphabet)
        characters = [c for c in PRINTABLE_ASCII if c in known]
        return RenderedSource(
            RENDERED_CROPS, batches.seed, characters=characters, image_width=batches.image_width
        )
    if isinstance(rehearsal, Mapping):
        return DatasetSource(rehearsal, None, batches.image_width)
    return rehearsal


def train_dl_model_batch(
    samples: Mapping[str, Any] | Sequence[Mapping[str, Any]], model: DLModel
) -> dict[str, float]:
    """One step of training on samples that the caller has chosen.

    The optimizer's memory stays with the model from call to call; setting one of its parameters
    starts it afresh.

    Args:
        samples: DLSamples. For a model of type "ocr_recognition" with `image` (a word crop) and
            `word`; for one of type "ocr_detection" with `image` (a page or a part of one, at the
            scale at which it is read) and boxes, by score maps also with their texts.
        model: It is changed.

    Returns:
        The DLTrainResult: `total_loss`, the mean loss of the samples (in nats for a recognition),
        and the further losses of the model.

    Raises:
        ParameterValueError: A sample without image or word, or a word outside the alphabet.
        DatasetError: A word that is too long for its image, or a page without boxes.
        TrainingDivergedError: The loss is not finite.
    """
    batch = [samples] if isinstance(samples, Mapping) else list(samples)
    kind = task_of(model.checkpoint.kind)
    if kind not in ("ocr_recognition", "ocr_detection"):
        raise _other_type(model)
    if not batch:
        raise ParameterValueError("expected one sample at least, got none")
    if kind == "ocr_detection":
        return train_detection_batch(batch, model)
    for number, sample in enumerate(batch):
        if "image" not in sample or not isinstance(sample.get("word"), str):
            raise ParameterValueError(
                f"sample {number}: expected the keys image and word, got {sorted(sample)}"
            )
    return _train_recognition_batch(batch, model)


def _train_recognition_batch(
    samples: Sequence[Mapping[str, Any]], model: DLModel
) -> dict[str, float]:
    checkpoint, session = model.checkpoint, model.session
    spec = spec_from_dict(checkpoint.kind, checkpoint.spec)
    if not isinstance(session, BatchSession) or not session.fits(model):
        options = RecognitionOptions(precision=model.training.precision)
        loss = make_recognition_losses(spec, checkpoint.preprocess, options)[DATASET]
        session = model.session = BatchSession(
            model,
            DATASET,
            loss,
            checkpoint.variables["params"],
            lambda variables: with_variables(checkpoint, variables),
        )
    width = model.training.image_width
    crops = [scale_crop(as_rgb(np.asarray(s["image"])), width) for s in samples]
    source = ArraySource(crops, [s["word"] for s in samples])
    rows, buckets = rows_of_batch(len(crops)), buckets_from(spec.least_width)
    plan = BatchPlan(source.widths, rows, image_width=width, buckets=buckets)
    batch = make_batch(plan.plan(0), source, make_encoder(checkpoint.alphabet))
    return session.step(batch, model)
