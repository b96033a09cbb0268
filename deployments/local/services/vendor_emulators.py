"""The emulators of the two paid vendors. See `deployments/local/emulators`."""

from collections.abc import Mapping
from dataclasses import dataclass

from deployments.local.stack.data_dir import HOST, DataDir
from deployments.local.stack.probes import is_healthy
from deployments.local.stack.process_factory import ProcessFactory
from deployments.local.stack.service import Service


@dataclass(frozen=True)
class EmulatedVendor:
    """`name` is also the emulator's module. `fast_settings` are for a vendor that takes seconds, not minutes.

    The real vendor requires the variables in `secrets`, and works without the `optional` ones.
    """

    name: str
    base_url: str
    secrets: tuple[str, ...]
    fast_settings: Mapping[str, str]
    optional: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()  # of the real vendor only, and no secrets


SYNC_SO = EmulatedVendor(
    name="sync_so",
    base_url="SYNC_SO_BASE_URL",
    secrets=("SYNC_SO_API_KEY",),
    fast_settings={"VIDEOJOBS_SYNC_LONG_POLL_SECONDS": "2"},
    optional=("SYNC_SO_WEBHOOK_SECRET",),
)
GHOSTCUT = EmulatedVendor(
    name="ghostcut",
    base_url="GHOSTCUT_BASE_URL",
    secrets=("GHOSTCUT_APP_KEY", "GHOSTCUT_APP_SECRET"),
    fast_settings={
        "VIDEOJOBS_GHOSTCUT_POLL_FIRST_SECONDS": "1",
        "VIDEOJOBS_GHOSTCUT_POLL_MAX_SECONDS": "2",
        "VIDEOJOBS_GHOSTCUT_POLL_CALLBACK_SECONDS": "0.5",
        "VIDEOJOBS_GHOSTCUT_SETTLING_SECONDS": "5",  # the emulator lists accepted works at once
    },
    settings=("GHOSTCUT_SUBMIT_PATH",),
)


class VendorEmulatorService(Service):
    """One vendor. Its credentials are generated for this data folder."""

    def __init__(
        self, data_dir: DataDir, process_factory: ProcessFactory, vendor: EmulatedVendor, *, processing_seconds: float
    ) -> None:
        self.name = vendor.name
        port = data_dir.port(vendor.name)
        self.address = f"http://{HOST}:{port}"
        self._vendor = vendor
        self._secrets = {name: data_dir.secret(name.lower()) for name in (*vendor.secrets, *vendor.optional)}
        self._server = self.process = process_factory.create_module_process(
            vendor.name,
            f"deployments.local.emulators.{vendor.name}",
            *("--port", str(port), "--data", str(data_dir.path(vendor.name))),
            *("--processing-seconds", str(processing_seconds)),
            variables=self._secrets,
        )

    def variables(self) -> dict[str, str]:
        return {self._vendor.base_url: self.address, **self._secrets, **self._vendor.fast_settings}

    async def start(self) -> None:
        await self._server.start()
        await self._server.wait_until_ready(lambda: is_healthy(f"{self.address}/_emulator/health"), timeout=20)
