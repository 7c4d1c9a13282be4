"""A headless Chromium that does what a person does, driven over a pipe by its DevTools protocol."""

import base64
import itertools
import json
import os
import shutil
import subprocess
import time

NAMES = ("chromium", "chromium-browser", "google-chrome")
KEYS = {
    "Enter": 13, "Escape": 27, "Delete": 46, "PageDown": 34, "PageUp": 33, "Insert": 45,
    "ArrowUp": 38, "ArrowDown": 40, "ArrowLeft": 37, "ArrowRight": 39, "Backspace": 8,
}  # fmt: skip
ALT, CONTROL, SHIFT = 1, 2, 8


def chromium():
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class BrowserError(Exception):
    """The browser could not do what it was told."""


class Browser:
    """A browser with a profile of its own; each tab is a `Tab`."""

    def __init__(self, folder, width=1280, height=800):
        to_browser, ours_out = os.pipe()
        ours_in, from_browser = os.pipe()
        flags = [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", "--disable-dev-shm-usage", "--lang=en-US",
            "--remote-debugging-pipe", f"--user-data-dir={folder}",
            f"--window-size={width},{height}", "about:blank",
        ]  # fmt: skip
        # The protocol is spoken on the descriptors 3 and 4.
        call = f'exec "$0" "$@" 3<&{to_browser} 4>&{from_browser}'
        self.process = subprocess.Popen(
            ["bash", "-c", call, chromium(), *flags],
            pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self.out, self.into = os.fdopen(ours_out, "wb"), os.fdopen(ours_in, "rb")
        self.numbers, self.rest, self.events = itertools.count(1), b"", []
        self.size = width, height

    def send(self, method, session=None, **params):
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        self.out.write(json.dumps(message).encode() + b"\0")
        self.out.flush()
        while True:
            answer = self._receive()
            if answer.get("id") == number:
                if "error" in answer:
                    raise BrowserError(answer["error"]["message"])
                return answer["result"]
            self.events.append(answer)
            self._dialog(answer)

    def _dialog(self, event):
        # A page that warns before it is left blocks everything until it is answered.
        if event.get("method") == "Page.javascriptDialogOpening":
            number = next(self.numbers)
            message = {"id": number, "method": "Page.handleJavaScriptDialog"}
            message |= {"params": {"accept": True}, "sessionId": event["sessionId"]}
            self.out.write(json.dumps(message).encode() + b"\0")
            self.out.flush()

    def _receive(self):
        while b"\0" not in self.rest:
            data = os.read(self.into.fileno(), 2**20)
            assert data, "the browser has ended"
            self.rest += data
        message, _, self.rest = self.rest.partition(b"\0")
        return json.loads(message)

    def open(self, address):
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tab = Tab(self, target, session)
        width, height = self.size
        for domain in ("Page", "Runtime", "Log", "Network"):
            tab.send(f"{domain}.enable")
        tab.send(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        tab.go(address)
        return tab

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(120)
        finally:
            self.process.kill()
            self.out.close()
            self.into.close()


class Tab:
    """One tab, with the hands of a person."""

    def __init__(self, browser, target, session):
        self.browser, self.target, self.session = browser, target, session

    def send(self, method, **params):
        return self.browser.send(method, self.session, **params)

    def go(self, address):
        self.send("Page.navigate", url=address)

    def reload(self):
        self.send("Page.reload")

    def front(self):
        self.send("Page.bringToFront")

    def close(self):
        if self.target is not None:
            self.browser.send("Target.closeTarget", targetId=self.target)
        self.target = None

    def value(self, expression):
        result = self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def until(self, expression, seconds=120):
        """Waits until an expression is true; an error in it counts as false."""
        wrapped = f"(() => {{ try {{ return Boolean({expression}) }} catch {{ return false }} }})()"
        end = time.monotonic() + seconds
        while True:
            try:
                if self.value(wrapped):
                    return
            except BrowserError:  # The page was left while it was asked.
                pass
            assert time.monotonic() < end, f"never true: {expression}"
            time.sleep(0.05)

    def text(self, selector):
        return self.value(f"document.querySelector({json.dumps(selector)})?.textContent")

    def key(self, name, modifiers=0):
        if len(name) == 1:
            code, text = ord(name.upper()), None if modifiers & (ALT | CONTROL) else name
        else:
            code, text = KEYS[name], "\r" if name == "Enter" else None
        event = {"key": name, "windowsVirtualKeyCode": code, "modifiers": modifiers}
        text = {"text": text} if text else {}
        self.send("Input.dispatchKeyEvent", type="keyDown", **event, **text)
        self.send("Input.dispatchKeyEvent", type="keyUp", **event)

    def type(self, text):
        for character in text:
            self.key(character)

    def clear(self):
        self.key("a", CONTROL)
        self.send(
            "Input.dispatchKeyEvent", type="keyDown", key="a", modifiers=CONTROL,
            windowsVirtualKeyCode=65, commands=["selectAll"],
        )  # fmt: skip
        self.key("Backspace")

    def middle(self, selector):
        """Where an element is on the screen."""
        return self.value(
            f"(() => {{ const r = document.querySelector({json.dumps(selector)})"
            ".getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )

    def click(self, selector):
        self.drag(self.middle(selector))

    def drag(self, start, end=None, modifiers=0):
        press = {"button": "left", "clickCount": 1, "modifiers": modifiers}

        def mouse(kind, at, **more):
            self.send("Input.dispatchMouseEvent", type=kind, x=at[0], y=at[1], **more)

        mouse("mouseMoved", start, modifiers=modifiers)
        mouse("mousePressed", start, **press)
        if end is not None:
            for part in (0.25, 0.5, 0.75, 1.0):
                at = [a + part * (b - a) for a, b in zip(start, end, strict=True)]
                mouse("mouseMoved", at, buttons=1, **press)
        mouse("mouseReleased", end or start, **press)

    def picture(self, path):
        data = self.send("Page.captureScreenshot", format="png")["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def complaints(self):
        """What the browser found wrong with the page: exceptions, refused content."""
        self.value("1")
        events = [e for e in self.browser.events if e.get("sessionId") == self.session]
        errors = [e["params"] for e in events if e.get("method") == "Runtime.exceptionThrown"]
        logs = [e["params"]["entry"] for e in events if e.get("method") == "Log.entryAdded"]
        return errors + [entry for entry in logs if entry["level"] == "error"]
