"""Which segments of shared memory are taken for a dead process's."""

from vizproxy.supervise.sharedmemory import abandoned, left_by, parse

NOW = 10_000
ALIVE = 300
TABLE = """\
  key  shmid perms  size  cpid  lpid nattch  uid  gid  cuid  cgid  atime  dtime  ctime
  0  7  1600  4194304  100  200  0  5  0  0  0  0  0  9999
  0  8  1600  4194304  100  200  2  5  0  0  0  0  0  9999
  0  9  1600  4194304  101  100  0  5  0  0  0  0  0  9999
  12345  10  600  4096  100  100  0  5  0  0  0  0  0  9999
  0  11  600  4096  300  100  0  5  0  0  0  0  0  1000
  0  12  600  4096  100  100  0  6  0  0  0  0  0  1000
  0  13  600  4096  0  100  0  5  0  0  0  0  0  9999
  0  14  600  4096  0  100  0  5  0  0  0  0  0  9000
"""


def test_what_a_process_left_is_what_it_made() -> None:
    segments = parse(TABLE)
    assert left_by(100, segments) == [7, 8, 10, 12]
    assert left_by(101, segments) == [9]
    assert left_by(200, segments) == []


def test_abandoned_are_our_private_ones_whose_maker_is_dead() -> None:
    """Not those in use (8), with a key to find them by (10), of a living maker (11), of another
    user (12), or made a moment ago by somebody who cannot be seen from here (13)."""
    found = abandoned(parse(TABLE), uid=5, now=NOW, alive=lambda pid: pid == ALIVE)
    assert found == [7, 9, 14]


def test_none_in_an_empty_table() -> None:
    segments = parse(TABLE.splitlines()[0])
    assert left_by(100, segments) == []
    assert abandoned(segments, uid=0, now=NOW, alive=lambda _: False) == []
