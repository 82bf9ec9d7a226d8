"""What the gateway has counted of viewers since the daemon started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from vizproxy.distribution import Distribution
from vizproxy.gateway.access import Role


class Refusal(StrEnum):
    """Why a viewer was not let in."""

    NOT_READY = "not_ready"
    TOO_MANY = "too_many"
    ACCESS = "access"
    ORIGIN = "origin"


class Leave(StrEnum):
    """Why a viewer's session has ended."""

    LEFT = "left"
    STALLED = "stalled"
    PAUSED = "paused"
    PROTOCOL = "protocol"
    SERVER_ENDED = "server_ended"
    SERVER_UNREACHABLE = "server_unreachable"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class ViewerTally:
    """One moment of the viewers, and what was counted until then.

    ``connected`` has how many are connected, by role. *Received* is what viewers have sent, *sent* what
    they were sent; bytes are those of RFB, without WebSocket's own. ``updates`` counts framebuffer
    updates that viewers have taken, by their requests for the next one (RFC 6143, 7.5.3).
    ``send_wait_seconds`` is for how long the gateway waited until viewers took what was sent to them,
    ``blocked_seconds`` for how long it kept the VNC server waiting because a viewer's buffer was full;
    both are sums over all viewers, and waits that go on are in them. ``round_trip`` are seconds from a
    WebSocket's ping to its pong (the nearest WebSocket peer answers: where the desktop is proxied, the
    proxy); ``last_round_trip`` is the latest one, None if nobody is connected. ``first_picture`` are
    seconds from a viewer's arrival until it has taken its first update.
    """

    connected: Mapping[Role, int]
    sessions: int
    ended: Mapping[Leave, int]
    refused: Mapping[Refusal, int]
    received_bytes: int
    received_messages: int
    sent_bytes: int
    sent_messages: int
    updates: int
    send_wait_seconds: float
    blocked_seconds: float
    round_trip: Distribution
    last_round_trip: float | None
    first_picture: Distribution
