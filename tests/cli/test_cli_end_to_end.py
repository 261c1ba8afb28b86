"""The command line against the real system: PostgreSQL, crypto, backend and GitHub's stand-in as processes."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from keyway_core import dotenv
from keyway_core.sensitive import Sensitive
from keyway_standalone.processes import Stack
from person import KEYWAY, Person, Team

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from hostile_env import CANARY, CASES, Refused

AWKWARD = {
    "PEM": "-----BEGIN PRIVATE KEY-----\nMIIB+/==\n-----END PRIVATE KEY-----\n",
    "JSON": '{"a": "$HOME `id` \\n", "b": [1, \'x\']}',
    "QUOTES": 'it\'s "x" `y`',
    "BACKSLASHES": "\\n\\\\\\",
    "HASH": "a #b # c",
    "EQUALS": "a=b==",
    "TABS": "\t x \t",
    "CR": "a\r\nb\r",
    "EMOJI": "👩‍🚀",
    "NBSP": "\u00a0\ufeff\u2028",
    "EMPTY": "",
    "LONG": "é" * 32_768,
}


def rendered(values: dict[str, str]) -> str:
    return dotenv.render({key: Sensitive(value) for key, value in values.items()})


def plain(text: str) -> dict[str, str]:
    return {key: value.reveal() for key, value in dotenv.parse(text).items()}


# --- signing in


def start_login(person: Person) -> tuple[subprocess.Popen[str], str, str]:
    """A running `keyway login`, the page that it names, and the code."""
    child = subprocess.Popen(
        [KEYWAY, "login"],
        cwd=person.clone,
        env=person.variables,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stderr is not None
    shown = re.search(r"open (\S+) and enter the code (\S+)", child.stderr.readline())
    assert shown is not None
    return child, shown[1], shown[2]


def test_a_person_signs_in_with_githubs_device_flow(stack: Stack, tmp_path: Path) -> None:
    """The code goes to GitHub's page; consent keeps a login that logout revokes; Cancel, meanwhile, is exit 3."""
    origin = f"{stack.github_url}/acme/app.git"
    person = Person(tmp_path / "p", "acme/app", origin).at(stack.api_url, token=None)
    other = Person(tmp_path / "q", "acme/app", origin).at(stack.api_url, token=None)
    login = stack.control.login("maintainer")
    (child, page, code), (refused, _, other_code) = start_login(person), start_login(other)
    assert page.startswith(stack.github_url)
    stack.control.approve_device(code, login)
    stack.control.deny_device(other_code)
    (out, err), (_, other_err) = child.communicate(timeout=90), refused.communicate(timeout=90)
    assert refused.returncode == 3
    assert "refused on GitHub" in other_err
    assert child.returncode == 0, err
    assert f"signed in as {login}" in out
    assert person.keyway("whoami", "--json").json["username"] == login
    (kept,) = (person.home / ".config" / "keyway" / "logins").iterdir()
    token = json.loads(kept.read_text())["token"]
    assert token not in out + err
    assert person.keyway("logout").code == 0
    assert person.keyway("whoami").code == 3
    assert person.keyway("whoami", KEYWAY_TOKEN=token).code == 3


def test_a_wrong_token_is_not_a_login(stack: Stack, alice: Person) -> None:
    """Exit 3 for every command that needs one. Few tries: all of this machine share one limit of wrong credentials."""
    commands = (["whoami"], ["push"], ["pull"], ["run", "--", "true"], ["init"])
    for number, arguments in enumerate(commands):
        token = "nonsense" if number % 2 else "eyJhbGciOiJub25lIn0.e30."
        alice.at(stack.api_url, token).write("A=1\n")
        done = alice.keyway(*arguments)
        assert done.code == 3, arguments
        assert token not in done.err


# --- a vault


def test_init_makes_one_vault(team: Team) -> None:
    """Made once; the second time it says so, and both succeed."""
    first = team.owner.keyway("init", "--json")
    assert (first.code, first.json) == (0, {"repository": team.repository, "created": True}), first.err
    assert team.owner.keyway("init", "--json").json["created"] is False


