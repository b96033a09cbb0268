"""Sync.so emulator: who is refused, and how."""

from typing import Any

import pytest

from tests.emulators.sync_so_desk import SyncSoDesk

VIDEO = {"type": "video", "url": "http://example.test/v.mp4"}
AUDIO = {"type": "audio", "url": "http://example.test/a.wav", "refId": "audio-1"}
OTHER = {"type": "audio", "url": "http://example.test/b.wav", "refId": "audio-2"}
IMAGE = {"type": "image", "url": "http://example.test/i.png"}
SEGMENT = {"startTime": 0, "endTime": 1, "audioInput": {"refId": "audio-1"}}
SEGMENTS_INVALID = "generation_input_segments_invalid"
INPUT_INVALID = "generation_input_validation_failed"


def body(**changes: Any) -> dict[str, Any]:
    return {"model": "lipsync-2", "input": [VIDEO, AUDIO], "segments": [SEGMENT], **changes}


def segment(**changes: Any) -> dict[str, Any]:
    return body(segments=[{**SEGMENT, **changes}])


def sound(**changes: Any) -> dict[str, Any]:
    return segment(audioInput={"refId": "audio-1", **changes})


@pytest.mark.parametrize(
    ("request_body", "field"),
    [
        ({}, "model"),
        (body(model=7), "model"),
        (body(input=[]), "input"),
        (body(input="all"), "input"),
        (body(input=[VIDEO, {"type": "film"}]), "input.1"),
        (body(input=[{"type": "video"}, AUDIO]), "input.0"),
        (body(input=[{"type": "video", "url": "ftp://x"}, AUDIO]), "input.0.url"),
        (body(segments=SEGMENT), "segments"),
        (segment(startTime="0"), "segments.0.startTime"),
        (body(segments=[{"startTime": 0, "endTime": 1}]), "segments.0.audioInput"),
        (body(options={"sync_mode": "stretch"}), "options.sync_mode"),
        (body(options={"temperature": 1.5}), "options.temperature"),
        (body(outputFileName="a/b"), "outputFileName"),
        (body(webhookUrl="here"), "webhookUrl"),
        ([], ""),
    ],
)
def test_a_wrong_shape_is_a_400_with_a_list_of_messages(sync_so: SyncSoDesk, request_body: Any, field: str) -> None:
    answer = sync_so.submit(request_body)
    assert answer.status_code == 400
    assert (answer.json()["statusCode"], answer.json()["error"]) == (400, "Bad Request")
    assert any(message.startswith(field) for message in answer.json()["message"])


@pytest.mark.parametrize("text", [b"{", b"", b'{"model": NaN}', b'{"model": 1e999}'])
def test_a_body_that_is_no_json_is_a_400(sync_so: SyncSoDesk, text: bytes) -> None:
    assert sync_so.http.post("/v2/generate", content=text).status_code == 400


