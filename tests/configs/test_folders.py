"""Which files a file from somebody else may name."""

from pathlib import Path

import pytest

from configs.compose import Composer
from configs.folders import Inside
from sim_core.errors import SpecError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("project/data/.hidden", "project/.git", "elsewhere/secrets"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "elsewhere/secrets/token.yaml").write_text("token: 1\n")
    (tmp_path / "project/linked").symlink_to(tmp_path / "elsewhere/secrets")
    (tmp_path / "project/data/token.yaml").symlink_to(tmp_path / "elsewhere/secrets/token.yaml")
    return tmp_path / "project"


def reason(inside: Inside, path: Path) -> str:
    with pytest.raises(SpecError) as error:
        inside.check(path, key="trace.dir", value="x")
    return str(error.value)


def test_files_below_the_project_are_accepted_whether_they_exist_or_not(project: Path) -> None:
    inside = Inside.of([project])
    for path in (project, project / "data", project / "nothing" / "here.csv", project / "data" / ".." / "data"):
        inside.check(path, key="trace.dir", value="x")


def test_what_leads_out_is_refused_and_the_error_says_what_to_type(project: Path) -> None:
    inside = Inside.of([project])
    for path in (
        project / "..",
        project / "../elsewhere",
        Path("/etc"),
        project / "linked",
        project / "data/token.yaml",
    ):
        assert "say trace.dir=x on the command line" in reason(inside, path)


def test_hidden_files_are_refused(project: Path) -> None:
    inside = Inside.of([project])
    for path in (project / ".git", project / "data/.hidden/x.csv"):
        assert "hidden" in reason(inside, path)


def test_what_the_command_line_names_is_accepted_with_its_links(project: Path) -> None:
    elsewhere = project.parent / "elsewhere"
    for typed in (str(elsewhere), "../elsewhere", f"{elsewhere}/${{rate}}", [str(elsewhere)]):
        Inside.of([project], [typed], project).check(elsewhere / "secrets", key="trace.dir", value="x")
    Inside.of([project], ["linked"], project).check(project / "linked/token.yaml", key="trace.dir", value="x")
    assert "leads out" in reason(Inside.of([project], [str(elsewhere)], project), elsewhere / "..")


def test_odd_texts_of_the_command_line_name_nothing(project: Path) -> None:
    inside = Inside.of([project], ["", "a\0b", "~nobody-has-this-name/x", 3, None, "${x}"], project)
    assert "leads out" in reason(inside, project.parent)


@pytest.mark.parametrize("key", ["hardware_repo.skus", "model_repo.sizes", "orchestrator_repo.schedulers"])
def test_the_folders_of_repositories_are_checked(project: Path, key: str) -> None:
    elsewhere = project.parent / "elsewhere/secrets"
    with pytest.raises(SpecError, match=f"leads out .* say {key}="):
        Composer(Inside.of([ROOT, project])).resolved([f"{key}={elsewhere}"])


def test_a_link_among_the_files_of_a_repository_is_not_followed_out(project: Path) -> None:
    with pytest.raises(SpecError, match=r"token.yaml': leads out"):
        Composer(Inside.of([ROOT, project])).resolved([f"hardware_repo.interconnects={project}/data"])


def test_a_repository_brings_no_environment_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_PAT", "1234567")
    (tmp_path / "a.yaml").write_text("note: ${oc.env:MY_PAT}\n")
    with pytest.raises(SpecError, match=r"a.yaml: note: \$\{oc.env:...\} is not read here"):
        Composer().resolved([f"hardware_repo.interconnects={tmp_path}"])