@pytest.mark.parametrize(("cast", "role"), [("stranger", None), ("reader", "read"), ("teammate", "write")])
def test_init_is_for_administrators(team: Team, cast: str, role: str | None) -> None:
    """Everybody else gets exit 4, and there is no vault afterwards."""
    assert team.person(cast, role).keyway("init", CI="true").code == 4
    assert team.owner.keyway("init", "--json").json["created"] is True


def test_init_waits_for_the_app(stack: Stack, tokens: dict[str, str], tmp_path: Path) -> None:
    """Without the App: the link, and exit 4 at once under CI; otherwise it goes on as soon as the App is there."""
    owner = stack.control.create_user(f"cli-owner-{random.randrange(10**9)}")["login"]  # noqa: S311
    name = f"{owner}/late"
    stack.control.create_repo(name)
    stack.control.set_role(name, stack.control.login("founder"), "admin")
    person = Person(tmp_path / "late", name).at(stack.api_url, tokens["founder"])
    refused = person.keyway("init", CI="true")
    assert refused.code == 4
    assert "installs it: http" in refused.err
    with subprocess.Popen(
        [KEYWAY, "init"],
        cwd=person.clone,
        env=person.variables,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stderr is not None
        assert "is not installed" in child.stderr.readline()
        stack.control.install(owner)
        out, err = child.communicate(timeout=120)
    assert child.returncode == 0, err
    assert f"created the vault of {name}" in out


def test_without_a_vault_there_is_nothing_to_read(team: Team) -> None:
    """Exit 4 with the server's words; no file."""
    done = team.owner.keyway("pull")
    assert done.code == 4
    assert not (team.owner.clone / ".env").exists()


# --- push and pull


def test_what_is_pushed_is_pulled_and_run(vault: Team) -> None:
    """Every awkward value, byte for byte: file, vault, a teammate's file, a teammate's program."""
    vault.owner.write(rendered(AWKWARD))
    pushed = vault.owner.keyway("push", "--json")
    assert pushed.code == 0, pushed.err
    assert (pushed.json["environment"], pushed.json["created"]) == ("development", len(AWKWARD))
    mate = vault.person("teammate", "write")
    pulled = mate.keyway("pull", "--json")
    assert pulled.code == 0, pulled.err
    assert plain(mate.read()) == AWKWARD
    assert pulled.json["revision"] == pushed.json["revision"]
    show = "import json, os; print(json.dumps({k.decode(): v.decode() for k, v in os.environb.items()}))"
    ran = json.loads(mate.keyway("run", "--", sys.executable, "-c", show).out)
    assert {key: ran.get(key) for key in AWKWARD} == AWKWARD


@pytest.mark.parametrize(("cast", "role"), [("stranger", None), ("removed", None)])
def test_a_stranger_gets_nothing(vault: Team, cast: str, role: str | None) -> None:
    """Exit 4 for push, pull, run and set, and no file."""
    vault.owner.write(f"A={CANARY}\n")
    vault.owner.keyway("push")
    stranger = vault.person(cast, role)
    for arguments in (["pull"], ["run", "--", "touch", "x"], ["set", "A=2", "-y"]):
        done = stranger.keyway(*arguments)
        assert done.code == 4, arguments
        assert CANARY not in done.err + done.out
    assert sorted(path.name for path in stranger.clone.iterdir()) == [".git", ".gitignore"]


def test_a_reader_reads_and_does_not_write(vault: Team) -> None:
    """development is readable by read; production is not."""
    vault.owner.write("A=1\n")
    vault.owner.keyway("push")
    vault.owner.keyway("push", "-e", "production")
    reader = vault.person("reader", "read")
    assert reader.keyway("run", "--", "true").code == 0
    assert reader.keyway("set", "B=2").code == 4
    assert reader.keyway("run", "-e", "production", "--", "true").code == 4


def test_a_push_shows_names_and_needs_yes_to_overwrite(vault: Team) -> None:
    """Without a terminal new keys go, and a changed one does not without --yes; values are never shown."""
    owner = vault.owner
    owner.write("A=canary-1\n")
    assert owner.keyway("push").code == 0
    owner.write("A=canary-2\nB=canary-3\n")
    refused = owner.keyway("push")
    assert refused.code == 2
    assert "+ B  added" in refused.err
    assert "~ A  changed" in refused.err
    done = owner.keyway("push", "--yes", "--json")
    assert (done.json["created"], done.json["updated"], done.json["deleted"]) == (1, 1, 0)
    again = owner.keyway("push")
    assert "has everything" in again.out
    assert "canary" not in refused.err + done.err + done.out + again.err + again.out


def test_prune_removes_what_the_file_has_not(vault: Team) -> None:
    """Only with --prune, and only with --yes or a person's consent."""
    owner = vault.owner
    owner.write("A=1\nB=2\nC=3\n")
    owner.keyway("push")
    owner.write("A=1\nB=x\n")
    assert owner.keyway("push", "--yes", "--json").json["deleted"] == 0
    refused = owner.keyway("push", "--prune")
    assert refused.code == 2
    assert "- C  removed" in refused.err
    assert owner.keyway("push", "--prune", "-y", "--json").json["deleted"] == 1
    owner.keyway("pull", "--force", "-y")
    assert plain(owner.read()) == {"A": "1", "B": "x"}


def test_the_environment_comes_from_the_file(vault: Team) -> None:
    """.env.prod goes to production, -e wins, and several files need a choice."""
    owner = vault.owner
    owner.write("A=1\n", ".env.prod")
    assert owner.keyway("push", "--json").json["environment"] == "production"
    owner.write("A=2\n", ".env.staging")
    several = owner.keyway("push")
    assert several.code == 2
    assert ".env.prod, .env.staging" in several.err
    dialogue = owner.at_terminal("push", "--yes").until("which file").type("2\n")
    assert "pushed .env.staging to staging" in dialogue.end().out
    assert owner.keyway("push", "-e", "staging", "--json").json["file"] == ".env.staging"
    assert owner.keyway("push", "-f", ".env.prod", "-e", "development", "--json").json["environment"] == "development"


def test_an_environment_that_does_not_exist_is_named(vault: Team) -> None:
    """Push says what there is; pull finds nothing."""
    vault.owner.write("A=1\n")
    done = vault.owner.keyway("push", "-e", "qa")
    assert done.code != 0
    assert "staging" in done.err
    assert vault.owner.keyway("pull", "-e", "qa").code == 4


# --- two people at once


def asked(person: Person, *arguments: str) -> Callable[[str], tuple[int, str]]:
    """Starts a push at a terminal up to its question; the answer is given later."""
    dialogue = person.at_terminal("push", *arguments).until("Push these changes")

    def answer(text: str) -> tuple[int, str]:
        done = dialogue.type(text).end()
        return done.code, done.out

    return answer


def test_two_people_change_the_same_key(vault: Team) -> None:
    """The second one is told which key, from which revision to which, and nothing of theirs is sent."""
    owner, mate = vault.owner, vault.person("teammate", "write")
    owner.write("A=1\nB=1\n")
    owner.keyway("push")
    owner.write("A=mine\nB=mine\n")
    answer = asked(owner)
    assert mate.keyway("set", "B=theirs", "-y").code == 0
    code, shown = answer("y\n")
    assert code == 5
    assert "moved from revision 1 to 2" in shown
    assert "somebody else changed B too" in shown
    assert "keyway pull" in shown
    mate.keyway("pull")
    assert plain(mate.read()) == {"A": "1", "B": "theirs"}


def test_two_people_change_different_keys(vault: Team) -> None:
    """Both changes survive without a question, and a key that the first file holds unchanged is not put back."""
    owner, mate = vault.owner, vault.person("teammate", "write")
    owner.write("A=1\nB=1\nC=1\n")
    owner.keyway("push")
    owner.write("A=mine\nB=1\nC=1\n")
    answer = asked(owner)
    assert mate.keyway("set", "B=theirs", "-y").code == 0
    assert mate.keyway("set", "D=new").code == 0
    code, shown = answer("y\n")
    assert code == 0, shown
    mate.keyway("pull")
    assert plain(mate.read()) == {"A": "mine", "B": "theirs", "C": "1", "D": "new"}


def test_a_prune_does_not_remove_what_was_not_shown(vault: Team) -> None:
    """Somebody adds a key while a prune waits for its answer: conflict, and the new key stays."""
    owner, mate = vault.owner, vault.person("teammate", "write")
    owner.write("A=1\nB=1\n")
    owner.keyway("push")
    owner.write("A=1\n")
    answer = asked(owner, "--prune")
    assert mate.keyway("set", "NEW=1").code == 0
    code, shown = answer("y\n")
    assert code == 5, shown
    mate.keyway("pull")
    assert plain(mate.read()) == {"A": "1", "B": "1", "NEW": "1"}


def test_no_is_an_answer(vault: Team) -> None:
    """Exit 0, and nothing was sent."""
    vault.owner.write("A=1\n")
    code, shown = asked(vault.owner)("n\n")
    assert code == 0
    assert "nothing was sent" in shown
    assert vault.owner.keyway("pull").code == 4


def test_eight_sets_at_once_all_survive(vault: Team) -> None:
    """Different keys, the same moment, one environment."""
    owner = vault.owner
    owner.keyway("set", "SEED=0")
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda number: owner.keyway("set", f"K{number}={number}"), range(8)))
    assert [one.code for one in done] == [0] * 8, [one.err for one in done]
    owner.keyway("pull")
    assert plain(owner.read()) == {"SEED": "0"} | {f"K{number}": str(number) for number in range(8)}


