"""Which segments of shared memory are taken for a dead child's."""

from vizproxy.supervise.sharedmemory import segments_of

TABLE = """\
       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid
         0          7  1600               4194304   100   200      0     0     0     0
         0          8  1600               4194304   100   200      2     0     0     0
         0          9  1600               4194304   101   100      0     0     0     0
     12345         10   600                  4096   100   100      0     0     0     0
"""


def test_those_it_made_and_nobody_uses() -> None:
    assert segments_of(100, TABLE) == [7, 10]
    assert segments_of(101, TABLE) == [9]
    assert segments_of(200, TABLE) == []


def test_none_in_an_empty_table() -> None:
    assert segments_of(100, TABLE.splitlines()[0]) == []
