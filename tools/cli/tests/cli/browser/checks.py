"""Drives the operator's page in a browser, as a person does. The tests beside this file call it:

    checks.py CHECK URL [WORD ...]

It prints what is wrong, a line each, and ends with 1 then.
"""

import signal
import sys
from urllib.parse import quote, urlsplit

from visit import NARROW, Visit, browser

# Longer than every check takes on a busy machine of two cores.
LIMIT_SECS = 480
LISTS = ["/", "/events", "/parked", "/refused", "/owed", "/expectations", "/merchants", "/providers", "/doctor"]
# From the click: until the first byte is here, until something is seen; and how long the page is.
TIMES = """async () => {
    const isSeen = () => performance.getEntriesByName("first-contentful-paint").length > 0;
    while (!isSeen()) await new Promise((done) => setTimeout(done, 10));
    const page = performance.getEntriesByType("navigation")[0];
    const seen = performance.getEntriesByName("first-contentful-paint")[0].startTime;
    return [page.responseStart, seen, page.decodedBodySize];
}"""


def subject(pk):
    return f"/subject?pk={quote(pk, safe='')}"


def paths(visit, *subjects):
    """Every page that is reached by an address."""
    visit.open("/parked")
    plans = [link.get_attribute("href") for link in visit.page.locator("a.act").all()][:2]
    visit.open("/refused")
    plans += [link.get_attribute("href") for link in visit.page.locator("a.act").all()][:1]
    return [*LISTS, *map(subject, subjects), *plans, "/find?id=nothing-has-this-id", "/events?type=none", "/nowhere"]


def sound(url, folder, *subjects):
    with browser() as found:
        visit = Visit(found, url, folder)
        for nth, path in enumerate(paths(visit, *subjects)):
            visit.open(path)
            visit.picture(f"{nth:02}-{urlsplit(path).path.strip('/').replace('/', '-') or 'home'}")
            for details in visit.page.locator("details > summary").all():
                details.click()
            visit.sound(path.split("?")[0])
        # What came of an act has no address.
        visit.open("/parked")
        visit.page.get_by_role("row", name="answered 422").get_by_role("link", name="Replay or close these 3").click()
        visit.page.locator("#why-close").fill("to see this page")
        visit.page.locator("button.danger").click()
        visit.page.wait_for_selector("[data-ended]")
        visit.picture("outcome")
        visit.sound("the outcome")
        # One that goes on: held still, or it would be another page in the middle of the look.
        visit.open("/parked")
        visit.page.get_by_role("row", name="many of them").get_by_role("link", name="Replay or close these 30").click()
        visit.page.locator("#rate-replay").fill("1")
        visit.page.get_by_role("button", name="Replay 30").click()
        visit.page.get_by_role("link", name="Hold it still").click()
        visit.picture("under-way")
        visit.sound("an act under way")
        visit.page.get_by_role("button", name="Stop it").click()
        visit.open("/doctor")
        visit.page.get_by_role("button", name="Ask now").click()
        visit.has("to mend", "finbox secret", "is live")
        visit.picture("doctor-found")
        visit.sound("what the doctor finds")
        stranger = found.new_context().new_page()
        stranger.goto(visit.base)
        visit.page.goto("about:blank")
        visit.page = stranger
        visit.sound("the notice")
        return visit.wrong


def clicking(url, script):
    with browser() as found:
        visit = Visit(found, url, java_script_enabled=script == "with script")
        page = visit.page
        page.locator(".tile a").first.click()
        page.get_by_role("row", name="never confirmed").get_by_role("link", name="Replay or close it").click()
        visit.has("Replay 1", "Close 1", "opens 1 parked entry again")
        # A required reason is asked for by the browser, and nothing is sent.
        page.get_by_role("button", name="Close 1").click()
        visit.expect("/parked/plan" in page.url, "it closes without a reason")
        page.locator("#why-replay").fill("they are back")
        page.get_by_role("button", name="Replay 1").click()
        visit.has("1 opened, 0 failed", "open again, and on its way", "they are back")
        page.get_by_role("link", name="All that waits").click()
        visit.expect("never confirmed" not in visit.text(), "what was replayed still waits")
        page.locator("#f-provider").select_option("rightfoot")
        page.get_by_role("button", name="Show").click()
        visit.expect("provider=rightfoot" in page.url, "the filter is not in the address")
        page.locator("#find").fill("batch-2305")
        page.get_by_role("button", name="Find").click()
        visit.has("the client secret was renewed", "88041.77", "What happened")
        return visit.wrong


