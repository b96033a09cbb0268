"""`python -m deployments.gateway`: serve the front door until SIGTERM or SIGINT. See `settings.py` for where."""

import logging
import sys

import uvicorn
from prefect.settings import PREFECT_API_URL

from deployments.gateway.app import create_app
from deployments.gateway.settings import Door


def main() -> None:
    if not PREFECT_API_URL.value():  # Prefect would start a server of its own in here
        sys.exit("PREFECT_API_URL is not set: name the Prefect server, for example http://127.0.0.1:4200/api")
    logging.basicConfig()  # Prefect puts handlers of its own in place of this as soon as it is asked for a block
    logging.getLogger("deployments.gateway").setLevel(logging.INFO)
    door = Door()
    uvicorn.run(
        create_app(),
        host=door.host,
        port=door.port,
        access_log=False,  # the addresses of callbacks are secrets
        server_header=False,
        timeout_graceful_shutdown=5,  # seconds; a callback that is cut off comes again
    )


if __name__ == "__main__":
    main()
