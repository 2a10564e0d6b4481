"""The report of ``make bench``: ratios within a round, and goals that can be lost."""

from dataclasses import replace

from bench.cases import CASES
from bench.load import Window
from bench.report import NOISE, Figures, lost_goals, table

WINDOW = Window(
    requests=1_000,
    rps=1_000,
    p50=1,
    p99=2,
    refused=0,
    broken=0,
    cpu=0.5,
    postgres_cpu=0.1,
    memory_mb=100,
    others=0.1,
)


def figures(*rounds: tuple[float, float]) -> Figures:
    made = Figures(CASES["profile"])
    for ours, peers in rounds:
        made.add("lingualink", replace(WINDOW, cpu=ours))
        made.add("nestjs", replace(WINDOW, cpu=peers))
    return made


def test_a_ratio_is_formed_within_its_round() -> None:
    # A loud second round slows both sides: the quotient of medians would say something else.
    assert figures((0.2, 0.4), (2.0, 4.0), (0.2, 0.8)).ratio("cpu") == (0.25, 0.5, 0.5)


def test_without_a_peer_there_is_no_ratio() -> None:
    made = Figures(CASES["profile"])
    made.add("lingualink", WINDOW)

    assert made.ratio("cpu") is None
    assert lost_goals([made], {"profile": 0.1}) == []


def test_only_a_peer_is_divided_by() -> None:
    made = Figures(CASES["distance"])
    for variant in made.case.variants:
        made.add(variant.name, WINDOW)

    assert made.ratio("cpu") is None
    assert "**" not in table([made])


def test_a_goal_is_lost_beyond_the_noise_and_not_within_it() -> None:
    goal = {"profile": 0.5}

    assert lost_goals([figures((0.5 * NOISE - 0.01, 1.0))], goal) == []
    [line] = lost_goals([figures((0.5 * NOISE + 0.01, 1.0))], goal)
    assert "profile costs 0.61 of the peer's CPU; 0.50 was reached" in line


def test_the_table_has_a_line_for_each_target() -> None:
    lines = table([figures((0.5, 1.0))]).splitlines()

    assert [line.split("|")[2].strip() for line in lines[2:]] == ["lingualink", "nestjs"]
    assert "**0.50** (0.50 to 0.50)" in lines[2]
