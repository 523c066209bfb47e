"""Headless Chromium: what a page looks like, and what it is after it was loaded."""

import os
import shutil
import subprocess

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# Machines of users may have none; the project's own checks must.
needed = pytest.mark.skipif(not CHROMIUM and not os.environ.get("CI"), reason="no Chromium: apt install chromium")


def open_page(path, tmp_path, *flags, width=1200, height=900):
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
               f"--window-size={width},{height}",
               f"--user-data-dir={tmp_path / 'profile'}", *flags, f"file://{path}"]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def dom(path, tmp_path, **size):
    return open_page(path, tmp_path, "--dump-dom", **size)


def screenshot(path, tmp_path, **size):
    from PIL import Image

    picture = tmp_path / f"shot{size.get('width', '')}.png"
    open_page(path, tmp_path, f"--screenshot={picture}", **size)
    return Image.open(picture).convert("RGB")
