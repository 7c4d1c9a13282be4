"""Handles on disk: one folder, the parameters beside a model folder a component."""

import json
import os
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from deepocr_jax.checkpoint import ModelCheckpoint, atomic_folder, read_description, write_into
from deepocr_jax.dl.model import load_model
from deepocr_jax.errors import ModelFileError, ParameterError
from deepocr_jax.infer.compiled import keep_programs
from deepocr_jax.parameters import PARSERS, Parameters
from deepocr_jax.reader.handle import DeepOCR, make_handle
from deepocr_jax.reader.handle_parameters import parse_mapping
from deepocr_jax.text.alphabet import check_alphabet
from deepocr_jax.weights.model_cache import model_cache_dir

HANDLE_FORMAT = "deepocr_jax handle"
HANDLE_FILE = "deep_ocr.json"
COMPONENTS = ("detection", "recognition", "orientation", "text_axes")
# Devices belong to the machine, not to the handle.
NOT_WRITTEN = ("detection_device", "recognition_device")


def write_deep_ocr(handle: DeepOCR, path: str | os.PathLike[str]) -> None:
    """Writes the whole handle into a folder, atomically; what was there is replaced.

    Parameters, weights and alphabet are kept exactly; devices are not, since they belong to the
    machine.
    """
    state = handle.state
    values = {k: v for k, v in asdict(state.parameters).items() if k not in NOT_WRITTEN}
    models = {name: getattr(state, name) for name in COMPONENTS}
    description = {
        "format": HANDLE_FORMAT,
        "version": 1,
        "components": [name for name, model in models.items() if model is not None],
        "parameters": values,
    }
    with atomic_folder(Path(path)) as draft:
        for name in description["components"]:
            (draft / name).mkdir()
            write_into(draft / name, models[name])
        text = json.dumps(description, ensure_ascii=False, indent=1, allow_nan=False)
        (draft / HANDLE_FILE).write_text(text, encoding="utf-8")


def read_deep_ocr(path: str | os.PathLike[str]) -> DeepOCR:
    """Reads a handle that `write_deep_ocr` wrote.

    Raises:
        ModelFileError: The folder is missing, is not a handle's, or a file in it is damaged.
    """
    folder = Path(path)
    description = read_description(folder, HANDLE_FILE, HANDLE_FORMAT, 1)
    keep_programs(model_cache_dir() / "programs")
    try:
        components = list(description["components"])
        if not set(components) <= set(COMPONENTS) or not components:
            raise ValueError(f"components {components!r}")
        models = {
            name: load_model(folder / name, f"ocr_{name}") if name in components else None
            for name in COMPONENTS
        }
        parameters = _parameters(description["parameters"], models["recognition"])
        if parameters.detection_look and models["text_axes"] is None:
            raise ValueError("the component text_axes, which detection_look needs")
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"{folder / HANDLE_FILE} lacks or garbles {error}") from error
    return make_handle(parameters, **models)


def _parameters(values: dict[str, Any], recognition: ModelCheckpoint | None) -> Parameters:
    """The parameters of a description, each checked as if it were set.

    Raises:
        ParameterError, TypeError, KeyError: A value that could not have been written.
    """
    known = {f.name: f.default for f in fields(Parameters) if f.name not in NOT_WRITTEN}
    if set(values) != set(known):
        raise ParameterError(f"the parameters {sorted(set(values) ^ set(known))}")
    checked = {
        name: value if value == known[name] else PARSERS[name](name, value)
        for name, value in values.items()
        if name in PARSERS
    }
    if recognition is not None:
        alphabet = check_alphabet(tuple(values["recognition_alphabet"]), recognition.alphabet)
        checked["recognition_alphabet"] = alphabet
        mapping = values["recognition_alphabet_mapping"]
        checked["recognition_alphabet_mapping"] = (
            parse_mapping(mapping, len(alphabet)) if mapping else ()
        )
    return Parameters(**checked)