@pytest.mark.parametrize(
    ("request_body", "code"),
    [
        (body(model="lipsync-9"), "generation_unsupported_model"),
        (body(input=[AUDIO]), INPUT_INVALID),
        (body(input=[VIDEO, VIDEO, AUDIO]), "generation_input_too_many_visual"),
        (body(input=[VIDEO, IMAGE, AUDIO]), "generation_input_too_many_visual"),
        (body(input=[VIDEO], segments=None), INPUT_INVALID),
        (body(input=[IMAGE, AUDIO], segments=None), INPUT_INVALID),
        (body(input=[IMAGE, AUDIO], model="sync-3"), SEGMENTS_INVALID),
        (body(input=[VIDEO, AUDIO, OTHER], segments=None), INPUT_INVALID),
        (body(input=[VIDEO, AUDIO, {**OTHER, "refId": "audio-1"}]), INPUT_INVALID),
        (body(input=[VIDEO, AUDIO, {"type": "audio", "url": OTHER["url"]}]), INPUT_INVALID),
        (body(dubParams={"targetLang": "fr"}), "generation_input_dub_audio_conflict"),
        (body(projectId="6f0b4a2e-8f4b-4e51-9f7e-0b2f1a3d5c77"), "project_not_found"),
        (body(segments=[]), SEGMENTS_INVALID),
        (segment(label="intro"), SEGMENTS_INVALID),
        (sound(label="intro"), SEGMENTS_INVALID),
        (sound(refId="audio-9"), SEGMENTS_INVALID),
        (sound(refId=""), SEGMENTS_INVALID),
        (sound(startTime=1), SEGMENTS_INVALID),
        (sound(endTime=1), SEGMENTS_INVALID),
        (sound(startTime=2, endTime=1), SEGMENTS_INVALID),
        (sound(startTime=-1, endTime=1), SEGMENTS_INVALID),
        (segment(startTime=2), SEGMENTS_INVALID),
        (segment(startTime=-1), SEGMENTS_INVALID),
        (body(segments=[{**SEGMENT, "startTime": 0.5, "endTime": 2}, SEGMENT]), SEGMENTS_INVALID),
    ],
)
def test_a_wrong_meaning_is_a_422_with_a_code(sync_so: SyncSoDesk, request_body: Any, code: str) -> None:
    answer = sync_so.submit(request_body)
    assert (answer.status_code, answer.json()["errorCode"]) == (422, code)
    if code == SEGMENTS_INVALID:
        assert answer.json()["message"] == "The segments configuration is invalid"


def test_an_option_that_nobody_knows_is_ignored(sync_so: SyncSoDesk) -> None:
    sync_so.accepted(sync_so.body(options={"sync_mode": "remap", "colour": "red"}, surprise=1))


def test_an_asset_is_not_found(sync_so: SyncSoDesk) -> None:
    answer = sync_so.submit(body(input=[{"type": "video", "assetId": "a"}, AUDIO]))
    assert (answer.status_code, answer.json()["errorCode"]) == (404, "asset_not_found")


def test_refused_submissions_are_in_the_books(sync_so: SyncSoDesk) -> None:
    before = sync_so.program.books()
    sync_so.submit(segment(label="a-mark"))
    after = sync_so.program.books()
    assert after["refused"] == before["refused"] + 1
    assert after["refusals"][-1]["code"] == SEGMENTS_INVALID
    assert "a-mark" in after["refusals"][-1]["body"]
    assert len(after["submissions"]) == len(before["submissions"])


def test_a_request_without_a_key_and_one_with_a_wrong_key_are_refused_differently(sync_so: SyncSoDesk) -> None:
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
def test_media_that_do_not_fit_fail_later_or_at_once(
    sync_so: SyncSoDesk, changes: dict[str, str], code: str, when: str
) -> None:
    wanted = sync_so.film_body(
        input=[
            sync_so.video(changes.get("video", "film.mp4")),
            sync_so.audio(changes.get("audio", "two-seconds.wav"), "audio-1"),
        ],
    )
    with sync_so.program.settings(media_checks=when):
        if when == "at_submit":
            answer = sync_so.submit(wanted)
            assert (answer.status_code, answer.json()["errorCode"]) == (422, code)
        else:
            generation = sync_so.ended(sync_so.accepted(wanted))
            assert (generation["status"], generation["errorCode"]) == ("FAILED", code)
            assert generation["error"]
            assert generation["outputUrl"] is None


def test_a_film_that_is_too_long_for_the_plan_costs_402(sync_so: SyncSoDesk) -> None:
    with sync_so.program.settings(plan_duration=2.5):
        answer = sync_so.submit(sync_so.film_body())
    assert (answer.status_code, answer.json()["errorCode"]) == (402, "generation_plan_duration_exceeded")
    with sync_so.program.settings(plan_duration=3.5):
        sync_so.accepted(sync_so.film_body())


def test_a_spoken_text_fails_since_no_voice_is_invented(sync_so: SyncSoDesk) -> None:
    text = {"type": "text", "provider": {"name": "elevenlabs", "voiceId": "v", "script": "Hello"}}
    generation = sync_so.ended(sync_so.accepted(sync_so.body(input=[sync_so.video(), text], segments=None)))
    assert generation["errorCode"] == "elevenlabs_api_key_invalid"
