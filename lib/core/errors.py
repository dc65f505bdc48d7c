"""The one error a user is meant to read: what was expected, what was got, what to do."""

import contextlib
from collections.abc import Collection, Iterator


class KlangfarbeError(ValueError):
    """A fault in what the user gave (a file, a name, a number), told in one line: ``expected "a
    sound file"; got "song.txt"; do "convert it: ffmpeg …"``. The command line exits with code 2."""

    def __init__(self, expected: str, got: str, do: str):
        self.expected, self.got, self.do = expected, got, do
        super().__init__(f"expected {expected}; got {got}; {do}")


@contextlib.contextmanager
def readable(expected: str, where, do: str = "take its files as they were published, all of one "
             "version") -> Iterator[None]:
    """Whatever a library raises in the block at what lies in `where` becomes one line with it."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # each library has its own; a panic of Rust's is no Exception
        got = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
        if isinstance(error, KlangfarbeError):
            if str(where) in str(error):
                raise
            expected, got, do = error.expected, error.got, error.do
        raise KlangfarbeError(expected, f"{where}: {got}", do) from error


def one_of(known: Collection[str], name: str, what: str, do: str = "name one") -> None:
    """Refuses a name that is not among the known ones; `what` it is to be: "a system"."""
    if name not in known:
        raise KlangfarbeError(f"{what} out of {', '.join(known)}", repr(name), do)


def checked(array, name: str, shape: tuple[int | str, ...], do: str):
    """The array or tensor, if it has this shape; an axis given as a letter may have any length."""
    wrong = [n for n, m in zip(shape, array.shape) if isinstance(n, int) and n != m]
    if wrong or array.ndim != len(shape):
        axes = ", ".join(map(str, shape))
        raise KlangfarbeError(f"{name} [{axes}]", str(tuple(array.shape)), do)
    return array
