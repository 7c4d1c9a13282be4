"""Pages of text with the place of every character, made on the device from a random key."""

from deepocr_jax.synth.pages.atlas import make_atlas
from deepocr_jax.synth.pages.labels import label_pages
from deepocr_jax.synth.pages.photos import read_photos
from deepocr_jax.synth.pages.synthesis import synthesize_pages
from deepocr_jax.synth.pages.types import GlyphAtlas, Pages

__all__ = ["GlyphAtlas", "Pages", "label_pages", "make_atlas", "read_photos", "synthesize_pages"]
