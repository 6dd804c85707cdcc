"""Answers that say what the API is: versions, extensions, zones."""

from collections.abc import Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sealane.api.answers import answer
from sealane.api.attributes import Kind
from sealane.api.resources import origin
from sealane.errors import NotFound

EXTENSIONS = {
    "agent": "Hosts, as agents",
    "allowed-address-pairs": "Allowed address pairs",
    "availability_zone": "Availability zones",
    "binding": "Port binding",
    "dns-integration": "DNS names of ports and networks",
    "empty-string-filtering": "Filters with an empty value",
    "external-net": "External networks",
    "filter-validation": "Unknown filters are refused",
    "ip-substring-filtering": "Filter by a part of an address",
    "net-mtu": "MTU of networks",
    "net-mtu-writable": "MTU of networks can be set",
    "network_availability_zone": "Availability zones of networks",
    "pagination": "Pages",
    "port-security": "Port security",
    "project-id": "project_id as tenant_id",
    "provider": "Provider network attributes",
    "quota_details": "Quotas with what is used",
    "quotas": "Quotas",
    "revision-if-match": "If-Match with revision_number",
    "sealane": "Sealane's own attributes, named sealane:…",
    "sorting": "Sorting",
    "standard-attr-description": "Descriptions",
    "standard-attr-revisions": "Revision numbers",
    "standard-attr-tag": "Tags",
    "standard-attr-timestamp": "Timestamps",
    "tag-ports-during-bulk-creation": "Tags of ports that are made in bulk",
}
UPDATED = "2026-01-01T00:00:00-00:00"


def _version(request: Request) -> dict[str, Any]:
    link = {"rel": "self", "href": f"{origin(request)}/v2.0/"}
    return {"id": "v2.0", "status": "CURRENT", "links": [link]}


async def versions(request: Request) -> Response:
    return answer({"versions": [_version(request)]})


def version(kinds: Iterable[Kind]) -> Any:
    """/v2.0: for those who look for a version document and for those who look for the resources."""
    names = [(k.singular, k.plural) for k in kinds]

    async def version_document(request: Request) -> Response:
        base = f"{origin(request)}/v2.0/"
        resources = [
            {"name": s, "collection": p, "links": [{"rel": "self", "href": base + p}]} for s, p in names
        ]
        return answer({"version": _version(request), "resources": resources})

    return version_document


def _extension(alias: str) -> dict[str, Any]:
    text = EXTENSIONS[alias]
    return {"alias": alias, "name": text, "description": text, "updated": UPDATED, "links": []}


async def extensions(request: Request) -> Response:
    return answer({"extensions": [_extension(alias) for alias in EXTENSIONS]})


async def extension(request: Request) -> Response:
    alias = request.path_params["alias"]
    if alias not in EXTENSIONS:
        raise NotFound(f"Extension with alias {alias} does not exist", type="ExtensionNotFound")
    return answer({"extension": _extension(alias)})


async def availability_zones(request: Request) -> Response:
    zone = {"name": "default", "resource": "network", "state": "available"}
    return answer({"availability_zones": [zone]})
