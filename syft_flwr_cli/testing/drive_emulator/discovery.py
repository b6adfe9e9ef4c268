"""What Google would know: requests are checked against the discovery document of the official client.

The document ``drive.v3.json`` ships inside google-api-python-client. A method, parameter, body field
or ``fields`` selector that is not in it is refused with 400, so that a call that Google would not
understand fails in the test. Knows no account and no file.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from syft_flwr_cli.testing.drive_emulator.problems import ApiError, bad_request, forbidden

__all__ = ["Api", "Mask", "Method", "project"]

Mask = Mapping[str, Any]
"""A parsed ``fields``: name -> mask of what is below, or None for all of it; ``*`` for every name."""

_DEFAULTS = {
    "File": "kind,id,name,mimeType",
    "FileList": "kind,incompleteSearch,nextPageToken,files(kind,id,name,mimeType)",
    "Permission": "kind,id,type,role",
    "PermissionList": "kind,nextPageToken,permissions(kind,id,type,role)",
    "ChangeList": "kind,nextPageToken,newStartPageToken,"
    "changes(kind,type,changeType,time,removed,fileId,file(kind,id,name,mimeType))",
}
_SAID_READ_ONLY = frozenset(
    {"id", "kind", "type", "role", "emailAddress"}
)  # by the document, but a create sets them


@dataclass(frozen=True, slots=True)
class Method:
    """A method of the document, and the values of the path that led to it."""

    id: str
    spec: Mapping[str, Any]
    path: Mapping[str, str]
    upload: bool

    @property
    def short(self) -> str:
        """``files.create`` rather than ``drive.files.create``."""
        return self.id.removeprefix("drive.")


class Api:
    """The discovery document, asked questions."""

    def __init__(self) -> None:
        source = files("googleapiclient.discovery_cache.documents") / "drive.v3.json"
        self._document: dict[str, Any] = json.loads(source.read_text("utf-8"))
        self._routes: list[tuple[str, re.Pattern[str], bool, Mapping[str, Any]]] = []
        for resource in self._document["resources"].values():
            for spec in resource.get("methods", {}).values():
                self._add(spec)

    def _add(self, spec: Mapping[str, Any]) -> None:
        base = "/" + self._document["servicePath"]
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(base + spec["path"]))
        self._routes.append((spec["httpMethod"], re.compile(pattern + r"\Z"), False, spec))
        if spec.get("supportsMediaUpload"):
            self._routes.append((spec["httpMethod"], re.compile("/upload" + pattern + r"\Z"), True, spec))

    def find(self, verb: str, path: str) -> Method:
        """The method that ``verb`` and ``path`` mean. Literal paths win over ``{fileId}``.

        Raises
        ------
        ApiError
            404 if Google has no such method.
        """
        best: Method | None = None
        for known, pattern, upload, spec in self._routes:
            found = pattern.match(path) if known == verb else None
            if found and (best is None or len(found.groupdict()) < len(best.path)):
                best = Method(spec["id"], spec, found.groupdict(), upload)
        if best is None:
            raise ApiError(404, "notFound", f"Drive has no method {verb} {path}.")
        return best

    def parameters(self, method: Method, query: Mapping[str, list[str]]) -> dict[str, Any]:
        """The query as typed values, with the document's defaults; refuses what is not in it."""
        known: dict[str, Any] = {**self._document["parameters"], **method.spec.get("parameters", {})}
        extra = {"upload_id"} if method.upload else set()
        values: dict[str, Any] = {}
        for name, texts in query.items():
            if name in extra:
                continue
            if name not in known:
                raise bad_request(f"Unknown parameter {name!r} of {method.short}.", "invalidParameter")
            if len(texts) > 1 and not known[name].get("repeated"):
                raise bad_request(f"Parameter {name!r} is given {len(texts)} times.", "invalidParameter")
            values[name] = _typed(name, texts[0], known[name])
        for name, spec in known.items():
            if spec.get("location") != "path" and spec.get("required") and name not in values:
                raise bad_request(f"Required parameter: {name}", "required")
            if "default" in spec and name not in values and name != "prettyPrint":
                values[name] = _typed(name, spec["default"], spec)
        return values

    def body(self, method: Method, value: Any) -> dict[str, Any]:
        """The request's JSON, if the document knows all of it and the caller may write it."""
        reference = method.spec.get("request", {}).get("$ref")
        if reference is None:
            if value:
                raise bad_request(f"{method.short} takes no body.")
            return {}
        if not isinstance(value, dict):
            raise bad_request("Parse Error", "parseError")
        self._check(reference, value, reference)
        properties = self._document["schemas"][reference]["properties"]
        for name in value:
            read_only = properties[name].get("description", "").startswith("Output only.")
            if read_only and name not in _SAID_READ_ONLY:
                raise forbidden("fieldNotWritable")
        return value

    def _check(self, reference: str, value: Mapping[str, Any], where: str) -> None:
        schema = self._document["schemas"][reference]["properties"]
        for name, item in value.items():
            if name not in schema:
                raise bad_request(f'Invalid JSON payload received. Unknown name "{name}" at {where}.')
            spec = schema[name]
            expected = {"string": str, "boolean": bool, "array": list, "object": dict, "integer": int}
            kind = expected.get(spec.get("type", ""), object)
            if item is not None and not isinstance(item, kind):
                raise bad_request(f"{where}.{name} must be of type {spec.get('type')}.")
            if "$ref" in spec and isinstance(item, dict):
                self._check(spec["$ref"], item, f"{where}.{name}")

    def mask(self, method: Method, text: str | None) -> Mask | None:
        """Parse ``fields`` and check it against the response's schema; None if there is no response."""
        reference = method.spec.get("response", {}).get("$ref")
        if reference is None:
            return None
        if text is None:
            if reference == "About":
                raise bad_request("The 'fields' parameter is required for this method.", "required")
            text = _DEFAULTS.get(reference, "*")
        mask = _Fields(text).parse()
        self._check_mask(mask, {"$ref": reference}, text)
        return mask

    def _check_mask(self, mask: Mask, spec: Mapping[str, Any], text: str) -> None:
        spec = spec.get("items", spec)
        schema = self._document["schemas"].get(spec.get("$ref"), spec)
        properties = schema.get("properties")
        for name, below in mask.items():
            if name == "*":
                continue
            if properties is None and "additionalProperties" in schema:
                continue
            if not properties or name not in properties:
                raise bad_request(f"Invalid field selection {name} (in {text!r})", "invalidParameter")
            if below is not None:
                self._check_mask(below, properties[name], text)


