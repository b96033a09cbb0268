"""`python -m deployments.gateway`: serve the front door until SIGTERM or SIGINT. See `settings.py` for where.

It then takes no new connections, and ends when all requests have ended, or after `drain_seconds`.
"""

import math
import sys

from prefect.settings import PREFECT_API_URL

from deployments.gateway.app import create_app
from deployments.gateway.connections import Serving
from deployments.gateway.leaving import Server
from deployments.gateway.logs import set_up
from deployments.gateway.settings import Door


def main() -> None:
    if not PREFECT_API_URL.value():  # Prefect would start a server of its own in here
        sys.exit("PREFECT_API_URL is not set: name the Prefect server, for example http://127.0.0.1:4200/api")
    door = Door()
    set_up(door.log_format)
    app = create_app()
    config = Serving(
        app,
        door,
        host=door.host,
        port=door.port,
        log_config=None,
        access_log=False,  # ours holds no addresses of callbacks, which are secrets
        server_header=False,
        timeout_keep_alive=door.idle_seconds,
        timeout_graceful_shutdown=math.ceil(door.drain_seconds),
    )
    Server(config, app.state.leaving).run()


if __name__ == "__main__":
    main()
