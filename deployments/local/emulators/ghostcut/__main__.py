"""`python -m deployments.local.emulators.ghostcut --port P --data DIR`"""

import os

from deployments.local.emulators.ghostcut.app import Api
from deployments.local.emulators.ghostcut.life import GhostCut
from deployments.local.emulators.serving import read_options, serve

# Known to everyone who can read this: the emulator guards nothing.
LOCAL_APP_KEY = "ghostcut-local-key"
LOCAL_APP_SECRET = "ghostcut-local-secret"  # noqa: S105


def main() -> None:
    options = read_options("deployments.local.emulators.ghostcut")
    secret = os.environ.get("GHOSTCUT_APP_SECRET", LOCAL_APP_SECRET)
    emulator = GhostCut(options, secret)
    api = Api(emulator, os.environ.get("GHOSTCUT_APP_KEY", LOCAL_APP_KEY), secret)
    serve(api.application(), options.port, emulator.leaving)


if __name__ == "__main__":
    main()
