"""What can be wrong with data, each said in one line."""


class DataError(ValueError):
    """Data that cannot be used. The message is one line for the person who asked for the data."""


class DataFormatError(DataError):
    """The content is wrong; the message names the file, or the split, and the place in it."""


class MissingDataError(DataError):
    """A file is not where it was looked for; the message says where, and what to do."""


def first_line(error: Exception) -> str:
    """What an error says, in one line; its name where it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0]
