"""The two networks of the demonstration, made once per file."""

import pytest

import tfxai.demo


@pytest.fixture(scope="module")
def imagenet():
    return tfxai.demo.imagenet()


@pytest.fixture(scope="module")
def digits():
    return tfxai.demo.digits()
