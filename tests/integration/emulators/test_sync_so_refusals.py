"""Sync.so emulator: which requests are rejected, and how."""

from typing import Any

import pytest

from tests.support.sync_so_emulator import SyncSoEmulatorClient

VIDEO = {"type": "video", "url": "http://example.test/v.mp4"}
AUDIO = {"type": "audio", "url": "http://example.test/a.wav", "refId": "audio-1"}
SECOND_AUDIO = {"type": "audio", "url": "http://example.test/b.wav", "refId": "audio-2"}
IMAGE = {"type": "image", "url": "http://example.test/i.png"}
SEGMENT = {"startTime": 0, "endTime": 1, "audioInput": {"refId": "audio-1"}}
SEGMENTS_INVALID = "generation_input_segments_invalid"
INPUT_INVALID = "generation_input_validation_failed"


def make_request(**changes: Any) -> dict[str, Any]:
    return {"model": "lipsync-2", "input": [VIDEO, AUDIO], "segments": [SEGMENT], **changes}


def request_with_segment(**changes: Any) -> dict[str, Any]:
    return make_request(segments=[{**SEGMENT, **changes}])


def request_with_audio_input(**changes: Any) -> dict[str, Any]:
    return request_with_segment(audioInput={"refId": "audio-1", **changes})


@pytest.mark.parametrize(
    ("request_body", "field"),
    [
        ({}, "model"),
        (make_request(model=7), "model"),
        (make_request(input=[]), "input"),
        (make_request(input="all"), "input"),
        (make_request(input=[VIDEO, {"type": "film"}]), "input.1"),
        (make_request(input=[{"type": "video"}, AUDIO]), "input.0"),
        (make_request(input=[{"type": "video", "url": "ftp://x"}, AUDIO]), "input.0.url"),
        (make_request(segments=SEGMENT), "segments"),
        (request_with_segment(startTime="0"), "segments.0.startTime"),
        (make_request(segments=[{"startTime": 0, "endTime": 1}]), "segments.0.audioInput"),
        (make_request(options={"sync_mode": "stretch"}), "options.sync_mode"),
        (make_request(options={"temperature": 1.5}), "options.temperature"),
        (make_request(outputFileName="a/b"), "outputFileName"),
        (make_request(webhookUrl="here"), "webhookUrl"),
        ([], ""),
    ],
)
def test_a_schema_error_is_a_400_with_messages_per_field(
    sync_so: SyncSoEmulatorClient, request_body: Any, field: str
) -> None:
    answer = sync_so.submit(request_body)
    assert answer.status_code == 400
    assert (answer.json()["statusCode"], answer.json()["error"]) == (400, "Bad Request")
    assert any(message.startswith(field) for message in answer.json()["message"])


@pytest.mark.parametrize("text", [b"{", b"", b'{"model": NaN}', b'{"model": 1e999}'])
def test_invalid_json_is_a_400(sync_so: SyncSoEmulatorClient, text: bytes) -> None:
    assert sync_so.http.post("/v2/generate", content=text).status_code == 400


@pytest.mark.parametrize(
    ("request_body", "code"),
    [
        (make_request(model="lipsync-9"), "generation_unsupported_model"),
        (make_request(input=[AUDIO]), INPUT_INVALID),
        (make_request(input=[VIDEO, VIDEO, AUDIO]), "generation_input_too_many_visual"),
        (make_request(input=[VIDEO, IMAGE, AUDIO]), "generation_input_too_many_visual"),
        (make_request(input=[VIDEO], segments=None), INPUT_INVALID),
        (make_request(input=[IMAGE, AUDIO], segments=None), INPUT_INVALID),
        (make_request(input=[IMAGE, AUDIO], model="sync-3"), SEGMENTS_INVALID),
        (make_request(input=[VIDEO, AUDIO, SECOND_AUDIO], segments=None), INPUT_INVALID),
        (make_request(input=[VIDEO, AUDIO, {**SECOND_AUDIO, "refId": "audio-1"}]), INPUT_INVALID),
        (make_request(input=[VIDEO, AUDIO, {"type": "audio", "url": SECOND_AUDIO["url"]}]), INPUT_INVALID),
        (make_request(dubParams={"targetLang": "fr"}), "generation_input_dub_audio_conflict"),
        (make_request(projectId="6f0b4a2e-8f4b-4e51-9f7e-0b2f1a3d5c77"), "project_not_found"),
        (make_request(segments=[]), SEGMENTS_INVALID),
        (request_with_segment(label="intro"), SEGMENTS_INVALID),
        (request_with_audio_input(label="intro"), SEGMENTS_INVALID),
        (request_with_audio_input(refId="audio-9"), SEGMENTS_INVALID),
        (request_with_audio_input(refId=""), SEGMENTS_INVALID),
        (request_with_audio_input(startTime=1), SEGMENTS_INVALID),
        (request_with_audio_input(endTime=1), SEGMENTS_INVALID),
        (request_with_audio_input(startTime=2, endTime=1), SEGMENTS_INVALID),
        (request_with_audio_input(startTime=-1, endTime=1), SEGMENTS_INVALID),
        (request_with_segment(startTime=2), SEGMENTS_INVALID),
        (request_with_segment(startTime=-1), SEGMENTS_INVALID),
        (make_request(segments=[{**SEGMENT, "startTime": 0.5, "endTime": 2}, SEGMENT]), SEGMENTS_INVALID),
    ],
)
def test_a_semantic_error_is_a_422_with_a_code(sync_so: SyncSoEmulatorClient, request_body: Any, code: str) -> None:
    answer = sync_so.submit(request_body)
    assert (answer.status_code, answer.json()["errorCode"]) == (422, code)
    if code == SEGMENTS_INVALID:
        assert answer.json()["message"] == "The segments configuration is invalid"


