"""`keyway scan` from the outside: where it looks, what it leaves out, how it ends, and that it shows no value."""

from __future__ import annotations

import json
import os
import secrets
import string
import zlib
from pathlib import Path

from person import Person

ROOT = Path(__file__).parents[2]
DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase


def github_token(prefix: str = "ghp_") -> str:
    """A token as GitHub makes them, with its checksum."""
    body = "".join(secrets.choice(DIGITS) for _ in range(30))
    number, end = zlib.crc32(body.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        end = DIGITS[digit] + end
    return prefix + body + end


def put(person: Person, name: str, text: str | bytes) -> Path:
    """A file of the clone."""
    path = person.clone / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def silent(secret: str, *texts: str) -> bool:
    """Whether no five characters of the secret behind its public beginning are in any of these."""
    body = secret[4:]
    return all(body[place : place + 5] not in text for text in texts for place in range(len(body) - 4))


def test_this_repository_is_clean() -> None:
    """Nothing that git knows here looks like a secret, or it says why not."""
    person_free = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    done = Person.__new__(Person)
    done.clone, done.variables = ROOT, person_free
    found = done.keyway("scan", "--json")
    assert (found.code, found.json["findings"]) == (0, [])
    assert found.json["filesScanned"] > 500


def test_a_find_is_told_by_kind_and_place_and_not_by_value(alice: Person) -> None:
    """Exit 1; file, line and column; at most four characters, which all of the kind begin with."""
    secret = github_token()
    put(alice, "src/app.py", f"import os\n\nclient = Client(token='{secret}')\n")
    done = alice.keyway("scan")
    assert done.code == 1
    assert done.out.startswith("src/app.py:3:24  github-personal-token  ")
    assert "ghp_…" in done.out
    assert "checksum right" in done.out
    told = alice.keyway("scan", "--json")
    assert told.json["findingsCount"] == 1
    found = told.json["findings"][0]
    assert (found["file"], found["line"], found["column"]) == ("src/app.py", 3, 24)
    assert (found["type"], found["preview"], found["checksum"]) == ("github-personal-token", "ghp_…", True)
    sarif = alice.keyway("scan", "--sarif")
    assert (told.code, sarif.code) == (1, 1)
    assert silent(secret, done.out, done.err, told.out, told.err, sarif.out, sarif.err)


def test_a_wrong_checksum_is_no_find(alice: Person) -> None:
    """A token of which one character was changed was never issued."""
    secret = github_token()
    wrong = secret[:-1] + ("a" if secret[-1] != "a" else "b")
    put(alice, "a.py", f"token = '{wrong}'\n")
    done = alice.keyway("scan", "--json")
    assert [one["type"] for one in done.json["findings"] if one["type"].startswith("github")] == []


def test_a_clean_tree_is_exit_0_and_trouble_is_exit_2(alice: Person) -> None:
    """No find, a path that is not there, no repository, two scans at once."""
    put(alice, "a.py", "print('hello')\n")
    assert alice.keyway("scan").code == 0
    for arguments in (["nowhere"], ["--staged", "--history"], ["--staged", "a.py"], ["--baseline", "nowhere"]):
        assert alice.keyway("scan", *arguments).code == 2, arguments
    elsewhere = alice.home / "plain"
    elsewhere.mkdir()
    assert alice.keyway("scan", "--history", folder=elsewhere).code == 2


def test_what_git_ignores_is_left_out_unless_it_is_named(alice: Person) -> None:
    """`.env` belongs on the machine; asked for by name or with --include-ignored it is scanned."""
    put(alice, ".env", f"GITHUB_TOKEN={github_token()}\n")
    put(alice, "new.txt", "not added yet\n")
    assert alice.keyway("scan").code == 0
    assert alice.keyway("scan", ".env").code == 1
    assert alice.keyway("scan", "--include-ignored").code == 1


def test_lines_files_and_kinds_can_be_left_out(alice: Person) -> None:
    """`keyway:allow`, for one kind too; .keywayignore by name, by kind, taken back with !; --exclude."""
    put(alice, "a.py", f"a = '{github_token()}'  # keyway:allow\n")
    put(alice, "b.py", f"b = '{github_token()}'  # keyway:allow=stripe-live-key,github-personal-token\n")
    assert alice.keyway("scan").code == 0
    put(alice, "c.py", f"c = '{github_token()}'  # keyway:allow=stripe-live-key\n")
    put(alice, "docs/deep/d.md", f"`{github_token()}`\n")

    def found(*arguments: str) -> list[str]:
        return [one["file"] for one in alice.keyway("scan", "--json", *arguments).json["findings"]]

    assert found() == ["c.py", "docs/deep/d.md"]
    assert found("--exclude", "docs/") == ["c.py"]
    for lines, left in (
        ("c.py\n", ["docs/deep/d.md"]),
        ("# a comment\n*.py\n!c.py\n", ["c.py", "docs/deep/d.md"]),
        ("docs/**/*.md\n", ["c.py"]),
        ("/docs\n", ["c.py"]),
        ("deep/\n", ["c.py"]),
        ("kind=github-personal-token c.py\n", ["docs/deep/d.md"]),
        ("kind=stripe-live-key *\n", ["c.py", "docs/deep/d.md"]),
        ("**\n", []),
    ):
        put(alice, ".keywayignore", lines)
        assert found() == left, lines


def test_staged_looks_at_what_would_be_committed(alice: Person) -> None:
    """The lines that are new in the index: not the work tree, not older lines of the same file."""
    put(alice, "a.py", f"old = '{github_token()}'\n")
    alice.git("add", ".")
    assert alice.keyway("scan", "--staged").code == 1
    alice.git("commit", "-qm", "a")
    assert alice.keyway("scan", "--staged").code == 0
    file = alice.clone / "a.py"
    file.write_text(file.read_text() + "new = 1\n")
    alice.git("add", ".")
    assert alice.keyway("scan", "--staged").code == 0
    file.write_text(file.read_text() + f"more = '{github_token()}'\n")
    assert alice.keyway("scan", "--staged").code == 0
    alice.git("add", ".")
    file.write_text("gone from the work tree\n")
    done = alice.keyway("scan", "--staged", "--json")
    assert (done.code, [one["line"] for one in done.json["findings"]]) == (1, [3])


def test_history_finds_what_was_removed_and_says_when_it_came(alice: Person) -> None:
    """On another branch, in a merge, under a strange name; each once, in the commit that brought it."""
    alice.git("commit", "-qm", "first", "--allow-empty")
    put(alice, "dir with blank/ünïcode\tname.py", f"a = '{github_token()}'\n")
    alice.git("add", ".")
    alice.git("commit", "-qm", "brings it")
    brought = alice.git("rev-parse", "HEAD")
    for number in range(5):
        path = alice.clone / "dir with blank" / "ünïcode\tname.py"
        path.write_text(path.read_text() + f"line = {number}\n")
        alice.git("commit", "-qam", f"change {number}")
    alice.git("rm", "-qr", ".")
    alice.git("commit", "-qm", "gone")
    alice.git("checkout", "-q", "--orphan", "other")
    put(alice, "b.env", f"GITHUB_TOKEN={github_token()}\n")
    alice.git("add", "-f", "b.env")
    alice.git("commit", "-qm", "on another branch")
    alice.git("rm", "-q", "b.env")
    alice.git("commit", "-qm", "gone", "--allow-empty")
    assert alice.keyway("scan").code == 0
    done = alice.keyway("scan", "--history", "--json")
    assert done.code == 1
    by_file = {one["file"]: one["commit"] for one in done.json["findings"]}
    assert len(done.json["findings"]) == len(by_file) == 2
    assert by_file["dir with blank/ünïcode\tname.py"] == brought


def test_a_baseline_leaves_out_what_it_knows_and_holds_no_value(alice: Person) -> None:
    """The same find, moved to another line, is known; another value in the same place is new."""
    secret = github_token()
    put(alice, "a.py", f"a = '{secret}'\n")
    assert alice.keyway("scan", "--write-baseline", "known.json").code == 0
    text = (alice.clone / "known.json").read_text()
    assert silent(secret, text)
    assert set(json.loads(text)) == {"version", "salt", "finds"}
    assert all(len(find) == 21 for find in json.loads(text)["finds"])
    assert alice.keyway("scan", "--baseline", "known.json").code == 0
    put(alice, "a.py", f"\n\n\na = '{secret}'\n")
    assert alice.keyway("scan", "--baseline", "known.json").code == 0
    put(alice, "a.py", f"a = '{github_token()}'\n")
    assert alice.keyway("scan", "--baseline", "known.json").code == 1
    put(alice, "b.py", f"b = '{secret}'\n")
    assert alice.keyway("scan", "--baseline", "known.json", "--write-baseline", "both.json").code == 0
    assert alice.keyway("scan", "--baseline", "both.json").code == 0, "older finds were lost"
    put(alice, "known.json", "{}")
    assert alice.keyway("scan", "--baseline", "known.json").code == 2
