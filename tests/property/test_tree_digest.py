"""Two trees have the same digest exactly when they have the same files."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from syft_flwr_cli.consent.manifest import compare, copy_tree, has_exactly, make_manifest, remove_copy

NAMES = st.sampled_from(["a", "b", "a.py", "ä", "A b", "a-b", "zz.bin"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
FILES = st.tuples(st.binary(max_size=40), st.booleans())
TREES = st.dictionaries(PATHS, FILES, max_size=6)


def without_conflicts(tree: dict[str, tuple[bytes, bool]]) -> dict[str, tuple[bytes, bool]]:
    """The tree without files that would be folders of others."""
    return {path: file for path, file in tree.items() if not any(p.startswith(path + "/") for p in tree)}


def put(tree: dict[str, tuple[bytes, bool]], root: Path) -> Path:
    root.mkdir()
    for path, (content, executable) in tree.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
        (root / path).chmod(0o755 if executable else 0o644)
    return root


@settings(max_examples=150, deadline=None)
@given(one=TREES.map(without_conflicts), other=TREES.map(without_conflicts))
def test_the_digest_tells_two_trees_apart(
    one: dict[str, tuple[bytes, bool]], other: dict[str, tuple[bytes, bool]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        first = make_manifest(put(one, Path(folder) / "one"))
        second = make_manifest(put(other, Path(folder) / "other"))
    assert (first.digest == second.digest) == (one == other)
    changes = compare(first, second)
    assert set(changes.added) == other.keys() - one.keys()
    assert set(changes.removed) == one.keys() - other.keys()
    assert set(changes.changed) == {path for path in one.keys() & other.keys() if one[path] != other[path]}


@settings(max_examples=60, deadline=None)
@given(tree=TREES.map(without_conflicts))
def test_a_copy_is_the_tree(tree: dict[str, tuple[bytes, bool]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = put(tree, Path(folder) / "project")
        manifest = make_manifest(root)
        copy = copy_tree(manifest, root, Path(folder) / "copies")
        found = {
            str(path.relative_to(copy)): (path.read_bytes(), bool(path.stat().st_mode & 0o100))
            for path in copy.rglob("*")
            if path.is_file()
        }
        assert found == tree and has_exactly(copy, manifest)
        remove_copy(copy)
