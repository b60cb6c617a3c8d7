"""The lines of a file as bytes, many at once."""

from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

# bytes read at once
CHUNK = 1024**2
BOM = b"\xef\xbb\xbf"
_LF, _CR = 10, 13


class Lines:
    """The lines of an open file; each ends with a line feed, a carriage return, or both.

    Attributes:
        offset: bytes of the file taken so far.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._data = file.read(len(BOM))
        self._ends = _ends(self._data)
        self._is_done = False
        self.offset = 0
        if self._data == BOM:
            self._data, self.offset = b"", len(BOM)

    def take(self, most: int, size: int) -> bytes:
        """Return the next lines; nothing at the end of the file.

        Args:
            most: the number of lines at most.
            size: bytes from which no further line is added; of a longer line only a part may be returned.
        """
        while len(self._ends) < most and len(self._data) < size and not self._is_done:
            self._fill()
        count = min(most, int(np.searchsorted(self._ends, size)) + 1)
        if count > len(self._ends) > 0 and not self._is_done:  # the next line is not read to its end
            count = len(self._ends)
        end = len(self._data) if count > len(self._ends) else int(self._ends[count - 1])
        taken, self._data = self._data[:end], self._data[end:]
        self._ends = self._ends[count:] - end
        self.offset += end
        return taken

    def between(self, begin: int, end: int) -> bytes:
        """Return the bytes of the file between two places; the lines after that are no longer in order."""
        self._file.seek(begin)
        return self._file.read(end - begin)

    def _fill(self) -> None:
        chunk = self._file.read(CHUNK)
        begin = len(self._data) - self._data.endswith(b"\r")
        self._data += chunk
        self._ends = np.concatenate([self._ends, begin + _ends(self._data[begin:])])
        self._is_done = not chunk


def _ends(data: bytes) -> NDArray[np.intp]:
    """Return the places after each line end; a line feed may follow a carriage return at the end, so it is none yet."""
    codes = np.frombuffer(data, np.uint8)
    is_end = codes == _LF
    if b"\r" in data:
        is_end[:-1] |= (codes[:-1] == _CR) & ~is_end[1:]
    return np.flatnonzero(is_end) + 1
