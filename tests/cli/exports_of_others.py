"""Export files of other programs, each in the shape that its documentation tells, and what an import makes of it."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any, Final, NamedTuple

ONE: Final = "canary-one"
PEM: Final = "-----BEGIN X-----\ncanary\n-----END X-----\n"


class Exported(NamedTuple):
    """A file: its name and bytes, the provider that is recognised, its values, and the names that are left out."""

    name: str
    data: bytes
    source: str
    values: dict[str, str]
    left_out: tuple[str, ...] = ()


def _json(document: Any) -> bytes:
    return json.dumps(document, indent=2).encode()


def _pux(document: Any) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("export.attributes", '{"version": 3, "description": "1Password Unencrypted Export"}')
        archive.writestr("export.data", json.dumps(document))
    return data.getvalue()


def _infisical(key: str, value: str, kind: str = "shared") -> dict[str, Any]:
    return {"key": key, "workspace": "w", "value": value, "type": kind, "_id": "1", "secretPath": "/", "tags": []}


def _doppler(value: str) -> dict[str, Any]:
    return {
        "computed": value, "computedVisibility": "masked", "note": "", "raw": "${X}", "rawVisibility": "masked",
    }  # fmt: skip


def _op_field(label: str, value: str | None, **more: str) -> dict[str, Any]:
    return {"id": more.pop("id", "q7"), "type": "CONCEALED", "label": label, "reference": "op://a/b"} | more | (
        {} if value is None else {"value": value}
    )  # fmt: skip


_OP_ITEM: Final = {
    "id": "x", "title": "Payment API", "version": 2, "vault": {"id": "v", "name": "Dev"}, "category": "API_CREDENTIAL",
    "fields": [
        _op_field("notesPlain", "words", id="notesPlain", purpose="NOTES"),
        _op_field("username", "ann", id="username"),
        _op_field("credential", ONE, id="credential"),
        _op_field("STRIPE_KEY", PEM),
        _op_field("webhook secret", "w"),
        _op_field("EMPTY", None),
    ],
}  # fmt: skip
_OP_NOTE: Final = {
    "title": "CERTIFICATE", "category": "SECURE_NOTE", "fields": [_op_field("notesPlain", PEM, purpose="NOTES")],
}  # fmt: skip
_OP_VALUES: Final = {"PAYMENT_API": ONE, "STRIPE_KEY": PEM, "WEBHOOK_SECRET": "w"}


def _pux_item(title: str, state: str = "active", category: str = "001", **details: Any) -> dict[str, Any]:
    return {"uuid": "u", "state": state, "categoryUuid": category, "overview": {"title": title}, "details": details}


_PUX: Final = {
    "accounts": [{
        "attrs": {"accountName": "Ann", "email": "ann@example.com"},
        "vaults": [{
            "attrs": {"name": "Dev"},
            "items": [
                _pux_item("Site Password", loginFields=[
                    {"value": "ann", "name": "u", "fieldType": "T", "designation": "username"},
                    {"value": ONE, "name": "p", "fieldType": "P", "designation": "password"},
                ], notesPlain="words", sections=[]),
                _pux_item("Old", state="archived", password="x"),
                _pux_item("TOKEN", category="005", password="t"),
                _pux_item("Cert", category="003", notesPlain=PEM),
                _pux_item("Api", category="112", sections=[{"title": "", "fields": [
                    {"title": "credential", "id": "credential", "value": {"concealed": "c"}},
                    {"title": "valid from", "id": "validFrom", "value": {"date": 1}},
                    {"title": "SALT", "id": "a1", "value": {"string": "s"}},
                ]}]),
            ],
        }],
    }]
}  # fmt: skip
_BW_ITEMS: Final = [
    {"object": "item", "id": "1", "type": 1, "reprompt": 0, "name": "Data base", "notes": "words", "favorite": False,
     "login": {"username": "ann", "password": ONE, "totp": None, "uris": []},
     "fields": [{"name": "DB_CERT", "value": PEM, "type": 1}, {"name": "linked", "value": None, "type": 3}]},
    {"object": "item", "id": "2", "type": 2, "reprompt": 0, "name": "NOTE", "notes": "n", "secureNote": {"type": 0}},
]  # fmt: skip
_BW_VALUES: Final = {"DATA_BASE": ONE, "DB_CERT": PEM, "NOTE": "n"}
_BWS: Final = {"id": "1", "organizationId": "o", "projectId": "p", "note": "", "creationDate": "", "revisionDate": ""}
_SECRET: Final = f"""apiVersion: v1
kind: Secret
metadata:
  name: app
data:
  A: Y2FuYXJ5LW9uZQ==
