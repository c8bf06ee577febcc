"""What happened is counted, by as many labels as there may be."""

from domain.counting import OTHER, SERIES_MAX, Spread, Tally


def test_each_combination_of_labels_is_counted_by_itself() -> None:
    tally = Tally()

    tally.add("small", "SUCCEEDED")
    tally.add("small", "SUCCEEDED")
    tally.add("small", "FAILED")

    assert tally.read() == {("small", "SUCCEEDED"): (2,), ("small", "FAILED"): (1,)}


def test_values_lie_in_the_first_bucket_that_reaches_up_to_them() -> None:
    spread = Spread((1.0, 2.0))

    for value in (0.5, 1.0, 1.5, 2.0, 3.0):
        spread.add(value, "a")

    assert spread.read() == {("a",): (2, 2, 1, 8.0)}


def test_names_without_end_become_one() -> None:
    tally, spread = Tally(), Spread((1.0,))

    for number in range(SERIES_MAX + 10):
        tally.add("known", str(number))
        spread.add(0.5, "known", str(number))

    assert len(tally.read()) == len(spread.read()) == SERIES_MAX + 1
    assert tally.read()[OTHER, OTHER] == (10,)
    assert spread.read()[OTHER, OTHER] == (10, 0, 5.0)


def test_what_was_read_does_not_change_any_more() -> None:
    tally, spread = Tally(), Spread((1.0,))
    tally.add("a")
    spread.add(1.0, "a")
    before = tally.read(), spread.read()

    tally.add("a")
    spread.add(1.0, "a")

    assert before == ({("a",): (1,)}, {("a",): (1, 0, 1.0)})
