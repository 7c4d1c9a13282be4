from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

from deepocr_jax.infer import compiled
from deepocr_jax.infer.compiled import Program, keep_programs

DEVICE = jax.local_devices(backend="cpu")[0]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A cache of one's own; nothing is prepared in this process."""
    was_on = jax.config.values["jax_enable_compilation_cache"]
    switch_cache_of_jax(False)
    monkeypatch.setattr(compiled, "_folder", None)
    keep_programs(tmp_path / "programs")
    forget()
    yield tmp_path / "programs"
    forget()
    switch_cache_of_jax(was_on)


def switch_cache_of_jax(on):
    jax.config.update("jax_enable_compilation_cache", on)
    compilation_cache.reset_cache()


def forget():
    """As in a new process."""
    compiled.forget_programs()
    jax.clear_caches()


@pytest.fixture
def traced():
    return []


@pytest.fixture
def make(traced):
    def scaled(weights, x, power=1):
        traced.append(x.shape)
        return weights["scale"] * x**power, x.sum()

    def make(identity="scaled", scale=2.0):
        return Program(scaled, {"scale": np.float32(scale)}, DEVICE, identity)

    return make


def test_value_is_that_of_the_function(make):
    scaled, total = make()(np.arange(3, dtype=np.float32), power=2)
    np.testing.assert_array_equal(scaled, [0, 2, 8])
    assert total == 3


def test_shapes_and_options_are_compiled_once_each(make, traced):
    program = make()
    for _ in range(2):
        program(np.zeros(3, np.float32))
        program(np.zeros(4, np.float32))
        program(np.zeros(4, np.int32))
        program(np.zeros(4, np.float32), power=2)
    assert len(traced) == 4


def test_programs_of_one_function_share_what_is_compiled(make, traced):
    x = np.ones(3, np.float32)
    assert make(scale=2.0)(x)[0][0] == 2 and make(scale=5.0)(x)[0][0] == 5
    assert len(traced) == 1
    forget()
    make("another")(x)
    assert len(traced) == 2


def test_later_process_does_not_trace(make, traced, folder):
    x = np.ones(3, np.float32)
    make()(x)
    assert len(list(folder.iterdir())) == 1
    forget()
    assert make(scale=7.0)(x)[0][0] == 7
    assert len(traced) == 1


@pytest.mark.parametrize("damage", [b"", b"no program", None])
def test_damaged_file_is_replaced(make, traced, folder, damage):
    x = np.ones(3, np.float32)
    make()(x)
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    forget()
    assert make()(x)[0][0] == 2
    assert len(traced) == 2
    assert len(file.read_bytes()) > len(whole) // 2
    assert [f.name for f in folder.iterdir()] == [file.name]


def test_other_source_or_machine_is_another_program(make, traced, monkeypatch):
    x = np.ones(3, np.float32)
    make()(x)
    forget()
    monkeypatch.setattr(compiled, "_told_of_machine", lambda kind: "another")
    make()(x)
    assert len(traced) == 2


def test_without_a_cache_nothing_is_written(make, monkeypatch, folder):
    monkeypatch.setattr(compiled, "_folder", None)
    make()(np.ones(3, np.float32))
    assert not list(folder.iterdir())


def test_environment_switches_the_cache_off(make, monkeypatch, tmp_path):
    monkeypatch.setenv("JAX_ENABLE_COMPILATION_CACHE", "0")
    keep_programs(tmp_path / "unused")
    assert not (tmp_path / "unused").exists()


def test_where_jax_keeps_programs_none_is_written(make, traced, folder):
    switch_cache_of_jax(True)
    x = np.ones(3, np.float32)
    for times in (1, 2):
        assert make()(x)[0][0] == 2
        assert len(traced) == times and not list(folder.iterdir())
        forget()


def test_threads_that_ask_at_once_compile_once(make, traced):
    program, start = make(), threading.Barrier(4)
    values = []

    def ask():
        start.wait()
        values.append(float(program(np.ones(3, np.float32))[0][0]))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert values == [2.0] * 4
    assert len(traced) == 1


def test_failure_is_told_and_tried_again(traced):
    fails = [True]

    def function(weights, x):
        if fails.pop():
            raise ValueError("not yet")
        return weights + x

    program = Program(function, np.float32(1), DEVICE, "fails")
    with pytest.raises(ValueError, match="not yet"):
        program(np.zeros(2, np.float32))
    fails.append(False)
    np.testing.assert_array_equal(program(np.zeros(2, np.float32)), [1, 1])


def test_only_the_last_programs_outlive_their_handles(make):
    most = compiled._prepared.cache_info().maxsize
    lives = []
    for number in range(most + 3):
        program = make(f"{number}")
        program(np.ones(3, np.float32))
        (prepared,) = program._by_shape.values()
        lives.append(weakref.ref(prepared))
        del program, prepared
    gc.collect()
    assert [life() is None for life in lives] == [True] * 3 + [False] * most


def test_runs_where_it_is_told(make):
    (value, _) = make()(jnp.ones(3))
    assert value.devices() == {DEVICE}


def test_file_of_another_process_is_loaded(tmp_path):
    """As the command line does it: the second process compiles nothing."""
    script = """
import jax, numpy as np
from deepocr_jax.infer import compiled
from pathlib import Path
compiled.keep_programs(Path("cache"))
traced = []
def f(w, x):
    traced.append(1)
    return w * x
program = compiled.Program(f, np.float32(3), jax.local_devices()[0], "f")
print(len(traced), float(program(np.ones(2, np.float32))[0]), len(traced))
"""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JAX_")}
    seen = [
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for _ in range(2)
    ]
    assert seen == [["0", "3.0", "1"], ["0", "3.0", "0"]]
