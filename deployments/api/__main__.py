"""`python -m deployments.api`: serve the API until SIGTERM or SIGINT; `settings.py` says where.

It then accepts no new connections, and exits when all requests have finished, or after `drain_seconds`.
"""

import math
import sys

from prefect.settings import PREFECT_API_URL

from deployments.api.app import create_app
from deployments.api.logging import configure_logging
from deployments.api.middleware.connection_limits import ServerConfig
from deployments.api.middleware.graceful_streams import GracefulServer
from deployments.api.settings import ApiSettings


def main() -> None:
    if not PREFECT_API_URL.value():  # Prefect would start a server inside this process
        sys.exit("PREFECT_API_URL is not set. Set it to the Prefect server, for example http://127.0.0.1:4200/api")
    settings = ApiSettings.current()
    configure_logging(settings.log_format)
    app = create_app()
    config = ServerConfig(
        app,
        settings,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,  # it would log callback addresses, which are secrets
        server_header=False,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=math.ceil(settings.drain_seconds),
    )
    GracefulServer(config, app.state.shutting_down).run()


if __name__ == "__main__":
    main()
