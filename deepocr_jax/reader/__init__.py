"""The operators of Deep OCR: handles, what they are told, and what they read."""
