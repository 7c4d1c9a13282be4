"""Changes of two pages put together: the page's own module, run in a headless Chromium."""

import json
import random

import pytest
from browser import Browser, chromium
from labelled_folders import make_crops, serving

pytestmark = pytest.mark.skipif(
    chromium() is None, reason="Chromium is not installed (Debian's package chromium)"
)


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crops")
    browser = Browser(tmp_path_factory.mktemp("profile"))
    with serving(make_crops(folder)) as server:
        yield browser.open(server.address)
        browser.close()


def merge(tab, cases):
    """[(base, mine, theirs)] -> [{words, clashes, base}]; new keys count from 1000."""
    return tab.value(
        "(async () => { const { merge } = await import('./merge.js');"
        f"return {json.dumps(cases)}.map(([base, mine, theirs]) => {{ let last = 999;"
        "return merge(base, mine, theirs, (word) => ({ ...word, key: ++last })); }); })()"
    )


def revert(tab, cases):
    """[(words, before, after)] -> [words]; words of one key in two lists are one if equal."""
    return tab.value(
        "(async () => { const { revert } = await import('./merge.js');"
        "const pool = new Map(); const one = (w) => { const s = JSON.stringify(w);"
        "if (!pool.has(s)) pool.set(s, w); return pool.get(s); };"
        f"return {json.dumps(cases)}.map((lists) => revert(...lists.map((l) => l.map(one)))); }})()"
    )


def word(key, text=None, box=None, **custom):
    box = [10 * key, 20, 0, 5, 3] if box is None else box
    return {"text": text or f"w{key}", "box": box, "custom": custom, "key": key}


def plain(words):
    return [{name: v for name, v in w.items() if name != "key"} for w in words]


def edited(rng, w):
    if rng.random() < 0.5:
        return {**w, "text": w["text"] + rng.choice("abc")}
    return {**w, "box": [w["box"][0] + rng.choice([0.25, 0.5]), *w["box"][1:]]}


def change(rng, words, allowed, new_key):
    """Some of the words whose keys are allowed changed or deleted, and perhaps one added."""
    result = []
    for w in words:
        chance = rng.random() if w["key"] in allowed else 1
        if chance < 0.3:
            w = edited(rng, w)
        if chance >= 0.3 and chance < 0.4:
            continue
        result.append(w)
    if rng.random() < 0.5:
        result.append(word(new_key, f"new {new_key}"))
    return result


def test_changes_of_different_words_are_both_there(tab):
    rng = random.Random(1)
    cases, expected = [], []
    for _ in range(300):
        base = [word(k, rng.choice(["same", None])) for k in range(1, rng.randint(2, 12))]
        own = {w["key"] for w in base if rng.random() < 0.5}
        mine = change(rng, base, own, 100)
        theirs = change(rng, base, {w["key"] for w in base} - own, 200)
        by_mine, by_theirs = ({w["key"]: w for w in part} for part in (mine, theirs))
        kept = [(by_mine if w["key"] in own else by_theirs).get(w["key"]) for w in base]
        added = [part[k] for part, k in ((by_mine, 100), (by_theirs, 200)) if k in part]
        expected.append(plain([w for w in kept if w] + added))
        cases.append((base, mine, plain(theirs)))
    for result, words, (_, _, theirs) in zip(merge(tab, cases), expected, cases, strict=True):
        assert result["clashes"] == []

        def key(w):
            return json.dumps(w, sort_keys=True)

        assert sorted(plain(result["words"]), key=key) == sorted(words, key=key)
        # What the server has, with keys under which the words can be compared.
        assert plain(result["base"]) == theirs


def test_the_same_word_changed_twice_is_a_clash_unless_alike(tab):
    base = [word(1), word(2)]
    mine, theirs = [word(1, "mine"), word(2)], plain([word(1, "theirs"), word(2)])
    (clash, alike) = merge(tab, [(base, mine, theirs), (base, mine, plain(mine))])
    assert clash["clashes"] == [{"mine": word(1, "mine"), "theirs": word(1, "theirs")}]
    assert clash["words"] == mine
    assert alike["clashes"] == [] and alike["words"] == mine


def test_a_deleted_word_that_the_other_has_changed_comes_back(tab):
    base = [word(1), word(2)]
    changed = [word(1, "changed"), word(2)]
    by_me, by_them = merge(
        tab, [(base, [word(2)], plain(changed)), (base, changed, plain([word(2)]))]
    )
    for result in (by_me, by_them):
        texts = sorted(w["text"] for w in result["words"])
        assert texts == ["changed", "w2"] and result["clashes"] == []


def test_a_crop_stays_one_word(tab):
    old = {**word(1), "box": None}
    mine, theirs = {**old, "text": "mine"}, {**old, "text": "theirs"}
    (result,) = merge(tab, [([old], [mine], plain([theirs]))])
    assert result["words"] == [mine] and result["clashes"] == [{"mine": mine, "theirs": theirs}]


def test_undo_leaves_what_changed_since(tab):
    before = [word(1), word(2), word(3)]
    after = [word(1, "changed"), word(3), word(4)]  # 2 was deleted, 4 drawn.
    now = [word(1, "changed"), word(3, "by another"), word(4), word(5)]
    (result, straight) = revert(tab, [(now, before, after), (after, before, after)])
    assert result == [word(1), word(2), word(3, "by another"), word(5)]
    assert straight == before
