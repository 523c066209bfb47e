"""Files that are written: names that are safe anywhere, and nothing half."""

import pytest

from tfxai.support.files import replacing, safe_name


@pytest.mark.parametrize(
    "text, name",
    [("base/conv.1", "base_conv.1"), ("../../etc/passwd", "etc_passwd"), ("<script>", "script"), ("", "unnamed"),
     ("...", "unnamed"), ("a" * 200, "a" * 80), ("a\0b\n", "a_b"), (".hidden", "hidden")],
)  # fmt: skip
def test_safe_names(text, name):
    assert safe_name(text) == name


def test_replacing_leaves_nothing_half(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(KeyError), replacing(path) as temporary:
        temporary.write_text("half")
        raise KeyError
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
    with replacing(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]
