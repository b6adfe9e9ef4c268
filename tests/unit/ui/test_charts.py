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
    (points,) = re.findall(r'points="([^"]+)"', drawn)
    for point in points.split():
        x, y = (float(one) for one in point.split(","))
        assert 0 <= x <= width and 0 <= y <= height
