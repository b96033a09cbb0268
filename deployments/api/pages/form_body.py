"""Reads the small forms of pages: text fields only."""

from urllib.parse import parse_qs

from fastapi import Request

from deployments.api.request_body import read_body

FormFields = dict[str, list[str]]

_MAX_BYTES = 16 * 1024  # an address of 2048 characters, percent-encoded, and some names


async def read_form_fields(request: Request) -> FormFields:
    """The values of each field. Raises HTTPException for a body that is too large or incomplete."""
    body = await read_body(request, _MAX_BYTES)
    return parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)


def first_value(fields: FormFields, name: str) -> str:
    """The field's first value, "" without one."""
    return fields.get(name, [""])[0].strip()
