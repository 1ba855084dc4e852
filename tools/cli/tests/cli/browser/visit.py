"""A browser that the console let in, and what it saw that was wrong. Only loopback is reached."""

import os
import pathlib
from contextlib import contextmanager
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

STEP_MS = 20_000
WIDE, NARROW = 1280, 390
# No name but loopback leads anywhere, and the browser asks nothing of its maker.
SWITCHES = [
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]
# One level above what is asked of most pages; the last one is off in axe-core unless it is asked for.
AXE = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]},
    "rules": {"target-size": {"enabled": True}},
    "resultTypes": ["violations"],
}


class Visit:
    """A browser that the console let in, and what was wrong so far."""

    def __init__(self, browser, url, folder=None, **options):
        self.wrong = []
        self.folder = folder and pathlib.Path(folder)
        self.base = f"http://{urlsplit(url).netloc}"
        options = {"viewport": {"width": WIDE, "height": 900}, "color_scheme": "light", **options}
        self.context = browser.new_context(**options)
        self.context.set_default_timeout(STEP_MS)
        self.page = self.context.new_page()
        self.page.on("console", self.said)
        self.page.on("pageerror", lambda error: self.note(f"a script failed: {error}"))
        self.page.on("dialog", self.asked)
        self.page.on("request", self.loads)
        self.page.on("requestfailed", self.failed)
        self.page.goto(url)
        # The page that lets in leads on by itself, with script and without.
        self.page.wait_for_selector("nav")

    def note(self, text):
        where = self.page.url.removeprefix(self.base)[:120]
        self.wrong.append(f"{where}: {text}")

    def expect(self, holds, text):
        if not holds:
            self.note(text)

    def said(self, message):
        # A page that says that something is not there has the status for it, which a browser reports as an error.
        is_status = "the server responded with a status of 404" in message.text
        if message.type in ("error", "warning") and not is_status:
            self.note(f"the browser's console has {message.type}: {message.text}")

    def failed(self, request):
        # What a page still loads when the next one comes, as one that comes again by itself, is given up by the browser.
        if request.failure != "net::ERR_ABORTED":
            self.note(f"{request.url} was not loaded: {request.failure}")

    def asked(self, dialog):
        self.note(f"a dialog opened: {dialog.message}")
        dialog.dismiss()

    def loads(self, request):
        if not request.url.startswith((self.base, "data:")):
            self.note(f"asks for {request.url}")

    def open(self, path):
        return self.page.goto(self.base + path)

    def text(self):
        return self.page.locator("body").inner_text()

    def has(self, *texts):
        shown = self.text()
        for text in texts:
            self.expect(text in shown, f"does not say {text!r}")

    def sound(self, name):
        """In light and in dark, wide and narrow."""
        for scheme in ("light", "dark"):
            self.page.emulate_media(color_scheme=scheme)
            for width in (WIDE, NARROW):
                self.page.set_viewport_size({"width": width, "height": 900})
                wide = self.page.evaluate("document.documentElement.scrollWidth")
                self.expect(wide <= width, f"{name} is {wide} wide in a window of {width}")
                for found in Axe().run(self.page, options=AXE).response["violations"]:
                    for node in found["nodes"][:3]:
                        self.note(f"{scheme} {width}: {found['id']}: {node['html'][:160]} {node['failureSummary'][:300]}")
        self.page.emulate_media(color_scheme="light")
        self.page.set_viewport_size({"width": WIDE, "height": 900})

    def picture(self, name):
        """To look at, in light and in dark, wide and narrow."""
        for scheme in ("light", "dark"):
            self.page.emulate_media(color_scheme=scheme)
            for width in (WIDE, NARROW):
                self.page.set_viewport_size({"width": width, "height": 800})
                self.page.screenshot(path=self.folder / f"{name}-{width}-{scheme}.png", full_page=True)

    def tab_to(self, selector):
        """By the Tab key alone; where the keyboard is has to be seen."""
        for _ in range(250):
            self.page.keyboard.press("Tab")
            if self.page.evaluate("wanted => document.activeElement.matches(wanted)", selector):
                outline = self.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                self.expect(outline != "none", f"it is not seen that the keyboard is at {selector}")
                return
        raise AssertionError(f"the Tab key never comes to {selector}")

    def enter(self):
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")


@contextmanager
def browser():
    with sync_playwright() as playwright:
        # As root, as in a container, chromium starts without its own sandbox or not at all.
        switches = SWITCHES + (["--no-sandbox"] if os.geteuid() == 0 else [])
        path = os.environ.get("HOOKLEDGER_CHROMIUM", "/usr/bin/chromium")
        found = playwright.chromium.launch(executable_path=path, args=switches)
        yield found
        found.close()
