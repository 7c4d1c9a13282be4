"""Fine-tuning of the recognition, from a dataset's file to a model for a reader, in one call."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax

from deepocr_jax.data.faults import find_faults, stop_or_drop
from deepocr_jax.data.merging import merge_dl_datasets
from deepocr_jax.data.ocr_datasets import read_dl_dataset_ocr_recognition
from deepocr_jax.data.sources import DatasetSource
from deepocr_jax.data.splits import check_splits, split_dl_dataset
from deepocr_jax.display.figures import training_curve, worst_examples
from deepocr_jax.dl.model import DLModel, read_dl_model
from deepocr_jax.dl.model_parameters import set_dl_model_param
from deepocr_jax.dl.reading_accuracy import evaluate_recognition
from deepocr_jax.dl.train_param import DLTrainParam, create_dl_train_param
from deepocr_jax.dl.training import DLTrainOutcome, train_dl_model
from deepocr_jax.errors import ParameterValueError
from deepocr_jax.infer.compiled import keep_programs
from deepocr_jax.infer.programs import enable_compilation_cache
from deepocr_jax.metrics.tables import compare, format_confusions, format_worst
from deepocr_jax.synth.displays import DISPLAYED, DisplaySource
from deepocr_jax.synth.text_lines import RenderedSource
from deepocr_jax.types import CropSource, DLDataset
from deepocr_jax.weights.model_cache import model_cache_dir

ON_FAULTS = ("stop", "drop")
SYNTHETIC = ("auto", "displays", "none")
# An epoch has about so many crops of the dataset where synthetic ones are mixed in.
OWN_CROPS_PER_EPOCH = 1200
# The head knows all characters already, and the first layers suit any image; trained, they cost
# time and forget.
HEAD = "head"
FROZEN = (HEAD, "body/LCNet_0/Stem_0")
# Rendered crops that nothing is trained on: their seed differs from that of any rehearsal.
REPORT_CROPS, REPORT_SEED = 500, 2**31 - 1

Figures = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class FinetuneConfig:
    """A recipe for fine-tuning; the defaults are the documented one.

    Attributes:
        dataset: Path of the dataset's JSON file, or of several, separated by commas.
        model: Where training begins: a name or a folder.
        alphabet: Characters of the new model; empty: those of `model`, and those of the dataset
            that it lacks.
        checked_only: Whether only words are taken that a person has marked as checked.
        on_faults: "stop" or "drop" the samples that cannot be learned from.
        training_percent: Of the samples without a split.
        validation_percent: The same; without any the last parameters count as the best.
        old_domain: Dataset file that shows what is forgotten; never trained on.
        rehearsal: Dataset file, or files, of the old domain to train on; empty: rendered text.
        synthetic: Made crops that are learned from as well: "displays" (seven-segment numbers),
            "none", or "auto": displays where the dataset's words are numbers.
        synthetic_share: Share of the crops, rehearsal aside, that are synthetic.
        seed: Of splits, order and augmentation.
        image_width: Widest crop in pixels.
        batch_size: Crops computed at once, rehearsal included.
        batch_size_multiplier: How many such batches make one step.
        num_epochs: Epochs; 0: as many as `num_steps` take.
        num_steps: Steps, where `num_epochs` is 0.
        learning_rate: The largest.
        frozen: Beginnings of the paths of parameters that stay; a head with new characters is
            trained in any case.
        rehearsal_share: Share of each batch from the old domain.
        rehearsal_weight: Weight of reading the rehearsal right.
        distillation_weight: Weight of reading the rehearsal as before.
        pretrained_share: Share of the beginning's parameters in the retrained model.
        average_decay: Of the moving average of the parameters.
        augment: Options of the augmentation; None: the default.
        precision: "float32" or "bfloat16".
        evaluation_interval_epochs: Epochs between two evaluations.
        serialize: Which models are kept.
        pipeline: "threads" or "tf.data".
        show_progress: Whether a progress bar is shown.
    """

    dataset: str = ""
    model: str = "pretrained_deep_ocr_recognition"
    alphabet: str = ""
    checked_only: bool = False
    on_faults: str = "stop"
    training_percent: float = 75.0
    validation_percent: float = 0.0
    old_domain: str = ""
    rehearsal: str = ""
    synthetic: str = "auto"
    synthetic_share: float = 0.35
    seed: int = 42
    image_width: int = 640
    batch_size: int = 16
    batch_size_multiplier: int = 1
    num_epochs: int = 0
    num_steps: int = 1000
    learning_rate: float = 1e-4
    frozen: tuple[str, ...] = FROZEN
    rehearsal_share: float = 0.375
    rehearsal_weight: float = 0.5
    distillation_weight: float = 1.0
    pretrained_share: float = 0.4
    average_decay: float = 0.99
    augment: dict[str, float] | None = None
    precision: str = "float32"
    evaluation_interval_epochs: int = 1
    serialize: tuple[str, ...] = ("best",)
    pipeline: str = "threads"
    show_progress: bool = True


@dataclass(frozen=True)
class FinetuneReport:
    """What came out.

    Attributes:
        before: Figures of the model at the beginning, by domain: "test", "rendered text" and,
            where a dataset of it was given, "old domain".
        after: The same of the retrained model.
        best: Folder of the retrained model.
        training: History of the training.
        text: All of it to be read by people.
    """

    before: Figures
    after: Figures
    best: Path
    training: DLTrainOutcome = field(repr=False)
    text: str = field(repr=False)


def finetune(config: FinetuneConfig, workdir: str | os.PathLike[str]) -> FinetuneReport | None:
    """Fine-tunes a recognizer and shows what it gained and what it forgot.

    A run that was cut off goes on with the next call for the same folder.

    Args:
        config: The recipe.
        workdir: Gets `best/` (the model), `report.md`, `report.json`, `curve.png`, `worst.png`,
            `tensorboard/` and the states of the run.

    Returns:
        The report; None where the run was told to stop before its end.

    Raises:
        DatasetError: Samples cannot be learned from and `on_faults` is "stop".
        ParameterValueError: A wrong value in the configuration.
    """
    folder = Path(workdir)
    folder.mkdir(parents=True, exist_ok=True)
    if config.on_faults not in ON_FAULTS:
        raise ParameterValueError(f"on_faults: expected {ON_FAULTS}, got {config.on_faults!r}")
    if not config.dataset:
        raise ParameterValueError("dataset: expected the path of a dataset's JSON file, got none")
    enable_compilation_cache(model_cache_dir() / "xla")
    keep_programs(model_cache_dir() / "programs")
    dataset = _read_datasets(config.dataset, config.checked_only)
    model, learned = _prepared_model(config, dataset)
    dataset = _sound_dataset(config, dataset, model)
    domains = _domains(config, dataset, model)
    before = _evaluate_once(folder / "before.json", config, domains, model)
    synthetic = _synthetic(config, dataset)
    outcome = train_dl_model(
        dataset,
        model,
        _train_param(config, dataset, synthetic, learned, folder),
        start_epoch="resume",
        rehearsal=_rehearsal(config),
        synthetic=synthetic,
    )
    if not outcome.finished:
        return None
    after = _figures(domains, model)
    return _write_report(folder, domains, before, after, outcome)


def _read_datasets(paths: str, checked_only: bool = False) -> DLDataset:
    files = paths.split(",")
    parts = [read_dl_dataset_ocr_recognition(f, checked_only=checked_only) for f in files]
    return merge_dl_datasets(parts)


def _prepared_model(config: FinetuneConfig, dataset: DLDataset) -> tuple[DLModel, bool]:
    """The model with its alphabet, and whether that has characters that it must learn."""
    model = read_dl_model(config.model)
    known = model.checkpoint.alphabet
    needed = dict.fromkeys(
        c for s in dataset["samples"] if isinstance(w := s.get("word"), str) for c in w.strip()
    )
    lacking = tuple(c for c in needed if c not in set(known))
    alphabet = tuple(config.alphabet) or (*known, *lacking)
    if alphabet != known:
        set_dl_model_param(model, "alphabet", alphabet)
    for name in ("image_width", "batch_size", "batch_size_multiplier", "learning_rate"):
        set_dl_model_param(model, name, getattr(config, name))
    set_dl_model_param(model, "precision", config.precision)
    return model, not set(alphabet) <= set(known)


def _sound_dataset(config: FinetuneConfig, dataset: DLDataset, model: DLModel) -> DLDataset:
    """The dataset without faulty samples, split."""
    alphabet = model.checkpoint.alphabet
    wanted = ("train", "test") if config.validation_percent == 0 else None
    checks: dict[str, Any] = {"alphabet": alphabet, "image_width": config.image_width}
    if any("split" in s for s in dataset["samples"]):
        checks["required_splits"] = wanted or ("train", "validation", "test")
    faults = find_faults(dataset, method="ocr_recognition", **checks)
    dataset = stop_or_drop(dataset, faults, config.on_faults, config.dataset)
    if all("split" in s for s in dataset["samples"]):
        return dataset
    dataset = split_dl_dataset(
        dataset, config.training_percent, config.validation_percent, seed=config.seed
    )
    check_splits(dataset, ("train", "test"))
    return dataset


def _domains(config: FinetuneConfig, dataset: DLDataset, model: DLModel) -> dict[str, CropSource]:
    """What the models are compared on."""
    width = config.image_width
    domains: dict[str, CropSource] = {"test": DatasetSource(dataset, "test", width)}
    domains["rendered text"] = RenderedSource(REPORT_CROPS, REPORT_SEED, image_width=width)
    if config.old_domain:
        old = _read_datasets(config.old_domain)
        domains["old domain"] = DatasetSource(old, None, width)
    return domains


def _figures(domains: dict[str, CropSource], model: DLModel) -> Figures:
    width = model.training.image_width
    return {
        name: dict(evaluate_recognition(model.checkpoint, source, image_width=width).compute())
        for name, source in domains.items()
    }


def _evaluate_once(
    path: Path, config: FinetuneConfig, domains: dict[str, CropSource], model: DLModel
) -> Figures:
    """The figures at the beginning; a run that goes on finds them in its folder."""
    recipe = repr(config)
    if path.is_file():
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["recipe"] == recipe:
            return kept["figures"]
    figures = _figures(domains, model)
    if jax.process_index() == 0:
        text = json.dumps({"recipe": recipe, "figures": figures}, ensure_ascii=False)
        draft = path.with_suffix(".draft")
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    return figures


def _repeats(dataset: DLDataset) -> int:
    """How often an epoch takes each crop of a small dataset, where synthetic ones are mixed in."""
    return max(1, OWN_CROPS_PER_EPOCH // _training_samples(dataset))


def _training_samples(dataset: DLDataset) -> int:
    return max(1, sum(s.get("split") == "train" for s in dataset["samples"]))


def _synthetic(config: FinetuneConfig, dataset: DLDataset) -> CropSource | None:
    if config.synthetic not in SYNTHETIC:
        raise ParameterValueError(f"synthetic: expected {SYNTHETIC}, got {config.synthetic!r}")
    if not 0 <= config.synthetic_share < 1:
        raise ParameterValueError(
            f"synthetic_share: expected 0 to less than 1, got {config.synthetic_share!r}"
        )
    words = "".join(str(s.get("word")) for s in dataset["samples"])
    wanted = config.synthetic == "displays" or (
        config.synthetic == "auto" and set(words) <= set(DISPLAYED)
    )
    own = _training_samples(dataset) * _repeats(dataset)
    count = round(own * config.synthetic_share / (1 - config.synthetic_share))
    if not wanted or count == 0:
        return None
    return DisplaySource(count, config.seed, config.image_width)


def _train_param(
    config: FinetuneConfig,
    dataset: DLDataset,
    synthetic: CropSource | None,
    learned: bool,
    folder: Path,
) -> DLTrainParam:
    samples, repeats = _training_samples(dataset), 1
    if synthetic is not None:
        repeats = _repeats(dataset)
        samples = samples * repeats + len(synthetic)
    own_rows = config.batch_size - round(config.batch_size * config.rehearsal_share)
    batches = -(-samples // max(1, own_rows))
    steps_per_epoch = -(-batches // config.batch_size_multiplier)
    return create_dl_train_param(
        num_epochs=config.num_epochs or max(1, round(config.num_steps / steps_per_epoch)),
        evaluation_interval_epochs=config.evaluation_interval_epochs,
        enable_display=config.show_progress,
        random_seed=config.seed,
        augment=config.augment,
        serialize=tuple({*config.serialize, "best"}),
        workdir=folder,
        average_decay=config.average_decay,
        frozen=tuple(p for p in config.frozen if not (learned and p == HEAD)),
        repeats=repeats,
        rehearsal_share=config.rehearsal_share,
        rehearsal_weight=config.rehearsal_weight,
        distillation_weight=config.distillation_weight,
        pretrained_share=config.pretrained_share,
        pipeline=config.pipeline,
    )


def _rehearsal(config: FinetuneConfig) -> DLDataset | None:
    return _read_datasets(config.rehearsal) if config.rehearsal else None


def _write_report(
    folder: Path,
    domains: dict[str, CropSource],
    before: Figures,
    after: Figures,
    outcome: DLTrainOutcome,
) -> FinetuneReport:
    rows = {
        f"{name}, {when}": figures[name]
        for name in after
        for when, figures in (("pretrained", before), ("retrained", after))
    }
    text = "\n\n".join(
        [
            "# Pretrained and retrained",
            compare(rows),
            "## Confusions of the retrained model on the test split",
            format_confusions(after["test"]),
            "## Worst readings of the retrained model on the test split",
            format_worst(after["test"]),
        ]
    )
    result = FinetuneReport(before, after, folder / "best", outcome, text)
    if jax.process_index() == 0:
        history = {
            "losses": outcome.train_results,
            "epochs": outcome.train_infos,
            "evaluations": outcome.evaluation_infos,
        }
        figures = {"before": before, "after": after, "training": history}
        (folder / "report.md").write_text(text + "\n", encoding="utf-8")
        (folder / "report.json").write_text(
            json.dumps(figures, ensure_ascii=False, indent=1), encoding="utf-8"
        )
        training_curve(history, folder / "curve.png")
        worst_examples(after["test"], domains["test"]).savefig(folder / "worst.png")
    return result
