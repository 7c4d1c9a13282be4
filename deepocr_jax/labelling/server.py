"""The label page's server: for this machine alone, and for who knows its address.

Every address begins with a random token. Requests must name this host (so that no other site can
have its name lead here), must not come from another site's page, and get nothing but the page's own
files, the words, and images that the dataset names.
"""

from __future__ import annotations

import json
import re
import secrets
import sys
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any

from deepocr_jax.errors import DatasetError, ImageError
from deepocr_jax.labelling.dataset_store import ConflictError, DatasetStore, NotSavedError
from deepocr_jax.labelling.image_files import ImageFiles
from deepocr_jax.labelling.words import Word, word_to_json

HOST = "127.0.0.1"
MAX_BODY = 2**24
"""Most bytes that a request may send."""

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_POLICY = "; ".join(
    f"{name} {value}"
    for name, value in {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }.items()
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}
_IMAGE = re.compile(r"images/([0-9]{1,19})(/pixels)?")


@dataclass(frozen=True)
class Reply:
    """What a request is answered with."""

    status: int
    body: bytes
    type: str = "application/json"


class RequestError(Exception):
    """A request that is refused, with the status of the answer."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


class LabelServer(ThreadingHTTPServer):
    """Serves a dataset to a browser on this machine until `shutdown`.

    Attributes:
        store: The dataset.
        token: What every address begins with.
    """

    daemon_threads = True

    def __init__(self, store: DatasetStore, port: int = 0, token: str | None = None) -> None:
        """Binds the loopback address.

        Args:
            store: The dataset; who opened it closes it.
            port: 0 takes a free one.
            token: A random one unless given.

        Raises:
            OSError: The port is taken.
        """
        self.store = store
        self.images = ImageFiles(store.image_dir)
        self.token = token or secrets.token_urlsafe(24)
        folder = files("deepocr_jax.labelling").joinpath("page")
        self.page = {entry.name: entry.read_bytes() for entry in folder.iterdir() if _type(entry)}
        super().__init__((HOST, port), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing of a browser that has gone away."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.server_port}/{self.token}/"


def _type(entry: Any) -> str | None:
    return next((kind for end, kind in _TYPES.items() if entry.name.endswith(end)), None)


class _Handler(BaseHTTPRequestHandler):
    """One connection; see the module for what is refused."""

    server: LabelServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "deepocr", ""
    timeout = 60

    def do_GET(self) -> None:  # noqa: N802
        self._answer(lambda: self._get(self._path()))

    def do_PUT(self) -> None:  # noqa: N802
        self._answer(lambda: self._put(self._path(), self._body()))

    def do_POST(self) -> None:  # noqa: N802
        self._answer(lambda: self._post(self._path(), self._body()))

    def _answer(self, work: Any) -> None:
        try:
            reply = work()
        except RequestError as error:
            reply = _error(error.status, error)
        except ConflictError as error:
            reply = _error(HTTPStatus.CONFLICT, error)
        except NotSavedError as error:
            reply = _error(HTTPStatus.INSUFFICIENT_STORAGE, error)
        except (DatasetError, ImageError) as error:
            reply = _error(HTTPStatus.UNPROCESSABLE_ENTITY, error)
        self._send(reply)

    # --- what is refused ---

    def _path(self) -> str:
        """What is asked for, behind the token."""
        hosts = [f"{name}:{self.server.server_port}" for name in (HOST, "localhost")]
        host = self.headers.get_all("Host") or [""]
        if len(host) != 1 or host[0] not in hosts:
            raise RequestError(HTTPStatus.MISDIRECTED_REQUEST, f"This is {hosts[0]}.")
        origin = self.headers.get("Origin")
        writes = self.command != "GET"
        if (writes or origin is not None) and origin != f"http://{host[0]}":
            raise RequestError(HTTPStatus.FORBIDDEN, "Requests of other sites are refused.")
        if self.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            raise RequestError(
                HTTPStatus.FORBIDDEN,
                "Requests of other sites are refused; paste the address into the address bar.",
            )
        _, token, path = [*self.path.split("/", 2), "", ""][:3]
        if not self.path.startswith("/") or not secrets.compare_digest(
            token.encode("utf-8", "replace"), self.server.token.encode()
        ):
            raise RequestError(
                HTTPStatus.FORBIDDEN, "Open the address that deepocr label has printed."
            )
        if self.path.count("/") < 2:
            raise RequestError(HTTPStatus.NOT_FOUND, "The address ends with a slash.")
        return path

    def _body(self) -> Any:
        """The JSON value that was sent."""
        if self.headers.get_content_type() != "application/json":
            raise RequestError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Expected application/json.")
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch("[0-9]{1,19}", length) or "Transfer-Encoding" in self.headers:
            raise RequestError(HTTPStatus.LENGTH_REQUIRED, "Expected a Content-Length.")
        if int(length) > MAX_BODY:
            raise RequestError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"Expected at most {MAX_BODY} bytes."
            )
        data = self.rfile.read(int(length))
        if len(data) < int(length):
            raise RequestError(HTTPStatus.BAD_REQUEST, "The request was cut off.")
        try:
            return json.loads(data.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise RequestError(HTTPStatus.BAD_REQUEST, f"Expected JSON: {error}.") from error

    # --- what is served ---

    def _get(self, path: str) -> Reply:
        name = path or "index.html"
        if name in self.server.page:
            kind = next(kind for end, kind in _TYPES.items() if name.endswith(end))
            return Reply(HTTPStatus.OK, self.server.page[name], kind)
        store = self.server.store
        if path == "dataset":
            images = [_summary(i, name, store.words(i)) for i, name in store.names.items()]
            return _json({"file": str(store.file), "images": images})
        image_id, pixels = _image_path(path, store)
        image = store.image(image_id)
        if pixels:
            return Reply(HTTPStatus.OK, self.server.images.png(image.name), "image/png")
        height, width = self.server.images.size(image.name)
        words = [word_to_json(word) for word in image.words]
        entry = {"id": image_id, "name": image.name, "height": height, "width": width}
        return _json({**entry, "revision": image.revision, "words": words})

    def _put(self, path: str, body: Any) -> Reply:
        image_id, pixels = _image_path(path, self.server.store)
        if pixels or not isinstance(body, dict) or body.keys() != {"revision", "words"}:
            raise RequestError(HTTPStatus.BAD_REQUEST, "Expected a revision and words.")
        store = self.server.store
        size = self.server.images.size(store.names[image_id])
        revision = store.replace(image_id, body["revision"], body["words"], size)
        return _json({"revision": revision})

    def _post(self, path: str, _: Any) -> Reply:
        if path != "save":
            raise RequestError(HTTPStatus.NOT_FOUND, "There is nothing here.")
        self.server.store.write()
        return _json({})

    # --- the wire ---

    def _send(self, reply: Reply) -> None:
        # One request a connection: none outlives the server, and what was not read of a refused
        # body is never taken for a request.
        self.close_connection = True
        self.send_response(reply.status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", reply.type)
        self.send_header("Content-Length", str(len(reply.body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(reply.body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answers what is no request that is known, without repeating any of it."""
        self._send(_error(code, HTTPStatus(code).phrase))

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


def _image_path(path: str, store: DatasetStore) -> tuple[int, bool]:
    match = _IMAGE.fullmatch(path)
    if match is None or int(match[1]) not in store.names:
        raise RequestError(HTTPStatus.NOT_FOUND, "There is nothing here.")
    return int(match[1]), match[2] is not None


def _summary(image_id: int, name: str, words: list[Word]) -> dict[str, Any]:
    """What the page needs to know of an image before it shows it."""
    unchecked = [word.confidence for word in words if not word.checked]
    only = words[0].text if len(words) == 1 and words[0].box is None else None
    entry = {"id": image_id, "name": name, "words": len(words), "text": only}
    return {**entry, "unchecked": sorted(unchecked)}


def _json(value: Any) -> Reply:
    try:
        return Reply(HTTPStatus.OK, json.dumps(value, allow_nan=False).encode())
    except ValueError:
        raise DatasetError("The dataset holds NaN or Infinity, which is no JSON.") from None


def _error(status: int, message: object) -> Reply:
    return Reply(status, json.dumps({"error": str(message)}).encode())
