"""Which addresses webhooks may go to. Each connection checks the resolved address (`videojobs.webhooks.sender`)."""

import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from videojobs.errors import FieldError, ProblemCode
from videojobs.media.url_policy import UrlPolicy
from videojobs.settings import AccessSettings

_UNSAFE: Final = re.compile(r'[^!-~]|["<>\\^`{|}]')
MAX_URL_LENGTH: Final = 2048  # characters; proxies and servers of receivers cut longer ones


def webhook_policy(access: AccessSettings) -> UrlPolicy:
    """A webhook goes where a client wants it, so what holds for clients' links holds here; only hosts are free."""
    return UrlPolicy(allow_private=access.allow_private_inputs, allow_http=access.allow_plain_http)


def webhook_url_error(url: str, access: AccessSettings | None = None) -> str | None:
    """Why this cannot be the address of a webhook, and what to do; None if it can."""
    policy = webhook_policy(access or AccessSettings.current())
    try:
        parts = urlsplit(url)
        _, host = parts.port, parts.hostname  # `port` raises ValueError for what is no port
    except ValueError:
        return "is not a valid address; give one such as https://example.com/webhooks"
    rules = {
        f"must have at most {MAX_URL_LENGTH} characters": len(url) <= MAX_URL_LENGTH,
        "must be ASCII without spaces; percent-encode other characters": _UNSAFE.search(url) is None,
        "must begin with https:// and a host": bool(host) and parts.scheme in _schemes(policy),
        "must not contain a user or a password; webhooks are signed": parts.username is parts.password is None,
        "must not have a fragment (#...): it is never sent": "#" not in url,
        "must lead to a host that anyone on the internet can reach": policy.host_error(host or "") is None,
    }
    return next((message for message, holds in rules.items() if not holds), None)


def _schemes(policy: UrlPolicy) -> tuple[str, ...]:
    return ("https", "http") if policy.allow_http else ("https",)


def callback_url_errors(fields: Mapping[str, object], access: AccessSettings) -> Iterator[FieldError]:
    """What is wrong with a request's `callback_url`, if it has one."""
    url = fields.get("callback_url")
    if isinstance(url, str) and url.strip() and (error := webhook_url_error(url.strip(), access)):
        yield FieldError("callback_url", error, ProblemCode.INVALID_FORMAT)


def valid_webhook_url(value: object) -> str | None:
    """The value, if it can be the address of a webhook."""
    return value if isinstance(value, str) and webhook_url_error(value) is None else None
