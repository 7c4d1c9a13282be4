"""The notebooks run from beginning to end, and their pictures are there."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))
ABSENT = [n for n in ("nbclient", "nbformat", "ipykernel") if importlib.util.find_spec(n) is None]

pytestmark = [
    pytest.mark.pretrained,
    pytest.mark.slow,
    pytest.mark.skipif(bool(ABSENT), reason=f'not installed: {ABSENT}; run: pip install ".[ci]"'),
    # nbclient and the kernel's client warn of their own and of each other's changes to come.
    pytest.mark.filterwarnings("ignore"),
]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path, tmp_path):
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    assert all(not c.get("outputs") for c in notebook.cells), "outputs are not committed"
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources=resources).execute()
    shown = {
        kind
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        for kind in output.get("data", {})
    }
    if path.stem in ("read", "retrain"):
        assert {"image/png", "text/html"} <= shown
    if path.stem == "retrain":
        check_what_was_learned(notebook)


def check_what_was_learned(notebook):
    """Displays are read better than before by far, and print not much worse."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    text = "".join(output.get("text", "") for output in outputs)
    found = re.findall(r"^(\w+): (\d+)% of \d+ (\w+)", text, re.MULTILINE)
    percent = {(model, kind): int(share) for model, share, kind in found}
    assert percent["retrained", "displays"] >= percent["pretrained", "displays"] + 25
    assert percent["retrained", "printed"] >= percent["pretrained", "printed"] - 10


def test_there_are_notebooks():
    assert {p.stem for p in NOTEBOOKS} >= {"read", "many_images", "retrain"}
