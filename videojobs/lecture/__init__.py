"""Turns a lecture video into subtitles and a PDF of its slides. Plain functions on files: no Prefect, no database.

validation.py   checks a video before the processing: validate_lecture
slides.py       slides as images with their times: extract_slides
speech.py       speech recognition, word by word: transcribe
subtitles.py    SRT and VTT: write_subtitles
pdf.py          one slide per page, with its spoken text: write_pdf
models.py       results of the stages; each serializes to JSON, so each is a recovery point
request.py      a client's request; parsing.py validates it; options.py: its options; settings.py: the operator's
progress.py     progress and cancellation of long work

Below them: frame_sampling.py and frame_signature.py (frame selection and comparison), audio_chunks.py,
whisper_engine.py, pocketsphinx_engine.py and pocketsphinx_process.py (the two engines), cues.py and paragraphs.py
(words to readable text), fonts.py.
"""
