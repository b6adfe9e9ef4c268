"""A chart of any finite numbers that a data owner may report."""

import re

import pytest

from syft_flwr_cli.ui.report.charts import line_chart


@pytest.mark.parametrize(
    "values",
    [
        (1.0, 1.0),
        (0.0, 0.0),
        (9e18, 9e18),
        (1e18, 1e18 + 1024),
        (1.7e308, -1.7e308),
        (1.7976931348623157e308,) * 2,
    ],
)
def test_every_finite_value_has_a_place_inside_the_chart(values: tuple[float, float]) -> None:
    drawn = line_chart("loss", dict(enumerate(values, 1)), {})
    assert "nan" not in drawn and "inf" not in drawn
    _, _, width, height = (float(one) for one in re.findall(r'viewBox="([^"]+)"', drawn)[0].split())
    (path,) = re.findall(r'class="overall" d="([^"]+)"', drawn)
    places = re.findall(r"[ML](\S+) (\S+)", path)
    assert len(places) == len(values)
    for x, y in places:
        assert 0 <= float(x) <= width and 0 <= float(y) <= height
