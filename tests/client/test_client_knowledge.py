"""A program asks questions and reads answers with their source, or why there is none."""

from __future__ import annotations

from penstock.client.knowledge import Candidate, Reply, question_inputs

OUTPUT = {
    "answered": True,
    "answer": "Two days.",
    "entry": "ship",
    "version": "0123456789ab",
    "question": "How long?",
    "score": 0.9,
    "threshold": 0.7,
    "reason": None,
    "tags": ["delivery"],
    "candidates": [{"entry": "ship", "version": "0123456789ab", "question": "How long?", "score": 0.9}],
}


def test_an_answer_is_read_with_its_source() -> None:
    reply = Reply.from_output(OUTPUT)
    assert reply.answered and reply.answer == "Two days." and reply.tags == ("delivery",)
    assert reply.candidates == (Candidate("ship", "0123456789ab", "How long?", 0.9),)


def test_what_is_not_known_says_why() -> None:
    none = {"answered": False, "answer": None, "entry": None, "version": None, "question": None, "reason": "not_sure"}
    reply = Reply.from_output({**OUTPUT, **none})
    assert not reply.answered and reply.reason == "not_sure" and reply.candidates


def test_questions_may_ask_for_one_language() -> None:
    assert question_inputs(["a", "b"]) == ["a", "b"]
    assert question_inputs(["怎么退货"], "zh-CN") == [{"question": "怎么退货", "locale": "zh-CN"}]
