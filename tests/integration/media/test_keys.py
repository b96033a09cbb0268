"""The layout of keys in the bucket."""

import pytest

from videojobs.errors import InvalidMedia
from videojobs.media.probe import AUDIO_CONTAINERS, VIDEO_CONTAINERS
from videojobs.storage.object_store import (
    audio_key,
    comparison_image_key,
    content_type,
    job_prefix,
    lip_sync_result_key,
    parse_uri,
    result_key,
    video_key,
)


def test_a_jobs_files_are_in_one_folder_with_documented_names() -> None:
    folder = "users/anna/jobs/7f3a/"
    assert job_prefix("anna", "7f3a") == folder
    assert video_key("anna", "7f3a", "mov") == f"{folder}inputs/video.mov"
    assert audio_key("anna", "7f3a", "audio-1", "wav") == f"{folder}inputs/audio-1.wav"
    assert lip_sync_result_key("anna", "7f3a") == f"{folder}pro_sync_result_7f3a.mp4"
    assert result_key("anna", "7f3a") == f"{folder}pro_result_7f3a.mp4"
    assert comparison_image_key("anna", "7f3a") == f"{folder}before_after_7f3a.jpg"


def test_audio_keys_of_a_job_never_collide() -> None:
    keys = {audio_key("u", "j", ref_id, "mp4").lower() for ref_id in ("voice", "Voice", "VOICE", "video")}
    assert len(keys | {video_key("u", "j", "mp4")}) == 5


@pytest.mark.parametrize("container", sorted(VIDEO_CONTAINERS | AUDIO_CONTAINERS))
def test_every_allowed_container_has_a_media_type(container: str) -> None:
    assert content_type(container, audio_only=container not in VIDEO_CONTAINERS).count("/") == 1


def test_audio_in_an_mp4_has_an_audio_media_type() -> None:
    assert content_type("mp4", audio_only=True) == "audio/mp4"


def test_an_s3_uri_has_a_bucket_and_a_key() -> None:
    assert parse_uri("s3://my-bucket/a folder/clip.mp4") == ("my-bucket", "a folder/clip.mp4")


@pytest.mark.parametrize(
    "uri", ["", "s3://", "s3://bucket", "s3://bucket/", "s3:///key", "https://bucket/key", "s3://B_/k"]
)
def test_a_uri_that_is_not_s3_is_refused(uri: str) -> None:
    with pytest.raises(InvalidMedia, match="s3://bucket/key"):
        parse_uri(uri)
