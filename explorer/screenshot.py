"""A picture of an explorer in a view, as a browser shows it.

    python explorer/screenshot.py runs/explorer.html docs/images/explorer.png
                                  [--view '#%7B…'] [--size 1500x980] [--dark] [--scale 2]

`--view` is what follows the file's name in the address that `copy link` gives; JSON is taken as well.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import sync_playwright

FLAGS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--view", default="")
    parser.add_argument("--size", default="1500x980")
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--scale", type=float, default=1.0)
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome") or sys.exit("no Chromium on this machine")
    width, height = map(int, options.size.split("x"))
    view = options.view if options.view.startswith("#") or not options.view else "#" + quote(options.view)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        tab = browser.new_page(
            viewport={"width": width, "height": height},
            color_scheme="dark" if options.dark else "light",
            device_scale_factor=options.scale,
        )
        tab.goto(options.page.resolve().as_uri() + view)
        tab.wait_for_function(
            "document.querySelectorAll('[data-draws]').length === document.querySelectorAll('.plot').length"
        )
        tab.wait_for_timeout(3000)  # sheets are decoded, points come to rest
        tab.screenshot(path=options.out)
        browser.close()


if __name__ == "__main__":
    main()
