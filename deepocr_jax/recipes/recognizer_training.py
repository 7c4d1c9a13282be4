"""A recognizer for one script out of one for many, taught on rendered text, in one call.

It learns from its beginning (knowledge distillation, Hinton et al., arXiv 1503.02531), which sees
the crops with more ground beside them, and from the transcripts of worn words and drawn displays,
which the beginning reads badly. Rendered text is not photographs, so most of the beginning's
parameters stay in the mean of both (Wortsman et al., arXiv 2109.01903).
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax

from deepocr_jax.checkpoint import ModelCheckpoint
from deepocr_jax.data.mixtures import MixedSource
from deepocr_jax.dl.batch_schedule import BatchOptions
from deepocr_jax.dl.model import load_model, with_alphabet
from deepocr_jax.dl.recognition_task import make_recognition_task
from deepocr_jax.dl.train_param import RECOGNITION_AUGMENTATION
from deepocr_jax.errors import ParameterValueError
from deepocr_jax.infer.programs import compiler_options, enable_compilation_cache
from deepocr_jax.synth.displays import DISPLAYED, DisplaySource
from deepocr_jax.synth.text_lines import RenderedSource
from deepocr_jax.synth.vocabulary import PRINTABLE_ASCII, Vocabulary
from deepocr_jax.text.alphabet import resolve_alphabet
from deepocr_jax.train.loop import Outcome, train
from deepocr_jax.train.optimizer import OptimizerOptions
from deepocr_jax.train.recognition import RecognitionOptions
from deepocr_jax.train.run import RunOptions
from deepocr_jax.train.step import StepOptions
from deepocr_jax.train.watchers import usual_watchers
from deepocr_jax.types import CropSource
from deepocr_jax.weights.model_cache import model_cache_dir

# Of the rehearsed crops: so many are lines of several words, and so many have any character of the
# alphabet, not ASCII alone.
LINES, FOREIGN = 0.2, 0.1
LINE_WORDS, LONGEST_LINE, LINES_KNOWN = (2, 5), 40, 5000
# Rendered crops that nothing is trained on have a seed of their own.
REPORT_SEED = 2**31 - 1


@dataclass(frozen=True)
class RecognizerTrainingConfig:
    """A recipe; the defaults are the documented one.

    Attributes:
        model: Where training begins, and what it learns from: a recognizer's name or folder.
        alphabet: The characters: a named set or a string of them.
        symbols: Further ones.
        least_width: Narrowest canvas of the new recognizer, in pixels.
        teacher_width: Narrowest canvas that its beginning sees, and
        teacher_margin: the ground beside the crops that this sees, in pixels.
        fonts: Folder or file of fonts; empty: those of installed packages.
        image_width: Widest crop in pixels.
        batch_size: Crops of a step, over all devices.
        rehearsal_share: Share of them that are read as the beginning reads them; half of the
            others are worn text, half displays, both learned from their transcripts.
        rehearsal_weight: Weight of the rehearsed crops' transcripts.
        distillation_weight: Weight of reading them as the beginning does.
        pretrained_share: Share of the beginning's parameters in the new recognizer.
        num_epochs: Epochs in all.
        steps_per_epoch: Steps between two evaluations.
        validation_crops: That an epoch is judged by.
        learning_rate: The largest, after warming up; it falls to zero by a cosine.
        warmup_steps: Steps over which it rises.
        average_decay: Of the moving average of the parameters, which is what is judged and kept.
        frozen: Prefixes of paths of parameters that stay.
        precision: "float32" or "bfloat16".
        seed: Of everything random.
        enable_display: Whether there is a progress bar.
    """

    model: str = "ppocrv6_small_recognition"
    alphabet: str = "latin"
    symbols: str = "ȘșȚțƏəƠơƯư₣₤₦₧₩₪₫₭₱₲₴₵₸₹₺₽₿℃→←↑↓≤≥≠√∞■□◆●★☆※Ω"
    least_width: int = 160
    teacher_width: int = 160
    teacher_margin: int = 64
    fonts: str = ""
    image_width: int = 448
    batch_size: int = 16
    rehearsal_share: float = 0.75
    rehearsal_weight: float = 0.2
    distillation_weight: float = 1.0
    pretrained_share: float = 0.8
    num_epochs: int = 5
    steps_per_epoch: int = 1000
    validation_crops: int = 1000
    learning_rate: float = 1e-4
    warmup_steps: int = 200
    average_decay: float = 0.998
    frozen: tuple[str, ...] = ("body/LCNet_0/Stem_0",)
    precision: str = "float32"
    seed: int = 42
    enable_display: bool = True


def train_recognizer(config: RecognizerTrainingConfig, workdir: str | os.PathLike[str]) -> Outcome:
    """Trains a recognizer, or goes on with a run that was cut off.

    Args:
        config: The recipe.
        workdir: Gets `best/`, `current/` and `final/` (the models), `tensorboard/`, and the
            run's states.

    Raises:
        ParameterValueError: A wrong value in the configuration.
        ModelFileError: The model cannot be had, or the folder belongs to another run.
        TrainingDivergedError: A loss is not finite.
    """
    folder = Path(workdir)
    folder.mkdir(parents=True, exist_ok=True)
    enable_compilation_cache(model_cache_dir() / "xla")
    model = beginning(config)
    batches = BatchOptions(
        batch_size=config.batch_size,
        rehearsal_share=config.rehearsal_share,
        image_width=config.image_width,
        seed=config.seed,
    )
    options = RecognitionOptions(
        augmentation=RECOGNITION_AUGMENTATION,
        precision=config.precision,
        rehearsal_weight=config.rehearsal_weight,
        distillation_weight=config.distillation_weight,
        teacher_width=config.teacher_width,
        teacher_margin=config.teacher_margin,
    )
    rehearsed = batches.rehearsal_rows * config.steps_per_epoch * config.num_epochs
    learned = (config.batch_size - batches.rehearsal_rows) * config.steps_per_epoch
    crops = _Crops(config, model.alphabet)
    task = make_recognition_task(
        model,
        crops.worn_and_displayed(learned, config.seed),
        batches,
        options,
        validation=crops.worn_and_displayed(config.validation_crops, REPORT_SEED),
        rehearsal=crops.rehearsal(rehearsed),
        pretrained_share=config.pretrained_share,
    )
    with usual_watchers(folder, config.enable_display) as watcher:
        platform = jax.local_devices()[0].platform
        return train(task, _run_options(config), folder, watcher, compiler_options(platform))


def beginning(config: RecognizerTrainingConfig) -> ModelCheckpoint:
    """The recognizer as training begins: its head cut to the alphabet, for its canvases.

    Raises:
        ParameterValueError: The model is none, or does not know the characters.
    """
    model = load_model(config.model)
    if model.kind != "ocr_recognition":
        raise ParameterValueError(
            f"model: expected a recognizer, got a model of type {model.kind!r}"
        )
    characters = resolve_alphabet(config.alphabet, model.alphabet)
    characters = (*characters, *(c for c in config.symbols if c not in characters))
    model, _ = with_alphabet(model, resolve_alphabet(characters, model.alphabet))
    return replace(model, spec={**model.spec, "least_width": config.least_width})


@dataclass(frozen=True)
class _Crops:
    """Makes the crops of a run."""

    config: RecognizerTrainingConfig
    alphabet: tuple[str, ...]

    def worn_and_displayed(self, count: int, seed: int) -> CropSource:
        """Half rendered words, half displays, where the alphabet has what these show."""
        if not set(DISPLAYED) <= set(self.alphabet):
            return self._rendered(count, seed)
        words = self._rendered(count - count // 2, seed)
        return MixedSource(words, DisplaySource(count // 2, seed, self.config.image_width))

    def rehearsal(self, count: int) -> CropSource:
        """Words and lines of ASCII, and words of all of the alphabet's letters."""
        seed = self.config.seed
        foreign, lines = max(1, round(FOREIGN * count)), max(1, round(LINES * count))
        words = self._rendered(max(1, count - foreign - lines), seed + 1)
        of_words = {"words": _lines(seed), "max_length": LONGEST_LINE}
        plain = MixedSource(words, self._rendered(lines, seed + 2, **of_words))
        letters = [c for c in self.alphabet if c.isalpha() or c.isascii()]
        return MixedSource(plain, self._rendered(foreign, seed + 3, characters=letters))

    def _rendered(self, count: int, seed: int, **options: Any) -> RenderedSource:
        known = set(self.alphabet)
        options = {"characters": [c for c in PRINTABLE_ASCII if c in known], **options}
        fonts, width = self.config.fonts or None, self.config.image_width
        return RenderedSource(count, seed, fonts, image_width=width, **options)


def _lines(seed: int) -> list[str]:
    """Lines of several words, numbers and codes."""
    vocabulary, lines, number = Vocabulary(), [], 0
    for index in range(LINES_KNOWN):
        count = LINE_WORDS[0] + index % (LINE_WORDS[1] - LINE_WORDS[0] + 1)
        lines.append(" ".join(vocabulary.word(seed, number + i) for i in range(count)))
        number += count
    return lines


def _run_options(config: RecognizerTrainingConfig) -> RunOptions:
    optimizer = OptimizerOptions(
        "adamw",
        config.learning_rate,
        gradient_clip=5.0,
        schedule="cosine",
        warmup_steps=config.warmup_steps,
    )
    return RunOptions(
        config.num_epochs,
        optimizer,
        StepOptions(config.average_decay),
        config.frozen,
        config.seed,
        serialize=("best", "current", "final"),
        save_interval_s=300.0,
    )
