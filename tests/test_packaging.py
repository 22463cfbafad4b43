"""What is installed is what was written: the wheel and the sdist, what is in them, what they say
of themselves; and what a program with less, or with modules of our names, is told."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path
from textwrap import dedent

import pytest
from packaging.requirements import Requirement

from pilot import extras
from pilot.errors import SettingsError
from pilot.settings import Settings

ROOT = Path(__file__).parent.parent
ROOMS = {"pilot", "workflows_def", "activities", "api", "worker.py"}


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--directory", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return folder


def test_the_wheel_holds_the_rooms_and_nothing_beside(dist: Path) -> None:
    [path] = dist.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        names = wheel.namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == ROOMS
    for needed in (
        "pilot/py.typed",
        "pilot/store/migrations/env.py",
        "pilot/gallery_graphs/simple_chatbot.json",
    ):
        assert needed in names
    assert any(name.startswith("pilot/store/supabase/sql/") for name in names)
    assert not [name for name in names if "__pycache__" in name or name.endswith(".env")]


def test_the_wheel_says_what_it_is(dist: Path) -> None:
    [path] = dist.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        [name] = [name for name in wheel.namelist() if name.endswith("/METADATA")]
        said = Parser().parsestr(wheel.read(name).decode())
        [entry_points] = [name for name in wheel.namelist() if name.endswith("/entry_points.txt")]
        assert "pilot = pilot.cli:main" in wheel.read(entry_points).decode()
    assert (said["Name"], said["Requires-Python"]) == ("pilot-canvas", ">=3.11")
    assert said["License-Expression"] == "MIT"
    assert "Typing :: Typed" in said.get_all("Classifier", [])
    assert set(said.get_all("Provides-Extra", [])) == {"embedded", "all", *extras.EXTRAS}
    required = [Requirement(text) for text in said.get_all("Requires-Dist", [])]
    by_extra = {
        extra: [one.name for one in required if one.marker and f'"{extra}"' in f"{one.marker}"]
        for extra in extras.EXTRAS
    }
    assert all(by_extra.values()), by_extra
    plain = {one.name for one in required if not one.marker or "extra" not in f"{one.marker}"}
    assert not plain & {name for names in by_extra.values() for name in names}


def test_the_sdist_builds_the_same(dist: Path) -> None:
    [path] = dist.glob("*.tar.gz")
    with tarfile.open(path) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "worker.py", "pilot/py.typed"} <= names
    assert not [name for name in names if name.startswith((".venv", "web/node_modules", ".pilot"))]


def python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", dedent(code)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": f"{folder}:{ROOT}", "PATH": "", "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
    )


def test_all_rooms_are_imported_without_any_extra(tmp_path: Path) -> None:
    done = python(
        f"""
        import sys
        from importlib.abc import MetaPathFinder

        class Missing(MetaPathFinder):
            def find_spec(self, name, path=None, target=None):
                if name.startswith({tuple(extras.EXTRAS.values())!r}):
                    raise ModuleNotFoundError(name)

        sys.meta_path.insert(0, Missing())
        import pilot.cli, pilot.plugin, pilot.caller, pilot.workflows, api.app, worker
        import pilot.sentry, pilot.tracing, pilot.events.connection, pilot.store.open
        from pilot.settings import Settings
        Settings(pilot_env="development").check()
        """,
        tmp_path,
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize(
    ("extra", "setting"),
    [
        ("redis", {"redis_url": "redis://127.0.0.1"}),
        ("sentry", {"sentry_dsn": "http://key@127.0.0.1/1"}),
        ("otel", {"otel_exporter_otlp_endpoint": "http://127.0.0.1:4318"}),
        ("supabase", {"supabase_url": "http://127.0.0.1:54321", "database_url": None}),
    ],
)
def test_a_setting_whose_package_is_missing_says_what_to_install(
    extra: str, setting: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings.model_validate(setting)
    extras.check(settings)
    monkeypatch.setitem(extras.EXTRAS, extra, "no_such_package.inside")
    with pytest.raises(SettingsError, match=rf"pip install 'pilot-canvas\[{extra}\]'"):
        extras.check(settings)


def test_a_module_of_the_programs_may_be_called_activities(tmp_path: Path) -> None:
    """It can call graphs; to run them in the same process it has to be told."""
    (tmp_path / "activities.py").write_text("def mine(): ...\n")
    callers = python(
        "import activities, pilot.caller, pilot.workflows; activities.mine()", tmp_path
    )
    assert callers.returncode == 0, callers.stderr
    hidden = python("import pilot.plugin", tmp_path)
    assert hidden.returncode != 0
    last = hidden.stderr.strip().splitlines()[-1]
    assert "'activities' of πlot is hidden by" in last
    assert str(tmp_path / "activities.py") in last
