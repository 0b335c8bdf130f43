"""The register page in a real Chromium: search, languages, keyboard, narrow and dark screens, WCAG 2.2 by axe-core."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.remote_connection import RemoteConnection
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement

SITE = "https://register.example.test"
BROWSER = "http://10.87.101.12:9515"
AXE = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"]) / ".cache/axe/axe_playwright_python/axe.min.js"
SHOTS = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"]) / ".cache/screenshots"
NEWS1, NEWS3, NEWS7 = "news1@d0.example.test", "news3@d1.example.test", "news7@d3.example.test"
PAGES = (
    "/",
    "/nl/index.html",
    "/en/index.html",
    "/nl/how.html",
    f"/en/a/{NEWS7}.html",
    f"/nl/a/{NEWS3}.html",
)
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="module")
def browser() -> Iterator[WebDriver]:
    """One browser for all tests; the internal authority is not in its store, and TLS is another test's matter."""
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    options.accept_insecure_certs = True
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Remote(BROWSER, options=options)
    driver.set_page_load_timeout(60)
    driver.set_script_timeout(60)
    yield driver
    driver.quit()


@pytest.fixture(autouse=True)
def fresh(browser: WebDriver) -> Iterator[None]:
    """Begin each test on a wide and light screen; end it without a complaint of the browser's."""
    browser.set_window_size(1280, 900)
    emulate(browser, "light")
    yield
    complaints = call(browser, "se/log", {"type": "browser"})
    assert complaints == [], "nothing is refused by the content security policy, nothing is missing"


def emulate(browser: WebDriver, scheme: str, width: int = 0) -> None:
    """Choose a colour scheme, and a width that no window of a desktop has."""
    features = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    command(browser, "Emulation.setEmulatedMedia", features)
    if width:
        size = {"width": width, "height": 640, "deviceScaleFactor": 1, "mobile": True}
        command(browser, "Emulation.setDeviceMetricsOverride", size)
    else:
        command(browser, "Emulation.clearDeviceMetricsOverride", {})


def command(browser: WebDriver, name: str, parameters: dict[str, Any]) -> None:
    """Send a command of Chromium's own protocol."""
    call(browser, "goog/cdp/execute", {"cmd": name, "params": parameters})


def call(browser: WebDriver, path: str, parameters: dict[str, Any]) -> object:
    """Call the driver where selenium has no method for it."""
    executor = browser.command_executor
    assert isinstance(executor, RemoteConnection)
    executor.add_command("meentwerk", "POST", f"/session/$sessionId/{path}")  # type: ignore[no-untyped-call]
    return browser.execute("meentwerk", parameters)["value"]


def axe(browser: WebDriver, options: dict[str, Any]) -> dict[str, Any]:
    """Return what axe-core finds on the page."""
    browser.execute_script(AXE.read_text(encoding="utf-8"))
    script = "const done = arguments[1]; axe.run(arguments[0]).then(done, (error) => done({error: String(error)}))"
    found: dict[str, Any] = browser.execute_async_script(script, options)
    assert "error" not in found, found["error"]
    return found


