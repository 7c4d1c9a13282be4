"""`python -m deepocr_jax`: the command line."""

import sys

from deepocr_jax.cli import main

sys.exit(main())
