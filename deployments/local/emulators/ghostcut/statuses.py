"""The vendor's `processStatus`: 1 is success, lower is in progress, higher has failed (fact sheet 5)."""

QUEUED, PREPARING, PROCESSING = -1, -2, 0
SUCCESS = 1
STATUS_ORDER = (QUEUED, PREPARING, PROCESSING, SUCCESS)

URL_UNRESOLVED = 2
DOWNLOAD_FAILED = 3
TOO_LONG = 5
CORRUPT = 16
ERASE_FAILED = 20
PARAMETERS_INVALID = 26
NO_POINTS_TO_START = 73
NO_POINTS_TO_UNLOCK = 83
TOO_LARGE = 100

DESCRIPTIONS = {
    -3: "draft done, waiting for synthesis",
    PREPARING: "material in preparation",
    QUEUED: "queued",
    PROCESSING: "processing",
    SUCCESS: "success",
    URL_UNRESOLVED: "the URL could not be resolved",
    DOWNLOAD_FAILED: "the download failed",
    TOO_LONG: "the video is too long",
    6: "the voice translation could not be called",
    7: "the voice translation failed",
    13: "the music step failed",
    14: "the material key is missing",
    CORRUPT: "the file is probably corrupt",
    18: "processing timed out",
    ERASE_FAILED: "the erasing failed",
    21: "the voice separation failed",
    22: "no worker could be reached",
    23: "the remote side timed out",
    24: "the cloned voice is missing",
    PARAMETERS_INVALID: "the parameters failed validation",
    27: "the subtitle data are invalid",
    28: "the subtitle data are invalid",
    29: "the subtitle data are invalid",
    30: "the voice data are invalid",
    31: "the voice data are invalid",
    32: "the voice data are invalid",
    43: "unknown error",
    NO_POINTS_TO_START: "not enough points, not started",
    NO_POINTS_TO_UNLOCK: "not enough points, finished but locked",
    98: "the storage is full",
    99: "the video is too long",
    TOO_LARGE: "the file is too large",
    111: "timeout",
    1000: "success",
}


def describe(status: int) -> str:
    return DESCRIPTIONS.get(status, "unknown")
