import dataclasses

import pytest

from deepocr_jax.errors import ParameterValueError, UnknownParameterError
from deepocr_jax.recipes.configuration import load_config

FILE = """
from dataclasses import dataclass

@dataclass(frozen=True)
class Config:
    path: str = ""
    steps: int = 3
    rate: float = 0.1
    frozen: tuple[str, ...] = ()
    augment: dict[str, float] | None = None
    show: bool = True

def get_config():
    return Config(rate=0.5)
"""
DEFAULTS = {"path": "", "steps": 3, "rate": 0.5, "frozen": (), "augment": None, "show": True}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "config.py"
    path.write_text(FILE)
    return str(path)


def test_the_files_values_stand_unless_overridden(file):
    assert dataclasses.asdict(load_config(file)) == DEFAULTS
    overrides = ["--config.steps=7", "--config.path=a=b", "--config.show=False"]
    changed = {**DEFAULTS, "steps": 7, "path": "a=b", "show": False}
    assert dataclasses.asdict(load_config(file, overrides)) == changed


@pytest.mark.parametrize("text", ["head,body/LCNet_0", "('head', 'body/LCNet_0')"])
def test_tuples_need_no_quotes(file, text):
    assert load_config(file, [f"--config.frozen={text}"]).frozen == ("head", "body/LCNet_0")


def test_a_dictionary_or_none(file):
    assert load_config(file, ["--config.augment={'noise': 3}"]).augment == {"noise": 3}
    assert load_config(file, ["--config.augment=None"]).augment is None


def test_whole_numbers_are_real_numbers_too(file):
    rate = load_config(file, ["--config.rate=2"]).rate
    assert rate == 2.0
    assert isinstance(rate, float)


@pytest.mark.parametrize(
    "override", ["--config.steps=many", "--config.steps=1.5", "--config.show=1", "--config.rate=x"]
)
def test_a_wrong_type_is_named(file, override):
    name = override.removeprefix("--config.").partition("=")[0]
    with pytest.raises(ParameterValueError, match=name):
        load_config(file, [override])


@pytest.mark.parametrize("override", ["--config.steps", "--steps=3", "steps=3"])
def test_what_is_no_override_is_refused(file, override):
    with pytest.raises(ParameterValueError, match="NAME=VALUE"):
        load_config(file, [override])


def test_an_unknown_field_gets_a_suggestion(file):
    with pytest.raises(UnknownParameterError, match="steps"):
        load_config(file, ["--config.step=3"])


def test_a_file_that_is_no_configuration(tmp_path):
    with pytest.raises(ParameterValueError, match="no configuration"):
        load_config(str(tmp_path / "absent.py"))
    (tmp_path / "empty.py").write_text("")
    with pytest.raises(ParameterValueError, match="get_config"):
        load_config(str(tmp_path / "empty.py"))
