"""`python -m deepocr_jax`: the command line."""

from deepocr_jax.cli.program import run

run()
