"""Trains a detector by score maps on synthetic pages, after a configuration.

    python tools/train_detector.py --config configs/pretrain_score_maps.py --workdir=DIR

`--config.NAME=VALUE` changes a field of the configuration. The best model ends in DIR/best, the
last one in DIR/final. A run that was cut off goes on with the same command.
"""

import argparse
import sys
from dataclasses import asdict

from deepocr_jax.checkpoint import variables_sha256
from deepocr_jax.configuration import load_config
from deepocr_jax.detector_training import DetectorTrainingConfig, train_detector
from deepocr_jax.errors import DeepOCRError
from deepocr_jax.train.score_maps import PageSource

TERMINATED = 143
# What of a configuration decides on the pages.
OF_PAGES = ("fonts", "height", "width", "characters_per_page", "scenes", "pages_per_step")


def make_source(config: DetectorTrainingConfig) -> PageSource:
    """Synthetic pages of a configuration."""
    from deepocr_jax.synth.pages import GlyphAtlas, make_atlas, synthesize_pages

    def make(assets, key, step):
        return synthesize_pages(
            GlyphAtlas(**assets),
            key,
            config.pages_per_step,
            config.height,
            config.width,
            config.characters_per_page,
            config.scenes,
        )

    values = asdict(config)
    assets = make_atlas(config.fonts or None)._asdict()
    told = repr([*(values[name] for name in OF_PAGES), variables_sha256(assets)])
    return PageSource(make, assets, config.pages_per_step, told)


def main() -> int:
    """Runs the command line; returns its exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", required=True, help="file with get_config()")
    parser.add_argument("--workdir", required=True, help="folder of states, reports and models")
    arguments, overrides = parser.parse_known_args()
    try:
        config = load_config(arguments.config, overrides)
        outcome = train_detector(config, make_source(config), arguments.workdir)
    except DeepOCRError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if not outcome.finished:
        print("stopped; the same command goes on", file=sys.stderr)
        return TERMINATED
    print(f"best: {outcome.history.best}\nmodel: {arguments.workdir}/best")
    return 0


if __name__ == "__main__":
    sys.exit(main())
