"""Where tiled windows go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizproxy.x11.scene import Geometry
from vizproxy.x11.tiling import grid, intersection

areas = st.builds(
    Geometry,
    x=st.integers(-100, 100),
    y=st.integers(-100, 100),
    width=st.integers(200, 4000),
    height=st.integers(200, 4000),
)


@given(areas, st.integers(0, 60))
def test_cells_cover_the_area_without_overlap(area, count):
    cells = grid(area, count)
    assert len(cells) == count
    assert all(intersection(cell, area) == cell for cell in cells)
    pairs = [(one, other) for i, one in enumerate(cells) for other in cells[:i]]
    assert not [pair for pair in pairs if intersection(*pair)]
    if count:
        assert sum(cell.width * cell.height for cell in cells) == area.width * area.height


@pytest.mark.parametrize(
    ("count", "rows"),
    [
        (1, [1]),
        (2, [2]),
        (3, [1, 2]),
        (4, [2, 2]),
        (5, [2, 3]),
        (6, [3, 3]),
        (8, [4, 4]),
        (9, [3, 3, 3]),
        (12, [4, 4, 4]),
    ],
)
def test_cells_have_a_pleasant_shape(count, rows):
    cells = grid(Geometry(0, 0, 1600, 900), count)
    tops = sorted({cell.y for cell in cells})
    assert [sum(cell.y == top for cell in cells) for top in tops] == rows


def test_an_area_without_extent():
    assert len(grid(Geometry(0, 0, 0, 0), 5)) == 5
