"""The assignment of words to slides."""

from videojobs.lecture.models import Slide, SlideDeck, Span, Word
from videojobs.lecture.paragraphs import paragraphs_by_slide, split_paragraphs


def make_word(text: str, start: float, seconds: float = 0.3) -> Word:
    return Word(text=f" {text}", start=start, end=start + seconds)


def make_deck(*slides: list[tuple[float, float]]) -> SlideDeck:
    return SlideDeck(
        duration=100,
        slides=[
            Slide(number=number, spans=[Span(start=start, end=end) for start, end in spans], picture=f"{number}.png")
            for number, spans in enumerate(slides, 1)
        ],
    )


def test_words_go_with_the_slide_that_is_shown() -> None:
    texts = paragraphs_by_slide(make_deck([(0, 10)], [(10, 20)]), [make_word("one", 1), make_word("two", 11)])
    assert [[each.text for each in texts[number]] for number in (1, 2)] == [["one"], ["two"]]


def test_a_word_across_a_change_goes_where_most_of_it_is() -> None:
    texts = paragraphs_by_slide(
        make_deck([(0, 10)], [(10, 20)]), [make_word("early", 9.9, 0.3), make_word("late", 9.7, 0.4)]
    )
    assert [each.text for each in texts[2]] == ["early"]
    assert [each.text for each in texts[1]] == ["late"]


def test_a_slide_that_comes_again_has_the_words_of_both_times() -> None:
    texts = paragraphs_by_slide(
        make_deck([(0, 10), (20, 30)], [(10, 20)]),
        [make_word("first", 1), make_word("between", 11), make_word("again", 21)],
    )
    assert [(each.start, each.text) for each in texts[1]] == [(1, "first"), (21, "again")]


def test_no_word_is_lost_before_the_first_slide_or_between_two() -> None:
    texts = paragraphs_by_slide(
        make_deck([(5, 10)], [(30, 40)]), [make_word("before", 1), make_word("between", 15), make_word("after", 50)]
    )
    assert [each.text for each in texts[1]] == ["before between"]
    assert [each.text for each in texts[2]] == ["after"]


def test_without_slides_there_is_no_page_for_words() -> None:
    assert paragraphs_by_slide(make_deck(), [make_word("hello", 1)]) == {}


def test_a_paragraph_ends_with_a_sentence_after_a_while() -> None:
    words = [make_word("long" if number % 30 else "end.", number) for number in range(1, 91)]
    assert [each.start for each in split_paragraphs(words)] == [1, 31, 61]


def test_a_paragraph_ends_somewhere_even_without_a_full_stop() -> None:
    starts = [each.start for each in split_paragraphs([make_word("on", number / 2, 0.5) for number in range(200)])]
    assert starts == [0, 45, 90]


def test_all_paragraphs_together_are_what_was_said() -> None:
    words = [make_word(f"word{number}", number * 1.5) for number in range(50)]
    assert " ".join(each.text for each in split_paragraphs(words)) == "".join(each.text for each in words).strip()