def test_an_unknown_option_is_ignored(sync_so: SyncSoEmulatorClient) -> None:
    sync_so.submit_and_get_id(sync_so.make_body(options={"sync_mode": "remap", "colour": "red"}, surprise=1))


def test_an_unknown_asset_is_a_404(sync_so: SyncSoEmulatorClient) -> None:
    answer = sync_so.submit(make_request(input=[{"type": "video", "assetId": "a"}, AUDIO]))
    assert (answer.status_code, answer.json()["errorCode"]) == (404, "asset_not_found")


def test_rejected_submissions_are_recorded(sync_so: SyncSoEmulatorClient) -> None:
    before = sync_so.program.dump_state()
    sync_so.submit(request_with_segment(label="a-mark"))
    after = sync_so.program.dump_state()
    assert after["refused"] == before["refused"] + 1
    assert after["refusals"][-1]["code"] == SEGMENTS_INVALID
    assert "a-mark" in after["refusals"][-1]["body"]
    assert len(after["submissions"]) == len(before["submissions"])


def test_a_missing_and_a_wrong_api_key_get_different_401s(sync_so: SyncSoEmulatorClient) -> None:
    url = f"{sync_so.program.url}/v2/generations"
    assert sync_so.program.http.get(url).json() == {
        "message": "Either Cookie or x-api-key header must be provided",
        "error": "Unauthorized",
        "statusCode": 401,
    }
    wrong = sync_so.program.http.get(url, headers={"x-api-key": "wrong"})
    assert wrong.status_code == 401
    assert wrong.json() == {"message": "Unauthorized", "statusCode": 401}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"video": "absent.mp4"}, "generation_input_video_inaccessible"),
        ({"video": "forbidden.mp4"}, "generation_input_video_inaccessible"),
        ({"audio": "absent.wav"}, "generation_input_audio_inaccessible"),
        ({"video": "text.mp4"}, "generation_input_video_invalid"),
        ({"video": "half.mp4"}, "generation_input_video_invalid"),
        ({"video": "two-seconds.wav"}, "generation_input_video_invalid"),
        ({"audio": "text.mp4"}, "generation_input_audio_invalid"),
        ({"audio": "silent.mp4"}, "generation_input_audio_invalid"),
    ],
)
@pytest.mark.parametrize("when", ["later", "at_submit"])
def test_unusable_media_fail_at_submit_or_later(
    sync_so: SyncSoEmulatorClient, changes: dict[str, str], code: str, when: str
) -> None:
    wanted = sync_so.make_film_body(
        input=[
            sync_so.video_input(changes.get("video", "film.mp4")),
            sync_so.audio_input(changes.get("audio", "two-seconds.wav"), "audio-1"),
        ],
    )
    with sync_so.program.temporary_settings(media_checks=when):
        if when == "at_submit":
            answer = sync_so.submit(wanted)
            assert (answer.status_code, answer.json()["errorCode"]) == (422, code)
        else:
            generation = sync_so.wait_until_done(sync_so.submit_and_get_id(wanted))
            assert (generation["status"], generation["errorCode"]) == ("FAILED", code)
            assert generation["error"]
            assert generation["outputUrl"] is None


def test_a_video_longer_than_the_plan_allows_is_a_402(sync_so: SyncSoEmulatorClient) -> None:
    with sync_so.program.temporary_settings(plan_duration=2.5):
        answer = sync_so.submit(sync_so.make_film_body())
    assert (answer.status_code, answer.json()["errorCode"]) == (402, "generation_plan_duration_exceeded")
    with sync_so.program.temporary_settings(plan_duration=3.5):
        sync_so.submit_and_get_id(sync_so.make_film_body())


def test_a_text_to_speech_input_fails(sync_so: SyncSoEmulatorClient) -> None:
    text = {"type": "text", "provider": {"name": "elevenlabs", "voiceId": "v", "script": "Hello"}}
    generation = sync_so.wait_until_done(
        sync_so.submit_and_get_id(sync_so.make_body(input=[sync_so.video_input(), text], segments=None))
    )
    assert generation["errorCode"] == "elevenlabs_api_key_invalid"
