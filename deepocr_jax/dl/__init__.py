"""The operators of deep learning: models, their data, their training and evaluation."""
