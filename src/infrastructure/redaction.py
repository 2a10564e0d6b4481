"""Masks secrets wherever they stand in what is printed: whole, encoded in some way, or a part of them.

It is the last step before anything leaves the process, so that it holds for foreign libraries' words too. What the
process was given is masked by its letters; what it meets (tokens, addresses with passwords) by its form.
"""

import os
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import quote, unquote

MASK: Final = "[secret]"
SHORTEST: Final = 6
"""A secret with fewer characters would mask half of every line."""
WINDOW: Final = 8
"""So many characters of a secret in a row are already too many."""

SECRET_VARIABLES: Final = (
    *("DATABASE_URL", "MIGRATION_DATABASE_URL", "SUPABASE_SECRET_KEY", "SUPABASE_JWT_SECRET"),
    "LINGUALINK_RATE_LIMIT_URL",
)

# Callers write into the log, so each of these looks at a letter a bounded number of times, whatever the text.
_WORD: Final = re.compile(r"[^\s\"'\\]+")
_USER_IN_ADDRESS: Final = re.compile(r"://[^:/@]*:")
_PASSWORD_PARAMETER: Final = re.compile(
    r"\b(password|passwd|sslpassword|apikey)(=|%3D)[^\s&\"'\\]+", re.IGNORECASE
)
_TOKEN: Final = re.compile(r"eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,2}")
_BEARER: Final = re.compile(r"(bearer\s+)(?!\[secret\])[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
_SECRET_KEY: Final = re.compile(r"sb_secret_[A-Za-z0-9_-]+")
_ADDRESS_WITH_PASSWORD: Final = re.compile(r"://[^:/@]*:(.*)@", re.DOTALL)
_CUT_BEFORE: Final = r"(?:\\+u[0-9a-fA-F]{0,3}|\\*)"
_HALF_AN_ESCAPE: Final = re.compile(rf"{_CUT_BEFORE}\Z")
_RUN: Final = re.compile(r"[^\s\"'\\{}\[\],:]{8,}")


class Redactor:
    """Masks the *secrets* that it was given, and what looks like one."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {form for secret in secrets for form in _forms(secret) if len(form) >= SHORTEST}
        self._forms = [(form, _pattern(form)) for form in sorted(forms, key=len, reverse=True)]
        self._windows = {
            run[place : place + WINDOW]
            for form in forms
            for run in _RUN.findall(form)
            for place in range(len(run) - WINDOW + 1)
        }

    def __call__(self, text: str) -> str:
        """*text* without whole secrets, and without what has the form of one. Cheap enough for every request."""
        for form, pattern in self._forms:
            if form in text:
                text = pattern.sub(MASK, text)
        if "://" in text:
            text = _WORD.sub(_without_password, text)
        if "eyJ" in text:
            text = _TOKEN.sub(MASK, text)
        if "sb_secret_" in text:
            text = _SECRET_KEY.sub(MASK, text)
        if "earer" in text or "EARER" in text:
            text = _BEARER.sub(rf"\1{MASK}", text)
        return text

    def thorough(self, text: str) -> str:
        """The same, and without any eight characters in a row of a secret."""
        text = _PASSWORD_PARAMETER.sub(rf"\1\2{MASK}", self(text))
        hits = [
            place for place in range(len(text) - WINDOW + 1) if text[place : place + WINDOW] in self._windows
        ]
        return _without(text, hits) if hits else text


def _without_password(word: re.Match[str]) -> str:
    """A word without the password of the address in it: all between its user and the last ``@``."""
    text = word[0]
    host = text.rfind("@")
    user = _USER_IN_ADDRESS.search(text, 0, host - 1) if host > 0 else None
    return text if user is None else text[: user.end()] + MASK + text[host:]


def _without(text: str, hits: list[int]) -> str:
    """*text* with each stretch of windows that begin at *hits* masked once."""
    kept, end = [], 0
    for place in hits:
        if place >= end:
            kept += [_HALF_AN_ESCAPE.sub("", text[end:place]), MASK]
        end = place + WINDOW
    return "".join([*kept, text[end:]])


def _pattern(form: str) -> re.Pattern[str]:
    """Finds *form* with what it may have cut of JSON's escapes at its ends: half of one would break the line."""
    stem = form.rstrip("\\")
    text = _CUT_BEFORE + re.escape(stem)
    if stem != form:  # a run of backslashes is pairs, and at its end perhaps one that belongs to what follows
        text += rf"(?=\\{{{len(form) - len(stem)}}})(?:\\\\)*(?:\\.)?"
    return re.compile(text, re.DOTALL)


def _forms(secret: str) -> set[str]:
    """How *secret* may look in a text: as it is, encoded, escaped, and its parts between odd characters."""
    plain = unquote(secret)
    octets = plain.encode()
    return {
        *(secret, plain, quote(plain, safe=""), quote(plain), ascii(plain)[1:-1]),
        # whatever stands before it, two of three letters of its base64 are its own
        *(
            encode(octets[start:]).decode().rstrip("=")[:-1]
            for encode in (b64encode, urlsafe_b64encode)
            for start in range(3)
        ),
        *(part for part in re.split(r"[^A-Za-z0-9]+", plain) if len(part) >= WINDOW),
    }


def secrets_of(environment: Mapping[str, str]) -> set[str]:
    """What of *environment* must never be printed, well-formed or not."""
    found: set[str] = set()
    for name in SECRET_VARIABLES:
        if not (value := environment.get(name, "").strip()):
            continue
        if "URL" not in name:
            found.add(value)
        elif password := _ADDRESS_WITH_PASSWORD.search(value):
            found |= {password.group(1), password.group(1).strip("[]")}
    return found


_redactor: Redactor | None = None


def mask_also(secrets: Iterable[str]) -> None:
    """From here on mask *secrets* too, beside those of the environment."""
    global _redactor  # noqa: PLW0603 - one process has one set of secrets
    _redactor = Redactor(secrets_of(os.environ) | set(secrets))


def redact(text: str, *, thorough: bool = True) -> str:
    """*text* with this process's secrets masked."""
    if _redactor is None:
        mask_also(())
        return redact(text, thorough=thorough)
    return _redactor.thorough(text) if thorough else _redactor(text)
