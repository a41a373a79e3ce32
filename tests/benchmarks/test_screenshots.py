"""Pictures of pages: what Chromium shows is what is saved, and what is missing is said in a line."""

import shutil
from contextlib import closing

import pytest
from PIL import Image

from benchmarks import screenshots
from components.system.errors import UserError

needs_browser = pytest.mark.skipif(not any(map(shutil.which, screenshots.BROWSERS)), reason="needs Chromium")
RED = "<body style='margin:0;background:rgb(255,0,0)'><div style='height:50px'></div>"
PAGE = f"data:text/html,{RED}<script>setTimeout(()=>document.title='there')</script>"


def test_without_a_browser_it_is_said_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"no chromium here to take pictures with: install it, as by `apt-get install"):
        screenshots.Browser(tmp_path)


@needs_browser
def test_a_picture_is_of_the_page_in_its_size_and_the_browser_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(screenshots, "SETTLING", 0)
    with closing(screenshots.Browser(tmp_path / "profile")) as browser:
        browser.open(PAGE, "document.title == 'there'", 320, 200)
        browser.save_picture(tmp_path / "page.png")
        browser.save_picture(tmp_path / "part.png", "div")
        monkeypatch.setattr(screenshots, "SECONDS", 1)
        with pytest.raises(UserError, match="is not there after 1 s: is this another version of MLflow"):
            browser.open(PAGE, "document.title == 'elsewhere'", 320, 200)
        with pytest.raises(UserError, match=r"Chromium does not take Page\.fly: "):
            browser.call("Page.fly")
    assert browser.process.returncode is not None
    picture = Image.open(tmp_path / "page.png").convert("RGB")
    assert (picture.size, picture.getpixel((160, 100))) == ((320, 200), (255, 0, 0))
    with Image.open(tmp_path / "part.png") as part:
        assert part.size == (320, 58)


def test_without_a_page_it_is_said_what_makes_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="no page of digits in artifacts: `make repro` with a recipe of it makes one"):
        screenshots.page_of("digits")
