"""The measurement of starts, with commands that only sleep."""

import importlib
import json
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture
def cold_start(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    return importlib.import_module("cold_start")


def test_turns_and_ratios(cold_start, monkeypatch, tmp_path):
    code = "import time; time.sleep({})"
    each = {"deepocr": 0.4, "rapidocr": 0.1}
    commands = {name: [sys.executable, "-c", code.format(s)] for name, s in each.items()}
    monkeypatch.setattr(cold_start, "commands", lambda peer: commands)
    out = tmp_path / "cold.json"
    cold_start.main(["--turns=2", "--peer=rapidocr", f"--out={out}"])
    report = json.loads(out.read_text())
    assert report["deepocr_s"]["least"] >= 0.4 and report["rapidocr_s"]["least"] >= 0.1
    assert report["ratio_of_medians_s"] == pytest.approx(
        report["deepocr_s"]["median"] / report["rapidocr_s"]["median"], rel=0.01
    )
    assert report["deepocr_cpu_s"]["median"] < report["deepocr_s"]["median"]


def test_an_unknown_peer_is_refused(cold_start):
    with pytest.raises(SystemExit, match="rapidocr"):
        cold_start.commands("another")
