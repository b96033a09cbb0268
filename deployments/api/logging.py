"""Logs of the API process: lines for people, or JSON objects with the job and the request that they are about."""

import logging
from datetime import UTC, datetime
from typing import Any, Final, Literal

from prefect.logging.configuration import setup_logging
from pythonjsonlogger.json import JsonFormatter as BaseJsonFormatter

from deployments.api.middleware import request_context

_TEXT_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class JsonFormatter(BaseJsonFormatter):
    """One object per line, with the record's `fields` and its exception. Fields that are None are left out."""

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        fields = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "job_id": request_context.job_id(),
            "request_id": request_context.request_id(),
            **getattr(record, "fields", {}),
            "error": message_dict.get("exc_info"),
        }
        log_data.update({name: value for name, value in fields.items() if value is not None})


def configure_logging(log_format: Literal["text", "json"]) -> None:
    """Send all logs of this process to stderr in this form, those of Prefect and uvicorn included."""
    setup_logging()  # Prefect would call it later, and add handlers of its own
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if log_format == "json" else logging.Formatter(_TEXT_FORMAT))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    for name in ("uvicorn", "fastapi", "prefect", "prefect._internal"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    logging.getLogger("deployments.api").setLevel(logging.INFO)
