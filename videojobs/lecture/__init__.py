"""From a lecture video to subtitles and a PDF of its slides. No Prefect and no ledger: plain functions on files.

checking.py     is it a lecture that can be worked on? Before any work begins
slides.py       the slides, as pictures with their times: find_slides
speech.py       what is said, word by word: transcribe
subtitles.py    SRT and VTT: write_subtitles
pdf.py          one slide a page with what was said: write_pdf
models.py       what these hand on; all of it goes through JSON, so each result is a recovery point
options.py      what a client may choose; settings.py: what an operator sets
work.py         progress and stopping of long work

Below them: sampling.py and look.py (which pictures, and how two are compared), sound.py (the sound track in pieces),
whisper.py, sphinx.py and sphinx_process.py (the two engines), cues.py and paragraphs.py (words into readable text),
fonts.py.
"""
