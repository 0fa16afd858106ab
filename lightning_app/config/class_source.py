"""What a class takes, read from its source: nothing is imported, so that `chain` is quick and runs nobody's code."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lightning_app.config.files import PACKAGE_ROOT
from lightning_app.config.own_packages import OWN

# Bases that take no arguments.
_BARE = ("object", "ABC", "Generic", "Protocol")
# Annotations of what is no class, and of files: `a.b` is a text there.
_PLAIN = {
    *("str", "bytes", "int", "float", "bool", "object", "Any", "Path", "PathLike", "_PATH", "timedelta"),
    *("list", "tuple", "dict", "set", "Sequence", "Iterable", "Mapping", "Literal", "Optional", "Union"),
}


@dataclass(frozen=True)
class Arguments:
    """The arguments of a class.

    Args:
        names: All of them.
        defaults: The values of those that may be left out; the source's text where a value is no plain one.
        open: Whether it takes others, too, or hands what it is given to a class that could not be read.
        classes: Those whose value is built from a class, and the name of their annotation in full.
    """

    names: tuple[str, ...]
    defaults: dict[str, Any] = field(default_factory=dict)
    open: bool = False
    classes: dict[str, str] = field(default_factory=dict)


@lru_cache(maxsize=512)
def arguments(class_path: str) -> Arguments | None:
    """Read the arguments of a class, such as ``models.clap.Clap``; None if its source is not found."""
    module, _, name = class_path.rpartition(".")
    found = _find(module, name) if module else None
    return _arguments(*found) if found else None


def _arguments(module: str, node: ast.ClassDef) -> Arguments:
    for each in node.body:
        if isinstance(each, ast.FunctionDef) and each.name == "__init__":
            return _of_function(module, each.args)
    named = [ast.unparse(base.value if isinstance(base, ast.Subscript) else base) for base in node.bases]
    bases = [found for name in named if (found := _find(module, name))]
    # What could not be read may take anything.
    unread = any(name.rpartition(".")[2] not in _BARE and not _find(module, name) for name in named)
    if any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
        inherited = [_arguments(*base) for base in bases]
        own = [each for each in node.body if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)]
        names = dict.fromkeys(name for base in inherited for name in base.names)
        defaults = {name: value for base in inherited for name, value in base.defaults.items()}
        names |= dict.fromkeys(ast.unparse(each.target) for each in own)
        defaults |= {ast.unparse(each.target): _value(module, each.value) for each in own if each.value is not None}
        classes = {name: kind for base in inherited for name, kind in base.classes.items()}
        classes |= _classes(module, {ast.unparse(each.target): each.annotation for each in own})
        return Arguments(tuple(names), defaults, unread or any(base.open for base in inherited), classes)
    first = _first_with_arguments(bases)
    return replace(first, open=first.open or unread)


def _first_with_arguments(classes: Iterable[tuple[str, ast.ClassDef]]) -> Arguments:
    """The arguments of the first class that has any: a mixin in front of it has none."""
    found = (_arguments(*each) for each in classes)
    return next((each for each in found if each.names or each.open), Arguments(()))


def _of_function(module: str, args: ast.arguments) -> Arguments:
    placed = [*args.posonlyargs, *args.args][1:]
    pairs = [*zip(reversed(placed), reversed(args.defaults), strict=False)][::-1]
    pairs += [(arg, value) for arg, value in zip(args.kwonlyargs, args.kw_defaults, strict=True) if value is not None]
    names = tuple(arg.arg for arg in (*placed, *args.kwonlyargs))
    defaults = {arg.arg: _value(module, value) for arg, value in pairs}
    classes = _classes(module, {arg.arg: arg.annotation for arg in (*placed, *args.kwonlyargs)})
    return Arguments(names, defaults, open=args.kwarg is not None, classes=classes)


def _classes(module: str, annotations: Mapping[str, ast.expr | None]) -> dict[str, str]:
    """The arguments whose annotation names a class, or what makes one."""
    found: dict[str, str] = {}
    for argument, annotation in annotations.items():
        names = map(ast.unparse, _names(annotation) if annotation is not None else ())
        if named := [name for name in names if name.rpartition(".")[2] not in _PLAIN]:
            found[argument] = f"{module}.{named[0]}"
    return found


def _names(node: ast.expr) -> Iterator[ast.expr]:
    """The names in an annotation, `nn.Module` as one; what stands in a ``Literal`` is a text."""
    if isinstance(node, ast.Name | ast.Attribute):
        yield node
    elif not (isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("Literal")):
        for each in ast.iter_child_nodes(node):
            if isinstance(each, ast.expr):
                yield from _names(each)


def _value(module: str, node: ast.expr) -> Any:
    """A default's value; a constant of the module is looked up."""
    tree = _tree(module)
    constants = [each for each in tree.body if isinstance(each, ast.Assign)] if tree else []
    known = {ast.unparse(target): each.value for each in constants for target in each.targets}
    node = known.get(node.id, node) if isinstance(node, ast.Name) else node
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return ast.unparse(node)
    return list(value) if isinstance(value, tuple) else value


def _find(module: str, name: str, depth: int = 8) -> tuple[str, ast.ClassDef] | None:
    """Find a class by the name that it has in a module, there or where the module has it from."""
    tree, (first, _, rest) = _tree(module), name.partition(".")
    if tree is None or depth == 0:
        return None
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return module, node
        for alias, origin in _imported(module, node):
            if alias == "*" and (found := _find(origin.removesuffix(".*"), name, depth - 1)):
                return found
            if alias == first:
                whole = f"{origin}.{rest}" if rest else origin
                owner, _, wanted = whole.rpartition(".")
                return _find(owner, wanted, depth - 1) if owner else None
    return None


def _imported(module: str, node: ast.stmt) -> Iterator[tuple[str, str]]:
    """The names that an import statement makes, and what they stand for in full."""
    if isinstance(node, ast.ImportFrom):
        package = module if _is_package(module) else module.rpartition(".")[0]
        for _ in range(node.level - 1):
            package = package.rpartition(".")[0]
        origin = ".".join(filter(None, [package if node.level else "", node.module or ""]))
        for alias in node.names:
            yield alias.asname or alias.name, f"{origin}.{alias.name}"
    elif isinstance(node, ast.Import):
        for alias in node.names:
            yield (alias.asname, alias.name) if alias.asname else (alias.name.split(".")[0], alias.name.split(".")[0])


@lru_cache(maxsize=512)
def _tree(module: str) -> ast.Module | None:
    path = _file(module)
    try:
        return ast.parse(path.read_text(encoding="utf-8")) if path else None
    except (OSError, ValueError, SyntaxError, RecursionError):
        return None


def _is_package(module: str) -> bool:
    path = _file(module)
    return path is not None and path.name == "__init__.py"


def _file(module: str) -> Path | None:
    top, *below = module.split(".")
    if not all(part.isidentifier() for part in (top, *below)):
        return None
    for folder in _folders(top):
        place = folder.joinpath(*below)
        for path in (place.with_suffix(".py"), place / "__init__.py"):
            if path.is_file():
                return path
    return None


@lru_cache(maxsize=64)
def _folders(package: str) -> tuple[Path, ...]:
    """Where a package lies, which is found without importing it."""
    if package in OWN:
        return (PACKAGE_ROOT / package,)
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        return ()
    return tuple(map(Path, spec.submodule_search_locations or ())) if spec else ()
