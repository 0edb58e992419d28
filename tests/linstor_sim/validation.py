# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks requests and replies against LINSTOR's OpenAPI document, where ``LINSTOR_OPENAPI`` names one."""

from __future__ import annotations

import functools
import os
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ansible_collections.snapship.dr.tests.linstor_sim.replies import Reply

_URI = "urn:linstor"

# Differences between LINSTOR 1.33.3 and its document.
_PLAIN_OBJECTS = {("GET", "/v1/encryption/passphrase"), ("GET", "/v1/remotes")}  # an object, not a list of one
_UNDOCUMENTED_QUERY = {"nodes", "resources", "storage_pools", "resource_definitions", "since", "withcontent", "offset"}
_ANY_CASE = ("Node", "type"), ("NetInterface", "satellite_encryption_type")
# LINSTOR leaves out empty values, even required ones, and the schedule of a resource that has none.
_OPTIONAL = (
    ("SnapQueue", "pref_node"),
    ("Backup", "vlms"),
    ("ScheduledRscs", "remote_name"),
    ("ScheduledRscs", "schedule_name"),
)


class Document:
    """The document, ready for checking."""

    def __init__(self, path: str) -> None:
        # Needed only with a document.
        import jsonschema
        import referencing
        import referencing.jsonschema
        import yaml

        with open(path, encoding="utf-8") as file:
            self._document = _json_schema(yaml.load(file, getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
        schemas = self._document["components"]["schemas"]
        for schema, name in _ANY_CASE:
            schemas[schema]["properties"][name].pop("enum", None)
        for schema, name in _OPTIONAL:
            schemas[schema]["required"].remove(name)
        resource = referencing.jsonschema.DRAFT202012.create_resource(self._document)
        self._validator = jsonschema.Draft202012Validator
        self._registry: Any = referencing.Registry().with_resource(_URI, resource)

    @classmethod
    def from_environment(cls) -> Document | None:
        path = os.environ.get("LINSTOR_OPENAPI")
        return _loaded(path) if path else None

    def check(self, method: str, route: str, target: str, body: Any, reply: Reply) -> list[str]:
        """The violations. Routes that aren't in the document are ignored."""
        operation = self._operation(method, route)
        if operation is None:
            return [f"{method} {route}: not in the document."]
        said = self._check_query(operation, target) + self._check_body(operation, body)
        said += self._check_reply(operation, method, route, reply)
        return [f"{method} {target}: {each}" for each in said]

    def _operation(self, method: str, route: str) -> dict[str, Any] | None:
        for path, operations in self._document["paths"].items():
            if _shape(path) == _shape(route) and method.lower() in operations:
                found: dict[str, Any] = operations[method.lower()]
                return {**found, "shared": operations.get("parameters", [])}
        return None

    def _check_query(self, operation: dict[str, Any], target: str) -> list[str]:
        known = set(_UNDOCUMENTED_QUERY)
        for each in [*operation.get("parameters", []), *operation["shared"]]:
            parameter = self._resolved(each)
            if parameter.get("in") == "query":
                known.add(parameter["name"].lower())
        given = parse_qs(urlsplit(target).query)
        return [f"the query has {name}, which isn't known." for name in given if name.lower() not in known]

    def _check_body(self, operation: dict[str, Any], body: Any) -> list[str]:
        wanted = operation.get("requestBody")
        if wanted is None:
            return []
        media = self._resolved(wanted).get("content", {}).get("application/json")
        if media is None or body in (None, b""):
            return []
        said = self._errors(_without_null(body), media["schema"], "the request")
        return said + self._unknown_fields(body, media["schema"])

    def _check_reply(self, operation: dict[str, Any], method: str, route: str, reply: Reply) -> list[str]:
        if reply.raw is not None:
            return []
        if reply.status >= 400:
            schema = {"type": "array", "items": {"$ref": "#/components/schemas/ApiCallRc"}, "minItems": 1}
            return self._errors(reply.payload, schema, "the reply")
        said = []
        for status, described in operation["responses"].items():
            media = self._resolved(described).get("content", {}).get("application/json")
            if str(status).startswith("2") and media:
                payload = [reply.payload] if (method, route) in _PLAIN_OBJECTS else reply.payload
                said = self._errors(payload, media["schema"], "the reply")
                if not said:
                    return []
        return said

    def _errors(self, value: Any, schema: Any, what: str) -> list[str]:
        validator = self._validator(_absolute(schema), registry=self._registry)
        return [
            f"{what} at {'/'.join(map(str, each.absolute_path)) or 'its top'}: {each.message[:400]}"
            for each in validator.iter_errors(value)
        ]

    def _unknown_fields(self, body: Any, schema: Any) -> list[str]:
        """The real controller refuses a body with a field it doesn't know."""
        properties = self._resolved(schema).get("properties")
        if not properties or not isinstance(body, dict):
            return []
        return [f"the request has the field {name}, which isn't known." for name in body if name not in properties]

    def _resolved(self, value: Any) -> dict[str, Any]:
        while isinstance(value, dict) and "$ref" in value:
            found: Any = self._document
            for part in value["$ref"].lstrip("#/").split("/"):
                found = found[part]
            value = found
        return value if isinstance(value, dict) else {}


@functools.lru_cache(maxsize=1)
def _loaded(path: str) -> Document:
    return Document(path)


def _shape(path: str) -> list[str]:
    return ["{}" if part.startswith("{") else part for part in path.split("/")]


def _absolute(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {
            name: f"{_URI}{value}" if name == "$ref" and value.startswith("#") else _absolute(value)
            for name, value in schema.items()
        }
    return [_absolute(each) for each in schema] if isinstance(schema, list) else schema


def _json_schema(value: Any) -> Any:
    """OpenAPI 3.0 has a word of its own for null."""
    if isinstance(value, list):
        return [_json_schema(each) for each in value]
    if not isinstance(value, dict):
        return value
    made = {str(name): _json_schema(each) for name, each in value.items() if name not in ("example", "format")}
    if made.pop("nullable", False) and "type" in made:
        made["type"] = [made["type"], "null"]
    return made


def _without_null(body: Any) -> Any:
    """Clients send null for what they don't set, and the controller takes it so."""
    if isinstance(body, dict):
        return {name: _without_null(each) for name, each in body.items() if each is not None}
    return [_without_null(each) for each in body] if isinstance(body, list) else body
