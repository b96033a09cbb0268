"""The object store: rclone's S3 server over plain files, one folder a bucket."""

import sysconfig
from pathlib import Path

from deployments.local.folder import HOST, Folder
from deployments.local.launcher import Launcher
from deployments.local.part import Part
from deployments.local.probes import listens

BUCKET = "videojobs"
REGION = "us-east-1"  # rclone takes any; clients need one to sign


class ObjectStore(Part):
    """Checks signatures and their expiry. Its files lie in `DATA/objects` and survive any crash."""

    name = "object_store"

    def __init__(self, folder: Folder, launcher: Launcher) -> None:
        self._port = folder.port(self.name)
        self._key, self._secret = folder.secret("s3_access_key_id"), folder.secret("s3_secret_access_key")
        self._files = folder.path("objects")
        self.address = f"http://{HOST}:{self._port}"
        rclone = str(Path(sysconfig.get_path("scripts")) / "rclone")
        # Its own configuration file and the keys stay out of it: the first is the user's, the second would be in `ps`.
        # The submit page sends files here from the front door's origin, by links that are signed for it. Others
        # may ask, too, and get nothing: without a signature every request is refused.
        options = ["--config", "", "--addr", f"{HOST}:{self._port}", "--allow-origin", "*"]
        command = [rclone, "serve", "s3", *options, str(self._files)]
        keys = {"RCLONE_AUTH_KEY": f'"{self._key},{self._secret}"'}  # quoted: it splits the value at commas
        self._server = self.process = launcher.process(self.name, command, keys)

    def variables(self) -> dict[str, str]:
        return {
            "S3_ENDPOINT_URL": self.address,
            "S3_BUCKET": BUCKET,
            "S3_ACCESS_KEY_ID": self._key,
            "S3_SECRET_ACCESS_KEY": self._secret,
            "S3_REGION": REGION,
        }

    async def start(self) -> None:
        (self._files / BUCKET).mkdir(parents=True, exist_ok=True)
        await self._server.start()
        await self._server.until(lambda: listens(self._port), patience=15)
