"""Receives a form with many videos, each of which becomes a job of its own."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from deployments.api.errors import ApiError
from deployments.api.settings import ApiSettings
from deployments.api.uploads.form_parser import PartStart
from deployments.api.uploads.form_receiver import (
    FormReceiver,
    FormSpec,
    IncomingFile,
    JobForm,
    ReceivedForm,
    UploadedFile,
)
from deployments.api.uploads.s3_stream import StreamingUpload, UploadPool
from videojobs.errors import FieldError, ProblemCode
from videojobs.storage.object_store import ObjectStore

BATCH_FIELD: Final = "files"
BATCH_TEXT_FIELDS: Final = ("user_id", "callback_url")


@dataclass(slots=True)
class BatchFile:
    """One file of a batch, and the id of the job that it is stored for."""

    name: str
    job_id: str
    video: UploadedFile | None = None  # None for a file that was rejected
    error: str = ""
    upload: StreamingUpload | None = None

    async def discard(self) -> None:
        """Delete what is stored of it."""
        if self.upload is not None:
            await self.upload.abort()
            self.upload = None


class BatchReceiver(FormReceiver):
    """Files that are no videos, too large or empty are rejected one by one; the others are kept.

    `start_job` gives the id of a new job for each file, after it has recorded that files of it may be stored.
    """

    def __init__(
        self,
        pool: UploadPool,
        store: ObjectStore,
        settings: ApiSettings,
        *,
        user_id: str,
        start_job: Callable[[], Awaitable[str]],
    ) -> None:
        form = FormSpec.for_form(JobForm.TEXT_REMOVAL)
        spec = FormSpec(BATCH_TEXT_FIELDS, None, form.max_video_bytes, form.containers, video_field=BATCH_FIELD)
        super().__init__(pool, store, settings, user_id=user_id, job_id="", spec=spec)
        self._start_job = start_job
        self.files: list[BatchFile] = []

    def form_of(self, file: BatchFile) -> ReceivedForm:
        """The file as a form of its own, with the texts of the batch."""
        return ReceivedForm(texts=self._received.texts, video=file.video)

    @property
    def texts(self) -> dict[str, str]:
        """The text fields of the form."""
        return self._received.texts

    @property
    def problems(self) -> list[FieldError]:
        """Of the form itself."""
        return self._received.problems

    async def _start_video(self, part: PartStart) -> IncomingFile:
        if len(self.files) == self._settings.max_batch_files:
            raise ApiError(413, f"The form has too many files; the limit is {self._settings.max_batch_files}.")
        path = f"{BATCH_FIELD}[{len(self.files)}]"
        file = IncomingFile(path, part.file_name, True, self._spec.max_video_bytes)
        if not part.file_name:  # a text, or an empty file input of a browser: the whole form is refused
            self._add_error(path, "is not a file; send each video as a file with its name", ProblemCode.WRONG_TYPE)
            file.is_rejected = True
        self._job_id = await self._start_job()
        self._received.video = None  # each file is the only video of its job
        self.files.append(BatchFile(part.file_name, self._job_id))
        return file

    async def _handle_oversized(self, file: IncomingFile) -> None:
        if file.upload is not None:
            await file.upload.abort()
            self._uploads.remove(file.upload)
            file.upload = self.files[-1].upload = None
        self._reject_file(file, f"is too large; the limit is {file.max_bytes} bytes", ProblemCode.TOO_LARGE)

    def _start_upload(self, file: IncomingFile) -> None:
        super()._start_upload(file)
        self.files[-1].upload = file.upload

    async def _finish_file(self, file: IncomingFile) -> None:
        await super()._finish_file(file)
        self.files[-1].video = self._received.video

    def _reject_file(self, file: IncomingFile, message: str, code: ProblemCode) -> None:
        file.is_rejected = True
        self.files[-1].error = f"{file.path} {message}."
