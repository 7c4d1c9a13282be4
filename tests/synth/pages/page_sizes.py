"""Sizes of the pages that the tests make."""

COUNT, HEIGHT, WIDTH, CHARACTERS = 8, 192, 256, 200
