"""vGPU types, by the names that NVIDIA's driver has for them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizproxy.facts.vgpu import Limits, Profile, Series, limits, parse

profiles = st.builds(
    Profile,
    st.sampled_from(["M10", "M60", "T4", "A40", "L40S", "RTX6000-Ada"]),
    st.integers(0, 96).map(lambda gib: gib * 1024 or 512),
    st.sampled_from(Series),
)


@pytest.mark.parametrize(
    ("name", "board", "mib", "series"),
    [
        ("NVIDIA A40-8Q", "A40", 8192, "Q"),
        ("NVIDIA A40-48C", "A40", 49152, "C"),
        ("NVIDIA RTXA6000-24Q", "RTXA6000", 24576, "Q"),
        ("NVIDIA RTX6000-Ada-8Q", "RTX6000-Ada", 8192, "Q"),
        ("GRID T4-1B", "T4", 1024, "B"),
        ("GRID T4-1B4", "T4", 1024, "B"),
        ("GRID M60-0Q", "M60", 512, "Q"),
        ("GRID M10-8A", "M10", 8192, "A"),
        ("GRID A100D-8C", "A100D", 8192, "C"),
        # shares of a slice of a GPU in MIG mode
        ("GRID A100X-1-5C", "A100X", 5120, "C"),
        ("GRID A100X-1-5CME", "A100X", 5120, "C"),
        ("H800-7-80C", "H800", 81920, "C"),
        ("NVIDIA RTX Pro 6000 Blackwell DC-1-24Q", "RTX Pro 6000 Blackwell DC", 24576, "Q"),
    ],
)
def test_names(name: str, board: str, mib: int, series: str) -> None:
    assert parse(name) == Profile(board, mib, Series(series))


@pytest.mark.parametrize(
    "name",
    [
        *("", "Tesla T4", "NVIDIA A40", "NVIDIA A100-SXM4-40GB", "NVIDIA H100 80GB HBM3"),
        *("NVIDIA A100-SXM4-40GB MIG 1g.5gb", "NVIDIA RTX 6000 Ada Generation", "Quadro RTX 6000"),
        "GRID RTX6000-6",  # a type for games, of which no limits are known
        *("NVIDIA A40-8q", "NVIDIA A40-8Q\n", "NVIDIA A40-Q", "-8Q", "NVIDIA A40-٨Q"),
    ],
)
def test_what_is_no_vgpu(name: str) -> None:
    assert parse(name) is None


@given(
    st.text() | st.from_regex(r"(GRID |NVIDIA )?[A-Z0-9 -]{0,60}-\d+[QBAC](4|ME)?", fullmatch=True)
)
def test_any_name(name: str) -> None:
    """Also a long one, in no time."""
    profile = parse(name)
    if profile is not None:
        assert profile.board in name
        assert re.search(rf"-\d+{profile.series}", name)


@given(profiles, st.sampled_from(["GRID ", "NVIDIA ", ""]))
def test_a_name_says_what_it_is_made_of(profile: Profile, prefix: str) -> None:
    name = f"{prefix}{profile.board}-{profile.framebuffer_mib // 1024}{profile.series}"
    assert parse(name) == profile


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("NVIDIA A40-8Q", Limits(66_355_200, 4, 7680, 4320, 60, draws=True)),
        ("NVIDIA A40-6Q", Limits(58_982_400, 4, 7680, 4320, 60, draws=True)),
        ("NVIDIA A40-3Q", Limits(36_864_000, 4, 7680, 4320, 60, draws=True)),
        ("NVIDIA A40-1Q", Limits(18_432_000, 4, 5120, 2880, 60, draws=True)),
        ("GRID M60-8Q", Limits(36_864_000, 4, 5120, 2880, 60, draws=True)),
        ("GRID M60-0Q", Limits(8_192_000, 2, 2560, 1600, 60, draws=True)),
        ("GRID T4-2B4", Limits(18_432_000, 4, 5120, 2880, 45, draws=True)),
        ("GRID T4-1B", Limits(16_384_000, 4, 5120, 2880, 45, draws=True)),
        ("GRID M10-0B", Limits(8_192_000, 2, 2560, 1600, 45, draws=True)),
        ("GRID T4-16A", Limits(1_310_720, 1, 1280, 1024, 60, draws=True)),
        ("NVIDIA A40-8C", Limits(9_216_000, 1, 3840, 2400, 60, draws=False)),
    ],
)
def test_limits(name: str, expected: Limits) -> None:
    profile = parse(name)
    assert profile is not None
    assert limits(profile) == expected


@given(profiles)
def test_one_display_of_full_size_is_within_the_budget(profile: Profile) -> None:
    limit = limits(profile)
    assert limit.max_width * limit.max_height <= limit.max_pixels


@given(profiles, st.integers(0, 64))
def test_more_framebuffer_is_never_less_picture(profile: Profile, more: int) -> None:
    bigger = Profile(profile.board, profile.framebuffer_mib + 1024 * more, profile.series)
    small, big = limits(profile), limits(bigger)
    assert small.max_pixels <= big.max_pixels
    assert (small.max_width, small.max_height) <= (big.max_width, big.max_height)
    assert small.heads <= big.heads
    assert small.frame_rate == big.frame_rate
    assert small.draws == big.draws
