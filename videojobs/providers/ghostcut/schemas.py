"""GhostCut's data formats: the exact bytes of a work request, and the vendor's responses.

Facts: GhostCut fact sheet, sections 1 (envelope), 2 (submit), 5 (status), 6 (callback), 9 (points) and 14 (lists).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from pydantic import Field, FiniteFloat

from videojobs.errors import FieldError, InvalidRequest
from videojobs.pipeline.masks import MaskSpec
from videojobs.providers.ghostcut.masks import ERASE_MODELS, encode_mask, mask_errors
from videojobs.providers.ghostcut.statuses import LOCKED_FOR_POINTS, SUCCESS, advice, process_status
from videojobs.providers.schemas import Identifier, Lenient, Text, VendorModel, compact_json
from videojobs.requests.models import InpaintLanguage, InpaintModel

Resolution = Literal["480p", "720p", "1080p"]

# needChineseOcclude. Masks of type keep with the whole frame: the system that this one replaces sent them, the vendor's
# guide does not mention them (fact sheet 14).
ERASE_WHOLE_FRAME = 1
ERASE_IN_MASKS = 2
CRF_RANGE = range(10, 31)  # the vendor's own default is 17


def build_work_body(
    *,
    url: str,
    name: str,
    masks: Sequence[MaskSpec],
    whole_frame: bool = False,
    model: InpaintModel = "basic",
    language: InpaintLanguage = "all",
    resolution: Resolution = "1080p",
    callback: str | None = None,
    crf: int | None = None,
) -> bytes:
    """Build the body of a submission of one video: equal arguments give equal bytes.

    `whole_frame`: remove all text that the vendor finds, except in the masks, which all are protection then.
    `resolution` is a maximum: the vendor may scale down, never up. Raises `InvalidRequest` with every violation of the
    vendor's rules.
    """
    problems = mask_errors(masks, model, language, whole_frame=whole_frame)
    if problems := [*problems, *_request_errors(url, crf)]:
        raise InvalidRequest(problems)
    body: dict[str, Any] = {
        "urls": [url],
        "names": [name],
        "needChineseOcclude": ERASE_WHOLE_FRAME if whole_frame else ERASE_IN_MASKS,
        "videoInpaintLang": language,
    }
    if masks:
        body["videoInpaintMasks"] = compact_json(
            [encode_mask(spec) for spec in masks]
        )  # the vendor accepts only a string
    body["resolution"] = resolution
    if extra := _extra_options(model, crf):
        body["extraOptions"] = compact_json(extra)  # the same here
    if callback is not None:
        body["callback"] = callback
    return compact_json(body).encode()


def _request_errors(url: str, crf: int | None) -> list[FieldError]:
    problems = []
    if not url.isascii() or not url.startswith(("https://", "http://")):
        problems.append(FieldError("url", "must be a public http(s) URL in ASCII"))
    if crf is not None and crf not in CRF_RANGE:
        problems.append(FieldError("crf", f"must be from {CRF_RANGE.start} to {CRF_RANGE.stop - 1}"))
    return problems


def _extra_options(model: InpaintModel, crf: int | None) -> dict[str, Any]:
    wire_name = ERASE_MODELS[model].wire_name
    inpaint = {"extra_inpaint_config": {"model": wire_name}} if wire_name else {}
    return inpaint | ({"write_options": {"crf": crf}} if crf is not None else {})


class Envelope(VendorModel):
    """The envelope of every response, with HTTP 200 even for errors. 1000 means: request accepted, not: job done."""

    code: Lenient[int] = None
    msg: Text = None
    body: Any = None
    count: Lenient[int] = None  # of all rows, if the body is one page of them


@dataclass(frozen=True, slots=True)
class Work:
    """A submitted work. `project_id` is the id of the submit call, `url` our source, as the vendor repeats it."""

    id: str
    project_id: str | None
    url: str | None = field(repr=False)


class SubmittedWork(VendorModel):
    """One row of a submission's `dataList`."""

    id: Lenient[Identifier] = None
    url: Lenient[str] = None


class SubmitResponse(VendorModel):
    """The body of the response to a submission."""

    id_project: Lenient[Identifier] = None
    data_list: Lenient[list[SubmittedWork]] = None

    @property
    def work(self) -> Work | None:
        """The work of our one URL, if the response names it."""
        rows = ((row.id, row.url) for row in self.data_list or ())
        return next((Work(id_, self.id_project, url) for id_, url in rows if id_), None)


class StatusEnum(VendorModel):
    """The vendor's own text for a status."""

    code: Lenient[int] = None
    description: Text = None


class WorkStatus(VendorModel):
    """The state of a work, as in a status row or a callback. Its links show in no repr."""

    id: Identifier
    id_project: Lenient[Identifier] = None
    url: Lenient[str] = None  # our source video
    process_status: Lenient[int] = None
    process_status_enum: Lenient[StatusEnum] = None
    process_progress: Lenient[FiniteFloat] = None
    paid_points: Lenient[Decimal] = Field(default=None, alias="paidPoint")
    duration: Lenient[FiniteFloat] = None
    result_link: Lenient[str] = Field(default=None, alias="videoUrl")
    detail: Text = Field(default=None, alias="errorDetail")
    detail_in_prose: Text = Field(default=None, alias="error_detail")  # the spelling in the vendor's documentation

    @property
    def code(self) -> int | None:
        """processStatus; None if the response has none."""
        if self.process_status is None and self.process_status_enum:
            return self.process_status_enum.code
        return self.process_status

    @property
    def is_done(self) -> bool:
        """The result is at `result_url`."""
        return self.code == SUCCESS

    @property
    def is_failed(self) -> bool:
        """There is no result; see `is_locked` before submitting anything again."""
        return self.code is not None and self.code > SUCCESS

    @property
    def is_running(self) -> bool:
        """The vendor is still processing it, as far as it reports."""
        return not (self.is_done or self.is_failed)

    @property
    def is_locked(self) -> bool:
        """The work is finished and waits for points. Unlocking it is paid; submitting it again would be paid twice."""
        return self.code == LOCKED_FOR_POINTS

    @property
    def failure_text(self) -> str:
        """Why there is no result and what to do about it; empty unless the work failed."""
        if self.code is None or not self.is_failed:
            return ""
        own_words = self.process_status_enum.description if self.process_status_enum else None
        detail = self.detail or self.detail_in_prose or own_words
        meaning = f"{process_status(self.code).meaning} (status {self.code})"
        return f"{meaning}: {detail}. {advice(self.code)}" if detail else f"{meaning}. {advice(self.code)}"

    @property
    def progress_percent(self) -> float:
        """0..100, for display only: failures also have 100."""
        return min(max(self.process_progress or 0.0, 0.0), 100.0)

    @property
    def result_url(self) -> str | None:
        """Link to the result, None until there is one. Its lifetime is not documented: copy the result at once."""
        return self.result_link or None


class StatusPage(VendorModel):
    """The body of a status response; works that the vendor does not know are missing."""

    content: list[WorkStatus] | None = None
    count: Lenient[int] = None


class PointAsset(VendorModel):
    """One purchase of points."""

    point_balance: Decimal


class PointAssets(VendorModel):
    """The body of the response to a point query."""

    point_assets: list[PointAsset] | None = None
