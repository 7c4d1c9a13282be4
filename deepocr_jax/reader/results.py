"""Results that show themselves in notebooks."""

from typing import Any


class ShownResult(dict[str, Any]):
    """A `DeepOCRResult`: a dictionary, which a notebook shows as a picture with a table."""

    def _repr_html_(self) -> str:
        from deepocr_jax.display.result_html import result_html

        return result_html(self)