def shot(browser: WebDriver, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    browser.save_screenshot(str(SHOTS / f"{name}.png"))


def shown(browser: WebDriver) -> list[str]:
    items = browser.find_elements(By.CSS_SELECTOR, "#accounts > li:not([hidden])")
    return [item.find_element(By.TAG_NAME, "a").text for item in items[:20]]


def count(browser: WebDriver) -> str:
    return browser.find_element(By.ID, "count").text


def test_search_and_filter(browser: WebDriver) -> None:
    browser.get(f"{SITE}/en/index.html")
    assert count(browser) == "Accounts shown: 300"
    words = browser.find_element(By.ID, "words")
    words.send_keys("NEWS42 cooperatie")
    assert shown(browser) == ["@news42@d21.example.test"]
    assert count(browser) == "Accounts shown: 1"
    words.send_keys(Keys.ENTER)
    assert browser.current_url == f"{SITE}/en/index.html", "nothing is sent anywhere"
    shot(browser, "search")
    words.clear()
    words.send_keys(" ")
    browser.find_element(By.CSS_SELECTOR, "#status option[value=fail]").click()
    assert count(browser) == "Accounts shown: 61"
    assert len(shown(browser)) == 20


def test_without_scripts_everything_is_there(browser: WebDriver) -> None:
    command(browser, "Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(f"{SITE}/nl/index.html")
        assert len(browser.find_elements(By.CSS_SELECTOR, "#accounts > li")) == 300
        assert not browser.find_element(By.ID, "search").is_displayed()
    finally:
        command(browser, "Emulation.setScriptExecutionDisabled", {"value": False})


def test_the_other_language_is_the_same_page(browser: WebDriver) -> None:
    browser.get(f"{SITE}/nl/a/{NEWS1}.html")
    assert "Bewezen" in browser.find_element(By.CSS_SELECTOR, ".verdict").text
    browser.find_element(By.CSS_SELECTOR, "header a[hreflang=en]").click()
    assert browser.current_url.endswith(f"/en/a/{NEWS1}.html")
    assert browser.find_element(By.TAG_NAME, "html").get_attribute("lang") == "en"
    assert "Verified" in browser.find_element(By.CSS_SELECTOR, ".verdict").text


def focused(browser: WebDriver) -> WebElement:
    return browser.switch_to.active_element


def test_by_keyboard_alone(browser: WebDriver) -> None:
    browser.get(f"{SITE}/en/index.html")
    body = browser.find_element(By.TAG_NAME, "body")
    body.send_keys(Keys.TAB)
    assert focused(browser).text == "Skip to content"
    assert focused(browser).rect["x"] >= 0, "it shows itself when it has the focus"
    shot(browser, "keyboard-skip")
    focused(browser).send_keys(Keys.ENTER)
    focused(browser).send_keys(Keys.TAB)
    assert focused(browser).get_attribute("id") == "words"
    focused(browser).send_keys("news42")
    focused(browser).send_keys(Keys.TAB)
    assert focused(browser).get_attribute("id") == "status"
    focused(browser).send_keys(Keys.TAB)
    assert focused(browser).text == "@news42@d21.example.test"
    outline = browser.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid", "where the focus is can be seen"
    focused(browser).send_keys(Keys.ENTER)
    assert browser.current_url.endswith("/en/a/news42%40d21.example.test.html")
    details = browser.find_element(By.TAG_NAME, "summary")
    details.send_keys(Keys.ENTER)
    assert browser.find_element(By.TAG_NAME, "details").get_attribute("open") is not None
    shot(browser, "account")


@pytest.mark.parametrize("page", PAGES)
def test_on_320_pixels_nothing_scrolls_sideways(browser: WebDriver, page: str) -> None:
    emulate(browser, "light", 320)
    browser.get(SITE + page)
    script = "return [document.documentElement.scrollWidth, window.innerWidth]"
    wide, window = browser.execute_script(script)
    assert (wide, window) == (320, 320)
    shot(browser, f"narrow{page.replace('/', '-')}")


def test_dark(browser: WebDriver) -> None:
    def colour() -> str:
        return str(browser.execute_script("return getComputedStyle(document.body).backgroundColor"))

    browser.get(f"{SITE}/en/a/{NEWS7}.html")
    light = colour()
    emulate(browser, "dark")
    assert colour() != light
    shot(browser, "dark")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page", PAGES)
def test_axe_finds_nothing(browser: WebDriver, page: str, scheme: str) -> None:
    emulate(browser, scheme)
    browser.get(SITE + page)
    found = axe(browser, {"runOnly": {"type": "tag", "values": LEVELS}})
    assert len(found["passes"]) > 10, "it looked"
    wrong = [(v["id"], [node["html"][:200] for node in v["nodes"][:3]]) for v in found["violations"]]
    assert wrong == [], json.dumps(wrong, indent=1)


def test_axe_sees_what_is_wrong(browser: WebDriver) -> None:
    browser.get(f"{SITE}/en/index.html")
    browser.execute_script("document.querySelector('label[for=words]').remove(); document.documentElement.lang = ''")
    assert {violation["id"] for violation in axe(browser, {})["violations"]} >= {"label", "html-has-lang"}


def test_hostile_names_are_text(browser: WebDriver) -> None:
    for page in ("/en/index.html", f"/en/a/{NEWS7}.html"):
        browser.get(SITE + page)
        assert browser.title != "owned"
        assert "<script>document.title='owned'</script>" in browser.find_element(By.TAG_NAME, "main").text
        assert browser.find_elements(By.TAG_NAME, "img") == []
    shot(browser, "hostile")
