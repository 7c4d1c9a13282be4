"""`deepocr label` in a process of its own, for tests that end it."""

import json
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import deepocr_jax

ROOT = Path(deepocr_jax.__file__).parents[1]
# A process that was started in the background of a script ignores SIGINT, and its children do, too.
MAIN = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from deepocr_jax.cli.program import main
sys.exit(main())
"""
# Only a server that hangs is not done by then.
TIME_LIMIT_S = 240


class Server:
    """Its address and what can be asked of it; ended when the context is left."""

    def __init__(self, file, *options):
        self.process = subprocess.Popen(
            [sys.executable, "-c", MAIN, "label", str(file), "--no-browser", *options],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()
        if not re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{32,}/", self.address):
            self.process.kill()
            raise AssertionError((self.address, self.process.communicate()))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def ask(self, method, path, body=None):
        origin = self.address.rsplit("/", 2)[0]
        headers = {"Origin": origin, "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=TIME_LIMIT_S) as answer:
            return json.load(answer)

    def change(self, image_id, text):
        image = self.ask("GET", f"images/{image_id}")
        words = [{**image["words"][0], "text": text}]
        body = {"revision": image["revision"], "words": words}
        self.ask("PUT", f"images/{image_id}", body)

    def stop(self, number):
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=TIME_LIMIT_S)
        return self.process.returncode, errors