stringData:
  PEM: |
    {PEM.replace(chr(10), chr(10) + "    ").rstrip(" ")}"""
_SIMPLE: Final = {"A": ONE, "PEM": PEM, "PORT": "8080", "EMPTY": ""}
_DOPPLER_OWN: Final = {"DOPPLER_PROJECT": "app", "DOPPLER_ENVIRONMENT": "dev", "DOPPLER_CONFIG": "dev"}

EXPORTS: Final[dict[str, Exported]] = {
    "dotenv": Exported(".env.prod", f"export A={ONE} # w\nPEM='{PEM}'\nPORT=8080\nEMPTY=".encode(), "dotenv", _SIMPLE),
    "json": Exported(
        "a.json", b'\xef\xbb\xbf{"A": "canary-one", "PORT": 8080, "ON": true, "BIG": 1E400}', "json",
        {"A": ONE, "PORT": "8080", "ON": "true", "BIG": "1E400"},
    ),
    "yaml": Exported(
        "a.yml", f"A: {ONE}\nB: yes\nC: 012\nD: 2026-01-01\nE: ''\nNO: |\n  a\n  b\nF: 'it''s'\n".encode(), "yaml",
        {"A": ONE, "B": "yes", "C": "012", "D": "2026-01-01", "E": "", "NO": "a\nb\n", "F": "it's"},
    ),
    "csv": Exported("a.csv", f'key,value\nA,{ONE}\nPEM,"{PEM}"\n'.encode(), "csv", {"A": ONE, "PEM": PEM}),
    "csv by name": Exported("a.csv", b'Name,Value,Note\r\nA,"a ""b"", c",x\r\n', "csv", {"A": 'a "b", c'}),
    "docker": Exported("env.list", b"# c\nA='q' # all\n  B= b \n", "docker", {"A": "'q' # all", "B": " b "}),
    "doppler": Exported("d.json", _json(_SIMPLE | _DOPPLER_OWN), "doppler", _SIMPLE, tuple(_DOPPLER_OWN)),
    "doppler env": Exported(
        ".env", b'A="canary-one"\nDOPPLER_PROJECT="app"\nDOPPLER_CONFIG="dev"\n', "doppler", {"A": ONE},
        ("DOPPLER_PROJECT", "DOPPLER_CONFIG"),
    ),
    "doppler secrets --json": Exported(
        "d.json", _json({"A": _doppler(ONE), "PEM": _doppler(PEM)}), "doppler", {"A": ONE, "PEM": PEM}
    ),
    "infisical": Exported(
        "i.json", _json([_infisical("A", ONE), _infisical("PEM", PEM), _infisical("MINE", "x", "personal")]),
        "infisical", {"A": ONE, "PEM": PEM}, ("MINE",),
    ),
    "infisical csv": Exported("i.csv", f"Key,Value\nA,{ONE}\n".encode(), "csv", {"A": ONE}),
    "infisical api": Exported(
        "i.json", _json({"secrets": [{"secretKey": "A", "secretValue": ONE, "type": "shared"}], "imports": []}),
        "infisical", {"A": ONE},
    ),
    "vault kv 2": Exported(
        "v.json", _json({"request_id": "r", "data": {"data": {"A": ONE, "N": 1}, "metadata": {"version": 3}}}),
        "vault", {"A": ONE, "N": "1"},
    ),
    "vault kv 1": Exported("v.yaml", b"request_id: r\ndata:\n  A: canary-one\n", "vault", {"A": ONE}),
    "dotenvx": Exported(
        ".env", f'#/---/\nDOTENV_PUBLIC_KEY_PRODUCTION="03aa"\nA="{ONE}"\n'.encode(), "dotenvx", {"A": ONE},
        ("DOTENV_PUBLIC_KEY_PRODUCTION",),
    ),
    "1password item": Exported("o.json", _json(_OP_ITEM), "1password", _OP_VALUES),
    "1password items": Exported("o.json", _json([_OP_ITEM, _OP_NOTE]), "1password", _OP_VALUES | {"CERTIFICATE": PEM}),
    "1pux": Exported(
        "o.1pux", _pux(_PUX), "1password",
        {"SITE_PASSWORD": ONE, "TOKEN": "t", "Cert": PEM, "Api": "c", "SALT": "s"}, ("Old",),
    ),
    "1password csv": Exported(
        "o.csv", b"Title,Url,Username,Password,OTPAuth,Favorite,Archived,Notes\nSite,u,a,canary-one,,false,false,\n",
        "1password", {"Site": ONE},
    ),
    "bitwarden": Exported(
        "b.json", _json({"encrypted": False, "folders": [], "items": _BW_ITEMS}), "bitwarden", _BW_VALUES
    ),
    "bw list items": Exported("b.json", _json(_BW_ITEMS), "bitwarden", _BW_VALUES),
    "bws": Exported("b.json", _json([_BWS | {"key": "A", "value": ONE}]), "bitwarden", {"A": ONE}),
    "bitwarden secrets": Exported(
        "b.json", _json({"projects": [], "secrets": [{"key": "A", "value": ONE, "note": "", "projectIds": []}]}),
        "bitwarden", {"A": ONE},
    ),
    "bitwarden csv": Exported(
        "b.csv",
        b"folder,favorite,type,name,notes,fields,reprompt,login_uri,login_username,login_password,login_totp\n"
        b",,login,Site A,words,,0,https://x,ann,canary-one,\n,,note,N,inside,,0,,,,\n",
        "bitwarden", {"SITE_A": ONE, "N": "inside"},
    ),
    "k8s": Exported("s.yaml", _SECRET.encode(), "k8s", {"A": ONE, "PEM": PEM}),
    "k8s, several": Exported(
        "s.yaml", f"kind: ConfigMap\ndata:\n  X: plain\n---\n{_SECRET}---\nkind: Secret\ndata:\n  B: Yg==\n".encode(),
        "k8s", {"A": ONE, "PEM": PEM, "B": "b"},
    ),
    "k8s list": Exported(
        "s.json", _json({"kind": "List", "items": [{"kind": "Secret", "data": {"B": "Yg=="}}]}), "k8s", {"B": "b"}
    ),
    "aws": Exported("a.json", _json({"ARN": "arn", "SecretString": '{"A": "canary-one"}'}), "aws", {"A": ONE}),
}  # fmt: skip
