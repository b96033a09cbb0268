"""What lies where in the bucket."""

import pytest

from videojobs.errors import InvalidMedia
from videojobs.media.probe import AUDIO_CONTAINERS, VIDEO_CONTAINERS
from videojobs.media.store import (
    audio_key,
    content_type,
    job_prefix,
    parse_uri,
    picture_key,
    result_key,
    sync_result_key,
    video_key,
)


def test_a_job_has_one_folder_with_the_names_that_operators_know() -> None:
    folder = "users/anna/jobs/7f3a/"
    assert job_prefix("anna", "7f3a") == folder
    assert video_key("anna", "7f3a", "mov") == f"{folder}inputs/video.mov"
    assert audio_key("anna", "7f3a", "audio-1", "wav") == f"{folder}inputs/audio-1.wav"
    assert sync_result_key("anna", "7f3a") == f"{folder}pro_sync_result_7f3a.mp4"
    assert result_key("anna", "7f3a") == f"{folder}pro_result_7f3a.mp4"
    assert picture_key("anna", "7f3a") == f"{folder}before_after_7f3a.jpg"


def test_sounds_of_one_job_never_share_a_name_nor_take_the_video_s() -> None:
    keys = {audio_key("u", "j", ref_id, "mp4").lower() for ref_id in ("voice", "Voice", "VOICE", "video")}
    assert len(keys | {video_key("u", "j", "mp4")}) == 5


@pytest.mark.parametrize("container", sorted(VIDEO_CONTAINERS | AUDIO_CONTAINERS))
def test_every_container_that_is_taken_has_a_media_type(container: str) -> None:
    assert content_type(container, sound=container not in VIDEO_CONTAINERS).count("/") == 1


def test_sound_in_an_mp4_is_no_video() -> None:
    assert content_type("mp4", sound=True) == "audio/mp4"


def test_an_address_in_storage_has_a_bucket_and_a_key() -> None:
    assert parse_uri("s3://my-bucket/a folder/clip.mp4") == ("my-bucket", "a folder/clip.mp4")


@pytest.mark.parametrize(
    "uri", ["", "s3://", "s3://bucket", "s3://bucket/", "s3:///key", "https://bucket/key", "s3://B_/k"]
)
def test_another_address_is_refused(uri: str) -> None:
    with pytest.raises(InvalidMedia, match="s3://bucket/key"):
        parse_uri(uri)