# --- set


def test_set_creates_updates_and_leaves_alone(vault: Team) -> None:
    """Three states by name; overwriting without a terminal needs --yes; the other keys stay."""
    owner = vault.owner
    owner.write("A=1\nB=2\n")
    owner.keyway("push")
    assert owner.keyway("set", "C", "three words here", "--json").json["status"] == "created"
    assert owner.keyway("set", "C=three words here", "--json").json["status"] == "unchanged"
    assert owner.keyway("set", "C=4").code == 2
    assert owner.keyway("set", "C=4", "-y", "--json").json["status"] == "updated"
    owner.keyway("pull", "--force", "-y")
    assert plain(owner.read()) == {"A": "1", "B": "2", "C": "4"}


def test_set_keeps_the_value_out_of_the_history(vault: Team) -> None:
    """From stdin with `-`, or typed unseen."""
    owner = vault.owner
    assert owner.keyway("set", "PEM", "-", stdin=AWKWARD["PEM"].encode() + b"\n").code == 0
    done = owner.at_terminal("set", "TYPED").until("value of TYPED: ").type("canary-typed\n").end()
    assert done.code == 0, done.out
    assert "canary-typed" not in done.out
    owner.keyway("pull")
    assert plain(owner.read()) == {"PEM": AWKWARD["PEM"], "TYPED": "canary-typed"}


