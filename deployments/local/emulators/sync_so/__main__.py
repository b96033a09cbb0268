"""`python -m deployments.local.emulators.sync_so --port P --data DIR`"""

import os

from deployments.local.emulators.server import parse_options, serve
from deployments.local.emulators.sync_so.app import Api
from deployments.local.emulators.sync_so.lifecycle import SyncSoEmulator

# Public: the emulator protects nothing.
LOCAL_API_KEY = "sync-so-local-key"
LOCAL_WEBHOOK_SECRET = "whsec_local"  # noqa: S105


def main() -> None:
    options = parse_options("deployments.local.emulators.sync_so")
    emulator = SyncSoEmulator(options, os.environ.get("SYNC_SO_WEBHOOK_SECRET", LOCAL_WEBHOOK_SECRET))
    api = Api(emulator, os.environ.get("SYNC_SO_API_KEY", LOCAL_API_KEY))
    serve(api.build_app(), options.port, emulator.release_waiters)


if __name__ == "__main__":
    main()
