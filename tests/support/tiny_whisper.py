"""A Whisper model of 100 kB with random weights: its text is nonsense, but it exercises the real inference code."""

from pathlib import Path

import numpy as np
from ctranslate2.specs import WhisperSpec
from faster_whisper.tokenizer import _LANGUAGE_CODES
from numpy.typing import NDArray
from tokenizers import AddedToken, Tokenizer, decoders, models

SIZE, MELS = 8, 80
WORDS = (" water", " rain")
WORDS_PER_SEGMENT = 9  # positions, including the prompt's four, after which it ends
_SPEECH_DIRECTION = np.array([1, -1, 0, 0, 0, 0, 0, 0], np.float32)
_END_DIRECTION = np.array([0, 0, 1, -1, 0, 0, 0, 0], np.float32)


def write_model(folder: Path) -> Path:
    """Write the files of a converted model."""
    special = [
        f"<|{name}|>"
        for name in ("endoftext", "startoftranscript", *_LANGUAGE_CODES, "translate", "transcribe", "startoflm")
    ]
    special += [
        "<|startofprev|>",
        "<|nospeech|>",
        "<|notimestamps|>",
        *(f"<|{tick / 50:.2f}|>" for tick in range(1501)),
    ]
    vocabulary = [*WORDS, "", *special]  # CTranslate2 recognizes a multilingual model by its empty word
    spec = WhisperSpec(num_encoder_layers=1, num_encoder_heads=1, num_decoder_layers=1, num_decoder_heads=1)
    for name in spec.variables():
        if spec.variables()[name] is None:
            _set_weight(spec, name, _weights(name, len(vocabulary)))
    spec.encoder.position_encodings.encodings = np.array([5 * _angle_vector(at / 1500) for at in range(1500)])
    spec.decoder.position_encodings.encodings = np.array([_position(at) for at in range(448)])
    spec.decoder.layer[0].attention.linear[0].weight = 9 * np.eye(SIZE, dtype=np.float32)
    spec.decoder.layer[0].attention.linear[1].weight = np.eye(2 * SIZE, SIZE, dtype=np.float32)
    spec.decoder.projection.weight = _output_projection(vocabulary)
    spec.register_vocabulary(vocabulary)
    languages = [vocabulary.index(f"<|{code}|>") for code in _LANGUAGE_CODES]
    settings = {"suppress_ids": [], "suppress_ids_begin": [], "lang_ids": languages, "alignment_heads": [(0, 0)]}
    for name, value in settings.items():
        setattr(spec.config, name, value)
    folder.mkdir()
    spec.validate()
    spec.save(str(folder))
    tokenizer = Tokenizer(models.WordLevel({token: number for number, token in enumerate(vocabulary)}, unk_token=""))
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in special])
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def _weights(name: str, entries: int) -> NDArray[np.float32]:
    """Small random weights of the right shape."""
    shapes = {
        "conv1/weight": (SIZE, MELS, 3),
        "conv2/weight": (SIZE, SIZE, 3),
        "embeddings/weight": (entries, SIZE),
        "projection/weight": (entries, SIZE),
        "self_attention/linear_0/weight": (3 * SIZE, SIZE),
        "ffn/linear_0/weight": (4 * SIZE, SIZE),
        "ffn/linear_1/weight": (SIZE, 4 * SIZE),
    }
    if name.endswith(("gamma", "beta")):
        return np.full(SIZE, name.endswith("gamma"), np.float32)
    return _noise(*next((shape for end, shape in shapes.items() if name.endswith(end)), (SIZE, SIZE)))


def _noise(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(7).normal(0, 0.1, shape).astype(np.float32)


def _position(at: int) -> NDArray[np.float32]:
    """Position embeddings: each word attends to a slightly later part of the sound."""
    return (_SPEECH_DIRECTION if at < WORDS_PER_SEGMENT else _END_DIRECTION) + _angle_vector(
        (at - 3.5) / (WORDS_PER_SEGMENT - 4)
    )


def _angle_vector(share: float) -> NDArray[np.float32]:
    """A unit vector at an angle: vectors with similar angles attend to each other."""
    angle = np.pi * min(1.0, max(0.0, share))
    return np.array([0, 0, 0, 0, np.cos(angle), np.sin(angle), 0, 0], np.float32)


def _output_projection(vocabulary: list[str]) -> NDArray[np.float32]:
    """Outputs some words and then ends, and detects every language as English."""
    likely = {
        WORDS[0]: 9 * _SPEECH_DIRECTION,
        WORDS[1]: 7 * _SPEECH_DIRECTION,
        "<|endoftext|>": 9 * _END_DIRECTION,
        "<|en|>": 5 * _SPEECH_DIRECTION,
    }
    return np.array([likely.get(token, 0 * _SPEECH_DIRECTION) for token in vocabulary])


def _set_weight(spec: object, name: str, value: NDArray[np.float32]) -> None:
    *path, last = name.split("/")
    for part in path:
        head, _, number = part.rpartition("_")
        is_item = number.isdigit() and isinstance(getattr(spec, head, None), list)
        spec = getattr(spec, head)[int(number)] if is_item else getattr(spec, part)
    setattr(spec, last, value)
