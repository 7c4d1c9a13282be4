"""The public names: each is there, in all three places, and costs nothing before its use."""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import deepocr_jax

# What the homes of some names import beyond the library's own dependencies.
NEEDS = {
    "deepocr_jax.display": ("matplotlib",),
    "deepocr_jax.dl_train": ("optax",),
    "deepocr_jax.recipes.finetuning": ("matplotlib", "optax"),
}


def needed(home):
    return [p for prefix, packages in NEEDS.items() if home.startswith(prefix) for p in packages]


@pytest.mark.parametrize("name", deepocr_jax.__all__)
def test_every_public_name_resolves(name):
    for package in needed(deepocr_jax._HOME_OF[name]):
        pytest.importorskip(package)
    assert getattr(deepocr_jax, name).__name__ == name
    assert name in dir(deepocr_jax)


def test_the_three_lists_agree():
    tree = ast.parse(Path(deepocr_jax.__file__).read_text(encoding="utf-8"))
    typed = {
        alias.name: node.module
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed == deepocr_jax._HOME_OF
    assert sorted(typed) == deepocr_jax.__all__


def test_no_module_hides_a_public_name():
    """Importing a module binds its name in the package."""
    root = Path(deepocr_jax.__file__).parent
    modules = {p.stem for p in root.glob("*.py")} | {p.parent.name for p in root.glob("*/*.py")}
    assert not modules & set(deepocr_jax.__all__)


def test_the_names_of_the_procedures():
    assert {
        "read_dl_dataset_ocr_recognition",
        "read_dl_dataset_ocr_detection",
        "convert_dl_dataset_ocr_detection_to_recognition",
        "split_dl_dataset",
        "gen_dl_dataset_ocr_recognition_statistics",
        "find_invalid_samples_dl_ocr_recognition",
        "create_dl_preprocess_param",
        "create_dl_preprocess_param_from_model",
        "preprocess_dl_dataset",
        "preprocess_dl_samples",
        "gen_dl_samples",
        "gen_dl_samples_from_images",
        "write_dl_samples",
        "read_dl_samples",
        "find_dl_samples",
        "create_dl_train_param",
        "train_dl_model",
        "train_dl_model_batch",
        "augment_dl_samples",
        "evaluate_dl_model",
        "dev_display_dl_data",
        "get_dl_model_param",
        "set_dl_model_param",
    } <= set(deepocr_jax.__all__)


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    ).stdout.split()


def test_the_library_itself_imports_no_heavy_package():
    heavy = "jax flax tensorflow tensorflow_datasets matplotlib optax cv2"
    code = f"import sys, deepocr_jax; print(*[p for p in '{heavy}'.split() if p in sys.modules])"
    assert run(code) == []


def test_data_figures_and_readers_import_neither_tensorflow_nor_jax_where_they_need_not():
    names = [n for n, home in deepocr_jax._HOME_OF.items() if home.startswith("deepocr_jax.data")]
    if importlib.util.find_spec("matplotlib") is not None:
        names += ["dev_display_dl_data", "training_curve", "worst_examples"]
    code = (
        f"import sys, deepocr_jax; [getattr(deepocr_jax, n) for n in {names}]; "
        "print(*[p for p in ('jax', 'tensorflow', 'matplotlib.pyplot') if p in sys.modules])"
    )
    assert run(code) == []


def test_a_missing_package_is_answered_with_what_to_install():
    code = (
        "import sys, deepocr_jax; sys.modules['matplotlib'] = None\n"
        "try: deepocr_jax.training_curve\n"
        "except ModuleNotFoundError as error: print(error.__notes__[0])"
    )
    assert "deepocr_jax[train]" in " ".join(run(code))


def test_an_unknown_name_is_no_attribute():
    with pytest.raises(AttributeError, match="create_deep_ocrr"):
        deepocr_jax.create_deep_ocrr  # noqa: B018


def test_importing_starts_no_device():
    """Else a process could no longer say how many devices it wants, or join others."""
    code = (
        "import importlib, pkgutil, deepocr_jax, jax\n"
        "for m in pkgutil.walk_packages(deepocr_jax.__path__, 'deepocr_jax.'):\n"
        "    if not m.name.endswith(('__main__', 'tf_pipeline', 'tfds_files')):\n"
        "        importlib.import_module(m.name)\n"
        "jax.config.update('jax_num_cpu_devices', 2)\n"
        "assert jax.local_device_count() == 2\n"
    )
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