def test_set_can_write_the_local_file_too(vault: Team) -> None:
    """-l edits .env as a pull would."""
    vault.owner.write("# mine\nA=1\n")
    assert vault.owner.keyway("set", "-l", "B=it's").code == 0
    assert vault.owner.read() == '# mine\nA=1\nB="it\'s"\n'


def test_set_refuses_before_it_asks_the_server(vault: Team) -> None:
    """Empty, missing, misnamed and too long values, without showing one."""
    long = "A=" + "x" * 65_537
    for arguments in (["A="], ["A", ""], ["A"], ["1A=x"], ["A-B=x"], ["PATH=x"], ["LD_PRELOAD=x"], [long]):
        done = vault.owner.keyway("set", *arguments)
        assert done.code == (1 if arguments == [long] else 2), arguments
        assert "xxxx" not in done.err
    assert vault.owner.keyway("pull").code == 4


# --- limits and bad files


def test_the_documented_limits(vault: Team) -> None:
    """1,000 keys and 64 KiB of UTF-8 are taken; one more is refused, with the line, before anything is sent."""
    owner = vault.owner
    for text, words in (
        ("".join(f"K{number}=v\n" for number in range(1_001)), "1001 keys"),
        (f"# c\nA='{'é' * 32_768}x'\n", ".env:2: A has 65537 bytes"),
    ):
        owner.write(text)
        refused = owner.keyway("push")
        assert refused.code == 1
        assert words in refused.err
    owner.write("".join(f"K{number}=v\n" for number in range(999)) + f"BIG='{'é' * 32_768}'\n")
    assert owner.keyway("push", "--json").json["created"] == 1_000
    assert owner.keyway("set", "ONE_MORE=1").code == 1
    assert owner.keyway("run", "--", "true").code == 0


