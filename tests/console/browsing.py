"""A page in Chromium, and what has to be true of every page."""

from urllib.parse import urlsplit

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page, expect

from tests.service import ADMIN_EMAIL, ADMIN_PASSWORD

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Both colours and both widths: no colour depends on the width, and no place on the colours.
LOOKS = [("light", 1280), ("dark", 360)]
Rules = tuple[str, ...]
# By itself axe leaves this one out.
AXE_RULES = {"target-size": {"enabled": True}}
AXE_OPTIONS = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"],
    # It would ask for style sheets and write some, which is not the page's doing.
    "preload": False,
}
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
UNLABELLED = """[...document.querySelectorAll("main input, main select, main button, main a[href]")]
    .filter(e => e.type !== "hidden" && e.checkVisibility() && !(e.labels?.length || e.ariaLabel
        || e.title || e.value?.trim() || e.textContent.trim() || e.querySelector("img[alt]")))
    .map(e => e.outerHTML)"""
FOCUSED = """(() => { const e = document.activeElement;
    return [e.name, e.textContent.trim(), e.getAttribute("href"), e.value].join("|") })()"""
FOCUS_SHOWN = """(() => { const s = getComputedStyle(document.activeElement);
    return s.outlineStyle !== "none" || s.boxShadow !== "none" || s.textDecorationLine !== "none"
})()"""
REPORT_POLICY = """addEventListener("securitypolicyviolation",
    e => console.error(`policy: ${e.effectiveDirective} ${e.blockedURI}`))"""


class Watched:
    """A page, and all that went wrong on it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.wrongs: list[str] = []
        page.add_init_script(REPORT_POLICY)
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self._note("error", str(error)))
        page.on("request", lambda request: self._check_host(request.url))

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.wrongs.append(f"{self.page.url}: {text}")

    def _check_host(self, url: str) -> None:
        if urlsplit(url).scheme not in ("data", "blob") and not url.startswith(self.url):
            self.wrongs.append(f"{self.page.url} asked {url}")

    def open(self, path: str, *, status: int = 200) -> Page:
        answer = self.page.goto(f"{self.url}{path}")
        assert answer is not None
        assert answer.status == status, path
        self.page.wait_for_load_state("networkidle")
        if status != 200:
            self.forgive(status)
        return self.page

    def forgive(self, status: int) -> None:
        """Chromium reports every answer that is an error; nothing else may be wrong."""
        assert self.wrongs
        assert all(f"status of {status} " in wrong for wrong in self.wrongs), self.wrongs
        self.wrongs.clear()

    def sign_in(self, identifier: str = ADMIN_EMAIL, password: str = ADMIN_PASSWORD) -> None:
        self.open("/admin/login/?next=/admin/")
        self.page.get_by_label("E-mail or username").fill(identifier)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Log in").click()
        expect(self.page.get_by_role("button", name="Log out")).to_be_visible()

    def tab_to(self, wanted: str, *, at_most: int) -> None:
        """Press Tab until the focus is on something with `wanted` in it; it must be seen there."""
        passed = []
        for _ in range(at_most):
            self.page.keyboard.press("Tab")
            passed.append(self.page.evaluate(FOCUSED))
            if wanted in passed[-1]:
                assert self.page.evaluate(FOCUS_SHOWN), f"no visible focus on {wanted}"
                return
        raise AssertionError(f"{wanted} not reached: {passed}")


def assert_fits(page: Page, *, language: str = "en") -> None:
    """Titled, in its language, and as wide as its window."""
    assert page.title().strip(), page.url
    assert page.evaluate("document.documentElement.lang") == language, page.url
    assert page.evaluate(OVERFLOW) <= 0, page.url
    assert page.locator("main").count() == 1, page.url


def assert_well_formed(page: Page, *, language: str = "en", without: Rules = ()) -> None:
    """It fits, and there is nothing for axe to find."""
    assert_fits(page, language=language)
    assert not (found := violations(page, without=without)), (page.url, found)


def assert_well_formed_in_every_look(page: Page, *, language: str = "en") -> None:
    for scheme, width in LOOKS:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 800})
        assert_well_formed(page, language=language)


def violations(page: Page, *, without: Rules = ()) -> list[str]:
    """What axe finds, after whatever fades has faded."""
    rules = AXE_RULES | {rule: {"enabled": False} for rule in without}
    page.evaluate("Promise.all(document.getAnimations().map(each => each.finished))")
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    found = page.evaluate("options => axe.run(options)", AXE_OPTIONS | {"rules": rules})[
        "violations"
    ]
    return [f"{rule['id']}: {node['html']}" for rule in found for node in rule["nodes"]]


def assert_labelled(page: Page) -> None:
    assert not (found := page.evaluate(UNLABELLED)), (page.url, found)
