"""What cannot be run is said in one sentence with a remedy, and with the exit code for its kind; never a traceback."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from participants import AGGREGATOR, APPS, OWNERS, Federation, federate

NEVER = "nobody@nowhere.example"


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    """A federated project, and beside it some that are not: nothing here changes them."""
    place = tmp_path_factory.mktemp("wrong")
    made = federate(place, "averaging")
    made.approve(*made.owners)
    (place / "empty").mkdir()
    plain = place / "plain"
    plain.mkdir()
    (plain / "pyproject.toml").write_text('[project]\nname = "plain"\nversion = "1"\n')
    (place / "broken").mkdir()
    (place / "broken" / "pyproject.toml").write_text("[project\n")
    shutil.copytree(APPS / "census", place / "unfederated")
    (place / "file").write_text("no folder")
    yield made
    made.close()


ROLES = {"run-server": AGGREGATOR, "run-client": OWNERS[0], "stop": AGGREGATOR}

CASES = [
    # what is typed ({email} and {root} are right where they are not the point), exit code, words that must be said
    ("{role} averaging --email {email} --root root --transport pigeon", 2, "pigeon", "local"),
    ("{role} averaging --email {email}", 2, "shared folder", "--root"),
    ("{role} averaging --email {email} --root file", 13, "file", "--root"),
    ("{role} averaging --email {email} --root file/below", 13, "file", "--root"),
    ("{role} averaging --email {email} --root a/b/c", 13, "a/b", "--root"),
    ("{role} averaging --email nobody@nowhere.example --root root", 2, "nobody@nowhere.example", OWNERS[1]),
    ("{role} averaging --email {other} --root root", 2, "{other}", "syft-flwr run-"),
    ("{role} averaging --email ../../etc@x.example --root root", 2, "../../etc@x.example", "'..'"),
    ("{role} averaging --email do1/x@a.example --root root", 2, "do1/x@a.example", "'/'"),
    ("{role} averaging --email do1 --root root", 2, "do1", "e-mail"),
    ("{role} empty --email {email} --root root", 10, "empty", "syft-flwr init"),
    ("{role} plain --email {email} --root root", 10, "flwr", ""),
    ("{role} broken --email {email} --root root", 10, "pyproject.toml", ""),
    ("{role} unfederated --email {email} --root root", 10, "federated", "bootstrap"),
    ("{role} averaging --no-such-option", 2, "--no-such-option", "--help"),
]

OF_ONE = [
    ("run-server averaging --root root", 2, "not known", "--email"),
    ("run-server not-there --email {email} --root root", 10, "not-there", ""),
    ("stop not-there --email {email} --root root", 10, "not-there", ""),
    ("run-client not-there --email {email} --root root", 2, "not-there", "syft-flwr join"),
    ("run-server averaging --email {email} --transport syftbox", 13, "SyftBox", "--root"),
    ("run-client averaging --email {email} --transport syftbox --no-data", 13, "SyftBox", "--root"),
    ("run-client averaging --email {email} --root root", 2, "Which data", "--no-data"),
    ("run-client averaging --email {email} --root root --mock --no-data", 2, "exclude", "one of them"),
    ("run-server averaging --email {email} --root not-made", 13, "not-made is not there", "--create-root"),
    ("run-server averaging --email {email} --root root --run-config rounds", 2, "rounds", "key1=1"),
    (
        "run-server averaging --email {email} --root root --run-config n=1",
        2,
        "--run-config",
        "num-server-rounds",
    ),
    ("run-server averaging --email {email} --root root --timeout soon", 2, "soon", "24h"),
    ("run-server averaging --email {email} --root root --timeout -5", 2, "-5", "24h"),
    ("run-server averaging --email {email} --root root --enough 3", 2, "3 answers", "enough"),
    ("run-server averaging --email {email} --root root --enough 0%", 2, "0%", "60%"),
    ("run-server averaging --email {email} --root root --datasites do1@a.example,a/b@x", 2, "a/b@x", "'/'"),
    ("run-client averaging --email {email} --root root --data nowhere", 2, "nowhere", "--data"),
    ("run-client averaging --email {email} --root root --node-config rows", 2, "rows", ""),
    ("run-client averaging --email {email} --root root --memory-limit lots", 2, "lots", "4G"),
    ("run-client averaging --email {email} --root root --isolation none", 2, "none", "subprocess"),
    ("run-client averaging --email {email} --root root --no-data --python nowhere", 2, "nowhere", "--python"),
    ("simulate empty", 10, "empty", "syft-flwr init"),
    ("simulate plain", 10, "flwr", ""),
    ("simulate averaging --datasites 0", 2, "0", "1 to"),
    ("simulate averaging --datasites a/b@x.example", 2, "a/b@x.example", "'/'"),
    ("simulate averaging --mock-data empty,empty,empty", 2, "3 data folders", "--mock-data"),
    ("simulate averaging --mock-data nowhere", 2, "nowhere", "--mock-data"),
    ("simulate averaging --run-config rounds", 2, "rounds", "key1=1"),
    ("simulate averaging --timeout soon", 2, "soon", "24h"),
    ("stop averaging --email {email} --root root", 2, "no run to stop", "run-server"),
    ("stop 4611686018427387904 --email {email} --root root", 2, "4611686018427387904", "runs list"),
]


def cases() -> list[tuple[str, int, str, str]]:
    found = []
    for role, email in ROLES.items():
        other = OWNERS[0] if email == AGGREGATOR else AGGREGATOR
        for typed, code, said, remedy in CASES:
            words = typed.replace("{role}", role).replace("{email}", email).replace("{other}", other)
            found.append((words, code, said.replace("{other}", other), remedy))
    for typed, code, said, remedy in OF_ONE:
        email = ROLES.get(typed.split()[0], "")
        found.append((typed.replace("{email}", email), code, said, remedy))
    return found


@pytest.mark.parametrize(("typed", "code", "said", "remedy"), cases())
def test_a_wrong_input_is_one_sentence_and_a_remedy(
    federation: Federation, typed: str, code: int, said: str, remedy: str
) -> None:
    words = typed.split()
    # A data owner's home holds its approval, without which nothing else is looked at.
    home = OWNERS[0] if words[0] == "run-client" else NEVER
    answer = federation.run(*words, "--json", email=home, code=code)
    assert "Traceback" not in answer.err
    assert answer.document["status"] == "error"
    assert answer.data["exit_code"] == code
    assert said in answer.data["error"]
    assert remedy in answer.data["hint"], answer.data["hint"]
    assert answer.data["hint"], "there is always something to do about it"
    assert "\n" not in answer.data["error"]
    lines = [line for line in answer.err.splitlines() if line.strip()]
    assert lines[-2:] == [f"error: {answer.data['error']}", f"hint: {answer.data['hint']}"]


def test_without_json_nothing_is_said_on_stdout(federation: Federation) -> None:
    answer = federation.run("run-server", "empty", "--email", AGGREGATOR, email=NEVER, code=10)
    assert answer.out == ""
    assert [line.split(":")[0] for line in answer.err.splitlines()] == ["error", "hint"]


def test_debug_adds_the_traceback_wherever_it_stands(federation: Federation) -> None:
    for words in (("--debug", "run-server", "empty"), ("run-server", "empty", "--debug")):
        answer = federation.run(*words, "--email", AGGREGATOR, "--json", email=NEVER, code=10)
        assert "Traceback (most recent call last)" in answer.err
        assert json.loads(answer.out)["status"] == "error"


def test_a_wrong_input_leaves_nothing_behind(federation: Federation) -> None:
    before = set(federation.project.rglob("*"))
    federation.run("run-server", "averaging", "--timeout", "soon", email=NEVER, code=2)
    assert set(federation.project.rglob("*")) == before
    assert not (federation.place / "a").exists()
    assert (federation.place / "file").read_text() == "no folder"


def test_a_root_that_may_not_be_written_is_named(federation: Federation, tmp_path: Path) -> None:
    root = tmp_path / "locked"
    root.mkdir(mode=0o555)
    try:
        (root / "probe").touch()
    except PermissionError:
        answer = federation.run(
            "run-server",
            "averaging",
            "--email",
            AGGREGATOR,
            "--root",
            str(root),
            "--json",
            email=NEVER,
            code=13,
        )
        assert str(root) in answer.data["error"]
        assert "chmod" in answer.data["hint"]
    else:
        pytest.skip("this user may write everywhere")
