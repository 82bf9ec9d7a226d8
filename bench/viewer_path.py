"""What the gateway costs: bytes and round trips through it, against websockify alone.

    python -m bench.viewer_path [--seconds 3] [--rounds 8]

Started from the top folder. A server of our own stands in x11vnc's place.
"""

from __future__ import annotations

from bench.chain import Way, chain, measure, options, report, report_cost, report_ratio, run


async def compare(seconds: float, rounds: int) -> None:
    """Measure both ways in turn and print how they compare."""
    async with chain() as (parts, bridge, front):
        ways = (Way("websockify", socket=bridge), Way("gateway", socket=front))
        results = await measure(ways, parts, seconds=seconds, rounds=rounds)
    report(results)
    report_cost(results)
    report_ratio(results, "gateway", "websockify")


if __name__ == "__main__":
    arguments = options(__doc__, seconds=3).parse_args()
    run(compare(arguments.seconds, arguments.rounds))