def under_way(url, script):
    """An act that goes on by itself: its page comes again, and it is stopped."""
    with browser() as found:
        visit = Visit(found, url, java_script_enabled=script == "with script")
        page = visit.page
        visit.open("/parked")
        page.get_by_role("row", name="many of them").get_by_role("link", name="Replay or close these 30").click()
        page.locator("#rate-replay").fill("2")
        page.locator("#why-replay").fill("they are back")
        page.get_by_role("button", name="Replay 30").click()
        done = lambda: int(page.locator("progress").get_attribute("value"))
        first = done()
        with page.expect_navigation():
            pass
        visit.expect(first < done() < 30, f"it does not go on: {first}, {done()}")
        page.get_by_role("button", name="Stop it").click()
        page.wait_for_selector("[data-ended]")
        visit.has("It was stopped", "begin it again", "they are back")
        left = 30 - done()
        page.get_by_role("link", name="begin it again").click()
        page.locator("#rate-replay").fill("1000")
        page.get_by_role("button", name=f"Replay {left}").click()
        page.wait_for_selector("[data-ended]")
        visit.has(f"{left} opened, 0 failed", "It is over")
        page.get_by_role("link", name="All that waits").click()
        visit.has("Done from this console", "Replay 1", "Replay 2")
        return visit.wrong


def again(url):
    """What was refused is verified again."""
    with browser() as found:
        visit = Visit(found, url)
        page = visit.page
        visit.open("/refused?provider=finbox")
        page.locator("a.act").click()
        visit.has("4 as of", "verifies 4 refused deliveries", "stays refused")
        page.locator("#why-again").fill("the token was mistyped")
        page.get_by_role("button", name="Verify 4 again").click()
        visit.has("1 let in, 3 stay refused", "genuine by 2026-11", "finbox#session#session-2701", "the token was mistyped")
        page.get_by_role("link", name="finbox#session#session-2701").click()
        visit.has("reverify by", "the token was mistyped")
        return visit.wrong


def keyboard(url):
    with browser() as found:
        visit = Visit(found, url)
        visit.tab_to(".skip")
        visit.page.keyboard.press("Enter")
        visit.tab_to(".tile a")
        visit.enter()
        visit.tab_to("a.act")
        visit.enter()
        visit.has("3 as of", "opens 3 parked entries again")
        visit.tab_to("#why-replay")
        visit.page.keyboard.type("the API is back")
        visit.tab_to("form button:not([type])")
        visit.enter()
        visit.has("3 opened, 0 failed", "the API is back")
        visit.tab_to("main a[href='/parked']")
        visit.enter()
        visit.tab_to("a.act[href*='never%20confirmed']")
        visit.enter()
        visit.tab_to("#why-close")
        visit.page.keyboard.type("known by telephone")
        visit.enter()
        visit.has("1 closed, 0 failed", "known by telephone")
        return visit.wrong


