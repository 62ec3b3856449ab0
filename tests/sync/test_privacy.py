from __future__ import annotations

import pytest

from sync.results.privacy import Scrubber, has_password, mask_uri, one_line


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("http://ann:hunter22@host:5000/", "http://ann:***@host:5000/"),
        ("at postgresql+psycopg2://ann:p@ss@host/db now", "at postgresql+psycopg2://ann:***@host/db now"),
        ("https://ghp_123456@host/x", "https://***@host/x"),
        (
            "postgresql://host/db?user=a&password=hunter22&sslmode=on",
            "postgresql://host/db?user=a&password=***&sslmode=on",
        ),
        ("http://127.0.0.1:5000/#/experiments/1", "http://127.0.0.1:5000/#/experiments/1"),
        ("sqlite:////home/a@b/mlflow.db", "sqlite:////home/a@b/mlflow.db"),
    ],
)
def test_secrets_in_addresses_are_masked_and_the_rest_stays(text, masked):
    assert mask_uri(text) == masked
    assert has_password(text) == (text != masked)


def test_the_values_of_secret_variables_are_taken_out():
    scrub = Scrubber({"MLFLOW_TRACKING_TOKEN": "abcdef0123", "TOKENIZERS_PARALLELISM": "parallel"})
    assert scrub("sent abcdef0123 to parallel") == "sent *** to parallel"


def test_a_password_is_taken_out_also_apart_from_its_address_and_unescaped():
    scrub = Scrubber({"MLFLOW_TRACKING_URI": "http://ann:hunter%4022@host"})
    assert scrub("login hunter%4022 or hunter@22 failed") == "login *** or *** failed"


def test_a_short_value_of_a_secret_variable_is_an_ordinary_word():
    assert Scrubber({"MY_TOKEN": "true"})("it is true") == "it is true"


def test_the_home_folder_becomes_a_tilde_and_only_it():
    scrub = Scrubber({"HOME": "/home/ann/"})
    assert scrub("trace.dir=/home/ann/t x=/home/ann") == "trace.dir=~/t x=~"
    assert scrub("/home/anna/t and /mnt/home/ann/t") == "/home/anna/t and /mnt/home/ann/t"


@pytest.mark.parametrize("home", ["", "/", "relative"])
def test_a_home_that_is_no_folder_of_ones_own_changes_nothing(home):
    assert Scrubber({"HOME": home})("/a relative/b") == "/a relative/b"


def test_an_error_becomes_one_line_without_its_password():
    line = one_line(OSError("cannot reach\n  http://ann:hunter22@host " + "x" * 400))
    assert line.startswith("cannot reach http://ann:***@host x")
    assert len(line) == 300


def test_an_error_without_text_is_named():
    assert one_line(TimeoutError()) == "TimeoutError"
