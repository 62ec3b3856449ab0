"""Settings that come from a file, which somebody else may have written: only ours are taken."""

import pytest

from configs.stored import own_settings
from sim_core.errors import SpecError


def refused(text: object) -> str:
    with pytest.raises(SpecError) as error:
        own_settings(["seed=1", text])
    return str(error.value)


def test_settings_of_a_run_are_taken_as_they_are() -> None:
    overrides = ["seed=1", "cluster=half_half", "cluster.servers.0.count=2", "trace.filename='1e3'", "~end_time"]
    assert own_settings(overrides) == overrides


def test_an_experiment_of_the_project_is_taken_with_its_parameters() -> None:
    overrides = ["+experiment=splitwise_aa_isocost", "+sweep=3", "+fname=rr_code"]
    assert own_settings(overrides) == overrides


@pytest.mark.parametrize(
    "text",
    [
        *("hydra.run.dir=x", "+hydra.run.dir=x", "++hydra.run.dir=x", "~hydra", "~hydra.run", "hydra={run: {dir: x}}"),
        *("hydra/launcher=joblib", "+hydra/launcher=ray", "hydra.searchpath=[file:///tmp]", "hydra@x=1"),
    ],
)
def test_hydras_settings_are_refused_however_they_are_spelled(text: str) -> None:
    assert "is about how single runs are started" in refused(text) or "a package is for Hydra" in refused(text)


@pytest.mark.parametrize("text", ["'hydra.run.dir'=x", " hydra.run.dir=x", "hydra .run=x", "${x}.dir=x", "a\n=1", 3])
def test_a_text_that_hydra_does_not_read_as_an_override_is_refused(text: object) -> None:
    assert "not an override such as seed=1" in refused(text)


@pytest.mark.parametrize("text", ["cluster@hydra=half_half", "cluster@_global_=half_half", "+router@hydra.run=noop"])
def test_a_package_is_refused(text: str) -> None:
    assert "leave out what follows the @" in refused(text)


@pytest.mark.parametrize("text", ["output_dir=x", "++output_dir=x", "tracking=mlflow", "tracking.sink=x", "debug=True"])
def test_settings_of_single_runs_are_refused(text: str) -> None:
    assert "single runs" in refused(text)


@pytest.mark.parametrize(
    "text", ["={hydra: 1}", "+=1", "+foo=1", "+sweep=3", "$hydra=1", "__pycache__=x", "defaults=1"]
)
def test_what_is_no_setting_is_refused(text: str) -> None:
    assert "is no setting of a run" in refused(text)


@pytest.mark.parametrize(
    "value",
    [
        *("../../../tmp/evil", "/tmp/evil", "file:///tmp/evil", "pkg://evil", "'../evil'", "str(../evil)", "${seed}"),
        *("[../evil]", "[half_half,../evil]", "./half_half", "half_half.yaml", "../cluster/half_half", "''"),
    ],
)
def test_the_value_of_a_group_is_the_name_of_one_of_its_files(value: str) -> None:
    assert "no such choice" in refused(f"cluster={value}")
    assert "no such choice" in refused(f"+experiment={value}")


def test_each_setting_has_one_value() -> None:
    for text in ("seed=1,2", "seed=range(1,3)", "cluster=half_half,dgx-a100", "seed=interval(0,1)", "cluster=glob(*)"):
        assert "one value is needed" in refused(text)
