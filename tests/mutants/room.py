"""Try the mutants of one room: a pytest plugin that collects the room's tests once, and forks for each mutant."""

import gc
import importlib.machinery
import importlib.util
import os
import pickle
import resource
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

import coverage
import hypothesis
import pytest

from tests.mutants.operators import Mutant

LONGEST_TEST_S = 4.0
"""Tests that take longer (CPU time, while lines are counted) are left out: a fault
that only they would see wants a quick test of its own."""

LONGEST_S = 6.0
"""Tests of other modules count as long as all that were tried usually take no longer than this."""

PATIENCE_S = 5.0
"""CPU time that a mutant gets beside ten times what its tests usually take; twice as long beside three times, if it
waits. One that takes longer is noticed."""

MOST_BYTES = 4 << 30
PLUGINS_LEFT_OUT = ("cacheprovider", "xdist", "terminal", "faulthandler")
PYTEST = [
    "-x",
    "-oaddopts=--import-mode=importlib",
    "-mnot slow",
    "-Wignore::pytest.PytestAssertRewriteWarning",
    *(f"-pno:{name}" for name in PLUGINS_LEFT_OUT),
]
UNNOTICED, NOTICED, NO_MODULE = 0, 1, 2


class Usual(NamedTuple):
    """The tests without any mutant: how long each takes, and which of them reach a line of a file."""

    took_s: dict[str, float]
    reach: dict[str, dict[int, list[str]]]

    def tests_of(self, file: str, mutant: Mutant) -> list[str]:
        """Return the tests that come by a mutant: those of the module itself first, the quickest first; then others."""
        lines = self.reach[file].items()
        names = {name for line, names in lines if mutant.function is None or line in mutant.lines for name in names}
        own = f"test_{Path(file).name}::"
        in_turn = sorted(names, key=lambda name: (own not in name, self.took_s[name]))
        spent_s = accumulate(self.took_s[name] for name in in_turn)
        return [name for name, spent in zip(in_turn, spent_s, strict=True) if own in name or spent < LONGEST_S]


class Tests:
    """Pytest plugin: runs some of the collected tests until one fails."""

    def __init__(self) -> None:
        self.failed = False

    def pytest_collection(self) -> None:
        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)  # that it fails is enough here
        hypothesis.settings.register_profile("mutants", deadline=None, derandomize=True, database=None, phases=phases)
        hypothesis.settings.load_profile("mutants")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed = self.failed or report.failed

    def run(self, items: Iterable[pytest.Item]) -> bool:
        """Return whether one failed."""
        for item in items:
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            if self.failed:
                return True
        return False


class Room(Tests):
    """The plugin for the whole room. Nothing runs in its own process, so that every fork begins alike."""

    def __init__(self, mutants: Sequence[tuple[str, Mutant]], tell: Callable[[str, Mutant, bool], None]) -> None:
        super().__init__()
        self._mutants, self._tell = mutants, tell

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        files = sorted({file for file, _mutant in self._mutants})
        usual = _measure(self, session.items, files)
        items = {item.nodeid: item for item in session.items}
        functions = _functions(files)
        for file, mutant in self._mutants:
            chosen = [items[name] for name in usual.tests_of(file, mutant)]
            usual_s = sum(usual.took_s[item.nodeid] for item in chosen)
            found = _in_a_fork(lambda: self._try(file, mutant, chosen, functions), usual_s)  # noqa: B023  it ends here
            if found != NO_MODULE:
                self._tell(file, mutant, found != UNNOTICED)
        return True

    def _try(
        self, file: str, mutant: Mutant, items: list[pytest.Item], functions: dict[tuple[str, str], list[FunctionType]]
    ) -> int:
        whole = mutant.code()
        if mutant.function is not None:
            code = _code_of(whole, mutant.function)
            changed = functions[file, mutant.function]
            if code and changed and all(code.co_freevars == function.__code__.co_freevars for function in changed):
                for function in changed:
                    function.__code__ = code
                return NOTICED if self.run(items) else UNNOTICED
        return _import_again(file, whole, [item.nodeid for item in items])


