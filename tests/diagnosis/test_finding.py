import json
from pathlib import Path

from keras_initkit.diagnosis.diagnosis import HEALTHY, Diagnosis
from keras_initkit.diagnosis.finding import CRITICAL, WARNING, Finding, ranked
from keras_initkit.diagnosis.problems import CONSEQUENCES, PROBLEMS


def finding(problem, since=0, severity=CRITICAL, layers=("a", "b")):
    return Finding(
        problem, layers, since, severity, "3 (normal: 1)", "why", "x = 1", "a paper"
    )


def test_causes_come_first_and_effects_are_folded_under_them():
    [root] = ranked(
        [
            finding("non_finite", 7),
            finding("dead_units", 3),
            finding("weights_too_large"),
        ]
    )
    assert root.problem == "weights_too_large"
    assert root.consequences == ("non_finite", "dead_units")


def test_what_came_later_is_no_cause():
    findings = [finding("dead_units", 30), finding("learning_rate_too_high")]
    assert [f.problem for f in ranked(findings)] == ["learning_rate_too_high"]
    findings = [finding("dead_units", 0), finding("learning_rate_too_high")]
    assert [f.problem for f in ranked(findings)] == ["dead_units"]


def test_what_does_not_follow_from_each_other_stays():
    findings = ranked([finding("learning_rate_too_low"), finding("unscaled_data")])
    assert [f.problem for f in findings] == ["unscaled_data"]
    findings = ranked([finding("symmetric_units"), finding("unscaled_data")])
    assert [f.problem for f in findings] == ["unscaled_data", "symmetric_units"]


def test_every_consequence_is_a_problem():
    assert set(CONSEQUENCES) == set(PROBLEMS)
    assert all(set(effects) <= set(PROBLEMS) for effects in CONSEQUENCES.values())


def test_three_lines():
    lines = str(finding("dead_units", 3)).split("\n")
    assert lines == [
        "dead_units in a, b, since step 3: why",
        "  evidence: 3 (normal: 1).",
        "  fix: x = 1",
    ]


def test_as_json_and_back():
    one = finding("dead_units")
    assert Finding.from_dict(json.loads(json.dumps(one.to_dict()))) == one


def test_the_page():
    page = Diagnosis([finding("dead_units"), finding("unscaled_data", layers=())])
    assert str(page) == f"{page[0]}\n\n{page[1]}"
    assert page.is_critical
    assert not Diagnosis([finding("dead_units", severity=WARNING)]).is_critical
    assert str(Diagnosis([])) == HEALTHY
    assert "<pre>dead_units in a, b" in page._repr_html_()
    assert page.to_markdown().startswith("**dead_units** (critical, since step 0) a, b")


def test_the_table_of_the_docs_has_the_texts_of_the_problems():
    page = (Path(__file__).parents[2] / "docs" / "findings.md").read_text()
    rows = [
        f"| `{name}` | {' | '.join(problem)} |" for name, problem in PROBLEMS.items()
    ]
    assert "\n|---|---|---|---|\n" + "\n".join(rows) + "\n\n" in page
