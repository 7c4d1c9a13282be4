"""The parameters of a DL model that training goes by: defaults, ranges, how a value is understood.

They belong to a model in memory. `write_dl_model` does not write them: a model on disk says what a
reader needs, not how it came about.
"""

import math
from dataclasses import dataclass
from typing import Any

from deepocr_jax.errors import ParameterValueError
from deepocr_jax.parameters import Parser, number, side

SOLVER_TYPES = ("sgd", "adam", "adamw")
PRECISIONS = ("float32", "bfloat16")
# Beyond it a mistyped value is more likely than a wish.
MAX_BATCH_SIZE = 65536


@dataclass(frozen=True)
class TrainingParameters:
    """How a model is trained and judged.

    Attributes:
        batch_size: Rows that are computed at once, over all devices.
        batch_size_multiplier: How many such batches make one step (gradient accumulation).
        learning_rate: The largest, after warming up.
        momentum: Of the solver "sgd".
        weight_prior: Weight decay; norms and biases do not decay.
        solver_type: "sgd", "adam" or "adamw".
        adam_beta1: Decay of the mean of the gradients, for "adam" and "adamw".
        adam_beta2: Decay of the mean of their squares.
        adam_epsilon: Added to the root of the latter.
        batchnorm_momentum: Share of the running statistics that a batch leaves as it was.
        precision: What the network computes in: "float32" or "bfloat16". Parameters and losses are
            float32 in both.
        device: A JAX device, "cpu", "gpu", "tpu", or a list of these, on which the model is applied
            and evaluated; None: the first accelerator, else the CPU.
        image_width: Widest word crop in pixels, 48 rows high, in training and evaluation; wider
            ones are squeezed. A recognition model reads crops of any width, so `apply_dl_model` and
            a Deep OCR handle keep to the reader's own limit.
    """

    batch_size: int = 16
    batch_size_multiplier: int = 1
    learning_rate: float = 3e-4
    momentum: float = 0.9
    weight_prior: float = 0.0
    solver_type: str = "adamw"
    adam_beta1: float = 0.9
    adam_beta2: float = 0.999
    adam_epsilon: float = 1e-8
    batchnorm_momentum: float = 0.9
    precision: str = "float32"
    device: Any = None
    image_width: int = 640


# Of a detector, which sees parts of pages and not words: each is worth dozens of crops.
DETECTION_TRAINING = TrainingParameters(batch_size=4, learning_rate=2e-4, weight_prior=1e-4)


def below_one(name: str, value: Any) -> float:
    """Parser of a share in [0, 1): at 1 nothing would ever change."""
    try:
        share = float(number(0, 1)(name, value))
    except ParameterValueError:
        share = 1.0
    if share == 1:
        raise ParameterValueError(f"{name}: expected a number in [0, 1), got {value!r}")
    return share


def positive(name: str, value: Any) -> float:
    """Parser of a number above 0."""
    try:
        result = float(number(0)(name, value))
    except ParameterValueError:
        result = 0.0
    if result == 0:
        raise ParameterValueError(f"{name}: expected a number > 0, got {value!r}")
    return result


def real(low: float, high: float = math.inf) -> Parser:
    """Parser of a number within [low, high], as a float."""
    parse = number(low, high)
    return lambda name, value: float(parse(name, value))


def choice(*choices: str) -> Parser:
    """Parser of one of a few words."""

    def parse(name: str, value: Any) -> str:
        if not isinstance(value, str) or value not in choices:
            expected = " or ".join(map(repr, choices))
            raise ParameterValueError(f"{name}: expected {expected}, got {value!r}")
        return value

    return parse


# What stands here is one number or word; device and image_width are more, and have their setters
# in `dl_model_parameters`.
PARSERS: dict[str, Parser] = {
    "batch_size": number(1, MAX_BATCH_SIZE, integer=True),
    "batch_size_multiplier": number(1, MAX_BATCH_SIZE, integer=True),
    "learning_rate": real(0),
    "momentum": below_one,
    "weight_prior": real(0),
    "solver_type": choice(*SOLVER_TYPES),
    "adam_beta1": below_one,
    "adam_beta2": below_one,
    "adam_epsilon": positive,
    "batchnorm_momentum": below_one,
    "precision": choice(*PRECISIONS),
}
IMAGE_WIDTH_PARSER: Parser = side
