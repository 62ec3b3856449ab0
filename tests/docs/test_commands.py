"""The commands in README.md and docs/ are understood by the programs as they are now. Nothing is run."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir

from configs.command_line import PLUGIN, Parser, taken
from configs.compose import CONFIG_DIR, Composer
from configs.multirun import runs_of
from configs.resolvers import register_resolvers
from configs.texts import TextSettings
from sim_core import spec_from_config
from sim_core.plugins import plugin_of
from sweep.calibrate.command import divided, parser
from sweep.calibrate.steps import steps_parser
from sweep.command import main as sweep
from sweep.experiment.file import parse_experiment, read_experiment
from sweep.experiment.find import find_experiment
from sweep.options import parse_plan_arguments
from sweep.planner.ask import experiment_text
from sweep.questions import words_of
from sweep.single.command import CALIBRATE, LISTS, STEPS
from sync.__main__ import main as sync
from sync.commands import COMMANDS as SYNC_COMMANDS
from sync.tracking.sinks import SINKS
from tests.docs.pages import PAGES, ROOT, Command, blocks, commands, spans
from traces.__main__ import main as traces
from traces.commands import COMMANDS as TRACES_COMMANDS

MAINS = {"sweep": sweep, "sync": sync, "traces": traces}
ALL = [command for page in PAGES for command in commands(page)]
# One sweep may be shown on several pages: each experiment with its overrides is composed once.
ANY_EXPERIMENT = (("EXPERIMENT.yaml",), ("my.yaml",))  # names that stand for any file
SWEEPS = sorted(
    {
        (command.arguments[0], *(word for word in command.arguments[1:] if "=" in word))
        for command in ALL
        if command.program == "sweep" and command.arguments[:1] not in ((), ("plan",), ("status",), *ANY_EXPERIMENT)
    }
)
QUESTIONS = [command for command in ALL if command.program == "sweep" and command.arguments[:1] == ("plan",)]
PLUGINS = {text.partition("\n")[0].removeprefix("# "): text for text in blocks(ROOT / "docs" / "plugins.md", "python")}
# Options of Ray, Hydra and others, which sentences mention without the command.
OTHERS = re.compile(
    r"--([a-z-]*port|dashboard-host|multirun|version|node-ip-address|disable-usage-stats|block"
    # those of benchmarks
    r"|save-result|save-detailed|output-file|output-details|no-async-scheduling|no-enable-prefix-caching"
    # and those of serving engines
    r"|tp|dp|ep-size|enable-dp-attention|tensor-parallel-size|data-parallel-size|enable-expert-parallel)"
)


class Parsed(Exception):
    """Raised in place of running a command whose arguments were understood."""

    def __init__(self, namespace: argparse.Namespace) -> None:
        super().__init__()
        self.namespace = namespace


@pytest.fixture
def only_parse(monkeypatch: pytest.MonkeyPatch) -> None:
    """The programs stop once they have parsed their arguments."""
    names = ("parse_args", "parse_intermixed_args")
    for kind, name in [(kind, name) for kind in (argparse.ArgumentParser, Parser) for name in names]:
        parse = getattr(kind, name)

        def parse_and_stop(parser: argparse.ArgumentParser, *arguments: Any, parse: Any = parse, **named: Any) -> None:
            raise Parsed(parse(parser, *arguments, **named))

        monkeypatch.setattr(kind, name, parse_and_stop)


@pytest.mark.usefixtures("only_parse")
@pytest.mark.parametrize("command", [command for command in ALL if command.program in MAINS], ids=str)
def test_the_arguments_of_a_documented_command_are_understood(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    if command.in_text and not command.arguments:
        return  # the program's name alone
    try:
        MAINS[command.program](list(command.arguments))
    except Parsed as parsed:
        assert getattr(parsed.namespace, "sink", "none") in SINKS
    except SystemExit as end:
        error = capsys.readouterr().err
        assert end.code == 0 or (command.in_text and "arguments are required" in error), error


@pytest.mark.parametrize("command", [q for q in QUESTIONS if not q.in_text or len(q.arguments) > 1], ids=str)
def test_a_documented_question_is_an_experiment(command: Command) -> None:
    words = words_of(parse_plan_arguments(list(command.arguments[1:])))
    assert parse_experiment(experiment_text(words), "").find is not None


@pytest.mark.parametrize("command", [command for command in ALL if command.program == "sim_core"], ids=str)
def test_the_settings_of_a_documented_single_run_exist(command: Command) -> None:
    flags = {"--multirun", "--version"}
    if command.arguments[:1] and command.arguments[0] in LISTS:
        return  # a list, and no run: tests/configs/test_catalogue.py
    given = command.arguments
    if given[:1] == (STEPS,):
        assert steps_parser().parse_args(list(given[1:])).logs
        return
    if given[:1] == (CALIBRATE,):
        files, given = divided(parser().parse_intermixed_args(list(given[1:])).words)
        assert files or command.in_text
    arguments, files = taken(given, PLUGIN)
    plugins = tuple(plugin_of(text, name) for name, text in PLUGINS.items() if name in files)
    texts = TextSettings(CONFIG_DIR)  # as the command line does
    overrides = [texts.as_written(argument) for argument in arguments if argument not in flags]
    ours = [override for override in overrides if not override.startswith("hydra")]
    for run in runs_of(ours, plugins):
        resolved = Composer(plugins=plugins).resolved(run)
        spec = spec_from_config(resolved, ROOT, plugins=plugins, grids=lambda used, others: ())
        assert spec.applications
    register_resolvers()
    with initialize_config_dir(str(CONFIG_DIR), version_base=None):
        composed = compose("config", [o for o in overrides if o.startswith("hydra")], return_hydra_config=True)
    assert "launcher" in composed.hydra


@pytest.mark.parametrize("words", SWEEPS, ids=" ".join)
def test_the_experiment_and_the_overrides_of_a_documented_sweep_fit(
    words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = find_experiment(Path(words[0]), ROOT) if Path(words[0]).suffix == "" else ROOT / words[0]
    if words[0] == "my-first.yaml":
        (text,) = [block for block in blocks(ROOT / "README.md", "yaml") if block.startswith("name: my-first\n")]
        file = tmp_path / words[0]
        file.write_text(text)
    limit = ["--limit", "1"] if read_experiment(file).find is None else []  # a search decides itself what it runs
    options = ["--dry-run", *limit, "--results", str(tmp_path / "results")]
    if file.stem == "prefix-cache":  # it asks of a trace that its user downloads and cuts
        for part in range(12):
            file_of_part = str(tmp_path / f"conversation_{part}.csv")
            assert MAINS["traces"](["generate", "rr_conv_1_10s", "--seed", str(part), "--out", file_of_part]) == 0
        options.append(f"trace.dir={tmp_path}")
    assert sweep([str(file), *words[1:], *options]) == 0, capsys.readouterr().err


def _known_options(capsys: pytest.CaptureFixture[str]) -> set[str]:
    """All options in the help texts of the programs and their subcommands, and in the sources of the benchmarks."""
    known = parser().format_help() + steps_parser().format_help()
    calls: list[tuple[str, list[str]]] = [("sweep", []), ("sweep", ["status"]), ("sync", []), ("traces", [])]
    for program, modules in (("sync", SYNC_COMMANDS), ("traces", TRACES_COMMANDS)):
        subparsers = argparse.ArgumentParser().add_subparsers()
        for module in modules:
            module.add_parser(subparsers)
        calls += [(program, [name]) for name in subparsers.choices]
    for program, words in calls:
        with pytest.raises(SystemExit):
            MAINS[program]([*words, "--help"])
    sources = [file.read_text() for file in (ROOT / "benchmarks").rglob("*.py")]
    return set(re.findall(r"--[a-z][a-z-]+", " ".join([known, capsys.readouterr().out, *sources])))


def test_options_that_sentences_mention_exist(capsys: pytest.CaptureFixture[str]) -> None:
    known = _known_options(capsys)
    for page in PAGES:
        ours = [span for span in spans(page) if not span.startswith("ray ")]
        mentioned = {option for span in ours for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", span)}
        assert not [option for option in mentioned - known if not OTHERS.fullmatch(option)], page.name


def _anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_between_pages_lead_somewhere() -> None:
    for page in (*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"):
        for name, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)", page.read_text()):
            target = page.parent / name if name else page
            assert "://" in name or target.exists(), f"{page.name}: {name}"
            assert not anchor or "://" in name or anchor in _anchors(target), f"{page.name}: {name}#{anchor}"


def test_tests_that_pages_name_exist() -> None:
    sources = {path.stem: path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}
    functions = set(re.findall(r"^def (test_\w+)", "\n".join(sources.values()), re.MULTILINE))
    for page in PAGES:
        named = {name for span in spans(page) for name in re.findall(r"\btest_\w+", span)}
        assert named <= {*functions, *sources, "test_trace"}, page.name
