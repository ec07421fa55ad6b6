"""A target that was promoted is compared with as any baseline is."""

from worker.registry import reading, unit_of_work

ACROSS = {"groups": [["across"]], "rest": True, "balance": False}


def test_the_next_recommendation_is_compared_with_a_promoted_target(engine, add_recommendation, finish) -> None:
    finish(add_recommendation("first", repetitions=1, labels=ACROSS))
    with unit_of_work(engine) as registry:
        registry.recommendations.promote("first", "stripes")
    finish(add_recommendation("second", repetitions=1))
    with reading(engine) as registry:
        answer = registry.recommendations.get("second").document
    assert [entry["name"] for entry in answer["distances"]] == ["stripes"]
    assert answer["distances"][0]["mean"] is not None
    assert [entry["eligible"] for entry in answer["eligibility"]] == [True]
