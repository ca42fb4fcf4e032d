"""YAML from a stranger: plain values, not nested without end, not repeated by aliases."""

from typing import Any

import yaml

MOST_CHARACTERS = 10**6
DEEPEST = 50  # nodes in nodes


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    _depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not read")
        self._depth += 1
        if self._depth > DEEPEST:
            raise yaml.YAMLError(f"nested deeper than {DEEPEST}")
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]
    def ignore_aliases(self, data: Any) -> bool:
        return True


def read(text: str) -> Any:
    """The value of a text. Raises YAMLError, also for what is too large, too deep or aliased."""
    if len(text) > MOST_CHARACTERS:
        raise yaml.YAMLError(f"longer than {MOST_CHARACTERS} characters")
    return yaml.load(text, _Loader)  # a SafeLoader


def write(value: Any) -> str:
    """Text that ``read`` reads."""
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True))
