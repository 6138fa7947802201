"""The typed client of recommendations: inputs as the interface wants them, answers as records."""

from penstock.client.recommendation import Recommendations, for_items, for_users, popular


def test_inputs_say_only_what_was_asked() -> None:
    assert for_users(["r1", 7], top=3) == [{"user": "r1", "top": 3}, {"user": 7, "top": 3}]
    assert for_items([["b1", "b2"]], user="r9", exclude=["b3"], available=["b4"]) == [
        {"user": "r9", "items": ["b1", "b2"], "exclude": ["b3"], "available": ["b4"]}
    ]
    assert popular() == [{"popular": True}]


def test_an_output_becomes_items_with_their_reasons() -> None:
    because = {"item": "b1", "title": "One"}
    first = {"item": "b2", "title": "Two", "score": 0.5, "new": False, "because": because}
    second = {"item": "n1", "title": "New", "score": 0.25, "new": True, "because": None}
    found = Recommendations.from_output({"items": [first, second]})
    assert [one.item for one in found.items] == ["b2", "n1"]
    assert (found.items[0].because, found.items[1].because) == (("b1", "One"), None)
    assert found.items[1].new and found.items[0].score == 0.5