def _typed(name: str, text: str, spec: Mapping[str, Any]) -> Any:
    kind = spec.get("type")
    if "enum" in spec and text not in spec["enum"]:
        raise bad_request(f"Invalid value {text!r} of {name!r}.", "invalidParameter")
    if kind == "boolean":
        if text not in ("true", "false"):
            raise bad_request(f"Invalid boolean {text!r} of {name!r}.", "invalidParameter")
        return text == "true"
    if kind == "integer":
        try:
            number = int(text)
        except ValueError:
            raise bad_request(f"Invalid integer {text!r} of {name!r}.", "invalidParameter") from None
        low, high = int(spec.get("minimum", number)), int(spec.get("maximum", number))
        if not low <= number <= high:
            raise bad_request(f"{name} must be within [{low}, {high}].", "invalidParameter")
        return number
    return text


class _Fields:
    """Recursive descent over ``a,b(c,d/e),*``."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = re.findall(r"[A-Za-z0-9_.-]+|[*,()/]|\S", text)
        self._at = 0

    def parse(self) -> Mask:
        mask = self._selection()
        if self._at != len(self._tokens):
            raise self._wrong()
        return mask

    def _selection(self) -> dict[str, Any]:
        mask: dict[str, Any] = {}
        while True:
            name, below = self._field()
            if name in mask and isinstance(mask[name], dict) and isinstance(below, dict):
                mask[name].update(below)
            else:
                mask[name] = below
            if self._peek() != ",":
                return mask
            self._at += 1

    def _field(self) -> tuple[str, Any]:
        name = self._peek()
        if name is None or not re.match(r"[A-Za-z0-9_*.-]", name):
            raise self._wrong()
        self._at += 1
        follow = self._peek()
        if follow == "/":
            self._at += 1
            inner, below = self._field()
            return name, {inner: below}
        if follow == "(":
            self._at += 1
            mask = self._selection()
            if self._peek() != ")":
                raise self._wrong()
            self._at += 1
            return name, mask
        return name, None

    def _peek(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _wrong(self) -> ApiError:
        return bad_request(f"Invalid field selection {self._text}", "invalidParameter")


def project(mask: Mask | None, value: Any) -> Any:
    """Only what ``mask`` selects of ``value``."""
    if mask is None:
        return value
    if isinstance(value, list):
        return [project(mask, item) for item in value]
    if not isinstance(value, dict):
        return value
    if "*" in mask:
        return value
    return {name: project(below, value[name]) for name, below in mask.items() if name in value}
