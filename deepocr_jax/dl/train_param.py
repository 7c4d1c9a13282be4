"""How a DL model is trained: the options beside those that the model itself carries."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deepocr_jax.augment.options import AugmentOptions, parse_augmentation
from deepocr_jax.errors import ParameterValueError
from deepocr_jax.train.optimizer import CHANGEABLE, SCHEDULES

SERIALIZED = ("best", "current", "epochs", "final")

# Chosen on seven-segment displays and embossed card numbers, with scene text as the old domain:
# light enough that no character becomes another one, varied enough for a hundred crops.
RECOGNITION_AUGMENTATION = AugmentOptions(
    augmentation_percentage=80.0,
    brightness_variation=0.2,
    contrast_variation=0.4,
    saturation_variation=0.5,
    rotate_range=4.0,
    remove_pixel=2.0,
    stretch=0.15,
    perspective=0.06,
    blur=1.0,
    noise=10.0,
    compression=0.4,
)
# Of the parts of pages that a detector learns from; `stretch` changes a page's scale.
PAGE_AUGMENTATION = AugmentOptions(
    augmentation_percentage=100.0,
    brightness_variation=0.15,
    contrast_variation=0.3,
    rotate_range=8.0,
    stretch=0.4,
)


@dataclass(frozen=True)
class DLTrainParam:
    """What `create_dl_train_param` gives and `train_dl_model` takes; see there for each field."""

    num_epochs: int
    evaluation_interval_epochs: int
    enable_display: bool
    random_seed: int
    augment: AugmentOptions | None
    change: tuple[tuple[str, tuple[int, ...], tuple[float, ...]], ...]
    serialize: tuple[str, ...]
    evaluate_before_train: bool
    workdir: str | None
    schedule: str
    warmup_share: float
    gradient_clip: float
    average_decay: float
    frozen: tuple[str, ...]
    update_batch_statistics: bool
    repeats: int
    rehearsal_share: float
    rehearsal_weight: float
    distillation_weight: float
    pretrained_share: float
    pipeline: str
    workers: int
    save_interval_s: float
    part_side: int
    page_side: int


def create_dl_train_param(
    num_epochs: int,
    evaluation_interval_epochs: int = 1,
    enable_display: bool = True,
    random_seed: int = 42,
    augment: AugmentOptions | Mapping[str, Any] | None = None,
    change: Sequence[tuple[str, Sequence[int], Sequence[float]]] = (),
    serialize: str | Sequence[str] = "best",
    evaluate_before_train: bool = False,
    workdir: str | os.PathLike[str] | None = None,
    schedule: str = "cosine",
    warmup_share: float = 0.05,
    gradient_clip: float = 5.0,
    average_decay: float = 0.99,
    frozen: Sequence[str] = (),
    update_batch_statistics: bool = False,
    repeats: int = 1,
    rehearsal_share: float = 0.0,
    rehearsal_weight: float = 0.0,
    distillation_weight: float = 1.0,
    pretrained_share: float = 0.0,
    pipeline: str = "threads",
    workers: int = 2,
    save_interval_s: float = 60.0,
    part_side: int = 512,
    page_side: int = 1024,
) -> DLTrainParam:
    """Options of a training.

    Args:
        num_epochs: How often every sample is learned from.
        evaluation_interval_epochs: Epochs between two evaluations on the validation split.
        enable_display: Whether a progress bar is shown.
        random_seed: Of the order of the samples and of augmentation; equal seeds give equal
            parameters, bit for bit, on the same machine.
        augment: Random changes of the samples; None: those of `RECOGNITION_AUGMENTATION`, or of
            `PAGE_AUGMENTATION` for a detector, whose pages change their brightness, contrast,
            saturation, direction (`rotate_range`) and scale (`stretch`); {} for none at all.
        change: (parameter, epochs, values) of "learning_rate" and "weight_prior": from each epoch
            (counted from 0) on the parameter has the value beside it.
        serialize: Which models are written into `workdir`: "best" (of the evaluations; the last,
            where there is no validation split), "current" (after each epoch), "epochs" (each in a
            folder of its own), "final".
        evaluate_before_train: Whether the untrained model is evaluated first.
        workdir: Folder of states and models; None: nothing is written. A run that was cut off goes
            on from it with `start_epoch="resume"`.
        schedule: "cosine" (the learning rate falls to zero) or "constant".
        warmup_share: Share of all steps over which the learning rate rises.
        gradient_clip: Largest norm of the gradient; 0: unlimited.
        average_decay: Of the moving average of the parameters, which is what is evaluated and
            kept; 0: none.
        frozen: Beginnings of the paths of parameters that stay, such as "body/LCNet_0/Stem_0".
        update_batch_statistics: Whether batch normalisation learns new statistics.
        repeats: How often an epoch takes each sample of the dataset, where synthetic crops are
            mixed in; see `train_dl_model`.
        rehearsal_share: Share of each batch that is from the old domain, so that it is not
            forgotten; see `train_dl_model`.
        rehearsal_weight: Weight of reading the rehearsal's words right.
        distillation_weight: Weight of reading the rehearsal as the untrained model did.
        pretrained_share: Share of the untrained parameters in the model that is kept; a little of
            it gives back most of what was forgotten.
        pipeline: "threads" or "tf.data".
        workers: Threads that make batches.
        save_interval_s: Most seconds between two saved states.
        part_side: Side of the parts of pages that a detector learns from, in pixels, a multiple
            of 32.
        page_side: The longer side that a page is scaled to for a detector, as
            `detection_image_size` for reading. This and `part_side` are for detectors alone;
            `update_batch_statistics`, `repeats`, `rehearsal_weight`, `distillation_weight`,
            `pipeline` and `workers` are for recognition alone.

    Raises:
        ParameterValueError: A value is of the wrong type or out of its range.
        UnknownParameterError: An unknown option of `augment`.
    """
    names = (serialize,) if isinstance(serialize, str) else tuple(serialize)
    if not set(names) <= set(SERIALIZED):
        raise ParameterValueError(f"serialize: expected some of {SERIALIZED}, got {serialize!r}")
    if schedule not in SCHEDULES:
        raise ParameterValueError(f"schedule: expected one of {SCHEDULES}, got {schedule!r}")
    _check_counts(
        num_epochs=num_epochs,
        evaluation_interval_epochs=evaluation_interval_epochs,
        repeats=repeats,
        part_side=part_side,
        page_side=page_side,
    )
    _check_shares(
        warmup_share=warmup_share,
        average_decay=average_decay,
        rehearsal_share=rehearsal_share,
        pretrained_share=pretrained_share,
    )
    if augment is not None and not isinstance(augment, AugmentOptions):
        augment = parse_augmentation(augment)
    return DLTrainParam(
        num_epochs=num_epochs,
        evaluation_interval_epochs=evaluation_interval_epochs,
        enable_display=enable_display,
        random_seed=random_seed,
        augment=augment,
        change=_checked_changes(change),
        serialize=names,
        evaluate_before_train=evaluate_before_train,
        workdir=None if workdir is None else os.fspath(workdir),
        schedule=schedule,
        warmup_share=warmup_share,
        gradient_clip=gradient_clip,
        average_decay=average_decay,
        frozen=tuple(frozen),
        update_batch_statistics=update_batch_statistics,
        repeats=repeats,
        rehearsal_share=rehearsal_share,
        rehearsal_weight=rehearsal_weight,
        distillation_weight=distillation_weight,
        pretrained_share=pretrained_share,
        pipeline=pipeline,
        workers=workers,
        save_interval_s=save_interval_s,
        part_side=part_side,
        page_side=page_side,
    )


def _check_counts(**values: int) -> None:
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ParameterValueError(f"{name}: expected an integer from 1 on, got {value!r}")


def _check_shares(**values: float) -> None:
    for name, value in values.items():
        if not isinstance(value, (int, float)) or not 0 <= value < 1:
            raise ParameterValueError(f"{name}: expected 0 to less than 1, got {value!r}")


def _checked_changes(
    change: Sequence[tuple[str, Sequence[int], Sequence[float]]],
) -> tuple[tuple[str, tuple[int, ...], tuple[float, ...]], ...]:
    checked = []
    for entry in change:
        try:
            name, epochs, values = entry
            epochs, values = tuple(map(int, epochs)), tuple(map(float, values))
        except (TypeError, ValueError):
            raise ParameterValueError(
                f"change: expected (parameter, epochs, values), got {entry!r}"
            ) from None
        if name not in CHANGEABLE or len(epochs) != len(values):
            raise ParameterValueError(
                f"change: expected one of {CHANGEABLE} and as many values as epochs, got {entry!r}"
            )
        checked.append((name, epochs, values))
    return tuple(checked)
