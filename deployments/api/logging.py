"""The front door's log: lines for people, or JSON lines with the job and the request that they are about."""

import json
import logging
from datetime import UTC, datetime
from typing import Final, Literal

from prefect.logging.configuration import setup_logging

from deployments.api.middleware import request_context

_TEXT_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class JsonFormatter(logging.Formatter):
    """One object a line. What an error says goes along; what is `None` is left out."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "job_id": request_context.job_id(),
            "request_id": request_context.request_id(),
            **getattr(record, "fields", {}),
            "error": self.formatException(record.exc_info) if record.exc_info else None,
        }
        return json.dumps({name: value for name, value in line.items() if value is not None})


def configure_logging(log_format: Literal["text", "json"]) -> None:
    """All that this process logs goes to stderr in this form, that of Prefect and of the web server included."""
    setup_logging()  # Prefect does so when it is first asked for something, and would put handlers of its own there
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if log_format == "json" else logging.Formatter(_TEXT_FORMAT))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    for name in ("uvicorn", "fastapi", "prefect", "prefect._internal"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    logging.getLogger("deployments.api").setLevel(logging.INFO)
