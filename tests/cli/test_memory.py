"""The process of the command line keeps its memory."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from deepocr_jax.cli.memory import SETTINGS

CODE = """
import resource, sys
from deepocr_jax.cli.memory import keep_memory
kept = keep_memory()
import numpy as np
for _ in range(3):
    np.ones(80_000_000, np.uint8)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    np.ones(80_000_000, np.uint8)
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def run_in_a_process(**environment):
    clean = {k: v for k, v in os.environ.items() if k not in [name for name, _, _ in SETTINGS]}
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        env={**clean, **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    kept, faults = done.stdout.split()
    return kept == "True", int(faults)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="for glibc's malloc alone")
def test_freed_memory_is_used_again():
    kept, faults = run_in_a_process()
    assert kept
    assert faults < 100


def test_the_environment_has_the_last_word():
    assert not run_in_a_process(MALLOC_ARENA_MAX="4")[0]
