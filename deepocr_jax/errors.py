"""Exceptions of the library: every error that it raises on purpose is a `DeepOCRError`.

Each class is also a fitting built-in exception, so `except ValueError` works where a caller does
not want to know this module.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_LISTED_FAILURES = 3


class DeepOCRError(Exception):
    """Base of all errors of this library."""


class ImageError(DeepOCRError, ValueError):
    """An image cannot be used."""


class ImageReadError(ImageError):
    """An image file is missing, empty, truncated, or not an image."""


class ImageFormatError(ImageError):
    """The dtype, rank, channels or pixel format of an image have no plain meaning as RGB."""


class ImageSizeError(ImageError):
    """An image has no pixels, or more pixels than the limit."""


class ImageBatchError(ImageError):
    """Some images of one call failed; raised after all the others were read.

    Attributes:
        results: one entry per image of the call, None where the image failed.
        errors: the error of each failed image, by the position of the image in the call.
    """

    def __init__(self, results: Sequence[Any], errors: Mapping[int, ImageError]) -> None:
        """Builds the message from the first few failures.

        Args:
            results: one entry per image of the call, None where the image failed.
            errors: the error of each failed image, by its position in the call.
        """
        self.results: list[Any] = list(results)
        self.errors: dict[int, ImageError] = dict(sorted(errors.items()))
        # The arguments of the exception are those of the constructor, so that it survives pickling
        # (as between the processes of a pool); the message is built on demand.
        super().__init__(self.results, self.errors)

    def __str__(self) -> str:
        lines = [
            f"{len(self.errors)} of {len(self.results)} images failed; "
            "the others are in .results, the failures in .errors:"
        ]
        for index, error in list(self.errors.items())[:_LISTED_FAILURES]:
            lines.append(f"  image {index}: {error}")
        hidden = len(self.errors) - _LISTED_FAILURES
        if hidden > 0:
            lines.append(f"  and {hidden} more")
        return "\n".join(lines)


class ParameterError(DeepOCRError, ValueError):
    """A parameter cannot be set or read as asked."""


class UnknownParameterError(ParameterError):
    """There is no parameter of that name.

    Attributes:
        name: the name that was asked for.
        known: the names that exist, sorted.
        suggestion: the known name closest to `name`, or None when none is close.
    """

    def __init__(self, name: str, known: Iterable[str]) -> None:
        """Looks for the closest known name.

        Args:
            name: the name that was asked for.
            known: the names that exist.
        """
        self.name = name
        self.known: tuple[str, ...] = tuple(sorted(known))
        # Compared in lower case, so that a wrong case alone still finds its name.
        by_lower = {candidate.lower(): candidate for candidate in self.known}
        close = difflib.get_close_matches(str(name).lower(), by_lower, n=1)
        self.suggestion: str | None = by_lower[close[0]] if close else None
        super().__init__(name, self.known)

    def __str__(self) -> str:
        hint = f" Did you mean {self.suggestion!r}?" if self.suggestion else ""
        known = ", ".join(self.known) if self.known else "none"
        return f"Unknown parameter {self.name!r}.{hint} Known parameters: {known}."


class ParameterValueError(ParameterError):
    """The value of a parameter has the wrong type, or is outside its range."""


class ModeError(DeepOCRError, ValueError):
    """A mode needs a component that the handle does not have."""


class ModelFileError(DeepOCRError, OSError):
    """A file in the folder of a model or handle is missing, truncated or foreign."""


class WeightsError(DeepOCRError, RuntimeError):
    """The package with the weights is not installed, or its checksum differs."""


class MissingPackageError(DeepOCRError, ImportError):
    """A package that only some functions need is not installed; the message says how to get it."""


class DatasetError(DeepOCRError, ValueError):
    """A dataset cannot be used as asked.

    Attributes:
        faults: the faults that were found (`deepocr_jax.data.faults.Fault`), or none where the
            message says it all.
    """

    def __init__(self, message: str, faults: Iterable[Any] = ()) -> None:
        """Keeps the faults beside the message.

        Args:
            message: what was expected, what came, what to do.
            faults: the faults behind it.
        """
        self.message = message
        self.faults: tuple[Any, ...] = tuple(faults)
        # The arguments are those of the constructor, so that the error survives pickling.
        super().__init__(message, self.faults)

    def __str__(self) -> str:
        return self.message


class TrainingDivergedError(DeepOCRError, ArithmeticError):
    """A loss is not a number any more.

    Attributes:
        step: the step whose loss it is.
        image_ids: the ids of its batch's samples.
    """

    def __init__(self, step: int, image_ids: tuple[int, ...]) -> None:
        """Keeps both.

        Args:
            step: the step.
            image_ids: the ids of its samples.
        """
        self.step = step
        self.image_ids = image_ids
        super().__init__(step, image_ids)

    def __str__(self) -> str:
        return (
            f"the loss of step {self.step} is not finite; its batch held the samples "
            f"{list(self.image_ids)}. Look at these, or lower the learning rate"
        )
