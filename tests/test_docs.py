"""What README and docs tell to run runs, what they link to is there, and no operator is missing."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

import deepocr_jax
from deepocr_jax.cli.program import main

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# Pages whose Python blocks run one after the other; those of others need a training.
RUN = [ROOT / "README.md", ROOT / "docs" / "index.md", ROOT / "docs" / "reading.md"]
# Has tests of its own: compiles for minutes, or waits for a person.
ELSEWHERE = ("deepocr warmup", "deepocr label", "deepocr prelabel")


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    joined = "\n".join(b for page in PAGES for b in blocks(page, "sh")).replace("\\\n", " ")
    lines = (line.split("  #")[0].strip() for line in joined.splitlines())
    found = dict.fromkeys(line for line in lines if line.startswith("deepocr "))
    return [line for line in found if not line.startswith(ELSEWHERE)]


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with the files that the examples name."""
    sample = Path(deepocr_jax.__file__).parent / "assets" / "sample.png"
    for name in (
        "scan.png",
        "page1.png",
        "page2.png",
        "code.png",
        "scans/a.png",
        "scans/sub/b.tif",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(sample, path)
    from PIL import Image

    Image.open(sample).convert("RGB").save(tmp_path / "letter.pdf")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_pages_link_to_what_is_there():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_operator_is_on_the_site():
    listed = set(
        re.findall(r"^::: .*\.(\w+)$", (ROOT / "docs" / "api.md").read_text(), re.MULTILINE)
    )
    assert listed == set(deepocr_jax.__all__)


@pytest.mark.pretrained
@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_python_examples_run(page, desk):
    names = {"paths": ["scan.png", "page1.png"]}
    examples = [b for b in blocks(page, "python") if "RUN/best" not in b]
    assert examples
    for example in examples:
        exec(compile(example, str(page), "exec"), names)


@pytest.mark.pretrained
@pytest.mark.parametrize("command", commands())
def test_commands_run(command, desk, capsys):
    words = shlex.split(command)
    redirected = words.index(">") if ">" in words else len(words)
    assert main(words[1:redirected]) == 0
    output = capsys.readouterr().out
    written = (
        any((desk / w).exists() for w in words[words.index("--output") + 1 :][:1])
        if ("--output" in words)
        else True
    )
    assert written and (output or "--output" in words or "draw" in words)
