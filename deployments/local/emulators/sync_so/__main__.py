"""`python -m deployments.local.emulators.sync_so --port P --data DIR`"""

import os

from deployments.local.emulators.serving import read_options, serve
from deployments.local.emulators.sync_so.app import Api
from deployments.local.emulators.sync_so.life import SyncSo

# Known to everyone who can read this: the emulator guards nothing.
LOCAL_API_KEY = "sync-so-local-key"
LOCAL_WEBHOOK_SECRET = "whsec_local"  # noqa: S105


def main() -> None:
    options = read_options("deployments.local.emulators.sync_so")
    emulator = SyncSo(options, os.environ.get("SYNC_SO_WEBHOOK_SECRET", LOCAL_WEBHOOK_SECRET))
    api = Api(emulator, os.environ.get("SYNC_SO_API_KEY", LOCAL_API_KEY))
    serve(api.application(), options.port, emulator.leaving)


if __name__ == "__main__":
    main()
