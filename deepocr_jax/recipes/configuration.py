"""Configurations: Python files that give a dataclass, changed from the command line."""

import ast
import dataclasses
import runpy
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from deepocr_jax.errors import ParameterValueError, UnknownParameterError

PREFIX = "--config."


def load_config(path: str, overrides: Sequence[str] = ()) -> Any:
    """The dataclass that a file's `get_config()` gives, with some fields changed.

    Args:
        path: Python file.
        overrides: "--config.name=value" each; strings need no quotes, tuples may be written
            "a,b".

    Raises:
        ParameterValueError: No such file or function, or a value of the wrong type.
        UnknownParameterError: No such field.
    """
    if not Path(path).is_file():
        raise ParameterValueError(f"no configuration {path!r}: expected a Python file")
    make = runpy.run_path(path).get("get_config")
    if not callable(make):
        raise ParameterValueError(f"{path} has no function get_config()")
    config: Any = make()
    hints = get_type_hints(type(config))
    changes = {}
    for text in overrides:
        name, equals, value = text.removeprefix(PREFIX).partition("=")
        if not text.startswith(PREFIX) or not equals:
            raise ParameterValueError(f"expected {PREFIX}NAME=VALUE, got {text!r}")
        if name not in hints:
            raise UnknownParameterError(name, hints)
        changes[name] = parse_value(name, value, hints[name])
    return dataclasses.replace(config, **changes)


def parse_value(name: str, text: str, wanted: Any) -> Any:
    """A command line's text -> a value of the type of a field.

    Raises:
        ParameterValueError: It is none of that type.
    """
    if wanted is str:
        return text
    if get_origin(wanted) is tuple and not text.startswith(("(", "[")):
        element = get_args(wanted)[0]
        return tuple(parse_value(name, part, element) for part in text.split(",") if part)
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = text
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if get_origin(wanted) is tuple and isinstance(value, (list, tuple)):
        return tuple(value)
    options = get_args(wanted) if get_origin(wanted) in (Union, types.UnionType) else (wanted,)
    kinds = tuple(get_origin(option) or option for option in options)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        expected = " or ".join(kind.__name__ for kind in kinds)
        raise ParameterValueError(f"{name}: expected {expected}, got {text!r}")
    return value
