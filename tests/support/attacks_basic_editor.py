"""Attacks on the forms of the basic editor: one audio for a video, text removal alone, and batches."""

from typing import Final

from tests.support.attack_table import Attack, attack_cases
from tests.support.multipart_forms import audio_bytes, video_bytes

WHOLE_VIDEO_URL: Final = "/api/v1/video-editors/sync-process"
TEXT_REMOVAL_URL: Final = "/api/v1/jobs/direct-process"
BATCH_URL: Final = "/api/v1/jobs/batch-process"
VIDEO: Final = ("file", ("talk.mp4", video_bytes()))
AUDIO: Final = ("audio", ("speech.wav", audio_bytes()))
TEXT_FILE: Final = ("notes.mp4", b"Dear reader, " * 100)


def send(url: str, *files: tuple[str, tuple[str, bytes]], **fields: str) -> Attack:
    return lambda scene: scene.http.post(url, files=list(files), data=fields)


attack_cases(
    "one audio for the video",
    (422,),
    {
        "no audio": send(WHOLE_VIDEO_URL, VIDEO),
        "two audio files": send(WHOLE_VIDEO_URL, VIDEO, AUDIO, AUDIO),
        "two videos": send(WHOLE_VIDEO_URL, VIDEO, VIDEO, AUDIO),
        "audio that is text": send(WHOLE_VIDEO_URL, VIDEO, ("audio", TEXT_FILE)),
        "audio under the Pro form's name": send(WHOLE_VIDEO_URL, VIDEO, ("audio_files", ("a.wav", audio_bytes()))),
        "segments": send(WHOLE_VIDEO_URL, VIDEO, AUDIO, segments_data="[]"),
        "another user": send(WHOLE_VIDEO_URL, VIDEO, AUDIO, user_id="victim"),
        "an address inside the network": send(WHOLE_VIDEO_URL, VIDEO, AUDIO, callback_url="https://10.0.0.1/hook"),
        "areas that are no JSON": send(WHOLE_VIDEO_URL, VIDEO, AUDIO, effects="{"),
    },
)
attack_cases(
    "text removal alone",
    (422,),
    {
        "no video": send(TEXT_REMOVAL_URL, ("file", TEXT_FILE)),
        "audio": send(TEXT_REMOVAL_URL, VIDEO, AUDIO),
        "another user": send(TEXT_REMOVAL_URL, VIDEO, user_id="victim"),
        "a thousand areas": send(TEXT_REMOVAL_URL, VIDEO, effects=str([{"type": "erasure"}] * 1000).replace("'", '"')),
        "an area of infinite size": send(
            TEXT_REMOVAL_URL,
            VIDEO,
            effects='[{"type": "erasure", "startTime": 0, "endTime": 1, '
            '"region": {"x": 0, "y": 0, "width": 1e999, "height": 1}}]',
        ),
    },
)
attack_cases(
    "a batch of videos",
    (422,),
    {
        "no file": send(BATCH_URL, ("other", ("talk.mp4", video_bytes()))),
        "another user": send(BATCH_URL, ("files", ("talk.mp4", video_bytes())), user_id="victim"),
        "an address inside the network": send(
            BATCH_URL, ("files", ("talk.mp4", video_bytes())), callback_url="http://169.254.169.254/"
        ),
    },
)
