"""The object store: rclone's S3 server over plain files, a folder for each bucket."""

import sysconfig
from pathlib import Path

from deployments.local.stack.data_dir import HOST, DataDir
from deployments.local.stack.probes import is_listening
from deployments.local.stack.process_factory import ProcessFactory
from deployments.local.stack.service import Service

BUCKET = "videojobs"
REGION = "us-east-1"  # rclone accepts any; clients need one to sign


class ObjectStoreService(Service):
    """Checks signatures and their expiry. Its files are in `DATA/objects` and survive a crash."""

    name = "object_store"

    def __init__(self, data_dir: DataDir, process_factory: ProcessFactory) -> None:
        self._port = data_dir.port(self.name)
        self._key, self._secret = data_dir.secret("s3_access_key_id"), data_dir.secret("s3_secret_access_key")
        self._root = data_dir.path("objects")
        self.address = f"http://{HOST}:{self._port}"
        rclone = str(Path(sysconfig.get_path("scripts")) / "rclone")
        # No configuration file, which is the user's; no keys on the command line, where `ps` shows them. Any origin:
        # the submit page uploads files to here from the API's origin, by presigned URLs, and without a signature every
        # request is refused.
        options = ["--config", "", "--addr", f"{HOST}:{self._port}", "--allow-origin", "*"]
        command = [rclone, "serve", "s3", *options, str(self._root)]
        keys = {"RCLONE_AUTH_KEY": f'"{self._key},{self._secret}"'}  # quoted: it splits the value at commas
        self._server = self.process = process_factory.create_process(self.name, command, keys)

    def variables(self) -> dict[str, str]:
        return {
            "S3_ENDPOINT_URL": self.address,
            "S3_BUCKET": BUCKET,
            "S3_ACCESS_KEY_ID": self._key,
            "S3_SECRET_ACCESS_KEY": self._secret,
            "S3_REGION": REGION,
        }

    async def start(self) -> None:
        (self._root / BUCKET).mkdir(parents=True, exist_ok=True)
        await self._server.start()
        await self._server.wait_until_ready(lambda: is_listening(self._port), timeout=15)
