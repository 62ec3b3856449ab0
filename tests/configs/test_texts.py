"""Names stay as they are written, though Hydra's grammar and YAML read numbers and truth values."""

from __future__ import annotations

import pytest

from configs.compose import CONFIG_DIR, Composer
from configs.texts import TextSettings, elements

NAMES = ["123", "2024_05_10", "2024-05-10", "1e3", "0x10", "007", "1.50", "-1", "true", "False", "null", "on", "nan"]


@pytest.fixture(scope="module")
def composer() -> Composer:
    return Composer()


@pytest.fixture(scope="module")
def texts() -> TextSettings:
    return TextSettings(CONFIG_DIR)


@pytest.mark.parametrize("name", NAMES)
def test_a_trace_is_called_what_is_written(composer: Composer, name: str) -> None:
    assert composer.resolved([f"trace.filename={name}"])["trace"]["filename"] == name


@pytest.mark.parametrize("key", ["trace.dir", "performance_model.db_path", "tracking.sink", "cluster.servers.0.sku"])
def test_every_setting_that_is_a_text_stays_as_it_is_written(composer: Composer, key: str) -> None:
    section, *path = key.split(".")
    value = composer.resolved(["performance_model=db", f"{key}=1_0"])[section]
    for part in path:
        value = value[int(part)] if isinstance(value, list) else value[part]
    assert value == "1_0"


def test_entries_of_a_list_of_names_stay_as_they_are_written(composer: Composer) -> None:
    resolved = composer.resolved(["start_state=splitwise", "start_state.token.instance_names=[2024_05, dgx-a100]"])
    assert resolved["start_state"]["token"]["instance_names"] == ["2024_05", "dgx-a100"]


def test_the_results_folder_is_called_what_is_written(composer: Composer) -> None:
    assert composer.compose(["output_dir=2024_05_10"]).output_dir == "2024_05_10"


def test_numbers_and_truth_values_are_what_they_were(composer: Composer) -> None:
    resolved = composer.resolved(["seed=1_0", "end_time=1e3", "debug=true", "stop_at_backlog_s=null"])
    assert [resolved[key] for key in ("seed", "end_time", "debug", "stop_at_backlog_s")] == [10, 1000.0, True, None]


@pytest.mark.parametrize(
    ("override", "written"),
    [
        ("trace.filename=2024_05_10,1e3, b", "trace.filename='2024_05_10','1e3', b"),
        ("trace.filename=choice(1, '2', true)", "trace.filename=choice('1', '2','true')"),
        ("trace.filename=range(1,4)", "trace.filename='1','2','3'"),
        ("trace.filename=range(1,4000000000)", "trace.filename=range(1,4000000000)"),
        ("trace.filename='a,b',3", "trace.filename='a,b','3'"),
        ("+trace.filename=1_000", "+trace.filename='1_000'"),
        ("hydra.run.dir=2024_05_10", "hydra.run.dir='2024_05_10'"),
        ("cluster=2024", "cluster='2024'"),
        ("tracking=null", "tracking=null"),
        ("trace.filename=${seed}", "trace.filename=${seed}"),
        ("trace.filename=", "trace.filename="),
        ("trace.filename=[", "trace.filename=["),
        ("~trace.filename", "~trace.filename"),
        ("seed=1,2", "seed=1,2"),
        ("no.such.key=1", "no.such.key=1"),
        ("--multirun", "--multirun"),
    ],
)
def test_only_what_would_be_read_as_something_else_gets_quotes(
    texts: TextSettings, override: str, written: str
) -> None:
    assert texts.as_written(override) == written


def test_parts_are_those_between_commas_outside_of_quotes_and_brackets() -> None:
    assert elements(r"a,'b,c',[d,e],f(g,h),i\,j") == ["a", "'b,c'", "[d,e]", "f(g,h)", r"i\,j"]
