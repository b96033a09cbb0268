"""`python -m deployments.local.emulators.ghostcut --port P --data DIR`"""

import os

from deployments.local.emulators.ghostcut.app import Api
from deployments.local.emulators.ghostcut.lifecycle import GhostCutEmulator
from deployments.local.emulators.server import parse_options, serve

# Public: the emulator protects nothing.
LOCAL_APP_KEY = "ghostcut-local-key"
LOCAL_APP_SECRET = "ghostcut-local-secret"  # noqa: S105


def main() -> None:
    options = parse_options("deployments.local.emulators.ghostcut")
    secret = os.environ.get("GHOSTCUT_APP_SECRET", LOCAL_APP_SECRET)
    emulator = GhostCutEmulator(options, secret)
    api = Api(emulator, os.environ.get("GHOSTCUT_APP_KEY", LOCAL_APP_KEY), secret)
    serve(api.build_app(), options.port, emulator.release_waiters)


if __name__ == "__main__":
    main()
