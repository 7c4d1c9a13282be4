"""The label page as a person uses it, in a headless Chromium."""

import contextlib
import errno
import json
import math
import os
import signal
import time

import pytest
from browser import ALT, CONTROL, SHIFT, Browser, chromium
from label_process import Server
from labelled_folders import make_crops, make_pages, read, serving

pytestmark = pytest.mark.skipif(
    chromium() is None, reason="Chromium is not installed (Debian's package chromium)"
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture
def file(tmp_path):
    return make_pages(tmp_path, pages=2)


@contextlib.contextmanager
def page(browser, server):
    tab = browser.open(server.address)
    tab.until("document.querySelector('#words li') && !document.querySelector('#text').disabled")
    # What the browser may complain of from here on are answers that tests ask for.
    assert tab.complaints() == []
    yield tab
    tab.close()


def saved(tab):
    tab.until("document.querySelector('#state').textContent === 'Saved'")


def kept(tab):
    tab.until("['Kept', 'Saved'].includes(document.querySelector('#state').textContent)")


def labels(file, sample=0):
    sample = read(file)["samples"][sample]
    return [d for d in sample["label_custom_data"] if "text" in d]


def scale(tab):
    return tab.value("new DOMMatrix(document.querySelector('#picture img').style.transform).a")


def place(tab, row, col):
    """Where a pixel of the image is on the screen."""
    return tab.value(
        "(() => { const s = document.querySelector('#boxes').getBoundingClientRect();"
        "const m = new DOMMatrix(document.querySelector('#picture img').style.transform);"
        f"return [s.x + m.e + m.a * ({col} + .5), s.y + m.f + m.a * ({row} + .5)]; }})()"
    )


def texts(tab):
    return tab.value("[...document.querySelectorAll('#words .name')].map(e => e.textContent)")


def test_ten_words_and_a_box(browser, file):
    with serving(file) as server, page(browser, server) as tab:
        assert tab.text("#counter") == "0 of 24 words checked"
        for k in range(10):
            # The doubtful ones come first; the field has the focus and its text is selected.
            assert tab.value("document.querySelector('#text').value") == f"p0w{k}"
            tab.type(f"Wört {k}")
            tab.key("Enter")
        assert tab.text("#counter") == "10 of 24 words checked"
        s = scale(tab)
        start = place(tab, 180, 370)  # The word p0w10, which is the current one.
        tab.drag(start, [start[0] + 24, start[1] - 12])
        kept(tab)
        tab.click("#save")
        saved(tab)
        words = labels(file)
        assert [w["text"] for w in words[:11]] == [*(f"Wört {k}" for k in range(10)), "p0w10"]
        assert [w["checked"] for w in words] == [True] * 10 + [False] * 2
        assert words[0]["confidence"] == 0.5
        sample = read(file)["samples"][0]
        assert sample["bbox_col"][10] == pytest.approx(370 + 24 / s, abs=0.02)
        assert sample["bbox_row"][10] == pytest.approx(180 - 12 / s, abs=0.02)
        # The box of another class is still there.
        assert sample["bbox_label_id"] == [0] * 12 + [7] and sample["bbox_phi"][-1] == 0.5
    with serving(file) as server, page(browser, server) as tab:
        tab.until("document.querySelector('#counter').textContent.startsWith('10 of 24')")
        # The second image has the more doubtful words now.
        assert tab.value("document.querySelector('#text').value") == "p1w0"
        tab.key("PageDown")
        tab.until("document.querySelector('#image-name').textContent === 'p0.png'")
        assert texts(tab)[:2] == ["p0w10", "p0w11"]
        assert sorted(texts(tab)[2:]) == [f"Wört {k}" for k in range(10)]


def test_boxes_are_resized_turned_drawn_and_deleted(browser, file):
    with serving(file) as server, page(browser, server) as tab:
        s = scale(tab)

        def box(k):
            sample = read(file)["samples"][0]  # The box of the other class goes last.
            return [sample[f"bbox_{n}"][k] for n in ("row", "col", "phi", "length1", "length2")]

        def write():
            kept(tab)
            tab.key("s", CONTROL)
            saved(tab)

        # The corner at the lower right, drawn outwards: the upper left stays.
        corner = tab.middle('[data-sides="1 1"]')
        tab.drag(corner, [corner[0] + 10 * s, corner[1] + 6 * s])
        write()
        assert box(0) == pytest.approx([63, 95, 0, 55, 17], abs=0.05)
        # The round handle, up by 90 degrees: read from below to above.
        knob = tab.middle("[data-turn]")
        centre = place(tab, 63, 95)
        tab.drag(knob, [centre[0], centre[1] - 100])
        write()
        assert box(0)[2] == pytest.approx(math.pi / 2, abs=0.02)
        tab.key("Escape")
        tab.key("Escape")
        write()
        assert box(0) == [60, 90, 0, 50, 14]
        # A new box, and its text.
        tab.drag(place(tab, 300, 100), place(tab, 340, 220), SHIFT)
        tab.until("document.querySelector('#text').value === ''")
        tab.type("stamp")
        tab.key("Enter")
        write()
        assert box(12) == pytest.approx([320, 160, 0, 60, 20], abs=0.6)
        assert labels(file)[12] == {"text": "stamp", "checked": True}
        # Deleted by a click on its box and the key, and brought back.
        tab.drag(place(tab, 60, 230))
        tab.key("Delete")
        write()
        assert "p0w1" not in [w["text"] for w in labels(file)]
        tab.key("Escape")
        write()
        assert labels(file)[1]["text"] == "p0w1" and labels(file)[1]["confidence"] == 0.54
        # By keys alone: a pixel to the right, two pixels longer.
        tab.click("#text")
        tab.key("ArrowRight", ALT)
        tab.key("ArrowRight", ALT | SHIFT)
        write()
        assert box(1) == [60, 231, 0, 51, 14]


def test_back_undo_unreadable_and_the_rest_of_an_image(browser, file):
    with serving(file) as server, page(browser, server) as tab:
        tab.type("wrong")
        tab.key("Escape")
        assert tab.value("document.querySelector('#text').value") == "p0w0"
        tab.type("right")
        tab.key("Enter")
        assert texts(tab)[0] == "right" and text_now(tab) == "p0w1"
        tab.key("Escape")  # One step back, not two.
        assert texts(tab)[0] == "p0w0" and text_now(tab) == "p0w0"
        assert tab.text("#counter") == "0 of 24 words checked"
        tab.clear()
        tab.key("Enter")
        assert "no text" in tab.text("#detail")
        tab.type("first")
        tab.key("Enter")
        tab.key("u", ALT)
        tab.key("Enter", SHIFT)
        assert tab.value("document.querySelector('#text').value") == "###"
        tab.key("Enter", SHIFT)
        assert tab.value("document.querySelector('#text').value") == "first"
        tab.key("Enter", CONTROL)
        tab.until("document.querySelector('#image-name').textContent === 'p1.png'")
        assert tab.text("#counter") == "12 of 24 words checked"
        tab.key("Enter", CONTROL)
        tab.until("document.querySelector('#detail').textContent === 'All words are checked.'")
        tab.key("s", CONTROL)
        saved(tab)
    assert [w["text"] for w in labels(file)][:3] == ["first", "###", "p0w2"]
    assert all(w["checked"] for k in (0, 1) for w in labels(file, k))


def text_now(tab):
    return tab.value("document.querySelector('#text').value")


def test_two_tabs_with_different_words_lose_nothing(browser, file):
    with serving(file) as server, page(browser, server) as one, page(browser, server) as two:
        one.front()
        one.type("from one")
        one.key("Enter")
        one.key("Delete", CONTROL)
        kept(one)
        two.front()
        for text in ("ArrowDown", "ArrowDown", "ArrowDown"):
            two.key(text)
        two.type("from two")
        two.key("Enter")
        kept(two)
        expected = ["from one", "p0w2", "from two", "p0w4"]
        assert [w.text for w in server.store.image(1).words[:4]] == expected
        # The other tab's changes are shown here, and undoing one's own leaves them.
        assert "from one" in texts(two) and "p0w1" not in texts(two)
        two.key("Escape")
        kept(two)
        expected[2] = "p0w3"
        assert [w.text for w in server.store.image(1).words[:4]] == expected


@pytest.mark.parametrize("mine", [True, False])
def test_two_tabs_with_the_same_word_ask(browser, file, mine):
    with serving(file) as server, page(browser, server) as one, page(browser, server) as two:
        one.front()
        one.type("from one")
        one.key("Enter")
        one.type("one more")
        one.key("Enter")
        kept(one)
        two.front()
        two.type("from two")
        two.key("Enter")
        two.until("document.querySelector('#notice').textContent.includes('Which shall count')")
        assert "“from two” here, “from one” there" in two.text("#notice")
        assert two.text("#state") == "Not saved"
        # Nobody has decided yet: what was saved is there, and one can go on.
        assert server.store.image(1).words[0].text == "from one"
        two.key("ArrowDown")
        two.type("third")
        two.key("Enter")
        two.click(f"#notice-buttons button:{'first' if mine else 'last'}-child")
        kept(two)
        now = [w.text for w in server.store.image(1).words[:3]]
        assert now == ["from two" if mine else "from one", "one more", "third"]
        if not mine:
            two.key("Escape")  # What was given up comes back.
            kept(two)
            assert server.store.image(1).words[0].text == "from two"


def test_an_open_question_is_asked_again(browser, file):
    with serving(file) as server:
        with page(browser, server) as one, page(browser, server) as two:
            one.front()
            one.type("from one")
            one.key("Enter")
            kept(one)
            two.front()
            two.type("from two")
            two.key("Enter")
            two.until("document.querySelector('#notice').textContent.includes('Which shall count')")
            two.close()
            with page(browser, server) as three:
                asked = "“from two” here, “from one” there"
                three.until(f"document.querySelector('#notice').textContent.includes('{asked}')")
                assert server.store.image(1).words[0].text == "from one"
                three.click("#notice-buttons button")
                kept(three)
        assert server.store.image(1).words[0].text == "from two"


def test_closing_the_page_writes_the_file(browser, file):
    with serving(file) as server:
        with page(browser, server) as tab:
            tab.type("last")
            tab.key("Enter")
            tab.until("document.querySelector('#state').textContent === 'Kept'")
            tab.go("about:blank")
            tab.until("document.URL === 'about:blank'")
        # The page that would have asked for it later has been left.
        end = time.monotonic() + 120
        while labels(file)[0]["text"] != "last":
            assert time.monotonic() < end
            time.sleep(0.02)


def test_full_disk_keeps_the_words_in_the_page(browser, file, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with serving(file) as server, page(browser, server) as tab:
        with monkeypatch.context() as patch:
            patch.setattr(server.store._journal, "append", full)
            tab.type("kept")
            tab.key("Enter")
            tab.until("document.querySelector('#notice').textContent.includes('No space left')")
            assert tab.text("#state") == "Not saved"
        tab.click("#notice-buttons button")
        kept(tab)
        assert tab.value("document.querySelector('#notice').hidden")
    assert labels(file)[0]["text"] == "kept"


def test_a_killed_server_and_a_page_that_was_closed_lose_nothing(browser, file):
    with Server(file, "--port", "0") as first:
        tab = browser.open(first.address)
        tab.until("!document.querySelector('#text').disabled")
        tab.type("taken")
        tab.key("Enter")
        kept(tab)
        first.stop(signal.SIGKILL)
    tab.type("not taken")
    tab.key("Enter")
    tab.until("document.querySelector('#notice').textContent.includes('does not answer')")
    assert tab.text("#state") == "Not saved"
    tab.close()
    with Server(file, "--port", first.address.split(":")[2].split("/")[0]) as again:
        with page(browser, again) as tab:
            tab.until("document.querySelector('#detail').textContent.includes('brought back')")
            kept(tab)
        assert again.stop(signal.SIGTERM)[0] == 0
    assert [w["text"] for w in labels(file)[:2]] == ["taken", "not taken"]


def test_crops(browser, tmp_path):
    file = make_crops(tmp_path, ["alpha", "beta", ""])
    with serving(file) as server, page(browser, server) as tab:
        assert texts(tab) == ["(no text)", "beta", "alpha"]
        tab.type("gamma")
        tab.key("Enter")
        tab.until("document.querySelector('#text').value === 'beta'")
        tab.key("Enter")
        tab.until("document.querySelector('#text').value === 'alpha'")
        tab.click("#remove")
        tab.until("document.querySelector('#counter').textContent === '3 of 3 words checked'")
        kept(tab)
    dataset = read(file)
    assert [s["word"] for s in dataset["samples"]] == ["beta", "gamma"]
    assert [s["word"] for s in dataset["unlabelled_samples"]] == ["###"]


def test_texts_of_a_dataset_are_no_markup(browser, tmp_path):
    file = make_crops(tmp_path, ["<img src=x onerror=document.title='hit'>", "b"])
    with serving(file) as server, page(browser, server) as tab:
        assert texts(tab)[1].startswith("<img") and tab.value("document.title") != "hit"


def test_another_site_gets_nothing_even_with_the_address(browser, file):
    with serving(file) as server, page(browser, server) as tab:
        before = server.store.image(1)
        other = browser.open("data:text/html,<title>other</title>")
        other.until("document.title === 'other'")
        address = json.dumps(server.address)
        tries = f"""(async () => {{
            const tried = (promise) => promise.then(() => 'got', () => 'refused');
            const loaded = (element, name) => new Promise((does, fails) => {{
                Object.assign(element, {{ onload: does, onerror: fails, src: {address} + name }});
                document.head.append(element);
            }});
            const headers = {{ 'Content-Type': 'application/json' }};
            const change = {{ method: 'PUT', headers, body: '[]' }};
            return [
                await tried(fetch({address} + 'dataset')),
                await tried(loaded(new Image(), 'images/1/pixels')),
                await tried(loaded(document.createElement('script'), 'crop.js')),
                await tried(fetch({address} + 'images/1', change)),
            ];
        }})()"""
        assert other.value(tries) == ["refused"] * 4
        # A request without an answer for the page arrives, and is refused.
        plain = "{ method: 'POST', mode: 'no-cors', body: '{}' }"
        other.value(f"fetch({address} + 'save', {plain}).then(() => 1, () => 0)")
        assert server.store.image(1) == before
        other.close()
        assert tab.value("fetch('dataset').then((answer) => answer.status)") == 200
