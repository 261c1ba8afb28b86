"""Hostile `.env` files: each is read exactly as docs/dotenv.md says, or refused with the number of a line.

The name tells the defect. An expectation is either what the file assigns or `Refused(line, words of the reason)`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

CANARY: Final = "canary-7f3a"


class Refused(NamedTuple):
    """Where a file is refused, and words that the reason must hold."""

    line: int
    words: str


PEM: Final = "-----BEGIN PRIVATE KEY-----\nMIIB+/==\n-----END PRIVATE KEY-----\n"
JSON: Final = '{"a": "b c", "d": ["$HOME", "\\n", \'x\']}'

CASES: Final[dict[str, tuple[bytes, dict[str, str] | Refused]]] = {
    # --- the file as a whole
    "empty_file": (b"", {}),
    "only_a_byte_order_mark": (b"\xef\xbb\xbf", {}),
    "only_blank_lines": (b"\n \n\t\n\r\n", {}),
    "only_comments": (b"# a=1\n   # b=2\n\t#", {}),
    "byte_order_mark": (b"\xef\xbb\xbfA=1\n", {"A": "1"}),
    "two_byte_order_marks": (b"\xef\xbb\xbf\xef\xbb\xbfA=1\n", Refused(1, "letters")),
    "byte_order_mark_on_second_line": (b"A=1\n\xef\xbb\xbfB=2\n", Refused(2, "letters")),
    "crlf": (b"A=1\r\nB='2'\r\n\r\n# c\r\nC=\r\n", {"A": "1", "B": "2", "C": ""}),
    "mixed_line_ends": (b"A=1\nB=2\r\nC=3", {"A": "1", "B": "2", "C": "3"}),
    "cr_only_line_ends": (b"A=1\rB=2\r", Refused(1, "carriage return")),
    "cr_inside_a_value": (b"A=1\nB=x\ry\n", Refused(2, "carriage return")),
    "cr_cr_lf": (b"A=1\r\r\n", Refused(1, "carriage return")),
    "cr_inside_double_quotes": (b'A="x\ry"\n', Refused(1, "carriage return")),
    "no_final_newline": (b"A=1", {"A": "1"}),
    "utf16_little_endian": ("A=1\n".encode("utf-16"), Refused(1, "UTF-16")),
    "utf16_big_endian": (b"\xfe\xff" + "A=1\n".encode("utf-16-be"), Refused(1, "UTF-16")),
    "utf16_without_mark": ("A=1\n".encode("utf-16-le"), Refused(1, "NUL")),
    "utf32": ("A=1\n".encode("utf-32"), Refused(1, "UTF-16")),
    "latin1": (b"A=1\nB=\xe9\n", Refused(2, "UTF-8")),
    "truncated_utf8": (b"A=1\nB=2\nC=\xf0\x9f", Refused(3, "UTF-8")),
    "overlong_utf8": (b"A=\xc0\xaf\n", Refused(1, "UTF-8")),
    "surrogate_in_utf8": (b"A=\xed\xa0\x80\n", Refused(1, "UTF-8")),
    "nul_in_value": (b"A=1\nB=x\0y\n", Refused(2, "NUL")),
    "nul_in_comment": (b"# \0\nA=1\n", Refused(1, "NUL")),
    "hundred_thousand_keys": (
        b"".join(b"K%d=v\n" % number for number in range(100_000)),
        {f"K{number}": "v" for number in range(100_000)},
    ),
    "line_of_64_kib": (b"A=" + b"x" * 65_536 + b"\nB=1\n", {"A": "x" * 65_536, "B": "1"}),
    "blanks_of_64_kib": (b"A=" + b" " * 65_536 + b"x" + b"\t" * 65_536 + b"\n", {"A": "x"}),
    "html_page_instead": (b"<!doctype html>\n<html lang='en'>\n", Refused(1, "'='")),
    "json_instead": (b'{\n  "A": "1"\n}\n', Refused(1, "'='")),
    "yaml_instead": (b"A: 1\nB: 2\n", Refused(1, "'='")),
    "merge_conflict_left_in": (b"<<<<<<< HEAD\nA=1\n=======\nA=2\n>>>>>>> x\n", Refused(1, "'='")),
    "merge_conflict_middle": (b"A=1\n=======\nB=2\n", Refused(2, "name")),
    # --- names
    "no_name": (b"=1\n", Refused(1, "no name")),
    "no_name_but_export": (b"export =1\n", {"export": "1"}),
    "no_equals": (b"A=1\nTOKEN\n", Refused(2, "'='")),
    "export_without_value": (b"export TOKEN\n", Refused(1, "'='")),
    "export": (b"export A=1\n\texport\tB='2'\n", {"A": "1", "B": "2"}),
    "export_glued": (b"exportA=1\n", {"exportA": "1"}),
    "export_twice": (b"export export A=1\n", Refused(1, "letters")),
    "blanks_around_equals": (b"  A \t=  1\n", {"A": "1"}),
    "name_starts_with_digit": (b"1A=1\n", Refused(1, "digit")),
    "name_with_dash": (b"A-B=1\n", Refused(1, "letters")),
    "name_with_dot": (b"a.b=1\n", Refused(1, "letters")),
    "name_with_blank": (b"A B=1\n", Refused(1, "letters")),
    "name_in_quotes": (b"'A'=1\n", Refused(1, "letters")),
    "name_like_a_path": (b"../../etc/passwd=1\n", Refused(1, "letters")),
    "name_of_an_array": (b"A[0]=1\n", Refused(1, "letters")),
    "name_in_unicode": ("CLÉ=1\n".encode(), Refused(1, "letters")),
    "name_with_fullwidth_digit": ("A\uff11=1\n".encode(), Refused(1, "letters")),
    "name_with_zero_width_space": ("A\u200bB=1\n".encode(), Refused(1, "letters")),
    "name_with_bidi_override": ("A\u202eB=1\n".encode(), Refused(1, "letters")),
    "nbsp_before_name": ("\u00a0A=1\n".encode(), Refused(1, "letters")),
    "nbsp_after_name": ("A\u00a0=1\n".encode(), Refused(1, "letters")),
    "name_of_256": (b"A" * 256 + b"=1\n", {"A" * 256: "1"}),
    "name_of_257": (b"A" * 257 + b"=1\n", Refused(1, "256")),
    "duplicate": (b"A=1\nB=2\n\nA=3\n", Refused(4, "line 1")),
    "duplicate_after_many_lines": (b"A='x\ny\nz'\nB=1\nexport A=3\n", Refused(5, "line 1")),
    "same_name_other_case": (b"A=1\na=2\n", {"A": "1", "a": "2"}),
    "names_that_start_programs": (
        b"PATH=/x\nLD_PRELOAD=/y\nGITHUB_ENV=z\n",
        {"PATH": "/x", "LD_PRELOAD": "/y", "GITHUB_ENV": "z"},
    ),
    "dunder_names": (b"__proto__=1\nconstructor=2\n", {"__proto__": "1", "constructor": "2"}),
    # --- bare values
    "empty_value": (b"A=\nB= \nC=\t# c\n", {"A": "", "B": "", "C": ""}),
    "equals_in_value": (b"A=b=c==\n", {"A": "b=c=="}),
    "hash_without_blank": (b"A=b#c\nB=#c\n", {"A": "b#c", "B": "#c"}),
    "hash_after_blank": (b"A=b #c\nB=b\t# c # d\n", {"A": "b", "B": "b"}),
    "hash_after_nbsp": ("A=b\u00a0#c\n".encode(), {"A": "b\u00a0#c"}),
    "trailing_blanks": (b"A=b \t \nB=c\n", {"A": "b", "B": "c"}),
    "trailing_nbsp": ("A=b\u00a0\n".encode(), {"A": "b\u00a0"}),
    "blank_inside": (b"A=b c\td\n", {"A": "b c\td"}),
    "quotes_inside_bare": (b"A=it's\nB=5\"x\n", {"A": "it's", "B": '5"x'}),
    "backslashes_in_bare": (b"A=C:\\new\\$x\\\n", {"A": "C:\\new\\$x\\"}),
    "variable": (b'A=$HOME\nB=${HOME}/x\nC="$HOME"\nD=$$\n', {"A": "$HOME", "B": "${HOME}/x", "C": "$HOME", "D": "$$"}),
    "command_substitution": (
        b'A=$(touch PWNED)\nB=`touch PWNED`\nC="$(touch PWNED)"\n',
        {"A": "$(touch PWNED)", "B": "`touch PWNED`", "C": "$(touch PWNED)"},
    ),
    "shell_after_value": (b"A=1; touch PWNED\nB=2 && touch PWNED\n", {"A": "1; touch PWNED", "B": "2 && touch PWNED"}),
    "unicode_line_separators": (
        "A=x\u2028y\u2029z\x85w\x0bv\x0cu\n".encode(),
        {"A": "x\u2028y\u2029z\x85w\x0bv\x0cu"},
    ),
    "emoji": ("A=👩‍🚀 ok\n".encode(), {"A": "👩‍🚀 ok"}),
    "bidi_in_value": ("A=x\u202ey\u2066z\n".encode(), {"A": "x\u202ey\u2066z"}),
    "escape_codes": (b"A=\x1b[31mred\x07\n", {"A": "\x1b[31mred\x07"}),
    "heredoc_like": (b"A=<<EOF\nghadelimiter_1=EOF\n", {"A": "<<EOF", "ghadelimiter_1": "EOF"}),
    "python_like": (b"A=__import__('os').system('x')\n", {"A": "__import__('os').system('x')"}),
    # --- quoted values
    "single_quotes_are_literal": (b"A='a\\n$b \"c\" # d'\n", {"A": 'a\\n$b "c" # d'}),
    "double_quotes_escape": (b'A="a\\n\\r\\t\\\\\\"\\$\\`b"\n', {"A": 'a\n\r\t\\"$`b'}),
    "unknown_escapes_stay": (b'A="C:\\dir\\u0041\\x41\\0"\n', {"A": "C:\\dir\\u0041\\x41\\0"}),
    "backslash_before_line_end": (b'A="a\\\nb"\n', {"A": "a\\\nb"}),
    "empty_quotes": (b"A=''\nB=\"\"\n", {"A": "", "B": ""}),
    "blanks_inside_quotes": (b"A='  a  '\nB=\"\tb\t\"\n", {"A": "  a  ", "B": "\tb\t"}),
    "hash_inside_quotes": (b"A='a # b' # c\nB=\"a # b\"\t# c\n", {"A": "a # b", "B": "a # b"}),
    "pem_in_single_quotes": (f"A='{PEM}'\nB=1\n".encode(), {"A": PEM, "B": "1"}),
    "pem_in_double_quotes_with_crlf": (f'A="{PEM}"\nB=1\n'.replace("\n", "\r\n").encode(), {"A": PEM, "B": "1"}),
    "pem_on_one_line": (f'A="{PEM}"'.replace("\n", "\\n").encode(), {"A": PEM}),
    "pem_without_quotes": (f"A=1\nB={PEM}".encode(), Refused(3, "letters")),
    "json_in_double_quotes": (
        ("A=" + '"' + JSON.replace("\\", "\\\\").replace('"', '\\"') + '"\n').encode(),
        {"A": JSON},
    ),
    "json_without_quotes": (b'A={"a":"b c"}\n', {"A": '{"a":"b c"}'}),
    "comment_mark_inside_several_lines": (b"A='a\n# not a comment\nb'\n", {"A": "a\n# not a comment\nb"}),
    "assignment_inside_several_lines": (b"A='a\nB=2\n'\nC=3\n", {"A": "a\nB=2\n", "C": "3"}),
    "lone_single_quote": (f"A='\nB={CANARY}\n".encode(), Refused(1, "never closed")),
    "lone_double_quote": (f'A=1\nB="{CANARY}\n'.encode(), Refused(2, "never closed")),
    "escaped_closing_quote": (f'A="{CANARY}\\"\n'.encode(), Refused(1, "never closed")),
    "backslash_before_single_quote": (b"A='a\\'\nB=1\n", {"A": "a\\", "B": "1"}),
    "text_after_single_quote": (f"A='x'{CANARY}\n".encode(), Refused(1, "closing quote")),
    "text_after_double_quote": (f'A="x" {CANARY}\n'.encode(), Refused(1, "closing quote")),
    "text_after_quote_lines_later": (f"B=1\nA='x\n\ny' {CANARY}\n".encode(), Refused(4, "opened on line 2")),
    "shell_quote_trick": (b"A='it'\\''s'\n", Refused(1, "closing quote")),
    "two_strings_in_a_row": (b"A='a'\"b\"\n", Refused(1, "closing quote")),
    "hash_glued_to_quote": (b"A='a'#b\n", Refused(1, "closing quote")),
    "quote_closed_by_the_next_assignment": (f'A="x\nB="{CANARY}"\n'.encode(), Refused(2, "opened on line 1")),
    "curly_quotes": ("A=“x”\n".encode(), {"A": "“x”"}),
    "backticks_are_no_quotes": (b"A=`a b` # c\n", {"A": "`a b`"}),
    "quoted_64_kib": (b'A="' + b"\\n" * 65_536 + b'"\n', {"A": "\n" * 65_536}),
}