def _measure(tests: Tests, items: Sequence[pytest.Item], files: list[str]) -> Usual:
    """Run the tests as they are, in a fork, and return what they do."""
    reader, writer = os.pipe()

    def run() -> int:
        took_s, quick = {}, set()
        counted = coverage.Coverage(data_file=None, include=files, config_file=False)
        counted.start()
        for item in items:
            counted.switch_context(item.nodeid)
            started_s, worked_s = time.perf_counter(), time.process_time()
            if tests.run([item]):
                os.write(writer, pickle.dumps(item.nodeid))
                return NOTICED
            took_s[item.nodeid] = time.perf_counter() - started_s
            if time.process_time() - worked_s < LONGEST_TEST_S:
                quick.add(item.nodeid)
        counted.stop()
        reach = {}
        for file in files:
            lines = counted.get_data().contexts_by_lineno(file).items()
            reach[file] = {line: [name for name in names if name in quick] for line, names in lines}
        with open(writer, "wb") as pipe:
            pickle.dump(Usual(took_s, reach), pipe)
        return UNNOTICED

    child = _fork(run, 3600)
    os.close(writer)
    with open(reader, "rb") as pipe:
        usual = pickle.load(pipe)
    os.waitpid(child, 0)
    if not isinstance(usual, Usual):
        raise SystemExit(f"{usual} fails without any mutant")
    return usual


def _functions(files: Iterable[str]) -> dict[tuple[str, str], list[FunctionType]]:
    """Return every function of these files that there is, by file and qualified name."""
    found: defaultdict[tuple[str, str], list[FunctionType]] = defaultdict(list)
    for thing in gc.get_objects():
        if isinstance(thing, FunctionType) and thing.__code__.co_filename in files:
            found[thing.__code__.co_filename, thing.__code__.co_qualname].append(thing)
    return found


def _code_of(code: CodeType, function: str) -> CodeType | None:
    """Return the code of a function within that of its module; None where its name is there twice, or not at all."""
    parts = [part for part in code.co_consts if isinstance(part, CodeType)]
    found = [part for part in parts if part.co_qualname == function]
    if found:
        return found[0] if len(found) == 1 else None
    return next(
        (inner for part in parts if function.startswith(part.co_qualname + ".") if (inner := _code_of(part, function))),
        None,
    )


class Changed(importlib.machinery.SourceFileLoader):
    """Imports the changed module in place of the one on disk."""

    def __init__(self, file: str, code: CodeType) -> None:
        name = ".".join(Path(file).relative_to(Path.cwd()).with_suffix("").parts).removesuffix(".__init__")
        super().__init__(name, file)
        self._changed = code
        self.imported = False

    def find_spec(self, fullname: str, *_others: Any) -> importlib.machinery.ModuleSpec | None:
        return (
            importlib.util.spec_from_file_location(fullname, self.path, loader=self) if fullname == self.name else None
        )

    def exec_module(self, module: ModuleType) -> None:
        exec(self._changed, vars(module))
        self.imported = True


class Chosen(Tests):
    """Pytest plugin: of all that is collected, these tests in this order."""

    def __init__(self, names: list[str]) -> None:
        super().__init__()
        self._place = {name: place for place, name in enumerate(names)}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted((i for i in items if i.nodeid in self._place), key=lambda i: self._place[i.nodeid])


def _import_again(file: str, code: CodeType, names: list[str]) -> int:
    """Import everything anew with the changed module, and run the tests of these names."""
    for name in [name for name in sys.modules if name.split(".")[0] in ("bulkroute", "tests")]:
        if not name.startswith("tests.mutants"):
            del sys.modules[name]
    sys.meta_path.insert(0, changed := Changed(file, code))
    pytest.main([*PYTEST, *sorted({name.split("::")[0] for name in names})], [chosen := Chosen(names)])
    return NOTICED if chosen.failed else UNNOTICED if changed.imported else NO_MODULE


def _in_a_fork(work: Callable[[], int], usual_s: float) -> int:
    """Return what `work` does in a fork; NOTICED if it took too long or died."""
    _pid, status = os.waitpid(_fork(work, usual_s), 0)
    return os.waitstatus_to_exitcode(status)


def _fork(work: Callable[[], int], usual_s: float) -> int:
    if child := os.fork():
        return child
    code = NOTICED
    try:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        cpu_s = int(PATIENCE_S + 10 * usual_s)
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
        resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
        signal.alarm(int(2 * PATIENCE_S + 3 * usual_s))  # where it waits for what never comes
        code = work()
    finally:
        os._exit(code)
