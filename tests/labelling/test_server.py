import errno
import http.client
import io
import json
import os
import socket

import numpy as np
import pytest
from labelled_folders import make_pages, read, serving, write
from PIL import Image

from deepocr_jax.image import read_image


@pytest.fixture
def file(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    return make_pages(folder)


@pytest.fixture
def server(file):
    with serving(file) as server:
        yield server


def ask(server, method, path, body=None, token=None, **headers):
    """Status, headers and body of an answer; the headers of a browser unless given."""
    host = f"127.0.0.1:{server.server_port}"
    sent = {"Host": host, "Origin": f"http://{host}", "Content-Type": "application/json"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=120)
    data = json.dumps(body).encode() if not isinstance(body, bytes | None) else body
    try:
        connection.putrequest(method, f"/{server.token if token is None else token}/{path}", True)
        for name, value in sent.items():
            if value is not None:
                connection.putheader(name, value)
        if data is not None and "Content_Length" not in headers:
            connection.putheader("Content-Length", str(len(data)))
        connection.endheaders(data)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def ask_json(server, method, path, body=None, **more):
    status, _, data = ask(server, method, path, body, **more)
    return status, json.loads(data)


def test_bound_to_the_loopback_address(server):
    assert server.server_address[0] == "127.0.0.1"
    assert server.address.startswith(f"http://127.0.0.1:{server.server_port}/")
    assert len(server.token) >= 32


def test_page_and_what_protects_it(server):
    for name, kind in (("", "text/html"), ("page.js", "text/javascript"), ("page.css", "text/css")):
        status, headers, body = ask(server, "GET", name)
        assert status == 200 and headers["Content-Type"].startswith(kind) and body
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Access-Control-Allow-Origin" not in headers
        assert b"http://" not in body and b"https://" not in body


def test_words_and_pixels(server, file):
    status, dataset = ask_json(server, "GET", "dataset")
    assert status == 200 and dataset["file"] == str(file)
    (entry,) = dataset["images"]
    assert entry["id"] == 1 and entry["words"] == 12 and entry["unchecked"][0] == 0.5
    status, image = ask_json(server, "GET", "images/1")
    assert (image["width"], image["height"]) == (640, 480)
    assert [word["text"] for word in image["words"]][:2] == ["p0w0", "p0w1"]
    status, headers, data = ask(server, "GET", "images/1/pixels")
    assert headers["Content-Type"] == "image/png"
    shown = np.asarray(Image.open(io.BytesIO(data)))
    np.testing.assert_array_equal(shown, read_image(file.parent / "p0.png"))


def test_a_change_is_kept_and_written(server, file):
    _, image = ask_json(server, "GET", "images/1")
    image["words"][0]["text"] = "Łódź"
    body = {"revision": image["revision"], "words": image["words"]}
    status, answer = ask_json(server, "PUT", "images/1", body)
    assert status == 200
    assert ask_json(server, "GET", "images/1")[1]["revision"] == answer["revision"]
    assert ask_json(server, "POST", "save", {})[0] == 200
    assert read(file)["samples"][0]["label_custom_data"][0]["text"] == "Łódź"
    # The same once more, then others with the old revision.
    assert ask_json(server, "PUT", "images/1", body) == (200, answer)
    image["words"][0]["text"] = "other"
    status, answer = ask_json(server, "PUT", "images/1", body)
    assert status == 409 and "changed elsewhere" in answer["error"]


def test_full_disk_is_told(server, file, monkeypatch):
    _, image = ask_json(server, "GET", "images/1")
    body = {"revision": image["revision"], "words": image["words"][1:]}

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        status, answer = ask_json(server, "PUT", "images/1", body)
    assert status == 507 and "No space left" in answer["error"]
    assert ask_json(server, "GET", "images/1")[1] == image
    assert ask_json(server, "PUT", "images/1", body)[0] == 200


def test_nan_in_a_dataset_is_told(file):
    dataset = read(file)
    dataset["samples"][0]["label_custom_data"][1]["confidence"] = float("nan")
    write(file.parent, dataset)
    with serving(file) as server:
        for path in ("dataset", "images/1"):
            status, answer = ask_json(server, "GET", path)
            assert status == 422 and "NaN" in answer["error"]


# --- what is refused ---

ALL = [
    ("GET", ""), ("GET", "page.js"), ("GET", "dataset"), ("GET", "images/1"),
    ("GET", "images/1/pixels"), ("PUT", "images/1"), ("POST", "save"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), ALL)
@pytest.mark.parametrize(
    "wrong",
    [
        {"token": ""},
        {"token": "guess"},
        {"token": "%00"},
        {"Host": "evil.example:80"},
        {"Host": "127.0.0.1"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
    ids=str,
)
def test_other_origins_get_nothing(server, file, method, path, wrong):
    before = ask_json(server, "GET", "images/1")[1]
    body = {"revision": before["revision"], "words": []} if method == "PUT" else {}
    status, headers, data = ask(server, method, path, body if method != "GET" else None, **wrong)
    assert status in (403, 421) and list(json.loads(data)) == ["error"]
    assert "Access-Control-Allow-Origin" not in headers
    assert ask_json(server, "GET", "images/1")[1] == before


@pytest.mark.parametrize(("method", "path"), [e for e in ALL if e[0] != "GET"])
def test_writes_must_name_their_origin_and_be_json(server, method, path):
    assert ask(server, method, path, {}, Origin=None)[0] == 403
    for kind in ("text/plain", "application/x-www-form-urlencoded", None):
        assert ask(server, method, path, {}, Content_Type=kind)[0] == 415


def test_localhost_is_this_host_too(server):
    host = f"localhost:{server.server_port}"
    assert ask(server, "POST", "save", {}, Host=host, Origin=f"http://{host}")[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "../secret.txt", "..%2fsecret.txt", "images/../../secret.txt", "images/p0.png", "p0.png",
        "images/2", "images/-1", "images/1/", "images/01x", "images/1/pixels/..", "images/1/../2",
        "server.py", "../server.py", "/etc/passwd", "page.js/", "page.js?x", "PAGE.JS",
        "images/99999999999999999999", "dl_dataset.json", ".dl_dataset.json.journal",
    ],
)  # fmt: skip
def test_nothing_else_is_served(server, file, path):
    (file.parent.parent / "secret.txt").write_text("secret")
    status, _, data = ask(server, "GET", path)
    assert status == 404 and b"secret" not in data


def test_the_address_ends_with_a_slash(server):
    status, answer = ask_json(server, "GET", "", token=f"{server.token}"[:-1])
    assert status == 403
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=120)
    connection.request("GET", f"/{server.token}")
    assert connection.getresponse().status == 404
    connection.close()


@pytest.mark.parametrize(
    "name", ["../secret.png", "link.png", "/etc/passwd", "gone.png", "notes.txt", "pipe", "a\0b"]
)
def test_images_outside_of_the_folder_and_what_are_none(file, name):
    folder = file.parent
    Image.new("RGB", (9, 9)).save(folder.parent / "secret.png")
    (folder / "link.png").symlink_to(folder.parent / "secret.png")
    (folder / "notes.txt").write_text("secret")
    os.mkfifo(folder / "pipe")
    dataset = read(file)
    dataset["samples"][0]["image_file_name"] = name
    write(folder, dataset)
    with serving(file) as server:
        for path in ("images/1", "images/1/pixels"):
            status, answer = ask_json(server, "GET", path)
            assert status == 422 and "secret\n" not in answer["error"]


@pytest.mark.parametrize(
    "method", ["HEAD", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "BREW"]
)
def test_unknown_methods(server, method):
    status, headers, data = ask(server, method, "dataset")
    assert status == 501 and method.encode() not in data
    assert "Access-Control-Allow-Methods" not in headers


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{}", {"Content_Length": str(2**40)}, 413),
        (b"{}", {"Content_Length": "-1"}, 411),
        (b"{}", {"Content_Length": "x"}, 411),
        (None, {}, 411),
        (b"{}", {"Transfer_Encoding": "chunked"}, 411),
        (b"not json", {}, 400),
        (b"\xff\xfe", {}, 400),
        (b"[" * 100_000, {}, 400),
        (b"[]", {}, 400),
        (b'{"revision": "x"}', {}, 400),
        (b'{"revision": "x", "words": 1}', {}, 422),
        (b'{"revision": 7, "words": []}', {}, 409),
    ],
)
def test_bodies_that_are_refused(server, body, headers, status):
    got, _, data = ask(server, "PUT", "images/1", body, **headers)
    assert got == status and json.loads(data)["error"]


def test_several_requests_in_one_are_one(server):
    line = f"GET /{server.token}/dataset HTTP/1.1\r\nHost: 127.0.0.1:{server.server_port}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.server_port), 10) as link:
        link.sendall(2 * line.encode())
        data = b"".join(iter(lambda: link.recv(2**16), b""))
    assert data.count(b"HTTP/1.1 200") == 1 and b"Connection: close" in data


@pytest.mark.parametrize("line", [b"\x00\x01\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"])
def test_what_is_no_request(server, line, capsys):
    with socket.create_connection(("127.0.0.1", server.server_port), 10) as link:
        link.sendall(line)
        link.shutdown(socket.SHUT_WR)
        assert b"words" not in link.recv(4096)
    assert ask(server, "GET", "dataset")[0] == 200
    assert capsys.readouterr().err == ""