@pytest.mark.parametrize("name", [name for name, (_, wanted) in CASES.items() if isinstance(wanted, Refused)][::6])
def test_a_hostile_file_sends_nothing(stack: Stack, alice: Person, tokens: dict[str, str], name: str) -> None:
    """File and line, no value, exit 1: the server is not asked."""
    data, wanted = CASES[name]
    assert isinstance(wanted, Refused)
    (alice.clone / ".env").write_bytes(data)
    done = alice.at(stack.api_url, tokens["stranger"]).keyway("push", "--yes")
    assert done.code == 1
    assert f".env:{wanted.line}: " in done.err
    assert CANARY not in done.err + done.out


def test_hostile_files_that_are_legal_arrive_as_documented(vault: Team) -> None:
    """What the grammar reads is what a teammate gets, commands and variables included as text."""
    values: dict[str, str] = {}
    for name, (data, wanted) in CASES.items():
        if isinstance(wanted, Refused) or name in {"hundred_thousand_keys", "names_that_start_programs"}:
            continue
        if any(len(value.encode()) > 65_536 for value in wanted.values()):
            continue
        (vault.owner.clone / ".env").write_bytes(data)
        parsed = plain(vault.owner.read())
        assert parsed == wanted
        values |= {f"{name}_{key}"[:256]: value for key, value in parsed.items()}
    vault.owner.write(rendered(values))
    assert vault.owner.keyway("push").code == 0
    vault.owner.keyway("pull", "--force", "-y")
    assert plain(vault.owner.read()) == values
    assert not list(vault.owner.clone.rglob("PWNED"))


def test_names_that_start_programs_are_refused_with_their_line(vault: Team) -> None:
    """Nothing of such a file is stored."""
    for name in ("PATH", "LD_PRELOAD", "GITHUB_ENV", "ENV"):
        vault.owner.write(f"A=1\n{name}=2\n")
        done = vault.owner.keyway("push")
        assert done.code == 1
        assert f"line 2: {name}" in done.err
    assert vault.owner.keyway("pull").code == 4


def awkward_values(count: int, seed: int) -> dict[str, str]:
    """Generated values with everything that has ever broken a `.env` file."""
    draw = random.Random(seed)  # noqa: S311
    pieces = [
        "'",
        '"',
        "\\",
        "$",
        "`",
        "#",
        " #",
        "=",
        " ",
        "\t",
        "\n",
        "\r",
        "\r\n",
        "\u00a0",
        "\u2028",
        "\ufeff",
        "é",
        "😀",
        "\\n",
    ]
    pieces += ["${A}", "$(x)", "-----BEGIN", '{"a": 1}', "x", "Y", "0", "\x1b", "\x7f", "\x85"]
    return {f"K{seed}_{n}": "".join(draw.choices(pieces, k=draw.randrange(60))) for n in range(count)}


def round_trip(vault: Team, seed: int) -> None:
    """A thousand values through file, push, pull as JSON, file, reader."""
    values = awkward_values(1_000, seed)
    vault.owner.write(rendered(values))
    pushed = vault.owner.keyway("push", "--prune", "--yes")
    assert pushed.code == 0, pushed.err
    (vault.owner.clone / ".env").unlink()
    pulled = vault.owner.keyway("pull")
    assert pulled.code == 0, pulled.err
    assert plain(vault.owner.read()) == values


def test_generated_values_survive_the_whole_way(vault: Team) -> None:
    """Two thousand values, 0 differences."""
    for seed in range(2):
        round_trip(vault, seed)


@pytest.mark.prove
def test_twenty_thousand_values_survive_the_whole_way(vault: Team) -> None:
    """Twenty thousand values, 0 differences."""
    for seed in range(20):
        round_trip(vault, seed)