def keys(url):
    with browser() as found:
        visit = Visit(found, url)
        visit.open("/events")
        press = visit.page.keyboard.press
        held = lambda: visit.page.evaluate("document.activeElement.href ?? document.activeElement.id")
        links = [link.get_attribute("href") for link in visit.page.locator("main tbody tr a").all()]
        for key, link in (("j", 0), ("j", 1), ("j", 2), ("k", 1)):
            press(key)
            visit.expect(held() == visit.base + links[link], f"{key} does not lead to row {link}, but to {held()}")
        press("/")
        visit.page.keyboard.type("j/k?")
        visit.expect(visit.page.locator("#find").input_value() == "j/k?", "a key acts while somebody writes")
        visit.page.locator("h1").click()
        press("?")
        visit.expect(visit.page.locator("dialog[open]").count() == 1, "? does not open the words on keys")
        visit.sound("the words on keys")
        visit.page.locator("#keys-toggle").click()
        press("Escape")
        visit.expect(visit.page.locator("dialog[open]").count() == 0, "the words on keys can't be left")
        visit.page.reload()
        for key in "j/?":
            press(key)
            visit.expect(held() == "", f"{key} acts though keys are off")
        visit.page.locator("#keys-open").click()
        visit.page.locator("#keys-toggle").click()
        press("Escape")
        visit.page.locator("h1").click()
        press("j")
        visit.expect(held() == visit.base + links[0], "keys can't be turned on again")
        return visit.wrong


def read_only(url, *subjects):
    with browser() as found:
        visit = Visit(found, url)
        for path in paths(visit, *subjects):
            visit.open(path)
            forms = visit.page.locator("form[method=post], [name=csrf], button.danger").count()
            # The doctor's form asks, and changes nothing.
            visit.expect(forms == (2 if path == "/doctor" else 0), "it has a form that acts")
            if path != "/nowhere":
                visit.has("read-only")
            if path.startswith("/parked/plan"):
                visit.has("This console is read-only", "--write", "hookledger replay --provider", "hookledger close")
            if path.startswith("/refused/plan"):
                visit.has("This console is read-only", "--write", "hookledger refused reverify")
        visit.open("/doctor")
        visit.page.get_by_role("button", name="Ask now").click()
        visit.has("to mend", "finbox secret")
        return visit.wrong


def hostile(url, of, mark):
    with browser() as found:
        visit = Visit(found, url)
        asked = [f"{path}={quote(mark)}" for path in ("/find?id", "/events?type", "/parked?reason")]
        for path in [*paths(visit, of), *asked]:
            visit.open(path)
            visit.expect(visit.page.evaluate("window.ran") is None, "a script of another's ran")
            made = visit.page.locator("main script, main img, main [onerror]").count()
            visit.expect(made == 0, "what others wrote became a part of the page")
            if path in ("/events", "/parked", "/refused", "/expectations", "/"):
                visit.has("<script>window.ran=1")
        visit.wrong += [f"hostile {line}" for line in narrow(visit, [*LISTS, subject(of)])]
        return visit.wrong


def narrow(visit, found):
    """Nothing is wider than a telephone, whatever stands in it."""
    visit.page.set_viewport_size({"width": NARROW, "height": 900})
    for path in found:
        visit.open(path)
        wide = visit.page.evaluate("document.documentElement.scrollWidth")
        if wide > NARROW:
            yield f"{path} is {wide} wide in a window of {NARROW}"


def paint(url, *pages):
    """How soon each page begins to come, and is seen: the middle and the longest of five."""
    with browser() as found:
        visit = Visit(found, url)
        print(f"{'page':<56} {'status':>6} {'bytes':>8} {'first byte ms':>14} {'painted ms':>11}")
        for path in pages:
            times = []
            for _ in range(5):
                status = visit.open(path).status
                times.append(visit.page.evaluate(TIMES))
            size = times[0][2]
            begins, seen = (sorted(round(one[nth]) for one in times) for nth in (0, 1))
            print(f"{path:<56} {status:>6} {size:>8} {begins[2]:>7} {begins[4]:>6} {seen[2]:>5} {seen[4]:>5}", flush=True)
        return []


CHECKS = {
    "sound": sound,
    "clicking": clicking,
    "under way": under_way,
    "again": again,
    "keyboard": keyboard,
    "keys": keys,
    "read-only": read_only,
    "hostile": hostile,
    "paint": paint,
}

if __name__ == "__main__":
    signal.alarm(LIMIT_SECS)
    found = CHECKS[sys.argv[1]](*sys.argv[2:])
    print("\n".join(found))
    sys.exit(1 if found else 0)
